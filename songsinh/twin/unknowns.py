"""Unknowns: what a fit is to find, between which bounds, and what is known of it before."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import BoundsError, CalibrationError, SignalError, near
from songsinh.models import Array
from songsinh.signals import Signal, Signals

__all__ = ["Ranges", "bounded", "priors"]

Pair = tuple[float, float]


@final
@dataclass(frozen=True, eq=False)
class Ranges:
    """The unknowns of a fit and their bounds, each laid on 0 to 1.

    An unknown whose bounds are above zero and span a decade or more is laid out in its log.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    lower: Array
    upper: Array

    @cached_property
    def logs(self) -> NDArray[np.bool_]:
        """Which unknowns are laid out in their log."""
        return (self.lower > 0) & (self.upper >= 10 * self.lower)

    @cached_property
    def _ends(self) -> tuple[Array, Array]:
        low, high = self.lower.copy(), self.upper.copy()
        low[self.logs], high[self.logs] = np.log(low[self.logs]), np.log(high[self.logs])
        return low, high - low

    def laid(self, values: Array) -> Array:
        """Places in 0 to 1 of values [..., unknowns]; what lies outside is moved to the bound."""
        low, width = self._ends
        inside = np.clip(values, self.lower, self.upper)
        flat = np.where(self.logs, np.log(np.where(self.logs, inside, 1.0)), inside)
        return np.clip((flat - low) / width, 0.0, 1.0)

    def values(self, places: Array) -> Array:
        """Values in their own units of places [..., unknowns]."""
        low, width = self._ends
        flat = low + width * places
        raised = np.where(self.logs, np.exp(np.where(self.logs, flat, 0.0)), flat)
        return np.clip(raised, self.lower, self.upper)

    def slopes(self, places: Array) -> Array:
        """How fast values grow with places, in their own units."""
        width = self._ends[1]
        return width * np.where(self.logs, self.values(places), 1.0)


def bounded(signals: Signals, unknown: Mapping[str, Pair | None]) -> Ranges:
    """The unknowns of a fit between their bounds, None for the signal's own; all checked."""
    if not unknown:
        raise CalibrationError("nothing is unknown, so there is nothing to fit; name a parameter")
    rows: list[tuple[str, str, float, float]] = []
    for name, bounds in unknown.items():
        signal = _fittable(signals, name)
        low, high = _bounds(signal, name, bounds)
        rows += [(column, signal.unit, low, high) for column in _spelled(signal, name)]
    names, units, lower, upper = zip(*rows, strict=True)
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise CalibrationError(f"{double!r} is unknown twice; name the vector or its parts")
    return Ranges(names, units, np.array(lower), np.array(upper))


def _spelled(signal: Signal, name: str) -> tuple[str, ...]:
    """The columns that a name stands for: all of a vector, or one part of it."""
    return signal.columns if name == signal.name else (name,)


def _fittable(signals: Signals, name: str) -> Signal:
    able = signals.columns("parameter") + signals.columns("state")
    stem = name.partition("[")[0]
    signal = next((row for row in signals if row.name == stem), None)
    if signal is None or signal.kind not in ("parameter", "state"):
        what = f"is an {signal.kind}" if signal else "is no signal of the model"
        raise SignalError(
            f"the unknown {name!r} {what}; a fit finds parameters and initial states, "
            f"{near(name, able)}"
        )
    if name != signal.name and name not in signal.columns:
        raise SignalError(f"the unknown {name!r} is no part; {near(name, signal.columns)}")
    return signal


def _bounds(signal: Signal, name: str, bounds: Pair | None) -> Pair:
    if bounds is not None and np.shape(bounds) != (2,):
        raise BoundsError(f"the bounds of {name!r} are {bounds!r}; give (lower, upper)")
    low, high = (float(b) for b in bounds or (signal.lower, signal.upper))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise BoundsError(
            f"the bounds of {name!r} are {low:g} to {high:g}; give finite ones: (lower, upper)"
        )
    if low >= high:
        raise BoundsError(
            f"the bounds of {name!r} are {low:g} to {high:g}; the lower must be the smaller"
        )
    if low < signal.lower or high > signal.upper:
        raise BoundsError(
            f"the bounds {low:g} to {high:g} of {name!r} reach outside those of its signal, "
            f"{signal.lower:g} to {signal.upper:g} {signal.unit}; stay inside them"
        )
    return low, high


def priors(
    signals: Signals, ranges: Ranges, prior: Mapping[str, Pair]
) -> tuple[NDArray[np.int64], Array, Array]:
    """Which unknowns have a prior, its means and its standard deviations; all checked."""
    rows = []
    for name, pair in prior.items():
        signal = _fittable(signals, name)
        for column in _spelled(signal, name):
            if column not in ranges.names:
                raise CalibrationError(
                    f"{name!r} has a prior but is not unknown; {near(name, ranges.names)}"
                )
            if np.shape(pair) != (2,) or not np.isfinite(pair).all() or not pair[1] > 0:
                raise CalibrationError(
                    f"the prior of {name!r} is {pair!r}; give (mean, standard deviation above 0)"
                )
            rows.append((ranges.names.index(column), float(pair[0]), float(pair[1])))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2]
