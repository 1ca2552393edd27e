"""Chance for kernels: normal numbers that a key and a place alone decide.

Source: Philox 4x32-10 of Salmon et al. (2011); the inverse of the normal law of Wichura (1988),
algorithm AS 241. Everything here runs alike compiled and as plain Python.
"""

import numpy as np

__all__ = ["FOLDING", "LOOKING", "TURNING", "normals", "philox"]

FOLDING, TURNING, LOOKING = 1, 2, 3  # what numbers are drawn for, so that none is used twice
WORD = 0xFFFFFFFF
NEAR = 0.425  # how far from the middle the first of the two fractions holds


def philox(a, b, c, d, key, other):
    """Four random words of 32 bits from a place (four words) and a key (two)."""
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b = ((right >> 32) & WORD) ^ b ^ key, right & WORD
        c, d = ((left >> 32) & WORD) ^ d ^ other, left & WORD
        key, other = (key + 0x9E3779B9) & WORD, (other + 0xBB67AE85) & WORD
    return a, b, c, d


def normals(out, tails, count, seed, cycle, purpose):
    """Fill out with that many standard normal numbers; both arrays have room for a few more."""
    seed, cycle = int(seed), int(cycle)
    low, high = seed & WORD, (seed >> 32) & WORD
    now, later = cycle & WORD, (cycle >> 32) & WORD
    blocks = (count + 3) // 4
    for block in range(blocks):
        a, b, c, d = philox(block, purpose, now, later, low, high)
        out[4 * block] = (a + 0.5) / 4294967296.0 - 0.5
        out[4 * block + 1] = (b + 0.5) / 4294967296.0 - 0.5
        out[4 * block + 2] = (c + 0.5) / 4294967296.0 - 0.5
        out[4 * block + 3] = (d + 0.5) / 4294967296.0 - 0.5
    _invert(4 * blocks, out, tails)


def _invert(count, out, tails):
    """Turn shares less a half into the normal numbers below which they lie.

    The few far out are put aside first, so that the loop over all the others has no branch.
    """
    far = 0
    for i in range(count):
        tails[far, 0], tails[far, 1] = i, out[i]
        far += abs(out[i]) > NEAR
    for i in range(count):
        r = 0.180625 - out[i] * out[i]
        out[i] *= _middle_above(r) / _middle_below(r)
    for k in range(far):
        q = tails[k, 1]
        r = np.sqrt(-np.log(0.5 - abs(q))) - 1.6  # words never ask for a share below 1e-10
        tail = _tail_above(r) / _tail_below(r)
        out[int(tails[k, 0])] = tail if q > 0.0 else -tail


def _middle_above(r):
    high = 6.7265770927008700853e4 + r * (3.3430575583588128105e4 + r * 2.5090809287301226727e3)
    low = 1.9715909503065514427e3 + r * (
        1.3731693765509461125e4 + r * (4.5921953931549871457e4 + r * high)
    )
    return 3.3871328727963666080e0 + r * (1.3314166789178437745e2 + r * low)


def _middle_below(r):
    high = 3.9307895800092710610e4 + r * (2.8729085735721942674e4 + r * 5.2264952788528545610e3)
    low = 6.8718700749205790830e2 + r * (
        5.3941960214247511077e3 + r * (2.1213794301586595867e4 + r * high)
    )
    return 1.0 + r * (4.2313330701600911252e1 + r * low)


def _tail_above(r):
    high = 2.41780725177450611770e-1 + r * (
        2.27238449892691845833e-2 + r * 7.74545014278341407640e-4
    )
    low = 5.76949722146069140550e0 + r * (
        3.64784832476320460504e0 + r * (1.27045825245236838258e0 + r * high)
    )
    return 1.42343711074968357734e0 + r * (4.63033784615654529590e0 + r * low)


def _tail_below(r):
    high = 1.51986665636164571966e-2 + r * (
        5.47593808499534494600e-4 + r * 1.05075007164441684324e-9
    )
    low = 1.67638483018380384940e0 + r * (
        6.89767334985100004550e-1 + r * (1.48103976427480074590e-1 + r * high)
    )
    return 1.0 + r * (2.05319162663775882187e0 + r * low)
