"""A twin as it stands: what the hub answers to "now", as typed values for pages."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from songsinh.errors import SongsinhError
from songsinh.live import Hub
from songsinh.web.pages.sparks import Outlook

__all__ = [
    "Believed",
    "Coming",
    "Portrait",
    "Sensor",
    "Signal",
    "comings",
    "portray",
    "read_portrait",
]

PATIENCE: Final = 3.0  # s that a page waits for the process that follows twins


@final
@dataclass(frozen=True)
class Signal:
    """A signal as its model declares it; bounds are None where there is none."""

    name: str
    unit: str = "1"
    meaning: str = ""
    kind: str = ""
    lower: float | None = None
    upper: float | None = None


@final
@dataclass(frozen=True)
class Believed:
    """A mean and its standard deviation, in the signal's unit."""

    signal: Signal
    mean: float | None
    sd: float | None


@final
@dataclass(frozen=True)
class Coming:
    """An event that an alarm of the twin looks out for; `first` is s ahead at 5, 50, 95 %."""

    name: str
    signal: str
    unit: str
    direction: str
    threshold: float | None
    probability: float | None
    lead: float
    first: tuple[float | None, float | None, float | None]
    severity: str
    raised: bool
    sentence: str


@final
@dataclass(frozen=True)
class Sensor:
    """How a sensor does: what it said last, what was expected, and counts of its readings."""

    signal: Signal
    last: float | None
    expected: float | None
    health: str
    counts: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Portrait:
    """What the twin is, believes and foresees. Times in s since 1970, None before any reading."""

    state: str = "silent"
    why: str = ""
    time: float | None = None
    signals: Mapping[str, Signal] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    believed: tuple[Believed, ...] = ()
    read: Mapping[str, float] = field(default_factory=dict)
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)
    coming: tuple[Coming, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    levers: tuple[Mapping[str, Any], ...] = ()
    questions: tuple[Mapping[str, Any], ...] = ()
    horizon: float = 0.0
    card: str = ""
    reached: bool = True  # whether the process that follows twins answered


async def read_portrait(hub: Hub, name: str, *, paused: bool = False) -> Portrait:
    """The portrait of a twin now; a bare one when the hub does not answer."""
    try:
        answer = await asyncio.wait_for(hub.ask("now", name, {}), PATIENCE)
    except (SongsinhError, OSError, TimeoutError) as error:
        away = isinstance(error, OSError | TimeoutError)
        away = away or isinstance(error.__cause__, OSError | TimeoutError)
        state = "paused" if paused else "silent" if away else "broken"
        return Portrait(state=state, why=str(error), reached=not away)
    return portray(answer, paused=paused)


def portray(answer: Mapping[str, Any], *, paused: bool = False) -> Portrait:
    """The portrait that an answer to "now" gives."""
    belief, told = answer.get("belief") or {}, answer.get("forecast") or {}
    signals = {name: _signal(name, about) for name, about in (answer.get("signals") or {}).items()}
    outlooks = {
        name: Outlook(told.get("made", 0.0), told.get("times", ()), quantiles)
        for name, quantiles in (told.get("signals") or {}).items()
    }
    means, sds = belief.get("mean") or {}, belief.get("sd") or {}
    state = answer.get("state") or {}
    state = state if isinstance(state, Mapping) else {"state": state}
    return Portrait(
        state="paused" if paused else str(state.get("state") or _guess(belief)),
        why=str(state.get("why") or belief.get("verdict") or ""),
        time=belief.get("time"),
        signals=signals,
        shown=tuple(answer.get("shown") or outlooks),
        believed=tuple(
            Believed(signals.get(name, Signal(name)), _finite(mean), _finite(sds.get(name)))
            for name, mean in means.items()
        ),
        read={k: v for k, v in (belief.get("read") or {}).items() if _finite(v) is not None},
        outlooks=outlooks,
        coming=comings(told.get("alarms") or (), signals),
        sensors=tuple(_sensor(row, signals) for row in answer.get("sensors") or ()),
        levers=tuple(answer.get("levers") or ()),
        questions=tuple(answer.get("questions") or ()),
        horizon=float(answer.get("horizon") or _length(told.get("times") or ())),
        card=str(answer.get("card") or ""),
    )


def _guess(belief: Mapping[str, Any]) -> str:
    return "following" if belief else "silent"


def _length(times: Sequence[float]) -> float:
    return float(times[-1] - times[0]) if times else 0.0


def _signal(name: str, about: Mapping[str, Any]) -> Signal:
    return Signal(
        name,
        unit=str(about.get("unit") or "1"),
        meaning=str(about.get("meaning") or ""),
        kind=str(about.get("kind") or ""),
        lower=_finite(about.get("lower")),
        upper=_finite(about.get("upper")),
    )


def comings(rows: Sequence[Mapping[str, Any]], signals: Mapping[str, Signal]) -> tuple[Coming, ...]:
    """The events foreseen, the likeliest first."""
    found = [_coming(row, signals) for row in rows]
    return tuple(sorted(found, key=lambda one: -(one.probability or 0.0)))


def _coming(row: Mapping[str, Any], signals: Mapping[str, Signal]) -> Coming:
    name = str(row.get("signal") or "")
    early, middle, late = (*(_finite(t) for t in row.get("first") or ()), None, None, None)[:3]
    return Coming(
        name=str(row.get("name") or row.get("rule") or name),
        signal=name,
        unit=str(row.get("unit") or signals.get(name, Signal(name)).unit),
        direction=str(row.get("direction") or "below"),
        threshold=_finite(row.get("threshold")),
        probability=_finite(row.get("probability")),
        lead=_finite(row.get("lead")) or 0.0,
        first=(early, middle, late),
        severity=str(row.get("severity") or "warning"),
        raised=bool(row.get("raised")),
        sentence=str(row.get("sentence") or ""),
    )


def _sensor(row: Mapping[str, Any], signals: Mapping[str, Signal]) -> Sensor:
    name = str(row.get("name") or "")
    return Sensor(
        signal=signals.get(name, Signal(name)),
        last=_finite(row.get("last")),
        expected=_finite(row.get("expected")),
        health=str(row.get("health") or ""),
        counts=row.get("counts") or {},
    )


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
