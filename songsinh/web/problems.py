"""Errors as answers: problem+json (RFC 9457) for programs, a page for people."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, final
from urllib.parse import quote

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songsinh.errors import AccessError, SongsinhError

__all__ = ["ErrorKeeper", "handle_errors", "problem", "wants_json"]

LOG: Final = logging.getLogger("songsinh.web")
KIND: Final = "Content-Type"
BEGUN: Final = ("http.response.start", "websocket.accept")


@final
@dataclass(frozen=True)
class Trouble:
    """What the page of an error shows."""

    status: int
    title: str
    detail: str


def handle_errors(app: FastAPI) -> None:
    """Let the app answer every error by this file."""
    app.add_exception_handler(SongsinhError, _on_purpose)
    app.add_exception_handler(RequestValidationError, _badly_asked)
    app.add_exception_handler(HTTPException, _refused)


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """An error as an answer: JSON when a program asks, else a page."""
    title = HTTPStatus(status).phrase
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    if wants_json(request):
        kind = "application/problem+json"
        return JSONResponse(told, status, headers=dict(headers or {}), media_type=kind)
    return _page(request, told, dict(headers or {}))


def wants_json(request: Request | WebSocket) -> bool:
    """Whether a program asks: by the path, the token, `Accept` or `?format=json`."""
    accepts = request.headers.get("accept", "")
    return (
        request.url.path.startswith(("/api/", "/health/", "/metrics"))
        or "authorization" in request.headers
        or request.query_params.get("format") == "json"
        or ("application/json" in accepts and "text/html" not in accepts)
    )


async def _on_purpose(request: Request, error: Exception) -> Response:
    status = 403 if isinstance(error, AccessError) else 422
    return await _refused(request, HTTPException(status, str(error)))


async def _badly_asked(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    # never the value itself: it may be a password
    wrong = [
        {"where": ".".join(str(step) for step in one["loc"]), "what": one["msg"]} for one in found
    ]
    first = f": {wrong[0]['where']}: {wrong[0]['what']}" if wrong else ""
    if wrong and wrong[0]["where"] == "body" and "json" not in request.headers.get(KIND, ""):
        first = f": it is not sent as JSON (say {KIND}: application/json)"
    return problem(request, 422, f"the request cannot be read{first}; correct it", errors=wrong)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _unexpected(request, error)
    if isinstance(request, WebSocket):
        return problem_of_socket(error)
    if error.status_code == 401 and not wants_json(request) and request.method in ("GET", "HEAD"):
        after = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(after)}", 303)
    return problem(request, error.status_code, str(error.detail), headers=error.headers)


def problem_of_socket(error: HTTPException) -> Response:
    """The answer to a WebSocket that is not let in."""
    told = {"title": HTTPStatus(error.status_code).phrase, "status": error.status_code}
    kind = "application/problem+json"
    return JSONResponse({**told, "detail": error.detail}, error.status_code, media_type=kind)


@final
class ErrorKeeper:
    """Answers what nobody foresaw with an id that the log has too, and with no detail."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, or 500 when it has not begun to answer."""
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            started = started or message["type"] in BEGUN
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            request = Request(scope, receive)
            answer = await _unexpected(request, error)
            await answer(scope, receive, send)


async def _unexpected(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(6)
    path = request.scope.get("path")
    LOG.error("error %s at %s", number, path, exc_info=error)
    detail = f"something went wrong on our side; it is logged as {number}"
    return problem(request, 500, detail, id=number)


def _page(request: Request, told: Mapping[str, Any], headers: dict[str, str]) -> Response:
    """The error as a page; in plain words should the page itself be what fails."""
    from songsinh.web.pages.common import show

    shown = Trouble(told["status"], str(told["title"]), str(told["detail"]))
    try:
        answer = show(request, "error.html", shown, status=told["status"])
    except Exception as error:
        LOG.error("the error page cannot be shown", exc_info=error)
        return PlainTextResponse(shown.detail, shown.status, headers)
    answer.headers.update(headers)
    return answer
