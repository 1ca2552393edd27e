"""Publishing by a real broker: the newest of each kind is retained, and losses are survived."""

import asyncio
import json

import aiomqtt
import pytest

from songsinh.errors import SettingError
from songsinh.live.publishing import Publishing, Waiting, message, publish
from songsinh.live.sources.broker import Broker
from tests.live.servers import free_port, mosquitto

FORECAST = {"kind": "forecast", "twin": "b5", "made": 1.0, "times": [1, 2], "signals": {}}
ALERT = {"kind": "alert", "twin": "b5", "rule": "hot/now", "sentence": "it warms", "id": 1}
BELIEF = {"kind": "belief", "twin": "b5", "time": 1.0, "mean": {"charge": 0.5}}
ALL = ("belief", "forecast", "alert")


class Speaker:
    """A hub that tells what it is given, and falls silent with an error when told to."""

    def __init__(self):
        self.frames = asyncio.Queue()

    async def listen(self, twins=None):
        while True:
            batch = await self.frames.get()
            if batch is None:
                raise ConnectionError("the socket is closed")
            yield batch


async def told(port, count, filters="songsinh/#"):
    """The next messages, retained ones first: [(topic, body, retained)]."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(filters, qos=1)
        found = []
        async with asyncio.timeout(20):
            while len(found) < count:
                one = await anext(aiter(client.messages))
                found.append((str(one.topic), one.payload, one.retain))
        return found


async def alongside(port, work, **settings):
    """Run `work(hub, notes)` while the hub's frames are published."""
    hub, notes = Speaker(), []
    broker = Broker("127.0.0.1", port, pause=0.05, longest=0.2)
    asked = Publishing(broker, **settings)
    task = asyncio.create_task(publish(asked, hub, note=notes.append))
    try:
        await work(hub, notes)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_who_comes_later_is_told_the_newest_of_each(tmp_path):
    async def work(hub, _):
        hub.frames.put_nowait([BELIEF, FORECAST, ALERT])
        hub.frames.put_nowait([BELIEF | {"time": 2.0}, {"kind": "state", "twin": "b5"}])
        await asyncio.sleep(0.3)
        found = {topic: json.loads(body) for topic, body, _ in await told(port, 3)}
        assert found["songsinh/b5/belief"]["time"] == 2.0
        assert found["songsinh/b5/forecast"] == FORECAST
        assert found["songsinh/b5/alert/hot-now"] == ALERT

    with mosquitto(tmp_path) as port:
        asyncio.run(alongside(port, work, kinds=ALL))


def test_an_alert_that_is_over_is_told_then_taken_away(tmp_path):
    async def work(hub, _):
        listening = asyncio.create_task(told(port, 3))
        await asyncio.sleep(0.2)
        hub.frames.put_nowait([ALERT, ALERT | {"cleared_us": 5}])
        bodies = [body for _, body, _ in await listening]
        assert json.loads(bodies[1])["cleared_us"] == 5
        assert bodies[2] in (None, b"")
        hub.frames.put_nowait([FORECAST])
        ((topic, _, _),) = await told(port, 1)  # no alert is left
        assert topic.endswith("forecast")

    with mosquitto(tmp_path) as port:
        asyncio.run(alongside(port, work))


def test_frames_told_while_the_broker_or_the_hub_was_away_come_later(tmp_path):
    port = free_port()

    async def work(hub, notes):
        hub.frames.put_nowait([ALERT])
        while not any("lost" in note for note in notes):
            await asyncio.sleep(0.01)
        hub.frames.put_nowait(None)
        hub.frames.put_nowait([FORECAST])
        with mosquitto(tmp_path, port=port):
            while not any("connected" in note for note in notes):
                await asyncio.sleep(0.01)
            found = await told(port, 2)
        assert sorted(topic for topic, _, _ in found) == [
            "songsinh/b5/alert/hot-now",
            "songsinh/b5/forecast",
        ]
        assert any("the hub is away" in note for note in notes)

    asyncio.run(alongside(port, work))


def test_beliefs_wait_as_the_newest_of_each_twin_and_alerts_all():
    async def work():
        waiting = Waiting(Publishing(kinds=ALL))
        for frame in (BELIEF, ALERT, BELIEF | {"time": 2.0}, BELIEF | {"twin": "b6"}, ALERT):
            waiting.add(frame)
        taken = await waiting.take()
        assert [(f["kind"], f["twin"], f.get("time")) for _, f in taken] == [
            ("alert", "b5", None),
            ("belief", "b5", 2.0),
            ("belief", "b6", 1.0),
            ("alert", "b5", None),
        ]
        waiting.add(BELIEF | {"time": 3.0})  # newer than the one on its way
        waiting.done(taken)
        assert [frame["time"] for _, frame in await waiting.take()] == [3.0]

    asyncio.run(work())


def test_names_cannot_leave_their_topic():
    topic, _ = message({"kind": "alert", "twin": "../#", "rule": "+/x"}, "songsinh")
    assert topic == "songsinh/..--/alert/--x"


@pytest.mark.parametrize("given", [{"prefix": "a/#"}, {"prefix": ""}, {"kinds": ("rumour",)}])
def test_settings_that_make_no_sense_say_why(given):
    with pytest.raises(SettingError):
        Publishing(**given)
