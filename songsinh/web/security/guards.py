"""Rules at the doors of routes: who may pass. A route without one is refused by a test."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import final

from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from songsinh.web.security.bodies import allow_body, allow_upload
from songsinh.web.security.forgery import SAFE, comes_from_here, form_sign, has_sign
from songsinh.web.security.limits import refuse_above
from songsinh.web.security.roles import Role, Scope, Visitor
from songsinh.web.security.sessions import find_visitor
from songsinh.web.security.tokens import find_program
from songsinh.web.settings import WebSettings

__all__ = ["Needs", "Public", "needs", "public", "session_cookie"]


@final
@dataclass(frozen=True)
class Needs:
    """Lets through who has the role; gives the `Visitor`. See `needs`."""

    role: Role
    twin: bool = False
    anywhere: bool = False
    scope: Scope | None = None
    person: bool = False
    uploads: bool = False

    @property
    def rule(self) -> str:
        """The rule in one word or two, such as `operator` or `operator of the twin`."""
        return f"{self.role} of the twin" if self.twin else self.role

    async def __call__(self, connection: HTTPConnection) -> AsyncIterator[Visitor]:
        """The visitor, or an HTTP error 401 or 403."""
        try:
            yield await self._judge(connection)
        finally:
            await put_away(connection)

    async def _judge(self, connection: HTTPConnection) -> Visitor:
        visitor = await recognise(connection)
        if visitor.person_id is None:
            raise HTTPException(
                401,
                "nobody is signed in; sign in, or send a token as Authorization: Bearer",
                {"WWW-Authenticate": "Bearer"},
            )
        self._weigh_scope(visitor, connection)
        if not self._has_role(visitor, connection):
            twin = connection.path_params.get("name")
            place = f"the twin {twin!r}" if self.twin else "the centre"
            raise HTTPException(
                403, f"this needs the role {self.role} at {place}; ask an administrator for it"
            )
        if connection.scope["type"] == "http":
            allow = allow_upload if self.uploads else allow_body
            allow(connection, connection.app.state.settings)
        await refuse_forged(connection)
        return visitor

    def _has_role(self, visitor: Visitor, connection: HTTPConnection) -> bool:
        if self.twin:
            return visitor.may(self.role, str(connection.path_params.get("name", "*")))
        if self.anywhere or self.role == "viewer":
            return visitor.may_somewhere(self.role)
        return visitor.may(self.role)

    def _weigh_scope(self, visitor: Visitor, connection: HTTPConnection) -> None:
        """A token does what its scope says: `write` all, `read` and `push` only that."""
        if visitor.token_scope is None:
            return
        if self.person:
            raise HTTPException(403, "this is not for tokens; sign in as a person in a browser")
        safe = connection.scope.get("method", "GET") in SAFE
        wanted = self.scope or ("read" if safe else "write")
        if visitor.token_scope not in (wanted, "write"):
            raise HTTPException(
                403,
                f"this needs a token with scope {wanted!r}, and yours has "
                f"{visitor.token_scope!r}; make another one",
            )


@final
@dataclass(frozen=True)
class Public:
    """Lets everybody through; gives the `Visitor`, who may be nobody known."""

    @property
    def rule(self) -> str:
        """The rule in one word."""
        return "public"

    async def __call__(self, connection: HTTPConnection) -> AsyncIterator[Visitor]:
        """The visitor."""
        try:
            visitor = await recognise(connection)
            await refuse_forged(connection)
            yield visitor
        finally:
            await put_away(connection)


def needs(
    role: Role,
    *,
    twin: bool = False,
    anywhere: bool = False,
    scope: Scope | None = None,
    person: bool = False,
    uploads: bool = False,
) -> Needs:
    """The rule that a route is for this role and those above it.

    The role must be held for the whole centre; with `twin`, for the twin that the path parameter
    `name` names; with `anywhere`, for some twin, and the route itself asks `visitor.may` for the
    right one. To be a viewer of some twin is enough for "viewer". A token needs scope "read" for
    GET and "write" for the rest, unless `scope` says otherwise; `person` keeps tokens out. With
    `uploads` the body may have `upload_limit` bytes, if the route reads `request.form()` itself.
    """
    return Needs(role, twin=twin, anywhere=anywhere, scope=scope, person=person, uploads=uploads)


def public() -> Public:
    """The rule that a route is for everybody, signed in or not."""
    return Public()


def session_cookie(settings: WebSettings) -> str:
    """The name of the session's cookie; over TLS the browser itself guards it by its name."""
    return "__Host-songsinh" if settings.secure else "songsinh"


async def put_away(connection: HTTPConnection) -> None:
    """Close the files of a form that was read on the way."""
    if isinstance(connection, Request):
        await connection.close()


async def recognise(connection: HTTPConnection) -> Visitor:
    """Who is asking, by token or cookie; an HTTP error 401 for a wrong token.

    Leaves `visitor` (None for nobody known) and `csrf`, the sign for forms, in the request's state.
    """
    settings: WebSettings = connection.app.state.settings
    engine = connection.app.state.engine
    secret = _token(connection)
    if secret is not None:
        visitor = await asyncio.to_thread(_program, engine, secret)
        csrf = None
    else:
        cookie = connection.cookies.get(session_cookie(settings), "")
        visitor = Visitor()
        if cookie:
            visitor = await asyncio.to_thread(_person, engine, cookie, settings)
        csrf = form_sign(connection, settings, visitor.session)
    known = visitor.person_id is not None
    if known:
        refuse_above(connection.app.state.limits.people, str(visitor.person_id))
    connection.state.visitor = visitor if known else None
    connection.state.csrf = csrf
    return visitor


async def refuse_forged(connection: HTTPConnection) -> None:
    """Pass, or an HTTP error 403 when a foreign page made the browser send this."""
    socket, csrf = connection.scope["type"] == "websocket", connection.state.csrf
    # a token is not sent by browsers on their own, so nobody can be made to send it
    if csrf is None or (not socket and connection.scope["method"] in SAFE):
        return
    if not comes_from_here(connection, connection.app.state.settings):
        raise HTTPException(403, "another site's page sent this; open the centre itself")
    if not socket and not await has_sign(connection, csrf):
        raise HTTPException(403, "the form is too old or not ours; load the page again")


def _token(connection: HTTPConnection) -> str | None:
    """The token that comes along; browsers can give sockets no header but their protocols."""
    kind, _, secret = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    if connection.scope["type"] == "websocket":
        for offered in connection.headers.get("sec-websocket-protocol", "").split(","):
            if offered.strip().startswith("bearer."):
                return offered.strip().removeprefix("bearer.")
    return None


def _person(engine: Engine, cookie: str, settings: WebSettings) -> Visitor:
    with engine.begin() as connection:
        return find_visitor(connection, cookie, settings) or Visitor()


def _program(engine: Engine, secret: str) -> Visitor:
    with engine.begin() as connection:
        visitor = find_program(connection, secret)
    if visitor is None:
        raise HTTPException(
            401,
            "the token is unknown, withdrawn or over; make another one",
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    return visitor
