"""The inbox through the API: what people do about an alert, from which state, on record."""

import pytest

from tests.web.station import centre


@pytest.fixture
def desk(tmp_path):
    with centre(tmp_path) as desk:
        yield desk


@pytest.fixture
def operator(desk):
    return desk.browser("operator")


def states(browser, query=""):
    return [
        (one["id"], one["state"]) for one in browser.get("/api/v1/alerts" + query).json()["items"]
    ]


def test_the_gravest_alert_stands_first_and_filters_hold(operator):
    assert states(operator) == [(1, "open"), (2, "open")]
    assert states(operator, "?severity=notice") == [(2, "open")]
    assert states(operator, "?twin=b6") == []
    assert states(operator, "?standing=false") == []
    assert states(operator, "?state=closed") == []


def test_an_alert_goes_from_open_to_closed_and_back_and_all_is_on_record(operator, desk):
    for action, body, state in (
        ("acknowledge", {}, "acknowledged"),
        ("assign", {"person": desk.people["operator"]}, "acknowledged"),
        ("comment", {"text": "fan replaced"}, "acknowledged"),
        ("close", {"text": "done"}, "closed"),
        ("reopen", {}, "open"),
    ):
        answer = operator.post(f"/api/v1/alerts/1/{action}", json=body)
        assert answer.json()["state"] == state, answer.text
    remarks = operator.get("/api/v1/alerts/1/remarks").json()["items"]
    kinds = [one["kind"] for one in remarks]
    assert kinds == ["acknowledged", "assigned", "comment", "closed", "reopened"]
    assert {one["who"] for one in remarks} == {"Omar"}
    audit = desk.browser("administrator").get("/api/v1/audit").json()["items"]
    assert [row["what"] for row in audit[:5]] == [f"alert {kind}" for kind in reversed(kinds)]
    assert operator.get("/api/v1/alerts/1").json()["assignee"] == "Omar"


def test_an_action_starts_only_from_its_states(operator):
    assert operator.post("/api/v1/alerts/1/close").status_code == 200
    for action in ("close", "acknowledge"):
        answer = operator.post(f"/api/v1/alerts/1/{action}")
        assert answer.status_code == 409
        assert "alert 1 is closed" in answer.json()["detail"]


def test_two_who_act_on_one_version_do_not_both_win(operator):
    tag = {"If-Match": operator.get("/api/v1/alerts/2").headers["etag"]}
    assert operator.post("/api/v1/alerts/2/acknowledge", headers=tag).status_code == 200
    assert operator.post("/api/v1/alerts/2/close", headers=tag).status_code == 412


def test_an_alert_is_hidden_from_who_may_not_see_its_twin(desk):
    other = desk.browser(desk.add_person("o@example.org", {"b6": "operator"}))
    assert other.get("/api/v1/alerts/1").status_code == 404
    assert other.post("/api/v1/alerts/1/close").status_code == 404
    viewer = desk.browser(desk.add_person("v@example.org", {"b5": "viewer", "b6": "operator"}))
    assert viewer.get("/api/v1/alerts/1").status_code == 200
    assert viewer.post("/api/v1/alerts/1/close").status_code == 403


def test_nobody_is_assigned_who_does_not_exist(operator):
    answer = operator.post("/api/v1/alerts/1/assign", json={"person": 999})
    assert answer.status_code == 422
    assert operator.get("/api/v1/alerts/1/remarks").json()["items"] == []
    assert operator.post("/api/v1/alerts/1/assign", json={"person": None}).status_code == 200


def test_an_empty_comment_is_no_comment(operator):
    assert operator.post("/api/v1/alerts/1/comment", json={"text": " "}).status_code == 422
    assert operator.post("/api/v1/alerts/9/comment", json={"text": "x"}).status_code == 404
