"""How a page is shown: one frozen context, as HTML or JSON, at one address."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

import orjson
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from markupsafe import Markup
from sqlalchemy import select

from songsinh.database import tables
from songsinh.web.pages import sentences
from songsinh.web.pages.sparks import Outlook, draw
from songsinh.web.problems import wants_json
from songsinh.web.records import count_alerts
from songsinh.web.wording import LANGUAGES, Wording, chosen_language, known_zone

__all__ = ["Notice", "Page", "read_wording", "show", "wants_json"]

WEB: Final = Path(__file__).parent.parent
PLACES: Final = (  # address, least role
    ("/", "viewer"),
    ("/alerts", "viewer"),
    ("/history", "viewer"),
    ("/sources", "engineer"),
    ("/people", "administrator"),
    ("/audit", "administrator"),
    ("/settings", "administrator"),
)


@final
@dataclass(frozen=True)
class Place:
    """A place in the navigation; `count` of what waits there, if any."""

    address: str
    title: str
    here: bool
    count: int | None = None


@final
@dataclass(frozen=True)
class Notice:
    """A line above the page about what was just done: good, care or bad."""

    text: str
    kind: str = "good"


@final
@dataclass(frozen=True)
class Page:
    """What is around the content: language, colours, zone and navigation."""

    language: str
    theme: str
    zone: str
    address: str
    nav: tuple[Place, ...]
    languages: tuple[tuple[str, str], ...] = LANGUAGES
    notices: tuple[Notice, ...] = ()


def show(
    request: Request,
    template: str,
    context: Any,
    *,
    status: int = 200,
    notices: tuple[Notice, ...] = (),
) -> Response:
    """The context, a dataclass, as a page; or as JSON for programs, at the same address."""
    if wants_json(request):
        body = orjson.dumps(context, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)
        return Response(body, status, media_type="application/json", headers=VARY)
    w = read_wording(request)
    shown = {field.name: getattr(context, field.name) for field in fields(context)}
    around = {
        "page": _page(request, w, notices),
        "csrf": getattr(request.state, "csrf", ""),
        "visitor": getattr(request.state, "visitor", None),
        "w": w,
    }
    text = _environment(w.language).get_template(template).render(shown | around)
    return HTMLResponse(text, status, headers=VARY)


FRESH: Final = 60.0  # s
VARY: Final = {"Vary": "Accept, Cookie, HX-Request", "Cache-Control": "no-store"}


def read_wording(request: Request) -> Wording:
    """The reader's language and zone: as chosen here, by the account, the browser, the centre."""
    visitor = getattr(request.state, "visitor", None)
    languages = (
        request.cookies.get("language", ""),
        getattr(visitor, "language", "") or "",
        request.headers.get("accept-language", ""),
        _default_language(request.app.state),
    )
    zones = (getattr(visitor, "zone", "") or "", request.cookies.get("zone", ""))
    return Wording(chosen_language(languages), known_zone(zones))


def forget_language(request: Request) -> None:
    """Let the centre's language be read anew, as it was changed."""
    request.app.state.language = None


def _default_language(state: Any) -> str:
    """The language that the centre is set to, looked up now and then."""
    kept = getattr(state, "language", None)
    if kept is None or kept[0] < time.monotonic() - FRESH:
        settings = tables.settings
        query = select(settings.c.value).where(settings.c.name == "language")
        with state.engine.connect() as connection:
            kept = time.monotonic(), str(connection.execute(query).scalar() or "en")
        state.language = kept
    return str(kept[1])


def _page(request: Request, w: Wording, notices: tuple[Notice, ...]) -> Page:
    theme = request.cookies.get("theme", "")
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Page(
        language=w.language,
        theme=theme if theme in ("light", "dark") else "",
        zone=w.zone,
        address=address if request.method == "GET" else request.url.path,
        nav=_nav(request, w),
        notices=notices,
    )


def _nav(request: Request, w: Wording) -> tuple[Place, ...]:
    visitor = getattr(request.state, "visitor", None)
    if visitor is None or visitor.person_id is None:
        return ()
    _ = w.gettext
    titles = {
        "/": _("Twins"),
        "/alerts": _("Alerts"),
        "/history": _("History"),
        "/sources": _("Sources"),
        "/people": _("People"),
        "/audit": _("Audit"),
        "/settings": _("Settings"),
    }
    path = request.url.path
    names = None if "*" in visitor.roles else tuple(visitor.roles)
    waiting = count_alerts(request.app.state.engine, names=names)
    counts = {"/alerts": sum(waiting.values())}
    return tuple(
        Place(address, titles[address], _is_here(path, address), counts.get(address))
        for address, role in PLACES
        if role == "viewer" or visitor.may(role)
    )


def _is_here(path: str, address: str) -> bool:
    under = path.startswith(address + "/") or path == address
    return under or (address == "/" and path.startswith("/twins"))


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError


@lru_cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    w = Wording(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        w.gettext, w.ngettext, newstyle=True
    )
    environment.filters["json"] = _script
    environment.globals |= {
        "static": _static,
        "hidden": _hidden,
        "draw": draw,
        "iso": _iso,
        "pretty": _pretty,
        "none_ahead": Outlook(),
        **{name: getattr(sentences, name) for name in sentences.__all__},
    }
    return environment


@lru_cache
def _static(path: str) -> str:
    """The address of a file of ours; it changes with the file, so that it may be kept for ever."""
    body = (WEB / "static" / path).read_bytes()
    return f"/static/{path}?v={hashlib.sha256(body).hexdigest()[:12]}"


def _script(value: Any) -> Markup:
    """A value as JSON that may stand inside a script element."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain).decode()
    return Markup(body.replace("<", "\\u003c"))


def _pretty(value: Any) -> str:
    """Settings as JSON that a person can edit."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=_plain).decode()


def _iso(time_us: int) -> str:
    """A time (us since 1970) as programs read it."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")


@pass_context
def _hidden(context: Any) -> Markup:
    """The hidden field that every form of ours carries against forged requests."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(context.get("csrf") or "")
