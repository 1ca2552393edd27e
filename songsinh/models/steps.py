"""One step of each solver, as kernels over the members side by side in their lanes.

Rows hold one kind of number for all lanes together, so that the sums of a stage are single
loops. Every step leaves each lane's new state in row Y and its error, the mean square in
units of the tolerance (0 for fixed steps), in ERROR. Row 0 holds the rates at the start of
the step on entry; row 6 the rates at its end, but for stiff steps. `fill` makes five rows of
`dense` from a lane's step, from which `between` reads the state anywhere inside it.
"""

import numpy as np

from songsinh.models.compilation import call

__all__ = [
    "EXPLICIT",
    "FIXED",
    "METHOD",
    "ROWS",
    "STIFF",
    "X",
    "Y",
    "Z",
    "SIZE",
    "LEAST",
    "MISS",
    "TIME",
    "STEP",
    "WISH",
    "LIMIT",
    "ERROR",
    "ROOT",
    "FACTOR",
    "BEFORE",
    "MEMBER",
    "SEGMENT",
    "SAMPLE",
    "HAPPENED",
    "STILL",
    "TAKEN",
    "LANDING",
    "between",
    "drive",
    "fill",
    "segment_of",
    "step",
]

EXPLICIT, STIFF, FIXED = 0, 1, 2
METHOD = EXPLICIT  # which of them to step by; `integration.driver` sets it, once for each method
SAFETY = 0.9  # how much smaller a step is chosen than its error allows
ROWS = 14  # first the rates a step may need to keep
# then states before, after and inside a step, its size, absolute tolerances, squared errors
X, Y, Z, SIZE, LEAST, MISS = 8, 9, 10, 11, 12, 13
# numbers of a lane, its clock: its time and step, the step it wished for and where that must end,
# its error, a root of that, by what this changes the step, and the root one step before
TIME, STEP, WISH, LIMIT, ERROR, ROOT, FACTOR, BEFORE = 0, 1, 2, 3, 4, 5, 6, 7
# whole numbers of a lane, its marks
MEMBER, SEGMENT, SAMPLE, HAPPENED, STILL, TAKEN, LANDING = 0, 1, 2, 3, 4, 5, 6

PARTS = np.array([0.0, 0.2, 0.3, 0.8, 8 / 9, 1.0, 1.0])

# Rodas5P. Source: Steinebach (2023), BIT Numer. Math. 63, 27; stages in the form of
# Hairer and Wanner, Solving ODEs II, IV.7
GAMMA = 0.21193756319429014
ALPHA = np.zeros((8, 8))
ALPHA[1, :1] = 3.0
ALPHA[2, :2] = 2.849394379747939, 0.45842242204463923
ALPHA[3, :3] = -6.954028509809101, 2.489845061869568, -10.358996098473584
ALPHA[4, :4] = 2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641
ALPHA[5, :5] = (
    *(-7.502846399306121, 2.561846144803919, -11.627539656261098),
    *(-0.18268767659942256, 0.030198172008377946),
)
ALPHA[6:, :5] = ALPHA[5, :5]
ALPHA[6:, 5] = 1.0
ALPHA[7, 6] = 1.0
COUPLING = np.zeros((8, 8))
COUPLING[1, :1] = -14.155112264123755
COUPLING[2, :2] = -17.97296035885952, -2.859693295451294
COUPLING[3, :3] = 147.12150275711716, -1.41221402718213, 71.68940251302358
COUPLING[4, :4] = 165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306
COUPLING[5, :5] = (
    *(24.854864614690072, -3.0009227002832186, 47.4931110020768),
    *(5.5814197821558125, -0.6610691825249471),
)
COUPLING[6, :6] = (
    *(30.91273214028599, -3.1208243349937974, 77.79954646070892),
    *(34.28646028294783, -19.097331116725623, -28.087943162872662),
)
COUPLING[7, :7] = (
    *(37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047),
    *(-40.06618937091002, -54.66780262877968, -9.48861652309627),
)
NODES = np.array(
    [0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1, 1, 1]
)
SLOPES = np.array(
    [GAMMA, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069]
    + [0.0] * 3
)
INSIDE = np.array(
    [
        [25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204]
        + [0.524948541321073, 1.1241088310450404, 0.4272876194431874, -0.17202221070155493],
        [-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796]
        + [20.176138334709044, 15.98066361424651, -6.789040303419874, -6.710236069923372],
        [11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643]
        + [-52.072871366152654, -59.78993625266729, -0.15582684282751913, 4.883087185713722],
    ]
)


def segment_of(times, t):
    """The last of the times that is not after t; -1 before the first."""
    low, high = 0, times.shape[0]
    while low < high:
        middle = (low + high) // 2
        if times[middle] <= t:
            low = middle + 1
        else:
            high = middle
    return low - 1


def drive(t, segment, wind, u):
    """Put the inputs at time t into u; the segment is kept, so that no step looks past its end."""
    forcing_times, forcing, hold = wind
    last = forcing_times.shape[0] - 1
    first = min(max(segment, 0), last)
    if hold or segment < 0 or segment >= last:
        for j in range(u.shape[0]):
            u[j] = forcing[first, j]
    else:
        span = forcing_times[segment + 1] - forcing_times[segment]
        part = (t - forcing_times[segment]) / span
        for j in range(u.shape[0]):
            u[j] = forcing[segment, j] + part * (forcing[segment + 1, j] - forcing[segment, j])


def between(part, dense, out):
    """The state at a part (0 to 1) of the last step."""
    for j in range(out.shape[0]):
        inner = dense[3, j] + (1.0 - part) * dense[4, j]
        inner = dense[2, j] + part * inner
        out[j] = dense[0, j] + part * (dense[1, j] + (1.0 - part) * inner)


def step(rate, parameters, wind, tolerance, work):
    """Try one step in every lane, from its (t, x) and of its size h; leaves y and the errors."""
    rows = work[1]
    if METHOD == EXPLICIT:
        _explicit(rate, parameters, wind, tolerance, work)
    elif METHOD == STIFF:
        _stiff(rate, parameters, wind, tolerance, work)
    else:
        _fixed(rate, parameters, wind, work)
        return
    _factors(rows.shape[2], work[7])


def _factors(n, clock):
    """By what to multiply each lane's step; roots have the same bits on any computer."""
    error, root, factor = clock[ERROR], clock[ROOT], clock[FACTOR]
    for lane in range(error.shape[0]):
        error[lane] /= n
        root[lane] = np.sqrt(np.sqrt(np.sqrt(np.sqrt(np.sqrt(max(error[lane], 1e-32))))))
        factor[lane] = SAFETY / (root[lane] * root[lane] * root[lane])


def _explicit(rate, parameters, wind, tolerance, work):
    # Dormand and Prince 5(4). Source: Hairer, Norsett and Wanner, Solving ODEs I, II.5-6
    flat, rows, clock = work[0], work[1], work[7]
    lanes, n = rows.shape[1], rows.shape[2]
    for s in range(1, 7):
        _stage(s, flat)
        _rates(rate, PARTS[s], Y if s == 6 else Z, s, parameters, wind, work)
    _misses(flat, tolerance[0])
    for lane in range(lanes):
        total = 0.0
        for j in range(n):
            total += rows[MISS, lane, j]
        clock[ERROR, lane] = total


def _stage(s, flat):
    """The state at which to ask for the rate of a stage."""
    k1, k2, k3, k4, k5, k6 = flat[0], flat[1], flat[2], flat[3], flat[4], flat[5]
    x, y, z, h = flat[X], flat[Y], flat[Z], flat[SIZE]
    width = x.shape[0]
    if s == 1:
        for i in range(width):
            z[i] = x[i] + h[i] * (0.2 * k1[i])
    elif s == 2:
        for i in range(width):
            z[i] = x[i] + h[i] * (3 / 40 * k1[i] + 9 / 40 * k2[i])
    elif s == 3:
        for i in range(width):
            z[i] = x[i] + h[i] * (44 / 45 * k1[i] - 56 / 15 * k2[i] + 32 / 9 * k3[i])
    elif s == 4:
        for i in range(width):
            z[i] = x[i] + h[i] * (
                19372 / 6561 * k1[i]
                - 25360 / 2187 * k2[i]
                + 64448 / 6561 * k3[i]
                - 212 / 729 * k4[i]
            )
    elif s == 5:
        for i in range(width):
            z[i] = x[i] + h[i] * (
                9017 / 3168 * k1[i]
                - 355 / 33 * k2[i]
                + 46732 / 5247 * k3[i]
                + 49 / 176 * k4[i]
                - 5103 / 18656 * k5[i]
            )
    else:
        for i in range(width):
            y[i] = x[i] + h[i] * (
                35 / 384 * k1[i]
                + 500 / 1113 * k3[i]
                + 125 / 192 * k4[i]
                - 2187 / 6784 * k5[i]
                + 11 / 84 * k6[i]
            )


def _misses(flat, rtol):
    """The square of each state's error in units of its tolerance."""
    k1, k3, k4, k5, k6, k7 = flat[0], flat[2], flat[3], flat[4], flat[5], flat[6]
    x, y, h, least, miss = flat[X], flat[Y], flat[SIZE], flat[LEAST], flat[MISS]
    for i in range(x.shape[0]):
        error = h[i] * (
            71 / 57600 * k1[i]
            - 71 / 16695 * k3[i]
            + 71 / 1920 * k4[i]
            - 17253 / 339200 * k5[i]
            + 22 / 525 * k6[i]
            - 1 / 40 * k7[i]
        )
        error /= least[i] + rtol * max(abs(x[i]), abs(y[i]))
        miss[i] = error * error


def _rates(rate, part, source, target, parameters, wind, work):
    """The rates of all lanes at a part of their steps, from one row into another."""
    rows, u, clock, marks = work[1], work[6], work[7], work[8]
    moving = not wind[2] and u.shape[1] > 0
    for lane in range(rows.shape[1]):
        i = marks[MEMBER, lane]
        if i < 0:
            continue
        t = clock[TIME, lane] + part * clock[STEP, lane]
        if moving:
            drive(t, marks[SEGMENT, lane], wind, u[lane])
        call(rate, t, rows[source, lane], u[lane], parameters[i], rows[target, lane])


def _fixed(rate, parameters, wind, work):
    # the classical method of fourth order
    flat, rows, clock = work[0], work[1], work[7]
    lanes, n = rows.shape[1], rows.shape[2]
    x, y, z, h = flat[X], flat[Y], flat[Z], flat[SIZE]
    for s in range(1, 5):
        if s == 4:
            for i in range(x.shape[0]):
                y[i] = x[i] + 1 / 6 * h[i] * (
                    flat[0, i] + 2 * flat[1, i] + 2 * flat[2, i] + flat[3, i]
                )
        else:
            part = 1.0 if s == 3 else 0.5
            for i in range(x.shape[0]):
                z[i] = x[i] + part * h[i] * flat[s - 1, i]
        part, source, target = 0.5 if s < 3 else 1.0, Y if s == 4 else Z, 6 if s == 4 else s
        _rates(rate, part, source, target, parameters, wind, work)
    for lane in range(lanes):
        total = 0.0
        for j in range(n):
            total += rows[Y, lane, j] - rows[Y, lane, j]  # not a number where any is not finite
        clock[ERROR, lane] = total


def fill(lane, work):
    """Fill the dense rows of the step just taken in a lane."""
    k, dense, h = work[1][:, lane], work[2], work[7][STEP, lane]
    x, y = work[1][X, lane], work[1][Y, lane]
    for j in range(x.shape[0]):
        dense[0, j] = x[j]
        dense[1, j] = y[j] - x[j]
        if METHOD == STIFF:
            inside1, inside2, inside3 = 0.0, 0.0, 0.0
            for s in range(8):
                inside1 += INSIDE[0, s] * k[s, j]
                inside2 += INSIDE[1, s] * k[s, j]
                inside3 += INSIDE[2, s] * k[s, j]
            dense[2, j] = inside1
            dense[3, j] = inside2 + inside3
            dense[4, j] = -inside3
        else:
            dense[2, j] = h * k[0, j] - dense[1, j]
            dense[3, j] = dense[1, j] - h * k[6, j] - dense[2, j]
            dense[4, j] = 0.0
            if METHOD == EXPLICIT:
                dense[4, j] = h * (
                    -12715105075 / 11282082432 * k[0, j]
                    + 87487479700 / 32700410799 * k[2, j]
                    - 10690763975 / 1880347072 * k[3, j]
                    + 701980252875 / 199316789632 * k[4, j]
                    - 1453857185 / 822651844 * k[5, j]
                    + 69997945 / 29380423 * k[6, j]
                )


def _stiff(rate, parameters, wind, tolerance, work):
    # with one lane: most of its time goes into the matrix
    k, rows, matrix, order = work[0], work[1], work[4], work[5]
    x, y, z, u, p = rows[X, 0], rows[Y, 0], rows[Z, 0], work[6][0], parameters[work[8][MEMBER, 0]]
    t, h, segment = work[7][TIME, 0], work[7][STEP, 0], work[8][SEGMENT, 0]
    n, rtol, atol = x.shape[0], tolerance[0], tolerance[1]
    jacobian, factors, slope, rate_now = matrix[0], matrix[1], matrix[2, 0], matrix[2, 1]
    if order[n] == 0:  # the state is new: its Jacobian and its slope in time are not known yet
        for j in range(n):
            rate_now[j] = k[0, j]
        _differences(rate, t, h, x, z, p, u, segment, wind, tolerance, matrix)
        order[n] = 1
    for i in range(n):
        for j in range(n):
            factors[i, j] = -jacobian[i, j]
        factors[i, i] += 1.0 / (h * GAMMA)
    if not _factorise(factors, order):
        work[7][ERROR, 0] = np.inf
        return
    for s in range(8):
        for j in range(n):
            z[j] = x[j]
        for q in range(s):
            if ALPHA[s, q] != 0.0:
                for j in range(n):
                    z[j] += ALPHA[s, q] * k[q, j]
        if s == 0:
            for j in range(n):
                k[0, j] = rate_now[j]
        else:
            drive(t + NODES[s] * h, segment, wind, u)
            call(rate, t + NODES[s] * h, z, u, p, k[s])
        for j in range(n):
            k[s, j] += h * SLOPES[s] * slope[j]
        for q in range(s):
            for j in range(n):
                k[s, j] += COUPLING[s, q] / h * k[q, j]
        _solve(factors, order, k[s])
    total = 0.0
    for j in range(n):
        y[j] = z[j] + k[7, j]
        error = k[7, j] / (atol[j] + rtol * max(abs(x[j]), abs(y[j])))
        total += error * error
    work[7][ERROR, 0] = total


def _differences(rate, t, h, x, z, p, u, segment, wind, tolerance, matrix):
    # forward differences, each scaled to the state's own size or to what its tolerance can see
    n = x.shape[0]
    rtol, atol = tolerance[0], tolerance[1]
    jacobian, slope, rate_now = matrix[0], matrix[2, 0], matrix[2, 1]
    root = 1.4901161193847656e-08
    drive(t, segment, wind, u)
    for j in range(n):
        z[j] = x[j]
    for j in range(n):
        z[j] = x[j] + root * max(abs(x[j]), atol[j] / rtol)
        moved = z[j] - x[j]
        call(rate, t, z, u, p, slope)
        for i in range(n):
            jacobian[i, j] = (slope[i] - rate_now[i]) / moved
        z[j] = x[j]
    later = t + max(root * min(max(abs(t), h), h * 1e6), 1e-12 * abs(t))
    drive(later, segment, wind, u)
    call(rate, later, z, u, p, slope)
    for i in range(n):
        slope[i] = (slope[i] - rate_now[i]) / (later - t)


def _factorise(a, order):
    # Gaussian elimination with partial pivoting, in place
    n = order.shape[0] - 1
    for c in range(n):
        best = c
        for r in range(c + 1, n):
            if abs(a[r, c]) > abs(a[best, c]):
                best = r
        order[c] = best
        if not abs(a[best, c]) > 0.0:
            return False
        if best != c:
            for j in range(n):
                kept = a[c, j]
                a[c, j] = a[best, j]
                a[best, j] = kept
        for r in range(c + 1, n):
            a[r, c] /= a[c, c]
            if a[r, c] != 0.0:
                for j in range(c + 1, n):
                    a[r, j] -= a[r, c] * a[c, j]
    return True


def _solve(a, order, b):
    n = order.shape[0] - 1
    for c in range(n):
        kept = b[c]
        b[c] = b[order[c]]
        b[order[c]] = kept
    for r in range(n):
        for j in range(r):
            b[r] -= a[r, j] * b[j]
    for r in range(n - 1, -1, -1):
        for j in range(r + 1, n):
            b[r] -= a[r, j] * b[j]
        b[r] /= a[r, r]
