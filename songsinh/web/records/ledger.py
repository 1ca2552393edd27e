"""The audit log to read through: who changed what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.web.records.paging import Page, turn

__all__ = ["AuditRow", "list_audit"]


@final
@dataclass(frozen=True)
class AuditRow:
    """Something that was changed: by whom, what, and about which thing."""

    id: int
    at_us: int
    who: str
    what: str
    about: str
    detail: Mapping[str, Any]
    hash: str


def list_audit(
    engine: Engine,
    *,
    who: str | None = None,
    about: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Page[AuditRow]:
    """The rows of the audit log, the newest first; of somebody or about something if asked."""
    audit = tables.audit
    query = select(*audit.c["id", "at_us", "who", "what", "about", "detail", "hash"])
    for column, wanted in ((audit.c.who, who), (audit.c.about, about)):
        if wanted is not None:
            query = query.where(column == wanted)
    with engine.connect() as connection:
        rows, following = turn(
            connection, query, by=[(audit.c.id, "down")], after=after, limit=limit
        )
    return Page(tuple(AuditRow(**row) for row in rows), following)
