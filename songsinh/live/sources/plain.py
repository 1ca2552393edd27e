"""Plain JSON on a topic: a number, an object or a list of objects, read without trust."""

from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any, Final

import numpy as np
import orjson

from songsinh.live.readings import Row
from songsinh.live.refusals import Reason, Refused, tidy
from songsinh.live.sources.measures import moment
from songsinh.live.sources.templates import Route, match

__all__ = ["LARGEST", "SHORT", "load", "parse"]

LARGEST: Final = 1 << 20  # bytes of a message
DEEPEST: Final = 200  # brackets in brackets, for the reason only: orjson has its own limit
SHORT: Final = Repr()
SHORT.maxlevel, SHORT.maxstring, SHORT.maxother = 3, 60, 60
TIMES: Final = ("time", "timestamp")
Found = list[Row | Refused]


def parse(
    topic: str, body: bytes, routes: tuple[Route, ...], *, largest: int = LARGEST
) -> Sequence[Row | Refused]:
    """Readings of one message, at least one row or refusal; nothing is raised.

    With a signal known from the topic: `3.9`, `{"value": 3.9, "time": ..., "quality": 0}` or a
    list of those. Without: `{"time": ..., "voltage": 3.9, ...}`, `{"signal": "voltage",
    "value": 3.9}` or a list of those.
    """
    found = match(routes, topic)
    if found is None:
        return [Refused(Reason.NO_TEMPLATE, tidy(topic))]
    loaded = load(body, largest=largest)
    if isinstance(loaded, Refused):
        return [loaded._replace(example=tidy(f"{topic}: {loaded.example}"))]
    route, twin, signal = found
    told = _read(loaded[0], route, (twin, signal))
    return told or [Refused(Reason.UNREADABLE, tidy(f"{topic}: no reading in {_shown(body)}"))]


def load(body: bytes, *, largest: int = LARGEST) -> tuple[Any] | Refused:
    """What stands in a JSON body, or why it cannot be read."""
    if len(body) > largest:
        return Refused(Reason.TOO_LARGE, f"{len(body)} bytes, at most {largest} are read")
    if not body.strip():
        return Refused(Reason.NO_VALUE, "an empty message")
    try:
        return (orjson.loads(body),)
    except orjson.JSONDecodeError:
        return Refused(_why(body), _shown(body))


def _why(body: bytes) -> Reason:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.ENCODING
    return Reason.TOO_DEEP if _depth(body) > DEEPEST else Reason.UNREADABLE


def _depth(body: bytes) -> int:
    """How deep brackets lie in each other, those in texts counted too."""
    signs = np.frombuffer(body, np.uint8) | 32  # [ and {, ] and } differ by one bit
    steps = (signs == ord("{")).astype(np.int64) - (signs == ord("}"))
    return int(np.cumsum(steps).max(initial=0))


def _shown(body: bytes) -> str:
    return tidy(body[:160].decode("utf-8", "replace"))


def _read(what: Any, route: Route, names: tuple[str, str]) -> Found:
    twin, signal = names
    if isinstance(what, list):
        told = [_one(part, route, names) for part in what]
        return [row for rows in told for row in rows]
    if signal and not isinstance(what, dict):
        return [_row(route, (twin, signal), None, what)]
    return _one(what, route, names)


def _one(what: Any, route: Route, names: tuple[str, str]) -> Found:
    """The readings of one object."""
    twin, signal = names
    if not isinstance(what, Mapping):
        return [
            Refused(Reason.UNREADABLE, tidy(f"{twin}: {SHORT.repr(what):.80} is not an object"))
        ]
    if "value" in what and (signal or "signal" in what):
        name = signal or what["signal"]
        return [_row(route, (twin, name), _time(what), what["value"], _quality(what))]
    if signal:
        return [
            Refused(Reason.NO_VALUE, tidy(f"{twin}/{signal}: no value in {SHORT.repr(what):.80}"))
        ]
    return [
        _row(route, (twin, name), _time(what), value, _quality(what))
        for name, value in what.items()
        if name not in TIMES and name != "quality"
    ]


def _time(what: Mapping[str, Any]) -> Any:
    return what.get("time", what.get("timestamp"))


def _quality(what: Mapping[str, Any]) -> Any:
    return what.get("quality", 0)


def _row(
    route: Route, names: tuple[str, Any], time: Any, value: Any, quality: Any = 0
) -> Row | Refused:
    twin, name = names
    measure = route.measure(name) if isinstance(name, str) else route.usual
    return Row(twin, measure.signal or name, moment(time, route.time), measure.si(value), quality)
