"""Twins through the API: lists, versions, changes, and what is known of each."""

import pytest

from tests.live.desks import NOW
from tests.web.station import centre


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with centre(tmp_path_factory.mktemp("centre")) as desk:
        yield desk


@pytest.fixture
def viewer(desk):
    return desk.browser("viewer")


@pytest.fixture
def engineer(desk):
    return desk.browser("engineer")


def test_the_twin_with_the_gravest_alert_stands_first(viewer):
    items = viewer.get("/api/v1/twins").json()["items"]
    assert [twin["name"] for twin in items] == ["b5", "b6"]
    assert (items[0]["worst"], items[0]["alerts"]) == ("danger", 2)
    assert (items[1]["worst"], items[1]["alerts"]) == ("", 0)


@pytest.mark.parametrize("sort", ["worst", "name", "newest"])
def test_pages_of_one_row_give_every_row_once(viewer, sort):
    whole = [twin["name"] for twin in viewer.get(f"/api/v1/twins?sort={sort}").json()["items"]]
    found, path = [], f"/api/v1/twins?sort={sort}&limit=1"
    while path:
        answer = viewer.get(path)
        found += [twin["name"] for twin in answer.json()["items"]]
        path = answer.links.get("next", {}).get("url")
    assert found == whole


def test_a_wrong_cursor_is_a_problem_in_one_sentence(viewer):
    answer = viewer.get("/api/v1/twins?cursor=bm9uZQ")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "take it from `next`" in answer.json()["detail"]


def test_who_may_see_one_twin_is_shown_one(desk):
    person = desk.add_person("only-b6@example.org", {"b6": "viewer"})
    browser = desk.browser(person)
    assert [twin["name"] for twin in browser.get("/api/v1/twins").json()["items"]] == ["b6"]
    assert browser.get("/api/v1/alerts").json()["items"] == []
    assert browser.get("/api/v1/twins/b5").status_code == 403


def test_a_twin_that_has_not_changed_is_not_sent_again(viewer):
    first = viewer.get("/api/v1/twins/b5")
    again = viewer.get("/api/v1/twins/b5", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_change_of_what_has_changed_since_is_refused(engineer, desk):
    tag = engineer.get("/api/v1/twins/b6").headers["etag"]
    first = engineer.unsafe(
        "PATCH", "/api/v1/twins/b6", json={"title": "Cell six"}, headers={"If-Match": tag}
    )
    assert first.json()["title"] == "Cell six"
    second = engineer.unsafe(
        "PATCH", "/api/v1/twins/b6", json={"title": "Six"}, headers={"If-Match": tag}
    )
    assert second.status_code == 412
    assert engineer.get("/api/v1/twins/b6").json()["title"] == "Cell six"


def test_the_hub_hears_of_every_change_and_the_audit_log_too(engineer, desk):
    before = desk.hub.changes
    assert engineer.unsafe("PATCH", "/api/v1/twins/b6", json={"state": "paused"}).is_success
    assert engineer.unsafe("PATCH", "/api/v1/twins/b6", json={"state": "running"}).is_success
    assert desk.hub.changes == before + 2
    row = desk.browser("administrator").get("/api/v1/audit?limit=1").json()["items"][0]
    assert (row["what"], row["about"], row["detail"]) == ("twin edited", "b6", {"state": "running"})


def test_a_change_is_kept_while_the_hub_is_away(engineer, desk):
    desk.hub.away = True
    try:
        answer = engineer.unsafe("PATCH", "/api/v1/twins/b6", json={"title": "Later"})
    finally:
        desk.hub.away = False
    assert answer.json()["title"] == "Later"


def test_a_twin_put_away_leaves_the_list_and_can_come_back(engineer):
    assert engineer.unsafe("DELETE", "/api/v1/twins/b6").status_code == 204
    assert [one["name"] for one in engineer.get("/api/v1/twins").json()["items"]] == ["b5"]
    kept = engineer.get("/api/v1/twins?state=archived").json()["items"]
    assert [one["name"] for one in kept] == ["b6"]
    back = engineer.unsafe("PATCH", "/api/v1/twins/b6", json={"state": "running"})
    assert back.json()["state"] == "running"


def test_what_does_not_fit_is_refused_by_name(engineer):
    for body in ({"titel": "x"}, {"title": 5}, {"state": "asleep"}, {"title": "a\0b"}):
        answer = engineer.unsafe("PATCH", "/api/v1/twins/b5", json=body)
        assert answer.status_code == 422
        assert next(iter(body)) in answer.json()["detail"]


def test_no_number_that_json_lacks_comes_in(engineer):
    body = b'{"name": "new", "recipe": {"kind": "written", "x": NaN}}'
    said = {"Content-Type": "application/json"}
    answer = engineer.post("/api/v1/twins", content=body, headers=said)
    assert answer.status_code == 422


def test_the_belief_is_fresh_and_from_the_records_while_the_hub_is_away(viewer, desk):
    fresh = viewer.get("/api/v1/twins/b5/belief").json()
    assert (fresh["time"], fresh["mean"]) == (NOW, {"charge": 0.5})
    assert fresh["at"] == "2027-01-15T08:00:00.000000Z"
    desk.hub.away = True
    try:
        kept = viewer.get("/api/v1/twins/b5/belief")
        assert (kept.json()["time"], kept.json()["mean"]) == (NOW, {"charge": 0.5})
        assert viewer.get("/api/v1/twins/b5/now").status_code == 503
    finally:
        desk.hub.away = False


def test_what_was_believed_comes_in_time_order(viewer):
    span = f"start={NOW - 3}&end={NOW}"
    told = viewer.get(f"/api/v1/twins/b5/beliefs?{span}").json()
    assert told["times"] == [NOW - 3, NOW - 2, NOW - 1]
    assert told["mean"] == {"charge": [0.5] * 3}
    assert len(viewer.get("/api/v1/twins/b5/beliefs?most=100000").json()["times"]) == 5


def test_a_forecast_is_shown_as_it_was_made(viewer):
    told = viewer.get("/api/v1/twins/b5/forecast").json()
    assert told["times"] == [NOW, NOW + 60]
    assert list(told["signals"]["voltage"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    listed = viewer.get("/api/v1/twins/b5/forecasts?limit=1").json()["items"]
    assert listed == [told]
    assert viewer.get(f"/api/v1/twins/b5/forecast?made={NOW - 1}").status_code == 404


def test_scores_are_means_with_their_skill(viewer):
    (score,) = viewer.get("/api/v1/twins/b5/scores").json()["items"]
    assert (score["inside_90"], score["crps"], score["skill"]) == (0.9, 0.02, 0.5)


def test_a_question_is_answered_and_a_wrong_one_in_a_sentence(desk):
    operator = desk.browser("operator")
    asked = {"branches": [{"name": "A", "levers": {"current": 1.5}}], "horizon": 60.0}
    told = operator.post("/api/v1/twins/b5/what-if", json=asked).json()
    assert told["branches"][0]["signals"]["voltage"]["0.5"] == [3.5, None]
    asked["branches"][0]["levers"] = {"nothing": 1.0}
    wrong = operator.post("/api/v1/twins/b5/what-if", json=asked)
    assert (wrong.status_code, wrong.json()["detail"]) == (
        422, "['nothing'] are no levers; turn current",
    )  # fmt: skip
    told = operator.post("/api/v1/twins/b5/decide", json={"question": 0}).json()
    assert told["sentence"] == "Take 1 A."


def test_there_is_a_sentence_for_what_is_not_there(viewer):
    for path in ("/api/v1/twins/b9", "/api/v1/twins/b9/now", "/api/v1/twins/b5/readings/x"):
        answer = viewer.get(path)
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith("there is no ")
