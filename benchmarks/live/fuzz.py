"""Hostile messages over every source: nothing ends a source, and nothing goes uncounted.

100,000 malformed, oversized and hostile payloads, drawn with a fixed seed, go to the parsers of
every source and on to a real door; part of them go through a real broker to a running source.
Holds when no parser raises, the counts of accepted and refused rows add up to what was sent,
every refusal has a reason of the closed list, and the table of refusals says the same.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import report
from benchmarks.live import _centres as centres
from tests.live.desks import NOW, counted, desk
from tests.live.servers import mosquitto
from tests.live.sources.takers import Taker, running

SENT, BY_BROKER = 100_000, 4_000
SEED = 20261122
SEEDS = (
    b"3.9",
    b'{"value": 3.9, "time": 1800000000, "quality": 0}',
    b'{"readings": [{"twin": "b5", "signal": "voltage", "time": 1800000000, "value": 3.9}]}',
    b'{"signals": ["b5/voltage"], "index": [0, 0], "time": [1.8e9, null], "value": [3.9, 4]}',
    b'[{"value": 1e999}, {"value": null}, {"value": "x"}, {"time": {}}, 7]',
    b"[" * 2000,
    b'{"a":' * 700,
    b"\xff\xfe\x00",
    b"1" * 5000,
    b"\x12\x00" * 300,
    b"",
)


def payloads(count: int) -> Iterator[bytes]:
    """Seeds as they are, then with bits turned, pieces cut out, doubled and put together."""
    from songsinh.live.sources.payloads import encode

    chance = np.random.default_rng(SEED)
    metric = {"name": "voltage", "alias": 3, "timestamp": int(NOW * 1000), "double_value": 3.9}
    sparkplug = encode([metric, {"alias": 9, "long_value": 2**64 - 1}], seq=300)
    seeds = (*SEEDS, sparkplug)
    huge = b" " * (1 << 20) + b"1"
    for number in range(count):
        if number % 997 == 996:  # of no common measure with the sources, so that each has some
            yield huge
            continue
        body = bytearray(seeds[chance.integers(len(seeds))])
        for _ in range(chance.integers(0, 4)):
            place = int(chance.integers(len(body) + 1))
            what = chance.integers(4)
            if what == 0 and body:
                body[place % len(body)] ^= 1 << int(chance.integers(8))
            elif what == 1:
                del body[place : place + int(chance.integers(9))]
            elif what == 2:
                body[place:place] = bytes(chance.integers(0, 256, 3, np.uint8))
            else:
                body += seeds[chance.integers(len(seeds))][:200]
        yield bytes(body)


def parsers() -> dict[str, Callable[[bytes, int], Any]]:
    """For every source, what it makes of a body: rows, refusals or columns."""
    from songsinh.live.sources import plain, push, sparkplug
    from songsinh.live.sources.measures import Measure
    from songsinh.live.sources.opcua import Item, row_of
    from songsinh.live.sources.templates import Route

    routes = (Route("plant/{twin}/{signal}"), Route("plant/{twin}"))
    topics = ("plant/b5/voltage", "plant/b5", "plant/b9/voltage", "x/\x00/y", "")
    kinds = ("NBIRTH", "DBIRTH/e", "NDATA", "DDATA/e", "NDEATH", "XDATA")
    nodes = sparkplug.Nodes(sparkplug.Sparkplug("fuzz"))
    item = Item("i=1", "b5", Measure("voltage"))

    def spark(body: bytes, number: int) -> Any:
        kind, _, node = kinds[number % len(kinds)].partition("/")
        device = "/b5" if node else ""
        return nodes.read(f"spBv1.0/plant/{kind}/edge{number % 7}{device}", body)[0]

    return {
        "mqtt": lambda body, number: plain.parse(topics[number % len(topics)], body, routes),
        "push": lambda body, _: push.parse(body),
        "sparkplug": spark,
        "opcua": lambda body, number: [row_of(item, _data_value(body, number))],
    }


def _data_value(body: bytes, number: int) -> Any:
    """What a server may put into an answer: any type of value, status and time."""
    from datetime import datetime
    from types import SimpleNamespace as Thing

    values = (body, len(body), None, [1.0], 3.9, float("inf"), 10**400, True, body.decode("latin"))
    stamps = (None, datetime(2027, 1, 15), datetime.min, datetime.max, "x")
    status = (None, Thing(value=number * 7919 % 2**32), Thing(value="x"))
    return Thing(
        Value=Thing(Value=values[number % len(values)]),
        StatusCode=status[number % len(status)],
        SourceTimestamp=stamps[number % len(stamps)],
        ServerTimestamp=None,
    )


def offline(door: Any, count: int) -> dict[str, tuple[int, int, int, int]]:
    """For every source: messages, what became of them, and how often a parser raised."""
    from songsinh.live.columns import Columns

    made = parsers()
    found = {name: [0, 0, 0, 0] for name in made}
    for number, body in enumerate(payloads(count)):
        name = list(made)[number % len(made)]
        tally = found[name]
        tally[0] += 1
        try:
            rows = made[name](body, number // len(made))
            columns = isinstance(rows, Columns)
            gone = sum(one.number for one in rows.refused) if columns else 0
            admitted = door.admit(name, rows)
            tally[1] += len(rows) + gone
            tally[2] += len(admitted.readings) + sum(admitted.refused.values())
        except Exception as error:
            print(f"{name} raised {type(error).__name__}: {error} for {body[:80]!r}")
            tally[3] += 1
    return {name: tuple(tally) for name, tally in found.items()}


async def online(taker: Taker, port: int, count: int) -> int:
    """Send through a broker to a running source; how many rows it told of."""
    import aiomqtt

    from songsinh.live.sources import read_settings

    broker = {"host": "127.0.0.1", "port": port}
    asked = read_settings(
        "mqtt", "by-broker", {"broker": broker, "routes": [{"topic": "plant/{twin}/{signal}"}]}
    )
    async with running("mqtt", asked, taker) as task:
        await taker.until(lambda: taker.notes)
        async with aiomqtt.Client("127.0.0.1", port) as client:
            for number, body in enumerate(payloads(count)):
                topic = ("plant/b5/voltage", "plant/b9/x")[number % 2]
                await client.publish(topic, body, qos=1)
            await client.publish("plant/b5/charge", b"0.5", qos=1)
        await taker.until(lambda: 0.5 in taker.values)
        return taker.total if not task.done() else -1


def main() -> None:
    """Send all, count all."""
    if centres.MOSQUITTO is None:
        name = "hostile messages that ended a source or went uncounted"
        centres.lack(name, "mosquitto", unit="messages", bar=0)
        return
    from songsinh.live.refusals import Reason
    from songsinh.live.sources.plain import parse
    from songsinh.live.sources.templates import Route

    routes = (Route("plant/{twin}/{signal}"),)
    with tempfile.TemporaryDirectory() as folder, desk(Path(folder)) as (door, engine):
        found = offline(door, SENT - BY_BROKER)
        with mosquitto(Path(folder)) as port:
            taker = Taker(door, NOW)
            told = asyncio.run(online(taker, port, BY_BROKER))
        door.flush()
        table = counted(engine)
    expected = 1 + sum(
        len(parse(("plant/b5/voltage", "plant/b9/x")[number % 2], body, routes))
        for number, body in enumerate(payloads(BY_BROKER))
    )
    for name, (sent, rows, became, raised) in found.items():
        print(f"{name}: {sent} messages, {rows} rows, {became} counted, {raised} raised")
    print(f"by-broker: {BY_BROKER} messages, {expected} rows, {told} counted")
    print(json.dumps({f"{source}: {reason}": n for (source, reason), (n, _) in table.items()}))
    reasons = {str(reason) for reason in Reason}
    report(
        "hostile messages that ended a source or went uncounted",
        sum(tally[3] for tally in found.values()) + abs(expected - told),
        None,
        0,
        better="less",
        unit="messages",
        note=f"{SENT} messages over {len(found)} parsers and a real broker, seed {SEED}",
        also={
            "accepted and refused add up": all(t[1] == t[2] for t in found.values()),
            "every refusal has a reason": {reason for _, reason in table} <= reasons,
            "every refusal has an example": all(text for _, text in table.values()),
        },
    )


if __name__ == "__main__":
    main()
