"""How a stream begins: with what is believed now, and not a frame lost after it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from songsinh.errors import LiveError
from songsinh.live import Frame, Hub
from songsinh.web import records
from songsinh.web.api.common import off_loop
from songsinh.web.records import TwinRow

__all__ = ["frames_from_now"]

ASKED: Final = 50  # twins that are asked one by one; of more the records tell


async def frames_from_now(
    app: Any, wanted: frozenset[str] | None
) -> AsyncGenerator[Sequence[Frame], None]:
    """The present belief of each of these twins, or of all; then what changes, in batches."""
    hub: Hub = app.state.hub
    async with contextlib.aclosing(hub.listen(wanted)) as changes:  # type: ignore[type-var]
        # listening begins when the first batch is waited for
        coming = asyncio.ensure_future(anext(changes))
        try:
            await asyncio.sleep(0)
            first = await _present(app, wanted)
            if first:
                yield first
            yield await coming
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        async for frames in changes:
            yield frames


async def _present(app: Any, wanted: frozenset[str] | None) -> list[Frame]:
    twins = await off_loop(_twins, app.state.engine, wanted)
    kept = await off_loop(records.newest_beliefs, app.state.engine, [twin.id for twin in twins])
    told: dict[str, Frame] = {}
    for twin in twins:
        if twin.id in kept:
            row = kept[twin.id]
            told[twin.name] = {
                "kind": "belief", "twin": twin.name, "time": row.time_us / 1e6,
                "mean": row.mean, "sd": row.sd, "read": {}, "verdict": None,
            }  # fmt: skip
    if len(twins) <= ASKED:
        found = await asyncio.gather(*(_now(app.state.hub, twin.name) for twin in twins))
        told |= {frame["twin"]: frame for frame in found if frame is not None}
    return list(told.values())


async def _now(hub: Hub, twin: str) -> Frame | None:
    try:
        belief: Frame | None = (await hub.ask("now", twin, {}))["belief"]
    except LiveError:
        return None
    return None if belief is None else {"kind": "belief", **belief, "twin": twin}


def _twins(engine: Any, wanted: frozenset[str] | None) -> list[TwinRow]:
    found: list[TwinRow] = []
    page = records.list_twins(engine, names=wanted, sort="name", limit=records.MOST)
    found += page.rows
    while page.next is not None:
        page = records.list_twins(
            engine, names=wanted, sort="name", after=page.next, limit=records.MOST
        )
        found += page.rows
    return found
