"""A study of one cell: all that the twin foretold of it, beside what came."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from songsinh.models import Array
from songsinh.sectors.battery.ageing import Ageing, Outlook, age, foretell
from songsinh.sectors.battery.charge import Charge, follow_charge
from songsinh.sectors.battery.data import Cell
from songsinh.sectors.battery.end_of_life import (
    EARLIEST,
    THRESHOLD_AH,
    Alarms,
    EndOfLife,
    alarms,
    first_below,
    foretell_end,
)
from songsinh.sectors.battery.tracking import Tracking, track
from songsinh.twin import Cut, Scores, exponential, random_walk, score_bands

__all__ = ["ASKED", "Study", "study"]

ASKED: Final = (60, 80)  # discharges after which the end of life is asked for
HORIZON: Final = 40  # discharges ahead that bands are scored over
EVERY: Final = 10  # discharges between two scored forecasts
CHARGES: Final = 12  # discharges of a cell whose state of charge is followed
FAR: Final = 250  # discharges ahead that an end of life is looked for


@final
@dataclass(frozen=True, eq=False)
class Study:
    """A cell from discharge `since` on, which no fit has seen.

    `ended` is its first discharge below the end of life, infinite for one that never gets
    there; `alarms` are None for a life too short to ask. `outlooks`, `ends` and the baselines'
    paths [members, FAR] are those issued after the discharges in ASKED; `scores` are of
    forecasts 1 to 40 discharges ahead, in Ah.
    """

    cell: Cell
    since: int
    ageing: Ageing
    ended: float
    alarms: Alarms | None
    outlooks: Mapping[int, Outlook]
    ends: Mapping[int, EndOfLife]
    walks: Mapping[int, Array]
    curves: Mapping[int, Array]
    scores: Scores | None
    tracking: Tracking | None
    charges: Mapping[int, Charge]

    @property
    def capacities(self) -> Array:
        """What each discharge measured, in Ah: [discharges]."""
        return self.ageing.capacities


def study(
    cell: Cell, since: int, *, cut: Cut, seed: int, tell: Callable[[str, float], None]
) -> Study:
    """Follow a cell through its life, foretelling at each step only from what came before.

    `cut` is the probability above which the end of life is warned of.
    """
    total = len(cell.numbers)
    ageing = age(cell, seed=seed, progress=lambda n: tell("capacity", n / total))
    asked = [at for at in ASKED if at < len(ageing.capacities)]
    outlooks = {at: foretell(ageing, at, FAR) for at in asked}
    tracking: Tracking | None = None
    charges: Mapping[int, Charge] = {}
    if cell.discharges:
        count = len(cell.discharges)
        tracking = track(cell, ageing=ageing, progress=lambda n: tell("voltage", n / count))
        charges = _charges(cell, since, tracking, tell)
    return Study(
        cell=cell,
        since=since,
        ageing=ageing,
        ended=first_below(ageing.capacities, THRESHOLD_AH),
        alarms=alarms(ageing, cut) if len(ageing.capacities) >= EARLIEST else None,
        outlooks=outlooks,
        ends={at: foretell_end(outlook) for at, outlook in outlooks.items()},
        walks={at: _baseline(random_walk, ageing, at, FAR, seed) for at in asked},
        curves={at: _baseline(exponential, ageing, at, FAR, seed) for at in asked},
        scores=_scored(ageing, since, seed),
        tracking=tracking,
        charges=charges,
    )


def _baseline(
    kind: Callable[..., Array], ageing: Ageing, at: int, horizon: int, seed: int
) -> Array:
    times = np.arange(1.0, at + 1.0)
    ahead = at + np.arange(1.0, horizon + 1.0)
    chance = np.random.default_rng([seed, at])
    return kind(times, ageing.capacities[:at], ahead, generator=chance, members=500)


def _scored(ageing: Ageing, since: int, seed: int) -> Scores | None:
    """Forecasts issued every tenth discharge, 1 to 40 ahead, beside the baselines'."""
    last = len(ageing.capacities)
    first = max(since - 1, 2 * EVERY)
    ours, walks, curves, came = [], [], [], []
    for at in range(first, last, EVERY):
        ahead = min(HORIZON, last - at)
        ours.append(foretell(ageing, at, ahead).members)
        walks.append(_baseline(random_walk, ageing, at, ahead, seed))
        curves.append(_baseline(exponential, ageing, at, ahead, seed))
        came.append(ageing.capacities[at : at + ahead])
    if not came or not np.isfinite(np.concatenate(came)).any():
        return None
    return score_bands(
        np.concatenate(ours, axis=1),
        np.concatenate(came),
        generator=np.random.default_rng(seed),
        baselines={
            "random walk": np.concatenate(walks, axis=1),
            "exponential": np.concatenate(curves, axis=1),
        },
    )


def _charges(
    cell: Cell, since: int, tracking: Tracking, tell: Callable[[str, float], None]
) -> Mapping[int, Charge]:
    """State of charge in some discharges, evenly spread over those that no fit has seen."""
    rows = [k for k, one in enumerate(cell.discharges) if one.number >= max(since, 2)]
    picked = np.unique(np.linspace(0, len(rows) - 1, min(CHARGES, len(rows))).astype(int))
    found = {}
    for done, k in enumerate(picked):
        discharge = cell.discharges[rows[k]]
        found[discharge.number] = follow_charge(discharge, tracking.before[rows[k]])
        tell("state of charge", (done + 1) / len(picked))
    return found
