"""Signals: the named quantities of a model, their units and bounds, in one table."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from keyword import iskeyword
from typing import Final, Literal, final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import BoundsError, SignalError, UnitError, near
from songsinh.units import check_unit

__all__ = ["Kind", "Signal", "Signals", "input_", "output", "parameter", "state"]

Kind = Literal["state", "parameter", "input", "output"]
KINDS: Final = get_args(Kind)


@final
@dataclass(frozen=True)
class Signal:
    """One named quantity of a model: kind, unit, bounds, meaning.

    A `size` above 1 makes a vector; start and bounds then hold for every part of it.
    """

    name: str
    unit: str = "1"
    kind: Kind = "state"
    start: float = 0.0
    lower: float = -np.inf
    upper: float = np.inf
    meaning: str = ""
    size: int = 1

    def __post_init__(self) -> None:
        name = self.name
        usable = isinstance(name, str) and name.isidentifier() and not iskeyword(name)
        # names become fields of named tuples, which take no leading underscore
        if not usable or name.startswith("_"):
            raise SignalError(
                f"a signal cannot be called {name!r}; use letters, digits and underscores, "
                "beginning with a letter"
            )
        if self.kind not in KINDS:
            raise SignalError(
                f"signal {name!r} has the kind {self.kind!r}; use one of {', '.join(KINDS)}"
            )
        if not isinstance(self.size, (int, np.integer)) or self.size < 1:
            raise SignalError(f"signal {name!r} has the size {self.size!r}; use 1 or more")
        try:
            check_unit(self.unit)
        except UnitError as error:
            raise UnitError(f"signal {name!r}: {error}") from None
        if not self.lower < self.upper:
            raise BoundsError(
                f"signal {name!r} has lower bound {self.lower:g} and upper bound {self.upper:g}; "
                "the lower must be the smaller"
            )
        if not self.lower <= self.start <= self.upper or not np.isfinite(self.start):
            raise BoundsError(
                f"signal {name!r} starts at {self.start:g}, outside its bounds "
                f"{self.lower:g} to {self.upper:g} {self.unit}; move the start or widen the bounds"
            )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Its column names: one, or one for each part of a vector.

        >>> state("level", "m", size=2).columns
        ('level[0]', 'level[1]')
        """
        if self.size == 1:
            return (self.name,)
        return tuple(f"{self.name}[{part}]" for part in range(self.size))

    def check(self, values: ArrayLike) -> None:
        """BoundsError when any value is missing or outside the bounds of the signal."""
        array = np.asarray(values, dtype=np.float64)
        wrong = ~((array >= self.lower) & (array <= self.upper))
        if wrong.any():
            raise BoundsError(
                f"{self.kind} {self.name!r} is {array[wrong].flat[0]:g} {self.unit}, outside its "
                f"bounds {self.lower:g} to {self.upper:g}; change the value or widen the bounds"
            )


def state(
    name: str,
    unit: str = "1",
    start: float = 0.0,
    *,
    lower: float = -np.inf,
    upper: float = np.inf,
    meaning: str = "",
    size: int = 1,
) -> Signal:
    """A quantity the model integrates over time."""
    return Signal(name, unit, "state", float(start), lower, upper, meaning, size)


def parameter(
    name: str,
    unit: str = "1",
    start: float = 0.0,
    *,
    lower: float = -np.inf,
    upper: float = np.inf,
    meaning: str = "",
    size: int = 1,
) -> Signal:
    """A quantity that stays as it is during a run, and that a fit may learn."""
    return Signal(name, unit, "parameter", float(start), lower, upper, meaning, size)


def input_(
    name: str,
    unit: str = "1",
    start: float = 0.0,
    *,
    lower: float = -np.inf,
    upper: float = np.inf,
    meaning: str = "",
    size: int = 1,
) -> Signal:
    """A quantity the world gives to the model; `start` holds where no series is given."""
    return Signal(name, unit, "input", float(start), lower, upper, meaning, size)


def output(
    name: str,
    unit: str = "1",
    *,
    lower: float = -np.inf,
    upper: float = np.inf,
    meaning: str = "",
    size: int = 1,
) -> Signal:
    """A quantity the model shows and a sensor may read."""
    start = min(max(0.0, lower), upper)
    return Signal(name, unit, "output", start, lower, upper, meaning, size)


@final
@dataclass(frozen=True)
class Signals:
    """The signals of one model, in order, found by name or by kind.

    >>> table = Signals((state("soc"), parameter("capacity", "C", 7200.0)))
    >>> table.columns("parameter")
    ('capacity',)
    """

    rows: tuple[Signal, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        seen: set[str] = set()
        for row in self.rows:
            if not isinstance(row, Signal):
                raise SignalError(
                    f"the table of signals holds {row!r}; make signals with state(), parameter(), "
                    "input_() or output()"
                )
            if row.name in seen:
                raise SignalError(f"two signals are called {row.name!r}; give each its own name")
            seen.add(row.name)

    def __iter__(self) -> Iterator[Signal]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __getitem__(self, name: str) -> Signal:
        """The signal of that name; SignalError with near matches when there is none."""
        if name not in self._named:
            raise SignalError(f"there is no signal {name!r}; {near(name, tuple(self._named))}")
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Signal]:
        return {row.name: row for row in self.rows}

    @cached_property
    def _kinds(self) -> dict[str, tuple[Signal, ...]]:
        return {kind: tuple(row for row in self.rows if row.kind == kind) for kind in KINDS}

    @cached_property
    def _columns(self) -> dict[str, tuple[str, ...]]:
        return {
            kind: tuple(column for row in rows for column in row.columns)
            for kind, rows in self._kinds.items()
        }

    @cached_property
    def _spans(self) -> dict[str, slice]:
        spans: dict[str, slice] = {}
        for rows in self._kinds.values():
            first = 0
            for row in rows:
                spans[row.name] = slice(first, first + row.size)
                first += row.size
        return spans

    def of(self, kind: Kind) -> tuple[Signal, ...]:
        """The signals of a kind, in order."""
        return self._kinds[kind]

    def columns(self, kind: Kind) -> tuple[str, ...]:
        """The column names of a kind, vectors spread out."""
        return self._columns[kind]

    def span(self, name: str) -> slice:
        """Where a signal stands among the columns of its kind."""
        return self._spans[self[name].name]

    def index(self, name: str) -> int:
        """Where a column (or the first column of a vector) stands among those of its kind."""
        if name in self._named:
            return int(self._spans[name].start)
        signal = self[name.partition("[")[0]]
        if name not in signal.columns:
            raise SignalError(f"there is no signal {name!r}; {near(name, signal.columns)}")
        return int(self._spans[signal.name].start) + signal.columns.index(name)

    def start(self, kind: Kind) -> NDArray[np.float64]:
        """The start values of the columns of a kind."""
        return self._spread(kind, [row.start for row in self._kinds[kind]])

    def lower(self, kind: Kind) -> NDArray[np.float64]:
        """The lower bounds of the columns of a kind."""
        return self._spread(kind, [row.lower for row in self._kinds[kind]])

    def upper(self, kind: Kind) -> NDArray[np.float64]:
        """The upper bounds of the columns of a kind."""
        return self._spread(kind, [row.upper for row in self._kinds[kind]])

    def _spread(self, kind: Kind, values: list[float]) -> NDArray[np.float64]:
        sizes = [row.size for row in self._kinds[kind]]
        return np.repeat(np.array(values, dtype=np.float64), sizes)
