"""The runner: twins that share a fleet, following their readings in event time.

What it believes is a function of the readings in the order of the log alone. It keeps the
readings since each twin's oldest checkpoint, and folds them again when one comes late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from songsinh.live.checkpoints import Checkpoints
from songsinh.live.snapshots import Snapshot
from songsinh.live.twins import Twin
from songsinh.live.windows import NEVER, Windows
from songsinh.twin import Belief, Fleet, Told, believe

__all__ = ["COUNTS", "DAY", "REASONS", "Folded", "Runner", "common_fleet", "fleet_of"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

DAY: Final = 86_400_000_000  # us
LONGEST: Final = 2**60  # us, of any window
COUNTS: Final = ("accepted", "late", "repeated", "conflicting")
# why readings are set aside, by the codes of a fleet
REASONS: Final = ("", "wild", "broken", "silent", "late", "failed")


class Folded(NamedTuple):
    """What one fold did: the twins it moved, the last row of each in `told`, and the rows.

    `which` [rows] are the twins of the rows and `places` [rows] where the windows hold them.
    """

    twins: Whole
    last: Whole
    told: Told
    which: Whole
    places: Whole


@final
@dataclass(frozen=True)
class _Kind:
    """What twins of one fleet have in common."""

    model: Any
    sensors: tuple[str, ...]
    readings: tuple[tuple[str, float], ...]
    drift: tuple[tuple[str, float], ...]
    method: Any
    inputs: str
    members: int


def fleet_of(twin: Twin) -> Any:
    """A key that is the same for twins that can be followed in one fleet."""
    noise, method = twin.noise, twin.method
    readings, drift = tuple(noise.readings.items()), tuple((noise.drift or {}).items())
    way = method.adapt, method.turn, method.localisation is None
    return _Kind(twin.model, twin.sensors, readings, drift, way, twin.inputs, twin.members)


def common_fleet(twin: Twin) -> Fleet:
    """The fleet of all twins that are like this one."""
    return Fleet(
        twin.model,
        sensors=twin.sensors,
        noise=twin.noise,
        method=twin.method,
        inputs=twin.inputs,
        members=twin.members,
    )


@final
class Runner:
    """Follows twins of one kind; `now` is the event time (us) each stands at, NEVER before any.

    Only one thread may use it at a time. A column is a sensor or, after those, an input.
    """

    def __init__(
        self,
        twins: Sequence[Twin],
        snapshots: Mapping[str, Snapshot],
        *,
        fleet: Fleet | None = None,
    ) -> None:
        first = twins[0]
        self.twins = tuple(twins)
        self.fleet = common_fleet(first) if fleet is None else fleet
        self.columns = first.read
        self.sensors = len(first.sensors)
        spans = np.array([min(round(twin.window * 1e6), LONGEST) for twin in twins], np.int64)
        self.windows = Windows(spans, len(self.columns))
        self.crowd = self.fleet.gather([_start(twin) for twin in twins])
        self.blank = self.crowd.copy_rows(np.arange(len(twins)))
        self.checkpoints = Checkpoints(self.blank, spans)
        self.now: Whole = np.full(len(twins), NEVER, np.int64)
        self.epoch: Whole = np.zeros(len(twins), np.int64)
        self.gaps: Array = np.array(
            [np.inf if twin.episode is None else twin.episode.gap * 1e6 for twin in twins]
        )
        self.begun: Whole = np.full(len(twins), NEVER, np.int64)  # us, of the present episode
        # readings set aside by reason, in rows that are no longer held
        self.settled: Whole = np.zeros((len(twins), len(REASONS)), np.int64)
        self.faults: dict[int, int] = {}  # twin: the code of its last fold, where not fine
        self._restore(snapshots)

    def fold(self, twin: Whole, time: Whole, column: Whole, value: Array) -> Folded | None:
        """Let readings in, in the order of the log; None when they changed nothing."""
        taken = self.windows.take(twin, time, column, value)
        if not len(taken.twins):
            return None
        return self._forward(*taken)

    def belief(self, twin: int) -> Belief:
        """What a twin believes now."""
        return self.fleet.scatter(self.crowd, twin)

    def aside(self, twin: int) -> dict[str, int]:
        """How many readings were set aside, by reason."""
        counts = self.settled[twin].copy()
        first, count = self.windows.first[twin], self.windows.count[twin]
        held = self.windows.aside[twin, first : first + count, : self.sensors]
        counts += np.bincount(held.ravel(), minlength=len(REASONS))
        told = zip(REASONS, counts.tolist(), strict=True)
        return {reason: n for reason, n in told if n and reason not in ("", "silent")}

    def aside_by_sensor(self, twin: int) -> dict[str, dict[str, int]]:
        """How many of the readings held were set aside, by sensor and reason."""
        first, count = self.windows.first[twin], self.windows.count[twin]
        codes = self.windows.aside[twin, first : first + count]
        heard = np.isfinite(self.windows.values[twin, first : first + count])
        found = {}
        for column, name in enumerate(self.columns[: self.sensors]):
            counts = np.bincount(codes[heard[:, column], column], minlength=len(REASONS))
            found[name] = {REASONS[code] or "used": int(n) for code, n in enumerate(counts) if n}
        return found

    def latest(self, twin: int) -> dict[str, tuple[int, float]]:
        """The last reading held of each column: time (us) and value."""
        first, count = self.windows.first[twin], self.windows.count[twin]
        times = self.windows.times[twin, first : first + count]
        values = self.windows.values[twin, first : first + count]
        found = {}
        for column, name in enumerate(self.columns):
            there = np.flatnonzero(np.isfinite(values[:, column]))
            if len(there):
                found[name] = int(times[there[-1]]), float(values[there[-1], column])
        return found

    def snapshot(self, twin: int) -> Snapshot:
        """All that is needed to go on from here."""
        oldest = int(self.checkpoints.oldest[twin])
        windows, belief, inputs = self.windows, None, np.empty(0)
        if oldest != NEVER:
            slot = int(self.checkpoints.times[:, twin].argmin())
            past = self.checkpoints.crowds[slot]
            belief = self.fleet.scatter(past, twin)
            inputs = np.append(past.inputs[twin], past.input_times[twin])
        first, count = windows.first[twin], windows.count[twin]
        return Snapshot(
            kind=_print(self.twins[twin]),
            time=oldest,
            watermark=int(windows.watermark[twin]),
            epoch=int(self.epoch[twin]),
            begun=int(self.begun[twin]),
            counts={name: int(getattr(windows, name)[twin]) for name in COUNTS},
            settled=self.settled[twin].tolist(),
            belief=belief,
            inputs=inputs,
            times=windows.times[twin, first : first + count].copy(),
            values=windows.values[twin, first : first + count].copy(),
            aside=windows.aside[twin, first : first + count].copy(),
        )

    def _restore(self, snapshots: Mapping[str, Snapshot]) -> None:
        some = []
        for row, twin in enumerate(self.twins):
            found = snapshots.get(twin.name)
            if found is None or found.kind != _print(twin):
                continue
            some.append(row)
            self.windows.watermark[row] = found.watermark
            self.windows.restore(row, found.times, found.values, found.aside)
            self.epoch[row], self.begun[row] = found.epoch, found.begun
            self.settled[row] = found.settled
            for name in COUNTS:
                getattr(self.windows, name)[row] = found.counts[name]
            if found.belief is not None:
                inputs, since = found.inputs[None, :-1], found.inputs[-1:]
                past = self.fleet.gather([found.belief], inputs, since)
                self.checkpoints.begin(row, found.time, past)
        rows = np.array(some, np.int64)
        if len(rows):
            self._forward(rows, self.windows.watermark[rows], is_new=True)

    def _forward(self, twins: Whole, since: Whole, is_new: bool = False) -> Folded | None:
        """Fold all rows that are held from `since` on; those after it were folded differently."""
        base = self.now[twins].copy()
        back = np.ones(len(twins), np.bool_) if is_new else since <= base
        if back.any():
            limit = np.full(back.sum(), NEVER + 1) if is_new else since[back]
            if is_new:
                limit = np.maximum(limit, self.checkpoints.oldest[twins] + 1)
            base[back] = self.checkpoints.take_back(self.crowd, twins[back], limit)
        which, places = self.windows.after(twins, base)
        if not len(which):
            self.now[twins] = base
            return None
        told = self._told(which, places, base=dict(zip(twins.tolist(), base.tolist(), strict=True)))
        self.windows.aside[which, places, : self.sensors] = told.aside
        last = np.append(np.flatnonzero(which[1:] != which[:-1]), len(which) - 1)
        moved = which[last]
        self.now[moved] = self.windows.times[moved, places[last]]
        for k in np.flatnonzero(told.codes[last]):
            self.faults[int(moved[k])] = int(told.codes[last[k]])
        if self.faults:
            for k in np.flatnonzero(told.codes[last] == 0):
                self.faults.pop(int(moved[k]), None)
        self.checkpoints.keep(self.crowd, moved, self.now[moved], self.windows.watermark[moved])
        self._forget(moved)
        return Folded(moved, last, told, which, places)

    def _forget(self, twins: Whole) -> None:
        gone, places = self.windows.forget(twins, self.checkpoints.oldest[twins])
        if len(gone):
            codes = self.windows.aside[gone, places, : self.sensors].astype(np.int64)
            cells = gone[:, None] * len(REASONS) + codes
            counts = np.bincount(cells.ravel(), minlength=self.settled.size)
            self.settled += counts.reshape(self.settled.shape)

    def _told(self, which: Whole, places: Whole, base: Mapping[int, int]) -> Told:
        """Fold rows, sorted by twin and time; twins begin, or begin anew, where that is due."""
        times = self.windows.times[which, places]
        values = self.windows.values[which, places]
        first = np.append(True, which[1:] != which[:-1])
        before = np.append(NEVER, times[:-1])
        before[first] = [base[twin] for twin in which[first].tolist()]
        for k in np.flatnonzero(before == NEVER):
            self._begin(int(which[k]), int(times[k]))
        seconds = (times - self.epoch[which]) / 1e6
        anew = (before != NEVER) & (times - before > self.gaps[which])
        if not anew.any():
            return self._folded(which, seconds, values)
        # twins go on together until the next that begins anew in each
        total = np.cumsum(anew)
        starts = np.flatnonzero(first)
        offset = np.repeat(total[starts] - anew[starts], np.diff(np.append(starts, len(which))))
        turn = total - offset
        parts, order = [], []
        for number in range(int(turn.max()) + 1):
            rows = np.flatnonzero(turn == number)
            for k in rows[anew[rows]]:
                self._renew(int(which[k]), float(seconds[k]), int(times[k]))
            parts.append(self._folded(which[rows], seconds[rows], values[rows]))
            order.append(rows)
        back = np.argsort(np.concatenate(order), kind="stable")
        return Told(*(np.concatenate(columns)[back] for columns in zip(*parts, strict=True)))

    def _folded(self, which: Whole, seconds: Array, values: Array) -> Told:
        sensed, inputs = values[:, : self.sensors], values[:, self.sensors :]
        return self.fleet.fold(self.crowd, which, seconds, sensed, inputs)

    def _begin(self, twin: int, time: int) -> None:
        """The first reading sets the clock: seconds from the beginning of its day."""
        self.epoch[twin] = time - time % DAY
        self.begun[twin] = time
        self.crowd.set_rows([twin], self.blank.copy_rows([twin]))
        start = (time - self.epoch[twin]) / 1e6
        self.crowd.times[twin] = self.crowd.input_times[twin] = start

    def _renew(self, twin: int, seconds: float, time: int) -> None:
        episode = self.twins[twin].episode
        if episode is not None:
            self.begun[twin] = time
            self.fleet.renew(self.crowd, [twin], [seconds], episode.states)


def _start(twin: Twin) -> Belief:
    return believe(twin.model, twin.start, members=twin.members, seed=twin.seed)


def _print(twin: Twin) -> str:
    """What must be the same for a snapshot to fit a twin."""
    signals = twin.model.signals
    columns = [*signals.columns("state"), "|", *signals.columns("parameter"), "|", *twin.read]
    return " ".join([twin.model.name, str(twin.members), str(len(twin.sensors)), *columns])
