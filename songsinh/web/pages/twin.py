"""One twin: what was read, what it believes and foresees, and how far to trust it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from songsinh.web import records
from songsinh.web.api.common import changed
from songsinh.web.api.machines import known_twin
from songsinh.web.pages.common import Notice, read_wording, show
from songsinh.web.pages.past import read_past
from songsinh.web.pages.portraits import Portrait, Signal, read_portrait
from songsinh.web.pages.questions import WhatIf, empty_what_if
from songsinh.web.pages.sparks import Outlook, Trace
from songsinh.web.records import AlertRow, TwinRow
from songsinh.web.security import Visitor, needs

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Viewer = Annotated[Visitor, Depends(needs("viewer", twin=True))]
Engineer = Annotated[Visitor, Depends(needs("engineer", twin=True))]
MOST: Final = 240  # points of a chart
NINETY: Final = 1.645  # sd of a normal: 5 and 95 %
DAYS: Final = 30  # whose scores count


@final
@dataclass(frozen=True)
class Chart:
    """A signal's past, what was believed of it (mean, and 5 to 95 %), and its forecast."""

    signal: Signal
    past: Trace
    believed: Trace
    outlook: Outlook
    thresholds: tuple[float, ...]


@final
@dataclass(frozen=True)
class Trust:
    """How the twin's own forecasts of a signal did at a lead (s); skill 1 is perfect."""

    signal: Signal
    lead_s: float
    count: int
    inside_50: float
    inside_90: float
    skill: float | None


@final
@dataclass(frozen=True)
class TwinPage:
    """All that a person wants to know of a twin at once; times in s since 1970."""

    name: str
    title: str
    state: str
    now: float
    portrait: Portrait
    charts: tuple[Chart, ...]
    trust: tuple[Trust, ...]
    alerts: tuple[AlertRow, ...]
    what_if: WhatIf | None
    may_engineer: bool


@router.get("/twins/{name}")
async def show_twin(request: Request, visitor: Viewer, name: str) -> Response:
    """The page of a twin."""
    app, w = request.app.state, read_wording(request)
    twin = await asyncio.to_thread(known_twin, request, name)
    portrait = await read_portrait(app.hub, name, paused=twin.state != "running")
    charts, trust, alerts = await asyncio.to_thread(_read, app, twin, portrait)
    asks = visitor.may("operator", name) and portrait.levers
    page = TwinPage(
        name=name,
        title=twin.title,
        state=twin.state,
        now=time.time(),
        portrait=portrait,
        charts=charts,
        trust=trust,
        alerts=alerts,
        what_if=empty_what_if(name, twin.title, portrait) if asks else None,
        may_engineer=visitor.may("engineer", name),
    )
    away = w.gettext(
        "The process that follows the twins does not answer; what you see was recorded before."
    )
    return show(
        request, "twin.html", page, notices=() if portrait.reached else (Notice(away, "bad"),)
    )


@router.post("/twins/{name}")
async def change_twin(
    request: Request,
    visitor: Engineer,
    name: str,
    action: Annotated[Literal["pause", "resume", "rename", "archive"], Form()],
    title: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Pause, resume, rename or put away."""
    states = {"pause": "paused", "resume": "running", "archive": "archived"}
    named = title.strip() if action == "rename" else ""
    await asyncio.to_thread(known_twin, request, name)
    await asyncio.to_thread(
        records.edit_twin,
        request.app.state.engine,
        name,
        by=visitor,
        title=named or None,
        state=states.get(action),
    )
    await changed(request)
    return RedirectResponse("/" if action == "archive" else f"/twins/{name}", 303)


def _read(
    app: Any, twin: TwinRow, portrait: Portrait
) -> tuple[tuple[Chart, ...], tuple[Trust, ...], tuple[AlertRow, ...]]:
    alerts = records.list_alerts(app.engine, twin=twin.name, limit=5).rows
    return _charts(app, twin, portrait), _trust(app.engine, twin.id, portrait), alerts


def _charts(app: Any, twin: TwinRow, portrait: Portrait) -> tuple[Chart, ...]:
    if portrait.time is None:
        return ()
    span = (portrait.time - (portrait.horizon or 3600.0), portrait.time)
    beliefs = records.list_beliefs(app.engine, twin.id, start_us=round(span[0] * 1e6))
    return tuple(
        Chart(
            signal=portrait.signals.get(name, Signal(name)),
            past=read_past(app.engine, app.history, twin.id, name, span=span, most=MOST),
            believed=_believed(beliefs, name),
            outlook=portrait.outlooks.get(name, Outlook()),
            thresholds=tuple(
                one.threshold
                for one in portrait.coming
                if one.signal == name and one.threshold is not None
            ),
        )
        for name in portrait.shown
    )


def _believed(rows: tuple[records.BeliefRow, ...], name: str) -> Trace:
    known = [row for row in rows if name in row.mean]
    pairs = [(row.mean[name], NINETY * row.sd.get(name, 0.0)) for row in known]
    return Trace(
        tuple(row.time_us / 1e6 for row in known),
        tuple(mean for mean, _ in pairs),
        tuple(mean - reach for mean, reach in pairs),
        tuple(mean + reach for mean, reach in pairs),
    )


def _trust(engine: Engine, twin: int, portrait: Portrait) -> tuple[Trust, ...]:
    signals: Mapping[str, Signal] = portrait.signals
    return tuple(
        Trust(
            signals.get(row.signal, Signal(row.signal)),
            *(row.lead_s, row.count, row.inside_50, row.inside_90, row.skill),
        )
        for row in records.list_scores(engine, twin, days=DAYS)
    )
