"""Accounts: people, their passwords, and what they may do where."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from sqlalchemy import Connection, delete, insert, select, update

from songsinh.database import tables
from songsinh.errors import AccessError, SettingError, near
from songsinh.web.security import audit
from songsinh.web.security.roles import ROLES
from songsinh.web.security.secrets import now_us
from songsinh.web.security.sessions import end_sessions, person_roles

__all__ = [
    "PersonRow",
    "add_person",
    "change_person",
    "email_of",
    "give_role",
    "has_administrator",
    "list_people",
    "person_by_email",
    "plain_name",
    "set_enabled",
]

people: Final = tables.people
grants: Final = tables.grants
EMAIL: Final = re.compile(r"[^@\s<>\"',;:\\]{1,64}@[^@\s<>\"',;:\\]{1,189}")


@final
@dataclass(frozen=True)
class PersonRow:
    """A person; `invited` until they enter for the first time."""

    id: int
    email: str
    name: str
    disabled: bool
    invited: bool
    roles: Mapping[str, str]


def add_person(
    connection: Connection, email: str, name: str = "", *, role: str = "", by: str
) -> int:
    """A new person's number; without a password, which they choose by a link."""
    email = email.strip().lower()
    if not EMAIL.fullmatch(email):
        raise SettingError(f"{email!r:.80} is not an e-mail address; write it like ada@example.org")
    if person_by_email(connection, email) is not None:
        raise SettingError(f"{email} is one of the people already; change their role instead")
    name = plain_name(name) or email.partition("@")[0][:200]
    row = insert(people).values(email=email, name=name, made_us=now_us())
    number = int(connection.execute(row.returning(people.c.id)).scalar_one())
    audit.write(connection, by, "person added", email)
    if role:
        give_role(connection, number, role, by=by)
    return number


def plain_name(name: str) -> str:
    """A name without letters that cannot be seen: a terminal would take them for commands."""
    return "".join(letter for letter in name if letter.isprintable()).strip()[:200]


def give_role(connection: Connection, person: int, role: str, *, twin: str = "*", by: str) -> None:
    """Give a person a role for a twin or the centre; an empty role takes it away."""
    if role and role not in ROLES:
        raise SettingError(f"there is no role {role!r}; {near(role, ROLES)}")
    known = select(tables.twins.c.id).where(tables.twins.c.name == twin)
    if role and twin != "*" and connection.execute(known).first() is None:
        raise SettingError(f"there is no twin {twin!r}; choose one of the list, or * for all")
    email = email_of(connection, person)
    here = (grants.c.person == person) & (grants.c.twin == twin)
    connection.execute(delete(grants).where(here))
    if role:
        connection.execute(insert(grants).values(person=person, twin=twin, role=role))
    _keep_an_administrator(connection)
    audit.write(connection, by, "role given", email, {"twin": twin, "role": role})


def set_enabled(connection: Connection, person: int, enabled: bool, *, by: str) -> None:
    """Let a person in, or keep them out: their sessions end and their tokens stop working."""
    email = email_of(connection, person)
    connection.execute(update(people).where(people.c.id == person).values(disabled=not enabled))
    if not enabled:
        end_sessions(connection, person)
    _keep_an_administrator(connection)
    audit.write(connection, by, "person let in" if enabled else "person kept out", email)


def change_person(connection: Connection, person: int, *, by: str, **changed: str) -> None:
    """Change a person's name, language or zone."""
    row = update(people).where(people.c.id == person).values(**changed)
    connection.execute(row)
    audit.write(connection, by, "account changed", email_of(connection, person), changed)


def list_people(connection: Connection) -> tuple[PersonRow, ...]:
    """People by e-mail, with their roles, and whether they have entered."""
    rows = connection.execute(select(people).order_by(people.c.email)).all()
    return tuple(
        PersonRow(
            id=row.id,
            email=row.email,
            name=row.name,
            disabled=row.disabled,
            invited=row.password is None and row.subject is None,
            roles=person_roles(connection, row.id),
        )
        for row in rows
    )


def person_by_email(connection: Connection, email: str) -> int | None:
    """The number of a person."""
    found = select(people.c.id).where(people.c.email == email.strip().lower())
    return connection.execute(found).scalar()


def email_of(connection: Connection, person: int) -> str:
    """The e-mail address of a person."""
    email = connection.execute(select(people.c.email).where(people.c.id == person)).scalar()
    if email is None:
        raise AccessError(f"there is no person {person}; look at the list of people")
    return str(email)


def has_administrator(connection: Connection) -> bool:
    """Whether somebody may enter who can let others in."""
    asked = (
        select(people.c.id)
        .join_from(people, grants)
        .where(
            grants.c.twin == "*",
            grants.c.role == "administrator",
            people.c.disabled.is_(False),
            people.c.password.is_not(None) | people.c.subject.is_not(None),
        )
    )
    return connection.execute(asked.limit(1)).first() is not None


def _keep_an_administrator(connection: Connection) -> None:
    """Nobody may lock everybody out; before the first sign-in there is nobody to lock out."""
    entered = people.c.password.is_not(None) | people.c.subject.is_not(None)
    anybody = connection.execute(select(people.c.id).where(entered).limit(1)).first()
    if anybody is not None and not has_administrator(connection):
        raise AccessError("this would leave no administrator; make somebody else one first")
