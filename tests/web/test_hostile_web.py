"""What an attacker tries against the web side, and what must come of it: nothing."""

import asyncio
import io
import stat

import httpx
import orjson
import polars
import pytest
from sqlalchemy import delete, insert
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from songsinh.database import open_database, tables
from songsinh.web.api import streams
from songsinh.web.pages import drafts
from songsinh.web.security import bodies, limits
from tests.web.serving import bearer, serving
from tests.web.station import centre

HUGE = "9" * 23
ODD = ("nan", "inf", "-1e308", HUGE, "²", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59-23:59")


@pytest.fixture
def desk(tmp_path):
    with centre(tmp_path) as desk:
        yield desk


def test_a_secret_that_stays_masked_is_not_sent_to_another_host(desk):
    engineer = desk.browser("engineer")
    for other in ({"host": "thief.example.org"}, {"tls": True}):
        broker = {"host": "broker.example.org", "password": "********"} | other
        given = {"settings": {"broker": broker}}
        answer = engineer.unsafe("PATCH", "/api/v1/sources/broker", json=given)
        assert answer.status_code == 422
        assert "write the password again" in answer.json()["detail"]
    given["settings"]["broker"]["password"] = "another"
    assert engineer.unsafe("PATCH", "/api/v1/sources/broker", json=given).status_code == 200


def test_who_loses_the_role_for_one_twin_is_told_of_it_no_more(desk, monkeypatch):
    monkeypatch.setattr(streams, "LOOK", 0.05)
    person = desk.add_person("two@example.org", {"b5": "operator", "b6": "operator"})

    async def listen(path, scope):
        async with serving(desk.app) as place:
            said = bearer(desk, person, scope=scope)
            async with connect(f"ws://{place}/api/v1/{path}", additional_headers=said) as socket:
                grants = tables.grants
                with desk.engine.begin() as connection:
                    lost = (grants.c.person == person) & (grants.c.twin == "b5")
                    connection.execute(delete(grants).where(lost))
                await socket.wait_closed()
                row = {"person": person, "twin": "b5", "role": "operator"}
                with desk.engine.begin() as connection:
                    connection.execute(insert(grants).values(**row))
                return socket.close_code

    assert asyncio.run(listen("stream", "read")) == streams.GONE
    assert asyncio.run(listen("push", "push")) == streams.GONE


def test_one_person_cannot_take_all_the_streams_there_are(desk, monkeypatch):
    monkeypatch.setattr(limits, "MOST_STREAMS", 1)

    async def listen():
        async with serving(desk.app) as place:
            said, other = bearer(desk, "viewer"), bearer(desk, "operator")
            address = f"ws://{place}/api/v1/stream"
            async with connect(address, additional_headers=said):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(address, additional_headers=said)
                async with httpx.AsyncClient(base_url=f"http://{place}", headers=said) as client:
                    events = await client.get("/api/v1/stream/events")
                async with connect(address, additional_headers=other):
                    pass
            while desk.app.state.limits.streams:
                await asyncio.sleep(0.005)
            return refused.value.response.status_code, events.status_code

    assert asyncio.run(listen()) == (429, 429)


def test_sockets_have_the_pace_of_their_address(desk):
    pace = desk.app.state.limits.addresses

    async def knock():
        async with serving(desk.app) as place:
            pace.rate = pace.burst = 1e-9
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{place}/api/v1/stream")
            return refused.value.response.status_code

    assert asyncio.run(knock()) == 429


def test_a_body_that_does_not_end_is_given_up(desk, monkeypatch):
    monkeypatch.setattr(bodies, "LONGEST", 0.05)
    browser = desk.browser()

    async def drip():
        yield b"email=a"
        await asyncio.sleep(5.0)
        yield b"&password=b"

    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.post("/sign-in", content=drip(), headers=kind).status_code == 408


def test_a_stranger_may_not_have_large_bodies_parsed(desk):
    body = b'{"name": "' + b"x" * bodies.UNKNOWN + b'"}'
    kind = {"content-type": "application/json"}
    nobody, pusher = desk.browser(), desk.program("operator", scope="push")
    assert nobody.post("/api/v1/twins", content=body, headers=kind).status_code == 413
    # who is known may push as much as is allowed
    assert pusher.post("/api/v1/readings", content=body, headers=kind).status_code == 422


def test_odd_numbers_and_times_are_refused_and_nothing_breaks(desk):
    browser = desk.browser("administrator")
    asked = [f"/history?{key}={odd}" for key in ("start", "end", "span") for odd in ODD]
    asked += [f"/twins/b5/advice?question={odd}" for odd in (HUGE, "-1")]
    asked += [f"/alerts/{odd}" for odd in (HUGE, f"-{HUGE}")]
    for path in asked:
        found = browser.get(path.replace("+", "%2B"))
        assert found.status_code in (200, 404, 422), path
    for path in ("/people/{}/role", "/people/{}/link", "/people/{}/entry",
                 "/people/tokens/{}/end", "/account/tokens/{}/end"):  # fmt: skip
        assert browser.post(path.format(HUGE), data={}).status_code == 422
    for odd in (HUGE, "²"):
        given = {"action": "assign", "assign": odd}
        assert browser.post("/alerts/1", data=given).status_code in (303, 422)


def parquet_bomb():
    """A hundred million zeros in some kilobytes."""
    body = io.BytesIO()
    rows = polars.select(polars.repeat(0.0, 11_000_000).alias("value"))
    rows.with_columns(polars.lit(0.0).alias("time")).write_parquet(body, row_group_size=1_000_000)
    assert len(body.getvalue()) < 1 << 20
    return body.getvalue()


def test_a_small_file_that_unfolds_to_a_large_table_is_not_read(tmp_path, monkeypatch):
    def read(*_, **__):
        raise AssertionError("it was read")

    bomb = tmp_path / "bomb.parquet"
    bomb.write_bytes(parquet_bomb())
    commas = tmp_path / "commas.csv"
    commas.write_bytes(b"," * 100_000 + b"\n")
    lines = tmp_path / "lines.csv"
    lines.write_bytes(b"a,b\n" + b"\n" * 2000)
    monkeypatch.setattr(polars, "read_parquet", read)
    monkeypatch.setattr(polars, "read_csv", read)
    with pytest.raises(drafts.DataError, match="22000000 cells"):
        drafts.look_at(bomb)
    with pytest.raises(drafts.DataError, match="100001 columns"):
        drafts.look_at(commas)
    monkeypatch.setattr(drafts, "MOST_CELLS", 2000)
    with pytest.raises(drafts.DataError, match="2002 cells"):
        drafts.look_at(lines)


def test_a_name_gives_the_terminal_no_command(desk):
    browser = desk.browser("viewer")
    browser.post("/account", data={"name": "Vera\x1b]0;gone\x07\u202e"})
    with desk.engine.connect() as connection:
        names = connection.execute(tables.people.select()).mappings().all()
    assert "Vera]0;gone" in {row["name"] for row in names}


def test_metrics_tell_who_may_see_one_twin_nothing_of_sources(desk):
    async def state():
        return {"twins": {}, "sources": {"secret-line": {"accepted": 3}}}

    desk.hub.state = state
    one = desk.browser(desk.add_person("one@example.org", {"b5": "viewer"}))
    assert "secret-line" not in one.get("/metrics").text
    assert "secret-line" in desk.browser("viewer").get("/metrics").text


def test_the_database_is_for_its_owner_only(tmp_path):
    file = tmp_path / "home" / "centre.db"
    engine = open_database(f"sqlite:///{file}")
    try:
        modes = {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    finally:
        engine.dispose()
    assert modes == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_sessions_that_a_person_ends_are_on_record(desk):
    browser = desk.browser("viewer")
    browser.post("/account/sessions", data={})
    browser.post("/sign-out", data={"everywhere": "yes"})
    with desk.engine.connect() as connection:
        rows = connection.execute(tables.audit.select()).mappings().all()
    assert [row["what"] for row in rows].count("sessions ended") == 2


def test_a_recipe_that_no_page_could_show_makes_no_twin(desk):
    engineer = desk.browser("engineer")
    pilot = {"kind": "pilot", "pilot": "battery-v1", "machine": "B0005"}
    new = {"name": "new", "recipe": pilot}
    assert engineer.post("/api/v1/twins", json=new).status_code == 409
    vast = pilot | {"name": "vast", "more": "x" * 1_000_001}
    told = engineer.post("/twins/new", data={"action": "start", "recipe": orjson.dumps(vast)})
    assert told.status_code in (400, 413, 422)
    odd = '{"kind": "pilot", "pilot": "battery-v1", "machine": "B0005", "name": "odd", "x": NaN}'
    told = engineer.post("/twins/new", data={"action": "start", "recipe": odd})
    assert told.status_code == 422
    assert "mend it" in told.text
