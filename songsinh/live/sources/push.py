"""Pushed JSON: readings as a list of objects, or as columns, from programs over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from songsinh.live.columns import CODES, Columns, numbers, qualities, seconds, spread
from songsinh.live.readings import Row
from songsinh.live.refusals import Reason, Refused, tidy
from songsinh.live.sources.plain import SHORT, load

__all__ = ["LARGEST", "parse"]

LARGEST: Final = 16 << 20  # bytes of a body
# at once: while one body is taken apart others wait, and true readings have more letters than this
MOST_ROWS: Final = 200_000
MOST_VALUES: Final = 500_000
MOST_SIGNALS: Final = 100_000
KEYS: Final = ("twin", "signal", "time", "value", "quality")


def parse(body: bytes, *, largest: int = LARGEST) -> Columns:
    """Readings of a pushed body, unchecked; what cannot be read stands in `refused`.

    `{"readings": [{"twin": "b5", "signal": "voltage", "time": 1.7e9, "value": 3.9}, ...]}`, or
    `{"signals": ["b5/voltage", ...], "index": [0, 1, ...], "time": [...], "value": [...]}`;
    `time` (s since 1970, ISO 8601 or null for now), `index` (of one signal) and `quality` may
    be left out.
    """
    loaded = load(body, largest=largest)
    if isinstance(loaded, Refused):
        return spread([loaded])
    what = loaded[0]
    if isinstance(what, list):
        return _rows(what)
    if isinstance(what, Mapping) and isinstance(what.get("readings"), list):
        return _rows(what["readings"])
    if isinstance(what, Mapping) and "signals" in what:
        return _columns(what)
    return _refuse(f"neither readings nor signals in {SHORT.repr(what):.100}")


def _refuse(example: str) -> Columns:
    return spread([Refused(Reason.UNREADABLE, tidy(example))])


def _refuse_many(what: str, count: int, most: int) -> Columns:
    return spread([Refused(Reason.TOO_LARGE, f"{count} {what} at once; send at most {most}")])


def _rows(rows: Sequence[Any]) -> Columns:
    if not rows:
        return _refuse("no reading in the list")
    if len(rows) > MOST_ROWS:
        return _refuse_many("readings", len(rows), MOST_ROWS)
    return spread([_row(row) for row in rows])


def _row(row: Any) -> Row | Refused:
    if type(row) is not dict:
        return Refused(Reason.UNREADABLE, tidy(f"{SHORT.repr(row):.100} is not an object"))
    get = row.get
    return Row(get("twin"), get("signal"), get("time"), get("value"), get("quality", 0))


def _columns(what: Mapping[str, Any]) -> Columns:
    signals, value = what["signals"], what.get("value")
    if not isinstance(value, list) or not value:
        return _refuse("no list of values")
    count = len(value)
    index = what.get("index", [0] * count)
    time, quality = what.get("time", [None] * count), what.get("quality", [0] * count)
    lists = {"signals": signals, "index": index, "time": time, "quality": quality}
    for name, given in lists.items():
        if not isinstance(given, list) or (name != "signals" and len(given) != count):
            return _refuse(f"{name} is not a list as long as that of {count} values")
    for kind, given, most in (("values", value, MOST_VALUES), ("signals", signals, MOST_SIGNALS)):
        if len(given) > most:
            return _refuse_many(kind, len(given), most)
    pairs = [_pair(signal) for signal in signals]
    places, beyond = _places(index, len(pairs))
    moment, late = seconds(time)
    number, wrong = numbers(value)
    wrong = np.where(beyond > 0, beyond, np.where(wrong > 0, wrong, late))
    return Columns(pairs, places, moment, number, qualities(quality), wrong)


def _pair(signal: Any) -> tuple[str, str]:
    twin, _, name = (signal if isinstance(signal, str) else "")[:200].partition("/")
    return twin, name


def _places(index: Sequence[Any], most: int) -> tuple[Any, Any]:
    """Which signal each value is of, and a code where that is no place in the list."""
    sound = set(map(type, index)) <= {int}
    if not sound or min(index) < 0 or max(index) >= most:
        kept = [i if type(i) is int and 0 <= i < most else -1 for i in index]
        places = np.array(kept, np.int64)
    else:
        places = np.array(index, np.int64)
    wrong = (places < 0).astype(np.uint8) * CODES[Reason.UNREADABLE]
    return places, wrong
