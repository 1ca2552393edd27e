"""The Kalman filter of a structural model of one series, in closed form, as a kernel.

Four states: level, trend, and a cycle with its partner. Between two readings the level runs on
with the trend, the trend fades, the cycle turns; then each wanders. Source: Harvey (1989),
*Forecasting, Structural Time Series Models and the Kalman Filter*, ch. 2 and 4.
"""

import numpy as np

from songsinh.models import Array

__all__ = ["FADE", "STATES", "filtered", "moved"]

STATES = 4
FADE = 4.0  # sd beyond which a reading counts no more than at that distance


def moved(mean: Array, spread: Array, room: Array, span: float, law: Array) -> None:
    """Mean [4] and covariance [4, 4] after so many seconds; room [2, 4, 4] is overwritten.

    `law` is level, trend and cycle drift (sd per root of a second), the trend's time in s, and
    the cycle's turn in rad/s.
    """
    fade = np.exp(-span / law[3])
    turn = law[4] * span
    size = 4 if turn != 0.0 else 2  # without a turn there is no cycle
    step, product = room[0], room[1]
    step[:] = 0.0
    step[0, 0] = 1.0
    step[0, 1] = law[3] * (1.0 - fade)
    step[1, 1] = fade
    step[2, 2] = step[3, 3] = np.cos(turn)
    step[2, 3] = np.sin(turn)
    step[3, 2] = -step[2, 3]
    level = mean[0] + step[0, 1] * mean[1]
    cycle = step[2, 2] * mean[2] + step[2, 3] * mean[3]
    mean[3] = step[3, 2] * mean[2] + step[3, 3] * mean[3]
    mean[0], mean[1], mean[2] = level, fade * mean[1], cycle
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += step[i, k] * spread[k, j]
            product[i, j] = total
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += product[i, k] * step[j, k]
            spread[i, j] = total
    for i in range(size):
        wander = law[0] if i == 0 else (law[1] if i == 1 else law[2])
        spread[i, i] += span * wander * wander


def filtered(
    times: Array,
    values: Array,
    law: Array,
    noise: float,
    mean: Array,
    spread: Array,
    room: Array,
    seen: Array,
    means: Array,
    spreads: Array,
) -> None:
    """Follow one series; seen [2, samples] gets each innovation and its variance, NaN where none.

    `mean` [4] and `spread` [4, 4] are those before the first reading and end as the last;
    `means` [samples, 4] and `spreads` [samples, 4, 4] keep those after each.
    """
    for n in range(len(times)):
        if n > 0:
            moved(mean, spread, room, times[n] - times[n - 1], law)
        seen[0, n] = seen[1, n] = np.nan
        if np.isfinite(values[n]):
            _corrected(values[n], noise, mean, spread, room[0, 0], seen[:, n])
        for i in range(4):
            means[n, i] = mean[i]
            for j in range(4):
                spreads[n, i, j] = spread[i, j]


def _corrected(
    value: float, noise: float, mean: Array, spread: Array, gain: Array, seen: Array
) -> None:
    """Mean and covariance after a reading of level and cycle together."""
    gap = value - mean[0] - mean[2]
    doubt = noise * noise
    for i in range(4):
        gain[i] = spread[i, 0] + spread[i, 2]
    doubt += gain[0] + gain[2]
    seen[0], seen[1] = gap, doubt
    far = np.abs(gap) / np.sqrt(doubt)
    share = 1.0 if far < FADE else FADE / far
    for i in range(4):
        mean[i] += share * gain[i] * gap / doubt
    for i in range(4):
        for j in range(4):
            spread[i, j] -= share * gain[i] * gain[j] / doubt
