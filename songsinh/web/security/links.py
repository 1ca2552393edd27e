"""Links that work once: to become the first administrator, to accept an invitation."""

from dataclasses import dataclass
from typing import Final, final

from sqlalchemy import Connection, Engine, delete, insert, select

from songsinh.database import tables
from songsinh.errors import AccessError
from songsinh.web.security import audit
from songsinh.web.security.accounts import add_person, email_of, give_role, has_administrator
from songsinh.web.security.passwords import set_password
from songsinh.web.security.secrets import DAY_US, draw, fingerprint, now_us

__all__ = ["Link", "accept_link", "first_link", "make_link", "read_link"]

links: Final = tables.links
FIRST: Final = "first"


@final
@dataclass(frozen=True)
class Link:
    """What a link is for: `first`, `invitation` or `password`, and for whom."""

    purpose: str
    person: int | None
    email: str


def first_link(engine: Engine, base: str) -> str | None:
    """An address that makes its first visitor the administrator, for 24 h; None once there is one.

    Each start gives a new one and ends the one before.
    """
    with engine.begin() as connection:
        connection.execute(delete(links).where(links.c.purpose == FIRST))
        if has_administrator(connection):
            return None
        return f"{base.rstrip('/')}/link/{_keep(connection, FIRST, None, days=1)}"


def make_link(connection: Connection, person: int, *, by: str) -> str:
    """The secret of a link by which a person chooses a password, for 3 days; ends older ones."""
    email = email_of(connection, person)
    connection.execute(delete(links).where(links.c.person == person))
    audit.write(connection, by, "link made", email)
    return _keep(connection, "password", person, days=3)


def read_link(connection: Connection, secret: str) -> Link:
    """What a link is for, without using it up; AccessError when it is over."""
    alive = (links.c.hash == fingerprint(secret)) & (links.c.ends_us > now_us())
    row = connection.execute(select(links.c.purpose, links.c.person).where(alive)).first()
    if row is None:
        raise AccessError("this link was used or is over; ask an administrator for a new one")
    email = email_of(connection, row.person) if row.person is not None else ""
    return Link(row.purpose, row.person, email)


def accept_link(
    connection: Connection, secret: str, password: str, *, email: str = "", name: str = ""
) -> int:
    """Use a link up: set the password, and for the first one make the administrator."""
    link = read_link(connection, secret)
    gone = connection.execute(delete(links).where(links.c.hash == fingerprint(secret))).rowcount
    if gone != 1 or (link.purpose == FIRST and has_administrator(connection)):
        raise AccessError("this link was used or is over; ask an administrator for a new one")
    if link.person is None:
        person = add_person(connection, email, name, by="the first link")
        give_role(connection, person, "administrator", by="the first link")
    else:
        person = link.person
    set_password(connection, person, password, by=email_of(connection, person))
    return person


def _keep(connection: Connection, purpose: str, person: int | None, *, days: float) -> str:
    secret, now = draw(), now_us()
    connection.execute(delete(links).where(links.c.ends_us < now))
    row = {"hash": fingerprint(secret), "purpose": purpose, "person": person}
    connection.execute(insert(links).values(**row, ends_us=now + int(days * DAY_US)))
    return secret
