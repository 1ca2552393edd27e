"""The audit log: who changed what. Rows are only added, and each vouches for those before it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from sqlalchemy import Connection, insert, select, text

from songsinh.database import tables
from songsinh.web.security.secrets import now_us

__all__ = ["Verdict", "verify", "write"]

START: Final = "0" * 64
table: Final = tables.audit


@final
@dataclass(frozen=True)
class Verdict:
    """What a check of the chain found: `broken` is the first row that does not fit, if any.

    `missing` says that a hash which was expected is nowhere in the chain.
    """

    rows: int
    head: str
    broken: int | None = None
    missing: bool = False


def write(
    connection: Connection,
    who: str,
    what: str,
    about: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a row in the transaction of the change itself: both are kept, or neither.

    `who` is an e-mail address, `what` a few words like "twin made"; never put a secret in.
    """
    _take_turns(connection)
    newest = select(table.c.hash).order_by(table.c.id.desc()).limit(1)
    before = connection.execute(newest).scalar() or START
    row = {
        "at_us": now_us(),
        "who": who[:254],
        "what": what[:64],
        "about": about[:200],
        "detail": json.loads(_canonical(detail or {})),
    }
    connection.execute(insert(table).values(**row, hash=_chained(before, row)))


def verify(connection: Connection, *, expect: str = "") -> Verdict:
    """Follow the chain from its start to the first row that was changed, added or taken away.

    Rows cut off the end leave a chain that holds: `expect` is a hash that was noted earlier.
    """
    before, rows, missing = START, 0, bool(expect)
    for found in connection.execute(select(table).order_by(table.c.id)).mappings():
        row = {name: found[name] for name in ("at_us", "who", "what", "about", "detail")}
        if _chained(before, row) != found["hash"]:
            return Verdict(rows, before, broken=found["id"])
        before, rows = found["hash"], rows + 1
        missing = missing and before != expect
    return Verdict(rows, before, missing=missing)


def _chained(before: str, row: Mapping[str, Any]) -> str:
    return hashlib.sha256((before + _canonical(row)).encode()).hexdigest()


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _take_turns(connection: Connection) -> None:
    """One writer at a time, or two rows would follow the same one."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(734275)"))
    else:
        connection.execute(text("UPDATE audit SET hash = hash WHERE 0"))
