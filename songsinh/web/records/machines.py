"""Twins in the records: lists with the worst first, one by its name, made, edited, put away."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from sqlalchemy import Connection, Engine, Select, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.web.records.paging import Page, turn
from songsinh.web.security import Visitor, audit
from songsinh.web.security.secrets import now_us

__all__ = [
    "SEVERITIES",
    "SignalRow",
    "TwinRow",
    "add_twin",
    "edit_twin",
    "list_twins",
    "read_twin",
    "twin_signals",
]

Sort = Literal["worst", "name", "newest"]
LARGEST_RECIPE: Final = 1_000_000  # it is shown in every list
SEVERITIES = ("", "notice", "warning", "danger")  # by their rank


@final
@dataclass(frozen=True)
class TwinRow:
    """A twin as the records have it; `worst` is its gravest alert that stands, "" for none.

    `state` is running, paused or archived; `alerts` counts what stands: not over, not closed.
    """

    id: int
    name: str
    title: str
    recipe: Mapping[str, Any]
    state: str
    made_us: int
    made_by: str
    worst: str
    alerts: int


@final
@dataclass(frozen=True)
class SignalRow:
    """A signal that can be read: its number in the log and its name."""

    id: int
    name: str


def rank(severity: Any) -> Any:
    """The severity as a number, 1 to 3, so that the database can sort by it."""
    return case(*((severity == name, i) for i, name in enumerate(SEVERITIES) if i), else_=0)


def list_twins(
    engine: Engine,
    *,
    names: Collection[str] | None = None,
    state: str | None = None,
    search: str = "",
    sort: Sort = "worst",
    after: str | None = None,
    limit: int = 100,
) -> Page[TwinRow]:
    """Twins, of these names or all; those put away only when their state is asked for."""
    twins = tables.twins
    query, worst = _query()
    if names is not None:
        query = query.where(twins.c.name.in_(sorted(names)))
    query = query.where(twins.c.state == state if state else twins.c.state != "archived")
    if search:
        found = (column.icontains(search, autoescape=True) for column in twins.c["name", "title"])
        query = query.where(or_(*found))
    first: Any = {"worst": worst, "newest": twins.c.made_us, "name": twins.c.name}[sort]
    by: Any = [(first, "up" if sort == "name" else "down"), (twins.c.name, "up")]
    with engine.connect() as connection:
        rows, following = turn(connection, query, by=by, after=after, limit=limit)
    return Page(tuple(_twin(row) for row in rows), following)


def read_twin(engine: Engine, name: str) -> TwinRow | None:
    """The twin of that name, also one put away; None when there is none."""
    with engine.connect() as connection:
        return _read(connection, name)


def twin_signals(engine: Engine, twin: int) -> tuple[SignalRow, ...]:
    """What can be read of a twin, by the names of the signals."""
    signals = tables.signals
    query = select(signals.c.id, signals.c.name).where(signals.c.twin == twin)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(signals.c.name)).all()
    return tuple(SignalRow(*row) for row in rows)


def add_twin(
    engine: Engine,
    name: str,
    *,
    title: str,
    recipe: Mapping[str, Any],
    signals: Collection[str],
    by: Visitor,
) -> TwinRow:
    """A new twin, running, with the signals it reads; LiveError when the name is taken."""
    _check(name, recipe)
    row = {"name": name, "title": title, "recipe": dict(recipe), "state": "running"}
    try:
        with engine.begin() as connection:
            new = insert(tables.twins).values(**row, made_us=now_us(), made_by=by.person_id)
            made = connection.execute(new)
            number = made.inserted_primary_key[0]  # type: ignore[index]
            named = [{"twin": number, "name": signal} for signal in signals]
            if named:
                connection.execute(insert(tables.signals), named)
            audit.write(connection, by.email, "twin added", name, {"title": title})
            return _certain(connection, name)
    except IntegrityError as error:
        raise LiveError(f"there is a twin {name!r} already; choose another name") from error


def _check(name: str, recipe: Mapping[str, Any]) -> None:
    """LiveError for what no page could show and no database keep."""
    if name == "new":  # /twins/new makes twins
        raise LiveError(f"a twin cannot be called {name!r}; choose another name")
    try:
        size = len(json.dumps(recipe, allow_nan=False))
    except ValueError as error:
        raise LiveError(f"the recipe of {name!r} holds {str(error)[:80]}; mend it") from error
    if size > LARGEST_RECIPE:
        raise LiveError(f"the recipe of {name!r} has {size} letters; give at most {LARGEST_RECIPE}")


def edit_twin(
    engine: Engine,
    name: str,
    *,
    by: Visitor,
    title: str | None = None,
    state: str | None = None,
) -> TwinRow:
    """The twin with another title or state: running, paused or archived."""
    changes = {"title": title, "state": state}
    values = {key: value for key, value in changes.items() if value is not None}
    with engine.begin() as connection:
        if values:
            change = update(tables.twins).where(tables.twins.c.name == name)
            connection.execute(change.values(**values))
            audit.write(connection, by.email, "twin edited", name, values)
        return _certain(connection, name)


def _query() -> tuple[Select[Any], Any]:
    """Twins with what stands against each, and the rank of the worst of it."""
    alerts, twins, people = tables.alerts, tables.twins, tables.people
    stands = alerts.c.cleared_us.is_(None) & (alerts.c.state != "closed")
    grave = func.max(rank(alerts.c.severity)).label("worst")
    counted = select(alerts.c.twin, grave, func.count().label("alerts")).where(stands)
    standing = counted.group_by(alerts.c.twin).subquery()
    worst = func.coalesce(standing.c.worst, 0)
    query = select(
        *twins.c["id", "name", "title", "recipe", "state", "made_us"],
        func.coalesce(people.c.name, "").label("made_by"),
        worst.label("worst"),
        func.coalesce(standing.c.alerts, 0).label("alerts"),
    ).select_from(twins.outerjoin(standing, standing.c.twin == twins.c.id).outerjoin(people))
    return query, worst


def _read(connection: Connection, name: str) -> TwinRow | None:
    query, _ = _query()
    row = connection.execute(query.where(tables.twins.c.name == name)).mappings().first()
    return None if row is None else _twin({**row})


def _certain(connection: Connection, name: str) -> TwinRow:
    found = _read(connection, name)
    if found is None:
        raise LiveError(f"there is no twin {name!r}; see the list of twins")
    return found


def _twin(row: Mapping[str, Any]) -> TwinRow:
    return TwinRow(**{**row, "worst": SEVERITIES[row["worst"]]})
