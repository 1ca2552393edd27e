"""Where readings come from: sources with their secrets masked, and what was refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from songsinh.database import tables
from songsinh.errors import LiveError, SettingError
from songsinh.live import SECRETS, read_settings
from songsinh.web.security import Visitor, audit
from songsinh.web.security.secrets import now_us

__all__ = [
    "MASK",
    "RefusalRow",
    "SourceRow",
    "add_source",
    "edit_source",
    "list_refusals",
    "list_sources",
    "masked",
    "read_source",
]

MASK: Final = "********"
SECRET = ("password", "secret", "token", "credential")  # as part of a name
# whom a secret is told, and how safely
PLACES: Final = ("host", "url", "tls", "authority")


@final
@dataclass(frozen=True)
class SourceRow:
    """A source of readings; what is secret in its settings is masked. Running or paused."""

    id: int
    name: str
    kind: str
    settings: Mapping[str, Any]
    state: str
    made_us: int


@final
@dataclass(frozen=True)
class RefusalRow:
    """What was not taken in from a source: the reason, how often, and one example."""

    source: str
    reason: str
    count: int
    first_us: int
    last_us: int
    example: str


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without secrets: what a name calls secret is hidden, also inside addresses.

    >>> masked({"host": "broker.example.org", "password": "k"})
    {'host': 'broker.example.org', 'password': '********'}
    """
    return {key: _hidden(key, value) for key, value in settings.items()}


def list_sources(engine: Engine) -> tuple[SourceRow, ...]:
    """All sources by name, secrets masked."""
    with engine.connect() as connection:
        rows = connection.execute(_query().order_by(tables.sources.c.name)).all()
    return tuple(_shown(SourceRow(*row)) for row in rows)


def read_source(engine: Engine, name: str) -> SourceRow | None:
    """The source of that name, secrets masked; None when there is none."""
    with engine.connect() as connection:
        found = _read(connection, name)
    return None if found is None else _shown(found)


def add_source(
    engine: Engine, name: str, *, kind: str, settings: Mapping[str, Any], by: Visitor
) -> SourceRow:
    """A new source, running; LiveError when the name is taken, SettingError if it cannot run."""
    read_settings(kind, name, settings)
    row = {"name": name, "kind": kind, "settings": dict(settings), "state": "running"}
    try:
        with engine.begin() as connection:
            connection.execute(insert(tables.sources).values(**row, made_us=now_us()))
            audit.write(connection, by.email, "source added", name, {"kind": kind})
            return _certain(connection, name)
    except IntegrityError as error:
        raise LiveError(f"there is a source {name!r} already; choose another name") from error


def edit_source(
    engine: Engine,
    name: str,
    *,
    by: Visitor,
    settings: Mapping[str, Any] | None = None,
    state: str | None = None,
) -> SourceRow:
    """The source with other settings or state; a secret given as the mask stays as it is."""
    with engine.begin() as connection:
        before = _read(connection, name)
        if before is None:
            raise LiveError(f"there is no source {name!r}; see the list of sources")
        new = before.settings if settings is None else unmasked(settings, before.settings)
        read_settings(before.kind, name, new)
        change = update(tables.sources).where(tables.sources.c.name == name)
        connection.execute(change.values(settings=new, state=state or before.state))
        detail = {"settings": masked(new), "state": state or before.state}
        audit.write(connection, by.email, "source edited", name, detail)
        return _certain(connection, name)


def unmasked(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """New settings whose masked values are those of before.

    SettingError when they go to another place: a secret is told only whom it was meant for.
    """
    hidden = masked(before)
    kept = [key for key in settings if hidden.get(key) == MASK == settings[key]]
    moved = [key for key in PLACES if settings.get(key) != before.get(key)]
    if kept and moved:
        raise SettingError(
            f"the {moved[0]} is another one, so the {kept[0]} of before is not sent there; "
            f"write the {kept[0]} again"
        )
    return {
        key: _found(value, before[key], hidden[key]) if key in before else value
        for key, value in settings.items()
    }


def _found(value: Any, before: Any, hidden: Any) -> Any:
    if value == hidden:
        return before
    if isinstance(value, Mapping) and isinstance(before, Mapping):
        return unmasked(value, before)
    return value


def list_refusals(engine: Engine, *, source: str | None = None) -> tuple[RefusalRow, ...]:
    """What was refused, the latest first."""
    refusals = tables.refusals
    query = select(*refusals.c["source", "reason", "count", "first_us", "last_us", "example"])
    if source is not None:
        query = query.where(refusals.c.source == source)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(refusals.c.last_us.desc(), refusals.c.reason))
        return tuple(RefusalRow(*row) for row in rows)


def _hidden(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_hidden(key, item) for item in value]
    if value and (key in SECRETS or any(word in key.lower() for word in SECRET)):
        return MASK
    # as in mqtts://name:secret@host
    if isinstance(value, str) and "://" in value and "@" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"
    return value


def _query() -> Any:
    return select(*tables.sources.c["id", "name", "kind", "settings", "state", "made_us"])


def _read(connection: Connection, name: str) -> SourceRow | None:
    row = connection.execute(_query().where(tables.sources.c.name == name)).first()
    return None if row is None else SourceRow(*row)


def _shown(source: SourceRow) -> SourceRow:
    hidden = masked(source.settings)
    return SourceRow(source.id, source.name, source.kind, hidden, source.state, source.made_us)


def _certain(connection: Connection, name: str) -> SourceRow:
    found = _read(connection, name)
    if found is None:
        raise LiveError(f"there is no source {name!r}; see the list of sources")
    return _shown(found)
