"""Battery recordings: discharges and capacities of cells, from files, in SI."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Final, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import DataError
from songsinh.sectors.battery.tables import Table, read_table
from songsinh.units import from_si, to_si

__all__ = [
    "CONSTANT_CURRENT",
    "FITTING",
    "HELD_OUT",
    "SHIPPED",
    "Cell",
    "Discharge",
    "fitting_cells",
    "read_cells",
    "shipped_cells",
]

Array = NDArray[np.float64]
Key = tuple[str, int]  # cell and number of a discharge
Row = tuple[float, float, float, float]  # capacity in Ah, start in s, load in A, ambient in K
Found = TypeVar("Found")
RECORDINGS: Final = Path(__file__).with_name("recordings")
SHIPPED: Final = (
    "B0005", "B0006", "B0007", "B0025", "B0026", "B0027", "B0029", "B0030", "B0031",
)  # fmt: skip
# how many discharges of each cell may be used in fitting; all others are the test
FITTING: Final[Mapping[str, int | None]] = {
    **dict.fromkeys(("B0025", "B0026", "B0027", "B0029", "B0030", "B0031")),
    "B0005": 60,
    "B0006": 60,
}
# fitting cells under constant current; pulsed ones (B0025 to B0027) fade at another rate
CONSTANT_CURRENT: Final = ("B0005", "B0006", "B0029", "B0030", "B0031")
# first discharge of each cell that nothing was fitted to
HELD_OUT: Final[Mapping[str, int]] = {"B0005": 61, "B0006": 61, "B0007": 1}
CUT_OFF: Final = 2.7  # V, where the laboratory stops counting, whatever the cell's own end
FEWEST: Final = 20  # loaded samples without which a discharge says nothing


@final
@dataclass(frozen=True, eq=False)
class Discharge:
    """One discharge, from its first sample to the last under load.

    `times` [samples] in s from its start, `voltage` in V, `current` in A (out of the cell is
    positive), `temperature` in K. `start` is in s since 1970, None where it is not known.
    """

    cell: str
    number: int
    times: Array
    voltage: Array
    current: Array
    temperature: Array
    start: float | None = None

    @cached_property
    def loaded(self) -> NDArray[np.bool_]:
        """Which samples are under load: above half the largest current."""
        return np.asarray(self.current > 0.5 * self.current.max())

    @cached_property
    def first(self) -> int:
        """The first sample under load."""
        return int(np.argmax(self.loaded))

    @cached_property
    def last(self) -> int:
        """The first loaded sample below 2.7 V, or the last sample where none is."""
        below = np.flatnonzero(self.loaded & (self.voltage < CUT_OFF))
        return int(below[0]) if len(below) else len(self.times) - 1

    @cached_property
    def charge(self) -> Array:
        """Charge drawn up to each sample, in C: the trapezoids of the current."""
        middle = 0.5 * (self.current[1:] + self.current[:-1])
        return np.concatenate([[0.0], np.cumsum(middle * np.diff(self.times))])

    @property
    def capacity_ah(self) -> float:
        """Charge drawn down to 2.7 V, in Ah, by the laboratory's rule (see README.md)."""
        return float(from_si(self.charge[self.last], "Ah"))

    @property
    def charge_left(self) -> Array:
        """State of charge at each sample as counted: 1 less the share of this capacity drawn."""
        return np.asarray(1.0 - self.charge / self.charge[self.last])


@final
@dataclass(frozen=True, eq=False)
class Cell:
    """A cell's life, one row per discharge: `numbers`, `capacities_ah`, `rests_h` [n].

    `rests_h` is the pause before a discharge beyond the usual one, in h (NaN: not known);
    `starts` are in s since 1970, `loads` the largest current in A, `ambient` in K; NaN is not
    known. `discharges` are those with a usable curve, in order.
    """

    name: str
    discharges: tuple[Discharge, ...]
    numbers: NDArray[np.int64]
    capacities_ah: Array
    rests_h: Array
    starts: Array
    loads: Array
    ambient: Array

    def __len__(self) -> int:
        return len(self.numbers)

    def upto(self, number: int) -> "Cell":
        """The cell as it was known after that discharge."""
        keep = self.numbers <= number
        return Cell(
            self.name,
            tuple(one for one in self.discharges if one.number <= number),
            *(self.numbers[keep], self.capacities_ah[keep], self.rests_h[keep]),
            *(self.starts[keep], self.loads[keep], self.ambient[keep]),
        )


def shipped_cells(names: Sequence[str] = SHIPPED) -> dict[str, Cell]:
    """The NASA cells that come with Songsinh, by name; see README.md for source and terms."""
    cells = _shipped()
    return {name: cells[name] for name in names}


@cache
def _shipped() -> dict[str, Cell]:
    return read_cells(sorted(RECORDINGS.glob("*.csv.gz")))


def fitting_cells() -> dict[str, Cell]:
    """The part of the shipped cells that fits may see; nothing held out is in it."""
    cells = shipped_cells(tuple(FITTING))
    return {
        name: cells[name] if last is None else cells[name].upto(last)
        for name, last in FITTING.items()
    }


def read_cells(paths: Iterable[Path | str]) -> dict[str, Cell]:
    """Cells by name from files of discharge curves and of capacities (csv, csv.gz, parquet).

    A file of curves has the columns battery, cycle_num, Time [s], Voltage_measured [V],
    Current_measured [A, discharge negative] and Temperature_measured [degC]; a file of
    capacities battery, discharge_no and capacity_ah, and start, i_min and ambient_c where
    known. A cell without curves is good for questions of ageing only; without starts it has
    no rests. DataError names file, row and value of what is wrong.
    """
    curves: dict[Key, Discharge] = {}
    rows: dict[Key, Row] = {}
    for path in map(Path, paths):
        table = read_table(path)
        if "capacity_ah" in table:
            _add(rows, _capacities(table), path)
        else:
            _add(curves, _curves(table), path)
    names = sorted({name for name, _ in (*curves, *rows)})
    return {name: _cell(name, curves, rows) for name in names}


def _add(known: dict[Key, Found], found: dict[Key, Found], path: Path) -> None:
    twice = next((key for key in found if key in known), None)
    if twice:
        raise DataError(
            f"it repeats discharge {twice[1]} of cell {twice[0]!r} that another file holds; "
            "give each recording once",
            file=str(path),
        )
    known.update(found)


def _capacities(table: Table) -> dict[Key, Row]:
    """Capacity in Ah, start in s, load in A and ambient in K of each discharge."""
    names, numbers = table.words("battery"), table.wholes("discharge_no")
    unknown = np.full(len(table), np.nan)
    capacity = table.numbers("capacity_ah", 0, 1e6, missing=True)
    start = table.instants("start") if "start" in table else unknown
    load = -table.numbers("i_min", missing=True) if "i_min" in table else unknown
    ambient = (
        table.numbers("ambient_c", -80, 200, missing=True) if "ambient_c" in table else unknown
    )
    columns = np.stack([capacity, start, load, to_si(ambient, "degC")], axis=1)
    found: dict[Key, Row] = {}
    for row, key in enumerate(zip(names, numbers.tolist(), strict=True)):
        if key in found:
            raise table.wrong("stands twice; remove one of the rows", row, "discharge_no", key[1])
        a, b, c, d = columns[row].tolist()
        found[key] = (a, b, c, d)
    return found


def _curves(table: Table) -> dict[Key, Discharge]:
    names, numbers = np.array(table.words("battery")), table.wholes("cycle_num")
    times = table.numbers("Time", 0, 1e9)
    columns = (
        table.numbers("Voltage_measured", -10, 10),
        -table.numbers("Current_measured", -1e4, 1e4),
        to_si(table.numbers("Temperature_measured", -80, 300), "degC"),
    )
    cuts = np.flatnonzero((names[1:] != names[:-1]) | (numbers[1:] != numbers[:-1])) + 1
    found: dict[Key, Discharge] = {}
    for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), len(times)], strict=True):
        key = (str(names[low]), int(numbers[low]))
        if key in found:
            raise table.wrong("begins a second time; sort the rows", low, "cycle_num", key[1])
        back = np.diff(times[low:high]) <= 0
        if back.any():
            row = low + int(np.argmax(back)) + 1
            raise table.wrong(
                f"runs backwards or stands still after {times[row - 1]:g}; sort the rows by time",
                *(row, "Time", float(times[row])),
            )
        found[key] = _discharge(key, times[low:high], [c[low:high] for c in columns])
    return found


def _discharge(key: Key, times: Array, columns: Sequence[Array]) -> Discharge:
    current = columns[1]
    loaded = np.flatnonzero(current > 0.5 * current.max()) if current.max() > 0 else [0]
    kept = slice(0, int(loaded[-1]) + 1)
    voltage, current, temperature = (np.ascontiguousarray(column[kept]) for column in columns)
    return Discharge(*key, times[kept] - times[0], voltage, current, temperature)


def _cell(
    name: str,
    curves: Mapping[Key, Discharge],
    rows: Mapping[Key, Row],
) -> Cell:
    numbers = sorted({number for cell, number in (*curves, *rows) if cell == name})
    lines = []
    kept = []
    for number in numbers:
        capacity, start, load, ambient = rows.get((name, number), (np.nan,) * 4)
        curve = curves.get((name, number))
        if curve is not None and curve.current.max() > 0 and curve.loaded.sum() >= FEWEST:
            known = None if np.isnan(start) else start
            kept.append(replace(curve, start=known))
            capacity = curve.capacity_ah if np.isnan(capacity) else capacity
            load = float(curve.current.max())
        lines.append((capacity, start, load, ambient))
    capacities, starts, loads, ambients = np.array(lines, dtype=np.float64).T
    return Cell(
        *(name, tuple(kept), np.array(numbers), capacities, _rests(starts)),
        *(starts, loads, ambients),
    )


def _rests(starts: Array) -> Array:
    """The pause before each discharge beyond the median so far, in h; NaN where not known."""
    gaps = from_si(np.diff(starts, prepend=np.nan), "h")
    rests = np.full(len(gaps), np.nan)
    rests[:1] = 0.0  # what came before the first is storage
    for n in range(1, len(gaps)):
        before = gaps[1 : n + 1]
        if np.isfinite(gaps[n]):
            rests[n] = max(gaps[n] - np.median(before[np.isfinite(before)]), 0.0)
    return rests
