"""Corrections: one set of readings against what was expected, and the belief after it."""

from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import FilterError
from songsinh.models import Array, Forcing, Model
from songsinh.twin.belief import Belief
from songsinh.twin.diagnosis import MEMORY, diagnose
from songsinh.twin.filters import EnsembleTransform, Evidence, Method
from songsinh.twin.motion import Wanders, carried

__all__ = ["Told", "Watch", "corrected", "remembering"]

Mask = NDArray[np.bool_]
Aside = list[tuple[str, str]]  # sensor, reason
WILD = 5.0  # standard deviations beyond which a reading is not believed at once
PATIENCE = 4  # wild readings of one sensor in a row before they are looked into
LEARNING = 0.1  # share by which one set of readings moves the likeness


@final
@dataclass(frozen=True, eq=False)
class Watch:
    """What stays the same from one set of readings to the next.

    `places` [watched] are the sensors' columns among states then outputs and `sds` their noise;
    `lower` and `upper` are the bounds of states then parameters.
    """

    model: Model
    names: tuple[str, ...]
    places: NDArray[np.intp]
    sds: Array
    lower: Array
    upper: Array
    wind: Forcing
    wander: Wanders | None
    method: Method


class Told(NamedTuple):
    """What one set of readings said: [watched] each, and which were set aside for what reason."""

    innovation: Array
    expected: Array
    doubt: Array
    aside: Aside


def corrected(watch: Watch, belief: Belief, time: float, row: Array) -> tuple[Belief, Told]:
    """The belief after the readings [watched] of a time (s): carried there, compared, corrected.

    What is wild is set aside before.
    """
    times = np.array([belief.time, time])
    belief, run = carried(watch.model, belief, times, wind=watch.wind, wander=watch.wander)
    shown = np.concatenate([run.states[:, -1], run.outputs[:, -1]], axis=1)[:, watch.places]
    expected = belief.weights @ shown
    apart = shown - expected
    doubt = np.sqrt(belief.weights @ apart**2 + watch.sds**2)
    gap = row - expected
    innovation = gap / doubt
    used, aside = _believed(belief, innovation, np.isfinite(row))
    memory, likeness = remembering(belief, watch.names)
    # each sensor has its own past, so that sensors need not speak together
    pushed = np.concatenate([memory[1:], [[row, expected, innovation]]])
    memory = np.where(np.isfinite(row), pushed, memory)
    likeness = _likeness(likeness, apart / doubt, watch.sds / doubt, belief.weights)
    belief = replace(belief, memory=memory, likeness=likeness)
    if used.any():
        belief = _moved(watch, belief, apart / watch.sds, gap / watch.sds, used)
    return belief, Told(innovation, expected, doubt, aside)


def remembering(belief: Belief, watched: tuple[str, ...]) -> tuple[Array, Array]:
    """The memory and likeness of these sensors; empty ones when the sensors have changed."""
    if belief.watched == watched and belief.memory is not None and belief.likeness is not None:
        return belief.memory, belief.likeness
    return np.full((MEMORY, 3, len(watched)), np.nan), np.eye(len(watched))


def _believed(belief: Belief, innovation: Array, present: Mask) -> tuple[Mask, Aside]:
    """Which readings to use, and why not the others.

    One far off is wild; several in a row are looked into: a sensor that disagrees with all
    others is broken and stays out, while a machine that changed is followed.
    """
    used, aside = present.copy(), []
    for column in np.flatnonzero(present & (np.abs(innovation) > WILD)):
        name = belief.watched[column]
        before = belief.memory[-PATIENCE:, 2, column]  # type: ignore[index]
        lasting = (np.abs(before) > WILD) & (np.sign(before) == np.sign(innovation[column]))
        if not lasting.all():
            used[column] = False
            aside.append((name, "wild"))
            continue
        verdict = diagnose(belief)
        if verdict.kind == "sensor" and verdict.signal == name:
            used[column] = False
            aside.append((name, "broken"))
    return used, aside


def _likeness(likeness: Array, apart: Array, own: Array, weights: Array) -> Array:
    """How innovations go together, learned from how members and sensors [..., watched] do."""
    together = apart.T @ (apart * weights[:, None]) + np.diag(own**2)
    return likeness + LEARNING * (together - likeness)


def _moved(watch: Watch, belief: Belief, expected: Array, gap: Array, used: Mask) -> Belief:
    """The belief after a correction by the readings used, inside its bounds."""
    n = belief.states.shape[1]
    table = np.concatenate([belief.states, belief.parameters], axis=1)
    moving = np.flatnonzero(table.max(axis=0) > table.min(axis=0))
    if not len(moving):
        raise FilterError(
            f"the {len(belief)} members at {belief.time:.6g} s are all the same, so no reading "
            "can correct them; begin with some spread, or give the noise a drift"
        )
    method = watch.method
    if isinstance(method, EnsembleTransform) and method.localisation is not None:
        method = replace(method, localisation=method.localisation[np.ix_(moving, used)])
    evidence = Evidence(
        *(table[:, moving], expected[:, used], gap[used], belief.weights),
        *(belief.inflation, belief.cycle, belief.generator),
    )
    new, weights, inflation = method.update(evidence)
    if not np.isfinite(new).all():
        raise FilterError(
            f"the belief collapsed at {belief.time:.6g} s: a correction is not finite; "
            "check the sensors' noise and the spread it began with"
        )
    table[:, moving] = np.clip(new, watch.lower[moving], watch.upper[moving])
    return replace(
        belief,
        states=np.ascontiguousarray(table[:, :n]),
        parameters=np.ascontiguousarray(table[:, n:]),
        weights=weights,
        inflation=inflation,
        cycle=belief.cycle + 1,
    )
