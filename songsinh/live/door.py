"""The door: what sources bring is checked here, and only readings of known signals pass.

A reading passes when its twin and signal are known, its value is a finite number below 1e30 and
its time is neither before 1990 nor more than 60 s ahead of the clock. Nothing is registered by
being sent. A value outside its signal's bounds is kept but marked bad, so that the history has
it and no belief does: inputs at once, sensors when it lies more than six sd of their noise
outside, since noise near a bound is no fault.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal, cast, final, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from songsinh.database import tables
from songsinh.errors import near
from songsinh.live.columns import CODES, Columns, spread
from songsinh.live.readings import READING, Quality, Readings, Row
from songsinh.live.refusals import Reason, Refused, Tally, tidy
from songsinh.live.twins import Twin

__all__ = ["Admitted", "Clock", "Door", "Skew"]

# whose time counts: the reading's own; that of its arrival; a clock that is not ours (a replay)
Clock = Literal["event", "arrival", "own"]
AHEAD: Final = 60.0  # s
EARLIEST: Final = 631_152_000.0  # 1990: before it, a clock was never set
LATEST: Final = 7_258_118_400.0  # 2200
MOST: Final = 1e30  # of any quantity in SI
OUTSIDE: Final = 6.0  # sd of noise beyond a bound
YEAR: Final = 366 * 86_400.0
SAMPLES: Final = 16  # of a batch that tell the clock's skew
REASONS: Final = {code: reason for reason, code in CODES.items()}
Array = NDArray[Any]


@final
@dataclass(frozen=True)
class Admitted:
    """What passed, in the order given, and what did not: how many for each reason.

    `example` is the first refusal in words; `outside` counts those marked bad by their bounds.
    """

    readings: Readings
    refused: Mapping[str, int] = field(default_factory=dict)
    example: str = ""
    outside: int = 0


@final
@dataclass(frozen=True)
class Skew:
    """How far a source's clock and way lag behind ours: median and 90 % of arrival - event, s.

    A median below zero says that its clock is ahead.
    """

    median: float
    most: float
    count: int


@final
@dataclass(frozen=True)
class _Known:
    """The signals that may be read, by (twin, name); arrays are by place."""

    places: Mapping[tuple[Any, Any], int]
    twins: Mapping[str, tuple[str, ...]]
    ids: Array
    lower: Array
    upper: Array


@final
class Door:
    """Checks what sources bring against the twins, and counts what it refuses and why.

    Any thread may use it. `ahead` is how far (s) an event may lie in the future; a source's
    clock, from its settings in the database or set in `clocks`, says whose time counts.
    """

    def __init__(
        self,
        engine: Engine,
        twins: Mapping[str, Twin],
        *,
        ahead: float = AHEAD,
        earliest: float = EARLIEST,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._twins = engine, twins
        self._ahead, self._earliest, self._clock = ahead, earliest, clock
        self._tally = Tally(engine)
        self._lags: dict[str, deque[float]] = {}
        self._lock = Lock()
        self.clocks: dict[str, Clock] = {}
        self.reload()

    def reload(self, twins: Mapping[str, Twin] | None = None) -> None:
        """Read again which twins and sources there are; signals new to the database enter it."""
        self._twins = self._twins if twins is None else twins
        self._known = _know(self._engine, self._twins)
        self.clocks |= _clocks(self._engine)

    def signal(self, twin: str, name: str) -> int | None:
        """The number a signal has in the log, None when it is not known."""
        place = self._known.places.get((twin, name))
        return None if place is None else int(self._known.ids[place])

    def admit(
        self, source: str, rows: Sequence[Row | Refused] | Columns, *, arrived: float | None = None
    ) -> Admitted:
        """Readings fit for the log, and what was refused, counted. Never raises for what came.

        `arrived` is in s since 1970, now if not given.
        """
        now = self._clock() if arrived is None else arrived
        columns = rows if isinstance(rows, Columns) else spread(rows)
        readings, wrong, outside = self._judge(source, columns, now)
        refused = list(columns.refused)
        if wrong.any():
            refused += self._explain(source, columns, wrong)
        if not refused:
            return Admitted(readings, outside=outside)
        self._tally.add(source, refused, int(now * 1e6))
        counts: dict[str, int] = {}
        for reason, _, number in refused:
            counts[str(reason)] = counts.get(str(reason), 0) + number
        return Admitted(readings, counts, _words(refused[0]), outside)

    def flush(self) -> int:
        """Write the refusals counted since the last time to the database (call each second)."""
        return self._tally.flush()

    def skews(self) -> Mapping[str, Skew]:
        """How far each source's clock is from ours, from its last readings."""
        with self._lock:
            lags = {source: np.array(lag) for source, lag in self._lags.items() if lag}
        return {
            source: Skew(float(np.median(lag)), float(np.quantile(lag, 0.9)), len(lag))
            for source, lag in lags.items()
        }

    def _judge(self, source: str, columns: Columns, now: float) -> tuple[Readings, Array, int]:
        known, wrong = self._known, columns.wrong.copy()
        places = _look_up(known, columns)
        value, own = columns.value, self.clocks.get(source) == "own"
        first, last = (0.0, LATEST) if own else (self._earliest, now + self._ahead)
        sound = (places >= 0) & (np.abs(value) <= MOST) & (wrong == 0)
        moment = self._time(source, columns, (sound, now))
        if not (sound & (moment >= first) & (moment <= last)).all():
            _mark(wrong, places == UNKNOWN_TWIN, Reason.UNKNOWN_TWIN)
            _mark(wrong, places < 0, Reason.UNKNOWN_SIGNAL)
            _mark(wrong, np.isnan(value), Reason.NO_VALUE)
            _mark(wrong, np.isinf(value), Reason.NOT_FINITE)
            _mark(wrong, np.abs(value) > MOST, Reason.ABSURD)
            _mark(wrong, moment > last, Reason.FUTURE)
            _mark(wrong, moment < first, Reason.PAST)
        kept = np.flatnonzero(wrong == 0)
        readings = np.empty(len(kept), READING)
        place, here = places[kept], value[kept]
        readings["time"] = np.rint(moment[kept] * 1e6)
        readings["value"] = here
        readings["signal"] = known.ids[place]
        beyond = (here < known.lower[place]) | (here > known.upper[place])
        readings["quality"] = np.where(beyond, int(Quality.BAD), columns.quality[kept])
        return readings, wrong, int(beyond.sum())

    def _time(self, source: str, columns: Columns, when: tuple[Array, float]) -> Array:
        """Event times; also notes what they tell about the source's clock."""
        sound, now = when
        clock = self.clocks.get(source, "event")
        moment = np.where(np.isnan(columns.time), now, columns.time)
        told = moment[sound & np.isfinite(columns.time)]
        told = told[np.abs(now - told) < YEAR]
        if len(told) and clock != "own":
            some = told[:: -(-len(told) // SAMPLES)]
            with self._lock:
                lags = self._lags.setdefault(source, deque(maxlen=501))
                lags.extend((now - some).tolist())
        if clock == "arrival" and len(told):
            # the batch is moved as one, so that its readings keep their distances
            moment = np.clip(moment + (now - told.max()), self._earliest, now)
        return moment

    def _explain(self, source: str, columns: Columns, wrong: Array) -> list[Refused]:
        codes, first, counts = np.unique(wrong, return_index=True, return_counts=True)
        found = []
        for code, row, count in sorted(zip(codes, first, counts, strict=True), key=lambda x: x[1]):
            if code:
                reason = REASONS[int(code)]
                example = self._sentence(source, columns, (reason, int(row)))
                found.append(Refused(reason, example, int(count)))
        return found

    def _sentence(self, source: str, columns: Columns, what: tuple[Reason, int]) -> str:
        reason, row = what
        place = int(columns.index[row])
        pairs = columns.signals
        twin, name = (
            (str(part)[:64] for part in pairs[place]) if 0 <= place < len(pairs) else ("?", "?")
        )
        moment, value = float(columns.time[row]), float(columns.value[row])
        told = f"{twin}/{name} = {value:.6g} at {_shown(moment)}"
        if self._tally.has(source, reason):
            return told  # near names cost time, once a flush is enough
        if reason is Reason.UNKNOWN_TWIN:
            return f"{told}; {near(twin, tuple(self._known.twins)[:200])}"
        if reason is Reason.UNKNOWN_SIGNAL:
            return f"{told}; {near(name, self._known.twins.get(twin, ())[:200])}"
        if reason is Reason.FUTURE and 1e11 < moment < 1e14:
            return f"{told}; send seconds, not milliseconds"
        return told


UNKNOWN_TWIN: Final = -2
UNKNOWN_SIGNAL: Final = -1


def _words(refused: Refused) -> str:
    return tidy(f"{refused.reason}: {refused.example}" if refused.example else refused.reason)


def _shown(moment: float) -> str:
    return "now" if np.isnan(moment) else f"{moment:.3f}"


def _mark(wrong: Array, where: Array, reason: Reason) -> None:
    """Give this reason to those that have none yet."""
    if where.any():
        wrong[where & (wrong == 0)] = CODES[reason]


def _look_up(known: _Known, columns: Columns) -> Array:
    """Where each reading's signal stands, below zero when there is none."""
    twins = known.twins
    found = [
        known.places.get(pair, UNKNOWN_SIGNAL if _has(twins, pair[0]) else UNKNOWN_TWIN)
        for pair in columns.signals
    ]
    table = np.array([*found, UNKNOWN_TWIN], np.int64)
    index = np.where(columns.index < 0, len(found), columns.index)
    return table[np.minimum(index, len(found))]


def _has(twins: Mapping[str, Any], name: Any) -> bool:
    return isinstance(name, str) and name in twins


def _know(engine: Engine, twins: Mapping[str, Twin]) -> _Known:
    ids = _numbers(engine, {name: twin.read for name, twin in twins.items()})
    keys = [(name, column) for name, twin in twins.items() for column in twin.read]
    keys = [key for key in keys if key in ids]
    bounds = np.array([_bounds(twins[name], column) for name, column in keys]).reshape(-1, 2)
    return _Known(
        {key: place for place, key in enumerate(keys)},
        {name: twin.read for name, twin in twins.items()},
        np.array([ids[key] for key in keys], np.uint32),
        bounds[:, 0],
        bounds[:, 1],
    )


def _bounds(twin: Twin, column: str) -> tuple[float, float]:
    signal = twin.model.signals[column.partition("[")[0]]
    margin = OUTSIDE * twin.noise.readings.get(column, 0.0)
    return signal.lower - margin, signal.upper + margin


def _numbers(engine: Engine, read: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], int]:
    """signals.id of every (twin, signal); what is missing there is entered."""
    for last in (False, True):
        try:
            with engine.begin() as connection:
                twins = {
                    row.name: row.id
                    for row in connection.execute(select(tables.twins.c.name, tables.twins.c.id))
                }
                ids = _entered(connection)
                new = [
                    {"twin": twins[twin], "name": name}
                    for twin, names in read.items()
                    for name in names
                    if twin in twins and (twin, name) not in ids
                ]
                if new:
                    connection.execute(insert(tables.signals), new)
                return _entered(connection)
        except IntegrityError:  # another process entered them at the same moment
            if last:
                raise
    return {}


def _entered(connection: Any) -> dict[tuple[str, str], int]:
    signals, twins = tables.signals, tables.twins
    query = select(twins.c.name, signals.c.name, signals.c.id).where(signals.c.twin == twins.c.id)
    return {(twin, name): number for twin, name, number in connection.execute(query)}


def _clocks(engine: Engine) -> dict[str, Clock]:
    """Whose time counts for each source in the database."""
    table = tables.sources
    with engine.connect() as connection:
        rows = connection.execute(select(table.c.name, table.c.kind, table.c.settings)).all()
    clocks: dict[str, Clock] = {}
    for name, kind, settings in rows:
        asked = settings.get("clock") if isinstance(settings, dict) else None
        usual: Clock = "own" if kind == "replay" else "event"
        clocks[name] = cast(Clock, asked) if asked in get_args(Clock) else usual
    return clocks
