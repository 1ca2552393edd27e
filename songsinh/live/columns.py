"""Columns: many readings at once as arrays, on their way from a source to the door."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, final

import numpy as np
import orjson
from numpy.typing import NDArray

from songsinh.errors import LiveError
from songsinh.live.readings import Quality, Row
from songsinh.live.refusals import Reason, Refused, tidy

__all__ = ["CODES", "Columns", "numbers", "qualities", "seconds", "spread"]

CODES: Final = {reason: code for code, reason in enumerate(Reason, 1)}  # 0 is right so far
PLAIN: Final = {int, float}
Array = NDArray[Any]


@final
@dataclass(frozen=True, eq=False)
class Columns:
    """Readings of a source, unchecked: `index` says which of `signals` each is of.

    `signals` are (twin, signal) pairs. Times are in s since 1970 (UTC), NaN for now; `wrong`
    holds a code of `CODES` where a reading is already known to be refused. `refused` are
    messages and parts of them that gave no reading at all.
    """

    signals: Sequence[tuple[Any, Any]]
    index: Array  # int64
    time: Array  # float64
    value: Array  # float64, NaN is none
    quality: Array  # uint8
    wrong: Array  # uint8
    refused: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.index)

    def to_bytes(self) -> bytes:
        """The same as bytes, for another process."""
        pairs = [[tidy(twin), tidy(name)] for twin, name in self.signals]
        gone = [[str(reason), tidy(example), number] for reason, example, number in self.refused]
        head = orjson.dumps([len(self), pairs, gone])
        kept = (self.index, self.time, self.value, self.quality, self.wrong)
        arrays = [np.asarray(a, kind).tobytes() for a, kind in zip(kept, LAYOUT, strict=True)]
        return b"".join([len(head).to_bytes(4, "little"), head, *arrays])

    @staticmethod
    def from_bytes(body: bytes) -> "Columns":
        """What `to_bytes` wrote; LiveError for anything else."""
        try:
            start = 4 + int.from_bytes(body[:4], "little")
            count, pairs, refused = orjson.loads(body[4:start])
            arrays: list[Array] = []
            for kind in LAYOUT:
                arrays.append(np.frombuffer(body, kind, count, start))
                start += arrays[-1].nbytes
            gone = tuple(Refused(Reason(r), str(e), int(n)) for r, e, n in refused)
            return _fill([(str(twin), str(name)) for twin, name in pairs], arrays, gone)
        except (ValueError, TypeError) as error:
            raise LiveError(
                f"{len(body)} bytes are not columns of readings ({error}); "
                "send what Columns.to_bytes gave"
            ) from error


LAYOUT: Final = tuple(np.dtype(kind) for kind in ("<i8", "<f8", "<f8", "u1", "u1"))


def _fill(
    signals: Sequence[tuple[Any, Any]], arrays: Sequence[Array], refused: tuple[Refused, ...]
) -> Columns:
    index, time, value, quality, wrong = arrays
    return Columns(signals, index, time, value, quality, wrong, refused)


def spread(rows: Sequence[Row | Refused]) -> Columns:
    """Rows as columns; whatever stands in them, nothing is raised."""
    refused = tuple(row for row in rows if type(row) is Refused)
    kept: Sequence[Any] = [row for row in rows if type(row) is not Refused] if refused else rows
    if not kept:
        return _fill((), [np.empty(0, kind) for kind in LAYOUT], refused)
    twins, names, times, values, trust = zip(*kept, strict=True)
    signals, index = _places(list(zip(twins, names, strict=True)))
    time, late = seconds(times)
    value, wrong = numbers(values)
    wrong = np.where(wrong == 0, late, wrong)
    return Columns(signals, index, time, value, qualities(trust), wrong, refused)


def _places(pairs: list[tuple[Any, Any]]) -> tuple[list[tuple[Any, Any]], Array]:
    """The different pairs, and which of them stands where."""
    if set(map(type, chain.from_iterable(pairs))) != {str}:
        pairs = [(_word(twin), _word(name)) for twin, name in pairs]
    order = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
    return list(order), np.fromiter(map(order.__getitem__, pairs), np.int64, len(pairs))


def _word(name: Any) -> str:
    """A name, or what stands in its place: nothing that a twin or signal can be called."""
    return str(name) if isinstance(name, str) else f"({type(name).__name__})"


def numbers(values: Sequence[Any]) -> tuple[Array, Array]:
    """The values as float64, and where they are wrong why (`CODES`); true is 1."""
    if set(map(type, values)) <= PLAIN:
        try:
            found = np.array(values, np.float64)
            return found, np.zeros(len(found), np.uint8)
        except OverflowError:
            pass
    return _pairs([_number(value) for value in values])


def _number(value: Any) -> tuple[float, int]:
    if value is None:
        return math.nan, CODES[Reason.NO_VALUE]
    if not isinstance(value, (int, float, np.number, np.bool_)) or isinstance(value, complex):
        return math.nan, CODES[Reason.NOT_A_NUMBER]
    try:
        return float(value), 0
    except OverflowError:
        return math.inf, CODES[Reason.NOT_FINITE]


def seconds(times: Sequence[Any]) -> tuple[Array, Array]:
    """Times in s since 1970, NaN for now, and where they are wrong why (`CODES`).

    Numbers are s, texts ISO 8601 (UTC where they name no zone), None is now.
    """
    kinds = set(map(type, times))
    if kinds <= PLAIN:
        try:
            found = np.array(times, np.float64)
            return found, np.isnan(found).astype(np.uint8) * CODES[Reason.TIME_UNREADABLE]
        except OverflowError:
            pass
    if kinds == {type(None)}:
        return np.full(len(times), np.nan), np.zeros(len(times), np.uint8)
    return _pairs([_second(time) for time in times])


def _second(time: Any) -> tuple[float, int]:
    try:
        if time is None:
            return math.nan, 0
        if isinstance(time, str) and len(time) <= 40:
            return _written(time), 0
        if isinstance(time, (int, float, np.number)) and not isinstance(time, (bool, complex)):
            found = float(time)
            return found, CODES[Reason.TIME_UNREADABLE] if math.isnan(found) else 0
    except (ValueError, OverflowError):
        pass
    return math.nan, CODES[Reason.TIME_UNREADABLE]


def _written(time: str) -> float:
    moment = datetime.fromisoformat(time.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def qualities(trust: Sequence[Any]) -> Array:
    """Qualities as numbers; whatever is none of them is bad."""
    known = {int(quality) for quality in Quality}
    if set(map(type, trust)) <= {int, Quality} and set(trust) <= known:
        return np.array(trust, np.uint8)
    good = (isinstance(one, int) and int(one) in known for one in trust)
    sound = (int(one) if ok else int(Quality.BAD) for one, ok in zip(trust, good, strict=True))
    return np.fromiter(sound, np.uint8, len(trust))


def _pairs(found: list[tuple[float, int]]) -> tuple[Array, Array]:
    flat = np.fromiter(chain.from_iterable(found), np.float64, 2 * len(found)).reshape(-1, 2)
    return np.ascontiguousarray(flat[:, 0]), flat[:, 1].astype(np.uint8)
