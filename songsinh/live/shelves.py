"""A shelf of the history: one Delta Lake table, in a folder or an S3 store, any tool can read.

Files are added and taken away in single commits, together with a mark that says how far its
source has been worked through; a commit fails where another came between. So whatever moment a
writer is killed at, its work was done once or not at all.
"""

import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pf
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from songsinh.errors import LiveError
from songsinh.live.parquet import groups_with, write_parquet

__all__ = ["DAY_US", "STAMP", "File", "Shelf", "View", "Words", "day_of"]

DAY_US: Final = 86_400_000_000
STAMP: Final = pa.timestamp("us", "UTC")
APP: Final = "songsinh"
KEPT: Final = 4096  # files whose footers stay in memory
SETTINGS: Final = {
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}


Words = Mapping[str, tuple[str, str]]  # of columns of text: least and greatest


@final
@dataclass(frozen=True)
class File:
    """One Parquet file of a shelf: its day (days since 1970), rows and what they span."""

    path: str
    day: int
    size: int
    rows: int
    first_us: int
    last_us: int
    spans: Words

    def may_hold(self, words: Words) -> bool:
        """Whether rows with such words in columns of text can be in the file."""
        spans = self.spans
        return all(low <= spans[k][1] and high >= spans[k][0] for k, (low, high) in words.items())


@final
@dataclass(frozen=True)
class View:
    """A shelf as one commit left it: its files, and the mark of what has been taken over."""

    version: int
    mark: int
    files: tuple[File, ...]

    def within(self, span: tuple[int, int], words: Words) -> list[File]:
        """Files that may hold rows with such words and times in [start, end) (us), by day."""
        start, end = span
        met = (file for file in self.files if file.last_us >= start and file.first_us < end)
        return [file for file in met if file.may_hold(words)]


@final
class Shelf:
    """A Delta table at an address; `order` are its columns of text, then its column of time."""

    def __init__(
        self,
        address: str,
        schema: pa.Schema,
        order: Sequence[str],
        *,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.address, self.schema, self.order = address, schema, tuple(order)
        self.local = "://" not in address
        self._options = dict(options or {})
        if address.startswith("s3://"):
            # the store itself decides which of two writers came first
            self._options.setdefault("aws_conditional_put", "etag")
        self._lock = Lock()
        self._table: DeltaTable | None = None
        self._view: View | None = None
        self._store: pf.FileSystem | None = None
        self._footers: dict[str, pq.FileMetaData] = {}

    def look(self) -> View:
        """The shelf as it is now."""
        with self._lock:
            try:
                return self._newest()
            except (DeltaError, OSError):
                self._table = self._view = None  # its log may have been tidied away: open it anew
            try:
                return self._newest()
            except (DeltaError, OSError) as error:
                raise LiveError(
                    f"the history at {self.address} cannot be read ({error}); look after the store"
                ) from error

    def _newest(self) -> View:
        if self._table is None:
            self._table = self._open()
        else:
            self._table.update_incremental()
        if self._view is None or self._view.version != self._table.version():
            self._view = _view(self._table, self.order)
        return self._view

    def write(self, day: int, chunks: Iterable[pa.Table], tag: str = "raw") -> File | None:
        """A new file of a day's rows, in order; it is not on the shelf until it is committed."""
        name = f"date={day_of(day)}/{tag}-{uuid.uuid4().hex}.parquet"
        spans: dict[str, tuple[Any, Any]] = {}
        if self.local:
            Path(self.address, name).parent.mkdir(parents=True, exist_ok=True)
        with self._files().open_output_stream(name) as sink:
            rows = write_parquet(sink, _watched(chunks, self.order, spans))
        if not rows:
            self._files().delete_file(name)
            return None
        if self.local:
            _settle(Path(self.address, name))
        size = self._files().get_file_info(name).size
        first, last = spans.pop(self.order[-1])
        return File(name, day, size, rows, first, last, spans)

    def discard(self, file: File) -> None:
        """Delete a file that was written and is not to be committed."""
        self._files().delete_file(file.path)

    def commit(
        self, view: View, *, add: Sequence[File], remove: Sequence[File] = (), mark: int = 0
    ) -> None:
        """Change the shelf in one step; LiveError, and no change, if it has changed since."""
        actions: list[AddAction | RemoveAction] = [_added(file, self.order[-1]) for file in add]
        actions += [_removed(file) for file in remove]
        marks = [Transaction(APP, mark, None)] if mark else []
        with self._lock:
            table = DeltaTable(self.address, view.version, storage_options=self._options)
            try:
                table.create_write_transaction(
                    actions,
                    "append",
                    _dated(self.schema),
                    ["date"],
                    commit_properties=CommitProperties(
                        app_transactions=marks, max_commit_retries=0
                    ),
                )
            except DeltaError as error:
                raise LiveError(
                    f"the history at {self.address} was changed by another at the same time "
                    f"({error}); do it again"
                ) from error
        if self.local:
            _settle(Path(self.address, "_delta_log", f"{view.version + 1:020}.json"))

    def read(
        self,
        file: File,
        columns: Sequence[str],
        *,
        words: Words | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
    ) -> pa.Table:
        """Rows of a file whose text is as given and whose time lies in [start, end), in order.

        All rows of the row groups that may hold some are read, then those that do are kept.
        """
        words, clock = words or {}, self.order[-1]
        bounds = {**words, clock: (_moment(start_us), _moment(end_us))}
        metadata = self._footer(file)
        groups = list(groups_with(metadata, bounds))
        needed = list(dict.fromkeys([*columns, clock, *words]))
        with self._files().open_input_file(file.path) as source:
            opened = pq.ParquetFile(source, metadata=metadata, read_dictionary=[*file.spans])
            found = opened.read_row_groups(groups, needed, use_threads=False)
        kept = None
        for name, (low, high) in words.items():
            kept = _both(kept, _within(found[name], low, high))
        if start_us is not None and start_us > file.first_us:
            kept = _both(kept, pc.greater_equal(found[clock], _stamp(start_us)))
        if end_us is not None and end_us <= file.last_us:
            kept = _both(kept, pc.less(found[clock], _stamp(end_us)))
        return (found if kept is None else found.filter(kept)).select(list(columns))

    def sweep(self, hours: int = 24) -> int:
        """The number of files deleted that no commit of these last hours needs."""
        with self._lock:
            table = self._open()
            table.create_checkpoint()
            table.cleanup_metadata()
            gone = table.vacuum(
                retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True
            )
        return len(gone)

    def _open(self) -> DeltaTable:
        try:
            return DeltaTable(self.address, storage_options=self._options)
        except TableNotFoundError:
            return DeltaTable.create(
                self.address,
                _dated(self.schema),
                mode="ignore",
                partition_by=["date"],
                configuration=SETTINGS,
                storage_options=self._options,
            )

    def _files(self) -> pf.FileSystem:
        if self._store is None:
            if self.local:
                self._store = pf.SubTreeFileSystem(self.address, pf.LocalFileSystem())
            else:
                handler = DeltaStorageHandler(self.address, self._options)
                self._store = pf.PyFileSystem(handler)
        return self._store

    def _footer(self, file: File) -> pq.FileMetaData:
        found = self._footers.get(file.path)
        if found is None:
            with self._files().open_input_file(file.path) as source:
                found = pq.read_metadata(source)
            while len(self._footers) >= KEPT:
                self._footers.pop(next(iter(self._footers)), None)
            self._footers[file.path] = found
        return found


def day_of(day: int) -> date:
    """The date of a day counted since 1970."""
    return date.fromordinal(day + date(1970, 1, 1).toordinal())


def _dated(schema: pa.Schema) -> pa.Schema:
    return schema.append(pa.field("date", pa.date32()))


def _moment(us: int | None) -> datetime | None:
    """The same as a datetime; None also for what lies outside of its years."""
    if us is None or not _YEARS[0] < us < _YEARS[1]:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


_YEARS: Final = (-62_000_000_000_000_000, 253_000_000_000_000_000)


def _stamp(us: int) -> Any:
    return pa.scalar(us, pa.int64()).cast(STAMP)


def _both(one: Any, other: Any) -> Any:
    """The rows that two masks both let pass; None lets all pass."""
    if one is None or other is None:
        return other if one is None else one
    return pc.and_(one, other)


def _within(column: pa.ChunkedArray, low: str, high: str) -> Any:
    """Which rows of a column of text lie between two words, found on its few different words.

    None when all do.
    """
    fits = [
        np.array([low <= word <= high for word in chunk.dictionary.to_pylist()], bool)
        for chunk in column.chunks
    ]
    if all(each.all() for each in fits):
        return None
    parts = [
        pa.array(each[chunk.indices.to_numpy()])
        for each, chunk in zip(fits, column.chunks, strict=True)
    ]
    return pa.chunked_array(parts, pa.bool_())


def _watched(
    chunks: Iterable[pa.Table], order: Sequence[str], spans: dict[str, tuple[Any, Any]]
) -> Iterable[pa.Table]:
    """The chunks as they pass, with the least and greatest of each ordering column noted."""
    for chunk in chunks:
        if not chunk.num_rows:
            continue
        for name in order:
            column = chunk[name]
            ends = pc.min_max(column.cast(pa.int64()) if name == order[-1] else _used(column))
            low, high = ends["min"].as_py(), ends["max"].as_py()
            before = spans.get(name, (low, high))
            spans[name] = (min(low, before[0]), max(high, before[1]))
        yield chunk


def _used(column: pa.ChunkedArray) -> Any:
    """The different words of a column of text."""
    return pc.unique(column.combine_chunks()).cast(pa.string())


def _settle(path: Path) -> None:
    """What is in a file survives a power cut, and so does its name."""
    for place in (path, path.parent, path.parent.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _added(file: File, clock: str) -> AddAction:
    ends = [{name: span[i] for name, span in file.spans.items()} for i in (0, 1)]
    for end, us in zip(ends, (file.first_us, file.last_us), strict=True):
        moment = _moment(us)
        end[clock] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""
    stats = {"numRecords": file.rows, "minValues": ends[0], "maxValues": ends[1], "nullCount": {}}
    values: dict[str, str | None] = {"date": str(day_of(file.day))}
    now = int(time.time() * 1000)
    return AddAction(file.path, file.size, values, now, True, json.dumps(stats))


def _removed(file: File) -> RemoveAction:
    now = int(time.time() * 1000)
    return RemoveAction(file.path, True, now, file.size, {"date": str(day_of(file.day))})


def _view(table: DeltaTable, order: Sequence[str]) -> View:
    listed = pa.table(table.get_add_actions(flatten=True))
    mark = table.transaction_version(APP) or 0
    if not listed.num_rows:
        return View(table.version(), mark, ())
    columns: dict[str, list[Any]] = {
        name: listed[name].to_pylist() for name in ("path", "size_bytes", "num_records")
    }
    days = listed["partition.date"].cast(pa.int32()).to_pylist()
    first, last = (listed[f"{end}.{order[-1]}"].cast(pa.int64()).to_pylist() for end in _ENDS)
    texts = {name: tuple(listed[f"{e}.{name}"].to_pylist() for e in _ENDS) for name in order[:-1]}
    files = (
        File(
            columns["path"][i],
            days[i],
            columns["size_bytes"][i],
            columns["num_records"][i],
            first[i],
            last[i],
            {name: (low[i], high[i]) for name, (low, high) in texts.items()},
        )
        for i in range(listed.num_rows)
    )
    return View(table.version(), mark, tuple(sorted(files, key=lambda file: (file.day, file.path))))


_ENDS: Final = ("min", "max")
