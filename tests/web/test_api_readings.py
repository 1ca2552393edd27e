"""Readings through the API: pushed, refused, counted once, and read back."""

import asyncio
import io

import orjson
import pyarrow.parquet
import pytest
from websockets.asyncio.client import connect

from tests.live.desks import NOW
from tests.web.serving import bearer, serving
from tests.web.station import centre


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with centre(tmp_path_factory.mktemp("centre")) as desk:
        yield desk


@pytest.fixture
def pusher(desk):
    return desk.program("operator", scope="push")


def rows(*values, signal="voltage", start=NOW - 1000, twin="b5"):
    return [
        {"twin": twin, "signal": signal, "time": start + k, "value": value}
        for k, value in enumerate(values)
    ]


def test_what_is_pushed_is_read_back_in_every_form(pusher, desk):
    receipt = pusher.post("/api/v1/readings", json={"readings": rows(3.5, 3.6)}).json()
    assert receipt == {"accepted": 2, "refused": {}, "example": ""}
    viewer = desk.browser("viewer")
    path = "/api/v1/twins/b5/readings/voltage"
    told = viewer.get(path).json()
    assert (told["times"], told["values"]) == ([NOW - 1000, NOW - 999], [3.5, 3.6])
    lines = viewer.get(path, headers={"Accept": "text/csv"}).text.splitlines()
    assert lines[0] == "twin,signal,time,value,quality"
    assert len(lines) == 3
    body = viewer.get(path + "?format=parquet").content
    table = pyarrow.parquet.read_table(io.BytesIO(body))
    assert table["value"].to_pylist() == [3.5, 3.6]


def test_a_span_of_the_history_leaves_its_end_out(pusher, desk):
    pusher.post("/api/v1/readings", json={"readings": rows(1.0, 2.0, 3.0, start=NOW - 500)})
    path = "/api/v1/twins/b5/readings/voltage"
    told = desk.browser("viewer").get(f"{path}?start={NOW - 500}&end={NOW - 498}").json()
    assert told["values"] == [1.0, 2.0]
    told = desk.browser("viewer").get(f"{path}?start={NOW - 500}&end={NOW - 496}&most=1").json()
    assert (told["least"], told["values"], told["greatest"]) == ([1.0], [2.0], [3.0])
    wrong = desk.browser("viewer").get(f"{path}?start=soon")
    assert (wrong.status_code, "seconds since 1970" in wrong.json()["detail"]) == (422, True)


def test_columns_come_in_as_rows_do(pusher):
    body = {"signals": ["b6/voltage", "b6/current"], "index": [0, 1], "time": [NOW - 9, NOW - 9],
            "value": [3.5, 1.0]}  # fmt: skip
    assert pusher.post("/api/v1/readings", json=body).json()["accepted"] == 2


def test_what_is_refused_is_counted_by_its_reason(pusher):
    body = {"readings": rows(3.5, start=NOW - 300) + rows(1.0, signal="volts") + rows(None)}
    receipt = pusher.post("/api/v1/readings", json=body).json()
    assert receipt["accepted"] == 1
    assert receipt["refused"] == {"unknown signal": 1, "no value": 1}


def test_a_body_without_any_reading_is_a_problem(pusher):
    for body in (b"", b"{", b"[]", b"3", b'{"readings": []}', b"\xff"):
        answer = pusher.post("/api/v1/readings", content=body)
        assert answer.status_code == 422, body
        assert answer.json()["detail"].startswith("no reading could be read")


def test_nothing_is_taken_when_one_twin_is_not_theirs(desk):
    program = desk.program("operator", scope="push", twin="b6")
    body = {"readings": rows(3.5, start=NOW - 50, twin="b6") + rows(3.5, start=NOW - 50)}
    assert program.post("/api/v1/readings", json=body).status_code == 403
    path = f"/api/v1/twins/b6/readings/voltage?start={NOW - 50}&end={NOW - 49}"
    assert desk.browser("viewer").get(path).json()["values"] == []
    assert program.post("/api/v1/readings", json={"readings": body["readings"][:1]}).is_success


def test_a_sender_is_told_when_to_come_again_while_the_hub_is_away(pusher, desk):
    desk.hub.away = True
    try:
        answer = pusher.post("/api/v1/readings", json={"readings": rows(3.5)})
    finally:
        desk.hub.away = False
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(pusher, desk):
    body = b"x" * (desk.settings.body_limit + 1)
    assert pusher.post("/api/v1/readings", content=body).status_code == 413


def test_a_large_body_is_taken_whole(pusher):
    count = 5000
    body = {"signals": ["b5/charge"], "index": [0] * count, "value": [0.5] * count,
            "time": [NOW - 90_000 + k for k in range(count)]}  # fmt: skip
    assert pusher.post("/api/v1/readings", json=body).json()["accepted"] == count


def test_a_socket_answers_each_push_with_its_receipt(desk):
    bodies = [
        {"readings": rows(3.5, start=NOW - 20)},
        {"readings": rows(3.5, signal="volts")},
        "no",
    ]

    async def push():
        said = bearer(desk, "operator", scope="push")
        async with serving(desk.app) as place:
            address = f"ws://{place}/api/v1/push"
            async with connect(address, additional_headers=said) as socket:
                told = []
                for body in bodies:
                    await socket.send(orjson.dumps(body))
                    told.append(orjson.loads(await socket.recv()))
                return told

    told = asyncio.run(push())
    assert [one.get("accepted") for one in told] == [1, 0, None]
    assert told[1]["refused"] == {"unknown signal": 1}
    assert told[2]["status"] == 422
