"""The way in and out: sign in, by password or provider, links that work once, sign out."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final, final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from songsinh.errors import AccessError, SongsinhError
from songsinh.web.pages.common import show
from songsinh.web.security import Visitor, audit, openid, public
from songsinh.web.security.entering import enter, leave
from songsinh.web.security.limits import address_of, refuse_above
from songsinh.web.security.links import Link, accept_link, read_link
from songsinh.web.security.passwords import check_sign_in
from songsinh.web.security.sessions import end_sessions

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Anybody = Annotated[Visitor, Depends(public())]
Field = Annotated[str, Form(max_length=1000)]
WRONG: Final = "wrong"  # the one answer to every refused sign-in


@final
@dataclass(frozen=True)
class SignIn:
    """The page to sign in; `provider` is the name of the one that may vouch, if any."""

    email: str
    next: str
    provider: str
    problem: str


@final
@dataclass(frozen=True)
class Welcome:
    """The page behind a link that works once."""

    link: Link
    email: str
    name: str
    problem: str


@router.get("/sign-in")
def show_sign_in(request: Request, visitor: Anybody, next: str = "/") -> Response:
    """The form to sign in."""
    if visitor.person_id is not None:
        return RedirectResponse(_inside(next), 303)
    return _sign_in_page(request, next=next)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    visitor: Anybody,
    *,
    email: Field = "",
    password: Field = "",
    next: Field = "/",
) -> Response:
    """Sign in with a password."""
    state = request.app.state
    refuse_above(state.limits.tries, address_of(request))
    async with state.limits.hashing:
        person = await asyncio.to_thread(check_sign_in, state.engine, email, password)
    if person is None:
        return _sign_in_page(request, email=email, next=next, problem=WRONG, status=401)
    return await asyncio.to_thread(enter, request, person, _inside(next))


@router.post("/sign-out")
def sign_out(request: Request, visitor: Anybody, *, everywhere: Field = "") -> Response:
    """End this session, or all of this person's."""
    if everywhere and visitor.person_id is not None:
        with request.app.state.engine.begin() as connection:
            ended = end_sessions(connection, visitor.person_id)
            told = {"count": ended}
            audit.write(connection, visitor.email, "sessions ended", visitor.email, told)
    return leave(request, visitor)


@router.get("/link/{secret}", dependencies=[Depends(public())])
def show_link(request: Request, secret: str) -> Response:
    """What a link is for. Only the form uses it up: programs that look at mail follow links."""
    with request.app.state.engine.connect() as connection:
        link = read_link(connection, secret)
    return show(request, "people/link.html", Welcome(link, link.email, "", ""))


@router.post("/link/{secret}", dependencies=[Depends(public())])
async def use_link(
    request: Request,
    secret: str,
    *,
    password: Field = "",
    again: Field = "",
    email: Field = "",
    name: Field = "",
) -> Response:
    """Choose a password, and be signed in."""
    state = request.app.state
    refuse_above(state.limits.tries, address_of(request))

    def accept() -> Response:
        with state.engine.begin() as connection:
            link = read_link(connection, secret)
        try:
            if password != again:
                raise AccessError("the two passwords differ; type the same one twice")
            with state.engine.begin() as connection:
                person = accept_link(connection, secret, password, email=email, name=name)
        except SongsinhError as error:
            welcome = Welcome(link, link.email or email, name, str(error))
            return show(request, "people/link.html", welcome, status=422)
        return enter(request, person, "/")

    async with state.limits.hashing:
        return await asyncio.to_thread(accept)


@router.get("/openid/start", dependencies=[Depends(public())])
async def start_openid(request: Request) -> Response:
    """Go to the provider. A link, not a form: the policy lets forms go nowhere else."""
    settings = request.app.state.settings
    address, kept = await openid.start(settings)
    answer = RedirectResponse(address, 303)
    answer.set_cookie(
        openid.COOKIE,
        kept,
        max_age=600,
        path="/openid",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get("/openid/return", dependencies=[Depends(public())])
async def finish_openid(request: Request) -> Response:
    """Come back from the provider, and be signed in if the centre knows whom it vouches for."""
    state = request.app.state
    refuse_above(state.limits.tries, address_of(request))
    cookie = request.cookies.get(openid.COOKIE, "")
    claims = await openid.redeem(state.settings, request.query_params, cookie)

    def find() -> int | None:
        with state.engine.begin() as connection:
            return openid.known_person(connection, claims)

    person = await asyncio.to_thread(find)
    if person is None:
        raise AccessError("nobody here has this account; ask an administrator to invite you")
    answer = await asyncio.to_thread(enter, request, person, "/")
    answer.delete_cookie(openid.COOKIE, path="/openid")
    return answer


def _sign_in_page(
    request: Request,
    *,
    email: str = "",
    next: str = "/",
    problem: str = "",
    status: int = 200,
) -> Response:
    provider = request.app.state.settings.openid
    named = provider.name if provider else ""
    page = SignIn(email, _inside(next), named, problem)
    return show(request, "people/sign_in.html", page, status=status)


def _inside(address: str) -> str:
    """An address of ours to go on to; never another site's."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if ours and address.isprintable() else "/"
