"""The explorer of the history: any signal of a twin over any span, drawn and taken away."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sqlalchemy import Engine

from songsinh.errors import DataError
from songsinh.web import records
from songsinh.web.api.common import seen
from songsinh.web.pages.common import read_wording, show
from songsinh.web.pages.past import read_past
from songsinh.web.pages.portraits import Portrait, Signal, read_portrait
from songsinh.web.pages.sparks import Trace
from songsinh.web.records import SignalRow, TwinRow
from songsinh.web.security import Visitor, needs

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
EARLIEST, LATEST = -5e10, 2e11  # s since 1970: what calendars reach, with room for a span
SPANS: Final = (3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400)
MOST: Final = 800  # buckets of a chart
SHOWN: Final = 4  # signals at once


@final
@dataclass(frozen=True)
class Explored:
    """The readings of one signal: mean, least and greatest of each bucket."""

    signal: Signal
    trace: Trace


@final
@dataclass(frozen=True)
class Explorer:
    """What was asked for and what was found; start and end in s since 1970."""

    twins: tuple[tuple[str, str], ...]
    twin: str
    title: str
    signals: tuple[str, ...]
    chosen: tuple[str, ...]
    start: float
    end: float
    starts: str  # as the fields of the form have it, in the reader's zone
    ends: str
    spans: tuple[int, ...]
    span: int
    explored: tuple[Explored, ...]


@router.get("/history")
async def show_history(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("viewer"))],
    twin: str = "",
    signal: Annotated[list[str] | None, Query(max_length=50)] = None,
    start: str = "",
    end: str = "",
    span: Annotated[int, Query(ge=0, le=10**10)] = 0,
) -> Response:
    """The explorer, of the first twin when none is named."""
    app, zone = request.app.state, ZoneInfo(read_wording(request).zone)
    known = await asyncio.to_thread(_twins, app.engine, visitor)
    row = next((one for one in known if one.name == twin), None)
    if twin and row is None:
        raise HTTPException(404, f"there is no twin {twin!r} that you may see")
    row = row or (known[0] if known else None)
    portrait = await read_portrait(app.hub, row.name) if row else Portrait()
    asked = (_moment(start, zone), _moment(end, zone))
    page = await asyncio.to_thread(
        _explore, app, row, chosen=signal or [], asked=asked, span=span, portrait=portrait
    )
    named = tuple((one.name, one.title) for one in known)
    return show(request, "explorer.html", _page(page, named, zone))


def _twins(engine: Engine, visitor: Visitor) -> list[TwinRow]:
    page = records.list_twins(engine, names=seen(visitor), sort="name", limit=records.MOST)
    return list(page.rows)


def _moment(text: str, zone: ZoneInfo) -> float | None:
    """A time as a form writes it, in the reader's zone, in s since 1970."""
    if not text:
        return None
    wrong = DataError("is no time; write it as 2026-01-31T12:00", value=text[:40])
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
        except (ValueError, OverflowError) as error:
            raise wrong from error
    if not EARLIEST <= seconds <= LATEST:
        raise wrong
    return seconds


def _explore(
    app: Any,
    row: TwinRow | None,
    *,
    chosen: list[str],
    asked: tuple[float | None, float | None],
    span: int,
    portrait: Portrait,
) -> dict[str, Any]:
    known = records.twin_signals(app.engine, row.id) if row else ()
    names = tuple(one.name for one in known)
    picked = [name for name in chosen if name in names] or _first(names, portrait)
    newest = _newest(app, known, picked) or portrait.time or time.time()
    end = asked[1] if asked[1] is not None else newest
    begin = asked[0] if asked[0] is not None and not span else end - (span or SPANS[0])
    begin = min(max(begin, EARLIEST), end - 1.0)
    traces = [
        Explored(
            portrait.signals.get(name, Signal(name)),
            read_past(app.engine, app.history, row.id, name, span=(begin, end), most=MOST),
        )
        for name in picked[:SHOWN]
        if row
    ]
    return {
        "twin": row.name if row else "",
        "title": row.title if row else "",
        "signals": names,
        "chosen": tuple(picked[:SHOWN]),
        "start": begin,
        "end": end,
        "span": span or (0 if asked[0] is not None else SPANS[0]),
        "explored": tuple(traces),
    }


def _first(names: tuple[str, ...], portrait: Portrait) -> list[str]:
    told = [name for name in portrait.shown if name in names]
    return (told or list(names))[:2]


def _newest(app: Any, known: tuple[SignalRow, ...], picked: list[str]) -> float | None:
    numbers = [one.id for one in known if one.name in picked]
    found = app.history.latest(numbers) if numbers else {}
    return max((row[0] / 1e6 for row in found.values()), default=None)


def _page(found: Mapping[str, Any], twins: tuple[tuple[str, str], ...], zone: ZoneInfo) -> Explorer:
    starts, ends = (_field(found[edge], zone) for edge in ("start", "end"))
    return Explorer(twins=twins, starts=starts, ends=ends, spans=SPANS, **found)


def _field(time_s: float, zone: ZoneInfo) -> str:
    moment = datetime.fromtimestamp(time_s, UTC).astimezone(zone)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
