"""Series: times in seconds, and values of named signals at those times."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import DataError, near
from songsinh.files import write_whole
from songsinh.units import check_unit, from_si, to_si

if TYPE_CHECKING:
    import polars

__all__ = ["Interpolation", "Series", "read_series", "write_series"]

Interpolation = Literal["linear", "previous"]
INTERPOLATIONS: Final = get_args(Interpolation)


@final
@dataclass(frozen=True, eq=False)
class Series:
    """Times [samples] in s from a start, and values [samples, signals]; NaN is a missing reading.

    Times never run backwards; one time may stand twice, for a jump or for two readings.

    >>> ramp = Series([0.0, 10.0], [[0.0], [5.0]], ("current",))
    >>> ramp.at([4.0])["current"]
    array([2.])
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    names: tuple[str, ...]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        times = _numbers(self.times, "times")
        values = _numbers(self.values, "values")
        names = (self.names,) if isinstance(self.names, str) else tuple(self.names)
        if values.ndim == 1 and len(names) == 1:
            values = values[:, None]
        if times.ndim != 1 or values.shape != (times.size, len(names)):
            raise DataError(
                f"a series with {len(names)} names needs times [samples] and values [samples, "
                f"{len(names)}], not {times.shape} and {values.shape}; reshape the arrays"
            )
        if len(set(names)) != len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise DataError(f"the name {double!r} stands twice in a series; rename one column")
        if self.interpolation not in INTERPOLATIONS:
            raise DataError(
                f"the interpolation {self.interpolation!r} is unknown; "
                f"use {' or '.join(repr(known) for known in INTERPOLATIONS)}"
            )
        if not np.isfinite(times).all():
            first = int(np.argmin(np.isfinite(times)))
            raise DataError(f"the time of sample {first} is {times[first]}; give it in seconds")
        if times.size > 1 and (times[1:] < times[:-1]).any():
            first = int(np.argmax(times[1:] < times[:-1])) + 1
            raise DataError(
                f"time runs backwards at sample {first}: {times[first]:g} s after "
                f"{times[first - 1]:g} s; sort the samples by time"
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        return len(self.times)

    def __eq__(self, other: object) -> bool:
        """Same names, interpolation, times and values; missing readings equal each other."""
        return (
            isinstance(other, Series)
            and (self.names, self.interpolation) == (other.names, other.interpolation)
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """The values [samples] of one signal."""
        return self.values[:, self._place(name)]

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise DataError(f"the series has no signal {name!r}; {near(name, self.names)}")
        return self.names.index(name)

    def select(self, names: Sequence[str]) -> "Series":
        """The series of the named signals alone, in that order."""
        chosen = (names,) if isinstance(names, str) else tuple(names)
        places = [self._place(name) for name in chosen]
        return Series(self.times, self.values[:, places], chosen, self.interpolation)

    def renamed(self, names: Mapping[str, str]) -> "Series":
        """The series under new names: {old: new}."""
        for name in names:
            self._place(name)
        new = tuple(names.get(name, name) for name in self.names)
        return Series(self.times, self.values, new, self.interpolation)

    def between(self, first: float, last: float) -> "Series":
        """The samples from the first to the last time in s, both included."""
        low = np.searchsorted(self.times, first, "left")
        high = np.searchsorted(self.times, last, "right")
        return Series(self.times[low:high], self.values[low:high], self.names, self.interpolation)

    def at(self, times: ArrayLike) -> "Series":
        """The series read at other times, by its own interpolation.

        Before the first and after the last reading of a signal its nearest reading holds;
        missing readings are passed over. Where a time stands twice, the later value counts.
        """
        wanted = np.atleast_1d(np.asarray(times, dtype=np.float64))
        values = np.empty((wanted.size, len(self.names)))
        for place, name in enumerate(self.names):
            present = np.isfinite(self.values[:, place])
            if not present.any():
                raise DataError(
                    f"the signal {name!r} has no reading to interpolate; leave it out or fill it"
                )
            values[:, place] = _read(
                self.times[present], self.values[present, place], wanted, self.interpolation
            )
        return Series(wanted, values, self.names, self.interpolation)

    def shifted(self, seconds: float) -> "Series":
        """The series some seconds later."""
        return Series(self.times + seconds, self.values, self.names, self.interpolation)


def _numbers(array: Any, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"the {what} of a series hold {array!r:.60}; give numbers only") from None


def _read(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    wanted: NDArray[np.float64],
    interpolation: Interpolation,
) -> NDArray[np.float64]:
    left = np.clip(np.searchsorted(times, wanted, "right") - 1, 0, times.size - 1)
    if interpolation == "previous":
        return values[left]
    right = np.minimum(left + 1, times.size - 1)
    width = times[right] - times[left]
    share = np.clip((wanted - times[left]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    # this form meets both ends exactly
    return np.where(width > 0, (1 - share) * values[left] + share * values[right], values[left])


def read_series(
    path: str | os.PathLike[str],
    *,
    time: str = "time",
    columns: Sequence[str] | Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    interpolation: Interpolation = "linear",
    missing: bool = False,
    duplicates: bool = False,
) -> Series:
    """A series from a CSV, CSV.gz or Parquet file, in SI.

    `columns` picks columns, or renames them: {column in the file: name}. `units` gives the unit
    of columns in the file (the time column too); those not named are taken to be SI already.
    `missing` lets empty and NaN cells through as missing readings, `duplicates` repeated times.
    """
    file = Path(path)
    table = _table(file)
    rest = [name for name in table.columns if name != time]
    if columns is None:
        chosen = {name: name for name in rest}
    else:
        chosen = dict(columns) if isinstance(columns, Mapping) else {n: n for n in columns}
    given = dict(units or {})
    for name in (time, *chosen, *given):
        if name not in table.columns:
            raise DataError(
                f"the column {name!r} is missing; {near(name, table.columns)}", file=str(file)
            )
    for unit in given.values():
        check_unit(unit)
    times = _column(table, time, file, time=time, missing=False)
    if times.size == 0:
        raise DataError("it holds no rows; give at least one reading", file=str(file))
    _check_times(times, time, file, duplicates=duplicates)
    values = [_column(table, name, file, time=time, missing=missing) for name in chosen]
    si = [to_si(v, given.get(name, "1")) for v, name in zip(values, chosen, strict=True)]
    stacked = np.stack(si, axis=1) if si else np.empty((times.size, 0))
    return Series(
        to_si(times, given.get(time, "1")), stacked, tuple(chosen.values()), interpolation
    )


def write_series(
    series: Series,
    path: str | os.PathLike[str],
    *,
    time: str = "time",
    units: Mapping[str, str] | None = None,
) -> Path:
    """Write a series as CSV, CSV.gz or Parquet, by the ending of the path; returns the path.

    Missing readings become empty cells. `units` says in which unit a column is written.
    """
    import gzip
    import io

    import polars

    file = Path(path)
    ending = _ending(file)
    if time in series.names:
        raise DataError(f"a signal is called {time!r} like the time column; rename one of the two")
    columns = {time: series.times} | {name: series[name] for name in series.names}
    for name, unit in (units or {}).items():
        if name not in columns:
            raise DataError(f"the series has no signal {name!r}; {near(name, tuple(columns))}")
        columns[name] = from_si(columns[name], unit)
    table = polars.DataFrame(columns).fill_nan(None)
    buffer = io.BytesIO()
    if ending == ".parquet":
        table.write_parquet(buffer)
    else:
        table.write_csv(buffer)
    content = buffer.getvalue()
    # no clock in the gzip header: equal series give equal bytes
    return write_whole(file, gzip.compress(content, mtime=0) if ending == ".csv.gz" else content)


def _ending(file: Path) -> str:
    for ending in (".csv", ".csv.gz", ".parquet"):
        if file.name.lower().endswith(ending):
            return ending
    raise DataError(
        "the ending is not known; use .csv, .csv.gz or .parquet", file=str(file), value=file.suffix
    )


def _table(file: Path) -> "polars.DataFrame":
    """The file as a table; CSV cells stay text, so that a wrong one can be shown as it stands."""
    import polars

    ending = _ending(file)
    if not file.is_file():
        raise DataError("there is no such file; check the path", file=str(file))
    try:
        if ending == ".parquet":
            return polars.read_parquet(file)
        table = polars.read_csv(file, infer_schema=False)
    except (polars.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"it cannot be read ({reason}); mend the file", file=str(file), row=_ragged_row(file)
        ) from error
    while table.height and table[-1].select(polars.all_horizontal(polars.all().is_null())).item():
        table = table[:-1]  # empty lines at the end mean nothing
    twice = next((n for n in table.columns if n.partition("_duplicated_")[1]), "")
    if twice:
        name = twice.partition("_duplicated_")[0]
        raise DataError(f"two columns are called {name!r}; rename one", file=str(file), row=1)
    return table


def _ragged_row(file: Path) -> int | None:
    """The first row with more cells than the header, when the file can be read that far."""
    import csv
    import gzip

    opened = gzip.open if file.suffix.lower() == ".gz" else open
    try:
        with opened(file, "rt", newline="", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            width = len(next(rows))
            return next((row for row, cells in enumerate(rows, 2) if len(cells) > width), None)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, StopIteration):
        return None


def _column(
    table: "polars.DataFrame", name: str, file: Path, *, time: str, missing: bool
) -> NDArray[np.float64]:
    import polars

    cells = table[name]
    if cells.dtype == polars.String:
        cells = cells.str.strip_chars()
        cells = cells.set(cells.str.len_chars() == 0, None)
    elif not (cells.dtype.is_numeric() or cells.dtype == polars.Null):
        # a date would turn into microseconds without a word
        raise DataError(
            f"it is stored as {cells.dtype}; store numbers, and time in seconds from a start",
            file=str(file), column=name,
        )  # fmt: skip
    numbers = cells.cast(polars.Float64, strict=False)
    text = numbers.is_null() & cells.is_not_null()
    if text.any():
        row = int(text.arg_max() or 0)
        raise DataError(
            "is not a number; correct the cell",
            file=str(file), row=row + 2, column=name, value=cells[row],
        )  # fmt: skip
    array = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
    bad = np.isinf(array) if missing else ~np.isfinite(array)
    if bad.any():
        row = int(np.argmax(bad))
        seen = "the cell is empty" if cells[row] is None else "is not a finite number"
        remedy = "give a number or remove the row"
        if not missing and not np.isinf(array[row]) and name != time:
            remedy += ", or pass missing=True for a missing reading"
        raise DataError(
            f"{seen}; {remedy}",
            file=str(file), row=row + 2, column=name, value=cells[row],
        )  # fmt: skip
    return array


def _check_times(times: NDArray[np.float64], time: str, file: Path, *, duplicates: bool) -> None:
    wrong = np.diff(times) < 0 if duplicates else np.diff(times) <= 0
    if not wrong.any():
        return
    row = int(np.argmax(wrong)) + 1
    back = times[row] < times[row - 1]
    remedy = "sort the rows by time" if back else "drop one of the two or pass duplicates=True"
    raise DataError(
        f"{'runs backwards' if back else 'stands still'} after {float(times[row - 1])!r}; {remedy}",
        file=str(file), row=row + 2, column=time, value=float(times[row]),
    )  # fmt: skip
