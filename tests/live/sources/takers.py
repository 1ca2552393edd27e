"""Takers: what stands in for the centre when a source is tested alone, behind a real door."""

import asyncio
from contextlib import asynccontextmanager

from songsinh.live.readings import Receipt
from songsinh.live.sources import KINDS


class Taker:
    """Takes rows in through a door, and remembers what was accepted and refused."""

    def __init__(self, door, now=None):
        self.door, self.now = door, now
        self.readings, self.refused, self.notes = [], {}, []
        self.calls = 0
        self.failing = 0
        self.changed = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def take(self, source, rows):
        await self.open.wait()
        self.calls += 1
        if self.failing:
            self.failing -= 1
            raise RuntimeError("the database is away")
        found = self.door.admit(source, rows, arrived=self.now)
        self.readings += found.readings.tolist()
        for reason, count in found.refused.items():
            self.refused[reason] = self.refused.get(reason, 0) + count
        self.changed.set()
        return Receipt(len(found.readings), found.refused, found.example)

    def note(self, what):
        self.notes.append(what)
        self.changed.set()

    @property
    def values(self):
        return [value for _, value, _, _ in self.readings]

    @property
    def total(self):
        return len(self.readings) + sum(self.refused.values())

    async def until(self, true):
        """Wait until this holds; 20 s are for ever."""
        async with asyncio.timeout(20):
            while not true():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(kind, settings, taker):
    """A source at work; ended by cancelling it."""
    task = asyncio.create_task(KINDS[kind].run(settings, taker.take, note=taker.note))
    try:
        yield task
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
