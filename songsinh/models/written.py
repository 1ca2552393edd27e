"""Models written as text: a TOML of signals and formulas becomes equations.

    name = "tank"
    [parameters]
    hole = {unit = "m2", start = 0.001, meaning = "area of the outlet"}
    [inputs]
    inflow = {unit = "m3/s", start = 0.002}
    [terms]
    outflow = "hole * sqrt(2 * 9.81 * maximum(level, 0))"
    [states]
    level = {unit = "m", start = 1.0, lower = 0, rate = "(inflow - outflow) / 2.0"}
    [outputs]
    pressure = {unit = "Pa", value = "9810 * level"}

A text from a stranger may be read: formulas pass a white list, and sizes have limits.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from songsinh import maths
from songsinh.errors import ModelError, SongsinhError, near
from songsinh.models.equations import Equations, Event, Explicit, FixedStep, Solver, Stiff
from songsinh.models.expressions import FUNCTIONS, read_expression
from songsinh.signals import Kind, Signal, Signals

__all__ = ["read_model", "read_tables"]

LONGEST: Final = 100_000  # characters
MOST_SIGNALS: Final = 200
MOST_PARTS: Final = 4_000  # of all formulas together: what compiles in some seconds
MOST_STEPS: Final = 200_000  # of a solver in one run
LONGEST_NAME: Final = 60
Table = Mapping[str, Any]
Names = Mapping[str, str]
KINDS: Final[Mapping[str, tuple[Kind, str]]] = {
    "states": ("state", "s"),
    "parameters": ("parameter", "p"),
    "inputs": ("input", "u"),
    "outputs": ("output", ""),
}
HEADS: Final = ("name", "meaning", *KINDS, "terms", "events", "solver", "twin")
BOUNDS: Final = ("lower", "upper")
FIELDS: Final = ("unit", "start", "lower", "upper", "meaning")
DIRECTIONS: Final = {"both": 0, "rising": 1, "falling": -1}
SOLVERS: Final = {"fixed": ("step",), "explicit": ("rtol", "atol"), "stiff": ("rtol", "atol")}


def read_model(text: str) -> Equations:
    """The model that a text describes; ModelError names the place of what is wrong in it.

    >>> text = '''
    ... name = "decay"
    ... parameters.pace = {unit = "1/s", start = 0.5}
    ... states.mass = {unit = "kg", start = 1.0, rate = "-pace * mass"}'''
    >>> read_model(text).signals.columns("state")
    ('mass',)
    """
    tables = read_tables(text)
    _only(tables, HEADS, "the model")
    name = tables.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise ModelError(
            f'the model\'s name is {name!r:.40}; write name = "..." at its top, at most '
            f"{LONGEST_NAME} characters"
        )
    signals = Signals(tuple(_signals(tables)))
    laws = _Laws(signals, _table(tables, "terms"), text.splitlines())
    states, outputs = _table(tables, "states"), _table(tables, "outputs")
    return Equations(
        name,
        signals,
        rate=laws.of("rate", [(f"[states] {n}, rate", row["rate"]) for n, row in states.items()]),
        output=laws.of("output", [(f"[outputs] {n}, value", _value(r)) for n, r in outputs.items()])
        if outputs
        else None,
        events=tuple(_events(tables, laws)),
        solver=_solver(_table(tables, "solver")),
        meaning=_words(tables, "meaning", "the model"),
    )


def read_tables(text: str) -> dict[str, Any]:
    """The tables of a TOML text; ModelError with line and column where it is none."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ModelError(f"the model is no text of at most {LONGEST} characters; write it shorter")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        told = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ModelError(f"the text is no TOML: {told[:120]}; mend that place") from None


def _table(tables: Table, name: str) -> Table:
    found = tables.get(name, {})
    if not isinstance(found, dict):
        raise ModelError(f"{name!r} is {found!r:.40}; make it a table, [{name}]")
    return found


def _only(table: Table, known: Sequence[str], where: str) -> None:
    """ModelError when a table has a word that means nothing."""
    for word in table:
        if word not in known:
            raise ModelError(f"{where} has {word[:60]!r}; {near(word[:60], tuple(known))}")


def _words(table: Table, name: str, where: str) -> str:
    found = table.get(name, "")
    if not isinstance(found, str):
        raise ModelError(f"{where} has {name} = {found!r:.40}; write words between quotes")
    return found


def _number(table: Table, name: str, default: float, where: str) -> float:
    found = table.get(name, default)
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    # a bound may be infinite
    if not number or (abs(found) > 1e300 and not (isinstance(found, float) and name in BOUNDS)):
        raise ModelError(f"{where} has {name} = {found!r:.40}; write a number")
    return float(found)


def _signals(tables: Table) -> list[Signal]:
    rows = []
    for head, (kind, _) in KINDS.items():
        for name, row in _table(tables, head).items():
            rows.append(_signal(kind, name, row, f"[{head}] {name[:LONGEST_NAME]}"))
    if len(rows) > MOST_SIGNALS:
        raise ModelError(f"the model has {len(rows)} signals; write at most {MOST_SIGNALS}")
    return rows


def _signal(kind: Kind, name: str, row: Any, where: str) -> Signal:
    formula = {"state": "rate", "output": "value"}.get(kind)
    if not isinstance(row, dict) and formula != "rate":
        row = {formula or "start": row}
    if not isinstance(row, dict):
        raise ModelError(f'{where} is {row!r:.40}; write it as {{unit = "...", rate = "..."}}')
    _only(row, (*FIELDS, formula) if formula else FIELDS, where)
    if formula and formula not in row:
        raise ModelError(f'{where} has no {formula}; add {formula} = "..."')
    if len(name) > LONGEST_NAME or name in {"t", *FUNCTIONS, "pi"}:
        raise ModelError(f"{where} is called as something else is; choose another short name")
    lower = _number(row, "lower", float("-inf"), where)
    upper = _number(row, "upper", float("inf"), where)
    start = _number(row, "start", min(max(0.0, lower), upper), where)
    unit, meaning = _words({"unit": "1", **row}, "unit", where), _words(row, "meaning", where)
    try:
        return Signal(name, unit, kind, start, lower, upper, meaning)
    except SongsinhError as error:
        raise ModelError(f"{where}: {error}") from None


def _value(row: Any) -> object:
    return row["value"] if isinstance(row, dict) else row


class _Laws:
    """Writes laws from formulas: all see the signals and the terms."""

    def __init__(self, signals: Signals, terms: Table, lines: Sequence[str]) -> None:
        self._text = lines
        self._names = {"t": "t"} | {
            row.name: f"{letter}.{row.name}"
            for kind, letter in KINDS.values()
            if letter
            for row in signals.of(kind)
        }
        self._parts, self._lines = 0, list[str]()
        for name, text in terms.items():
            where = f"[terms] {name[:LONGEST_NAME]}"
            if not name.isidentifier() or name.startswith("_") or len(name) > LONGEST_NAME:
                raise ModelError(f"{where} is no usable name; use letters, digits and underscores")
            if name in {*self._names, *FUNCTIONS, "pi"} or name in signals:
                raise ModelError(f"{where} is called as something else is; choose another name")
            self._lines.append(f"    term_{name} = {self._formula(text, where)}")
            self._names[name] = f"term_{name}"

    def _formula(self, text: object, where: str) -> str:
        place = [n for n, line in enumerate(self._text, 1) if str(text) in line]
        found = read_expression(
            text, self._names, f"line {place[0]}, {where}" if len(place) == 1 else where
        )
        self._parts += found.parts
        if self._parts > MOST_PARTS:
            raise ModelError(
                f"the formulas have more than {MOST_PARTS} parts; make the model smaller"
            )
        return found.source

    def of(self, name: str, formulas: Sequence[tuple[str, object]]) -> Callable[..., Any]:
        """A law that gives the value of each formula (where it stands, its text)."""
        values = [self._formula(text, where) for where, text in formulas]
        return self.given(name, values)

    def given(self, name: str, values: Sequence[str]) -> Callable[..., Any]:
        """A law from sources that are safe already."""
        result = values[0] if len(values) == 1 else f"({', '.join(values)})"
        source = [f"def {name}(t, s, u, p):", *self._lines, f"    return {result}"]
        # only sources that `read_expression` made from known parts come to here
        space: dict[str, Any] = {"__name__": __name__, "__builtins__": {}}
        space |= {function: getattr(maths, function) for function in FUNCTIONS}
        exec("\n".join(source), space)
        law: Callable[..., Any] = space[name]
        return law

    def when(self, text: object, where: str) -> Callable[..., Any]:
        """A law of one value."""
        return self.of("when", [(where, text)])

    def change(self, table: Table, states: Sequence[str], where: str) -> Callable[..., Any]:
        """A law that sets some states and leaves the others."""
        _only(table, states, where)
        values = [
            self._formula(table[n], f"{where} {n}") if n in table else f"s.{n}" for n in states
        ]
        return self.given("change", values)


def _events(tables: Table, laws: _Laws) -> list[Event]:
    rows = tables.get("events", [])
    if not isinstance(rows, list) or len(rows) > 50:
        raise ModelError(f"'events' is {rows!r:.40}; write up to 50 as [[events]]")
    states = tuple(_table(tables, "states"))
    events = []
    for place, row in enumerate(rows, 1):
        where = f"[[events]] number {place}"
        if not isinstance(row, dict) or "when" not in row:
            raise ModelError(f'{where} has no when; add when = "...", it happens at zero')
        _only(row, ("when", "direction", "set", "stop"), where)
        direction, stop = row.get("direction", "both"), row.get("stop", False)
        if direction not in tuple(DIRECTIONS) or not isinstance(stop, bool):
            raise ModelError(
                f"{where} has direction = {direction!r:.20} and stop = {stop!r:.20}; "
                "use 'both', 'rising' or 'falling', and true or false"
            )
        change = _table(row, "set")
        events.append(
            Event(
                laws.when(row["when"], f"{where}, when"),
                laws.change(change, states, f"{where}, set") if change else None,
                DIRECTIONS[direction],
                stop,
            )
        )
    return events


def _solver(table: Table) -> Solver:
    """The solver asked for, with a limit to its steps; without a word the explicit one."""
    kind = table.get("kind", "explicit")
    if not isinstance(kind, str) or kind not in SOLVERS:
        raise ModelError(f"[solver] has kind = {kind!r:.40}; use {', '.join(SOLVERS)}")
    _only(table, ("kind", *SOLVERS[kind]), f"[solver] {kind}")
    if kind == "fixed":
        return FixedStep(_number(table, "step", 1.0, "[solver]"), most_steps=MOST_STEPS)
    made = Explicit if kind == "explicit" else Stiff
    return made(
        _number(table, "rtol", 1e-6, "[solver]"),
        _number(table, "atol", 1e-9, "[solver]"),
        most_steps=MOST_STEPS,
    )
