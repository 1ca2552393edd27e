"""Following 10 to 10,000 battery twins at 1 Hz with forecasts: the cost, and the pace.

A whole centre (door, log with fsync, beliefs of 50 members, forecasts over an hour,
snapshots, a listener) takes in each second voltage, temperature and current of every cell, as
columns, by the clock. Cost is CPU time of all threads, counted once all twins have begun, and in
that time each looks ahead once (every 30 to 49 s; usual is 60 s). Memory
is the most that the process ever held; sizes run from small to large. There is no peer.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.live import _centres as centres

TWINS = (10, 100, 1_000, 10_000)
SECONDS, WARM = 45, 5  # s that count, and s before
GIGABYTES = 4.0
SIGNALS = ("voltage", "temperature", "current")


def build(recipe: dict[str, Any]) -> Any:
    """A cell of the battery pilot, by its recipe's name, with its own pace to look ahead."""
    from songsinh.sectors.battery import live_twin

    return replace(live_twin("B0005"), name=recipe["name"], every=float(recipe["every"]))


def columns(names: list[str], begun: float, second: int, chance: Any) -> Any:
    """What all cells read in one second of a discharge."""
    from songsinh.live import Columns

    count = len(names)
    pairs = [(name, signal) for signal in SIGNALS for name in names]
    voltage = 3.95 - 1e-4 * second + 0.008 * chance.standard_normal(count)
    warmth = 297.2 + 0.002 * second + 0.4 * chance.standard_normal(count)
    value = np.concatenate([voltage, warmth, np.full(count, 2.0)])
    nothing = np.zeros(len(pairs), np.uint8)
    return Columns(
        pairs, np.arange(len(pairs)), np.full(len(pairs), begun + second), value, nothing, nothing
    )


async def follow(folder: str, count: int, seconds: int) -> dict[str, float]:
    """CPU s for a twin-second, the longest that readings waited (s), and counts."""
    from sqlalchemy import insert

    from songsinh.database import open_database, tables
    from songsinh.live import Centre, History

    engine = open_database(f"sqlite:///{folder}/centre.db")
    names = [f"c{k:05d}" for k in range(count)]
    rows = [
        {"name": name, "title": name, "recipe": {"name": name, "every": 30 + k % 20},
         "made_us": 0}
        for k, name in enumerate(names)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(tables.twins), rows)
    before = time.monotonic()
    centre = Centre(engine, History(f"{folder}/history", engine), build)
    await centre.start()
    opened = time.monotonic() - before
    ear = asyncio.create_task(_heard(centre))
    chance, begun = np.random.default_rng(5), time.time() - 30.0
    worst, spent, before, clock = 0.0, 0.0, 0, time.monotonic()
    for second in range(WARM + seconds):
        if second == WARM:
            await _settled(centre)  # all have begun, and looked ahead for the first time
            told = (await centre.state())["twins"].values()
            before = sum(one["forecasts"] for one in told)
            spent, clock = time.process_time(), time.monotonic() - second
        await asyncio.sleep(max(0.0, clock + second - time.monotonic()))
        await centre.take("bench", columns(names, begun, second, chance))
        if second >= WARM:
            worst = max(worst, time.monotonic() - clock - second)
    await _settled(centre)
    spent, late = time.process_time() - spent, time.monotonic() - clock - WARM - seconds + 1
    told = (await centre.state())["twins"].values()
    folded, made, skipped = (
        sum(one[key] for one in told) for key in ("folded", "forecasts", "skipped")
    )
    ear.cancel()
    await asyncio.gather(ear, return_exceptions=True)
    await centre.stop()
    engine.dispose()
    lost = len(SIGNALS) * count * (WARM + seconds) - folded
    return {"each": spent / (count * seconds), "late": late, "worst": worst, "lost": lost,
            "made": made - before, "skipped": skipped, "opened": opened}  # fmt: skip


async def _heard(centre: Any) -> None:
    async with aclosing(centre.listen(["c00000", "c00001"])) as told:
        async for _ in told:
            pass


async def _settled(centre: Any) -> None:
    """Wait until all that came is folded and nobody is due to look ahead."""
    while (await centre.state())["queue"] or centre._prospects.is_due:
        await asyncio.sleep(0.01)


def main() -> None:
    """Run each size, print a table, report the slope of cost against twins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--twins", type=int, nargs="+", default=TWINS)
    given = parser.parse_args()
    os.sched_setaffinity(0, centres.cores()[:2])
    found = {}
    for count in given.twins:
        with tempfile.TemporaryDirectory() as folder:
            found[count] = one = asyncio.run(follow(folder, count, given.seconds))
        print(
            f"{count:>6,} twins: " + ", ".join(f"{k} {v:.6g}" for k, v in one.items()), flush=True
        )
    tell(found)


def tell(found: dict[int, dict[str, float]]) -> None:
    """The row."""
    counts = np.array(list(found))
    each = np.array([one["each"] for one in found.values()])
    slope = float(np.polyfit(np.log(counts), np.log(each * counts), 1)[0])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    largest = found[max(found)]
    costs = ", ".join(f"{n:,} twins {1e6 * one['each']:.0f}" for n, one in found.items())
    common.report(
        "following battery twins at 1 Hz: growth of cost with twins (log-log)", slope, None, 1.0,
        better="less", unit="slope",
        note=f"us of CPU for a twin-second with forecasts: {costs}; at {max(found):,} twins "
        f"{largest['each'] * max(found):.2f} cores, readings durable {1e3 * largest['worst']:.0f} "
        f"ms after their second at worst, all folded {1e3 * largest['late']:.0f} ms after the last "
        f"one, {largest['made']:.0f} forecasts made and {largest['skipped']:.0f} left out (first "
        f"looks included), "
        f"start {largest['opened']:.0f} s; {used:.2f} GB at most",
        also={
            "every reading folded": not any(one["lost"] for one in found.values()),
            f"{max(found):,} twins keep up with 1 Hz on 2 cores": largest["late"] <= 1.0,
            "at most 4 GB": used <= GIGABYTES,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
