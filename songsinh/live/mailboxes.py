"""Mailboxes: what listeners have not yet been told; of what is overtaken only the newest waits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, final

from songsinh.live.hub import Frame

__all__ = ["PAUSE", "Mailbox"]

PAUSE: Final = 1 / 30  # s between two tellings, so that each twin has at most 30 frames a second
MOST: Final = 10_000  # alerts that wait for one listener; older ones are in the database

Told = Frame | Callable[[], Frame]


@final
class Mailbox:
    """Frames for one listener, of these twins or all; used from one event loop.

    Beliefs, forecasts and states wait as the newest of each twin, and are made only when they
    are fetched. Alerts wait one by one.
    """

    def __init__(self, twins: Iterable[str] | None = None, *, pause: float = PAUSE) -> None:
        self._twins = None if twins is None else frozenset(twins)
        self._pause, self._last = pause, -pause
        self._beliefs: dict[str, Told] = {}
        self._others: dict[tuple[str, str], Frame] = {}
        self._alerts: deque[Frame] = deque(maxlen=MOST)
        self._filled = asyncio.Event()

    def put(self, beliefs: Mapping[str, Told], frames: Sequence[Frame] = ()) -> None:
        """Let newer beliefs, by twin, take the place of older ones; other frames of any kind."""
        if self._twins is None:
            self._beliefs.update(beliefs)
        else:
            self._beliefs |= {twin: beliefs[twin] for twin in self._twins if twin in beliefs}
        for frame in frames:
            twin = frame.get("twin", "")
            if self._twins is not None and twin not in self._twins:
                continue
            if frame["kind"] == "alert":
                self._alerts.append(frame)
            elif frame["kind"] == "belief":
                self._beliefs[twin] = frame
            else:
                self._others[frame["kind"], twin] = frame
        if self._beliefs or self._others or self._alerts:
            self._filled.set()

    async def fetch(self) -> list[Frame]:
        """What waits, as soon as there is something: alerts first, beliefs last."""
        await self._filled.wait()
        soon = self._last + self._pause - time.monotonic()
        if soon > 0:
            await asyncio.sleep(soon)
        self._last = time.monotonic()
        self._filled.clear()
        found = [*self._alerts, *self._others.values()]
        found += [told() if callable(told) else told for told in self._beliefs.values()]
        self._alerts.clear()
        self._others.clear()
        self._beliefs.clear()
        return found
