"""Assimilation: a belief follows readings, sets wild ones aside, and says what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from songsinh.errors import DataError, FilterError, near
from songsinh.models import Array, Forcing, Model, forcing
from songsinh.series import Series
from songsinh.twin.belief import Belief, Noise
from songsinh.twin.corrections import Watch, corrected, remembering
from songsinh.twin.diagnosis import Verdict, diagnose
from songsinh.twin.filters import EnsembleTransform, Method
from songsinh.twin.motion import carried, wandering

__all__ = ["Assimilation", "assimilate", "late", "passed"]


@final
@dataclass(frozen=True)
class Assimilation:
    """A belief after readings, and what became of each reading.

    `times` [cycles] in s; `means` and `spreads` [cycles, states then parameters] are those of
    the belief after each of them, `expected` and `doubt` [cycles, watched] what its sensors
    were to read before; `innovations` are readings less that, in units of the doubt.
    `set_aside` counts readings not used, by sensor and reason: late, repeated, wild, or broken
    (the sensor is suspected).
    """

    belief: Belief
    times: Array
    names: tuple[str, ...]
    means: Array
    spreads: Array
    watched: tuple[str, ...]
    innovations: Array
    expected: Array
    doubt: Array
    set_aside: Mapping[tuple[str, str], int]
    verdict: Verdict

    def estimate(self, name: str) -> tuple[Array, Array]:
        """The mean and spread of a state or parameter after each of the times: [cycles]."""
        if name not in self.names:
            raise DataError(f"{name!r} is not in the belief; {near(name, self.names)}")
        place = self.names.index(name)
        return self.means[:, place], self.spreads[:, place]


def assimilate(
    model: Model,
    belief: Belief,
    readings: Series,
    *,
    noise: Noise,
    inputs: Series | Forcing | None = None,
    method: Method = EnsembleTransform(),  # noqa: B008  frozen
    until: float | None = None,
) -> Assimilation:
    """The belief after the readings of states and outputs, and until a time in s if given.

    NaN is a missing reading. Readings no later than the belief are set aside as late (see
    `follow` for going back), but a belief that has seen none takes those at its own time. Of
    two at one time the second is set aside as repeated.
    """
    if belief.model != model.name:
        raise FilterError(
            f"the belief is about {belief.model!r}, not {model.name!r}; give it its own model"
        )
    watch = _watch(model, readings, noise=noise, inputs=inputs, method=method)
    times, values, aside = _in_order(belief, readings)
    memory, likeness = remembering(belief, watch.names)
    belief = replace(belief, watched=watch.names, memory=memory, likeness=likeness)
    names = model.signals.columns("state") + model.signals.columns("parameter")
    moments = np.empty((2, len(times), len(names)))
    seen = np.empty((3, len(times), len(watch.names)))
    for k, (time, row) in enumerate(zip(times.tolist(), values, strict=True)):
        belief, told = corrected(watch, belief, time, row)
        moments[:, k] = _moments(belief)
        seen[:, k] = told.innovation, told.expected, told.doubt
        for lost in told.aside:
            aside[lost] = aside.get(lost, 0) + 1
    if until is not None and until > belief.time:
        ahead = np.array([belief.time, until])
        belief, _ = carried(model, belief, ahead, wind=watch.wind, wander=watch.wander)
    return Assimilation(
        belief=belief,
        times=times,
        names=names,
        means=moments[0],
        spreads=moments[1],
        watched=watch.names,
        innovations=seen[0],
        expected=seen[1],
        doubt=seen[2],
        set_aside=aside,
        verdict=diagnose(belief),
    )


def _watch(
    model: Model,
    readings: Series,
    *,
    noise: Noise,
    inputs: Series | Forcing | None,
    method: Method,
) -> Watch:
    """What stays the same over all readings, checked."""
    signals, names = model.signals, _watched(model, readings)
    shown = signals.columns("state") + signals.columns("output")
    lower = np.concatenate([signals.lower("state"), signals.lower("parameter")])
    if isinstance(method, EnsembleTransform) and method.localisation is not None:
        shape = method.localisation.shape
        if shape != (len(lower), len(names)):
            raise FilterError(
                f"the localisation has the shape {shape}; use [{len(lower)} states and "
                f"parameters, {len(names)} readings]"
            )
    return Watch(
        model=model,
        names=names,
        places=np.array([shown.index(name) for name in names], dtype=np.intp),
        sds=np.array([_sd(noise, name) for name in names]),
        lower=lower,
        upper=np.concatenate([signals.upper("state"), signals.upper("parameter")]),
        wind=forcing(signals, inputs),
        wander=wandering(model, noise.drift),
        method=method,
    )


def _watched(model: Model, readings: Series) -> tuple[str, ...]:
    for name in readings.names:
        signal = model.signals[name.partition("[")[0]]
        if signal.kind not in ("state", "output"):
            raise DataError(
                f"the readings name {name!r}, which is a {signal.kind}; readings are of states "
                "or outputs, give it as an input instead"
            )
    return readings.names


def _sd(noise: Noise, name: str) -> float:
    """The noise of a sensor; a vector's own holds for its parts."""
    found = noise.readings.get(name, noise.readings.get(name.partition("[")[0]))
    if found is None:
        raise DataError(
            f"the noise of the sensor {name!r} is not given; add it to Noise(readings=...)"
        )
    return found


def passed(belief: Belief, readings: Series) -> int:
    """How many rows of the readings come too late for a belief."""
    side: Literal["left", "right"] = "left" if belief.memory is None else "right"
    return int(np.searchsorted(readings.times, belief.time, side=side))


def late(belief: Belief, readings: Series) -> dict[tuple[str, str], int]:
    """How many readings of each sensor come too late for a belief, as `set_aside` counts them."""
    counts = np.isfinite(readings.values[: passed(belief, readings)]).sum(axis=0)
    return {(name, "late"): int(n) for name, n in zip(readings.names, counts, strict=True) if n}


def _in_order(belief: Belief, readings: Series) -> tuple[Array, Array, dict[tuple[str, str], int]]:
    """Each time once with the first reading of each sensor; what is late or repeated, counted."""
    aside, since = late(belief, readings), passed(belief, readings)
    times, values = readings.times[since:], readings.values[since:]
    if not len(times) or (np.diff(times) > 0).all():
        return times, values, aside
    own, first = np.unique(times, return_index=True)
    merged = values[first].copy()
    for row in np.setdiff1d(np.arange(len(times)), first):
        group = int(np.searchsorted(own, times[row]))
        for column, name in enumerate(readings.names):
            if np.isfinite(values[row, column]):
                if np.isnan(merged[group, column]):
                    merged[group, column] = values[row, column]
                else:
                    aside[name, "repeated"] = aside.get((name, "repeated"), 0) + 1
    return own, merged, aside


def _moments(belief: Belief) -> tuple[Array, Array]:
    """The mean and spread of all states and parameters: [columns] each."""
    table = np.concatenate([belief.states, belief.parameters], axis=1)
    mean = belief.weights @ table
    variance = belief.weights @ (table * table) - mean * mean
    return mean, np.sqrt(np.maximum(variance, 0.0))
