"""The centre: from what a source brings to beliefs, forecasts and frames."""

import asyncio
import contextlib
import threading
from contextlib import aclosing

import pytest

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.live import Row
from songsinh.live.runner import common_fleet
from tests.live import centres, tanks


def test_what_was_accepted_is_durable_and_told(tmp_path):
    engine = centres.prepared(tmp_path, "a", "b")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            frames = []

            async def hear():
                async with aclosing(centre.listen(["a"])) as told:
                    async for some in told:
                        frames.extend(some)

            ear = asyncio.create_task(hear())
            await asyncio.sleep(0)
            for time, signal, value in tanks.readings(12):
                receipt = await centre.take("test", [Row("a", signal, time, value)])
                assert receipt.accepted == 1
            while not {"belief", "forecast"} <= {one["kind"] for one in frames}:
                await asyncio.sleep(0.01)
            ear.cancel()
            await asyncio.gather(ear, return_exceptions=True)
            await centres.folded(centre)
            state = await centre.state()
            now = await centre.ask("now", "a", {})
        return frames, state, now

    frames, state, now = asyncio.run(main())
    belief = [one for one in frames if one["kind"] == "belief"][-1]
    assert set(belief["mean"]) == {"level", "warmth", "hole", "pressure"} == set(belief["sd"])
    assert {one["twin"] for one in frames} == {"a"}
    forecast = next(one for one in frames if one["kind"] == "forecast")
    assert set(forecast["signals"]["level"]) == {"0.05", "0.25", "0.5", "0.75", "0.95"}
    assert forecast["times"][-1] == forecast["made"] + 20.0
    assert state["twins"]["a"]["folded"] == len(tanks.readings(12))
    assert state["twins"]["b"]["state"] == "silent"
    assert now["belief"]["time"] == tanks.START + 11
    assert len(centres.stored(engine, tables.forecasts)) >= 2
    assert centres.stored(engine, tables.beliefs)
    engine.dispose()


def test_questions_are_answered_from_the_belief_and_leave_it_alone(tmp_path):
    engine = centres.prepared(tmp_path, "a")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            with pytest.raises(LiveError, match="has read nothing yet"):
                await centre.ask("what_if", "a", {"branches": [{"name": "A", "levers": {}}]})
            await centre.take("test", centres.rows("a", tanks.readings(12)))
            await centres.folded(centre)
            before = centres.bits(centre)
            branches = [
                {"name": "shut", "levers": {"inflow": 0.0}},
                {"name": "open", "levers": {"inflow": 1.0}},
                {"name": "tight", "levers": {"inflow": 0.0, "hole": 0.05}},
            ]
            told = await centre.ask("what_if", "a", {"branches": branches, "horizon": 30.0})
            chosen = await centre.ask("decide", "a", {"question": 0})
            for what, twin, detail, why in (
                ("now", "aa", {}, "did you mean 'a'"),
                ("when", "a", {}, "is no question"),
                ("what_if", "a", {"branches": []}, "give 1 to 8"),
                ("what_if", "a", {"branches": [{"levers": {"x": 1}}]}, "has no lever 'x'"),
                ("what_if", "a", {"branches": [{"levers": {"inflow": 9}}]}, "from 0 to 1"),
                ("what_if", "a", {"branches": [{}], "horizon": -1}, "the horizon is -1"),
                ("decide", "a", {"question": 3}, "has no question 3"),
            ):
                with pytest.raises(LiveError, match=why):
                    await centre.ask(what, twin, detail)
            assert centres.bits(centre) == before
        return told, chosen

    told, chosen = asyncio.run(main())
    shut, wide, tight = told["branches"]
    assert told["times"][-1] - told["times"][0] == 30.0
    level = [one["signals"]["level"]["0.5"] for one in (shut, wide, tight)]
    assert level[0][0] == level[1][0]
    assert level[0][-1] < level[2][-1] < level[1][-1]
    assert [one["name"] for one in shut["alarms"]] == ["low", "high"]
    assert shut["alarms"][0]["probability"] > wide["alarms"][0]["probability"]
    # least level that still keeps the limit
    kept = [one["value"] for one in chosen["options"] if one["keeps"]]
    assert chosen["best"] == min(kept) > 0.0
    assert f"{chosen['best']:.4g}" in chosen["sentence"]
    engine.dispose()


def test_twins_come_stop_and_go_while_others_are_followed(tmp_path):
    engine = centres.prepared(tmp_path, "a", "b")
    readings = tanks.readings(30)
    third = len(readings) // 3
    parts = readings[:third], readings[third : 2 * third], readings[2 * third :]

    def put(name, state):
        table = tables.twins
        with engine.begin() as connection:
            connection.execute(table.update().where(table.c.name == name).values(state=state))

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            assert (await centre.take("t", centres.rows("c", parts[0]))).accepted == 0
            for name in "ab":
                await centre.take("t", centres.rows(name, parts[0]))
            put("b", "paused")
            centres.add(engine, "c")
            centres.add(engine, "lost", broken=True)
            await centre.changed()
            for name in "abc":
                assert (await centre.take("t", centres.rows(name, parts[1]))).accepted
            states = (await centre.state())["twins"]
            assert [states[name]["state"] for name in ("b", "lost")] == ["paused", "broken"]
            assert "no such tank" in states["lost"]["why"]
            with pytest.raises(LiveError, match="it is paused"):
                await centre.ask("now", "b", {})
            put("b", "running")
            await centre.changed()
            for name in "abc":
                await centre.take("t", centres.rows(name, parts[2]))
            await centres.folded(centre)
            return centres.bits(centre)

    found = asyncio.run(main())
    assert found["a"][2][0] == len(readings)
    assert found["b"][2][0] == len(parts[0]) + len(parts[2])
    assert found["c"][2][0] == len(parts[1]) + len(parts[2])

    async def alone():
        async with centres.running(engine, tmp_path) as centre:
            return centres.bits(centre)

    assert asyncio.run(alone()) == found
    engine.dispose()


@pytest.fixture
def gate(monkeypatch):
    """Fleets of 9 members are not ready before this is set."""
    opened = threading.Event()

    def wait(twin):
        if twin.members == 9:
            opened.wait()
        return common_fleet(twin)

    monkeypatch.setattr("songsinh.live.yards.common_fleet", wait)
    monkeypatch.setattr("songsinh.live.centre.PATIENCE", 0.0)
    yield opened
    opened.set()


def test_nobody_waits_for_a_twin_that_must_be_compiled(tmp_path, gate):
    engine, readings = centres.prepared(tmp_path, "a"), tanks.readings(20)

    async def bring(centre, some):
        for one in some:
            for name in ("a", "new"):
                assert (await centre.take("t", centres.rows(name, [one]))).accepted == 1
        await centres.folded(centre)

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            centres.add(engine, "new", members=9)
            await centre.changed()
            await bring(centre, readings[:20])
            before = (await centre.state())["twins"]
            told = await centre.ask("now", "new", {})
            assert (told["state"]["state"], told["belief"]) == ("starting", None)
            assert set(told) == set(await centre.ask("now", "a", {}))
            with pytest.raises(LiveError, match="it is starting"):
                await centre.ask("decide", "new", {})
            await centre._flush(centre._write)
            gate.set()
            await centre.ready()
            await bring(centre, readings[20:])
            return before, (await centre.state())["twins"], centres.bits(centre)

    before, after, found = asyncio.run(main())
    assert (before["a"]["state"], before["a"]["folded"]) == ("following", 20)
    assert before["new"]["state"] == "starting"
    assert "what it reads is kept" in before["new"]["why"]
    assert after["new"]["folded"] == after["a"]["folded"] == len(readings)
    engine.dispose()

    async def at_once():
        async with centres.running(engine, tmp_path / "other") as centre:
            await bring(centre, readings)
            return centres.bits(centre)

    engine = centres.prepared(tmp_path / "other", "a")
    centres.add(engine, "new", members=9)
    assert asyncio.run(at_once()) == found
    engine.dispose()


def test_what_came_while_a_twin_was_starting_is_folded_after_a_restart(tmp_path, gate):
    engine, readings = centres.prepared(tmp_path, "a"), tanks.readings(6)

    async def begin():
        async with centres.running(engine, tmp_path) as centre:
            centres.add(engine, "new", members=9)
            await centre.changed()
            await centre.take("t", centres.rows("new", readings))
            await centres.folded(centre)
            assert centre._crew.needed_after() == 0

    async def go_on():
        async with centres.running(engine, tmp_path) as centre:
            return (await centre.state())["twins"]["new"]["folded"]

    asyncio.run(begin())
    gate.set()
    assert asyncio.run(go_on()) == len(readings)
    engine.dispose()


def test_a_twin_whose_fleet_cannot_be_made_is_broken_alone(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    centres.add(engine, "odd", inputs="wavy")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            await centre.take("t", centres.rows("a", tanks.readings(5)))
            await centres.folded(centre)
            return (await centre.state())["twins"]

    twins = asyncio.run(main())
    assert twins["a"]["state"] == "following"
    assert twins["odd"]["state"] == "broken"
    assert "'wavy'" in twins["odd"]["why"]
    engine.dispose()


def test_rules_of_retention_are_followed_and_a_bad_one_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("songsinh.live.centre.FIRST_UPKEEP", 0.3)
    engine, readings = centres.prepared(tmp_path, "a"), tanks.readings(12)
    rules = [
        {"older_than_days": 3, "keep": "nothing", "twin": "*"},
        {"older_than_days": 3, "keep": "some"},
        "all",
    ]
    with engine.begin() as connection:
        connection.execute(tables.settings.insert().values(name="retention", value=rules))

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            await centre.take("t", centres.rows("a", readings))
            await centres.folded(centre)
        history = centre.history
        history.seal()
        async with centres.running(engine, tmp_path) as centre:
            while not (kept := (await centre.state())["kept"]):
                await asyncio.sleep(0.01)
            await centre.take("t", centres.rows("a", tanks.readings(13)[-2:]))
        return kept

    kept = asyncio.run(main())
    assert kept["dropped"] == len(readings)
    assert len(kept["problems"]) == 2
    assert "'some'" in kept["problems"][0]
    assert "'all'" in kept["problems"][1]
    engine.dispose()


def test_bad_readings_are_kept_but_not_believed(tmp_path):
    engine = centres.prepared(tmp_path, "a")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            await centre.take("t", centres.rows("a", tanks.readings(6)))
            await centres.folded(centre)
            before = centres.bits(centre)
            bad = [Row("a", "level", tanks.START + 7, 1.0, 2), Row("a", "level", None, 1e9)]
            assert (await centre.take("t", bad)).accepted == 2
            await centres.folded(centre)
            assert centres.bits(centre) == before
            return centre._log.waiting()

    assert asyncio.run(main()) == len(tanks.readings(6)) + 2
    engine.dispose()


def test_who_brings_too_much_waits_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("songsinh.live.centre.HELD", 40)
    engine = centres.prepared(tmp_path, "a")
    readings = tanks.readings(100)

    async def main():
        held = []
        async with centres.running(engine, tmp_path) as centre:

            async def bring(k):
                receipt = await centre.take("t", centres.rows("a", readings[k : k + 10]))
                held.append(centre._held)
                return receipt.accepted

            parts = await asyncio.gather(*(bring(k) for k in range(0, len(readings), 10)))
            await centres.folded(centre)
            folded = (await centre.state())["twins"]["a"]["folded"]
        return sum(parts), folded, max(held)

    taken, folded, most = asyncio.run(main())
    assert taken == folded == len(readings)
    assert most <= len(readings)
    engine.dispose()


def test_who_is_behind_looks_not_ahead_but_reads_all(tmp_path, monkeypatch):
    monkeypatch.setattr("songsinh.live.centre.BEHIND", -1)
    engine = centres.prepared(tmp_path, "a")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            for k in range(0, 100, 5):
                await centre.take("t", centres.rows("a", tanks.readings(40)[k : k + 5]))
                await centres.folded(centre)
            return await centre.state()

    state = asyncio.run(main())
    told = state["twins"]["a"]
    assert told["forecasts"] == 0
    assert told["skipped"] >= 6
    assert told["folded"] == 100
    assert state["behind"]
    assert not centres.stored(engine, tables.forecasts)
    engine.dispose()


def test_after_the_end_nothing_is_taken_in(tmp_path):
    engine = centres.prepared(tmp_path, "a")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            pass
        with pytest.raises(LiveError, match="the centre is ending"):
            await centre.take("t", centres.rows("a", tanks.readings(2)))

    asyncio.run(main())
    engine.dispose()


def test_a_twin_whose_readings_cannot_be_folded_stops_alone(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    centres.add(engine, "b", members=9)

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            place = centre._crew.places["b"]
            centre._crew.wards[place.ward].runner.windows.values = None
            for name in "ab":
                await centre.take("t", centres.rows(name, tanks.readings(5)))
            await centres.folded(centre)
            broken = (await centre.state())["twins"]
            # it is followed again once it was read anew
            await centre.changed()
            await centre.take("t", centres.rows("b", tanks.readings(5)))
            await centres.folded(centre)
            return broken, (await centre.state())["twins"]

    broken, mended = asyncio.run(main())
    assert broken["a"]["state"] == mended["a"]["state"] == mended["b"]["state"] == "following"
    assert broken["b"]["state"] == "broken"
    assert "could not be folded" in broken["b"]["why"]
    assert broken["a"]["folded"] == mended["b"]["folded"] == len(tanks.readings(5))
    engine.dispose()


def test_a_part_that_fails_is_told_and_who_waits_for_that_stops_nothing(tmp_path, monkeypatch):
    engine = centres.prepared(tmp_path, "a")

    async def main():
        async with centres.running(engine, tmp_path) as centre:
            watching = asyncio.create_task(centre.failed())
            await asyncio.sleep(0)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            assert (await centre.state())["queue"] == 0  # all parts go on
            monkeypatch.setattr(centre, "_step", None)
            with contextlib.suppress(LiveError):
                await centre.take("test", [Row("a", "level", tanks.START, 1.0)])
            with pytest.raises(TypeError):
                await asyncio.wait_for(centre.failed(), 10)
            with pytest.raises(LiveError, match="start the centre again"):
                await centre.state()

    asyncio.run(main())
    engine.dispose()
