"""Entering and leaving: the answer that carries, or takes away, the session's cookie."""

from typing import Final

from fastapi.responses import RedirectResponse
from sqlalchemy import Engine
from starlette.requests import Request

from songsinh.web.security.guards import session_cookie
from songsinh.web.security.roles import Visitor
from songsinh.web.security.secrets import fingerprint
from songsinh.web.security.sessions import begin_session, end_session, find_visitor
from songsinh.web.settings import WebSettings

__all__ = ["enter", "leave"]

GO_ON: Final = 303


def enter(request: Request, person: int, address: str) -> RedirectResponse:
    """Go on to an address in a new session; the one of before, whosever it was, is over."""
    settings: WebSettings = request.app.state.settings
    engine: Engine = request.app.state.engine
    name = session_cookie(settings)
    before = request.cookies.get(name, "")
    with engine.begin() as connection:
        known = find_visitor(connection, before, settings) if before else None
        if known is not None and known.person_id is not None:
            end_session(connection, fingerprint(before), person=known.person_id)
        agent = request.headers.get("user-agent", "")
        secret = begin_session(connection, person, settings, agent=agent)
    answer = RedirectResponse(address, GO_ON)
    answer.set_cookie(
        name,
        secret,
        max_age=int(settings.session_most),
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def leave(request: Request, visitor: Visitor) -> RedirectResponse:
    """Go to the page to sign in, with this session over."""
    settings: WebSettings = request.app.state.settings
    if visitor.session is not None and visitor.person_id is not None:
        with request.app.state.engine.begin() as connection:
            end_session(connection, visitor.session, person=visitor.person_id)
    answer = RedirectResponse("/sign-in", GO_ON)
    answer.delete_cookie(
        session_cookie(settings), path="/", secure=settings.secure, httponly=True, samesite="lax"
    )
    return answer
