"""Opening the database: created or brought up to date by migrations, and made durable."""

import contextlib
import os
import re
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from songsinh.errors import SettingError

__all__ = ["open_database"]

MIGRATING: Final = 7_305_120_002  # PostgreSQL's advisory lock
_one_thread = Lock()  # Alembic has one context to a process


def open_database(address: str) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://...`, its tables up to date."""
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise SettingError(
            f"the database address {_kind(address)!r}... cannot be read; "
            "write sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise SettingError(
            f"the database cannot be of the kind {_kind(address)!r}; "
            "write sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    if url.get_backend_name() == "postgresql":
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
        )
    else:
        if url.database and not url.database.startswith((":", "file:")):
            _make_private(Path(url.database))
        engine = create_engine(url, hide_parameters=True)
        event.listen(engine, "connect", _durable)
    _migrate(engine)
    return engine


def _make_private(file: Path) -> None:
    """A new file that only its owner may read: it holds passwords. SQLite's others follow it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))


def _kind(address: str) -> str:
    """The first word of an address: what follows may hold a password."""
    return re.split(r"\W", address, maxsplit=1)[0]


def _durable(connection: Any, _: Any) -> None:
    """Readers do not wait for the writer, and what is committed survives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    """Bring the tables up to date; of processes that start together one does, the others wait."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    waiting = "BEGIN IMMEDIATE"
    if engine.name == "postgresql":
        waiting = f"SELECT pg_advisory_xact_lock({MIGRATING})"
    with _one_thread, engine.begin() as connection:
        connection.exec_driver_sql(waiting)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
