"""Publishing: beliefs, forecasts and alerts of twins on an MQTT broker, for other programs.

Topics are `songsinh/{twin}/belief`, `.../forecast` and `.../alert/{rule}`, bodies the frames of
the hub as JSON. They are retained, so that who comes later is told the newest of each at once;
an alert that is over is published, then its retained message is taken away.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import orjson

from songsinh.errors import SettingError
from songsinh.live.hub import Frame, Hub
from songsinh.live.races import until_first
from songsinh.live.sources.broker import Broker, Line, Note, keep_up
from songsinh.live.sources.kinds import fill

__all__ = ["Publishing", "Waiting", "message", "publish", "read_publishing"]

KINDS: Final = ("belief", "forecast", "alert")
MOST: Final = 10_000  # frames that wait while the broker is away
TOGETHER: Final = 50  # messages on their way at once
NAUGHT: Final = str.maketrans("/+#\0", "----")


@final
@dataclass(frozen=True)
class Publishing:
    """Where to publish, under which prefix, and which kinds of frames."""

    broker: Broker = field(default_factory=Broker)
    prefix: str = "songsinh"
    kinds: tuple[str, ...] = ("forecast", "alert")

    def __post_init__(self) -> None:
        if not self.prefix or any(sign in self.prefix for sign in "+#\0"):
            raise SettingError(f"the prefix {self.prefix!r} is no topic; leave out + and #")
        wrong = [kind for kind in self.kinds if kind not in KINDS]
        if wrong:
            raise SettingError(f"{wrong[0]!r} is not published; use {', '.join(KINDS)}")


def read_publishing(given: Mapping[str, Any]) -> Publishing:
    """What to publish and where, from a table; SettingError when it makes no sense."""
    found: Publishing = fill(Publishing, given, "the setting publish")
    return found


def message(frame: Frame, prefix: str) -> tuple[str, bytes]:
    """The topic and body of a frame."""
    topic = f"{prefix}/{str(frame['twin']).translate(NAUGHT)}/{frame['kind']}"
    if frame["kind"] == "alert":
        topic += f"/{str(frame.get('rule', 'alert')).translate(NAUGHT)}"
    body = orjson.dumps(dict(frame), default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    return topic, body


def _plain(what: Any) -> Any:
    return dict(what) if isinstance(what, Mapping) else str(what)


@final
class Waiting:
    """Frames to be published: of beliefs and forecasts the newest of each twin, of alerts all."""

    def __init__(self, settings: Publishing) -> None:
        self._settings = settings
        self._frames: OrderedDict[Any, Frame] = OrderedDict()
        self._number = 0
        self._came = asyncio.Event()

    def add(self, frame: Frame) -> None:
        """Let this frame wait."""
        if frame.get("kind") not in self._settings.kinds:
            return
        self._number += 1
        alert = frame["kind"] == "alert"
        key = self._number if alert else (frame["kind"], frame["twin"])
        self._frames.pop(key, None)
        self._frames[key] = frame
        if len(self._frames) > MOST:
            self._frames.popitem(last=False)
        self._came.set()

    async def take(self) -> list[tuple[Any, Frame]]:
        """Those that waited longest, at least one; they wait on until `done`."""
        while not self._frames:
            self._came.clear()
            await self._came.wait()
        return list(self._frames.items())[:TOGETHER]

    def done(self, published: list[tuple[Any, Frame]]) -> None:
        """These are with the broker; one that a newer has replaced goes on waiting."""
        for key, frame in published:
            if self._frames.get(key) is frame:
                del self._frames[key]


async def publish(settings: Publishing, hub: Hub, *, note: Note) -> None:
    """Publish what the hub tells, until cancelled; reconnects, to the broker and to the hub."""
    waiting = Waiting(settings)

    async def work(line: Line) -> None:
        note(f"connected to {line.place}")
        await until_first(line.wait_lost(), _send(line, settings, waiting))

    async with asyncio.TaskGroup() as group:
        group.create_task(_hear(hub, waiting, note))
        group.create_task(keep_up(settings.broker, work, note=note))


async def _hear(hub: Hub, waiting: Waiting, note: Note) -> None:
    pause = 0.1
    while True:
        try:
            async for frames in hub.listen():
                pause = 0.1
                for frame in frames:
                    waiting.add(frame)
        except Exception as error:  # the process that follows twins may be starting again
            note(f"the hub is away: {error}; trying again in {pause:.3g} s")
        await asyncio.sleep(pause)
        pause = min(2 * pause, 10.0)


async def _send(line: Line, settings: Publishing, waiting: Waiting) -> None:
    while True:
        frames = await waiting.take()
        # alerts of one rule must stay in their order, others may go together
        for _, frame in frames:
            if frame["kind"] == "alert":
                await _tell(line, frame, settings.prefix)
        rest = [frame for _, frame in frames if frame["kind"] != "alert"]
        async with asyncio.TaskGroup() as group:
            for frame in rest:
                group.create_task(_tell(line, frame, settings.prefix))
        waiting.done(frames)


async def _tell(line: Line, frame: Frame, prefix: str) -> None:
    topic, body = message(frame, prefix)
    await line.publish(topic, body, retain=True)
    if frame["kind"] == "alert" and frame.get("cleared_us") is not None:
        await line.publish(topic, b"", retain=True)
