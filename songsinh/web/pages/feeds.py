"""Sources: where readings come from, how each does, and what was refused and why."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from songsinh.errors import DataError, SettingError, SongsinhError
from songsinh.live import read_settings
from songsinh.web import records
from songsinh.web.api.common import changed
from songsinh.web.pages.common import show
from songsinh.web.records import RefusalRow, SourceRow
from songsinh.web.security import Visitor, needs

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Engineer = Annotated[Visitor, Depends(needs("engineer"))]
KINDS: Final = ("mqtt", "sparkplug", "opcua", "replay")
CONNECTED: Final = ("connected", "playing", "done")
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
# what a form asks for: where it goes in the settings, and how it is read
ASKED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "mqtt": (
        ("broker.host", "text"),
        ("broker.port", "whole"),
        ("broker.user", "text"),
        ("broker.password", "secret"),
        ("broker.tls", "yes"),
        ("topic", "text"),
    ),
    "sparkplug": (
        ("broker.host", "text"),
        ("broker.port", "whole"),
        ("broker.user", "text"),
        ("broker.password", "secret"),
        ("broker.tls", "yes"),
        ("group", "text"),
        ("twin", "text"),
    ),
    "opcua": (
        ("url", "text"),
        ("user", "text"),
        ("password", "secret"),
        ("items", "lines"),
    ),
    "replay": (
        ("path", "text"),
        ("twin", "text"),
        ("columns", "lines"),
        ("speed", "number"),
        ("loop", "yes"),
    ),
}
USUAL: Final = {
    "broker.host": "localhost",
    "broker.port": "1883",
    "topic": "songsinh/{twin}/{signal}",
    "group": "+",
    "twin": "",
    "url": "opc.tcp://localhost:4840",
    "speed": "1",
}


@final
@dataclass(frozen=True)
class Feed:
    """A source with how it does, as the hub says it, and what was refused of it."""

    source: SourceRow
    connected: bool
    doing: str
    refused: int
    accepted: int  # since the follower started
    skew: float | None  # s that its clock is behind ours, by the median


@final
@dataclass(frozen=True)
class Feeds:
    """All sources, and all refusals, the latest first."""

    feeds: tuple[Feed, ...]
    refusals: tuple[RefusalRow, ...]
    now_us: int


@final
@dataclass(frozen=True)
class NewFeed:
    """The form of a new source, as filled in so far, and what is wrong with it."""

    kind: str
    kinds: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]
    given: Mapping[str, str]
    problem: str = ""


@router.get("/sources")
async def show_feeds(request: Request, visitor: Engineer) -> Response:
    """The sources."""
    engine = request.app.state.engine
    sources = await asyncio.to_thread(records.list_sources, engine)
    refusals = await asyncio.to_thread(records.list_refusals, engine)
    try:
        told = (await asyncio.wait_for(request.app.state.hub.state(), 3.0)).get("sources") or {}
    except (SongsinhError, OSError, TimeoutError):
        told = {}
    counts: dict[str, int] = {}
    for row in refusals:
        counts[row.source] = counts.get(row.source, 0) + row.count
    feeds = tuple(_feed(row, told.get(row.name), counts.get(row.name, 0)) for row in sources)
    latest = max((row.last_us for row in refusals), default=0)
    return show(request, "feeds.html", Feeds(feeds, refusals, latest))


@router.get("/sources/new")
async def ask_feed(request: Request, visitor: Engineer, kind: str = "mqtt") -> Response:
    """The form of a new source."""
    kind = kind if kind in KINDS else "mqtt"
    given = {**USUAL, "twin": "{device}" if kind == "sparkplug" else ""}
    return show(request, "new_feed.html", NewFeed(kind, KINDS, ASKED[kind], given))


@router.post("/sources/new")
async def add_feed(
    request: Request,
    visitor: Engineer,
    name: Annotated[str, Form(max_length=64)],
    kind: Annotated[Literal["mqtt", "sparkplug", "opcua", "replay"], Form()],
) -> Response:
    """Make the source, or show the form again with what is wrong."""
    form = await request.form()
    given = {key: str(value) for key, value in form.items() if isinstance(value, str)}
    try:
        settings = _settings(kind, given)
        if not re.fullmatch(NAME, name):
            raise DataError("is no name for a source; use letters, digits and .-_", value=name)
        read_settings(kind, name, settings)
        await asyncio.to_thread(
            records.add_source,
            request.app.state.engine,
            name,
            kind=kind,
            settings=settings,
            by=visitor,
        )
    except SongsinhError as error:
        kept = {key: value for key, value in given.items() if "password" not in key}
        again = NewFeed(kind, KINDS, ASKED[kind], kept, str(error))
        return show(request, "new_feed.html", again, status=422)
    await changed(request)
    return RedirectResponse("/sources", 303)


@router.post("/sources/{source}")
async def change_feed(
    request: Request,
    visitor: Engineer,
    source: str,
    action: Annotated[Literal["pause", "resume", "settings"], Form()],
    settings: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    """Pause, resume, or give other settings; a secret left masked stays as it is."""
    engine, new = request.app.state.engine, None
    if action == "settings":
        new = _read_json(settings)
        row = await asyncio.to_thread(records.read_source, engine, source)
        if row is not None:
            read_settings(row.kind, source, new)
    state = {"pause": "paused", "resume": "running"}.get(action)
    await asyncio.to_thread(
        records.edit_source, engine, source, by=visitor, settings=new, state=state
    )
    await changed(request)
    return RedirectResponse("/sources", 303)


def _feed(row: SourceRow, told: Any, refused: int) -> Feed:
    about = told if isinstance(told, Mapping) else {"state": told or ""}
    doing = str(about.get("note") or "")
    skew = about.get("skew")
    return Feed(
        row,
        connected=doing.startswith(CONNECTED),
        doing=doing,
        refused=refused,
        accepted=int(about.get("accepted") or 0),
        skew=float(skew) if isinstance(skew, int | float) else None,
    )


def _read_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SettingError(f"the settings are no JSON: {error}; correct them") from error
    if not isinstance(found, dict):
        raise SettingError("the settings are no table; write them between { and }")
    return found


def _settings(kind: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a form describes; what was left empty is left out."""
    settings: dict[str, Any] = {}
    for key, form in ASKED[kind]:
        text = given.get(key, "").strip()
        if not text:
            continue
        if key == "topic":
            settings["routes"] = [{"topic": text}]
        elif form == "lines":
            lines = [line for line in text.splitlines() if line.strip()]
            settings[key] = _items(lines) if key == "items" else dict(map(_column, lines))
        else:
            _put(settings, key, _value(key, text, form))
    return settings


def _value(key: str, text: str, form: str) -> Any:
    try:
        if form == "whole":
            return int(text)
        return float(text) if form == "number" else text == "yes" if form == "yes" else text
    except ValueError as error:
        raise DataError(f"is no number; {key} needs one", value=text) from error


def _put(settings: dict[str, Any], key: str, value: Any) -> None:
    first, _, rest = key.partition(".")
    if rest:
        _put(settings.setdefault(first, {}), rest, value)
    else:
        settings[first] = value


def _items(lines: list[str]) -> list[dict[str, str]]:
    """Lines such as: ns=2;s=Line1.Voltage = b0005/voltage mV."""
    found = []
    for line in lines:
        match = re.fullmatch(r"\s*(\S+)\s+=\s+([^/\s]+)/(\S+)(?:\s+(\S+))?\s*", line)
        if match is None:
            raise DataError(
                "cannot be read; write NODE = TWIN/SIGNAL UNIT with spaces around =", value=line
            )
        node, twin, signal, unit = match.groups()
        found.append({"node": node, "twin": twin, "signal": signal, "unit": unit or ""})
    return found


def _column(line: str) -> tuple[str, dict[str, str]]:
    """A line such as: Voltage_measured = b0005/voltage mV."""
    match = re.fullmatch(r"\s*(.+?)\s*=\s*(\S+)(?:\s+(\S+))?\s*", line)
    if match is None:
        raise DataError("cannot be read; write COLUMN = TWIN/SIGNAL UNIT", value=line)
    return match[1], {"signal": match[2], "unit": match[3] or ""}
