"""Fleets: many twins of one model, followed at once and each as if it were alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri

from songsinh.errors import DataError, FilterError
from songsinh.models import Array, Equations, Model
from songsinh.twin import fleet_kernels as kernels
from songsinh.twin.belief import Belief, Noise, draw, place
from songsinh.twin.crowds import Crowd, Looked, Told
from songsinh.twin.diagnosis import CERTAIN, MEMORY
from songsinh.twin.filters import EnsembleTransform, systematic
from songsinh.twin.fleet_filters import MIRRORS
from songsinh.twin.motion import wandering

__all__ = ["Fleet"]

RENEWING = 3 * 2**62  # where the random numbers of a new episode begin


@final
@dataclass(frozen=True, eq=False)
class Fleet:
    """Twins that share a model, sensors, noise and method; one compiled call folds for many.

    It does what `assimilate` does, with random numbers of its own: a twin's bits depend only on
    its own readings in their order, never on which other twins share a call nor on how readings
    were cut into calls. A turn is a product of random mirrors. Inputs are held from reading to
    reading, or run in a line. Each member carries every parameter, so what is the same for all
    members and never learned belongs into the law as a number, not into a parameter.
    """

    model: Model
    sensors: tuple[str, ...]
    noise: Noise
    method: EnsembleTransform = EnsembleTransform()  # noqa: RUF009  frozen
    inputs: Literal["held", "linear"] = "held"
    members: int = 50
    is_compiled: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.model, Equations):
            raise FilterError(
                f"model {self.model.name!r} has no compiled law, so it cannot be followed in a "
                "fleet; write it as Equations"
            )
        if not isinstance(self.method, EnsembleTransform) or self.method.localisation is not None:
            raise FilterError(
                f"a fleet was given the method {type(self.method).__name__} with or without "
                "localisation; it can only use EnsembleTransform without localisation"
            )
        if self.members < 2:
            raise FilterError(f"a fleet of {self.members} members has no spread; use 2 or more")
        if self.inputs not in ("held", "linear"):
            raise FilterError(f"the inputs of a fleet are {self.inputs!r}; use 'held' or 'linear'")
        for name in self.sensors:
            if name not in self._shown:
                raise DataError(
                    f"the sensor {name!r} is no column of a state or output; "
                    f"the model has {', '.join(self._shown)}"
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """The states, then the parameters: the columns of `Told.means`."""
        return self.model.signals.columns("state") + self.model.signals.columns("parameter")

    @property
    def shown(self) -> tuple[str, ...]:
        """The states, then the outputs: the last axis of `Looked.shown`."""
        return self._shown

    def warm(self) -> None:
        """Compile what folding and looking ahead need, so that neither waits for it later."""
        nobody = self.gather([])
        self.fold(nobody, [], [], np.empty((0, len(self.sensors))))
        self.look(nobody, [], [0.0])

    def gather(
        self,
        beliefs: Sequence[Belief],
        inputs: ArrayLike | None = None,
        input_times: ArrayLike | None = None,
    ) -> Crowd:
        """The beliefs as a crowd; inputs [twins, inputs] hold since the times (s) [twins].

        Without inputs they are at their start; without times they hold since each belief's own.
        """
        own = [self._admitted(belief) for belief in beliefs]
        twins, sensors = len(own), len(self.sensors)
        signals = self.model.signals
        times = np.array([belief.time for belief in own], dtype=np.float64)
        shape = (twins, len(signals.columns("input")))
        given = signals.start("input") if inputs is None else np.asarray(inputs, dtype=np.float64)
        n, p = len(signals.columns("state")), len(signals.columns("parameter"))
        crowd = Crowd(
            times=times,
            states=np.array([b.states for b in own]).reshape(twins, self.members, n),
            parameters=np.array([b.parameters for b in own]).reshape(twins, self.members, p),
            seeds=np.array([belief.seed for belief in own], dtype=np.uint64),
            cycles=np.array([belief.cycle for belief in own], dtype=np.int64),
            inflations=np.array([belief.inflation for belief in own], dtype=np.float64),
            memories=np.full((twins, MEMORY, 3, sensors), np.nan),
            likeness=np.tile(np.eye(sensors), (twins, 1, 1)),
            seen=np.array([belief.memory is not None for belief in own], dtype=np.bool_),
            inputs=np.broadcast_to(given, shape).copy(),
            input_times=times.copy() if input_times is None else _numbers(input_times, (twins,)),
        )
        for row, belief in enumerate(own):
            if belief.watched == self.sensors and belief.memory is not None:
                crowd.memories[row] = belief.memory
                crowd.likeness[row] = belief.likeness
        return crowd

    def scatter(self, crowd: Crowd, row: int) -> Belief:
        """One row of a crowd as a belief, exact to the last bit."""
        seen = bool(crowd.seen[row])
        return Belief(
            model=self.model.name,
            time=float(crowd.times[row]),
            states=crowd.states[row].copy(),
            parameters=crowd.parameters[row].copy(),
            weights=np.full(self.members, 1.0 / self.members),
            seed=int(crowd.seeds[row]),
            cycle=int(crowd.cycles[row]),
            inflation=float(crowd.inflations[row]),
            watched=self.sensors if seen else (),
            memory=crowd.memories[row].copy() if seen else None,
            likeness=crowd.likeness[row].copy() if seen else None,
        )

    def fold(
        self,
        crowd: Crowd,
        which: ArrayLike,
        times: ArrayLike,
        values: ArrayLike,
        inputs: ArrayLike | None = None,
    ) -> Told:
        """Fold readings into rows `which` [k] of the crowd, in place and in the order given.

        `times` [k] in s rise for each twin; `values` [k, sensors] are NaN where a sensor is
        silent; `inputs` [k, inputs] hold from that time on, NaN where they stay as they were.
        Nothing is raised for single twins: see the codes of what is told.
        """
        rows = self._rows(crowd, which)
        count, sensors = len(rows), len(self.sensors)
        batch = (
            rows,
            _numbers(times, (count,)),
            _numbers(values, (count, sensors)),
            self._inputs(inputs, count),
        )
        told = Told(
            means=np.full((count, len(self.columns)), np.nan),
            sds=np.full((count, len(self.columns)), np.nan),
            expected=np.full((count, sensors), np.nan),
            doubt=np.full((count, sensors), np.nan),
            innovation=np.full((count, sensors), np.nan),
            aside=np.zeros((count, sensors), dtype=np.int64),
            lost=np.zeros(count, dtype=np.int64),
            codes=np.zeros(count, dtype=np.int64),
        )
        work = self._code.workspace(self.members)
        self._call(
            kernels.fold,
            *(self._solver, self._plan, self._bare(crowd), batch, tuple(told), self._room(2), work),
        )
        return told

    def look(
        self, crowd: Crowd, which: ArrayLike, ahead: ArrayLike, inputs: ArrayLike | None = None
    ) -> Looked:
        """What members show at times `ahead` [samples] of their own time, in s, rising from >= 0.

        `inputs` [k, inputs] hold all the while, NaN where they stay as they are. Members wander
        by the drift at each sample. The crowd stays as it is.
        """
        rows, grid = self._rows(crowd, which), np.ascontiguousarray(ahead, dtype=np.float64)
        if grid.ndim != 1 or not len(grid) or grid[0] < 0 or not (np.diff(grid) >= 0).all():
            raise DataError(
                f"the times to look ahead are {ahead!r:.60}; give seconds from 0 on, rising"
            )
        shape = (len(rows), len(grid), self.members, len(self._shown))
        looked = Looked(np.empty(shape), np.zeros(len(rows), dtype=np.int64))
        held = (*self._plan[:6], True, *self._plan[7:])
        room = self._room(2 if self._plan[7] else len(grid) + 1)
        work = self._code.workspace(self.members)
        batch = (rows, grid, self._inputs(inputs, len(rows)))
        self._call(
            kernels.look,
            *(self._solver, held, self._bare(crowd), batch, *looked, room, work),
        )
        return looked

    def renew(
        self,
        crowd: Crowd,
        which: ArrayLike,
        times: ArrayLike,
        states: Mapping[str, float | tuple[float, float]],
    ) -> None:
        """Begin a new episode in rows `which` at the times (s) [k], in place.

        The states named are drawn anew, as `believe` does; what is not named carries on. What
        the sensors read before is forgotten, and a reading at the new time itself is taken.
        """
        rows = self._rows(crowd, which)
        for row, time in zip(rows.tolist(), _numbers(times, (len(rows),)), strict=True):
            key = [int(crowd.seeds[row]), RENEWING + int(crowd.cycles[row])]
            chance = np.random.Generator(np.random.Philox(key=key))
            for name, known in states.items():
                self._draw(crowd.states[row], name, known, chance)
            crowd.times[row] = crowd.input_times[row] = time
            crowd.memories[row], crowd.likeness[row] = np.nan, np.eye(len(self.sensors))
            crowd.cycles[row] += 1
            crowd.seen[row] = False

    def _draw(
        self,
        states: Array,
        name: str,
        known: float | tuple[float, float],
        chance: np.random.Generator,
    ) -> None:
        kind, first = place(self.model, name)
        if kind != "state":
            raise DataError(f"{name!r} is a {kind}; a new episode draws states only")
        signal = self.model.signals[name.partition("[")[0]]
        size = signal.size if name == signal.name else 1
        normal = np.array(known if isinstance(known, tuple) else (known, 0.0), dtype=np.float64)
        states[:, first : first + size] = draw(signal, normal, chance.random((len(states), size)))

    def _admitted(self, belief: Belief) -> Belief:
        if belief.model != self.model.name or len(belief) != self.members:
            raise FilterError(
                f"a belief of {len(belief)} members about {belief.model!r} was given to a fleet of "
                f"{self.members} members about {self.model.name!r}; begin with `believe`"
            )
        if np.ptp(belief.weights) > 1e-12:
            drawn = systematic(belief.weights, belief.generator())
            belief = replace(
                belief, states=belief.states[drawn], parameters=belief.parameters[drawn]
            )
        return belief

    def _rows(self, crowd: Crowd, which: ArrayLike) -> Any:
        rows = np.ascontiguousarray(which, dtype=np.int64)
        if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < len(crowd)):
            raise DataError(
                f"rows {which!r:.60} are asked for in a crowd of {len(crowd)}; count them from 0"
            )
        return rows

    def _inputs(self, inputs: ArrayLike | None, count: int) -> Array:
        shape = (count, len(self.model.signals.columns("input")))
        return np.full(shape, np.nan) if inputs is None else _numbers(inputs, shape)

    def _call(self, kernel: Any, *arguments: Any) -> None:
        # a fleet's arguments are always alike, and to look a kernel up takes milliseconds
        made = self._made.get(kernel)
        if made is None:
            made = self._made[kernel] = self._code.kernel(kernel, *arguments)
        with np.errstate(all="ignore"):
            made(*arguments)

    @cached_property
    def _made(self) -> dict[Any, Any]:
        return {}

    @property
    def _shown(self) -> tuple[str, ...]:
        return self.model.signals.columns("state") + self.model.signals.columns("output")

    @cached_property
    def _code(self) -> Any:
        return self.model.code(is_compiled=self.is_compiled)  # type: ignore[attr-defined]

    @cached_property
    def _solver(self) -> tuple[Any, ...]:
        code = self._code
        return code.solver, code.law, code.output, code.tolerance, code.most_steps

    @cached_property
    def _plan(self) -> tuple[Any, ...]:
        """What stays the same over all readings, as the kernels take it."""
        signals, drift, sensors = self.model.signals, np.zeros(len(self.columns)), len(self.sensors)
        n = len(signals.columns("state"))
        wander = wandering(self.model, self.noise.drift)
        for offset, part in zip((0, n), wander or (), strict=False):
            drift[offset + part.moving] = part.sds
        freedoms = np.maximum(np.arange(sensors + 1), 1)
        return (
            np.array([self._shown.index(name) for name in self.sensors], dtype=np.int64),
            np.array([self._sd(name) for name in self.sensors], dtype=np.float64),
            *(
                np.concatenate([bound("state"), bound("parameter")])
                for bound in (signals.lower, signals.upper)
            ),
            drift,
            np.array([chdtri(freedoms, CERTAIN), chdtri(freedoms, 0.01)]),
            *(self.inputs == "held", wander is not None),
            *(float(self.method.adapt), int(self.method.turn)),
        )

    def _sd(self, name: str) -> float:
        found = self.noise.readings.get(name, self.noise.readings.get(name.partition("[")[0]))
        if found is None:
            raise DataError(
                f"the noise of the sensor {name!r} is not given; add it to Noise(readings=...)"
            )
        return found

    def _bare(self, crowd: Crowd) -> tuple[Any, ...]:
        return (
            *(crowd.times, crowd.states, crowd.parameters, crowd.seeds.view(np.int64)),
            *(crowd.cycles, crowd.inflations, crowd.memories, crowd.likeness, crowd.seen),
            *(crowd.inputs, crowd.input_times),
        )

    def _room(self, samples: int) -> tuple[Any, ...]:
        """Room for one thread: of the solver, of one twin's members, of the filter."""
        m, r, signals = self.members, len(self.sensors), self.model.signals
        n, p, u, y = (
            len(signals.columns(kind)) for kind in ("state", "parameter", "input", "output")
        )
        drawn = m * max(int((self._plan[4] > 0).sum()), MIRRORS) + 4
        states, outputs = np.empty((m, 1, n)), np.empty((m, 1, y))
        whole = np.int64
        return (
            (
                *(np.zeros(2), np.zeros((2, u)), np.zeros(samples), np.empty((m, samples, n))),
                *(np.zeros(m, whole), np.zeros(m), np.zeros((m, 0)), np.zeros((m, 0), whole)),
                *(np.zeros(1), np.zeros(m, whole), np.zeros(u)),
            ),
            (
                *(states, states.reshape(m, n), np.empty((m, p))),
                *(outputs, outputs.reshape(m, y), np.empty(drawn), np.empty((drawn + 1, 2))),
            ),
            (
                *(np.zeros(n + p, whole), np.empty(n + p), np.empty((n + p, m))),
                *(np.empty((r, m)), np.empty((r, m)), np.empty((r, m))),
                *(np.empty((r, r)), np.empty((r, r)), np.empty((r, r))),
                *(np.zeros(r, whole), np.empty(r), np.empty(r), np.empty(r)),
            ),
        )


def _numbers(values: ArrayLike, shape: tuple[int, ...]) -> Array:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.shape != shape:
        raise DataError(f"a fleet was given numbers of the shape {array.shape}; use {shape}")
    return array
