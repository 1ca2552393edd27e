"""The first page: every twin, the worst first, with what it believes and what comes next."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Engine

from songsinh.errors import SongsinhError
from songsinh.web import records
from songsinh.web.api.common import seen
from songsinh.web.pages.common import Notice, read_wording, show
from songsinh.web.pages.past import read_past
from songsinh.web.pages.portraits import Believed, Coming, Portrait, Signal, read_portrait
from songsinh.web.pages.sparks import Outlook, Trace
from songsinh.web.records import TwinRow
from songsinh.web.security import Visitor, needs

__all__ = ["Home", "router"]

router: Final = APIRouter(include_in_schema=False)
SIZE: Final = 20
GRAVITY: Final = ("danger", "warning", "notice", "")
STATES: Final = (
    "broken",
    "doubtful",
    "behind",
    "silent",
    "starting",
    "following",
    "paused",
)  # worst first
PAST: Final = 1.0  # of the horizon is shown before now
MOST: Final = 60  # points of a small chart


@final
@dataclass(frozen=True)
class Line:
    """One twin in a line; times in s since 1970."""

    name: str
    title: str
    state: str
    why: str
    worst: str
    alerts: int
    time: float | None
    signal: Signal | None  # the one drawn
    believed: tuple[Believed, ...]
    past: Trace
    outlook: Outlook
    threshold: float | None
    coming: Coming | None


@final
@dataclass(frozen=True)
class Filters:
    """Which twins are shown: by a word in the name, by state; and which page of them."""

    search: str = ""
    state: str = ""
    page: int = 1

    def at(self, **other: Any) -> str:
        """The address with other filters."""
        named = {"search": self.search, "state": self.state} | other
        return "/?" + urlencode({key: value for key, value in named.items() if value})


@final
@dataclass(frozen=True)
class Home:
    """A page of twins; `counts` of all of them by state, `may_add` whether one may add more."""

    filters: Filters
    rows: tuple[Line, ...]
    counts: Mapping[str, int]
    total: int
    pages: int
    now: float
    may_add: bool


@router.get("/")
async def show_home(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("viewer"))],
    search: str = "",
    state: str = "",
    page: int = 1,
) -> Response:
    """All twins that the visitor may see."""
    app, w = request.app.state, read_wording(request)
    found = await asyncio.to_thread(_read_twins, app.engine, visitor)
    states = await _read_states(app.hub, found)
    wanted = [row for row in found if _fits(row, states[row.name], search, state)]
    wanted.sort(key=lambda row: _badness(row, states[row.name]))
    pages = max(1, -(-len(wanted) // SIZE))
    page = min(max(page, 1), pages)
    here = wanted[(page - 1) * SIZE : page * SIZE]
    lines = await asyncio.gather(*(_line(app, row) for row in here))
    home = Home(
        filters=Filters(search, state, page),
        rows=tuple(line for line, _ in lines),
        counts=Counter(states.values()),
        total=len(wanted),
        pages=pages,
        now=time.time(),
        may_add=visitor.may("engineer"),
    )
    notices: tuple[Notice, ...] = ()
    if lines and not any(portrait.reached for _, portrait in lines):
        notices = (
            Notice(
                w.gettext(
                    "The process that follows the twins does not answer; what you see was "
                    "recorded before."
                ),
                "bad",
            ),
        )
    return show(request, "home.html", home, notices=notices)


def _read_twins(engine: Engine, visitor: Visitor) -> list[TwinRow]:
    rows: list[TwinRow] = []
    after = None
    while True:
        page = records.list_twins(
            engine, names=seen(visitor), after=after, limit=records.MOST, sort="name"
        )
        rows += page.rows
        after = page.next
        if after is None:
            return rows


async def _read_states(hub: Any, rows: list[TwinRow]) -> dict[str, str]:
    """How each twin does; what the hub does not know is silent."""
    try:
        told = (await asyncio.wait_for(hub.state(), 3.0)).get("twins") or {}
    except (SongsinhError, OSError, TimeoutError):  # the page tells that it is away
        told = {}
    states = {}
    for row in rows:
        about = told.get(row.name)
        said = about.get("state") if isinstance(about, Mapping) else about
        known = str(said) if said in STATES else "silent"
        states[row.name] = "paused" if row.state == "paused" else known
    return states


def _fits(row: TwinRow, state: str, search: str, wanted: str) -> bool:
    word = search.strip().casefold()
    named = word in row.name.casefold() or word in row.title.casefold()
    return named and (not wanted or state == wanted)


def _badness(row: TwinRow, state: str) -> tuple[int, int, str]:
    place = STATES.index(state) if state in STATES else len(STATES)
    return GRAVITY.index(row.worst), place, row.name


async def _line(app: Any, row: TwinRow) -> tuple[Line, Portrait]:
    portrait = await read_portrait(app.hub, row.name, paused=row.state == "paused")
    name = next((s for s in portrait.shown if s in portrait.outlooks), "")
    name = name or (portrait.shown[0] if portrait.shown else "")
    outlook = portrait.outlooks.get(name, Outlook())
    past = Trace()
    if name and portrait.time is not None:
        span = portrait.horizon * PAST or 3600.0
        start, end = portrait.time - span, portrait.time
        past = await asyncio.to_thread(
            read_past, app.engine, app.history, row.id, name, span=(start, end), most=MOST
        )
    coming = next((one for one in portrait.coming if one.probability), None)
    line = Line(
        *(row.name, row.title, portrait.state, portrait.why, row.worst, row.alerts),
        time=portrait.time,
        signal=portrait.signals.get(name, Signal(name)) if name else None,
        believed=_telling(portrait)[:3],
        past=past,
        outlook=outlook,
        threshold=next((c.threshold for c in portrait.coming if c.signal == name), None),
        coming=coming,
    )
    return line, portrait


def _telling(portrait: Portrait) -> tuple[Believed, ...]:
    """What is believed, that shown first; parameters that no one sees come last."""
    order = {name: place for place, name in enumerate(portrait.shown)}
    return tuple(sorted(portrait.believed, key=lambda one: order.get(one.signal.name, 99)))
