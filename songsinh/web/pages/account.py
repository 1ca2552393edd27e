"""One's own account: password, language, time zone, sessions and tokens."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Final, final
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, select

from songsinh.database import tables
from songsinh.errors import AccessError, SettingError, SongsinhError
from songsinh.web.api.common import Number
from songsinh.web.pages.common import show
from songsinh.web.security import SCOPES, Visitor, audit, needs
from songsinh.web.security.accounts import change_person, plain_name
from songsinh.web.security.limits import address_of, refuse_above
from songsinh.web.security.passwords import is_right, set_password
from songsinh.web.security.sessions import Stay, end_session, end_sessions, list_sessions
from songsinh.web.security.tokens import TokenRow, end_token, list_tokens, make_token
from songsinh.web.wording import LANGUAGES

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Person = Annotated[Visitor, Depends(needs("viewer", person=True))]
Field = Annotated[str, Form(max_length=1000)]


@final
@dataclass(frozen=True)
class Account:
    """The account's page; `token` is the secret of a token just made, shown this once."""

    name: str
    email: str
    language: str
    zone: str
    spoken: tuple[tuple[str, str], ...]
    zones: tuple[str, ...]
    has_password: bool
    sessions: tuple[Stay, ...]
    tokens: tuple[TokenRow, ...]
    scopes: tuple[str, ...]
    twins: tuple[str, ...]
    token: str
    problem: str


@router.get("/account")
def show_account(request: Request, visitor: Person) -> Response:
    """One's own account."""
    return _page(request, visitor)


@router.post("/account")
def change_account(
    request: Request, visitor: Person, *, name: Field = "", language: Field = "", zone: Field = ""
) -> Response:
    """Change the name, language and time zone."""

    def change(connection: Connection, person: int) -> None:
        if language and language not in dict(LANGUAGES):
            raise SettingError(f"{language!r:.20} is no language we speak; choose one of the list")
        if zone and zone not in available_timezones():
            raise SettingError(f"{zone!r:.40} is no time zone; choose one of the list")
        called = plain_name(name) or visitor.name
        settings = {"name": called, "language": language, "zone": zone}
        change_person(connection, person, by=visitor.email, **settings)

    return _do(request, visitor, change)


@router.post("/account/password")
async def change_password(
    request: Request, visitor: Person, *, old: Field = "", password: Field = "", again: Field = ""
) -> Response:
    """Choose another password; all other sessions end."""
    limits = request.app.state.limits
    refuse_above(limits.tries, address_of(request))

    def change(connection: Connection, person: int) -> None:
        if not is_right(_kept(connection, person), old):
            raise AccessError("the password so far is not right; type it again")
        if password != again:
            raise AccessError("the two new passwords differ; type the same one twice")
        set_password(connection, person, password, by=visitor.email, but=visitor.session)

    async with limits.hashing:
        return await asyncio.to_thread(_do, request, visitor, change)


@router.post("/account/sessions")
def end_some_sessions(request: Request, visitor: Person, *, mark: Field = "") -> Response:
    """End one session, or all others."""

    def end(connection: Connection, person: int) -> None:
        if mark:
            ended = int(end_session(connection, mark, person=person))
        else:
            ended = end_sessions(connection, person, but=visitor.session)
        audit.write(connection, visitor.email, "sessions ended", visitor.email, {"count": ended})

    return _do(request, visitor, end)


@router.post("/account/tokens")
def add_token(
    request: Request,
    visitor: Person,
    *,
    name: Field = "",
    scope: Field = "read",
    twin: Field = "*",
    days: Annotated[float, Form()] = 90.0,
) -> Response:
    """Make a token, and show it this once."""
    try:
        with request.app.state.engine.begin() as connection:
            choice = {"scope": scope, "twin": twin, "days": days}
            token = make_token(connection, _number(visitor), name, **choice)  # type: ignore[arg-type]
            audit.write(connection, visitor.email, "token made", name, choice)
    except SongsinhError as error:
        return _page(request, visitor, problem=str(error), status=422)
    return _page(request, visitor, token=token)


@router.post("/account/tokens/{number}/end")
def withdraw_token(request: Request, visitor: Person, number: Number) -> Response:
    """Withdraw one's own token."""

    def end(connection: Connection, person: int) -> None:
        name = end_token(connection, number, person=person)
        audit.write(connection, visitor.email, "token ended", name)

    return _do(request, visitor, end)


def _do(request: Request, visitor: Visitor, act: Any) -> Response:
    """Act in one transaction and show the account again; or the page with what was wrong."""
    try:
        with request.app.state.engine.begin() as connection:
            act(connection, _number(visitor))
    except SongsinhError as error:
        return _page(request, visitor, problem=str(error), status=422)
    return RedirectResponse("/account", 303)


def _number(visitor: Visitor) -> int:
    if visitor.person_id is None:
        raise AccessError("nobody is signed in; sign in first")
    return visitor.person_id


def _kept(connection: Connection, person: int) -> str:
    found = select(tables.people.c.password).where(tables.people.c.id == person)
    return connection.execute(found).scalar() or ""


def _page(
    request: Request, visitor: Visitor, *, token: str = "", problem: str = "", status: int = 200
) -> Response:
    with request.app.state.engine.connect() as connection:
        person = _number(visitor)
        twins = connection.execute(select(tables.twins.c.name).order_by("name")).scalars().all()
        page = Account(
            name=visitor.name,
            email=visitor.email,
            language=visitor.language,
            zone=visitor.zone,
            spoken=LANGUAGES,
            zones=tuple(sorted(available_timezones())),
            has_password=bool(_kept(connection, person)),
            sessions=list_sessions(connection, person, here=visitor.session),
            tokens=list_tokens(connection, person),
            scopes=SCOPES,
            twins=tuple(twin for twin in twins if visitor.may("viewer", twin)),
            token=token,
            problem=problem,
        )
    return show(request, "people/account.html", page, status=status)
