"""The API in front of a real centre: a twin is made, fed, asked and listened to."""

import asyncio
import time

import httpx
import orjson
from websockets.asyncio.client import connect

from songsinh.live import Centre
from songsinh.live.history import History
from songsinh.sectors import build
from tests.web.desk import Desk
from tests.web.serving import bearer, serving

TEXT = """
name = "tank"
[parameters]
hole = {unit = "1/s", start = 0.1, lower = 0}
[inputs]
inflow = {unit = "m/s", start = 0.1}
[states]
level = {unit = "m", start = 1.0, lower = 0, rate = "inflow - hole * level"}
[solver]
kind = "fixed"
step = 0.25
[twin]
every = 5.0
horizon = 20.0
window = 2.0
noise.level = 0.05
drift = {level = 0.01}
start = {level = [1.0, 0.1], hole = [0.1, 0.01]}
levers = [{name = "inflow", low = 0.0, high = 1.0}]
"""


def test_a_twin_is_made_fed_asked_and_listened_to(tmp_path):
    desk = Desk(tmp_path)
    try:
        asyncio.run(live_a_little(desk, tmp_path))
    finally:
        desk.close()


async def live_a_little(desk, folder):
    history = History(folder / "history", desk.engine)
    centre = Centre(desk.engine, history, build)
    await centre.start()
    desk.app.state.hub, desk.app.state.history = centre, history
    try:
        async with serving(desk.app) as place:
            headers = bearer(desk, "engineer", scope="write")
            async with httpx.AsyncClient(
                base_url=f"http://{place}/api/v1", headers=headers, timeout=60
            ) as client:
                await go_through(client, place, headers, centre)
    finally:
        await centre.stop()


async def go_through(client, place, headers, centre):
    recipe = {"kind": "written", "text": TEXT}
    made = await client.post("/twins", json={"name": "tank-1", "title": "Tank", "recipe": recipe})
    assert made.status_code == 201, made.text
    again = await client.post("/twins", json={"name": "tank-1", "recipe": recipe})
    assert again.status_code == 409
    await centre.ready()  # its solver may have to be compiled first
    signals = (await client.get("/twins/tank-1/signals")).json()["items"]
    assert [one["name"] for one in signals] == ["inflow", "level"]

    async with connect(f"ws://{place}/api/v1/stream", additional_headers=headers) as socket:
        start = time.time() - 60
        rows = [
            {"twin": "tank-1", "signal": signal, "time": start + k, "value": value}
            for k in range(30)
            for signal, value in (("inflow", 0.1), ("level", 1.0))
        ]
        accepted = 0
        while accepted == 0:  # until the centre knows the twin, it refuses all of them
            answer = await client.post("/readings", json={"readings": rows})
            accepted = answer.json()["accepted"]
        assert accepted == 60
        seen = {}
        while "belief" not in seen or "forecast" not in seen:
            for frame in orjson.loads(await asyncio.wait_for(socket.recv(), 60))["frames"]:
                seen[frame["kind"]] = frame
    assert abs(seen["belief"]["mean"]["level"] - 1.0) < 0.3

    now = (await client.get("/twins/tank-1/now")).json()
    assert now["belief"]["time"] == (await client.get("/twins/tank-1/belief")).json()["time"]
    branches = [{"name": "shut", "levers": {"inflow": 0.0}}, {"name": "as it is"}]
    told = await client.post("/twins/tank-1/what-if", json={"branches": branches})
    ends = [one["signals"]["level"]["0.5"][-1] for one in told.json()["branches"]]
    assert ends[0] < ends[1]
    while (forecast := await client.get("/twins/tank-1/forecast")).status_code == 404:
        await asyncio.sleep(0.05)
    assert "level" in forecast.json()["signals"]
    kept = (await client.get("/twins/tank-1/readings/level")).json()
    assert len(kept["values"]) == 30
    assert (
        'songsinh_twin_state{state="following",twin="tank-1"}'
        in (await client.get(f"http://{place}/metrics")).text
    )
