"""Fixed steps of many members at once, for models without events.

All members take the same steps, so inputs are looked up once for all. The steps and their
arithmetic are those of `integration` with a fixed step, to the last bit; only the bookkeeping
for a single member is gone.
"""

import numpy as np

from songsinh.models.compilation import call
from songsinh.models.steps import drive, segment_of

__all__ = ["room", "stride"]

FINE, TOO_MANY, NOT_FINITE = 0, 2, 3  # as in `integration`


def room(members, n, inputs):
    """Fresh room for one thread: rows of all members side by side, the same by member, inputs.

    The rows are four rates, the states now and those of a stage. It is of the kind that
    `integration.workspace` is, so that a kernel is compiled once for both.
    """
    flat, whole = np.zeros((6, members * n)), np.int64
    unused = np.zeros((1, 1)), np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.zeros(1, whole)
    clocks, marks = np.zeros((1, 1)), np.zeros((1, 1), whole)
    return flat, flat.reshape(6, members, n), *unused, np.zeros((1, inputs)), clocks, marks


def stride(
    law,
    states,
    parameters,
    wind,
    times,
    tolerance,
    most_steps,
    budget,
    out,
    codes,
    reached,
    event_times,
    event_kinds,
    work,
):
    """Carry all members through the sample times, as `integrate` does; gives the steps taken."""
    flat, rows, u = work[0], work[1], work[6][0]
    x, breaks, size = rows[4], wind[0], tolerance[2]
    t, sample, taken = times[0], 0, 0
    segment = segment_of(breaks, t)
    for i in range(x.shape[0]):
        codes[i] = FINE
        for j in range(x.shape[1]):
            x[i, j] = states[i, j]
    sample = _note(t, sample, times, x, out)
    while sample < times.shape[0] and taken < most_steps:
        limit = times[sample]
        if segment + 1 < breaks.shape[0]:
            limit = min(limit, breaks[segment + 1])
        h = (limit - t) / max(np.ceil((limit - t) / size * (1 - 1e-12)), 1.0)
        is_landing = t + h * (1 + 1e-9) >= limit
        if is_landing:
            h = limit - t
        _leap(law[0], t, h, segment, parameters, wind, flat, rows, u)
        taken += 1
        t = limit if is_landing else t + h
        while segment + 1 < breaks.shape[0] and breaks[segment + 1] <= t:
            segment += 1
        sample = _note(t, sample, times, x, out)
    for i in range(x.shape[0]):
        reached[i] = t
        if sample < times.shape[0]:
            codes[i] = TOO_MANY
        for j in range(x.shape[1]):  # what is once not finite stays so
            if not np.isfinite(x[i, j]):
                codes[i] = NOT_FINITE
    return taken


def _note(t, sample, times, x, out):
    """Keep the members at the samples that are reached; gives the next sample."""
    while sample < times.shape[0] and times[sample] <= t:
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, sample, j] = x[i, j]
        sample += 1
    return sample


def _leap(rate, t, h, segment, parameters, wind, flat, rows, u):
    """One step of the classical method of fourth order for all members."""
    x, z = flat[4], flat[5]
    for s in range(4):
        part = 0.0 if s == 0 else (1.0 if s == 3 else 0.5)
        drive(t + part * h, segment, wind, u)
        if s > 0:
            before = flat[s - 1]
            for i in range(x.shape[0]):
                z[i] = x[i] + part * h * before[i]
        source, target = rows[4 if s == 0 else 5], rows[s]
        for i in range(rows.shape[1]):
            call(rate, t + part * h, source[i], u, parameters[i], target[i])
    k1, k2, k3, k4 = flat[0], flat[1], flat[2], flat[3]
    for i in range(x.shape[0]):
        x[i] += 1 / 6 * h * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i])
