"""Sessions: a person's stay in a browser, known by a cookie whose hash is kept."""

from dataclasses import dataclass
from typing import Final, final

from sqlalchemy import Connection, delete, insert, select, update

from songsinh.database import tables
from songsinh.web.security.roles import Visitor
from songsinh.web.security.secrets import SECOND_US, draw, fingerprint, now_us
from songsinh.web.settings import WebSettings

__all__ = [
    "Stay",
    "begin_session",
    "end_session",
    "end_sessions",
    "find_visitor",
    "list_sessions",
    "person_roles",
]

sessions: Final = tables.sessions
people: Final = tables.people
SEEN_EVERY_US: Final = 60 * SECOND_US  # a write a minute, not one a page


@final
@dataclass(frozen=True)
class Stay:
    """A session as its person sees it; `here` is the one that asks. Times are in us."""

    hash: str
    agent: str
    made_us: int
    seen_us: int
    here: bool


def begin_session(
    connection: Connection, person: int, settings: WebSettings, *, agent: str = ""
) -> str:
    """A new session's secret for the cookie; it is nowhere else."""
    secret, now = draw(), now_us()
    row = {
        "hash": fingerprint(secret),
        "person": person,
        "made_us": now,
        "seen_us": now,
        "ends_us": now + int(settings.session_most * SECOND_US),
        "agent": agent[:300],
    }
    connection.execute(delete(sessions).where(sessions.c.ends_us < now))
    connection.execute(insert(sessions).values(**row))
    return secret


def find_visitor(connection: Connection, secret: str, settings: WebSettings) -> Visitor | None:
    """Who a cookie belongs to, if its session is alive and the person may enter."""
    now, mark = now_us(), fingerprint(secret)
    asked = (
        select(people, sessions.c.seen_us)
        .join_from(sessions, people)
        .where(
            sessions.c.hash == mark,
            sessions.c.ends_us > now,
            sessions.c.seen_us > now - int(settings.session_idle * SECOND_US),
            people.c.disabled.is_(False),
        )
    )
    row = connection.execute(asked).mappings().first()
    if row is None:
        return None
    if row["seen_us"] < now - SEEN_EVERY_US:
        seen = update(sessions).where(sessions.c.hash == mark).values(seen_us=now)
        connection.execute(seen)
    return Visitor(
        person_id=row["id"],
        email=row["email"],
        name=row["name"],
        language=row["language"],
        zone=row["zone"],
        roles=person_roles(connection, row["id"]),
        session=mark,
    )


def person_roles(connection: Connection, person: int) -> dict[str, str]:
    """A person's role by twin; `*` is the whole centre."""
    grants = tables.grants
    asked = select(grants.c.twin, grants.c.role).where(grants.c.person == person)
    return {row.twin: row.role for row in connection.execute(asked)}


def end_session(connection: Connection, mark: str, *, person: int) -> bool:
    """Sign a person out of one session, named by its hash; False when there is none."""
    gone = delete(sessions).where(sessions.c.hash == mark, sessions.c.person == person)
    return connection.execute(gone).rowcount > 0


def end_sessions(connection: Connection, person: int, *, but: str | None = None) -> int:
    """Sign a person out everywhere, but for one session; how many ended."""
    gone = delete(sessions).where(sessions.c.person == person)
    if but is not None:
        gone = gone.where(sessions.c.hash != but)
    return connection.execute(gone).rowcount


def list_sessions(
    connection: Connection, person: int, *, here: str | None = None
) -> tuple[Stay, ...]:
    """A person's sessions, the last seen first; `here` marks the one that asks."""
    asked = (
        select(sessions)
        .where(sessions.c.person == person, sessions.c.ends_us > now_us())
        .order_by(sessions.c.seen_us.desc())
    )
    rows = connection.execute(asked)
    return tuple(
        Stay(row.hash, row.agent, row.made_us, row.seen_us, row.hash == here) for row in rows
    )
