"""Limits of size: how much one request may bring."""

import asyncio
from typing import Final, final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songsinh.web.settings import WebSettings

__all__ = ["BodyKeeper", "allow_body", "allow_upload"]

LIMIT: Final = "songsinh.body_limit"
UNKNOWN: Final = 1 << 20  # bytes from somebody whom no rule knows yet
LONGEST: Final = 30.0  # s for a body to come, and more for a long one:
SLOWEST: Final = 10_000.0  # bytes/s


def allow_body(connection: HTTPConnection, settings: WebSettings) -> None:
    """Let this request bring a body of the usual limit: its sender is known by now."""
    connection.scope[LIMIT][0] = settings.body_limit


def allow_upload(connection: HTTPConnection, settings: WebSettings) -> None:
    """Let this request bring a file: its rule says so, and its sender is known by now."""
    connection.scope[LIMIT][0] = settings.upload_limit


@final
class BodyKeeper:
    """Stops reading a body that is too large; the app sees an HTTP error 413."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, which reads no more than its limit."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        # what is parsed before its sender is known must not take much to parse
        limit = scope[LIMIT] = [min(self.settings.body_limit, UNKNOWN)]
        said = Headers(scope=scope).get("content-length", "")
        told = int(said) if said.isdecimal() else 0
        taken, whole, clock = 0, False, asyncio.get_running_loop().time
        begun = clock()

        async def receive_less() -> Message:
            nonlocal taken, whole
            if told > limit[0]:
                raise _too_large(limit[0])
            try:
                patience = begun + LONGEST + taken / SLOWEST
                async with asyncio.timeout_at(None if whole else patience):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, "the body comes too slowly; send it again") from error
            whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > limit[0]:
                raise _too_large(limit[0])
            return message

        return await self.app(scope, receive_less, send)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"this is more than {limit} bytes; send it in smaller parts")
