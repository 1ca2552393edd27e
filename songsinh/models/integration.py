"""The driver of all solvers: members side by side in lanes, each with a step of its own.

A lane holds one member and takes the next when that one is done. Lanes try their steps
together, stage by stage, so that a processor need not wait for one member's stage before
it begins another's; what a member comes to does not depend on how many lanes there are.

The driver lands on every break of the inputs and never steps across one, fills in
samples from the dense state inside a step, and finds events by the sign of their functions.

What kernels pass around, as tuples:
    law        rate, when, changes, directions, stops
    wind       times of the inputs, their values [times, inputs], held or linear
    tolerance  rtol, atol [states], step size of a fixed step
    work       rows of all lanes side by side, the same rows by lane, dense rows, event signs,
               matrices, pivots, inputs, clocks, marks
"""

from functools import cache

import numpy as np

from songsinh.models.compilation import call, fixed
from songsinh.models.steps import (
    BEFORE,
    ERROR,
    EXPLICIT,
    FACTOR,
    FIXED,
    HAPPENED,
    LANDING,
    LEAST,
    LIMIT,
    MEMBER,
    METHOD,
    ROOT,
    ROWS,
    SAMPLE,
    SEGMENT,
    SIZE,
    STEP,
    STIFF,
    STILL,
    TAKEN,
    TIME,
    WISH,
    X,
    Y,
    Z,
    between,
    drive,
    fill,
    segment_of,
    step,
)

__all__ = [
    "INTEGRATE",
    "OBSERVE",
    "OUT_OF_BUDGET",
    "REASONS",
    "STOPPED",
    "driver",
    "integrate",
    "observe",
    "workspace",
]

FINE, STOPPED, OUT_OF_BUDGET, UNDERWAY = 0, -1, -2, -3
TOO_SMALL, TOO_MANY, NOT_FINITE, TOO_MANY_EVENTS = 1, 2, 3, 4
MOST_EVENTS, MOST_AT_ONCE = 10_000, 100
REASONS = {
    TOO_SMALL: "its step became too small to go on; the equations may jump or be stiff",
    TOO_MANY: "it took more steps than allowed; a stiff model needs solver=Stiff()",
    NOT_FINITE: "its rate is no finite number from there; check the values it starts from",
    TOO_MANY_EVENTS: "its events came without end; give the event a state to rest in",
}

_WIND = "Tuple((float64[::1], float64[:,::1], boolean))"
INTEGRATE = (
    "int64(Tuple((int64, int64, int64[::1], int64[::1], boolean[::1])), float64[:,::1],"
    f" float64[:,::1], {_WIND}, float64[::1], Tuple((float64, float64[::1], float64)), int64,"
    " int64, float64[:,:,::1], int64[::1], float64[::1], float64[:,::1], int64[:,::1],"
    " Tuple((float64[:,::1], float64[:,:,::1], float64[:,::1], float64[:,:,::1], float64[:,:,::1],"
    " int64[::1], float64[:,::1], float64[:,::1], int64[:,::1])))"
)
OBSERVE = (
    f"void(int64, float64[::1], float64[:,:,::1], float64[:,::1], {_WIND}, float64[:,:,::1],"
    " float64[::1])"
)


@cache
def driver(method):
    """The kernel `integrate` for one method, which its compiler then finds as a constant."""
    return fixed(integrate, METHOD=method)


def workspace(method, n, events, inputs, lanes=1):
    """Fresh room for one thread: kernels allocate nothing themselves."""
    flat = np.zeros((ROWS, lanes * n))
    return (
        flat,
        flat.reshape(ROWS, lanes, n),
        np.zeros((5, n)),
        np.zeros((lanes, 2, max(events, 1))),
        np.zeros((3, max(n, 2), n)) if method == STIFF else np.zeros((3, 2, 1)),
        np.zeros(n + 1, dtype=np.int64),
        np.zeros((lanes, inputs)),
        np.zeros((8, lanes)),
        np.zeros((7, lanes), dtype=np.int64),
    )


def integrate(
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
    """Carry every member through the sample times; returns how many steps were taken in all."""
    clock, marks = work[7], work[8]
    lanes, members, samples = marks.shape[1], states.shape[0], times.shape[0]
    spent, following, busy = 0, 0, 0
    marks[MEMBER] = -1
    while True:
        for lane in range(lanes):
            while marks[MEMBER, lane] < 0 and following < members:
                i, following = following, following + 1
                if spent >= budget:
                    codes[i] = OUT_OF_BUDGET
                    continue
                _begin(lane, law, states[i], parameters[i], wind, times, tolerance, out[i], work)
                codes[i], reached[i] = FINE, clock[TIME, lane]
                if marks[SAMPLE, lane] < samples:
                    marks[MEMBER, lane] = i
                    busy += 1
            if marks[MEMBER, lane] >= 0:
                _aim(lane, wind[0], times, tolerance[2], work)
        if busy == 0:
            return spent
        step(law[0], parameters, wind, tolerance, work)
        for lane in range(lanes):
            i = marks[MEMBER, lane]
            if i < 0:
                continue
            spent += 1
            marks[TAKEN, lane] += 1
            if clock[ERROR, lane] <= 1.0:
                p, events = parameters[i], (event_times[i], event_kinds[i])
                code = _accept(lane, law, p, wind, times, tolerance, out[i], events, work)
            else:
                code = _refuse(lane, times, work)
            if code == UNDERWAY and marks[TAKEN, lane] >= most_steps:
                code = TOO_MANY
            elif code == UNDERWAY and spent >= budget:
                code = OUT_OF_BUDGET
            if code != UNDERWAY:
                codes[i], reached[i] = code, clock[TIME, lane]
                marks[MEMBER, lane] = -1
                busy -= 1


def _begin(lane, law, start, p, wind, times, tolerance, out, work):
    """Put a member at its start into a lane and choose its first step."""
    rate, when, _, directions, _ = law
    rtol, atol, _ = tolerance
    _, rows, _, signs, _, order, inputs, clock, marks = work
    k, x, y, z = rows[0, lane], rows[X, lane], rows[Y, lane], rows[Z, lane]
    u, n, samples = inputs[lane], start.shape[0], times.shape[0]
    t, end = times[0], times[samples - 1]
    _copy(start, x)
    _copy(atol, rows[LEAST, lane])
    marks[:, lane] = 0
    marks[MEMBER, lane] = -1
    segment = segment_of(wind[0], t)
    out[:] = np.nan
    sample = 0
    while sample < samples and times[sample] <= t:
        _copy(x, out[sample])
        sample += 1
    drive(t, segment, wind, u)
    call(rate, t, x, u, p, k)
    h = _first_step(rate, t, x, p, u, k, z, y, end - t, rtol, atol)
    if directions.shape[0] > 0:
        call(when, t, x, u, p, signs[lane, 0])
    order[n] = 0
    clock[TIME, lane], clock[STEP, lane], clock[BEFORE, lane] = t, h, 1.0
    marks[SEGMENT, lane], marks[SAMPLE, lane] = segment, sample


def _aim(lane, breaks, times, size, work):
    """Settle a lane's next step, which ends at the latest where the inputs break."""
    rows, clock, marks = work[1], work[7], work[8]
    t, h, segment = clock[TIME, lane], clock[STEP, lane], marks[SEGMENT, lane]
    limit = times[times.shape[0] - 1]
    if segment + 1 < breaks.shape[0]:
        limit = min(limit, breaks[segment + 1])
    if METHOD == FIXED:
        limit = min(limit, times[marks[SAMPLE, lane]])
        h = (limit - t) / max(np.ceil((limit - t) / size * (1 - 1e-12)), 1.0)
    clock[WISH, lane], clock[LIMIT, lane] = h, limit
    marks[LANDING, lane] = 0
    if t + h * (1 + 1e-9) >= limit:
        marks[LANDING, lane] = 1
        h = limit - t
    clock[STEP, lane] = h
    for j in range(rows.shape[2]):
        rows[SIZE, lane, j] = h


def _refuse(lane, times, work):
    """Make a lane's step smaller after it missed its tolerance."""
    clock = work[7]
    t, error = clock[TIME, lane], clock[ERROR, lane]
    finite = np.isfinite(error)
    h = clock[STEP, lane] * (max(0.2, clock[FACTOR, lane]) if finite else 0.1)
    clock[STEP, lane] = h
    tiny = 1e-30 * (times[times.shape[0] - 1] - times[0])
    if METHOD == FIXED or h <= max(4e-16 * abs(t), tiny):
        return TOO_SMALL if finite else NOT_FINITE
    return UNDERWAY


def _accept(lane, law, p, wind, times, tolerance, out, noted, work):
    """Go to the end of a lane's step, or to the first event inside it; returns a code."""
    rate, when, changes, directions, _ = law
    rtol, atol, _ = tolerance
    _, rows, dense, all_signs, _, order, inputs, clock, marks = work
    breaks, u, signs = wind[0], inputs[lane], all_signs[lane]
    k, x, y, z = rows[0, lane], rows[X, lane], rows[Y, lane], rows[Z, lane]
    n, events, samples = x.shape[0], directions.shape[0], times.shape[0]
    t, h, limit = clock[TIME, lane], clock[STEP, lane], clock[LIMIT, lane]
    landing = marks[LANDING, lane]
    segment, sample = marks[SEGMENT, lane], marks[SAMPLE, lane]
    end = times[samples - 1]
    found, part = -1, 1.0
    if events > 0 or times[sample] < t + h:
        fill(lane, work)
    if events > 0:
        found, part = _crossing(when, directions, t, h, p, u, dense, z, signs, segment, wind)
    after = limit if landing and found < 0 else t + part * h
    while sample < samples and times[sample] <= after:
        if found < 0 and times[sample] == after:
            _copy(y, out[sample])
        else:
            between((times[sample] - t) / h, dense, out[sample])
        sample += 1
    marks[SAMPLE, lane] = sample
    if found < 0:
        far = 0.0
        _copy(y, x)
    else:
        _signs(when, t, h, 1.0, p, u, dense, z, signs, segment, wind)
        far = abs(signs[1, found])
        between(part, dense, x)
    begun, t = t, after
    clock[TIME, lane] = t
    while segment + 1 < breaks.shape[0] and breaks[segment + 1] <= t:
        segment += 1
    marks[SEGMENT, lane] = segment
    if events > 0:
        drive(t, segment, wind, u)
        call(when, t, x, u, p, signs[1])
        for e in range(events):  # an input that jumps may take an event with it
            if found < 0 and _turned(signs[0, e], signs[1, e], directions[e]):
                found = e
    if found >= 0:
        what = (found, begun, far, sample > 0 and times[sample - 1] == t)
        code = _happen(lane, what, law, p, wind, out[sample - 1], noted, work)
        if code != UNDERWAY:
            return FINE if code == STOPPED and sample == samples else code
    if sample >= samples:
        return FINE
    if events > 0:
        _copy(signs[1], signs[0])
    if found >= 0 or landing or METHOD == STIFF:
        drive(t, segment, wind, u)
        call(rate, t, x, u, p, k)
    else:
        _copy(rows[6, lane], k)
    order[n] = 0
    if found >= 0 and changes[found] != 0:
        clock[STEP, lane] = _first_step(rate, t, x, p, u, k, z, y, end - t, rtol, atol)
        clock[BEFORE, lane] = 1.0
    elif METHOD != FIXED:
        grow = min(5.0, max(0.2, clock[FACTOR, lane] * clock[BEFORE, lane]))
        h *= grow
        if METHOD == EXPLICIT and not landing:
            clock[BEFORE, lane] = max(clock[ROOT, lane], 0.75)
        clock[STEP, lane] = max(h, clock[WISH, lane]) if landing and grow >= 1.0 else h
    return UNDERWAY


def _happen(lane, what, law, p, wind, now, noted, work):
    """Note an event at a lane's time and let it change the state; returns a code."""
    found, begun, far, sampled = what
    rate, when, changes, _, stops = law
    event_times, event_kinds = noted
    _, rows, _, all_signs, _, _, inputs, clock, marks = work
    u, signs, segment = inputs[lane], all_signs[lane], marks[SEGMENT, lane]
    k, x, y, z = rows[0, lane], rows[X, lane], rows[Y, lane], rows[Z, lane]
    t, h, happened = clock[TIME, lane], clock[STEP, lane], marks[HAPPENED, lane]
    if happened < event_times.shape[0]:
        event_times[happened] = t
        event_kinds[happened] = found
    marks[HAPPENED, lane] = happened + 1
    marks[STILL, lane] = 0 if t > begun else marks[STILL, lane] + 1
    if changes[found] != 0:
        level, back = signs[1, found], signs[0, found]
        came = _trend(rate, when, t, h, x, p, u, segment, wind, k, z, signs[1], found)
        call(changes[found], t, x, u, p, y)
        _copy(y, x)
        call(when, t, x, u, p, signs[1])
        slight = far > 0.0 and abs(level) <= max(abs(came), 1e-9 * far)
        if slight and (signs[1, found] == 0.0 or signs[1, found] == level):
            # a ball that bounces: still at zero, and it may come back before it is seen
            goes = _trend(rate, when, t, h, x, p, u, segment, wind, k, z, signs[1], found)
            if came * back >= 0.0 or goes * back >= 0.0:
                signs[1, found] = np.copysign(1e-300, back)
    if sampled:
        _copy(x, now)
    if stops[found]:
        return STOPPED
    if marks[HAPPENED, lane] >= MOST_EVENTS or marks[STILL, lane] >= MOST_AT_ONCE:
        return TOO_MANY_EVENTS
    return UNDERWAY


def _copy(source, target):
    for j in range(target.shape[0]):
        target[j] = source[j]


def _trend(rate, when, t, h, x, p, u, segment, wind, k, z, after, found):
    """By how much an event's function, now in `after`, is about to change."""
    now, ahead = after[found], max(1e-4 * h, 1e-12 * abs(t))
    call(rate, t, x, u, p, k)
    for j in range(x.shape[0]):
        z[j] = x[j] + ahead * k[j]
    drive(t + ahead, segment, wind, u)
    call(when, t + ahead, z, u, p, after)
    trend = after[found] - now
    drive(t, segment, wind, u)
    call(when, t, x, u, p, after)
    return trend


def _first_step(rate, t, x, p, u, k, z, y, span, rtol, atol):
    # Source: Hairer, Norsett and Wanner, Solving ODEs I, II.4
    n = x.shape[0]
    size, speed, bend = 0.0, 0.0, 0.0
    for j in range(n):
        scale = atol[j] + rtol * abs(x[j])
        size += (x[j] / scale) ** 2
        speed += (k[j] / scale) ** 2
    h = 1e-6 if size < 1e-10 or speed < 1e-10 else 0.01 * np.sqrt(size / speed)
    if not np.isfinite(h) or h == 0.0:
        return min(1e-6, span)
    h = min(h, span)
    for j in range(n):
        z[j] = x[j] + h * k[j]
    call(rate, t + h, z, u, p, y)
    for j in range(n):
        bend += ((y[j] - k[j]) / (atol[j] + rtol * abs(x[j]))) ** 2
    steepest = max(np.sqrt(speed / n), np.sqrt(bend / n) / h)
    if not np.isfinite(steepest):
        return h * 1e-3
    other = max(1e-6, h * 1e-3) if steepest <= 1e-15 else (0.01 / steepest) ** 0.2
    return min(100 * h, other, span)


def _crossing(when, directions, t, h, p, u, dense, z, signs, segment, wind):
    """The first event inside the step and the part of the step where it lies; (-1, 1) if none.

    The step is looked at in four parts, so that two crossings within one are seldom missed.
    """
    before = 0.0
    for quarter in range(1, 5):
        after = 0.25 * quarter
        _signs(when, t, h, after, p, u, dense, z, signs, segment, wind)
        found, where = -1, 2.0
        for e in range(directions.shape[0]):
            if _turned(signs[0, e], signs[1, e], directions[e]):
                low, high = before, after
                while True:
                    middle = 0.5 * (low + high)
                    if middle <= low or middle >= high:
                        break
                    _signs(when, t, h, middle, p, u, dense, z, signs, segment, wind)
                    if _turned(signs[0, e], signs[1, e], directions[e]):
                        high = middle
                    else:
                        low = middle
                if high < where:
                    found, where = e, high
                _signs(when, t, h, after, p, u, dense, z, signs, segment, wind)
        if found >= 0:
            return found, where
        _copy(signs[1], signs[0])
        before = after
    return -1, 1.0


def _signs(when, t, h, part, p, u, dense, z, signs, segment, wind):
    between(part, dense, z)
    drive(t + part * h, segment, wind, u)
    call(when, t + part * h, z, u, p, signs[1])


def _turned(before, after, direction):
    falling = before > 0.0 and after <= 0.0
    rising = before < 0.0 and after >= 0.0
    return (direction <= 0 and falling) or (direction >= 0 and rising)


def observe(output, times, states, parameters, wind, out, u):
    """What the model shows at each sample of each member."""
    members, samples, _ = states.shape
    for q in range(samples):
        drive(times[q], segment_of(wind[0], times[q]), wind, u)
        for i in range(members):
            if np.isnan(states[i, q, 0]):
                out[i, q] = np.nan
            else:
                call(output, times[q], states[i, q], u, parameters[i], out[i, q])
