"""Tokens: how programs come in, each with a scope, an end, and at most its maker's roles."""

from dataclasses import dataclass
from typing import Final, final

from sqlalchemy import Connection, delete, insert, select, update

from songsinh.database import tables
from songsinh.errors import AccessError, near
from songsinh.web.security.roles import SCOPES, Visitor
from songsinh.web.security.secrets import DAY_US, SECOND_US, draw, fingerprint, now_us
from songsinh.web.security.sessions import person_roles

__all__ = ["MARK", "TokenRow", "end_token", "find_program", "list_tokens", "make_token"]

tokens: Final = tables.tokens
people: Final = tables.people
MARK: Final = "songsinh_"  # so that a token is known for one wherever it turns up
LONGEST_DAYS: Final = 366


@final
@dataclass(frozen=True)
class TokenRow:
    """A token without its secret; times are in us, and 0 is never."""

    id: int
    email: str
    name: str
    scope: str
    twin: str
    made_us: int
    ends_us: int
    used_us: int


def make_token(
    connection: Connection,
    person: int,
    name: str,
    *,
    scope: str,
    twin: str = "*",
    days: float = 90.0,
) -> str:
    """A new token, shown this once; for at most a year."""
    if scope not in SCOPES:
        raise AccessError(f"a token has no scope {scope!r}; {near(scope, SCOPES)}")
    if not name.strip() or len(name) > 100:
        raise AccessError("a token needs a name of at most 100 letters; say what it is for")
    if not 0 < days <= LONGEST_DAYS:
        raise AccessError(f"a token cannot last {days:g} days; choose 1 to {LONGEST_DAYS}")
    if not 0 < len(twin) <= 64:
        raise AccessError(f"there is no twin {twin!r:.70}; choose one of the list, or * for all")
    secret, now = MARK + draw(), now_us()
    row = {
        "hash": fingerprint(secret),
        "person": person,
        "name": name.strip(),
        "scope": scope,
        "twin": twin,
        "made_us": now,
        "ends_us": now + int(days * DAY_US),
    }
    connection.execute(insert(tokens).values(**row))
    return secret


def find_program(connection: Connection, secret: str) -> Visitor | None:
    """Whose token it is, with the roles that it carries: the maker's, at its twin only."""
    now, mark = now_us(), fingerprint(secret)
    asked = (
        select(people, tokens.c.scope, tokens.c.twin, tokens.c.used_us)
        .join_from(tokens, people)
        .where(tokens.c.hash == mark, tokens.c.ends_us > now, people.c.disabled.is_(False))
    )
    row = connection.execute(asked).mappings().first()
    if row is None:
        return None
    if row["used_us"] < now - 60 * SECOND_US:
        used = update(tokens).where(tokens.c.hash == mark).values(used_us=now)
        connection.execute(used)
    roles = person_roles(connection, row["id"])
    if row["twin"] != "*":
        best = Visitor(roles=roles).best_role(row["twin"])
        roles = {row["twin"]: best} if best else {}
    return Visitor(
        person_id=row["id"],
        email=row["email"],
        name=row["name"],
        language=row["language"],
        zone=row["zone"],
        roles=roles,
        token_scope=row["scope"],
    )


def list_tokens(connection: Connection, person: int | None = None) -> tuple[TokenRow, ...]:
    """Tokens without their secrets, the newest first: a person's, or everybody's."""
    asked = (
        select(tokens, people.c.email)
        .join_from(tokens, people)
        .order_by(tokens.c.made_us.desc(), tokens.c.id.desc())
    )
    if person is not None:
        asked = asked.where(tokens.c.person == person)
    return tuple(
        TokenRow(
            id=row.id,
            email=row.email,
            name=row.name,
            scope=row.scope,
            twin=row.twin,
            made_us=row.made_us,
            ends_us=row.ends_us,
            used_us=row.used_us,
        )
        for row in connection.execute(asked)
    )


def end_token(connection: Connection, number: int, *, person: int | None = None) -> str:
    """Withdraw a token, of this person or of any; its name."""
    of = [tokens.c.id == number] + ([] if person is None else [tokens.c.person == person])
    name = connection.execute(select(tokens.c.name).where(*of)).scalar()
    if name is None:
        raise AccessError(f"there is no token {number} of yours; look at the list of tokens")
    connection.execute(delete(tokens).where(*of))
    return str(name)
