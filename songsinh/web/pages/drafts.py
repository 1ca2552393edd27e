"""Files that people brought and have not made a twin of yet, and the fits made of them."""

import asyncio
import concurrent.futures
import multiprocessing
import re
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from songsinh.errors import DataError, LiveError
from songsinh.web.security.secrets import draw

__all__ = ["Draft", "Drafts", "Preview", "fit_draft", "look_at"]

MOST: Final = 20  # drafts at once; the oldest goes
AGE: Final = 3600.0  # s that a draft stays
SLOW: Final = 180.0  # s that a fit may take
SHOWN: Final = 5  # rows of a preview
WIDEST: Final = 2_000  # columns of a table
MOST_CELLS: Final = 20_000_000  # of a table: a small file may unfold to more than the memory has
Limits = Mapping[str, tuple[float | None, float | None]]


@final
@dataclass(frozen=True)
class Draft:
    """A file somebody brought: whose it is, what it is called, where it lies, and since when."""

    person: int | None
    name: str
    path: Path
    made: float


@final
@dataclass(frozen=True)
class Preview:
    """What a file holds: its columns, its first rows as text, and which column tells the time."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    count: int
    time: str
    numeric: tuple[str, ...]


@final
@dataclass(eq=False)
class Drafts:
    """The drafts of a running centre; all are gone when it stops."""

    held: dict[str, Draft] = field(default_factory=dict)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="songsinh-")))

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def keep(self, person: int | None, name: str, content: bytes) -> str:
        """Keep a file; gives the word by which it is found again."""
        self._tidy()
        word = draw()
        plain = re.sub(r"[^\w.-]+", "-", Path(name).name)[-80:] or "record.csv"
        path = self.folder / word[:24] / plain
        path.parent.mkdir()
        path.write_bytes(content)
        self.held[word] = Draft(person, plain, path, time.monotonic())
        return word

    def find(self, person: int | None, word: str) -> Draft:
        """The draft; LiveError when it is gone or somebody else's."""
        self._tidy()
        found = self.held.get(word)
        if found is None or found.person != person:
            raise LiveError("the file is not here any more; bring it again")
        return found

    def drop(self, word: str) -> None:
        """Forget a draft and its file."""
        found = self.held.pop(word, None)
        if found is not None:
            found.path.unlink(missing_ok=True)
            found.path.parent.rmdir()

    def _tidy(self) -> None:
        old = [word for word, one in self.held.items() if one.made < time.monotonic() - AGE]
        many = list(self.held)[: max(0, len(self.held) - MOST + 1)]
        for word in {*old, *many}:
            self.drop(word)


def look_at(path: Path) -> Preview:
    """What a CSV or Parquet file holds; DataError when it cannot be read."""
    table = _read(path)
    if table.height < 1 or table.width < 2:
        raise DataError(
            "it holds no table; give a header, a column of times and one of readings",
            file=path.name,
        )
    numeric = tuple(name for name in table.columns if _are_numbers(table[name]))
    named = [c for c in table.columns if re.search(r"time|date|stamp|^t$", c, re.I)]
    when = (named or [c for c in table.columns if c not in numeric] or table.columns)[0]
    rows = tuple(
        tuple("" if cell is None else str(cell)[:40] for cell in row)
        for row in table.head(SHOWN).iter_rows()
    )
    usable = tuple(name for name in numeric if name != when)
    return Preview(tuple(table.columns), rows, table.height, when, usable)


async def fit_draft(path: Path, **asked: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A recipe and the figures of its card; fitted in a process of its own, that may be ended."""
    spawn = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn)
    loop = asyncio.get_running_loop()
    try:
        work = loop.run_in_executor(pool, _Fit(path, asked))
        return await asyncio.wait_for(work, SLOW)
    except TimeoutError as error:
        raise LiveError(
            f"the fit took more than {SLOW:g} s; leave columns out or bring a shorter record"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@final
@dataclass(frozen=True)
class _Fit:
    path: Path
    asked: Mapping[str, Any]

    def __call__(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return fit(self.path, **self.asked)


def fit(
    path: Path,
    *,
    name: str,
    title: str,
    time: str,
    columns: Sequence[str],
    limits: Limits,
    horizon: float | None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A recipe and the figures of its card, from columns of a file."""
    from songsinh.series import read_series
    from songsinh.twin import fit_series

    if not columns:
        raise DataError("no column was chosen; choose at least one", file=path.name)
    with tempfile.TemporaryDirectory(prefix="songsinh-") as folder:
        plain = Path(folder) / (Path(path.name).stem + ".csv")
        _timed(_read(path), time, path.name).select([time, *columns]).write_csv(plain)
        try:
            record = read_series(plain, time=time, columns=list(columns), missing=True)
        except DataError as error:
            raise DataError(str(error).replace(f"{folder}/", "")) from error
    own = {column: limits[column] for column in columns if limits.get(column)}
    recipe, card = fit_series(record, name=name, title=title, limits=own or None, source=path.name)
    if horizon is not None:
        recipe["settings"]["horizon"] = max(horizon, recipe["settings"]["step"])
    figures = [
        {"what": one.what, "where": one.where, "ours": one.ours, "unit": one.unit,
         "baselines": dict(one.baselines), "holds": one.holds}
        for one in card.checks
    ]  # fmt: skip
    figures += [
        {"what": one.what, "where": one.where, "ours": one.covered, "unit": "%",
         "nominal": one.nominal, "baselines": {}, "holds": one.holds}
        for one in card.coverages
    ]  # fmt: skip
    return recipe, figures


def _read(path: Path) -> Any:
    import polars

    _weigh(path)
    try:
        if path.suffix.lower() == ".parquet":
            return polars.read_parquet(path)
        return polars.read_csv(path, infer_schema=False)
    except (polars.exceptions.PolarsError, OSError, ValueError) as error:
        why = str(error).splitlines()[0][:160]
        raise DataError(f"it cannot be read ({why}); mend the file", file=path.name) from error


def _weigh(path: Path) -> None:
    """DataError when a file would unfold to a table that is too large, before it does."""
    width, cells = (_told if path.suffix.lower() == ".parquet" else _counted)(path)
    if width > WIDEST or cells > MOST_CELLS:
        raise DataError(
            f"it holds {width} columns and {cells} cells; bring at most {WIDEST} and {MOST_CELLS}",
            file=path.name,
        )


def _told(path: Path) -> tuple[int, int]:
    """Columns and cells of a Parquet file, as it says itself; lists count by what is in them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(path)
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        cells = sum(one.column(k).num_values for one in groups for k in range(one.num_columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        why = str(error).splitlines()[0][:160]
        raise DataError(f"it cannot be read ({why}); mend the file", file=path.name) from error
    return about.num_columns, max(cells, about.num_rows * about.num_columns)


def _counted(path: Path) -> tuple[int, int]:
    """Columns and cells of a CSV file, by its commas and ends of lines."""
    width = cells = 0
    with path.open("rb") as source:
        width = source.readline(1 << 20).count(b",") + 1
        source.seek(0)
        while part := source.read(1 << 20):
            cells += part.count(b",") + part.count(b"\n")
    return width, cells


def _are_numbers(cells: Any) -> bool:
    import polars

    if cells.dtype != polars.String:
        return bool(cells.dtype.is_numeric())
    known = cells.drop_nulls().head(1000).str.strip_chars()
    numbers = known.cast(polars.Float64, strict=False)
    return bool(len(known)) and numbers.null_count() < 0.1 * len(known)


def _timed(table: Any, time: str, name: str) -> Any:
    """The table with its times in s: numbers as they are, dates as s since 1970 (UTC)."""
    import polars

    if time not in table.columns:
        raise DataError(f"there is no column {time!r}; choose one of the table", file=name)
    cells = table[time]
    if _are_numbers(cells):
        return table
    if cells.dtype == polars.String:
        try:
            cells = cells.str.strip_chars().str.to_datetime(time_unit="us", time_zone="UTC")
        except polars.exceptions.PolarsError as error:
            raise DataError(
                "is no time; write 2026-01-31T12:00:00 or seconds",
                file=name, column=time, value=cells.drop_nulls()[0],
            ) from error  # fmt: skip
    seconds = cells.cast(polars.Datetime("us")).cast(polars.Int64) / 1e6
    return table.with_columns(seconds.alias(time))
