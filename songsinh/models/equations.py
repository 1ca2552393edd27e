"""Ordinary differential equations as a model, written once and read compiled or as they are."""

import threading
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise, starmap
from typing import Any, final

import numpy as np

from songsinh.errors import ModelError, near
from songsinh.models import compilation, integration
from songsinh.models.code import LANES, WIDEST, Code
from songsinh.models.model import Array, Forcing, Run, Traits, forcing
from songsinh.models.steps import EXPLICIT, FIXED, STIFF
from songsinh.series import Series
from songsinh.signals import Kind, Signal, Signals

__all__ = ["Equations", "Event", "Explicit", "FixedStep", "Solver", "Stiff"]

GIVEN: tuple[Kind, ...] = ("state", "input", "parameter")  # what a law is given besides time
Law = Callable[[Any, Any, Any, Any], Any]
FIRST_ANSWER = 4_000  # steps of uncompiled code before compiling pays; about 0.4 s
LOGGED_EVENTS = 100
PART = 256  # members that are worth a thread of their own


@final
@dataclass(frozen=True)
class Explicit:
    """Dormand-Prince 5(4): for smooth equations that are not stiff. Each member steps alone."""

    rtol: float = 1e-6
    atol: float = 1e-9
    most_steps: int = 1_000_000

    def __post_init__(self) -> None:
        _positive(self, "rtol", "atol", "most_steps")


@final
@dataclass(frozen=True)
class Stiff:
    """Rodas5P, a Rosenbrock method: for equations with fast and slow parts together."""

    rtol: float = 1e-6
    atol: float = 1e-9
    most_steps: int = 1_000_000

    def __post_init__(self) -> None:
        _positive(self, "rtol", "atol", "most_steps")


@final
@dataclass(frozen=True)
class FixedStep:
    """The classical fourth-order Runge-Kutta method with steps of at most `step` s."""

    step: float
    most_steps: int = 100_000_000

    def __post_init__(self) -> None:
        _positive(self, "step", "most_steps")


Solver = Explicit | Stiff | FixedStep


def _positive(solver: Any, *names: str) -> None:
    for name in names:
        value = getattr(solver, name)
        if not 0.0 < value < np.inf:
            raise ModelError(
                f"the solver {type(solver).__name__} has {name} = {value!r}; "
                "give it a number above zero"
            )


@final
@dataclass(frozen=True)
class Event:
    """Something that happens when `when(t, s, u, p)` crosses zero.

    `change(t, s, u, p)` returns the new states, None leaves them. `direction` -1 looks for
    falling values only, 1 for rising, 0 for both. `stop` ends the member's run there.
    """

    when: Law
    change: Law | None = None
    direction: int = 0
    stop: bool = False


@final
@dataclass(frozen=True)
class Equations:
    """A model given by its rates of change.

    `rate(t, s, u, p)` returns one rate for each state, `output(t, s, u, p)` one value for each
    output; s, u and p hold states, inputs and parameters by name, as plain numbers. Write them
    with `songsinh.maths`.

    >>> from songsinh.signals import parameter, state
    >>> decay = Equations("decay", (state("mass", "kg", 1.0), parameter("pace", "1/s", 0.5)),
    ...                   rate=lambda t, s, u, p: -p.pace * s.mass)
    >>> decay.traits.rewindable
    True
    """

    name: str
    signals: Signals
    rate: Law
    output: Law | None = None
    events: tuple[Event, ...] = ()
    solver: Solver = Explicit()
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", Signals(tuple(self.signals)))
        object.__setattr__(self, "events", tuple(self.events))
        if not self.signals.of("state"):
            raise ModelError(f"model {self.name!r} has no state; give it one with state()")
        if bool(self.signals.of("output")) != (self.output is not None):
            raise ModelError(
                f"model {self.name!r} needs both output signals and an output function, or neither"
            )
        self._try("rate", self.rate, "state")
        if self.output is not None:
            self._try("output", self.output, "output")
        for event in self.events:
            self._try("event's when", event.when, None)
            if event.change is not None:
                self._try("event's change", event.change, "state")

    @property
    def traits(self) -> Traits:
        """What it lets others do with it."""
        return Traits(rewindable=True, open_state=True, differentiable=not self.events)

    def run(
        self,
        times: Array,
        states: Array,
        parameters: Array,
        inputs: Series | Forcing | None = None,
        *,
        patient: bool = True,
    ) -> Run:
        """Carry members through the times; see `Model.run`."""
        wind = forcing(self.signals, inputs)
        times, states, parameters = (
            np.require(array, np.float64, ["C", "W"]) for array in (times, states, parameters)
        )
        if not patient and not self._code.ready:
            run = self._run(self._plain, times, states, parameters, wind, FIRST_ANSWER)
            if not (run.codes == integration.OUT_OF_BUDGET).any():
                self._code.expect()
                return run
        return self._run(self._code.machine, times, states, parameters, wind, 2**62)

    def code(self, *, is_compiled: bool = True) -> Code:
        """The compiled law, for kernels that run members themselves; or the same uncompiled."""
        law, output = self._code.addresses if is_compiled else self._functions
        return Code(
            *(self._method, law, output, self._tolerance, int(self.solver.most_steps)),
            *(len(self.signals.columns("state")), len(self.events)),
            *(len(self.signals.columns("input")), is_compiled),
        )

    def _run(
        self,
        code: "_Kernels",
        times: Array,
        states: Array,
        parameters: Array,
        wind: Forcing,
        budget: int,
    ) -> Run:
        times, states, parameters = map(np.ascontiguousarray, (times, states, parameters))
        members, n = states.shape
        samples = len(times)
        solver, tolerance = self.solver, self._tolerance
        out = np.empty((members, samples, n))
        codes = np.zeros(members, dtype=np.int64)
        reached = np.zeros(members)
        logged = LOGGED_EVENTS if self.events else 0
        event_times = np.full((members, logged), np.nan)
        event_kinds = np.zeros((members, logged), dtype=np.int64)
        outputs = np.empty((members, samples, len(self.signals.columns("output"))))

        def carry(some: slice) -> None:
            room = (self._method, n, len(self.events), wind.values.shape[1])
            one = code is self._plain or self._method == STIFF
            work = integration.workspace(
                *room, lanes=1 if one else max(1, min(LANES, WIDEST // n, len(states[some])))
            )
            code.integrate(
                *(code.law, states[some], parameters[some], tuple(wind), times, tolerance),
                *(solver.most_steps, budget, out[some], codes[some], reached[some]),
                *(event_times[some], event_kinds[some], work),
            )
            if self.output is not None:
                code.observe(
                    *(code.output, times, out[some], parameters[some], tuple(wind), outputs[some]),
                    work[6][0],
                )

        parts = min(8, members // PART)
        if parts < 2 or code is self._plain:
            with np.errstate(all="ignore"):
                carry(slice(0, members))
        else:
            cuts = np.linspace(0, members, parts + 1).astype(int).tolist()
            list(_threads().map(carry, starmap(slice, pairwise(cuts))))
        events = tuple(
            (int(i), float(event_times[i, e]), int(event_kinds[i, e]))
            for i, e in np.argwhere(np.isfinite(event_times))
        )
        return Run(
            *(self.signals, times, out, outputs, codes, reached, integration.REASONS, events)
        )

    def _try(self, what: str, law: Law, kind: Kind | None) -> None:
        """Evaluate a function once at the start values; ModelError when it does not fit."""
        try:
            result = _once(self.signals, law)
        except AttributeError as error:
            names = tuple(row.name for row in self.signals)
            raise ModelError(
                f"the {what} of model {self.name!r} asks for {error.name!r}, which is not there; "
                f"{near(str(error.name), names)}"
            ) from error
        except (TypeError, ValueError, ArithmeticError, LookupError, NameError) as error:
            raise ModelError(
                f"the {what} of model {self.name!r} failed at the start values: {error}; "
                "it takes (t, s, u, p) and returns numbers"
            ) from error
        rows = self.signals.of(kind) if kind else (Signal("event", kind="output"),)
        found = result if isinstance(result, tuple) else (result,)
        if len(found) != len(rows):
            listed = ", ".join(row.name for row in rows)
            raise ModelError(
                f"the {what} of model {self.name!r} returned {len(found)} values for "
                f"{len(rows)} signals ({listed}); return one for each, in that order"
            )
        for row, value in zip(rows, found, strict=True):
            if np.size(value) != row.size or not np.issubdtype(np.asarray(value).dtype, np.number):
                raise ModelError(
                    f"the {what} of model {self.name!r} returned {value!r} for {row.name!r}; "
                    f"return {row.size} number{'s' * (row.size > 1)}"
                )

    @cached_property
    def _plain(self) -> "_Kernels":
        """Everything as uncompiled Python."""
        law, output = self._functions
        return _Kernels(integration.driver(self._method), integration.observe, law, output)

    @cached_property
    def _code(self) -> "_Compiling":
        return _Compiling(self._method, *self._functions)

    @property
    def _tolerance(self) -> tuple[float, Array, float]:
        n = len(self.signals.columns("state"))
        if isinstance(self.solver, FixedStep):
            return 1.0, np.ones(n), float(self.solver.step)
        return float(self.solver.rtol), np.full(n, self.solver.atol), 0.0

    @property
    def _method(self) -> int:
        return {Explicit: EXPLICIT, Stiff: STIFF, FixedStep: FIXED}[type(self.solver)]

    @cached_property
    def _functions(self) -> tuple[tuple[Any, ...], Any]:
        rate = _flat(self.signals, self.rate, "state")
        when: Any = 0
        if self.events:
            when = _flat_events(self.signals, [event.when for event in self.events])
        changes = [
            _flat(self.signals, event.change, "state") if event.change else 0
            for event in self.events
        ]
        directions = np.array([event.direction for event in self.events], dtype=np.int64)
        stops = np.array([event.stop for event in self.events], dtype=np.bool_)
        output = _flat(self.signals, self.output, "output") if self.output else 0
        return (rate, when, changes, directions, stops), output


@final
@dataclass(frozen=True)
class _Kernels:
    integrate: Callable[..., int]
    observe: Callable[..., None]
    law: tuple[Any, ...]
    output: Any


@final
class _Compiling:
    """The compiled code of one model: made when asked for, or ahead in the background."""

    def __init__(self, method: int, law: tuple[Any, ...], output: Any) -> None:
        self._method = method
        self._law, self._output = law, output
        self._lock = threading.Lock()
        self._made: _Kernels | None = None
        self._asked = 0

    @property
    def ready(self) -> bool:
        return self._made is not None

    @property
    def machine(self) -> _Kernels:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._compile()
        return self._made

    def expect(self) -> None:
        """Compile in the background once a second quick answer shows that more will follow."""
        self._asked += 1
        if self._asked == 2:
            threading.Thread(target=lambda: self.machine, name="compile").start()

    @cached_property
    def addresses(self) -> tuple[tuple[Any, ...], int]:
        """Where the compiled law and output begin."""
        rate, when, changes, directions, stops = self._law
        address = compilation.address
        jumps = np.array([address(c) if c else 0 for c in changes], dtype=np.int64)
        law = (address(rate), address(when) if when else 0, jumps, directions, stops)
        return law, address(self._output) if self._output else 0

    def _compile(self) -> _Kernels:
        return _Kernels(
            compilation.compiled(integration.driver(self._method), integration.INTEGRATE),
            compilation.compiled(integration.observe, integration.OBSERVE),
            *self.addresses,
        )


@cache
def _threads() -> ThreadPoolExecutor:
    """One pool for all runs: to make one costs more than many a run."""
    return ThreadPoolExecutor(thread_name_prefix="members")


def _fields(signals: Signals, kind: Kind, array: str) -> list[Any]:
    """The fields of a record: start values, or the text that reads them from an array."""
    rows = signals.of(kind)
    if array == "values":
        start = signals.start(kind)
        if not rows:
            return [0.0]
        return [
            start[signals.span(row.name)] if row.size > 1 else np.float64(row.start) for row in rows
        ]
    if not rows:
        return ["0.0"]
    return [f"{array}[{_place(signals, row)}]" for row in rows]


def _place(signals: Signals, row: Signal) -> str:
    span = signals.span(row.name)
    return f"{span.start}:{span.stop}" if row.size > 1 else f"{span.start}"


def _record(signals: Signals, kind: Kind) -> Any:
    names = [row.name for row in signals.of(kind)] or ["nothing"]
    return namedtuple(kind.capitalize(), names)


def _flat(signals: Signals, law: Law, kind: Kind) -> Callable[..., None]:
    """The law as a function on flat arrays, `(t, x, u, p, out)`."""
    rows = signals.of(kind)
    source = [*_reading(signals), f"    out = view(out, {len(signals.columns(kind))})"]
    if len(rows) == 1 and not isinstance(_once(signals, law), tuple):
        source += [f"    out[{_place(signals, rows[0])}] = law(t, s, w, q)"]
    else:
        source += ["    r = law(t, s, w, q)"]
        source += [f"    out[{_place(signals, row)}] = r[{k}]" for k, row in enumerate(rows)]
    return _make(signals, source, {"law": law})


def _flat_events(signals: Signals, laws: list[Law]) -> Callable[..., None]:
    source = [*_reading(signals), f"    out = view(out, {len(laws)})"]
    source += [f"    out[{e}] = law{e}(t, s, w, q)" for e in range(len(laws))]
    return _make(signals, source, {f"law{e}": law for e, law in enumerate(laws)})


def _reading(signals: Signals) -> list[str]:
    lines = ["def flat(t, x, u, p, out):"]
    for kind, array, record in zip(GIVEN, "xup", "swq", strict=True):
        lines.append(f"    {array} = view({array}, {len(signals.columns(kind))})")
        fields = ", ".join(_fields(signals, kind, array))
        lines.append(f"    {record} = {kind.capitalize()}({fields})")
    return lines


def _make(signals: Signals, source: list[str], names: dict[str, Any]) -> Callable[..., None]:
    space: dict[str, Any] = {"__name__": __name__, "view": compilation.view, **names}
    for kind in GIVEN:
        space[kind.capitalize()] = _record(signals, kind)
    exec("\n".join(source), space)
    flat: Callable[..., None] = space["flat"]
    return flat


def _once(signals: Signals, law: Law) -> Any:
    given = [_record(signals, kind)(*_fields(signals, kind, "values")) for kind in GIVEN]
    with np.errstate(all="ignore"):
        return law(0.0, *given)
