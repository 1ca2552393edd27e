"""From a machine's publish to the new belief in a page's WebSocket, beside Mosquitto alone.

A real `songsinh start` (two processes) reads one small twin from a real broker: a reading is
published, made durable, folded, and its belief arrives at a client of `/api/v1/stream`. `peer`
is the same messages at the same pace to a bare subscriber: publish, broker, receive. Readings
come ten a second, not in step with anything.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.live import _centres as centres

COUNT, PACE, WARM = 600, 0.1, 30  # readings, s between them, readings before those that count
HALF, MOST = 0.015, 0.060  # s, of half of them and of 99 %
NAME = "MQTT reading to the belief in a WebSocket client (99th percentile)"


async def publish(port: int, count: int, left: dict[int, float]) -> None:
    """Publish readings of now (`left`: time in us to the moment it left), then wait for stragglers.

    Pauses are drawn, so that no beat of the centre falls into step with them.
    """
    import aiomqtt

    chance = np.random.default_rng(4)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for _ in range(count):
            await asyncio.sleep(PACE * chance.uniform(0.5, 1.5))
            moment = time.time_ns() // 1000
            told = {"value": 1.0 + 0.05 * chance.standard_normal(), "time": moment / 1e6}
            left[moment] = time.perf_counter()
            await client.publish("plant/tank/level", json.dumps(told), qos=1)
        await asyncio.sleep(2.0)


async def bare(port: int, count: int) -> Any:
    """Delays (s) of a subscriber that does nothing with what it gets."""
    import aiomqtt

    left: dict[int, float] = {}
    delays = []
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("plant/#", qos=1)
        sending = asyncio.create_task(publish(port, count, left))
        async for message in client.messages:
            moment = round(json.loads(message.payload)["time"] * 1e6)
            delays.append(time.perf_counter() - left[moment])
            if len(delays) == count:
                break
        await sending
    return np.array(delays[WARM:])


async def through(broker: int, web: int, token: str, count: int) -> tuple[Any, int]:
    """Delays (s) until the belief is here, and how many beliefs never came by themselves."""
    from websockets.asyncio.client import connect

    left: dict[int, float] = {}
    came: dict[int, float] = {}
    address = f"ws://127.0.0.1:{web}/api/v1/stream"
    async with connect(address, additional_headers=centres.bearer(token)) as socket:
        sending = asyncio.create_task(publish(broker, count, left))

        async def hear() -> None:
            async for message in socket:
                now = time.perf_counter()
                for frame in json.loads(message)["frames"]:
                    if frame["kind"] == "belief":
                        came.setdefault(round(frame["time"] * 1e6), now)

        hearing = asyncio.create_task(hear())
        await sending
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    order, missing, delays = sorted(came), 0, []
    for moment in sorted(left)[WARM:]:
        place = np.searchsorted(order, moment)
        missing += place == len(order) or order[place] != moment
        # one that was overtaken is known from the next belief
        delays.append(came[order[place]] - left[moment] if place < len(order) else np.inf)
    return np.array(delays), int(missing)


def main() -> None:
    """Measure both on one broker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    count = WARM + parser.parse_args().count
    if centres.MOSQUITTO is None:
        centres.lack(NAME, "mosquitto", unit="s", bar=MOST)
        return
    from tests.live.servers import mosquitto

    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        peer = asyncio.run(bare(broker, count))
        home = Path(folder, "home")
        settings = {
            "broker": {"host": "127.0.0.1", "port": broker},
            "routes": [{"topic": "plant/{twin}/{signal}"}],
        }
        source = {"name": "plant", "kind": "mqtt", "settings": settings, "state": "running"}
        recipe = centres.tank("tank", window=2.0)
        tokens = centres.furnish(home, [recipe], source=source)
        with centres.centre(home) as (_, web):
            asyncio.run(connected(home))
            ours, missing = asyncio.run(through(broker, web, tokens["read"], count))
    tell(ours, peer, missing)


async def connected(home: Path) -> None:
    """Wait until the source listens."""
    from songsinh.live import RemoteHub

    async with RemoteHub(home / "live.sock") as hub:
        while not (await hub.state())["sources"]["plant"]["note"].startswith("connected"):
            await asyncio.sleep(0.05)


def tell(ours: Any, peer: Any, missing: int) -> None:
    """The row."""
    for name, delays in (("bare", peer), ("to the belief", ours)):
        told = (f"{1e3 * np.quantile(delays, q):.2f}" for q in (0.5, 0.9, 0.99, 1.0))
        print(f"{name}: median, 90 %, 99 %, most: {', '.join(told)} ms")
    half, most = np.quantile(ours, (0.5, 0.99))
    half_bare, most_bare = np.quantile(peer, (0.5, 0.99))
    common.report(
        NAME, float(most), float(most_bare), MOST, better="less",
        note=f"{len(ours)} readings, QoS 1, one each {1e3 * PACE:.0f} ms or so; half within "
        f"{1e3 * half:.1f} ms, the broker alone {1e3 * half_bare:.2f} ms; {missing} beliefs were "
        "overtaken by the next",
        also={"half within 15 ms": half <= HALF},
    )  # fmt: skip


if __name__ == "__main__":
    main()
