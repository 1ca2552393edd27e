"""Springs: the sources of the database as tasks, each for itself."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, final

from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.errors import SongsinhError
from songsinh.live.columns import Columns
from songsinh.live.readings import Receipt, Row

__all__ = ["Springs"]

LONGEST: Final = 60.0  # s until a source that failed is begun again


@final
@dataclass(eq=False)
class _Spring:
    row: tuple[Any, ...]
    task: asyncio.Task[None] | None = None
    note: str = ""
    noted: float = 0.0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@final
class Springs:
    """Runs the sources; one that fails is begun again after a pause and disturbs no other.

    Replays read only from the folders of `recordings`; from anywhere when it is None. They go on
    after the `latest` reading (event time, s) of their signals.
    """

    def __init__(
        self,
        engine: Engine,
        take: Callable[[str, Any], Awaitable[Receipt]],
        *,
        recordings: Sequence[Path] | None = None,
        latest: Callable[[Sequence[tuple[str, str]]], float | None] | None = None,
    ) -> None:
        self._engine, self._take, self._recordings = engine, take, recordings
        self._latest = latest
        self._springs: dict[str, _Spring] = {}

    async def load(self) -> None:
        """Read the sources again: what is new or has changed begins, what is gone ends."""
        rows = await asyncio.to_thread(self._read)
        for name, spring in tuple(self._springs.items()):
            if rows.get(name) != spring.row:
                await self._end(self._springs.pop(name))
        for name, row in rows.items():
            if name in self._springs:
                continue
            spring = self._springs[name] = _Spring(row)
            if row[3] == "running":
                spring.task = asyncio.create_task(self._run(name, spring))
            else:
                self._note(spring, "paused")

    async def stop(self) -> None:
        """End all of them."""
        for spring in self._springs.values():
            await self._end(spring)
        self._springs.clear()

    def state(self, skews: Mapping[str, Any]) -> dict[str, Any]:
        """How each source does; skews (s) are how far its clock is from ours."""
        told = {}
        for name, spring in self._springs.items():
            skew = skews.get(name)
            told[name] = {
                "kind": spring.row[1],
                "state": spring.row[3],
                "note": spring.note,
                "noted": spring.noted,
                "accepted": spring.accepted,
                "refused": dict(spring.refused),
                "skew": None if skew is None else skew.median,
            }
        return told

    def _read(self) -> dict[str, tuple[Any, ...]]:
        table = tables.sources
        columns = table.c.id, table.c.kind, table.c.settings, table.c.state, table.c.made_us
        with self._engine.connect() as connection:
            rows = connection.execute(select(table.c.name, *columns)).all()
        return {name: tuple(row) for name, *row in rows}

    async def _run(self, name: str, spring: _Spring) -> None:
        from songsinh.live.sources import KINDS, read_settings

        _, kind, given, _, made_us = spring.row
        pause = 1.0

        async def take(source: str, rows: Sequence[Row] | Columns) -> Receipt:
            receipt = await self._take(source, rows)
            spring.accepted += receipt.accepted
            spring.refused.update(receipt.refused)
            return receipt

        while True:
            begun = time.monotonic()
            try:
                settings = read_settings(
                    kind, name, given, made=made_us / 1e6, folders=self._recordings
                )
                more = {"latest": self._latest} if kind == "replay" else {}
                note = partial(self._note, spring)
                await KINDS[kind].run(settings, take, note=note, **more)
                self._note(spring, "ended")
                return
            except SongsinhError as error:
                self._note(spring, f"lost: {error}")
            except Exception as error:  # whatever a source does, others go on
                self._note(spring, f"lost: {type(error).__name__}: {error}")
            pause = 1.0 if time.monotonic() - begun > LONGEST else min(2 * pause, LONGEST)
            await asyncio.sleep(pause)

    def _note(self, spring: _Spring, what: str) -> None:
        spring.note, spring.noted = what[:300], time.time()

    async def _end(self, spring: _Spring) -> None:
        if spring.task is not None:
            spring.task.cancel()
            await asyncio.gather(spring.task, return_exceptions=True)
