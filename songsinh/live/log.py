"""The log: readings as they were taken in, durable before anybody is told that they were.

A batch of readings is one row with a number that only rises, the offset. Everything the centre
knows can be worked out again from the log, in its order; the history takes its rows over later.
"""

from collections.abc import Collection, Iterator
from threading import Lock
from typing import Any, Final, final

import numpy as np
from sqlalchemy import Engine, func, select

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.live.readings import READING, Readings

__all__ = ["Log"]

PAGE: Final = 256  # rows fetched at once by those who read on
APPENDING: Final = 7_305_120_001  # PostgreSQL's advisory lock: offsets come up in their order
COLUMNS: Final = '(arrived_us, first_us, last_us, "count", body)'


@final
class Log:
    """The log in the database; any thread may append, and one connection is kept for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._kept: Any = None
        self._insert = _insert_postgresql if engine.name == "postgresql" else _insert_sqlite

    def append(self, readings: Readings, arrived_us: int) -> int:
        """The offset of the row that now holds these readings; durable when this returns."""
        if readings.dtype != READING or not len(readings):
            raise LiveError(
                f"{len(readings)} readings of {readings.dtype} cannot be appended to the log; "
                "give at least one, as READING"
            )
        times = readings["time"]
        row = (arrived_us, int(times.min()), int(times.max()), len(readings), readings.tobytes())
        with self._lock:
            try:
                return self._insert(self._connection(), row)
            except Exception as error:
                self._drop()  # whatever state it is in; the next append opens another
                raise LiveError(
                    f"{len(readings)} readings could not be written to the log "
                    f"({type(error).__name__}: {error}); look after the database, then send again"
                ) from error

    def since(
        self,
        offset: int = 0,
        *,
        twins: Collection[int] | None = None,
        span: tuple[int, int] | None = None,
    ) -> Iterator[tuple[int, int, Readings]]:
        """Offset, arrival (us) and readings of each row after an offset, in order.

        With `twins` (twins.id) only their readings, and no rows without any; with a `span`
        only rows that may have readings from its first time to before its last (us). Rows
        appended while this runs are given too; it ends when there are no more.
        """
        wanted = None if twins is None else self._signals(twins)
        table, rows = tables.log, True
        query = select(table.c.offset, table.c.arrived_us, table.c.body).order_by(table.c.offset)
        if span is not None:
            query = query.where(table.c.last_us >= span[0], table.c.first_us < span[1])
        while rows:
            with self._engine.connect() as connection:
                page = connection.execute(query.where(table.c.offset > offset).limit(PAGE)).all()
            for row in page:
                offset, arrived_us, readings = _read(row)
                if wanted is not None:
                    readings = readings[np.isin(readings["signal"], wanted)]
                if len(readings):
                    yield offset, arrived_us, readings
            rows = len(page) == PAGE

    def waiting(self) -> int:
        """The number of readings in the log: those that the history has not taken over."""
        with self._engine.connect() as connection:
            return int(connection.scalar(select(func.sum(tables.log.c.count))) or 0)

    def close(self) -> None:
        """Let the connection go; appending again opens another."""
        with self._lock:
            self._drop()

    def _signals(self, twins: Collection[int]) -> Any:
        table = tables.signals
        with self._engine.connect() as connection:
            query = select(table.c.id).where(table.c.twin.in_(list(twins)))
            return np.array(connection.scalars(query).all(), dtype=np.uint32)

    def _connection(self) -> Any:
        if self._kept is None:
            pooled = self._engine.raw_connection()
            self._kept = pooled.dbapi_connection
            pooled.detach()  # its own: it does not count against the pool
        return self._kept

    def _drop(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()


def _read(row: Any) -> tuple[int, int, Readings]:
    return row[0], row[1], np.frombuffer(row[2], READING)


def _insert_sqlite(connection: Any, row: tuple[Any, ...]) -> int:
    cursor = connection.execute(f"INSERT INTO log {COLUMNS} VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    return int(cursor.lastrowid)


def _insert_postgresql(connection: Any, row: tuple[Any, ...]) -> int:
    """One trip; the lock holds others off, so that a later offset is never seen first."""
    with connection.pipeline():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPENDING,))
        cursor = connection.execute(
            f'INSERT INTO log {COLUMNS} VALUES (%s, %s, %s, %s, %s) RETURNING "offset"',
            row,
            binary=True,
        )
        connection.commit()
        return int(cursor.fetchone()[0])
