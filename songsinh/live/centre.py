"""The centre: the hub in the process that follows twins.

Readings go through the door, then with all others that wait into one row of the log, and only
then are they acknowledged and folded. While one batch is folded the next is made durable and the
one after it collects, so the busier it is the larger the batches, and a lone reading waits for
nobody. All that is computed runs in threads of their own; this one only hands on.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, final

import numpy as np
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from songsinh.errors import LiveError, SongsinhError, near
from songsinh.live.columns import Columns
from songsinh.live.crew import Crew
from songsinh.live.door import Door
from songsinh.live.hub import Frame
from songsinh.live.log import Log
from songsinh.live.mailboxes import PAUSE, Mailbox
from songsinh.live.prospects import Prospects
from songsinh.live.questions import ANSWERS, read_scores, sit, tell_start
from songsinh.live.readings import READING, Readings, Receipt, Row
from songsinh.live.rules import read_rules
from songsinh.live.runner import fleet_of
from songsinh.live.springs import Springs
from songsinh.live.standing import Standing
from songsinh.live.twins import Twin
from songsinh.live.yards import Build

__all__ = ["Centre"]

HELD: Final = 200_000  # readings not yet folded, above which sources wait
AT_ONCE: Final = 20_000  # readings folded at once
BEHIND: Final = 40_000  # readings that wait, or
LAG: Final = 2.0  # s that one waits, from which on nobody looks ahead
BEAT: Final = 0.25  # s between two looks at what is to be written
ROUND: Final = 1.0  # s between two rounds of snapshots
SEALING: Final = 300.0  # s between two sealings
SLOW: Final = 60.0  # s for an answer
PATIENCE: Final = 2.0  # s that who changes twins waits for those that have to be compiled
# s from the start to the first upkeep of the history, and from one to the next
FIRST_UPKEEP: Final = 600.0
UPKEEP: Final = 86_400.0


class _Waiting(NamedTuple):
    readings: Readings
    durable: asyncio.Future[None]


class _Batch(NamedTuple):
    """Readings that are durable; or none but a change of twins that is done in their turn."""

    offset: int
    readings: Readings
    since: float
    change: "_Change | None" = None


class _Change(NamedTuple):
    """Work on the crew between two batches, and who waits for what comes of it."""

    work: Callable[[], Any]
    done: asyncio.Future[Any]


@final
class Centre:
    """Follows all twins in the database; `build` makes a twin from its recipe. See Hub."""

    def __init__(
        self,
        engine: Engine,
        history: Any,
        build: Build,
        *,
        sealing: float = SEALING,
        recordings: Sequence[Path] | None = None,  # folders of what may be replayed; None is all
    ) -> None:
        self.engine, self.history, self._recordings = engine, history, recordings
        self._build, self._sealing = build, sealing
        self._log = Log(engine)
        self._waiting: list[_Waiting] = []
        self._queue: deque[_Batch] = deque()
        self._held = 0
        self._mailboxes: set[Mailbox] = set()
        self._tasks: list[asyncio.Task[None]] = []
        # one writes the log, one folds, one answers; the first two never write at once
        self._writer, self._folder, self._asker = (ThreadPoolExecutor(1) for _ in range(3))
        self._warmer = ThreadPoolExecutor(1)  # makes fleets ready
        self._readied: dict[asyncio.Task[None], Twin] = {}
        self._writing = Lock()
        self._sealed: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}
        self._is_ending = False

    async def start(self) -> None:
        """Read twins and sources, go on where the last run stopped, then follow.

        Twins whose fleet takes long to be made ready follow when it is; see `ready`.
        """
        self._arrived, self._came, self._eased = (asyncio.Event() for _ in range(3))
        self._eased.set()
        self._changing = asyncio.Lock()
        starting = await self._fold(self._open)
        loops = (self._commit, self._follow, self._keep, self._seal, self._upkeep)
        self._tasks = [asyncio.create_task(one()) for one in loops]
        self._springs = Springs(
            self.engine, self.take, recordings=self._recordings, latest=self._latest
        )
        await self._ready(starting)
        await self._springs.load()

    def _latest(self, signals: Sequence[tuple[str, str]]) -> float | None:
        """Event time in s of the newest reading of these signals (twin, name)."""
        numbers = [self._door.signal(twin, name) for twin, name in signals]
        found = self.history.latest([number for number in numbers if number is not None])
        return max((time_us / 1e6 for time_us, *_ in found.values()), default=None)

    async def ready(self) -> None:
        """Wait until no twin is starting any more."""
        while self._readied:
            await asyncio.wait(tuple(self._readied))

    async def stop(self, *, keep: bool = True) -> None:
        """Take in nothing more, fold what is durable, store where each twin stands, and end.

        With keep=False nothing more is folded or written, as if the process had been killed.
        """
        self._is_ending = True
        await self._springs.stop()
        if keep:
            while self._held and not any(task.done() for task in self._tasks):
                await asyncio.sleep(0.005)
        ending = [*self._tasks, *self._readied]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        _tell(self._waiting, LiveError("the centre has ended; send again when it is back"))
        if keep:
            await self._flush(partial(self._write, everything=True))
        for pool in (self._writer, self._folder, self._asker):
            await asyncio.to_thread(pool.shutdown)
        self._warmer.shutdown(wait=False, cancel_futures=True)
        self._log.close()

    # -- the hub

    async def take(self, source: str, rows: Sequence[Row] | Columns) -> Receipt:
        """See Hub."""
        await self._eased.wait()
        if self._is_ending:
            raise LiveError("the centre is ending; send again when it is back")
        admitted = self._door.admit(source, rows)
        if len(admitted.readings):
            durable = asyncio.get_running_loop().create_future()
            self._waiting.append(_Waiting(admitted.readings, durable))
            self._hold(len(admitted.readings))
            self._arrived.set()
            await durable
        return Receipt(len(admitted.readings), admitted.refused, admitted.example)

    async def listen(
        self, twins: Iterable[str] | None = None, *, pause: float = PAUSE
    ) -> AsyncIterator[Sequence[Frame]]:
        """See Hub; `pause` s lie between two tellings, with 0 it hears all it can take in."""
        mailbox = Mailbox(twins, pause=pause)
        self._mailboxes.add(mailbox)
        try:
            while True:
                yield await mailbox.fetch()
        finally:
            self._mailboxes.discard(mailbox)

    async def ask(self, what: str, twin: str, detail: Mapping[str, Any]) -> Mapping[str, Any]:
        """See Hub."""
        if what not in ANSWERS:
            raise LiveError(f"{what!r:.40} is no question; {near(what, tuple(ANSWERS))}")
        state = self._standing.of(twin)
        if what == "now" and state.get("state") == "starting":
            start = await self._fold(partial(tell_start, self._crew, twin, state))
            if start is not None:
                return dict(start)
        sitter = await self._fold(partial(sit, self._crew, twin, state))
        if sitter.belief is None and what != "now":
            raise LiveError(f"twin {twin!r} has read nothing yet; ask again when it has")
        work = partial(_answer, self.engine, what, sitter, detail)
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._asker, work), SLOW)
        except TimeoutError as error:
            raise LiveError(
                f"twin {twin!r} took more than {SLOW:g} s to answer; ask for less at once"
            ) from error

    async def changed(self) -> None:
        """See Hub."""
        await asyncio.to_thread(self._crew.prepare)
        await self._ready(await self._between(self._reload))
        async with self._changing:
            await self._springs.load()

    async def failed(self) -> None:
        """Wait until a part of the centre fails that nobody foresaw; raises what it failed with."""
        # who waits here may be cancelled, and the parts go on
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def state(self) -> Mapping[str, Any]:
        """See Hub."""
        if any(task.done() for task in self._tasks):
            raise LiveError("the following of twins has failed; start the centre again")
        return {
            "twins": self._standing.all(),
            "sources": self._springs.state(self._door.skews()),
            "offset": self._crew.offset,
            "queue": self._held,
            "behind": self._is_behind(),
            "sealed": self._sealed,
            "kept": self._kept,
        }

    # -- from the door to the log

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            taken, self._waiting = self._waiting, []
            if not taken:
                continue
            parts = [one.readings for one in taken]
            readings = parts[0] if len(parts) == 1 else np.concatenate(parts)
            begun = time.monotonic()
            try:
                offset = await loop.run_in_executor(self._writer, self._append, readings)
            except SongsinhError as error:
                self._hold(-len(readings))
                _tell(taken, error)
                continue
            self._queue.append(_Batch(offset, readings, begun))
            self._came.set()
            _tell(taken, None)

    def _append(self, readings: Readings) -> int:
        with self._writing:
            return self._log.append(readings, time.time_ns() // 1000)

    def _hold(self, count: int) -> None:
        self._held += count
        if self._held > HELD:
            self._eased.clear()
        else:
            self._eased.set()

    # -- from the log to beliefs

    async def _follow(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while self._queue:
                if (change := self._queue[0].change) is not None:
                    self._queue.popleft()
                    await self._change(change)
                    continue
                batches, is_behind = self._next(), self._is_behind()
                frames, is_due = await self._fold(partial(self._step, batches))
                self._hold(-sum(len(part) for _, part in batches))
                self._tell(frames)
                while is_due:
                    is_due = await self._fold(partial(self._prospects.look, is_behind=is_behind))
                    is_due = is_due and not self._queue
                if self._prospects.is_urgent:
                    await self._flush()

    async def _between(self, work: Callable[[], Any]) -> Any:
        """What comes of some work on the crew, done when the batches that wait are folded."""
        done = asyncio.get_running_loop().create_future()
        change = _Change(work, done)
        self._queue.append(_Batch(0, np.empty(0, READING), time.monotonic(), change))
        self._came.set()
        return await done

    async def _change(self, change: _Change) -> None:
        try:
            found = await self._fold(change.work)
        except Exception as error:  # the one who asked must hear of it, and following goes on
            if not change.done.done():
                change.done.set_exception(error)
            return
        if not change.done.done():
            change.done.set_result(found)

    async def _ready(self, starting: Sequence[Twin]) -> None:
        """Make fleets ready one after the other, and wait a little while for it."""
        under = {fleet_of(twin) for twin in self._readied.values()}
        for twin in starting:
            if fleet_of(twin) not in under:
                task = asyncio.create_task(self._admit(twin))
                self._readied[task] = twin
                task.add_done_callback(lambda task: self._readied.pop(task, None))
        if self._readied:
            await asyncio.wait(tuple(self._readied), timeout=PATIENCE)

    async def _admit(self, twin: Twin) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._warmer, self._crew.yard.warm, twin)
        while True:
            try:
                await self._between(partial(self._crew.join, self._log))
                break
            except SQLAlchemyError:  # they go on starting until the database is back
                await asyncio.sleep(ROUND)
        self._tell({}, self._standing.changes(is_behind=self._is_behind()))

    def _step(self, batches: list[tuple[int, Readings]]) -> tuple[Mapping[str, Any], bool]:
        """Frames of beliefs, and whether anybody is to look ahead."""
        frames = self._crew.follow(batches, is_heard=bool(self._mailboxes))
        return frames, self._prospects.is_due

    def _next(self) -> list[tuple[int, Readings]]:
        """Batches that wait, as many as are folded at once."""
        found: list[tuple[int, Readings]] = []
        count = 0
        while self._queue and self._queue[0].change is None:
            if found and count + len(self._queue[0].readings) > AT_ONCE:
                break
            batch = self._queue.popleft()
            count += len(batch.readings)
            found.append((batch.offset, batch.readings))
        return found

    def _is_behind(self) -> bool:
        oldest = self._queue[0].since if self._queue else time.monotonic()
        return self._held > BEHIND or time.monotonic() - oldest > LAG

    async def _fold(self, work: Callable[[], Any]) -> Any:
        """Do this on the thread of the crew, which does one thing at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._folder, work)

    def _tell(
        self, beliefs: Mapping[str, Callable[[], Frame]], frames: Sequence[Frame] = ()
    ) -> None:
        if beliefs or frames:
            for mailbox in tuple(self._mailboxes):
                mailbox.put(beliefs, frames)

    # -- keeping house

    async def _keep(self) -> None:
        """Write what came of it all, and now and then where each twin stands."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(BEAT)
            if self._prospects.waits:
                await self._flush()
            if time.monotonic() - last >= ROUND:
                last = time.monotonic()
                await self._flush(self._write)
                self._tell({}, self._standing.changes(is_behind=self._is_behind()))

    async def _flush(self, write: Callable[[], list[Frame]] | None = None) -> None:
        try:
            frames = await self._fold(write or self._write_prospects)
        except SQLAlchemyError as error:  # it waits, and is written when the database is back
            self._sealed["error"] = f"{type(error).__name__}: {error}"[:300]
            return
        self._tell({}, frames)

    def _write_prospects(self) -> list[Frame]:
        with self._writing, self.engine.begin() as connection:
            settle = self._prospects.flush(connection)
        return settle()

    def _write(self, everything: bool = False) -> list[Frame]:
        with self._writing, self.engine.begin() as connection:
            settle = self._prospects.flush(connection)
            settle_snapshots = self._crew.write_some(connection, everything=everything)
        settle_snapshots()
        with self._writing:
            self._door.flush()
        self._standing.note()
        return settle()

    async def _seal(self) -> None:
        """Move what no twin needs any more from the log into the history."""
        while True:
            await asyncio.sleep(self._sealing)
            before = self._crew.needed_after() + 1
            try:
                done = await asyncio.to_thread(self.history.seal, before)
                self._sealed = {"at": time.time(), "before": before, "readings": done.readings}
            except Exception as error:  # the log keeps all, and the next time may do it
                self._sealed["error"] = f"{type(error).__name__}: {error}"[:300]

    async def _upkeep(self) -> None:
        """Follow the rules of retention, about once a day."""
        pause = FIRST_UPKEEP
        while True:
            await asyncio.sleep(pause)
            pause = UPKEEP
            told: dict[str, Any] = {"at": time.time()}
            try:
                rules, told["problems"] = await asyncio.to_thread(read_rules, self.engine)
                told |= asdict(await asyncio.to_thread(self.history.keep, rules))
            except Exception as error:  # nothing is lost; the next time may do it
                told["error"] = f"{type(error).__name__}: {error}"[:300]
            self._kept = told

    def _open(self) -> list[Twin]:
        self._crew = Crew(self.engine, self._build)
        self._crew.load()
        self._door = Door(self.engine, self._twins())
        self._crew.route()
        self._prospects = Prospects(self._crew)
        self._prospects.load()
        self._standing = Standing(self._crew)
        return self._crew.starting()

    def _reload(self) -> list[Twin]:
        with self._writing:
            self._crew.load()
            self._door.reload(self._twins())
            self._crew.route()
        return self._crew.starting()

    def _twins(self) -> dict[str, Any]:
        return {name: one.twin for name, one in self._crew.twins.items() if one.twin is not None}


def _tell(taken: Sequence[_Waiting], error: Exception | None) -> None:
    for one in taken:
        if one.durable.done():
            continue
        if error is None:
            one.durable.set_result(None)
        else:
            one.durable.set_exception(error)


def _answer(engine: Engine, what: str, sitter: Any, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    answer: dict[str, Any] = ANSWERS[what](sitter, detail)
    if what == "now":
        answer["scores"] = read_scores(engine, sitter.twin.name)
    return answer
