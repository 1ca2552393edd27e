"""The history: all that was read, believed, forecast and warned of, sealed and still fresh.

What is sealed lies in four Delta Lake tables, `readings`, `beliefs`, `forecasts` and `alerts`,
a folder each, that other tools read without this package. What is fresh is still in the
database. Here both are one: each reading once, in the order of time.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal, final

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.live.exports import FORMS, named
from songsinh.live.log import Log
from songsinh.live.names import Names
from songsinh.live.readings import READING, Readings
from songsinh.live.retention import Kept, keep
from songsinh.live.rules import Rule
from songsinh.live.sealing import SHELVES, Sealed, seal_readings, seal_records
from songsinh.live.shelves import DAY_US, Shelf, View, Words
from songsinh.live.thinning import Points, in_buckets, thin

__all__ = ["History"]

POINT: Final = ("time", "value", "quality")
Believed = tuple[dict[str, float], dict[str, float]]  # means and sds by name
_START: Final = -(1 << 62)
_END: Final = 1 << 62


@final
class History:
    """Everything that was read, at an address: a folder, or `s3://bucket/prefix`.

    `storage` is what reaches the store (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION, allow_http); `engine` is the database with the log. Any
    thread may ask.
    """

    def __init__(
        self, address: str | Path, engine: Engine, *, storage: Mapping[str, str] | None = None
    ) -> None:
        self.address = _address(address)
        self._engine = engine
        self._log = Log(engine)  # only read from
        self._names = Names(engine)
        self._sealing = Lock()
        self._shelves = {
            name: Shelf(f"{self.address}/{name}", schema, order, options=storage)
            for name, (schema, order) in SHELVES.items()
        }

    def readings(
        self, signal: int, start_us: int, end_us: int, *, most: int | None = None
    ) -> Points:
        """Readings of a signal (signals.id) from a time to before another, in order.

        With `most`, at most so many buckets of equal width, each with its least, mean and
        greatest value: a year stays small.
        """
        span = _checked(start_us, end_us, most)
        pieces = self._pieces(signal, span)
        if most is not None:
            return thin(pieces, span, most)
        found = list(pieces)
        empty = Points(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8))
        return Points(*map(np.concatenate, zip(*found, strict=True))) if found else empty

    def latest(self, signals: Collection[int]) -> dict[int, tuple[int, float, int]]:
        """Time (us), value and quality of the newest reading of each signal that has any."""
        wanted = set(signals)
        rows = [each[np.isin(each["signal"], list(wanted))] for _, _, each in self._log.since()]
        newest = _last_each(np.concatenate([np.zeros(0, READING), *rows]))
        found: dict[int, tuple[int, float, int]] = {
            int(row["signal"]): (int(row["time"]), float(row["value"]), int(row["quality"]))
            for row in newest
        }
        view = self._shelves["readings"].look()
        for number in wanted:
            sealed = self._newest(view, number, found[number][0] if number in found else _START)
            if sealed is not None:
                found[number] = sealed
        return found

    def beliefs(
        self, twin: int, start_us: int, end_us: int, *, most: int | None = None
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Times (us), means and standard deviations by name, of a twin (twins.id).

        With `most` the last belief of each of so many buckets of equal width.
        """
        span = _checked(start_us, end_us, most)
        table = tables.beliefs
        query = select(table).where(table.c.twin == twin, *_within(table.c.time_us, span))
        with self._engine.connect() as connection:
            fresh = connection.execute(query).all()
        by_time: dict[int, Believed] = {row.time_us: (row.mean, row.sd) for row in fresh}
        by_time |= _beliefs_by_time(self._sealed("beliefs", span, twin))
        times = np.array(sorted(by_time), np.int64)
        if most is not None:
            times = times[in_buckets(times, most, span)]
        names = {name: None for us in times.tolist() for name in by_time[us][0]}
        both = [
            {name: np.array([by_time[us][i].get(name, np.nan) for us in times.tolist()])
             for name in names}
            for i in (0, 1)
        ]  # fmt: skip
        return times, both[0], both[1]

    def forecasts(self, twin: int, start_us: int, end_us: int) -> list[tuple[int, int, bytes]]:
        """When made, as far as it looks (us) and body of forecasts of a twin made in a span."""
        span = _checked(start_us, end_us, None)
        table = tables.forecasts
        query = select(table.c.made_us, table.c.last_us, table.c.body).where(
            table.c.twin == twin, *_within(table.c.made_us, span)
        )
        with self._engine.connect() as connection:
            found = {row.made_us: (row.made_us, row.last_us, row.body) for row in
                     connection.execute(query)}  # fmt: skip
        for part in self._sealed("forecasts", span, twin):
            columns = [
                _us(part["made"]).tolist(),
                _us(part["last"]).tolist(),
                part["body"].to_pylist(),
            ]
            found |= {row[0]: row for row in zip(*columns, strict=True)}
        return [found[made] for made in sorted(found)]

    def alerts(
        self, start_us: int, end_us: int, *, twins: Collection[int] | None = None
    ) -> list[dict[str, Any]]:
        """Sealed alerts opened in a span, oldest first; those in work are in the database."""
        span = _checked(start_us, end_us, None)
        wanted = None if twins is None else {self._names.twin(twin) for twin in twins}
        found = [row for part in self._sealed("alerts", span, None) for row in part.to_pylist()]
        chosen = [row for row in found if wanted is None or row["twin"] in wanted]
        return sorted(chosen, key=lambda row: row["opened"])

    def seal(self, before_offset: int | None = None) -> Sealed:
        """Move the log's rows before an offset into the history, and older records; each once.

        None moves all that no snapshot needs. Safe to kill at any moment, and to call again.
        """
        with self._sealing:
            done = seal_readings(
                self._shelves["readings"],
                self._log,
                self._engine,
                names=self._names,
                before=before_offset,
            )
            return replace(done, **seal_records(self._shelves, self._engine, self._names))

    def keep(self, rules: Sequence[Rule] = (), *, now_us: int | None = None) -> Kept:
        """Apply rules of retention, make days that are over one file each, drop what is unused."""
        with self._sealing:
            return keep(self._shelves, rules, now_us)

    def export(
        self,
        signals: Collection[int],
        span: tuple[int, int],
        *,
        form: Literal["csv", "parquet"] = "csv",
    ) -> Iterator[bytes]:
        """Readings of signals in a span (us) as a file, in parts: a signal after the other."""
        _checked(*span, None)
        pairs = sorted((*self._names.signal(number), number) for number in signals)
        tables = (
            named(twin, name, points)
            for twin, name, number in pairs
            for points in self._pieces(number, span)
        )
        return FORMS[form](tables)

    # -- what is sealed and what is fresh

    def _pieces(self, signal: int, span: tuple[int, int]) -> Iterator[Points]:
        """Readings day by day; the log is read before the shelf, so that none slips between."""
        rows = [
            (offset, readings[_chosen(readings, signal, span)])
            for offset, _, readings in self._log.since(span=span)
        ]
        twin, name = self._names.signal(signal)
        words = {"twin": (twin, twin), "signal": (name, name)}
        shelf = self._shelves["readings"]
        view = shelf.look()
        fresh = _together([each for offset, each in rows if offset > view.mark])
        days: dict[int, list[Points]] = {}
        for file in view.within(span, words):
            days.setdefault(file.day, [])
        fresh_days = fresh.times // DAY_US
        for day in sorted({*days, *np.unique(fresh_days).tolist()}):
            parts = [
                _points(shelf.read(file, POINT, words=words, start_us=span[0], end_us=span[1]))
                for file in view.within(span, words)
                if file.day == day
            ]
            chosen = fresh_days == day
            parts.append(Points(*(column[chosen] for column in fresh)))
            yield _in_time(parts)

    def _newest(self, view: View, signal: int, than: int) -> tuple[int, float, int] | None:
        """The newest sealed reading of a signal, unless it is older than a time."""
        twin, name = self._names.signal(signal)
        words, found = {"twin": (twin, twin), "signal": (name, name)}, None
        files = view.within((than, _END), words)
        for file in sorted(files, key=lambda file: -file.last_us):
            if file.last_us < than:
                break
            part = _points(self._shelves["readings"].read(file, POINT, words=words, start_us=than))
            if len(part.times):
                than = int(part.times[-1])
                found = (than, float(part.values[-1]), int(part.quality[-1]))
        return found

    def _sealed(self, name: str, span: tuple[int, int], twin: int | None) -> Iterator[pa.Table]:
        words: Words = {}
        if twin is not None:
            words = {"twin": (self._names.twin(twin),) * 2}
        shelf = self._shelves[name]
        for file in shelf.look().within(span, words):
            yield shelf.read(
                file, shelf.schema.names, words=words, start_us=span[0], end_us=span[1]
            )


def _address(address: str | Path) -> str:
    text = str(address)
    return text.rstrip("/") if "://" in text else str(Path(text).absolute())


def _checked(start_us: int, end_us: int, most: int | None) -> tuple[int, int]:
    if end_us <= start_us or (most is not None and most < 1):
        raise LiveError(
            f"a span from {start_us} to {end_us} us with at most {most} points is empty; "
            "give an end after the start, and at least 1 point"
        )
    return start_us, end_us


def _within(column: Any, span: tuple[int, int]) -> tuple[Any, Any]:
    return column >= span[0], column < span[1]


def _chosen(readings: Readings, signal: int, span: tuple[int, int]) -> Any:
    times = readings["time"]
    return (readings["signal"] == signal) & (times >= span[0]) & (times < span[1])


def _together(rows: Sequence[Readings]) -> Points:
    readings = np.concatenate(rows) if rows else np.zeros(0, READING)
    quality = readings["quality"].astype(np.int8)
    return Points(readings["time"].copy(), readings["value"].copy(), quality)


def _points(table: pa.Table) -> Points:
    return Points(_us(table["time"]), table["value"].to_numpy(), table["quality"].to_numpy())


def _us(column: pa.ChunkedArray) -> Any:
    return column.cast(pa.int64()).to_numpy()


def _in_time(parts: Sequence[Points]) -> Points:
    """All in the order of time; of readings at one time the first stays."""
    times, values, quality = map(np.concatenate, zip(*parts, strict=True))
    if len(times) > 1 and not (times[1:] > times[:-1]).all():
        order = np.argsort(times, kind="stable")
        order = order[np.r_[True, np.diff(times[order]) > 0]]
        times, values, quality = times[order], values[order], quality[order]
    return Points(times, values, quality)


def _beliefs_by_time(parts: Iterator[pa.Table]) -> dict[int, Believed]:
    found: dict[int, Believed] = {}
    for part in parts:
        columns = [_us(part["time"]).tolist()]
        columns += [part[name].to_pylist() for name in ("signal", "mean", "sd")]
        for us, name, mean, sd in zip(*columns, strict=True):
            means, sds = found.setdefault(us, ({}, {}))
            means[name], sds[name] = mean, sd
    return found


def _last_each(readings: Readings) -> Readings:
    """The newest reading of each signal; of those at one time the one that came first."""
    order = np.lexsort((-np.arange(len(readings)), readings["time"], readings["signal"]))
    signals = readings["signal"][order]
    return readings[order[np.r_[signals[1:] != signals[:-1], np.ones(min(len(order), 1), bool)]]]
