"""Headers that every answer carries: what browsers must not do with our pages."""

from typing import Final, final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songsinh.web.settings import WebSettings

__all__ = ["POLICY", "HeaderKeeper"]

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
ALWAYS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not no-referrer: with it browsers call the origin of our own forms "null"
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


@final
class HeaderKeeper:
    """Puts the headers on, and the cookies that were set on the way."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self.app = app
        self.always = dict(ALWAYS)
        if settings.secure:
            self.always["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, with our headers."""
        scope["songsinh.cookies"] = []

        async def send_more(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                headers.update(self.always)
                headers.setdefault("cache-control", _kept_for(scope))
                for cookie in scope["songsinh.cookies"]:
                    headers.append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_more)


def _kept_for(scope: Scope) -> str:
    """What is about people is not kept; a file of ours whose address names its content may be."""
    if not scope.get("path", "").startswith("/static/"):
        return "no-store"
    named = scope.get("query_string", b"").startswith(b"v=")
    return "public, max-age=31536000, immutable" if named else "no-cache"
