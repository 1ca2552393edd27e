"""200 twins at 100 Hz: 20,000 readings a second through a whole centre held to one core.

`songsinh start --together` (pages, API, hub and all that follows) runs on one core. On the
others four senders push JSON over WebSockets with a token, on the dot of a clock, and a listener
hears every twin over `/api/v1/stream`. Each push is answered when it is durable, and at the end
each reading must have been folded. Memory is that after the first minute (or half of a shorter
run) against the largest later on. 120 s unless told; say `--seconds 300` for the record.
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks import common
from benchmarks.live import _centres as centres

TWINS, PACE = 200, 100  # twins, readings/s of each
SENDERS, SAMPLES = 4, 5  # senders, readings of a signal in one message
BEAT = SAMPLES / PACE  # s between two messages of a sender
QUARTER = TWINS // SENDERS
NAMES = [f"t{k:03d}" for k in range(TWINS)]


def body(sender: int, beat: int, begun: float, chance: Any) -> bytes:
    """What a sender's twins read in one beat, as it is pushed."""
    count = SAMPLES * QUARTER
    sample = np.repeat(np.arange(SAMPLES), QUARTER) + beat * SAMPLES
    told = {
        "signals": [f"{name}/level" for name in NAMES[sender * QUARTER : (sender + 1) * QUARTER]],
        "index": np.tile(np.arange(QUARTER), SAMPLES),
        "time": np.round(begun + sample / PACE, 6),
        "value": np.round(1.0 + 0.05 * chance.standard_normal(count), 4),
    }
    return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)


async def send(port: int, token: str, sender: int, seconds: float) -> dict[str, float]:
    """Push on the dot; how many were acknowledged, refused, the slowest answer and all in s."""
    from websockets.asyncio.client import connect

    address = f"ws://127.0.0.1:{port}/api/v1/push"
    chance, told = np.random.default_rng(sender), {"accepted": 0, "refused": 0, "slowest": 0.0}
    left: asyncio.Queue[float] = asyncio.Queue()
    options = {"additional_headers": centres.bearer(token), "compression": None}
    async with connect(address, **options) as socket:

        async def hear(count: int) -> None:
            for _ in range(count):
                receipt = orjson.loads(await socket.recv())
                told["accepted"] += receipt.get("accepted", 0)
                told["refused"] += sum(receipt.get("refused", {"push": 1}).values())
                told["slowest"] = max(told["slowest"], time.monotonic() - left.get_nowait())

        beats = round(seconds / BEAT)
        hearing = asyncio.create_task(hear(beats))
        begun, clock = time.time(), time.monotonic() + BEAT * sender / SENDERS
        for beat in range(beats):
            await asyncio.sleep(max(0.0, clock + beat * BEAT - time.monotonic()))
            left.put_nowait(time.monotonic())
            await socket.send(body(sender, beat, begun, chance))
        await hearing
        told["took"] = time.monotonic() - clock
    return told


async def listen(port: int, token: str, ends: Any) -> Counter[str]:
    """Hear all twins as a page would, until told; frames by kind, and bytes."""
    from websockets.asyncio.client import connect

    address, counts = f"ws://127.0.0.1:{port}/api/v1/stream", Counter[str]()
    options = {"additional_headers": centres.bearer(token), "compression": None, "max_size": None}
    async with connect(address, **options) as socket:

        async def count() -> None:
            async for message in socket:
                counts["bytes"] += len(message)
                for frame in orjson.loads(message)["frames"]:
                    counts[frame["kind"]] += 1

        hearing = asyncio.create_task(count())
        while not ends.is_set():
            await asyncio.sleep(0.1)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    return counts


def apart(what: str, told: Any, *words: Any) -> None:
    """In a process of its own, away from the centre's core: send, or listen."""
    os.sched_setaffinity(0, centres.cores()[1:] or centres.cores())
    told.put((what, asyncio.run({"sent": send, "heard": listen}[what](*words))))


def watch(process: Any, senders: list[Any]) -> list[tuple[float, float, float]]:
    """Each second while they send: clock in s, memory in MiB and CPU time in s of the centre."""
    seen = []
    while any(one.is_alive() for one in senders):
        pid = process.pid
        seen.append((time.monotonic(), centres.memory(pid), centres.spent(pid)))
        time.sleep(1.0)
    return seen


async def settle(home: Path) -> dict[str, Any]:
    """Wait until all that is durable is folded; the centre's own word on how it does."""
    from songsinh.live import RemoteHub

    async with RemoteHub(home / "live.sock") as hub:
        while (state := dict(await hub.state()))["queue"]:
            await asyncio.sleep(0.02)
    return state


def measure(home: Path, seconds: float) -> dict[str, Any]:
    """Run a centre on one core under load; all that was seen of it."""
    from sqlalchemy import func, select

    from songsinh.database import open_database, tables

    tokens = centres.furnish(home, [centres.tank(name) for name in NAMES])
    context = multiprocessing.get_context("spawn")
    told, ends = context.Queue(), context.Event()
    with centres.centre(home, "--together", held=centres.cores()[:1]) as (process, port):
        ear = context.Process(target=apart, args=("heard", told, port, tokens["read"], ends))
        words = [(port, tokens["push"], number, seconds) for number in range(SENDERS)]
        senders = [context.Process(target=apart, args=("sent", told, *one)) for one in words]
        begun = time.monotonic()
        for one in (ear, *senders):
            one.start()
        seen = watch(process, senders)
        sent = [told.get(timeout=10.0)[1] for _ in senders]
        state = asyncio.run(settle(home))
        ends.set()
        heard = told.get(timeout=10.0)[1]
        for one in (ear, *senders):
            one.join()
    engine = open_database(f"sqlite:///{home}/centre.db")
    with engine.connect() as connection:
        rows = connection.execute(select(func.count()).select_from(tables.log)).scalar_one()
    engine.dispose()
    return {"begun": begun, "seen": seen, "sent": sent, "heard": heard, "state": state,
            "rows": rows}  # fmt: skip


def main() -> None:
    """Run, and report readings/s."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), seconds)
    tell(found, seconds)


def tell(found: dict[str, Any], seconds: float) -> None:
    """The row."""
    sent, heard, twins = found["sent"], found["heard"], found["state"]["twins"].values()
    accepted = sum(one["accepted"] for one in sent)
    refused = sum(one["refused"] for one in sent)
    folded = sum(one["folded"] for one in twins)
    made, skipped = (sum(one[key] for one in twins) for key in ("forecasts", "skipped"))
    clock, resident, cpu = np.array(found["seen"]).T
    steady = clock >= clock[0] + min(60.0, seconds / 2)
    first, most = resident[steady][0], resident[steady].max()
    share = (cpu[steady][-1] - cpu[steady][0]) / (clock[steady][-1] - clock[steady][0])
    wall = max(seconds, *(one["took"] for one in sent))  # until the last one was answered
    slowest = max(one["slowest"] for one in sent)
    common.report(
        "live: readings per second over WebSocket, whole centre on one core", accepted / wall,
        None, 0.99 * TWINS * PACE, better="more", unit="readings/s",
        note=f"{seconds:.0f} s, {100 * share:.0f} % of one core, memory {first:.0f} MiB then at "
        f"most {most:.0f} MiB, {heard['belief']:,} beliefs and {heard['forecast']:,} forecasts "
        f"heard ({heard['bytes'] / 1e6 / seconds:.1f} MB/s), forecasts {made} made and {skipped} "
        f"left out, {found['rows']} rows in the log, slowest acknowledgement "
        f"{1e3 * slowest:.0f} ms",
        also={
            "every reading acknowledged, none refused":
                accepted == round(seconds / BEAT) * SAMPLES * TWINS and refused == 0,
            "every reading folded": folded == accepted,
            "a listener heard 10 beliefs a second of each twin":
                heard["belief"] > 10 * seconds * TWINS,
            "memory grew by at most 10 % after the first minute": bool(most <= 1.1 * first),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
