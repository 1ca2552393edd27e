"""Sources, people, tokens, health and metrics through the API."""

import dataclasses

import pytest
from prometheus_client.parser import text_string_to_metric_families

from songsinh.database import tables
from tests.web.station import centre


@pytest.fixture
def desk(tmp_path):
    with centre(tmp_path) as desk:
        yield desk


@pytest.fixture
def engineer(desk):
    return desk.browser("engineer")


@pytest.fixture
def administrator(desk):
    return desk.browser("administrator")


def test_no_secret_of_a_source_is_shown_and_none_is_lost(engineer, desk):
    shown = engineer.get("/api/v1/sources/broker").json()["settings"]
    assert shown == {"broker": {"host": "broker.example.org", "password": "********"}}
    shown["broker"]["port"] = 1884
    answer = engineer.unsafe("PATCH", "/api/v1/sources/broker", json={"settings": shown})
    assert answer.json()["settings"] == shown
    with desk.engine.connect() as connection:
        (kept,) = connection.execute(tables.sources.select()).mappings()
    assert kept["settings"]["broker"]["password"] == "invented"
    assert desk.hub.changes == 1


def test_a_source_is_added_paused_and_its_settings_are_checked(engineer):
    new = {"name": "second", "kind": "mqtt", "settings": {}}
    made = engineer.post("/api/v1/sources", json=new)
    assert (made.status_code, made.json()["state"]) == (201, "running")
    assert engineer.post("/api/v1/sources", json=new).status_code == 409
    path = made.headers["location"]
    paused = engineer.unsafe("PATCH", path, json={"state": "paused"})
    assert paused.json()["state"] == "paused"
    wrong = engineer.unsafe("PATCH", path, json={"settings": {"brokr": {}}})
    assert (wrong.status_code, "'broker'" in wrong.json()["detail"]) == (422, True)
    assert (
        engineer.post("/api/v1/sources", json=new | {"kind": "mqt", "name": "x"}).status_code == 422
    )


def test_what_was_refused_is_listed(engineer):
    (row,) = engineer.get("/api/v1/refusals").json()["items"]
    assert (row["source"], row["reason"], row["count"]) == ("broker", "unknown twin", 3)
    assert engineer.get("/api/v1/refusals?source=other").json()["items"] == []


def test_a_token_is_shown_once_does_its_scope_and_ends(desk):
    person = desk.browser("operator")
    made = person.post("/api/v1/tokens", json={"name": "logger", "scope": "push"}).json()
    program = desk.browser(headers={"authorization": f"Bearer {made['token']}"})
    assert program.post("/api/v1/readings", json={"readings": []}).status_code == 422
    assert program.get("/api/v1/twins").status_code == 403
    (row,) = person.get("/api/v1/tokens").json()["items"]
    assert (row["name"], row["scope"], "token" in row) == ("logger", "push", False)
    assert desk.browser("viewer").unsafe("DELETE", f"/api/v1/tokens/{row['id']}").status_code == 404
    assert person.unsafe("DELETE", f"/api/v1/tokens/{row['id']}").status_code == 204
    assert program.post("/api/v1/readings", json={"readings": []}).status_code == 401


def test_a_token_makes_no_token(desk):
    answer = desk.program("administrator").post(
        "/api/v1/tokens", json={"name": "child", "scope": "read"}
    )
    assert answer.status_code == 403


def test_people_are_added_given_roles_and_kept_out(administrator, desk):
    made = administrator.post("/api/v1/people", json={"email": "new@example.org"}).json()
    path = f"/api/v1/people/{made['id']}"
    changed = administrator.unsafe(
        "PATCH", path, json={"roles": {"b5": "operator", "*": "viewer"}, "enabled": False}
    ).json()
    assert changed["roles"] == {"b5": "operator", "*": "viewer"}
    assert changed["disabled"] is True
    changed = administrator.unsafe("PATCH", path, json={"roles": {"b5": None}}).json()
    assert changed["roles"] == {"*": "viewer"}
    wrong = administrator.post("/api/v1/people", json={"email": "nobody"})
    assert wrong.status_code == 422


def test_health_is_for_everybody_and_tells_what_is_away(desk):
    nobody = desk.browser()
    assert nobody.get("/health/live").json() == {"status": "ok"}
    assert nobody.get("/health/ready").status_code == 200
    desk.hub.away = True
    told = nobody.get("/health/ready")
    assert (told.status_code, told.json()) == (
        503, {"status": "unwell", "database": True, "live": False},
    )  # fmt: skip


def test_metrics_are_prometheus_text_with_every_twin(desk):
    viewer = desk.program("viewer", scope="read")
    viewer.get("/api/v1/twins")
    text = viewer.get("/metrics").text
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["songsinh_twin_lag", "b5"] == 0.5
    assert found["songsinh_alerts_open", "danger"] == 1
    assert found["songsinh_requests_total", "GET", "/api/v1/twins", "200"] == 1
    assert found[("songsinh_live",)] == 1


def test_metrics_are_open_only_when_the_setting_says_so(desk):
    assert desk.browser().get("/metrics").status_code == 401
    desk.app.state.settings = dataclasses.replace(desk.settings, open_metrics=True)
    assert desk.browser().get("/metrics").status_code == 200
    desk.app.state.settings = dataclasses.replace(
        desk.settings, open_metrics=True, behind_proxy=True
    )
    assert desk.browser().get("/metrics").status_code == 401


def test_the_document_describes_every_route_with_its_rule(desk):
    document = desk.browser("viewer").get("/api/v1/openapi.json").json()
    told = [about for path in document["paths"].values() for about in path.values()]
    assert len(told) > 35
    names = [about["operationId"] for about in told]
    assert len(set(names)) == len(names)
    for about in told:
        assert about["summary"]
        assert about["description"]
        assert about["tags"]
        assert about["x-rule"]
        assert about["x-rule"] == "public" or about["responses"]["401"]
    assert "Problem" in document["components"]["schemas"]
