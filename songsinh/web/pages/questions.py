"""Questions to a twin from its page: what if, and what should I do."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, final

from fastapi import APIRouter, Depends, Query, Request, Response

from songsinh.errors import DataError
from songsinh.web.api.common import ask
from songsinh.web.api.machines import known_twin
from songsinh.web.pages.common import show
from songsinh.web.pages.past import read_past
from songsinh.web.pages.portraits import Coming, Portrait, Signal, comings, read_portrait
from songsinh.web.pages.sparks import Outlook, Trace
from songsinh.web.security import Visitor, needs

__all__ = ["Lever", "WhatIf", "empty_what_if", "levers_of", "router"]

router: Final = APIRouter(include_in_schema=False)
Operator = Annotated[Visitor, Depends(needs("operator", twin=True))]
NAMES: Final = ("A", "B", "C")
MOST: Final = 240  # readings drawn before the branches


@final
@dataclass(frozen=True)
class Lever:
    """What can be turned: from low to high in its unit, and where it stands now."""

    name: str
    unit: str
    meaning: str
    low: float
    high: float
    now: float

    @property
    def step(self) -> float:
        """A round step, about a hundredth of the range."""
        span = self.high - self.low
        return float(10.0 ** math.floor(math.log10(span / 50))) if span > 0 else 1.0


@final
@dataclass(frozen=True)
class Branch:
    """One way to go on, and what comes of it; without outlooks while it was not asked for."""

    name: str
    levers: Mapping[str, float]
    outlooks: Mapping[str, Outlook]
    coming: tuple[Coming, ...] = ()


@final
@dataclass(frozen=True)
class WhatIf:
    """Branches side by side from now on, over the horizon (s), in the charted signals."""

    name: str
    title: str
    levers: tuple[Lever, ...]
    branches: tuple[Branch, ...]
    charted: tuple[Signal, ...]
    past: Mapping[str, Trace]
    horizon: float
    asked: bool = True


@final
@dataclass(frozen=True)
class Option:
    """One value of the lever: what it leads to, with 5 and 95 % quantiles, and its risks."""

    value: float
    mean: float | None
    low: float | None
    high: float | None
    keeps: bool
    best: bool
    risks: tuple[tuple[str, float], ...]


@final
@dataclass(frozen=True)
class Advice:
    """The options of a question, the best first."""

    name: str
    title: str
    question: str
    lever: Signal
    goal: Signal
    options: tuple[Option, ...]
    best: float | None
    sentence: str


@router.get("/twins/{name}/what-if")
async def show_what_if(request: Request, visitor: Operator, name: str) -> Response:
    """The branches that the address asks for: A.current=1.5&B.current=2."""
    twin = await asyncio.to_thread(known_twin, request, name)
    portrait = await read_portrait(request.app.state.hub, name)
    levers = levers_of(portrait)
    branches = _asked(request, levers)
    detail: dict[str, Any] = {"branches": [{"name": n, "levers": dict(v)} for n, v in branches]}
    answer = await ask(request, "what_if", name, detail)
    found = {str(branch.get("name")): branch for branch in answer.get("branches") or ()}
    times = tuple(answer.get("times") or ())
    done = tuple(
        _branch(n, values, found.get(n) or {}, times=times, portrait=portrait)
        for n, values in branches
    )
    charted = tuple(s for s in portrait.shown if any(s in branch.outlooks for branch in done))
    past = await asyncio.to_thread(_past, request, twin.id, charted, portrait)
    page = WhatIf(
        name=name,
        title=twin.title,
        levers=levers,
        branches=done,
        charted=tuple(portrait.signals.get(s, Signal(s)) for s in charted),
        past=past,
        horizon=times[-1] - times[0] if times else portrait.horizon,
    )
    return show(request, "what_if.html", page)


@router.get("/twins/{name}/advice")
async def show_advice(
    request: Request,
    visitor: Operator,
    name: str,
    question: Annotated[int, Query(ge=0, le=999)] = 0,
) -> Response:
    """What the twin would do, to one of its questions."""
    twin = await asyncio.to_thread(known_twin, request, name)
    portrait = await read_portrait(request.app.state.hub, name)
    asked = portrait.questions[question] if 0 <= question < len(portrait.questions) else {}
    answer = await ask(request, "decide", name, {"question": question})
    lever, goal = str(asked.get("lever") or ""), str(asked.get("goal") or "")
    options = [_option(row, answer.get("best")) for row in answer.get("options") or ()]
    most = asked.get("best", "most") == "most"
    options.sort(key=lambda one: (not one.best, not one.keeps, _order(one.mean, most=most)))
    page = Advice(
        name=name,
        title=twin.title,
        question=str(answer.get("title") or asked.get("title") or ""),
        lever=portrait.signals.get(lever, Signal(lever)),
        goal=portrait.signals.get(goal, Signal(goal)),
        options=tuple(options),
        best=_finite(answer.get("best")),
        sentence=str(answer.get("sentence") or ""),
    )
    return show(request, "advice.html", page)


def levers_of(portrait: Portrait) -> tuple[Lever, ...]:
    """The levers of a twin as they stand."""
    return tuple(
        Lever(
            name=str(row["name"]),
            unit=str(row.get("unit") or portrait.signals.get(row["name"], Signal("")).unit),
            meaning=str(row.get("meaning") or ""),
            low=float(row["low"]),
            high=float(row["high"]),
            now=_finite(row.get("now")) or 0.0,
        )
        for row in portrait.levers
    )


def empty_what_if(name: str, title: str, portrait: Portrait) -> WhatIf:
    """Two branches that nobody has asked for yet: as it is now, and the same to be changed."""
    levers = levers_of(portrait)
    same = {lever.name: lever.now for lever in levers}
    branches = tuple(Branch(n, same, {}) for n in NAMES[:2])
    return WhatIf(name, title, levers, branches, (), {}, portrait.horizon, asked=False)


def _asked(request: Request, levers: tuple[Lever, ...]) -> list[tuple[str, dict[str, float]]]:
    """The branches of the address, each lever within its range; A alone when it names none."""
    query = request.query_params
    wanted = query.get("branches", "")
    count = int(wanted) if wanted in ("1", "2", "3") else 1
    named = {key.partition(".")[0] for key in query if "." in key}
    count = max([count, *(NAMES.index(n) + 1 for n in named if n in NAMES and not wanted)])
    return [
        (n, {lever.name: _turned(query.get(f"{n}.{lever.name}"), lever) for lever in levers})
        for n in NAMES[:count]
    ]


def _turned(text: str | None, lever: Lever) -> float:
    if not text:
        return lever.now
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise DataError(
            f"is no number for {lever.name}; write one such as {lever.now:g}", value=text[:40]
        ) from error
    if not lever.low <= value <= lever.high:
        raise DataError(
            f"{lever.name} goes from {lever.low:g} to {lever.high:g} {lever.unit}, "
            f"not {value:g}; stay within"
        )
    return value


def _branch(
    name: str,
    levers: Mapping[str, float],
    told: Mapping[str, Any],
    *,
    times: tuple[float, ...],
    portrait: Portrait,
) -> Branch:
    outlooks = {
        signal: Outlook(times[0] if times else 0.0, times, quantiles)
        for signal, quantiles in (told.get("signals") or {}).items()
    }
    return Branch(name, levers, outlooks, comings(told.get("alarms") or (), portrait.signals))


def _past(
    request: Request, twin: int, signals: tuple[str, ...], portrait: Portrait
) -> dict[str, Trace]:
    if portrait.time is None:
        return {}
    app, span = request.app.state, (portrait.time - portrait.horizon / 3, portrait.time)
    return {
        name: read_past(app.engine, app.history, twin, name, span=span, most=MOST)
        for name in signals
    }


def _option(row: Mapping[str, Any], best: Any) -> Option:
    goal = row.get("goal") or {}
    quantiles = goal.get("quantiles") or {}
    risks = tuple(
        (str(risk.get("name") or risk.get("limit") or ""), float(risk.get("probability") or 0.0))
        for risk in row.get("risks") or ()
    )
    return Option(
        value=float(row.get("value") or 0.0),
        mean=_finite(goal.get("mean")),
        low=_finite(quantiles.get("0.05")),
        high=_finite(quantiles.get("0.95")),
        keeps=bool(row.get("keeps")),
        best=best is not None and row.get("value") == best,
        risks=risks,
    )


def _order(mean: float | None, *, most: bool) -> float:
    return math.inf if mean is None else -mean if most else mean


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
