"""Where the constants of ageing come from: what makes the fitting cells most likely."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from songsinh.metrics import crps
from songsinh.models import Array
from songsinh.sectors.battery.ageing import GATE, age, foretell
from songsinh.sectors.battery.ageing_constants import LEARNED, REFERENCE, TABLE, AgeingConstants
from songsinh.sectors.battery.ageing_model import CALM, RESTLESS
from songsinh.sectors.battery.data import CONSTANT_CURRENT, Cell

__all__ = ["CONSTANT_CURRENT", "learn_ageing", "learn_memory", "surprise"]

# a coarse grid, since the lowest score is flat
LIVES: Final = (10.0, 15.0, 20.0, 25.0, 30.0)
DRIFTS: Final = (0.0002, 0.0003, 0.0004, 0.0005)
FREE: Final = tuple(row for row in TABLE if row.doubt > 0)


def learn_ageing(
    cells: Mapping[str, Cell], progress: Callable[[int], None] | None = None
) -> dict[str, float]:
    """The most likely free constants, given the cells and what was guessed before.

    The likelihood is that of each reading given those before it (see `surprise`). `progress`
    is told the number of each trial. Takes about half a minute of CPU time.
    """
    from numba import njit
    from scipy.optimize import minimize

    compiled, lives = njit(_likelihood), _lives(cells)
    guess = np.log([row.guess for row in FREE])
    doubt = np.array([row.doubt for row in FREE])
    trials = iter(range(1, 10**6))

    def cost(logs: Array) -> float:
        if progress is not None:
            progress(next(trials))
        unlikely = _surprise(lives, replace(LEARNED, **_named(logs)), compiled)
        return unlikely + 0.5 * float(np.sum(((logs - guess) / doubt) ** 2))

    options = {"maxfev": 6000, "maxiter": 6000, "xatol": 1e-3, "fatol": 1e-3, "adaptive": True}
    best = minimize(cost, guess, method="Nelder-Mead", options=options)
    return _named(best.x)


def learn_memory(
    cells: Mapping[str, Cell],
    constants: AgeingConstants = LEARNED,
    *,
    lives: Sequence[float] = LIVES,
    drifts: Sequence[float] = DRIFTS,
    seeds: Sequence[int] = (1, 2),
) -> dict[tuple[float, float], float]:
    """The CRPS in Ah of forecasts of up to 40 discharges, for each fade_life and fade_drift.

    The mean over cells, with origins every 5 discharges from the tenth; the lowest is best.
    Takes about a minute of CPU time.
    """
    return {
        (life, drift): float(
            np.mean(
                [
                    _ahead(cell, replace(constants, fade_life=life, fade_drift=drift), seeds)
                    for cell in cells.values()
                ]
            )
        )
        for life in lives
        for drift in drifts
    }


def surprise(cells: Mapping[str, Cell], constants: AgeingConstants = LEARNED) -> float:
    """How unlikely the cells are: minus the log likelihood of their capacities, in nats.

    That of each capacity given those before it, by the Kalman filter of the ageing model made
    linear once a discharge, beyond 3 sd rising in a straight line.
    Source: Schweppe (1965); Huber (1964).
    """
    return _surprise(_lives(cells), constants, _likelihood)


def _surprise(
    lives: Sequence[tuple[Array, Array]], constants: AgeingConstants, likelihood: Any
) -> float:
    flat = np.array([getattr(constants, row.name) for row in TABLE])
    return -sum(float(likelihood(capacities, rests, flat)) for capacities, rests in lives)


def _named(logs: Array) -> dict[str, float]:
    return dict(zip((row.name for row in FREE), np.exp(logs).tolist(), strict=True))


def _lives(cells: Mapping[str, Cell]) -> list[tuple[Array, Array]]:
    return [(cell.capacities_ah, np.nan_to_num(cell.rests_h)) for cell in cells.values()]


def _ahead(cell: Cell, constants: AgeingConstants, seeds: Sequence[int]) -> float:
    scores: list[float] = []
    for seed in seeds:
        ageing = age(cell, seed=seed, constants=constants)
        for at in range(10, len(ageing) - 5, 5):
            coming = ageing.capacities[at : at + 40]
            members = foretell(ageing, at, len(coming)).members
            scores += crps(members.T, coming)[np.isfinite(coming)].tolist()
    return float(np.mean(scores))


def _likelihood(capacities: Array, rests: Array, constants: Array) -> float:
    """The log likelihood of one life; state [lasting, fade, recovered, regeneration]."""
    fade, fade_sd, fade_life, fade_drift, recovery_life = constants[:5]
    regeneration, regeneration_sd, rest_scale, scatter, own, drift = constants[5:11]
    first, first_sd, recovered_sd, first_reading, evidence = constants[11:]
    keep, left = np.exp(-1.0 / fade_life), np.exp(-1.0 / recovery_life)
    x = np.array([first, fade, 0.0, regeneration])
    p = np.diag(np.array([first_sd, fade_sd, recovered_sd, regeneration_sd]) ** 2)
    seen, scale, before, total = 0, 1.0, 0.0, 0.0
    for n in range(capacities.shape[0]):
        rest = 1.0 - np.exp(-rests[n] / rest_scale)
        f = np.zeros((4, 4))
        f[0, 0], f[0, 1] = 1.0 - x[1] / REFERENCE, -x[0] / REFERENCE
        f[1, 1], f[2, 2], f[2, 3], f[3, 3] = keep, left, rest, 1.0
        lost = x[1] * x[0] / REFERENCE
        lasting = x[0] - lost
        x = f @ x
        x[0] = lasting
        x[1] += (1.0 - keep) * fade
        p = f @ p @ f.T
        p[0, 0] += scale * drift**2
        p[1, 1] += scale * fade_drift**2
        p[2, 2] += scale * (scatter * max(x[3], 0.01) * rest) ** 2
        if np.isnan(capacities[n]):
            continue
        noise = scale * own**2 + (first_reading**2 if n == 0 else 0.0)
        total_variance = p[0, 0] + p[2, 2] + 2.0 * p[0, 2] + noise
        gap = capacities[n] - x[0] - x[2]
        far = gap / np.sqrt(total_variance)
        if n > 0:
            beyond = GATE * abs(far) - 0.5 * GATE**2
            total -= 0.5 * np.log(total_variance)
            total -= 0.5 * far**2 if abs(far) < GATE else beyond
        if abs(far) > GATE and before * far > 0.0:
            p[0, 0] += max(0.25 * gap**2 - total_variance, 0.0)
            before = 0.0
        elif abs(far) > GATE:
            noise += (gap / GATE) ** 2 - total_variance
            before = far
        else:
            before = 0.0
        gain = (p[:, 0] + p[:, 2]) / (p[0, 0] + p[2, 2] + 2.0 * p[0, 2] + noise)
        row = p[0] + p[2]
        x = x + gain * gap
        p = p - np.outer(gain, row)
        if n > 0:
            worth = evidence + seen
            squared = min(abs(far), GATE) ** 2
            scale = min(max(scale * (worth + squared) / (worth + 1.0), CALM), RESTLESS)
            seen += 1
    return total
