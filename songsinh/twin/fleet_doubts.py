"""Kernels that doubt readings: which are wild, which sensor is broken, what is remembered.

They decide what `songsinh.twin.corrections` and `diagnosis` decide.
"""

import numpy as np

from songsinh.twin.fleet_filters import dot

__all__ = [
    "BROKEN",
    "FAILED",
    "LATE",
    "SILENT",
    "USED",
    "WILD",
    "judge",
    "learn",
    "remember",
]

USED, WILD, BROKEN, SILENT, LATE, FAILED = 0, 1, 2, 3, 4, 5  # why a reading was set aside
FAR = 5.0  # standard deviations beyond which a reading is not believed at once
PATIENCE = 4  # wild readings of one sensor in a row before they are looked into
LEARNING = 0.1  # share by which one set of readings moves the likeness
RECENT = 12  # readings of which the mean is tested


def judge(values, expected, doubt, memory, likeness, bounds, innovation, aside, part):
    """Mark the readings that are not to be used; gives whether any is left."""
    some = False
    suspect = -2  # not yet asked
    for s in range(values.shape[0]):
        innovation[s] = (values[s] - expected[s]) / doubt[s]
        if not np.isfinite(values[s]):
            continue
        aside[s] = USED
        if abs(innovation[s]) > FAR:
            if not _is_lasting(memory, s, innovation[s]):
                aside[s] = WILD
            else:
                if suspect == -2:
                    suspect = _suspect(memory, likeness, bounds, part)
                if suspect == s:
                    aside[s] = BROKEN
        some = some or aside[s] == USED
    return some


def _is_lasting(memory, s, innovation):
    rows = memory.shape[0]
    for i in range(rows - PATIENCE, rows):
        before = memory[i, 2, s]
        if not (abs(before) > FAR and before * innovation > 0.0):
            return False
    return True


def _suspect(memory, likeness, bounds, part):
    """The sensor that alone explains what the readings were off by; -1 when none does.

    Source: Willsky and Jones (1976), as in `diagnose`.
    """
    sensors = memory.shape[2]
    for s in range(sensors):
        if _is_stuck(memory, s):
            return s
    places, scaled, pull, inverse, square = part[9], part[10], part[11], part[8], part[6]
    seen = 0
    for s in range(sensors):
        count, total = 0, 0.0
        for i in range(memory.shape[0] - RECENT, memory.shape[0]):
            if np.isfinite(memory[i, 2, s]):
                count += 1
                total += memory[i, 2, s]
        if count >= RECENT // 3:
            places[seen] = s
            scaled[seen] = total / count * np.sqrt(count)
            seen += 1
    if seen < 2:
        return -1
    for a in range(seen):
        for b in range(seen):
            square[a, b] = likeness[places[a], places[b]] + (1e-6 if a == b else 0.0)
    _invert(seen, square, inverse)
    total = 0.0
    for a in range(seen):
        pull[a] = 0.0
        for b in range(seen):
            pull[a] += inverse[a, b] * scaled[b]
        total += scaled[a] * pull[a]
    if total <= bounds[0, seen]:
        return -1
    best, least, second = -1, np.inf, np.inf
    for a in range(seen):
        rest = total - pull[a] * pull[a] / inverse[a, a]
        if rest < least:
            best, least, second = places[a], rest, least
        elif rest < second:
            second = rest
    return best if least <= bounds[1, seen - 1] < second else -1


def _is_stuck(memory, s):
    """Whether a sensor read the same again and again while it should have moved."""
    first = memory.shape[0] - RECENT
    value, low, high, doubt = memory[first, 0, s], np.inf, -np.inf, np.inf
    for i in range(first, memory.shape[0]):
        if memory[i, 0, s] != value:  # or not a number
            return False
        expected, innovation = memory[i, 1, s], memory[i, 2, s]
        low, high = min(low, expected), max(high, expected)
        if innovation != 0.0:
            doubt = min(doubt, abs((value - expected) / innovation))
    return high - low > 3.0 * doubt


def _invert(n, square, inverse):
    """The inverse of a positive definite matrix, which is used up."""
    for a in range(n):
        for b in range(n):
            inverse[a, b] = 1.0 if a == b else 0.0
    for c in range(n):
        pivot = square[c, c]
        for b in range(n):
            square[c, b] /= pivot
            inverse[c, b] /= pivot
        for a in range(n):
            if a != c:
                factor = square[a, c]
                for b in range(n):
                    square[a, b] -= factor * square[c, b]
                    inverse[a, b] -= factor * inverse[c, b]


def remember(values, expected, innovation, memory):
    """Push what each sensor that spoke read into its memory, the oldest falls out."""
    last = memory.shape[0] - 1
    for s in range(values.shape[0]):
        if np.isfinite(values[s]):
            for i in range(last):
                for q in range(3):
                    memory[i, q, s] = memory[i + 1, q, s]
            memory[last, 0, s], memory[last, 1, s] = values[s], expected[s]
            memory[last, 2, s] = innovation[s]


def learn(noise, doubt, likeness, part):
    """Move the likeness towards how members and sensors vary together."""
    apart = part[3]
    count = apart.shape[1]
    for a in range(noise.shape[0]):
        for b in range(a, noise.shape[0]):
            together = dot(apart[a], apart[b]) / count / (doubt[a] * doubt[b])
            if a == b:
                together += noise[a] * noise[a] / (doubt[a] * doubt[a])
            if np.isfinite(together):
                likeness[a, b] += LEARNING * (together - likeness[a, b])
                likeness[b, a] = likeness[a, b]
