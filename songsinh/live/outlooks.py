"""Outlooks: what a twin expects of the hours to come, as it is stored, shown and scored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
import orjson
from numpy.typing import NDArray

from songsinh.errors import DataError
from songsinh.live.hub import Frame
from songsinh.live.runner import Runner
from songsinh.live.twins import Twin
from songsinh.models import Run
from songsinh.twin import Crowd, Fleet, Forecast, Looked

__all__ = ["LEVELS", "Outlook", "as_forecast", "foresee", "grid", "held_inputs", "spread_out"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
MAGIC: Final = b"songsinh outlook 1\n"


@final
@dataclass(frozen=True, eq=False)
class Outlook:
    """Quantiles [signals, levels, samples] at `ahead` [samples] s after `made_us`.

    `inputs` are those that were assumed to hold; `alarms` say how likely each is. `walk` gives
    what the simplest baseline starts from for each sensor: last reading, its age (s) and how
    much its variance grows in a second.
    """

    twin: str
    made_us: int
    ahead: Array
    signals: tuple[str, ...]
    quantiles: Array
    inputs: Mapping[str, float] = field(default_factory=dict)
    alarms: Sequence[Mapping[str, Any]] = ()
    walk: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def last_us(self) -> int:
        """How far it looks (us)."""
        return self.made_us + round(float(self.ahead[-1]) * 1e6)

    def frame(self) -> Frame:
        """The outlook as listeners are told it."""
        return {
            "kind": "forecast",
            "twin": self.twin,
            "made": self.made_us / 1e6,
            "times": (self.made_us / 1e6 + self.ahead).tolist(),
            "signals": {
                name: named(rows) for name, rows in zip(self.signals, self.quantiles, strict=True)
            },
            "inputs": dict(self.inputs),
            "alarms": [dict(alarm) for alarm in self.alarms],
        }

    def to_bytes(self) -> bytes:
        """The outlook as it is stored: numbers in single precision."""
        short = ("twin", "made_us", "signals", "inputs", "alarms", "walk")
        head = {name: getattr(self, name) for name in short}
        head["samples"] = len(self.ahead)
        body = (self.ahead.astype("<f8"), self.quantiles.astype("<f4"))
        return MAGIC + orjson.dumps(head) + b"\n" + b"".join(part.tobytes() for part in body)

    @staticmethod
    def from_bytes(content: bytes) -> "Outlook":
        """What `to_bytes` wrote; DataError for anything else."""
        if not content.startswith(MAGIC):
            raise DataError(f"these {len(content)} bytes are no outlook of this version")
        line, _, body = content[len(MAGIC) :].partition(b"\n")
        head = orjson.loads(line)
        samples = head.pop("samples")
        head["signals"] = tuple(head["signals"])
        ahead = np.frombuffer(body, "<f8", samples).copy()
        numbers = np.frombuffer(body, "<f4", offset=8 * samples).astype(np.float64)
        shape = len(head["signals"]), len(LEVELS), samples
        return Outlook(ahead=ahead, quantiles=numbers.reshape(shape), **head)


def named(quantiles: Array) -> dict[str, list[float | None]]:
    """Quantiles [levels, samples] by their levels, None for what is not known."""
    rows = quantiles.astype(object)
    rows[~np.isfinite(quantiles)] = None
    return {f"{level:g}": row.tolist() for level, row in zip(LEVELS, rows, strict=True)}


def grid(twin: Twin, horizon: float | None = None) -> Array:
    """The times ahead (s) of a twin's outlooks, now among them."""
    return np.linspace(0.0, twin.horizon if horizon is None else horizon, max(twin.samples, 2))


def held_inputs(twin: Twin, now: Array) -> Array:
    """The inputs assumed from now on: as they are, unless the twin says what is expected."""
    names = twin.model.signals.columns("input")
    return np.array([twin.expected.get(name, now[k]) for k, name in enumerate(names)])


def spread_out(members: Array) -> Array:
    """Quantiles at LEVELS of [..., members]: [levels, ...]; linear between members."""
    ranked = np.sort(members, axis=-1)
    place = np.array(LEVELS) * (members.shape[-1] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, members.shape[-1] - 1)
    rest = (place - low)[:, None]
    flat = ranked.reshape(-1, members.shape[-1])
    found = flat[:, low].T * (1 - rest) + flat[:, high].T * rest
    return np.asarray(found.reshape(len(LEVELS), *members.shape[:-1]))


def as_forecast(fleet: Fleet, crowd: Crowd, looked: Looked, *, k: int, ahead: Array) -> Forecast:
    """What was seen of the k-th twin as a forecast, its times counted from now."""
    shown = looked.shown[k].swapaxes(0, 1)  # members first
    n, members = len(fleet.model.signals.columns("state")), shown.shape[0]
    run = Run(
        *(fleet.model.signals, ahead, shown[:, :, :n], shown[:, :, n:]),
        *(np.zeros(members, np.int64), np.full(members, ahead[-1]), {}),
    )
    belief = fleet.scatter(crowd, 0)  # all members of a fleet weigh the same
    return Forecast(ahead, run, belief.weights, belief, fleet.noise)


def foresee(runner: Runner, which: Whole) -> Iterator[tuple[int, Twin, Array, Array, Looked, int]]:
    """Look ahead for twins: row, twin, times ahead, inputs held, what was seen and where in it.

    Twins that look alike far share one call.
    """
    alike: dict[tuple[float, int], list[int]] = {}
    for row in which.tolist():
        twin = runner.twins[row]
        alike.setdefault((twin.horizon, twin.samples), []).append(row)
    for rows in alike.values():
        ahead = grid(runner.twins[rows[0]])
        inputs = np.array([held_inputs(runner.twins[r], runner.crowd.inputs[r]) for r in rows])
        looked = runner.fleet.look(runner.crowd, rows, ahead, inputs)
        for k, row in enumerate(rows):
            yield row, runner.twins[row], ahead, inputs[k], looked, k
