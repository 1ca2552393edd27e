"""Streams: they begin with what is believed, go on without a gap, and keep to who may see."""

import asyncio

import httpx
import orjson
import pytest
from sqlalchemy import delete
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from songsinh.database import tables
from songsinh.web.api import streams
from tests.live.desks import NOW
from tests.web.serving import bearer, serving
from tests.web.station import centre


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with centre(tmp_path_factory.mktemp("centre")) as desk:
        yield desk


def belief(twin, time):
    return {"kind": "belief", "twin": twin, "time": time, "mean": {"charge": 0.4}, "sd": {}}


async def first_frames(socket):
    return orjson.loads(await socket.recv())["frames"]


def test_a_socket_begins_with_the_belief_of_every_twin_and_goes_on(desk):
    async def listen():
        async with serving(desk.app) as place:
            said = bearer(desk, "viewer")
            address = f"ws://{place}/api/v1/stream"
            async with connect(address, additional_headers=said) as socket:
                begun = await first_frames(socket)
                desk.hub.tell(belief("b6", NOW + 1))
                return begun, await first_frames(socket)

    begun, after = asyncio.run(listen())
    assert [(frame["twin"], frame["time"]) for frame in begun] == [("b5", NOW), ("b6", NOW)]
    assert [(frame["twin"], frame["time"]) for frame in after] == [("b6", NOW + 1)]
    assert desk.hub.boxes == []


def test_a_socket_tells_only_of_twins_that_may_be_seen(desk):
    async def listen():
        async with serving(desk.app) as place:
            said = bearer(desk, "viewer", twin="b6")
            address = f"ws://{place}/api/v1/stream?twin=b5&twin=b6"
            async with connect(address, additional_headers=said) as socket:
                begun = await first_frames(socket)
                desk.hub.tell(belief("b5", NOW + 1), belief("b6", NOW + 2))
                return begun + await first_frames(socket)

    assert [frame["twin"] for frame in asyncio.run(listen())] == ["b6", "b6"]


def test_a_browser_of_another_program_offers_its_token_as_a_protocol(desk):
    async def listen():
        async with serving(desk.app) as place:
            token = bearer(desk, "viewer")["Authorization"].partition(" ")[2]
            offered = ["songsinh", f"bearer.{token}"]
            address = f"ws://{place}/api/v1/stream"
            async with connect(address, subprotocols=offered) as socket:
                return socket.subprotocol, await first_frames(socket)

    protocol, frames = asyncio.run(listen())
    assert protocol == "songsinh"
    assert len(frames) == 2


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("/api/v1/stream", {}, 401),
        ("/api/v1/stream?token=SECRET", {}, 401),
        ("/api/v1/push", {"Authorization": "READ"}, 403),
        ("/api/v1/stream", {"Authorization": "PUSH"}, 403),
    ],
)
def test_a_socket_lets_in_only_who_may(desk, address, headers, status):
    token = bearer(desk, "operator")["Authorization"]
    known = {
        "READ": token,
        "PUSH": bearer(desk, "operator", scope="push")["Authorization"],
    }
    headers = {name: known.get(value, value) for name, value in headers.items()}

    async def knock():
        async with serving(desk.app) as place:
            path = address.replace("SECRET", token.partition(" ")[2])
            async with connect(f"ws://{place}{path}", additional_headers=headers):
                pass

    with pytest.raises(InvalidStatus) as found:
        asyncio.run(knock())
    assert found.value.response.status_code == status


def test_a_page_of_the_centre_listens_with_its_session(desk):
    cookie = desk.browser("viewer").inside.cookies["songsinh"]

    async def listen(origin):
        async with serving(desk.app) as place:
            headers = {"Cookie": f"songsinh={cookie}", "Origin": origin or f"http://{place}"}
            address = f"ws://{place}/api/v1/stream"
            async with connect(address, additional_headers=headers) as socket:
                return await first_frames(socket)

    assert len(asyncio.run(listen(""))) == 2
    with pytest.raises(InvalidStatus):
        asyncio.run(listen("https://evil.example"))


def test_events_begin_with_the_belief_of_every_twin_and_go_on(desk):
    async def listen():
        headers, found = bearer(desk, "viewer"), []
        async with (
            serving(desk.app) as place,
            httpx.AsyncClient(base_url=f"http://{place}", headers=headers) as client,
            client.stream("GET", "/api/v1/stream/events") as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    found.append(orjson.loads(line[5:]))
                if len(found) == 2 and line == "":
                    desk.hub.tell({"kind": "alert", "twin": "b5", "id": 7})
                if len(found) == 3:
                    break
            return answer.headers["content-type"], found

    kind, found = asyncio.run(listen())
    assert kind.startswith("text/event-stream")
    assert [frame["kind"] for frame in found] == ["belief", "belief", "alert"]


def test_a_stream_begins_from_the_records_while_the_hub_is_away(desk):
    async def listen():
        desk.hub.away = True
        try:
            async with serving(desk.app) as place:
                said = bearer(desk, "viewer")
                address = f"ws://{place}/api/v1/stream"
                async with connect(address, additional_headers=said) as socket:
                    return await first_frames(socket)
        finally:
            desk.hub.away = False

    (frame,) = asyncio.run(listen())
    assert (frame["twin"], frame["time"]) == ("b5", NOW)


def test_a_socket_ends_when_its_visitor_may_no_more(desk, monkeypatch):
    monkeypatch.setattr(streams, "LOOK", 0.02)
    person = desk.add_person("guest@example.org", {"*": "viewer"})
    ending = delete(tables.tokens).where(tables.tokens.c.person == person)

    async def listen():
        async with serving(desk.app) as place:
            said = bearer(desk, person)
            async with connect(f"ws://{place}/api/v1/stream", additional_headers=said) as socket:
                await first_frames(socket)
                with desk.engine.begin() as connection:
                    connection.execute(ending)
                await socket.wait_closed()
                return socket.close_code

    assert asyncio.run(listen()) == 4401
