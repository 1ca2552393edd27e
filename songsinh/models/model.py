"""The contract: what every model offers, whatever its kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import DataError, ModelError, SignalError, SolverError, near
from songsinh.series import Series
from songsinh.signals import Kind, Signals

__all__ = ["Array", "Forcing", "Model", "Run", "Traits", "columns", "forcing"]

Array = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Traits:
    """What a model lets others do with it.

    rewindable: a run may start again from any earlier state.
    open_state: its states may be read and set, so a filter may correct them.
    differentiable: its law may be differentiated.
    """

    rewindable: bool = True
    open_state: bool = True
    differentiable: bool = False


@final
@dataclass(frozen=True)
class Run:
    """What many copies of a model did: arrays are [members, samples, signals].

    `codes` is 0 for a member that reached the end, -1 for one that an event stopped, and
    above 0 for one that failed; `reached` is the time each came to, in s. What a member did
    not reach is NaN. `events` holds (member, time, which) of the first 100 events of each
    member, in order.
    """

    signals: Signals
    times: Array
    states: Array
    outputs: Array
    codes: NDArray[np.int64]
    reached: Array
    reasons: Mapping[int, str]
    events: tuple[tuple[int, float, int], ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, name: str) -> Array:
        """A state or output by name: [members, samples], or [members, samples, size]."""
        kinds = {"state": self.states, "output": self.outputs}
        signal = self.signals[name.partition("[")[0]]
        if signal.kind not in kinds:
            raise SignalError(f"{name!r} is a {signal.kind}; a run holds states and outputs only")
        array = kinds[signal.kind]
        if name == signal.name and signal.size > 1:
            return array[:, :, self.signals.span(name)]
        return array[:, :, self.signals.index(name)]

    @cached_property
    def failed(self) -> tuple[tuple[int, str], ...]:
        """Each member that did not reach the end, and why."""
        wrong = np.flatnonzero(self.codes > 0)
        return tuple((int(i), self._why(int(i))) for i in wrong)

    def _why(self, member: int) -> str:
        return f"at {self.reached[member]:.6g} s {self.reasons[int(self.codes[member])]}"

    def check(self) -> "Run":
        """The run itself; SolverError naming the first member that failed, if any did."""
        if self.failed:
            member, why = self.failed[0]
            raise SolverError(
                f"{len(self.failed)} of {len(self)} members failed; member {member}: {why}"
            )
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(self.signals.columns("state") + self.signals.columns("output"))


class Forcing(NamedTuple):
    """A model's inputs as kernels read them: times in s, values [times, inputs], held or linear."""

    times: Array
    values: Array
    held: bool


class Model(Protocol):
    """A law of change over signals. All members move at once; one run is an ensemble of one."""

    @property
    def name(self) -> str:
        """What people call the model."""
        ...

    @property
    def signals(self) -> Signals:
        """The table of its signals."""
        ...

    @property
    def traits(self) -> Traits:
        """What it lets others do with it."""
        ...

    def run(
        self,
        times: Array,
        states: Array,
        parameters: Array,
        inputs: Series | Forcing | None = None,
        *,
        patient: bool = True,
    ) -> Run:
        """Carry members [members, states] from the first of the times (s) through the others.

        `parameters` is [members, parameters]. Inputs that no series gives stay at their start
        values. With `patient` the same call gives the same bits in every process; without it
        a first answer may come from uncompiled code and differ in the last digits.
        """
        ...


def columns(
    signals: Signals,
    kind: Kind,
    values: Mapping[str, ArrayLike] | ArrayLike | None,
    members: int | None = None,
) -> Array:
    """Values of a kind as [members, columns]; signals not named take their start value.

    Raises SignalError for an unknown name, BoundsError outside bounds, ModelError for a shape.
    """
    start = signals.start(kind)
    if values is not None and not isinstance(values, Mapping):
        table = np.array(values, dtype=np.float64, ndmin=2, order="C")
        count = members or len(table)
        if table.ndim != 2 or table.shape[1] != len(start) or len(table) not in (1, count):
            raise ModelError(
                f"the {kind}s given have the shape {np.shape(values)}; "
                f"use [{count} members, {len(start)} columns: {', '.join(signals.columns(kind))}]"
            )
        table = np.ascontiguousarray(np.broadcast_to(table, (count, len(start))))
        for signal in signals.of(kind):
            signal.check(table[:, signals.span(signal.name)])
        return table
    given = {}
    for name, value in (values or {}).items():
        signal = signals[name]
        if signal.kind != kind:
            own = tuple(row.name for row in signals.of(kind))
            raise SignalError(f"{name!r} is no {kind} but a {signal.kind}; {near(name, own)}")
        signal.check(value)
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 2 and signal.size == 1 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim > (1 if signal.size == 1 else 2) or (
            signal.size > 1 and array.ndim and array.shape[-1] != signal.size
        ):
            raise ModelError(
                f"{kind} {name!r} is given with the shape {array.shape}; use one number, [members]"
                + (f", [{signal.size}] or [members, {signal.size}]" if signal.size > 1 else "")
            )
        given[name] = array
    lengths = {
        len(array)
        for name, array in given.items()
        if array.ndim > (1 if signals[name].size > 1 else 0)
    }
    if members is not None:
        lengths.add(members)
    if len(lengths) > 1:
        raise ModelError(
            f"the {kind}s are given for {sorted(lengths)} members at once; "
            "give one number for all or one for each member"
        )
    table = np.tile(start, (lengths.pop() if lengths else 1, 1))
    for name, array in given.items():
        span = signals.span(name)
        table[:, span] = array[..., None] if signals[name].size == 1 else array
    return table


def forcing(signals: Signals, inputs: Series | Forcing | None) -> Forcing:
    """The model's inputs in its own order: what the series gives, start values for the rest.

    Raises SignalError when the series gives none of them, DataError for a missing value,
    BoundsError for one outside its bounds.
    """
    if isinstance(inputs, Forcing):
        return inputs
    names = signals.columns("input")
    start = signals.start("input")
    if inputs is None or not names:
        return Forcing(np.zeros(1), start[None, :].copy(), True)
    if not len(inputs):
        raise DataError("the inputs given hold no sample; give at least one, or leave them out")
    if not set(inputs.names) & set(names):
        raise SignalError(
            f"the inputs given are {', '.join(inputs.names)}, but the model takes "
            f"{', '.join(names)}; rename them or leave the inputs out"
        )
    table = np.tile(start, (len(inputs), 1))
    for name in names:
        if name in inputs:
            values = inputs[name]
            missing = np.flatnonzero(~np.isfinite(values))
            if len(missing):
                raise DataError(
                    f"input {name!r} has no value at {inputs.times[missing[0]]:.6g} s; "
                    "fill the gap first, inputs cannot be missing"
                )
            signals[name.partition("[")[0]].check(values)
            table[:, signals.index(name)] = values
    return Forcing(np.ascontiguousarray(inputs.times), table, inputs.interpolation == "previous")
