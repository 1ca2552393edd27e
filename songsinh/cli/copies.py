"""Copies of the records and the history, taken while the centre runs and put back."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import unquote

from sqlalchemy import Engine, create_engine, func, inspect, select, text
from sqlalchemy.engine import URL, make_url

from songsinh.database import tables
from songsinh.errors import LiveError, SettingError

__all__ = ["Piece", "copy_records", "fill_records", "history_pieces", "open_store"]

SHELVES: Final = ("readings", "beliefs", "forecasts", "alerts")


@final
@dataclass(frozen=True)
class Piece:
    """A file of the history: where it lies in the store, and its size in bytes."""

    path: str
    size: int


def copy_records(address: str, folder: Path) -> tuple[Path, int]:
    """A copy of the database as it was at one moment, and how far its log went by then."""
    url = make_url(address)
    if url.get_backend_name() == "postgresql":
        return _dump(url, folder / "centre.dump")
    source, copy = Path(url.database or "").absolute(), folder / "centre.db"
    if not source.exists():
        raise SettingError(f"there is no database {str(source)!r}; name the home with --home")
    try:
        return copy, _copy_file(source, copy)
    except sqlite3.Error as error:
        raise LiveError(f"the database is damaged ({error}); look after its disk") from error


def fill_records(address: str, copy: Path) -> None:
    """Put a copy of the database back, to where there is none yet."""
    url = make_url(address)
    postgresql = url.get_backend_name() == "postgresql"
    if postgresql != (copy.suffix == ".dump"):
        raise SettingError(
            f"the backup holds {copy.name}, which does not fit a {url.get_backend_name()} "
            "database; set `database` to one of its kind"
        )
    if not postgresql:
        target = Path(url.database or "")
        if target != copy:
            if target.exists():
                raise SettingError(f"there is a database {str(target)!r} already; remove it first")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(copy, target)
        return
    with _engine(url) as engine:
        if inspect(engine).get_table_names():
            raise SettingError(f"the database {url.database!r} is not empty; name an empty one")
    words = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-acl"]
    _run(url, ["pg_restore", *words, "--dbname", str(url.database), str(copy)])
    copy.unlink()


def history_pieces(
    address: str, shelf: str, *, options: Mapping[str, str], most: int
) -> Iterator[Piece]:
    """The files of the newest version of a shelf that holds nothing the records do not know of.

    `most` is how far the log went when the records were copied: what was sealed later is left
    out, for the centre that goes on from this copy will give its numbers to other readings.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    place = f"{address.rstrip('/')}/{shelf}"
    try:
        table = DeltaTable(place, storage_options=dict(options))
        while (table.transaction_version("songsinh") or 0) > most:
            version = table.version() - 1
            table = DeltaTable(place, version, storage_options=dict(options))
    except TableNotFoundError:
        return
    version = table.version()
    for path, size in _files(address, f"{shelf}/_delta_log", options):
        number = path.rpartition("/")[2].partition(".")[0]
        if number.isdecimal() and int(number) <= version:
            yield Piece(path, size)
    found = table.get_add_actions(flatten=True)
    columns = {name: found.column(name) for name in ("path", "size_bytes")}
    for path, size in zip(*(column.to_pylist() for column in columns.values()), strict=True):
        yield Piece(f"{shelf}/{unquote(path)}", int(size))


def open_store(address: str, options: Mapping[str, str]) -> Any:
    """The files at the address of a history, a folder or an S3 store."""
    import pyarrow.fs as pf

    if "://" not in address:
        return pf.SubTreeFileSystem(address, pf.LocalFileSystem())
    from deltalake.fs import DeltaStorageHandler

    return pf.PyFileSystem(DeltaStorageHandler(address, dict(options)))


def _copy_file(source: Path, copy: Path) -> int:
    """SQLite's own copy of a file in use; the last offset that its log has given."""
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(copy)) as there:
        here.backup(there)
        there.execute("PRAGMA journal_mode=DELETE")  # all in one file
        told = there.execute("PRAGMA integrity_check").fetchone()[0]
        if told != "ok":
            raise sqlite3.DatabaseError(f"{told:.200}")
        row = there.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
    return int(row[0]) if row else 0


def _files(address: str, under: str, options: Mapping[str, str]) -> list[tuple[str, int]]:
    import pyarrow.fs as pf

    found = open_store(address, options).get_file_info(pf.FileSelector(under, recursive=False))
    return sorted((info.path, info.size) for info in found if info.is_file)


def _dump(url: URL, copy: Path) -> tuple[Path, int]:
    """A dump, and the end of the log, both of one moment that the server holds still."""
    with _engine(url) as engine, engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        moment = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        # rows leave the log in its order, and none that a twin's snapshot does not know
        ends = [tables.log.c.offset, tables.snapshots.c.offset]
        last = max(connection.execute(select(func.max(end))).scalar() or 0 for end in ends)
        words = ["--format=custom", f"--snapshot={moment}", "--no-owner", "--no-acl"]
        _run(url, ["pg_dump", *words, "--file", str(copy), "--dbname", str(url.database)])
    return copy, int(last)


@contextmanager
def _engine(url: URL) -> Iterator[Engine]:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _run(url: URL, command: Sequence[str]) -> None:
    """Run a tool of PostgreSQL's; the password goes by the environment, where `ps` shows none."""
    where = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username}
    named = {**where, "PGPASSWORD": url.password, **url.query}
    environment = os.environ | {k: str(v) for k, v in named.items() if v and k.startswith("PG")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SettingError(
            f"this needs PostgreSQL's tool {command[0]}, and there is none; "
            "install the package postgresql-client of your system"
        ) from error
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LiveError(f"{command[0]} did not work ({told:.200}); look after the database")
