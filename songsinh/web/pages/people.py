"""People of the centre, for administrators: who there is, what they may do, and the audit log."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, select

from songsinh.database import tables
from songsinh.errors import SongsinhError
from songsinh.web import records
from songsinh.web.api.common import Number
from songsinh.web.pages.common import show
from songsinh.web.records import AuditRow
from songsinh.web.security import ROLES, Visitor, audit, needs
from songsinh.web.security.accounts import (
    PersonRow,
    add_person,
    email_of,
    give_role,
    list_people,
    set_enabled,
)
from songsinh.web.security.links import make_link
from songsinh.web.security.tokens import TokenRow, end_token, list_tokens

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Administrator = Annotated[Visitor, Depends(needs("administrator", person=True))]
Field = Annotated[str, Form(max_length=1000)]


@final
@dataclass(frozen=True)
class People:
    """The page of people; `link` is an address just made for `invited`, shown this once."""

    people: tuple[PersonRow, ...]
    tokens: tuple[TokenRow, ...]
    roles: tuple[str, ...]
    twins: tuple[str, ...]
    link: str
    invited: str
    problem: str


@final
@dataclass(frozen=True)
class Trail:
    """A page of the audit log; `broken` is the first row that does not fit its chain."""

    rows: tuple[AuditRow, ...]
    next: str | None
    checked: int | None
    broken: int | None
    head: str


@router.get("/people")
def show_people(request: Request, visitor: Administrator) -> Response:
    """All people, with their roles."""
    return _page(request)


@router.post("/people")
def invite(
    request: Request,
    visitor: Administrator,
    *,
    email: Field = "",
    name: Field = "",
    role: Field = "",
    twin: Field = "*",
) -> Response:
    """Add a person, and show the link by which they choose a password."""

    def add(connection: Connection) -> int:
        person = add_person(connection, email, name, by=visitor.email)
        if role:
            give_role(connection, person, role, twin=twin, by=visitor.email)
        return person

    return _with_link(request, visitor, add)


@router.post("/people/{number}/link")
def renew_link(request: Request, visitor: Administrator, number: Number) -> Response:
    """Show a link by which a person chooses a new password."""
    return _with_link(request, visitor, lambda connection: number)


@router.post("/people/{number}/role")
def change_role(
    request: Request,
    visitor: Administrator,
    number: Number,
    *,
    role: Field = "",
    twin: Field = "*",
) -> Response:
    """Give a role for a twin or the centre, or take it away."""
    return _do(request, lambda c: give_role(c, number, role, twin=twin, by=visitor.email))


@router.post("/people/{number}/entry")
def change_entry(
    request: Request, visitor: Administrator, number: Number, *, enabled: Field = ""
) -> Response:
    """Let a person in, or keep them out."""
    return _do(request, lambda c: set_enabled(c, number, enabled == "yes", by=visitor.email))


@router.post("/people/tokens/{number}/end")
def withdraw_any_token(request: Request, visitor: Administrator, number: Number) -> Response:
    """Withdraw anybody's token."""

    def end(connection: Connection) -> None:
        audit.write(connection, visitor.email, "token ended", end_token(connection, number))

    return _do(request, end)


@router.get("/audit")
def show_audit(
    request: Request, visitor: Administrator, *, after: str | None = None, check: bool = False
) -> Response:
    """The audit log, the newest first; with `check` its chain is followed from the start."""
    engine = request.app.state.engine
    page = records.list_audit(engine, after=after, limit=100)
    verdict = None
    if check:
        with engine.connect() as connection:
            verdict = audit.verify(connection)
    trail = Trail(
        rows=page.rows,
        next=page.next,
        checked=verdict.rows if verdict else None,
        broken=verdict.broken if verdict else None,
        head=verdict.head if verdict else "",
    )
    return show(request, "people/audit.html", trail)


def _with_link(request: Request, visitor: Visitor, find: Callable[[Connection], int]) -> Response:
    """The page with a fresh link for the person that is found."""
    try:
        with request.app.state.engine.begin() as connection:
            person = find(connection)
            secret = make_link(connection, person, by=visitor.email)
            invited = email_of(connection, person)
    except SongsinhError as error:
        return _page(request, problem=str(error), status=422)
    link = f"{request.app.state.settings.base}/link/{secret}"
    return _page(request, link=link, invited=invited)


def _do(request: Request, act: Callable[[Connection], None]) -> Response:
    """Act in one transaction and show the people again; or the page with what was wrong."""
    try:
        with request.app.state.engine.begin() as connection:
            act(connection)
    except SongsinhError as error:
        return _page(request, problem=str(error), status=422)
    return RedirectResponse("/people", 303)


def _page(
    request: Request, *, link: str = "", invited: str = "", problem: str = "", status: int = 200
) -> Response:
    with request.app.state.engine.connect() as connection:
        twins = connection.execute(select(tables.twins.c.name).order_by("name")).scalars().all()
        people = People(
            people=list_people(connection),
            tokens=list_tokens(connection),
            roles=ROLES,
            twins=tuple(twins),
            link=link,
            invited=invited,
            problem=problem,
        )
    return show(request, "people/people.html", people, status=status)
