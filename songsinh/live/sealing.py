"""Sealing: the log and the older records move from the database into the history, each once.

Readings go in the order of the log, and the commit that puts them on their shelf also marks how
far the log was taken over; rows at or below the mark are then deleted, now or after a restart.
Beliefs, forecasts and alerts are known by their twin and time: what is on the shelf already is
not put there again, only deleted.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine, delete, func, select, true

from songsinh.database import tables
from songsinh.live.log import Log
from songsinh.live.names import Names
from songsinh.live.readings import Readings
from songsinh.live.shelves import DAY_US, STAMP, Shelf
from songsinh.live.shelving import put

__all__ = ["SHELVES", "Sealed", "seal_readings", "seal_records", "tabled"]

TEXT: Final = pa.dictionary(pa.int32(), pa.string())
AT_ONCE: Final = 4_000_000  # readings that are held in memory
ROWS: Final = 100_000  # the same of other records
SPARE: Final = 3_600_000_000
DELETED: Final = 500  # rows in one go, so that those who append wait little

# name of the shelf: its schema, and what its rows are ordered by, time last
SHELVES: Final[Mapping[str, tuple[pa.Schema, tuple[str, ...]]]] = {
    "readings": (
        pa.schema(
            [
                ("twin", pa.string()),
                ("signal", pa.string()),
                ("time", STAMP),
                ("value", pa.float64()),
                ("quality", pa.int8()),
            ]
        ),
        ("twin", "signal", "time"),
    ),
    "beliefs": (
        pa.schema(
            [
                ("twin", pa.string()),
                ("signal", pa.string()),
                ("time", STAMP),
                ("mean", pa.float64()),
                ("sd", pa.float64()),
            ]
        ),
        ("twin", "signal", "time"),
    ),
    "forecasts": (
        pa.schema([("twin", pa.string()), ("made", STAMP), ("last", STAMP), ("body", pa.binary())]),
        ("twin", "made"),
    ),
    "alerts": (
        pa.schema(
            [
                ("twin", pa.string()),
                ("rule", pa.string()),
                ("opened", STAMP),
                ("last", STAMP),
                ("cleared", STAMP),
                ("signal", pa.string()),
                ("severity", pa.string()),
                ("probability", pa.float64()),
                ("sentence", pa.string()),
                ("detail", pa.string()),  # JSON
                ("remarks", pa.string()),  # JSON
            ]
        ),
        ("twin", "rule", "opened"),
    ),
}


@final
@dataclass(frozen=True)
class Sealed:
    """What a sealing did: the last offset of the log that is sealed now, and rows moved."""

    offset: int
    readings: int = 0
    repeated: int = 0
    beliefs: int = 0
    forecasts: int = 0
    alerts: int = 0


def seal_readings(
    shelf: Shelf, log: Log, engine: Engine, *, names: Names, before: int | None
) -> Sealed:
    """Move what lies in the log before an offset; None for all that no snapshot needs."""
    view = shelf.look()
    _forget(engine, view.mark)  # what a sealing that was cut short left
    end, moved, repeated = _needed(engine) if before is None else before, 0, 0
    while True:
        rows, last = _gather(log, view.mark, end)
        if not rows:
            return Sealed(view.mark, moved, repeated)
        readings = np.concatenate(rows)
        add, remove, new = put(shelf, view, tabled(readings, names))
        shelf.commit(view, add=add, remove=remove, mark=last)
        _forget(engine, last)
        moved, repeated = moved + new, repeated + len(readings) - new
        view = shelf.look()


def tabled(readings: Readings, names: Names) -> pa.Table:
    """Readings as rows of the shelf, in the order given."""
    numbers, places = np.unique(readings["signal"], return_inverse=True)
    found = [names.signal(int(number)) for number in numbers]
    texts = [_worded([pair[i] for pair in found], places) for i in (0, 1)]
    times = pa.array(readings["time"]).cast(STAMP)
    values, quality = (np.ascontiguousarray(readings[name]) for name in ("value", "quality"))
    columns = [*texts, times, pa.array(values), pa.array(quality.astype(np.int8))]
    return pa.table(columns, names=SHELVES["readings"][0].names)


def _worded(words: list[str], places: Any) -> pa.DictionaryArray:
    unique = sorted(set(words))
    codes = np.array([unique.index(word) for word in words], np.int32)[places]
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(unique, pa.string()))


def _needed(engine: Engine) -> int | None:
    with engine.connect() as connection:
        least = connection.scalar(select(func.min(tables.snapshots.c.offset)))
    return None if least is None else int(least) + 1


def _gather(log: Log, after: int, before: int | None) -> tuple[list[Readings], int]:
    rows: list[Readings] = []
    last, held = after, 0
    for offset, _, readings in log.since(after):
        if held >= AT_ONCE or (before is not None and offset >= before):
            break
        rows.append(readings)
        last, held = offset, held + len(readings)
    return rows, last


def _forget(engine: Engine, mark: int) -> None:
    """Delete the rows of the log up to a mark, a few at a time."""
    column = tables.log.c.offset
    while True:
        with engine.begin() as connection:
            some = select(column).where(column <= mark).order_by(column).limit(DELETED)
            end = connection.scalar(select(func.max(some.subquery().c.offset)))
            if end is None:
                return
            connection.execute(delete(tables.log).where(column <= end))


# -- beliefs, forecasts and alerts


def seal_records(shelves: Mapping[str, Shelf], engine: Engine, names: Names) -> dict[str, int]:
    """Move beliefs and forecasts that are a day behind their twin's newest, and old alerts.

    Alerts stay where people work on them until they are closed and 30 days behind. What is
    due moves an hour's worth or more at a time, so that files stay few.
    """
    moved = {}
    for name, (table, clock, tabling) in _RECORDS.items():
        moved[name] = 0
        while rows := _due(engine, table, clock, _STAY[name]):
            view = shelves[name].look()
            add, remove, _ = put(shelves[name], view, tabling(rows, names, engine))
            if add:
                shelves[name].commit(view, add=add, remove=remove)
            _delete(engine, table, [row.id for row in rows])
            moved[name] += len(rows)
    return moved


def _due(engine: Engine, table: Any, clock: Any, stay: int) -> list[Any]:
    """Rows that are behind the newest of their twin: machines that are replayed live in the past.

    A twin's first, then the next one's, as many as are held at once.
    """
    closed = table.c.state == "closed" if table is tables.alerts else true()
    newest, found = func.max(clock), list[Any]()
    ages = select(table.c.twin, newest).group_by(table.c.twin)
    ages = ages.having(newest - func.min(clock).filter(closed) > stay + SPARE)
    with engine.connect() as connection:
        for twin, last in connection.execute(ages).all():
            query = select(table).where(table.c.twin == twin, clock < last - stay, closed)
            found += connection.execute(query.limit(ROWS - len(found))).all()
            if len(found) >= ROWS:
                break
    return found


def _delete(engine: Engine, table: Any, numbers: Sequence[int]) -> None:
    for start in range(0, len(numbers), DELETED):
        some = numbers[start : start + DELETED]
        with engine.begin() as connection:
            if table is tables.alerts:
                connection.execute(delete(tables.remarks).where(tables.remarks.c.alert.in_(some)))
            connection.execute(delete(table).where(table.c.id.in_(some)))


def _beliefs(rows: Sequence[Any], names: Names, _: Engine) -> pa.Table:
    flat = [
        (names.twin(row.twin), name, row.time_us, mean, row.sd.get(name))
        for row in rows
        for name, mean in row.mean.items()
    ]
    return _made("beliefs", list(zip(*flat, strict=True)))


def _forecasts(rows: Sequence[Any], names: Names, _: Engine) -> pa.Table:
    flat = [(names.twin(row.twin), row.made_us, row.last_us, row.body) for row in rows]
    return _made("forecasts", list(zip(*flat, strict=True)))


def _alerts(rows: Sequence[Any], names: Names, engine: Engine) -> pa.Table:
    flat = [
        (
            names.twin(row.twin),
            row.rule,
            row.opened_us,
            row.last_us,
            row.cleared_us,
            row.signal,
            row.severity,
            row.probability,
            row.sentence,
            json.dumps(row.detail),
            json.dumps(_remarks(engine, row.id)),
        )
        for row in rows
    ]
    return _made("alerts", list(zip(*flat, strict=True)))


def _remarks(engine: Engine, alert: int) -> list[dict[str, Any]]:
    table, people = tables.remarks, tables.people
    query = (
        select(table.c.at_us, people.c.email.label("person"), table.c.kind, table.c.text)
        .outerjoin(people, people.c.id == table.c.person)
        .where(table.c.alert == alert)
        .order_by(table.c.id)
    )
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def _made(name: str, columns: Sequence[Sequence[Any]]) -> pa.Table:
    schema, order = SHELVES[name]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    table = pa.table(arrays, schema=schema)
    for i, field in enumerate(schema):
        if field.name in order[:-1]:
            table = table.set_column(i, field.name, table[field.name].dictionary_encode())
    return table


_RECORDS: Final[
    Mapping[str, tuple[Any, Any, Callable[[Sequence[Any], Names, Engine], pa.Table]]]
] = {
    "beliefs": (tables.beliefs, tables.beliefs.c.time_us, _beliefs),
    "forecasts": (tables.forecasts, tables.forecasts.c.made_us, _forecasts),
    "alerts": (tables.alerts, tables.alerts.c.last_us, _alerts),
}
_STAY: Final = {"beliefs": DAY_US, "forecasts": DAY_US, "alerts": 30 * DAY_US}
