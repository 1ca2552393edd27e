"""Experiments: recordings of a machine, and the arrays that a fit makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import CalibrationError, SignalError, near
from songsinh.models import Array, Forcing, Model, columns, forcing
from songsinh.series import Series

__all__ = ["Experiment", "Recording", "recorded"]


@final
@dataclass(frozen=True, eq=False)
class Experiment:
    """One recording: readings of outputs or states (NaN is missing), and what drove the machine.

    It starts at `start`, or else at its readings' first time, from `states` and `parameters`;
    what is not named takes its start value or is unknown to the fit.
    """

    readings: Series
    inputs: Series | None = None
    states: Mapping[str, ArrayLike] | None = None
    parameters: Mapping[str, ArrayLike] | None = None
    name: str = ""
    start: float | None = None


@final
@dataclass(frozen=True, eq=False)
class Recording:
    """An experiment as arrays: what to run, and where among its results the readings stand."""

    times: Array
    states: Array
    parameters: Array
    wind: Forcing
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    values: Array
    groups: NDArray[np.int64]


def recorded(
    model: Model, one: Experiment, label: str, unknown: tuple[str, ...], names: tuple[str, ...]
) -> Recording:
    """An experiment as arrays, checked."""
    signals, readings = model.signals, one.readings
    _check_fixed(one, label, unknown)
    _check_readings(model, one, label)
    order = signals.columns("state") + signals.columns("output")
    seen = np.isfinite(readings.values)
    start = float(readings.times[0]) if one.start is None else float(one.start)
    kept = seen.any(axis=1)
    rows, which = np.nonzero(seen[kept])
    place = np.array([order.index(name) for name in readings.names])
    group = np.array([names.index(name) for name in readings.names])
    return Recording(
        times=np.concatenate([[start], readings.times[kept]]),
        states=columns(signals, "state", one.states),
        parameters=columns(signals, "parameter", one.parameters),
        wind=forcing(signals, one.inputs),
        rows=rows + 1,
        places=place[which],
        values=readings.values[kept][rows, which],
        groups=group[which],
    )


def _check_fixed(one: Experiment, label: str, unknown: tuple[str, ...]) -> None:
    fixed = {**(one.states or {}), **(one.parameters or {})}
    for name in unknown:
        if name in fixed or name.partition("[")[0] in fixed:
            raise CalibrationError(
                f"experiment {label} fixes {name!r}, which is unknown; take it out of one of them"
            )


def _check_readings(model: Model, one: Experiment, label: str) -> None:
    signals, readings = model.signals, one.readings
    order = signals.columns("state") + signals.columns("output")
    for name in readings.names:
        if name not in order:
            hint = "; give inputs as inputs=" if name in signals.columns("input") else ""
            raise SignalError(
                f"experiment {label} reads {name!r}, which is no state or output of the model"
                f"{hint}; {near(name, order)}"
            )
    if not np.isfinite(readings.values).any():
        raise CalibrationError(
            f"experiment {label} has no reading that is a number; leave it out or fill it"
        )
    if one.start is not None and not one.start <= readings.times[0]:
        raise CalibrationError(
            f"experiment {label} starts at {one.start:g} s, after its first reading at "
            f"{readings.times[0]:g} s; start earlier or cut the readings with between()"
        )
