"""Killed at any point and started again, a centre is as if nothing had been."""

import asyncio
import tempfile
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from songsinh.database import tables
from tests.live import centres, tanks

NAMES = ("a", "b")
READINGS = tanks.readings(40, 0.5)


async def fed(engine, folder, parts, *, keep, gently=True):
    """Bring parts to centres that are ended after each; what is believed at last."""
    for part in parts:
        async with centres.running(engine, folder, keep=keep) as centre:
            for k in range(0, len(part), 7):
                for name in NAMES:
                    await centre.take("t", centres.rows(name, part[k : k + 7]))
            if gently:
                await centres.folded(centre)
    async with centres.running(engine, folder, keep=keep) as centre:
        return centres.bits(centre)


def ended(cuts, **more):
    with tempfile.TemporaryDirectory() as folder:
        engine = centres.prepared(folder, *NAMES)
        edges = [0, *sorted(cuts), len(READINGS)]
        parts = [READINGS[a:b] for a, b in pairwise(edges)]
        found = asyncio.run(fed(engine, folder, parts, **more))
        with engine.connect() as connection:
            readings = connection.scalar(select(func.sum(tables.log.c.count)))
        alerts = [
            (row["twin"], row["rule"], row["opened_us"])
            for row in centres.stored(engine, tables.alerts)
        ]
        engine.dispose()
    assert len(set(alerts)) == len(alerts)
    assert readings == len(NAMES) * len(READINGS)
    return found, alerts


WANTED = []


def wanted():
    if not WANTED:
        WANTED.append(ended([], keep=True)[0])
    return WANTED[0]


@settings(max_examples=3)
@given(st.lists(st.integers(0, len(READINGS)), min_size=1, max_size=3))
def test_it_ends_and_goes_on_to_the_same_bits(cuts):
    assert ended(cuts, keep=True)[0] == wanted()


@settings(max_examples=3)
@given(st.lists(st.integers(0, len(READINGS)), min_size=1, max_size=3), st.booleans())
def test_it_is_killed_and_goes_on_to_the_same_bits(cuts, gently):
    assert ended(cuts, keep=False, gently=gently)[0] == wanted()


def test_what_is_sealed_is_not_needed_again(tmp_path):
    engine = centres.prepared(tmp_path, *NAMES)
    half = len(READINGS) // 2

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            for name in NAMES:
                await centre.take("t", centres.rows(name, READINGS[:half]))
            await centres.folded(centre)
        async with centres.running(engine, tmp_path) as centre:
            before = centre._crew.needed_after() + 1
            assert centre.history.seal(before).readings == 2 * half
        return await fed(engine, tmp_path, [READINGS[half:]], keep=True)

    assert asyncio.run(main()) == wanted()
    engine.dispose()


def test_alerts_and_forecasts_are_not_doubled(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    # a tank that runs dry, is filled again and runs dry again
    readings = tanks.readings(90, 1.0, inflow=lambda t: 0.6 if 30 < t < 45 else 0.0)

    async def main():
        for k in range(0, len(readings), 29):
            async with centres.running(engine, tmp_path, keep=k % 2 == 0) as centre:
                for n in range(k, min(k + 29, len(readings)), 3):
                    await centre.take("t", centres.rows("a", readings[n : min(n + 3, k + 29)]))
                    await centres.folded(centre)
                await asyncio.sleep(0.3)

    asyncio.run(main())
    alerts = [one for one in centres.stored(engine, tables.alerts) if one["rule"] == "low"]
    assert len(alerts) == 2
    assert [one["cleared_us"] is None for one in alerts] == [False, True]
    made = [one["made_us"] for one in centres.stored(engine, tables.forecasts)]
    assert len(set(made)) == len(made) >= 8
    assert min(b - a for a, b in pairwise(made)) >= 5_000_000
    engine.dispose()
