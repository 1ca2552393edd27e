"""Charts as paths of SVG: what is read without a script, and small ones beside each twin."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["Axis", "Drawing", "Outlook", "Trace", "draw", "shifted"]

Values = Sequence[float | None]


@final
@dataclass(frozen=True)
class Trace:
    """What was read or believed: times in s since 1970; low and high where many became one."""

    times: Sequence[float] = ()
    values: Values = ()
    low: Values = ()
    high: Values = ()


@final
@dataclass(frozen=True)
class Outlook:
    """A forecast of one signal: times in s since 1970, quantiles by level such as "0.05"."""

    made: float = 0.0
    times: Sequence[float] = ()
    quantiles: Mapping[str, Values] | None = None

    def band(self, low: str, high: str) -> tuple[Values, Values]:
        """The two edges of a band, empty where there is none."""
        told = self.quantiles or {}
        return told.get(low, ()), told.get(high, ())


@final
@dataclass(frozen=True)
class Axis:
    """Where values lie on a side of the drawing: the ends, and ticks with their places."""

    first: float
    last: float
    ticks: tuple[tuple[float, float], ...] = ()  # place, value


@final
@dataclass(frozen=True)
class Drawing:
    """Paths ready for SVG in a box of width and height; empty where there is nothing."""

    width: float
    height: float
    past: str
    wide: str
    narrow: str
    median: str
    believed: str
    now: float | None
    lines: tuple[float, ...]
    end: tuple[float, float] | None
    x: Axis
    y: Axis


def shifted(values: Values, offset: float) -> Values:
    """Values on another scale."""
    return values if offset == 0 else [None if v is None else v + offset for v in values]


def draw(
    past: Trace,
    outlook: Outlook,
    *,
    width: float = 180.0,
    height: float = 44.0,
    believed: Trace | None = None,
    thresholds: Sequence[float] = (),
    offset: float = 0.0,
) -> Drawing:
    """The past as a line, the outlook as bands of 90 % and 50 % around its median.

    `offset` is added to all values, so that kelvins can be read as degrees Celsius.
    """
    five, most = outlook.band("0.05", "0.95")
    quarter, three = outlook.band("0.25", "0.75")
    middle = (outlook.quantiles or {}).get("0.5", ())
    believed = believed or Trace()
    x = _reach([past.times, outlook.times, believed.times], 0.0)
    believed = Trace(
        believed.times, (), shifted(believed.low, offset), shifted(believed.high, offset)
    )
    past = Trace(past.times, shifted(past.values, offset), past.low, past.high)
    five, most, quarter, three, middle = (
        shifted(values, offset) for values in (five, most, quarter, three, middle)
    )
    thresholds = [threshold + offset for threshold in thresholds]
    y = _reach([past.values, five, most, middle, believed.low, believed.high], 0.08)
    near = [t for t in thresholds if y[0] - (y[1] - y[0]) <= t <= y[1] + (y[1] - y[0])]
    y = _reach([y, near], 0.03) if near else y
    frame = _Frame(width, height, x, y)
    known = [
        (t, v) for t, v in zip(past.times, past.values, strict=False) if v is not None and _is(v)
    ]
    return Drawing(
        *(width, height, frame.line(past.times, past.values)),
        *(frame.area(outlook.times, five, most), frame.area(outlook.times, quarter, three)),
        frame.line(outlook.times, middle),
        frame.area(believed.times, believed.low, believed.high),
        frame.place(outlook.times[0]) if outlook.times else None,
        tuple(frame.lift(t) for t in near),
        (frame.place(known[-1][0]), frame.lift(known[-1][1])) if known else None,
        Axis(*x, tuple((frame.place(t), t) for t in _spread(*x, 4))),
        Axis(*y, tuple((frame.lift(v), v) for v in _round(*y))),
    )


@final
@dataclass(frozen=True)
class _Frame:
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, time: float) -> float:
        return round((time - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0) * self.width, 1)

    def lift(self, value: float) -> float:
        share = (value - self.y[0]) / ((self.y[1] - self.y[0]) or 1.0)
        return round((1.0 - share) * self.height, 1)

    def line(self, times: Sequence[float], values: Values) -> str:
        path, pen = [], "M"
        for time, value in zip(times, values, strict=False):
            if value is None or not _is(value):
                pen = "M"
                continue
            path.append(f"{pen}{self.place(time):g} {self.lift(value):g}")
            pen = "L"
        return "".join(path)

    def area(self, times: Sequence[float], low: Values, high: Values) -> str:
        rows = [
            (time, a, b)
            for time, a, b in zip(times, low, high, strict=False)
            if a is not None and b is not None and _is(a) and _is(b)
        ]
        if len(rows) < 2:
            return ""
        up = [f"{self.place(t):g} {self.lift(b):g}" for t, _, b in rows]
        down = [f"{self.place(t):g} {self.lift(a):g}" for t, a, _ in reversed(rows)]
        return "M" + "L".join(up + down) + "Z"


def _is(value: float) -> bool:
    return math.isfinite(value)


def _reach(lines: Sequence[Values], margin: float) -> tuple[float, float]:
    known = [v for line in lines for v in line if v is not None and _is(v)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    pad = (high - low) * margin or (abs(high) * 0.01 or 0.5) * (margin > 0)
    return low - pad, high + pad


def _spread(first: float, last: float, parts: int) -> list[float]:
    return [first + (last - first) * part / parts for part in range(parts + 1)]


def _round(low: float, high: float) -> list[float]:
    """Round values within the ends, about four."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3 or 1.0))
    step *= next((f for f in (1, 2, 5) if (high - low) / (f * step) <= 5), 10)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]
