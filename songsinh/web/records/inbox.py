"""The inbox of alerts: what stands against which twin, and what people did about it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from sqlalchemy import Connection, Engine, Select, func, insert, select, update

from songsinh.database import tables
from songsinh.errors import LiveError, SettingError
from songsinh.web.records.machines import SEVERITIES, rank
from songsinh.web.records.paging import Page, turn
from songsinh.web.security import Visitor, audit
from songsinh.web.security.secrets import now_us

__all__ = [
    "Action",
    "AlertRow",
    "Remark",
    "act_on_alert",
    "count_alerts",
    "list_alerts",
    "read_alert",
    "read_remarks",
]

Action = Literal["acknowledge", "assign", "comment", "close", "reopen"]
# the kind of remark that an action leaves, and the state that it leads to
KINDS: Mapping[str, tuple[str, str | None]] = {
    "acknowledge": ("acknowledged", "acknowledged"),
    "assign": ("assigned", None),
    "comment": ("comment", None),
    "close": ("closed", "closed"),
    "reopen": ("reopened", "open"),
}
FROM: Mapping[str, tuple[str, ...]] = {
    "acknowledge": ("open",),
    "close": ("open", "acknowledged"),
    "reopen": ("acknowledged", "closed"),
}


@final
@dataclass(frozen=True)
class AlertRow:
    """An alert: opened and last seen in event time; `cleared_us` None while its reason stands.

    `assigned` is the number of a person and `assignee` their name, None and "" for nobody.
    """

    id: int
    twin: str
    title: str  # the twin's
    rule: str
    signal: str | None
    severity: str
    opened_us: int
    last_us: int
    cleared_us: int | None
    probability: float | None
    sentence: str
    detail: Mapping[str, Any]
    state: str
    assigned: int | None
    assignee: str


@final
@dataclass(frozen=True)
class Remark:
    """What somebody did about an alert: comment, acknowledged, assigned, closed or reopened."""

    id: int
    at_us: int
    who: str
    kind: str
    text: str


def list_alerts(
    engine: Engine,
    *,
    names: Collection[str] | None = None,
    twin: str | None = None,
    states: Collection[str] = ("open", "acknowledged"),
    severity: str | None = None,
    assigned: int | None = None,
    standing: bool | None = None,
    sort: Literal["worst", "newest"] = "worst",
    after: str | None = None,
    limit: int = 100,
) -> Page[AlertRow]:
    """Alerts of the twins named, or of all; `standing` keeps those whose reason is not over.

    Those of a twin put away are listed only when it is asked for.
    """
    alerts, twins = tables.alerts, tables.twins
    query = _query().where(alerts.c.state.in_(sorted(states)))
    if names is not None:
        query = query.where(twins.c.name.in_(sorted(names)))
    if twin is None:
        query = query.where(twins.c.state != "archived")
    if standing is not None:
        over = alerts.c.cleared_us
        query = query.where(over.is_(None) if standing else over.is_not(None))
    for column, wanted in (
        (twins.c.name, twin), (alerts.c.severity, severity), (alerts.c.assigned, assigned)
    ):  # fmt: skip
        if wanted is not None:
            query = query.where(column == wanted)
    keys: list[Any] = [alerts.c.opened_us, alerts.c.id]
    keys = [rank(alerts.c.severity), *keys] if sort == "worst" else keys
    by: Any = [(key, "down") for key in keys]
    with engine.connect() as connection:
        rows, following = turn(connection, query, by=by, after=after, limit=limit)
    return Page(tuple(AlertRow(**row) for row in rows), following)


def count_alerts(engine: Engine, *, names: Collection[str] | None = None) -> dict[str, int]:
    """How many alerts are not closed, by severity, the gravest first; all three are there."""
    alerts, twins = tables.alerts, tables.twins
    query = select(alerts.c.severity, func.count()).join(twins).group_by(alerts.c.severity)
    query = query.where(alerts.c.state != "closed", twins.c.state != "archived")
    if names is not None:
        query = query.where(twins.c.name.in_(sorted(names)))
    with engine.connect() as connection:
        found = {row[0]: int(row[1]) for row in connection.execute(query)}
    return {severity: found.get(severity, 0) for severity in reversed(SEVERITIES[1:])}


def read_alert(engine: Engine, number: int) -> AlertRow | None:
    """The alert of that number, None when there is none."""
    with engine.connect() as connection:
        return _read(connection, number)


def read_remarks(engine: Engine, number: int) -> tuple[Remark, ...]:
    """What was done about an alert, the first first."""
    remarks, people = tables.remarks, tables.people
    query = select(
        remarks.c.id, remarks.c.at_us, func.coalesce(people.c.name, ""),
        remarks.c.kind, remarks.c.text,
    ).select_from(remarks.outerjoin(people)).where(remarks.c.alert == number)  # fmt: skip
    with engine.connect() as connection:
        return tuple(Remark(*row) for row in connection.execute(query.order_by(remarks.c.id)))


def act_on_alert(
    engine: Engine,
    number: int,
    action: Action,
    *,
    by: Visitor,
    text: str = "",
    assign: int | None = None,
) -> AlertRow:
    """The alert after what a visitor did about it, which stays on record as a remark.

    `assign` is the person who is to see to it, None for nobody. LiveError when the alert is not
    in a state that the action starts from: closed twice, acknowledged after it was closed.
    """
    alerts = tables.alerts
    kind, state = KINDS[action]
    values: dict[str, Any] = {} if state is None else {"state": state}
    if action == "assign":
        values["assigned"] = assign
    with engine.begin() as connection:
        if assign is not None:
            _check_person(connection, assign)
        if values:
            change = update(alerts).where(alerts.c.id == number)
            change = change.where(alerts.c.state.in_(FROM[action])) if action in FROM else change
            if not connection.execute(change.values(**values)).rowcount:
                _refuse(connection, number, action)
        found = _read(connection, number)
        if found is None:
            raise LiveError(f"there is no alert {number}; see the list of alerts")
        remark = {"alert": number, "person": by.person_id, "kind": kind, "text": text}
        connection.execute(insert(tables.remarks).values(**remark, at_us=now_us()))
        about = f"{found.twin}: alert {number}"
        audit.write(connection, by.email, f"alert {kind}", about, values)
        return found


def _check_person(connection: Connection, number: int) -> None:
    people = tables.people
    query = select(people.c.id).where(people.c.id == number, people.c.disabled.is_(False))
    if connection.execute(query).first() is None:
        raise SettingError(f"there is no person {number} to assign; look at the list of people")


def _refuse(connection: Connection, number: int, action: Action) -> None:
    found = _read(connection, number)
    if found is not None:
        starts = " or ".join(FROM.get(action, ()))
        raise LiveError(
            f"alert {number} is {found.state}, and {action} starts from {starts}; "
            "look at the alert again"
        )


def _query() -> Select[Any]:
    alerts, twins, people = tables.alerts, tables.twins, tables.people
    own = alerts.c["rule", "signal", "severity", "opened_us", "last_us", "cleared_us",
                   "probability", "sentence", "detail", "state", "assigned"]  # fmt: skip
    who = func.coalesce(people.c.name, "").label("assignee")
    named = twins.c.name.label("twin")
    rows = alerts.join(twins).outerjoin(people, people.c.id == alerts.c.assigned)
    return select(alerts.c.id, named, twins.c.title, *own, who).select_from(rows)


def _read(connection: Connection, number: int) -> AlertRow | None:
    row = connection.execute(_query().where(tables.alerts.c.id == number)).mappings().first()
    return None if row is None else AlertRow(**row)
