"""Across the socket the hub is as it is at hand, also when the link breaks."""

import asyncio
import struct
from contextlib import aclosing

import pytest

from songsinh.errors import DataError, LiveError
from songsinh.live import RemoteHub, Row, serve_hub
from songsinh.live.readings import Receipt
from tests.live import centres, tanks


class Still:
    """A hub that follows nothing: answers are what was asked, frames are put in by hand."""

    def __init__(self):
        self.boxes, self.taken, self.heard = [], [], asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, source, rows):
        await self.gate.wait()
        self.taken.append((source, rows))
        return Receipt(len(rows), {"unknown twin": 1}, "why")

    async def listen(self, twins=None):
        queue = asyncio.Queue()
        self.boxes.append((twins, queue))
        self.heard.set()
        while True:
            yield await queue.get()

    async def ask(self, what, twin, detail):
        if what == "wrong":
            raise DataError("is no number", value=3)
        if what == "broken":
            raise RuntimeError("inside")
        await asyncio.sleep(detail.get("sleep", 0))
        return {"what": what, "twin": twin, "detail": detail}

    async def changed(self):
        self.taken.append("changed")

    async def state(self):
        return {"twins": {}}


def belief(twin, time):
    return {"kind": "belief", "twin": twin, "time": time}


def test_it_is_asked_and_answers_many_at_once(tmp_path):
    async def main():
        hub = Still()
        async with serve_hub(hub, tmp_path / "s"), RemoteHub(tmp_path / "s") as far:
            asked = [far.ask("now", "a", {"n": n, "sleep": 0.01 * (n % 3)}) for n in range(600)]
            answers = await asyncio.gather(*asked)
            assert [one["detail"]["n"] for one in answers] == list(range(600))
            receipt = await far.take("src", [Row("a", "x", 5.0, 1.5), Row("a", "y", None, "?")])
            assert receipt == Receipt(2, {"unknown twin": 1}, "why")
            source, columns = hub.taken[0]
            assert source == "src"
            assert columns.value[0] == 1.5
            assert columns.wrong.tolist()[0] == 0 != columns.wrong.tolist()[1]
            await far.changed()
            assert hub.taken[-1] == "changed"
            assert await far.state() == {"twins": {}}
            with pytest.raises(DataError, match="3 is no number"):
                await far.ask("wrong", "a", {})
            with pytest.raises(LiveError, match="inside"):
                await far.ask("broken", "a", {})
            assert (tmp_path / "s").stat().st_mode & 0o77 == 0
        assert not (tmp_path / "s").exists()

    asyncio.run(main())


def test_what_was_asked_while_the_link_was_down_is_answered_when_it_is_back(tmp_path):
    async def main():
        hub = Still()
        async with RemoteHub(tmp_path / "s") as far:
            early = asyncio.create_task(far.ask("now", "a", {}))
            await asyncio.sleep(0.05)
            async with serve_hub(hub, tmp_path / "s"):
                assert (await early)["what"] == "now"
                hub.gate.clear()
                late = asyncio.create_task(far.take("src", [Row("a", "x", 1.0, 1.0)]))
                await asyncio.sleep(0.05)
            assert not late.done()
            hub.gate.set()
            async with serve_hub(hub, tmp_path / "s"):
                assert (await late).accepted == 1

    asyncio.run(main())


def test_without_a_link_who_asks_is_told_so(tmp_path):
    async def main():
        async with RemoteHub(tmp_path / "s", patience=0.1) as far:
            with pytest.raises(LiveError, match="does not answer"):
                await far.state()

    asyncio.run(main())


def test_listeners_share_one_stream_and_hear_what_they_asked_for(tmp_path):
    async def main():
        hub, heard = Still(), {"a": [], "b": [], "all": []}

        async def hear(far, name):
            twins = None if name == "all" else [name]
            async with aclosing(far.listen(twins)) as told:
                async for frames in told:
                    heard[name].extend((one["twin"], one["time"]) for one in frames)

        async def wait(name, what):
            while what not in heard[name]:
                await asyncio.sleep(0.005)

        async with serve_hub(hub, tmp_path / "s"), RemoteHub(tmp_path / "s") as far:
            ears = [asyncio.create_task(hear(far, name)) for name in ("a", "b")]
            while not any(twins == ["a", "b"] for twins, _ in hub.boxes):
                await asyncio.sleep(0.005)
            hub.boxes[-1][1].put_nowait([belief("a", 1), belief("b", 1)])
            await wait("a", ("a", 1))
            await wait("b", ("b", 1))
            ears.append(asyncio.create_task(hear(far, "all")))
            while hub.boxes[-1][0] is not None:
                await asyncio.sleep(0.005)
            hub.boxes[-1][1].put_nowait([belief("c", 2)])
            await wait("all", ("c", 2))
            assert heard["a"] == [("a", 1)]
            for ear in ears:
                ear.cancel()
            await asyncio.gather(*ears, return_exceptions=True)

    asyncio.run(main())


def test_a_message_that_makes_no_sense_ends_its_own_link_only(tmp_path):
    async def main():
        async with serve_hub(Still(), tmp_path / "s"), RemoteHub(tmp_path / "s") as far:
            mad = struct.pack(">II", 4, 2) + b"{}{}"
            for wrong in (b"\xff" * 8, mad, b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
                writer.write(wrong)
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
            assert await far.state() == {"twins": {}}

    asyncio.run(main())


def test_a_slow_listener_hears_the_newest_belief_and_every_alert(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    readings = tanks.readings(60, inflow=lambda t: 0.0)

    async def main():
        async with (
            centres.running(engine, tmp_path) as centre,
            serve_hub(centre, tmp_path / "s"),
            RemoteHub(tmp_path / "s") as far,
            aclosing(far.listen()) as told,
        ):
            first = asyncio.create_task(anext(told))
            await asyncio.sleep(0.05)
            for k in range(0, len(readings), 5):
                await far.take("t", centres.rows("a", readings[k : k + 5]))
            found = list(await first)
            await centres.folded(centre)
            beliefs = [one for one in found if one["kind"] == "belief"]
            alerts = [one for one in found if one["kind"] == "alert"]
            while not alerts or beliefs[-1]["time"] < readings[-1][0]:
                found = await anext(told)
                beliefs += [one for one in found if one["kind"] == "belief"]
                alerts += [one for one in found if one["kind"] == "alert"]
            return [one["time"] for one in beliefs], alerts

    beliefs, alerts = asyncio.run(main())
    assert len(beliefs) < 36
    assert beliefs == sorted(beliefs)
    assert {one["rule"] for one in alerts} == {"low"}
    assert alerts[0]["twin"] == "a"
    engine.dispose()
