"""Against forged requests: a foreign page may send one, but cannot read what must go with it."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request

from songsinh.web.security.secrets import draw, same, sign
from songsinh.web.settings import WebSettings

__all__ = ["SAFE", "comes_from_here", "form_sign", "has_sign", "keep_cookie"]

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
FORM_COOKIE: Final = "songsinh-form"
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def form_sign(connection: HTTPConnection, settings: WebSettings, session: str | None) -> str:
    """The sign that forms of this visitor carry: bound to the session, else to a cookie."""
    if session is not None:
        return sign(settings.secret, "form", session)
    chance = connection.cookies.get(FORM_COOKIE, "")
    if not 32 <= len(chance) <= 64:
        chance = draw()
        keep_cookie(connection, FORM_COOKIE, chance, secure=settings.secure)
    return sign(settings.secret, "form before sign in", chance)


def keep_cookie(
    connection: HTTPConnection, name: str, value: str, *, secure: bool, age: int | None = None
) -> None:
    """Let the answer set a cookie, whatever answer it will be; the headers' keeper sends it."""
    parts = [f"{name}={value}", "HttpOnly", "Path=/", "SameSite=Lax"]
    parts += [f"Max-Age={age}"] if age is not None else []
    parts += ["Secure"] if secure else []
    connection.scope["songsinh.cookies"].append("; ".join(parts))


async def has_sign(connection: HTTPConnection, expected: str) -> bool:
    """Whether the sign came along, in the header X-CSRF-Token or the field `csrf`."""
    given = connection.headers.get("x-csrf-token", "")
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not given and kind in FORMS and isinstance(connection, Request):
        field = (await connection.form()).get("csrf")
        given = field if isinstance(field, str) else ""
    return same(given, expected)


def comes_from_here(connection: HTTPConnection, settings: WebSettings) -> bool:
    """Whether the browser says that one of our own pages asks; other programs say nothing."""
    if connection.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    own = {connection.headers.get("host", ""), urlsplit(settings.base).netloc}
    return urlsplit(origin).netloc in own - {""}
