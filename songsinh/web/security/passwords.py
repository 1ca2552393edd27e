"""Passwords: kept as argon2id hashes, and slow to guess."""

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, select, update

from songsinh.database import tables
from songsinh.errors import AccessError
from songsinh.web.security import audit
from songsinh.web.security.accounts import email_of
from songsinh.web.security.secrets import SECOND_US, draw, now_us
from songsinh.web.security.sessions import end_sessions

__all__ = ["check_sign_in", "is_right", "set_password"]

people: Final = tables.people
HASHER: Final = PasswordHasher()  # argon2id, 64 MiB, as RFC 9106 advises
SHORTEST, LONGEST = 12, 200
FREE_TRIES: Final = 5
LONGEST_LOCK: Final = 900 * SECOND_US


def check_sign_in(engine: Engine, email: str, password: str) -> int | None:
    """The person's number if the password is right and they are not locked out.

    Nobody, a wrong password and a locked account look the same and take as long. The try is
    counted before its outcome is weighed, so that many at once gain nothing.
    """
    wanted = select(people).where(people.c.email == email.strip().lower())
    with engine.connect() as connection:
        row = connection.execute(wanted).mappings().first()
    kept = row["password"] if row and not row["disabled"] else None
    right = is_right(kept or _nobodys(), password) and kept is not None
    with engine.begin() as connection:
        if row is None or not _passes(connection, row["id"], right):
            known = row["email"] if row else "an unknown address"
            audit.write(connection, "", "sign-in refused", known)
            return None
        audit.write(connection, row["email"], "signed in", row["email"])
        if HASHER.check_needs_rehash(row["password"]):
            _keep(connection, row["id"], password)
        return int(row["id"])


def set_password(
    connection: Connection, person: int, password: str, *, by: str, but: str | None = None
) -> None:
    """Give a person a new password and end their sessions, but for one."""
    email = email_of(connection, person)
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccessError(
            f"the password has {len(password)} letters; use {SHORTEST} to {LONGEST}, "
            "four words in a row are fine"
        )
    easy = (email, email.partition("@")[0])
    if len(set(password)) < 5 or password.lower() in easy:
        raise AccessError("the password is too easy to guess; four words in a row are fine")
    _keep(connection, person, password)
    free = update(people).where(people.c.id == person).values(failures=0, locked_us=0)
    connection.execute(free)
    end_sessions(connection, person, but=but)
    audit.write(connection, by, "password set", email)


def is_right(kept: str, password: str) -> bool:
    """Whether a password belongs to a hash; takes some 50 ms and 64 MiB."""
    try:
        return HASHER.verify(kept, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False


def _passes(connection: Connection, person: int, right: bool) -> bool:
    """Count a try; each wrong one after the fifth doubles the time before the next is heard."""
    here = people.c.id == person
    # the write comes first, and so do its lock and the order of tries
    connection.execute(update(people).where(here).values(failures=people.c.failures + 1))
    found = select(people.c.failures, people.c.locked_us, people.c.disabled).where(here)
    failures, locked_us, disabled = connection.execute(found).one()
    now = now_us()
    if locked_us > now or disabled:
        # what is tried while locked out is not heard, and makes nothing longer
        connection.execute(update(people).where(here).values(failures=failures - 1))
        return False
    if right:
        connection.execute(update(people).where(here).values(failures=0, locked_us=0))
        return True
    over = failures - FREE_TRIES
    if over >= 0:
        pause = min(LONGEST_LOCK, SECOND_US << min(over, 20))
        connection.execute(update(people).where(here).values(locked_us=now + pause))
    return False


def _keep(connection: Connection, person: int, password: str) -> None:
    row = update(people).where(people.c.id == person).values(password=HASHER.hash(password))
    connection.execute(row)


@cache
def _nobodys() -> str:
    """A hash that no password fits, so that an unknown address takes as long as a known one."""
    return HASHER.hash(draw())
