"""End of life: when a cell's capacity will fall below a threshold, and when to warn of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import DataError
from songsinh.models import Array
from songsinh.sectors.battery.ageing import Ageing, Outlook, age, foretell
from songsinh.sectors.battery.data import Cell
from songsinh.twin import Cut, learn_cut

__all__ = [
    "LEAD",
    "THRESHOLD_AH",
    "Alarms",
    "EndOfLife",
    "alarms",
    "first_below",
    "foretell_end",
    "learn_alarm_cut",
]

THRESHOLD_AH: Final = 1.4  # 30 % fade of a 2 Ah cell. Source: Saha and Goebel (2007), see README
LEAD: Final = 12  # discharges ahead that an alarm looks
FALSE_ALARM_RATE: Final = 0.1
EARLIEST: Final = 10  # discharges before which no alarm is asked for: too little is known
# surrogate thresholds on cells whose own end is not seen, in Ah: from a little below what a
# record reaches, so that quiet records count too, in steps of the resolution of a reading
BELOW, ABOVE, STEP = 0.06, 0.03, 0.01


@final
@dataclass(frozen=True)
class EndOfLife:
    """When a cell's end of life was foretold, in numbers of discharges.

    `foretold` is the first at which the median path is below the threshold (Ah), and `band`
    holds the first measured one below it at 90 %; infinite where beyond the horizon.
    `probability` [horizon] is the chance that one was measured below it by each of `times`.
    """

    threshold_ah: float
    at: int
    foretold: float
    band: tuple[float, float]
    times: Array
    probability: Array


@final
@dataclass(frozen=True)
class Alarms:
    """How the alarms of one cell went; discharges by number.

    After each of `numbers` the chance of a capacity below the threshold within the next `lead`
    discharges is in `probabilities`; it is an alarm above the `cut`. `end` is the first
    discharge below (infinite where the record holds none), `first` the first alarm before it
    (infinite for none), `false` those whose lead passed without one, and `open` those whose
    lead reaches beyond a record that holds none: time would have had to tell.
    """

    threshold_ah: float
    lead: int
    cut: float
    numbers: NDArray[np.int64]
    probabilities: Array
    end: float
    first: float
    false: tuple[int, ...]
    open: tuple[int, ...]

    @property
    def ahead(self) -> float:
        """Discharges between the first alarm and the end; NaN where one of the two is missing."""
        return self.end - self.first if np.isfinite(self.end + self.first) else np.nan


def foretell_end(outlook: Outlook, threshold_ah: float = THRESHOLD_AH) -> EndOfLife:
    """When the cell's capacity will have fallen below the threshold in Ah."""
    passages = np.array([first_below(each, threshold_ah) for each in outlook.members])
    reached = passages[:, None] <= np.arange(1, len(outlook.times) + 1)
    # infinite passages cannot be averaged with others, so the edges are passages themselves
    early = float(np.quantile(outlook.at + passages, 0.05, method="lower"))
    late = float(np.quantile(outlook.at + passages, 0.95, method="higher"))
    return EndOfLife(
        threshold_ah=threshold_ah,
        at=outlook.at,
        foretold=outlook.at + first_below(outlook.median, threshold_ah),
        band=(early, late),
        times=outlook.times,
        probability=reached.mean(axis=0),
    )


def first_below(capacities: Array, threshold_ah: float = THRESHOLD_AH) -> float:
    """The number of the first capacity below the threshold, counted from 1; infinite for none.

    >>> first_below(np.array([1.5, np.nan, 1.3]))
    3.0
    """
    below = np.flatnonzero(capacities < threshold_ah)
    return float(below[0] + 1) if len(below) else np.inf


def alarms(
    ageing: Ageing,
    cut: Cut | float,
    *,
    lead: int = LEAD,
    threshold_ah: float = THRESHOLD_AH,
) -> Alarms:
    """The alarms that would have been raised over a cell's life, each from its own past only."""
    numbers = _asked(ageing)
    probabilities = _probabilities(ageing, np.array([threshold_ah]), lead)[0]
    level = cut.value if isinstance(cut, Cut) else float(cut)
    end = first_below(ageing.capacities, threshold_ah)
    raised = [int(n) for n in numbers[(probabilities > level) & (numbers < end)]]
    wrong = [n for n in raised if n + lead < end]
    return Alarms(
        *(threshold_ah, lead, level, numbers, probabilities, end),
        first=float(raised[0]) if raised else np.inf,
        false=tuple(n for n in wrong if n + lead <= len(ageing)),
        open=tuple(n for n in wrong if n + lead > len(ageing)),
    )


def learn_alarm_cut(
    cells: Mapping[str, Cell],
    *,
    lead: int = LEAD,
    false_alarm_rate: float = FALSE_ALARM_RATE,
    members: int = 500,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Cut:
    """The cut that keeps false alarms at the stated rate over a life, from fitting cells alone.

    Their own end is mostly not seen, so each is asked about many thresholds around what it
    did reach. One case is the highest chance over all quiet discharges (or all rightful ones)
    of one cell and threshold; cases of one cell resemble each other, so the rate is less
    certain than `Cut` says.
    """
    chances: list[float] = []
    came: list[bool] = []
    for name, cell in cells.items():
        for quiet, rightful in _cases(age(cell, members=members, seed=seed), lead):
            chances += [float(part.max()) for part in (quiet, rightful) if len(part)]
            came += [kind for kind, part in ((False, quiet), (True, rightful)) if len(part)]
        if progress is not None:
            progress(name)
    return learn_cut(chances, came, false_alarm_rate=false_alarm_rate)


def _cases(ageing: Ageing, lead: int) -> list[tuple[Array, Array]]:
    """The chances at quiet and at rightful discharges, for each surrogate threshold."""
    seen = ageing.capacities[EARLIEST:]
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        return []
    numbers, cases = _asked(ageing), []
    thresholds = np.arange(seen.min() - BELOW, seen.max() - ABOVE, STEP)
    chances = _probabilities(ageing, thresholds, lead)
    for threshold, row in zip(thresholds, chances, strict=True):
        # what was low before alarms are asked for, such as after storage, is no end
        end = EARLIEST - 1 + first_below(ageing.capacities[EARLIEST - 1 :], float(threshold))
        if end > EARLIEST + 1:
            quiet = row[(numbers + lead < end) & (numbers + lead <= len(ageing))]
            cases.append((quiet, row[(numbers < end) & (numbers + lead >= end)]))
    return cases


def _asked(ageing: Ageing) -> NDArray[np.int64]:
    if len(ageing) < EARLIEST:
        raise DataError(
            f"cell {ageing.name!r} has {len(ageing)} discharges; alarms need {EARLIEST} or more"
        )
    return np.arange(EARLIEST, len(ageing) + 1)


def _probabilities(ageing: Ageing, thresholds: Array, lead: int) -> Array:
    """The chance of a capacity below each threshold within the lead: [thresholds, asked]."""
    lowest = [foretell(ageing, int(n), lead).members.min(axis=1) for n in _asked(ageing)]
    return np.array([[(low < level).mean() for low in lowest] for level in thresholds])
