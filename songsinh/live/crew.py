"""The crew: all twins that are followed, and what comes of each batch of the log.

Only one thread may use it at a time.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, func, select

from songsinh.database import tables
from songsinh.live.alarms import Register, Sentinels, judge_now
from songsinh.live.hub import Frame
from songsinh.live.log import Log
from songsinh.live.outlooks import Outlook
from songsinh.live.readings import Quality, Readings
from songsinh.live.runner import Folded, Runner, fleet_of
from songsinh.live.snapshots import Snapshot, read_snapshots, write_snapshots
from songsinh.live.twins import Twin
from songsinh.live.windows import NEVER
from songsinh.live.yards import Build, Yard
from songsinh.twin import Fleet, Verdict

__all__ = ["Crew", "Followed", "Ward"]

AT_ONCE: Final = 20_000  # readings folded at once while catching up
ROUND: Final = 10  # calls of `keep` until every twin has a new snapshot
Whole = NDArray[np.int64]


@final
@dataclass(eq=False)
class Followed:
    """A twin in the database and how it is followed; `since` is the offset it begins after."""

    id: int
    name: str
    title: str
    recipe: Mapping[str, Any]
    state: str
    since: int = 0
    twin: Twin | None = None
    why: str = ""  # it is broken
    made: int = 0  # forecasts
    skipped: int = 0
    made_us: int = NEVER
    verdict: Verdict | None = None
    outlook: Outlook | None = None
    told: str = ""  # the state that listeners know

    @property
    def runs(self) -> bool:
        """Whether its readings are folded, now or as soon as its fleet is ready."""
        return self.twin is not None and self.state == "running" and not self.why


@final
@dataclass(eq=False)
class Ward:
    """Twins of one fleet. Arrays are by the runner's rows; event times are in us."""

    members: tuple[Followed, ...]
    runner: Runner
    sentinels: Sentinels
    is_new: NDArray[np.bool_]  # something came since the last snapshot
    arrived: NDArray[np.float64]  # s on the clock of this process
    forecast_due: Whole
    score_due: Whole


class _Place(NamedTuple):
    ward: int
    row: int


@final
@dataclass(eq=False)
class _Routes:
    """Where readings go, by signals.id: -1 to nowhere."""

    ward: Whole
    row: Whole
    column: Whole
    since: Whole
    newest: int = 0


@final
class Crew:
    """Twins by name in `twins`, followed in `wards`; `offset` is the last one folded."""

    def __init__(self, engine: Engine, build: Build) -> None:
        self.engine, self.yard = engine, Yard(build)
        self.twins: dict[str, Followed] = {}
        self.wards: list[Ward] = []
        self.places: dict[str, _Place] = {}
        self.offset = _newest_offset(engine)
        self.catching_up = False
        self._routes = _Routes(*np.full((4, 0), -1))
        self._rounds = 0
        with engine.connect() as connection:
            self.register = Register(connection)

    @property
    def names(self) -> dict[int, str]:
        """Names by twins.id."""
        return {one.id: one.name for one in self.twins.values()}

    def load(self) -> None:
        """Read the twins again; those that are as they were go on undisturbed."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(tables.twins).order_by(tables.twins.c.id)).all()
            made = _last_made(connection)
        kept = self._parting()
        missing = [row.id for row in rows if row.id not in kept]
        stored = read_snapshots(self.engine, missing)
        is_first, before, self.twins = not self.wards and not self.twins, self.twins, {}
        for row in rows:
            one = before.get(row.name)
            goes_on = one is not None and one.runs and row.state == "running"
            if one is None or one.id != row.id or one.recipe != row.recipe or one.why:
                one, goes_on = Followed(row.id, row.name, row.title, row.recipe, row.state), False
                one.twin, one.why = self.yard.fetch(row.recipe)
                one.made_us = made.get(row.id, NEVER)
            offset, found = stored.get(row.id, (0, None))
            if found is not None:
                kept[row.id] = found
            if not goes_on:
                one.since = offset if is_first else self.offset
            one.title, one.state = row.title, row.state
            self.twins[row.name] = one
        names = self.names
        self._store({i: one for i, one in kept.items() if i in names and i not in stored})
        self._group(kept)

    def prepare(self) -> None:
        """Build the twins in the database that are new, so that `load` need not; in any thread."""
        known = {name: one.recipe for name, one in dict(self.twins).items() if not one.why}
        with self.engine.connect() as connection:
            rows = connection.execute(select(tables.twins.c.name, tables.twins.c.recipe)).all()
        self.yard.prepare(row.recipe for row in rows if known.get(row.name) != row.recipe)

    def starting(self) -> list[Twin]:
        """One twin of each fleet that is not ready."""
        found: dict[Any, Twin] = {}
        for one in self.twins.values():
            if one.twin is not None and self.starts(one):
                found.setdefault(fleet_of(one.twin), one.twin)
        return list(found.values())

    def starts(self, one: Followed) -> bool:
        """Whether a twin waits for its fleet; its readings wait in the log."""
        return one.runs and one.name not in self.places

    def join(self, log: Log) -> None:
        """Let in the twins whose fleet is ready by now, and fold what the log holds of them."""
        new = [one for one in self.twins.values() if self.starts(one)]
        kinds = {fleet_of(one.twin) for one in new if one.twin is not None}
        kept = self._parting(kinds)
        stored = read_snapshots(self.engine, [one.id for one in new])
        self._group(kept | {i: found for i, (_, found) in stored.items() if found is not None})
        late = [self.places[one.name] for one in new if one.name in self.places]
        late = [at for at in late if self.wards[at.ward].members[at.row].since < self.offset]
        if late:
            self._catch_up(log, late)

    def _catch_up(self, log: Log, places: Sequence[_Place]) -> None:
        """Fold what is in the log of these twins alone, up to where the others stand."""
        routes, until = self._routes, self.offset
        mine = np.zeros(len(routes.ward), np.bool_)
        for ward, row in places:
            mine |= (routes.ward == ward) & (routes.row == row)
        self._routes = replace(routes, ward=np.where(mine, routes.ward, -1))
        self.catching_up = True
        waiting: list[tuple[int, Readings]] = []
        begin = min(self.wards[ward].members[row].since for ward, row in places)
        for offset, _, readings in log.since(begin):
            if offset > until:
                break
            waiting.append((offset, readings))
            if sum(len(part) for _, part in waiting) >= AT_ONCE:
                self.follow(waiting)
                waiting = []
        self.follow(waiting)
        self.catching_up, self._routes = False, routes
        for ward, row in places:
            self.wards[ward].arrived[row] = -np.inf

    def follow(
        self, batches: Sequence[tuple[int, Readings]], *, is_heard: bool = False
    ) -> dict[str, Callable[[], Frame]]:
        """Fold batches of the log in their order; frames of the beliefs, made when called."""
        if not batches:
            return {}
        readings = np.concatenate([part for _, part in batches])
        signal = readings["signal"].astype(np.int64)
        routes = self._routes
        wards = np.where(signal < len(routes.ward), routes.ward.take(signal, mode="clip"), -1)
        wards = np.where(readings["quality"] != int(Quality.BAD), wards, -1)
        if batches[0][0] <= routes.newest:
            offsets = np.repeat([at for at, _ in batches], [len(part) for _, part in batches])
            wards = np.where(offsets > routes.since.take(signal, mode="clip"), wards, -1)
        self.offset = max(self.offset, batches[-1][0])
        frames: dict[str, Callable[[], Frame]] = {}
        present = np.unique(wards) if len(self.wards) > 1 else np.arange(len(self.wards))
        for number in present[present >= 0].tolist():
            mine = wards == number
            part, ids = (readings, signal) if mine.all() else (readings[mine], signal[mine])
            if len(part):
                folded = self._fold(self.wards[number], part, ids)
                if folded is not None and is_heard:
                    frames |= _belief_frames(self.wards[number], folded)
        return frames

    def _fold(self, ward: Ward, readings: Readings, signal: Whole) -> Folded | None:
        if ward.members[0].why:
            return None
        rows = self._routes.row[signal]
        ward.is_new[rows] = True
        ward.arrived[rows] = time.monotonic()
        columns = self._routes.column[signal]
        try:
            folded = ward.runner.fold(rows, readings["time"], columns, readings["value"])
            if folded is not None:
                self._watch(ward, folded.twins)
        except Exception as error:  # the others go on, whatever it was
            for one in ward.members:
                one.why = f"its readings could not be folded ({type(error).__name__}: {error})"
            return None
        return folded

    def _watch(self, ward: Ward, twins: Whole) -> None:
        """Alarms about the present, of the twins that moved."""
        for row, alarm, chance in ward.sentinels.look(ward.runner, twins):
            one = ward.members[row]
            if one.twin is not None:
                found = judge_now(one.twin, alarm, chance)
                self.register.weigh(one.id, int(ward.runner.now[row]), [found])

    def write_some(self, connection: Connection, *, everything: bool = False) -> Callable[[], None]:
        """Store new snapshots of some twins; what is returned is to be called when durable."""
        self._rounds += 1
        new: list[tuple[Ward, int]] = []
        same = [one for one in self.twins.values() if not one.runs and not one.why]
        for ward in self.wards:
            if ward.members[0].why:
                continue
            rows = np.arange(len(ward.members))
            turn = rows % ROUND == self._rounds % ROUND
            chosen = ward.is_new if everything else ward.is_new & turn
            new += [(ward, row) for row in rows[chosen].tolist()]
            same += [ward.members[row] for row in rows[~ward.is_new].tolist()]
        moves = everything or self._rounds % ROUND == 0
        snapshots = {ward.members[row].id: ward.runner.snapshot(row) for ward, row in new}
        numbers = [one.id for one in same] if moves else []
        write_snapshots(connection, self.offset, snapshots, same=numbers)
        offset = self.offset

        def settle() -> None:
            for ward, row in new:
                ward.is_new[row] = False
                ward.members[row].since = offset
            for one in same if moves else ():
                one.since = max(one.since, offset)

        return settle

    def needed_after(self) -> int:
        """The offset up to which no row of the log is needed any more."""
        running = [one.since for one in self.twins.values() if not one.why]
        return min(running, default=self.offset)

    def signals(self) -> list[int]:
        """The numbers in the log (signals.id) of all that is followed."""
        return np.flatnonzero(self._routes.ward >= 0).tolist()

    def _parting(self, kinds: Collection[Any] | None = None) -> dict[int, Snapshot]:
        """Where each twin stands, by twins.id; of these fleets, or of all."""
        return {
            one.id: ward.runner.snapshot(row)
            for ward in self.wards
            for row, one in enumerate(ward.members)
            if not one.why and (kinds is None or fleet_of(ward.runner.twins[0]) in kinds)
        }

    def _store(self, snapshots: Mapping[int, Snapshot]) -> None:
        if snapshots:
            with self.engine.begin() as connection:
                write_snapshots(connection, self.offset, snapshots)

    def _group(self, snapshots: Mapping[int, Snapshot]) -> None:
        groups: dict[Any, list[Followed]] = {}
        for one in self.twins.values():
            if one.runs and one.twin is not None:
                groups.setdefault(fleet_of(one.twin), []).append(one)
        old = {ward.members: ward for ward in self.wards}
        standing = self.register.standing(self.names)
        wards = []
        for members in map(tuple, groups.values()):
            ward = old.get(members) or self._ward(members, snapshots, standing)
            if ward is not None:
                wards.append(ward)
        self.wards = wards
        self.places = {
            one.name: _Place(number, row)
            for number, ward in enumerate(wards)
            for row, one in enumerate(ward.members)
        }
        self.route()

    def _ward(
        self, members: tuple[Followed, ...], snapshots: Mapping[int, Snapshot], standing: Any
    ) -> Ward | None:
        """Twins of one fleet where they stood; None while they cannot be followed, or never."""
        twin: Any = members[0].twin
        fleet, why = self.yard.fleet(twin), self.yard.fault(twin)
        if fleet is not None:
            try:
                return _ward(members, snapshots, standing, fleet)
            except Exception as error:  # of one fleet all are alike, and the others go on
                why = f"it cannot be followed: {error}"
        for one in members:
            one.why = why
        return None

    def route(self) -> None:
        """Read which number each signal has in the log (after the door has entered them)."""
        table = tables.signals
        with self.engine.connect() as connection:
            rows = connection.execute(select(table.c.id, table.c.twin, table.c.name)).all()
        size = max((row.id for row in rows), default=-1) + 2  # the last stands for all others
        routes = _Routes(*np.full((4, size), -1))
        names = self.names
        for number, twin, name in rows:
            place = self.places.get(names.get(twin, ""))
            if place is None:
                continue
            runner = self.wards[place.ward].runner
            if name in runner.columns:
                routes.ward[number], routes.row[number] = place
                routes.column[number] = runner.columns.index(name)
                routes.since[number] = self.wards[place.ward].members[place.row].since
        routes.newest = int(routes.since.max(initial=-1))
        self._routes = routes


def _newest_offset(engine: Engine) -> int:
    """The last offset that was ever given to readings that are followed."""
    with engine.connect() as connection:
        logged = connection.scalar(select(func.max(tables.log.c.offset)))
        folded = connection.scalar(select(func.max(tables.snapshots.c.offset)))
    return max(logged or 0, folded or 0)


def _ward(
    members: tuple[Followed, ...],
    snapshots: Mapping[int, Snapshot],
    standing: Iterable[Any],
    fleet: Fleet,
) -> Ward:
    """Twins of one fleet where their snapshots left them."""
    twins = [one.twin for one in members if one.twin is not None]
    found = {one.name: snapshots[one.id] for one in members if one.id in snapshots}
    runner, count = Runner(twins, found, fleet=fleet), len(members)
    every = np.array([round(twin.every * 1e6) for twin in twins], np.int64)
    made = np.array([one.made_us for one in members], np.int64)
    return Ward(
        *(members, runner, Sentinels(runner, standing)),
        *(np.ones(count, np.bool_), np.full(count, -np.inf)),
        forecast_due=np.where(made == NEVER, NEVER + 1, made + every),
        score_due=np.zeros(count, np.int64),
    )


def _last_made(connection: Connection) -> dict[int, int]:
    """The last event time (us) at which something was stored of a twin."""
    found: dict[int, int] = {}
    for table, column in (
        (tables.forecasts, tables.forecasts.c.made_us),
        (tables.beliefs, tables.beliefs.c.time_us),
    ):
        query = select(table.c.twin, func.max(column)).group_by(table.c.twin)
        for twin, last in connection.execute(query):
            found[twin] = max(last, found.get(twin, last))
    return found


def _belief_frames(ward: Ward, folded: Folded) -> dict[str, Callable[[], Frame]]:
    """For each twin that moved a function that makes its frame."""
    runner, told, last = ward.runner, folded.told, folded.last
    fine = np.flatnonzero((told.codes[last] == 0) & np.isfinite(told.means[last, 0]))
    view = _View(
        columns=runner.fleet.columns,
        read=runner.columns,
        sensors=runner.sensors,
        now=runner.now[folded.twins],
        means=told.means[last],
        sds=told.sds[last],
        expected=told.expected[last],
        doubt=told.doubt[last],
        values=runner.windows.values[folded.which[last], folded.places[last]],
    )
    rows = folded.twins.tolist()
    return {ward.members[rows[k]].name: partial(_frame, view, k, ward.members[rows[k]])
            for k in fine.tolist()}  # fmt: skip


class _View(NamedTuple):
    columns: tuple[str, ...]
    read: tuple[str, ...]
    sensors: int
    now: Whole
    means: NDArray[np.float64]
    sds: NDArray[np.float64]
    expected: NDArray[np.float64]
    doubt: NDArray[np.float64]
    values: NDArray[np.float64]


def _frame(view: _View, k: int, one: Followed) -> Frame:
    mean = dict(zip(view.columns, view.means[k].tolist(), strict=True))
    sd = dict(zip(view.columns, view.sds[k].tolist(), strict=True))
    # what outputs were expected to read; of states the belief itself is told
    sensors = view.read[: view.sensors]
    expected = zip(sensors, view.expected[k].tolist(), view.doubt[k].tolist(), strict=True)
    for name, value, doubt in expected:
        if name not in mean:
            mean[name], sd[name] = value, doubt
    read = zip(view.read, view.values[k].tolist(), strict=True)
    return {
        "kind": "belief",
        "twin": one.name,
        "time": int(view.now[k]) / 1e6,
        "mean": mean,
        "sd": sd,
        "read": {name: value for name, value in read if value == value},
        "verdict": one.verdict.kind if one.verdict else "fine",
    }
