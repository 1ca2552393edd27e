"""Beliefs: what a twin thinks now, as a plain value that is saved, restored and branched."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from songsinh.errors import BoundsError, DataError, FilterError, ModelError
from songsinh.models import Array, Model, columns
from songsinh.signals import Signal

__all__ = ["Belief", "Noise", "believe", "draw", "place"]

MAGIC = b"songsinh belief 1\n"
ARRAYS = ("states", "parameters", "weights", "memory", "likeness")


@final
@dataclass(frozen=True)
class Noise:
    """What is not known exactly: sensors and slow change.

    `readings` is the sd of each sensor in its signal's unit; `drift` is the sd that a state or
    parameter may wander by in one second (it grows with the root of time).
    """

    readings: Mapping[str, float]
    drift: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name, sd in (*self.readings.items(), *(self.drift or {}).items()):
            if not (np.isfinite(sd) and sd >= 0):
                raise BoundsError(f"the noise of {name!r} is {sd}; give a standard deviation >= 0")
        for name, sd in self.readings.items():
            if sd == 0:
                raise BoundsError(f"the sensor of {name!r} has noise 0; no sensor is exact")


@final
@dataclass(frozen=True, eq=False)
class Belief:
    """What is thought at a time (s): members of states and parameters, and their weights.

    Chance is part of it: `seed` and `cycle` say which random numbers come next, so that the
    same belief and the same readings always lead to the same bits. `memory` holds what the last
    readings were against what was expected: [readings, (value, expected, innovation), watched],
    the innovation in units of its standard deviation; `likeness` [watched, watched] says how
    the innovations should go together.
    """

    model: str
    time: float
    states: Array
    parameters: Array
    weights: Array
    seed: int
    cycle: int = 0
    inflation: float = 1.0
    watched: tuple[str, ...] = ()
    memory: Array | None = None
    likeness: Array | None = None

    def __len__(self) -> int:
        return len(self.weights)

    def __eq__(self, other: object) -> bool:
        """Equal to the last bit."""
        return isinstance(other, Belief) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def generator(self) -> np.random.Generator:
        """The random numbers of this cycle; the same belief always has the same ones."""
        return np.random.Generator(np.random.Philox(key=[self.seed, self.cycle]))

    def branch(self, seed: int) -> "Belief":
        """The same belief with other random numbers to come."""
        return replace(self, seed=seed)

    def to_bytes(self) -> bytes:
        """The belief as bytes, exact to the last bit, the same for the same belief."""
        head: dict[str, Any] = {
            key: getattr(self, key)
            for key in ("model", "time", "seed", "cycle", "inflation", "watched")
        }
        arrays = {name: getattr(self, name) for name in ARRAYS}
        head["shapes"] = {k: None if a is None else list(a.shape) for k, a in arrays.items()}
        body = [np.ascontiguousarray(a, "<f8").tobytes() for a in arrays.values() if a is not None]
        return MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n" + b"".join(body)

    @staticmethod
    def from_bytes(content: bytes) -> "Belief":
        """The belief that `to_bytes` wrote; DataError when the bytes are no whole belief."""
        if not content.startswith(MAGIC):
            raise DataError(
                f"these {len(content)} bytes are no belief of this version (they begin with "
                f"{content[:16]!r}); give what Belief.to_bytes wrote"
            )
        line, _, body = content[len(MAGIC) :].partition(b"\n")
        try:
            head = json.loads(line)
            shapes = head.pop("shapes")
        except (ValueError, KeyError) as error:
            raise DataError("the head of this belief is damaged; restore it from a copy") from error
        needed = 8 * sum(int(np.prod(shape)) for shape in shapes.values() if shape is not None)
        if len(body) != needed:
            raise DataError(
                f"this belief holds {len(body)} bytes of numbers where {needed} belong; it was "
                "cut short, restore it from a copy"
            )
        arrays: dict[str, Any] = {}
        for name in ARRAYS:
            shape = shapes[name]
            count = 0 if shape is None else int(np.prod(shape))
            numbers = np.frombuffer(body[: 8 * count], "<f8").astype(np.float64)
            arrays[name] = None if shape is None else numbers.reshape(shape)
            body = body[8 * count :]
        head["watched"] = tuple(head["watched"])
        return Belief(**head, **arrays)

    def mean(self, model: Model) -> dict[str, float]:
        """The weighted mean of each state and parameter."""
        return {name: float(self.weights @ self.column(model, name)) for name in _names(model)}

    def spread(self, model: Model) -> dict[str, float]:
        """The weighted standard deviation of each state and parameter."""
        mean = self.mean(model)
        return {
            name: float(np.sqrt(self.weights @ (self.column(model, name) - mean[name]) ** 2))
            for name in _names(model)
        }

    def column(self, model: Model, name: str) -> Array:
        """What each member thinks of one state or parameter: [members]."""
        kind, index = place(model, name)
        return (self.states if kind == "state" else self.parameters)[:, index]


def _names(model: Model) -> tuple[str, ...]:
    return model.signals.columns("state") + model.signals.columns("parameter")


def place(model: Model, name: str) -> tuple[str, int]:
    """The kind of a state or parameter and its column."""
    signal = model.signals[name.partition("[")[0]]
    if signal.kind not in ("state", "parameter"):
        raise ModelError(f"{name!r} is an {signal.kind}; a belief holds states and parameters")
    return signal.kind, model.signals.index(name)


def believe(
    model: Model,
    values: Mapping[str, ArrayLike] | None = None,
    *,
    members: int = 100,
    seed: int = 0,
    time: float = 0.0,
) -> Belief:
    """A first belief about a model at a time in s.

    `values` names states and parameters: a number is certain, a pair (mean, sd) is drawn from
    a normal law cut off at the signal's bounds, and an array [members] is taken as it is. What
    is not named is certain at its start value.

    >>> from songsinh.models import Equations
    >>> from songsinh.signals import state
    >>> tank = Equations("tank", (state("level", "m", 1.0),), lambda t, s, u, p: -s.level)
    >>> believe(tank, {"level": (2.0, 0.1)}, members=50).states.shape
    (50, 1)
    """
    if members < 2:
        raise FilterError(f"a belief of {members} members has no spread; use 2 or more, say 100")
    generator = np.random.Generator(np.random.Philox(key=[seed, 2**63]))
    given: dict[str, dict[str, Array]] = {"state": {}, "parameter": {}}
    for name, value in (values or {}).items():
        signal = model.signals[name]
        kind, _ = place(model, name)
        array = np.asarray(value, dtype=np.float64)
        if array.shape == (2,) and members != 2:
            shape = (members, signal.size) if signal.size > 1 else (members,)
            array = draw(signal, array, generator.random(shape))
        given[kind][name] = array
    return Belief(
        model=model.name,
        time=float(time),
        states=columns(model.signals, "state", given["state"], members),
        parameters=columns(model.signals, "parameter", given["parameter"], members),
        weights=np.full(members, 1.0 / members),
        seed=seed,
    )


def draw(signal: Signal, normal: Array, chance: Array) -> Array:
    """Values of a signal drawn from a normal law (mean, sd) that is cut off at its bounds."""
    mean, sd = normal
    signal.check(mean)
    if not sd >= 0:
        raise BoundsError(f"the spread of {signal.name!r} is {sd}; give a number >= 0")
    if sd == 0:
        return np.full(chance.shape, mean)
    low, high = ndtr((signal.lower - mean) / sd), ndtr((signal.upper - mean) / sd)
    drawn: Array = mean + sd * ndtri(low + chance * (high - low))
    return np.clip(drawn, signal.lower, signal.upper)
