"""Replay: a recording sent again at any speed, for demonstrations, tests and what has been.

The recording begins at event time `begin` and at wall clock `begun`; from then on event time runs
`speed` s per second of wall clock. Started again it goes on after the newest reading that the
centre has, so nothing is skipped: while the centre is off the recording waits. Faster than 1 it
leaves the wall clock behind: its clock is its own and the door does not call its times future. A
speed of 0 is as fast as readings are taken in.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import DataError, SettingError
from songsinh.live.columns import Columns, seconds
from songsinh.live.sources.broker import Note, Take, deliver
from songsinh.live.sources.measures import TICKS, Measure, TimeUnit, moment, read_measures

__all__ = ["Course", "Recording", "Replay", "inside", "read_recording", "run"]

MOST: Final = 5_000  # samples brought at once
TINY: Final = 1e-5  # s of event time, by which a stored time may be rounded
BEAT: Final = 0.05  # s of wall clock between two looks
Array = NDArray[Any]
Latest = Callable[[Sequence[tuple[str, str]]], float | None]


@final
@dataclass(frozen=True)
class Replay:
    """A CSV or Parquet file, what its columns measure, and how it is played.

    `columns` maps column names to "twin/signal" or to tables with signal, unit, scale, offset;
    without it, columns called "twin/signal", or "signal" when `twin` is given, are read. The
    column `time` is in s (or `ticks`), or ISO 8601. `begin` is the event time of the first
    sample: a number, a written time, "own" for the recording's, or nothing for now. `rest` s lie
    between two rounds of a loop, nothing for one usual step.
    """

    name: str
    path: str
    columns: Mapping[str, Measure] = field(default_factory=dict)
    twin: str = ""
    time: str = "time"
    ticks: TimeUnit = "s"
    speed: float = 1.0
    loop: bool = False
    rest: float | None = None
    begin: float | str | None = None
    begun: float | None = None  # s since 1970

    def __post_init__(self) -> None:
        if not (0 <= self.speed < 1e9):
            raise SettingError(f"the speed is {self.speed!r}; use 0 (as fast as can be) or above")
        if self.ticks not in TICKS:
            raise SettingError(f"times in {self.ticks!r} are not known; use {', '.join(TICKS)}")
        if self.rest is not None and not 0 < self.rest < 1e9:
            raise SettingError(f"the rest between two rounds is {self.rest!r} s; use above 0")
        if isinstance(self.begin, str) and self.begin != "own" and _told(self.begin) is None:
            raise SettingError(
                f"the beginning {self.begin!r} is no time; write it as 2026-01-31T12:00:00Z"
            )
        object.__setattr__(self, "columns", read_measures(self.columns))


@final
@dataclass(frozen=True, eq=False)
class Recording:
    """Times [samples] in s, rising, and SI values [samples, signals]; NaN is no reading."""

    times: Array
    values: Array
    signals: tuple[tuple[str, str], ...]

    @cached_property
    def since(self) -> Array:
        """Times from the first sample, s."""
        return np.asarray(self.times - self.times[0])

    @cached_property
    def step(self) -> float:
        """The usual time between two samples, s."""
        steps = np.diff(self.times)
        steps = steps[steps > 0]
        return float(np.median(steps)) if len(steps) else 1.0

    def columns(self, first: int, last: int, shift: float) -> Columns:
        """The readings of these samples, `shift` s after their time from the first."""
        values = self.values[first:last]
        sample, signal = np.nonzero(~np.isnan(values))
        nothing = np.zeros(len(sample), np.uint8)
        times = self.since[first:last][sample] + shift
        return Columns(self.signals, signal, times, values[sample, signal], nothing, nothing)


@final
@dataclass(frozen=True, eq=False)
class Course:
    """A recording that is played: samples are counted on through all rounds."""

    recording: Recording
    settings: Replay
    begin: float  # event time of the first sample, s since 1970
    begun: float  # and its wall clock

    @property
    def count(self) -> int:
        """Samples in a round."""
        return len(self.recording.times)

    @property
    def round(self) -> float:
        """Event time from the beginning of a round to that of the next, s."""
        rest = self.recording.step if self.settings.rest is None else self.settings.rest
        return float(self.recording.since[-1]) + rest

    def reached(self, wall: float) -> int:
        """How many samples are due at a wall clock."""
        passed = (wall - self.begun) * self.settings.speed
        if passed < 0:
            return 0
        rounds = int(passed // self.round) if self.settings.loop else 0
        left = passed - rounds * self.round
        return rounds * self.count + int(np.searchsorted(self.recording.since, left, "right"))

    def resumed(self, newest: float | None, now: float) -> tuple["Course", int]:
        """The course that goes on now after the newest reading (event time), and its next sample.

        Without one it begins now.
        """
        if newest is None or newest < self.begin:
            return replace(self, begun=now), 0
        course = replace(self, begun=now - (newest - self.begin) / self.settings.speed)
        return course, course.reached(now + TINY / self.settings.speed)

    def due(self, sample: int) -> float:
        """The wall clock at which a sample is due, s."""
        rounds, place = divmod(sample, self.count)
        passed = float(self.recording.since[place]) + rounds * self.round
        return self.begun + passed / self.settings.speed

    def piece(self, sample: int, upto: int) -> tuple[Columns, int]:
        """Readings from a sample on, at most to the end of its round, and the sample after."""
        rounds, place = divmod(sample, self.count)
        last = min(place + min(upto - sample, MOST), self.count)
        shift = self.begin + rounds * self.round
        return self.recording.columns(place, last, shift), sample + last - place


def _told(written: str) -> float | None:
    found, wrong = seconds([written])
    return None if wrong[0] else float(found[0])


def inside(path: str, folders: Sequence[Path]) -> Path:
    """The file of that name in the folders; SettingError when it lies elsewhere.

    Who may add a source must not read every file of the machine by it.
    """
    try:
        found = [(folder / path).resolve() for folder in folders]
        roots = [folder.resolve() for folder in folders]
    except (OSError, ValueError, RuntimeError):  # a loop of links, a name with NUL
        found, roots = [], []
    fitting = [one for one, root in zip(found, roots, strict=True) if root in one.parents]
    if not fitting:
        raise SettingError(
            f"the recording {path!r:.200} is in none of the folders of recordings; put it into "
            f"{str(folders[0]) if folders else 'one'!r}, or name its folder in the setting "
            "recordings"
        )
    return next((one for one in fitting if one.is_file()), fitting[0])


def read_recording(settings: Replay) -> Recording:
    """The recording in the file; DataError when it cannot be replayed."""
    import polars as pl

    path = Path(settings.path)
    if not path.is_file():
        raise DataError("there is no such recording; give the path of a CSV or Parquet file",
                        file=str(path))  # fmt: skip
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(
            path, infer_schema_length=None
        )  # fmt: skip
    except Exception as error:  # polars raises many kinds, some of them panics of its own
        raise DataError(f"cannot be read as a table ({str(error)[:200]})", file=str(path)) from None
    measures = _measures(settings, table.columns)
    missing = [name for name in (settings.time, *measures) if name not in table.columns]
    if missing or not measures:
        raise DataError(
            f"has the columns {', '.join(table.columns)[:200]}; name the time and at least one "
            f"signal among them{', not ' + repr(missing[0]) if missing else ''}", file=str(path)
        )  # fmt: skip
    times = _times(table[settings.time], settings)
    columns = [_numbers(table[name], path) for name in measures]
    lines = [measure.line for measure in measures.values()]
    values = np.column_stack([c * a + b for c, (a, b) in zip(columns, lines, strict=True)])
    if not len(times) or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise DataError("has no rising times; sort it by time first", file=str(path))
    pairs = tuple(_pair(settings, measure.signal) for measure in measures.values())
    return Recording(times, values, pairs)


def _measures(settings: Replay, names: list[str]) -> dict[str, Measure]:
    if settings.columns:
        return {
            name: measure if measure.signal else Measure(name, measure.unit, measure.scale,
                                                         measure.offset)
            for name, measure in settings.columns.items()
        }  # fmt: skip
    return {n: Measure(n) for n in names if n != settings.time and (settings.twin or "/" in n)}


def _pair(settings: Replay, signal: str) -> tuple[str, str]:
    twin, slash, name = signal.partition("/")
    return (twin, name) if slash else (settings.twin, signal)


def _times(column: Any, settings: Replay) -> Array:
    if column.dtype.is_temporal():
        return np.asarray(column.dt.epoch("us").to_numpy(), np.float64) / 1e6
    given = [moment(time, settings.ticks) for time in column.to_list()]
    times, wrong = seconds(given)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            "is no time; use seconds or ISO 8601",
            file=settings.path, row=row + 2, column=settings.time, value=given[row],
        )  # fmt: skip
    return times


def _numbers(column: Any, path: Path) -> Array:
    import polars as pl

    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean or column.dtype == pl.Null):
        raise DataError("is no column of numbers", file=str(path), column=column.name)
    return np.array(column.cast(pl.Float64).to_numpy(), np.float64)


async def run(settings: Replay, take: Take, *, note: Note, latest: Latest | None = None) -> None:
    """Bring the recording at its speed; when it does not loop, wait at its end until cancelled.

    `latest` says the event time (s) of the newest reading of these signals that the centre has.
    """
    recording = await asyncio.to_thread(read_recording, settings)
    course, sample = _course(recording, settings, time.time()), 0
    if latest is not None and settings.speed:
        newest = await asyncio.to_thread(latest, recording.signals)
        course, sample = course.resumed(newest, time.time())
    elif settings.begun is not None and settings.speed:
        sample = course.reached(time.time())
    end = None if settings.loop else course.count
    note(f"playing {Path(settings.path).name}, {course.count} samples")
    while end is None or sample < end:
        upto = course.reached(time.time()) if settings.speed else sample + MOST
        if upto > sample:
            columns, sample = course.piece(sample, upto)
            await deliver(take, settings.name, columns, note=note)
        else:
            # not longer than 1 s, the wall clock may be set
            await asyncio.sleep(min(max(course.due(sample) - time.time(), BEAT), 1.0))
    note("ended")
    await asyncio.Event().wait()


def _course(recording: Recording, settings: Replay, now: float) -> Course:
    begun = now if settings.begun is None else settings.begun
    begin = settings.begin
    if begin == "own":
        begin = float(recording.times[0])
    elif isinstance(begin, str):
        begin = _told(begin)
    return Course(recording, settings, begun if begin is None else begin, begun)
