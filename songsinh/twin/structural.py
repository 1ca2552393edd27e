"""A twin from a record alone: level, fading trend and daily cycle of each series.

Source: Harvey (1989), *Forecasting, Structural Time Series Models and the Kalman Filter*,
ch. 2 and 4, for irregular times. What is fitted is what a belief with drift does, step by
step, so that a live twin's bands are those that were checked.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple, final

import numpy as np

from songsinh.errors import UnitError
from songsinh.models import Array, Equations, read_model
from songsinh.twin.structural_filter import STATES, filtered
from songsinh.units import check_unit

__all__ = ["DAY", "Followed", "Structure", "follow_structure", "structural_model"]

DAY: Final = 86400.0


@final
@dataclass(frozen=True)
class Structure:
    """One series as level, trend and cycle; drifts are sd per root of a second.

    `noise` is the sd of a reading, `trend_time` [s] how long a trend lasts, `cycle_drift` None
    where there is no daily cycle. `start` is the last level, `spread` the record's own sd,
    `swing` the size of the cycle; `low` and `high` are worth a warning. `column` is what the
    record calls it.
    """

    name: str
    unit: str
    noise: float
    level_drift: float
    trend_drift: float
    trend_time: float
    cycle_drift: float | None
    start: float
    spread: float
    swing: float = 0.0
    low: float | None = None
    high: float | None = None
    column: str = ""

    @property
    def trend_spread(self) -> float:
        """The sd of a trend that nothing is known of, in units per s."""
        return self.trend_drift * float(np.sqrt(self.trend_time / 2))

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its states."""
        own = ("level", "trend") if self.cycle_drift is None else PARTS
        return tuple(f"{self.name}_{part}" for part in own)


PARTS: Final = ("level", "trend", "cycle", "turned")


@final
class Followed(NamedTuple):
    """A series followed: means [samples, 4] and covariances [samples, 4, 4] after each time.

    `innovations` and their `variances` are [samples], NaN where nothing was read.
    """

    innovations: Array
    variances: Array
    means: Array
    spreads: Array


def structural_model(name: str, structures: Sequence[Structure]) -> Equations:
    """The equations of some series; the output that is read is called as the series is."""
    lines = [f"name = {json.dumps(name)}", 'meaning = "series with level, trend and daily cycle"']
    for one in structures:
        lines += [
            f"states.{part}" + line for part, line in zip(one.parts, _rates(one), strict=False)
        ]
        value = f"{one.name}_level" + (f" + {one.name}_cycle" if len(one.parts) > 2 else "")
        lines.append(
            f'outputs.{one.name} = {{unit = {json.dumps(one.unit)}, value = "{value}", '
            f"meaning = {json.dumps(_plain(one.column))}}}"
        )
    quick = [one.trend_time for one in structures]
    quick += [DAY / 8 for one in structures if one.cycle_drift is not None]
    lines += ['solver.kind = "fixed"', f"solver.step = {min(quick) / 3!r}"]
    return read_model("\n".join(lines))


def _rates(one: Structure) -> list[str]:
    unit, trend = json.dumps(one.unit), f"{one.name}_trend"
    cycle, turned, turn = f"{one.name}_cycle", f"{one.name}_turned", repr(2 * np.pi / DAY)
    return [
        f' = {{unit = {unit}, start = {one.start!r}, rate = "{trend}", meaning = "where it is"}}',
        f' = {{unit = {json.dumps(_per_second(one.unit))}, rate = "-{trend} / {one.trend_time!r}", '
        'meaning = "where it goes"}',
        f' = {{unit = {unit}, rate = "{turn} * {turned}", meaning = "part of the time of day"}}',
        f' = {{unit = {unit}, rate = "-{turn} * {cycle}", meaning = "the same, a quarter on"}}',
    ]


def _per_second(unit: str) -> str:
    try:
        return check_unit(f"{unit}/s") and f"{unit}/s"
    except UnitError:  # degrees with a zero of their own
        return "1/s"


def _plain(words: str) -> str:
    return "".join(letter for letter in words if letter.isprintable())[:80]


def follow_structure(one: Structure, times: Array, values: Array) -> Followed:
    """A series followed from its first value; NaN is a missing reading."""
    times, values = (np.ascontiguousarray(array, np.float64) for array in (times, values))
    seen, mean = np.empty((2, len(times))), np.zeros(STATES)
    means, spreads = np.empty((len(times), STATES)), np.empty((len(times), STATES, STATES))
    present = values[np.isfinite(values)]
    mean[0] = present[0] if len(present) else one.start
    swing = 0.0 if one.cycle_drift is None else one.spread
    spread = np.diag([one.spread**2, one.trend_spread**2, swing**2, swing**2])
    given: list[Any] = [times, values, law(one), float(one.noise), mean, spread]
    given += [np.empty((2, STATES, STATES)), seen, means, spreads]
    _kernel()(*given)
    return Followed(seen[0], seen[1], means, spreads)


def law(one: Structure) -> Array:
    """What `structural_filter.moved` needs to know of a series."""
    turn = 0.0 if one.cycle_drift is None else 2 * np.pi / DAY
    drifts = [one.level_drift, one.trend_drift, one.cycle_drift or 0.0]
    return np.array([*drifts, one.trend_time, turn])


@cache
def _kernel() -> Any:
    one, many = np.zeros(1), np.zeros((1, 1))
    example = (one, one, one, 0.0, one, many, np.zeros((1, 1, 1)), many, many, np.zeros((1, 1, 1)))
    # any model's code compiles a kernel, and this one itself is never compiled
    still = read_model('name = "still"\nstates.x.rate = 0')
    return replace(still.code(is_compiled=False), is_compiled=True).kernel(filtered, *example)
