"""Tables of a laboratory: columns read from CSV or Parquet, each cell checked."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import DataError, near

if TYPE_CHECKING:
    import polars

__all__ = ["Table", "read_table"]

Array = NDArray[np.float64]
ENDINGS = (".csv", ".csv.gz", ".parquet")


@final
class Table:
    """Columns of one file; row i of an array stands in row i + 2 of the file."""

    def __init__(self, path: Path, columns: "polars.DataFrame") -> None:
        self.path, self._columns = path, columns

    def __contains__(self, name: str) -> bool:
        return name in self._columns.columns

    def __len__(self) -> int:
        return self._columns.height

    def wrong(self, message: str, row: int, column: str, value: object = None) -> DataError:
        """The error that names a place in this file."""
        return DataError(message, file=str(self.path), row=row + 2, column=column, value=value)

    def _column(self, name: str) -> "polars.Series":
        if name not in self:
            raise DataError(
                f"the column {name!r} is missing; {near(name, self._columns.columns)}",
                file=str(self.path), row=1,
            )  # fmt: skip
        return self._columns[name]

    def words(self, name: str) -> list[str]:
        """A column of names; an empty cell is an error."""
        import polars

        cells = self._column(name).cast(polars.String).str.strip_chars()
        empty = (cells.is_null() | (cells.str.len_chars() == 0)).to_numpy()
        if empty.any():
            raise self.wrong(
                "the cell is empty; fill it or remove the row", int(np.argmax(empty)), name
            )
        return cells.to_list()

    def numbers(
        self, name: str, lower: float = -np.inf, upper: float = np.inf, *, missing: bool = False
    ) -> Array:
        """A column of numbers [rows] between two bounds; `missing` lets empty cells be NaN."""
        import polars

        cells = self._column(name)
        if cells.dtype == polars.String:
            cells = cells.str.strip_chars()
            cells = cells.set(cells.str.len_chars() == 0, None)
        found = cells.cast(polars.Float64, strict=False)
        text = (found.is_null() & cells.is_not_null()).to_numpy()
        self._refuse(text, name, cells, "is not a number; correct the cell")
        array = found.fill_null(np.nan).to_numpy().astype(np.float64)
        gap = np.isnan(array) & (not missing)
        self._refuse(gap, name, cells, "is no reading; fill the cell or remove the row")
        apart = ~np.isnan(array) & ~((array >= lower) & (array <= upper) & np.isfinite(array))
        self._refuse(
            apart, name, cells, f"lies outside {lower:g} to {upper:g}; check the unit or correct it"
        )
        return array

    def wholes(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers above 0 [rows]."""
        array = self.numbers(name, 1, 1e9)
        broken = array != np.floor(array)
        self._refuse(broken, name, self._column(name), "is not a whole number; correct the cell")
        return array.astype(np.int64)

    def instants(self, name: str) -> Array:
        """A column of dates and times as seconds since 1970 [rows]; NaN where empty."""
        import polars

        cells = self._column(name)
        if cells.dtype == polars.String:
            try:
                read = cells.str.strip_chars().str.to_datetime(strict=False, time_unit="us")
            except polars.exceptions.ComputeError:  # no cell looks like a time
                read = polars.Series(name, [None] * len(cells), polars.Datetime("us"))
            text = (read.is_null() & cells.is_not_null()).to_numpy()
            self._refuse(text, name, cells, "is no time; write it as 2008-04-02 15:25:41")
            cells = read
        micro = cells.cast(polars.Datetime("us")).dt.epoch("us")
        return micro.cast(polars.Float64).fill_null(np.nan).to_numpy() / 1e6

    def _refuse(
        self, wrong: NDArray[np.bool_], name: str, cells: "polars.Series", message: str
    ) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            value = cells[row]
            raise self.wrong(message, row, name, "an empty cell" if value is None else value)


def read_table(path: Path) -> Table:
    """The columns of a .csv, .csv.gz or .parquet file; CSV cells stay text until asked for."""
    import polars

    if not path.name.lower().endswith(ENDINGS):
        raise DataError(
            "the ending is not known; use .csv, .csv.gz or .parquet",
            file=str(path), value=path.suffix,
        )  # fmt: skip
    if not path.is_file():
        raise DataError("there is no such file; check the path", file=str(path))
    parquet = path.name.lower().endswith(".parquet")
    read: Callable[[], polars.DataFrame] = (
        (lambda: polars.read_parquet(path))
        if parquet
        else (lambda: polars.read_csv(path, infer_schema=False))
    )
    try:
        table = read()
    except (polars.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"it cannot be read ({reason}); mend the file", file=str(path)) from error
    if not table.height:
        raise DataError("it holds no rows; give at least one reading", file=str(path))
    return Table(path, table)
