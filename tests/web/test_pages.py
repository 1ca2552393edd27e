"""Laws of the pages: one address for people and programs, and nothing half done."""

import re

import pytest
from sqlalchemy import select

from songsinh.database import tables
from tests.web.town import NOW, town

PAGES = [
    "/",
    "/?search=b5&state=following",
    "/twins/b5",
    "/twins/b5/what-if?A.current=1&B.current=3",
    "/twins/b5/advice?question=0",
    "/twins/b5/card",
    "/alerts",
    "/alerts?state=all&severity=danger",
    "/alerts/1",
    "/history",
    "/history?twin=b6&signal=voltage&span=86400",
    "/twins/new",
    "/twins/new?way=machine",
    "/twins/new?way=record",
    "/twins/new?way=text",
    "/sources",
    "/sources/new?kind=opcua",
    "/settings",
]
RECORD = "time,flow,note\n" + "".join(
    f"2026-01-01T00:{i // 60:02d}:{i % 60:02d},{5 + i % 7},ok\n" for i in range(90)
)


@pytest.fixture
def desk(tmp_path):
    with town(tmp_path) as desk:
        yield desk


def test_every_page_has_one_address_for_people_and_programs(desk):
    browser = desk.browser("administrator")
    for path in PAGES:
        page = browser.get(path, headers={"accept": "text/html"})
        assert page.status_code == 200, path
        assert "<h1>" in page.text, path
        assert 'id="main"' in page.text, path
        data = browser.get(path, headers={"accept": "application/json"})
        assert isinstance(data.json(), dict), path


def test_no_page_holds_a_script_or_a_style_of_its_own(desk):
    browser = desk.browser("administrator")
    for path in PAGES:
        text = browser.get(path).text
        scripts = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", text)
        assert all("application/json" in kind for kind in scripts), path
        assert not re.search(r"<style|\sstyle=|\son\w+=", text), path
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), path


def test_what_others_wrote_is_shown_as_text(desk):
    text = desk.browser("engineer").get("/sources").text
    assert "&lt;x&gt;/voltage" in text
    assert "invented" not in text


def test_the_worst_twin_comes_first(desk):
    rows = desk.browser("viewer").get("/?format=json").json()["rows"]
    assert [row["name"] for row in rows] == ["b5", "b6", "b7"]
    assert [row["worst"] for row in rows] == ["danger", "warning", ""]
    assert rows[0]["coming"]["first"] == [620.0, 745.0, 1180.0]


def test_who_sees_one_twin_sees_no_other(desk):
    guest = desk.add_person("gast@example.org", {"b6": "viewer"})
    browser = desk.browser(guest)
    assert [row["name"] for row in browser.get("/?format=json").json()["rows"]] == ["b6"]
    assert [row["twin"] for row in browser.get("/alerts?format=json").json()["rows"]] == ["b6"]
    assert browser.get("/alerts/1").status_code == 404
    assert browser.get("/history?twin=b5").status_code == 404
    assert browser.get("/twins/b5").status_code == 403


def test_the_page_of_a_twin_shows_past_belief_and_forecast(desk):
    page = desk.browser("operator").get("/twins/b5?format=json").json()
    chart = page["charts"][0]
    assert chart["signal"]["name"] == "voltage"
    assert chart["past"]["times"][-1] == NOW
    assert chart["thresholds"] == [2.7]
    assert sorted(chart["outlook"]["quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    assert page["trust"][0]["skill"] == pytest.approx(0.5)
    assert page["what_if"]["levers"][0]["now"] == 2.0


def test_a_viewer_is_offered_no_question_and_no_change(desk):
    text = desk.browser("viewer").get("/twins/b5").text
    assert 'id="what-if"' not in text
    assert 'value="pause"' not in text
    assert desk.browser("viewer").get("/twins/b5/what-if").status_code == 403


def test_without_the_follower_pages_say_so_and_still_come(desk):
    desk.hub.away = True
    browser = desk.browser("viewer")
    for path in ("/", "/twins/b5", "/history"):
        page = browser.get(path)
        assert page.status_code == 200
    assert "does not answer" in browser.get("/twins/b5").text


def test_a_branch_outside_the_range_of_a_lever_is_refused(desk):
    browser = desk.browser("operator")
    answer = browser.get("/twins/b5/what-if?A.current=9", headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert "goes from 0 to 4" in answer.text


def test_advice_puts_the_best_first_and_what_breaks_a_limit_last(desk):
    advice = desk.browser("operator").get("/twins/b5/advice?format=json").json()
    assert [(one["value"], one["keeps"]) for one in advice["options"]] == [
        (1.0, True), (0.0, True), (3.0, False),
    ]  # fmt: skip


def test_an_alert_is_seen_to_by_plain_forms(desk):
    browser = desk.browser("operator")
    for action, state in (("acknowledge", "acknowledged"), ("close", "closed"), ("reopen", "open")):
        answer = browser.post("/alerts/1", data={"action": action, "text": "seen"})
        assert answer.status_code == 303
        assert browser.get("/alerts/1?format=json").json()["alert"]["state"] == state
    remarks = browser.get("/alerts/1?format=json").json()["remarks"]
    assert [remark["kind"] for remark in remarks] == ["acknowledged", "closed", "reopened"]
    assert desk.browser("viewer").post("/alerts/1", data={"action": "close"}).status_code == 403


def test_a_twin_is_paused_and_renamed_by_an_engineer(desk):
    browser = desk.browser("engineer")
    browser.post("/twins/b5", data={"action": "pause"})
    browser.post("/twins/b5", data={"action": "rename", "title": "The blue cell"})
    page = browser.get("/twins/b5?format=json").json()
    assert (page["state"], page["title"]) == ("paused", "The blue cell")
    assert desk.hub.changes == 2


def test_a_source_that_makes_no_sense_is_not_made(desk):
    browser = desk.browser("engineer")
    wrong = {"name": "plant", "kind": "mqtt", "broker.port": "none"}
    answer = browser.post("/sources/new", data=wrong)
    assert answer.status_code == 422
    assert "is no number" in answer.text
    right = {
        "name": "plant",
        "kind": "mqtt",
        "broker.host": "b.example.org",
        "topic": "{twin}/{signal}",
    }
    assert browser.post("/sources/new", data=right).status_code == 303
    names = [feed["source"]["name"] for feed in browser.get("/sources?format=json").json()["feeds"]]
    assert names == ["broker", "plant"]


def test_rules_of_retention_are_saved_all_or_none(desk):
    browser = desk.browser("administrator")
    wrong = {"days": ["30", "soon"], "keep": ["1min mean", "nothing"], "twin": ["*", "*"]}
    assert browser.post("/settings", data=wrong).status_code == 422
    assert browser.get("/settings?format=json").json()["rules"] == []
    assert browser.post("/settings", data=wrong | {"days": ["30", ""]}).status_code == 303
    rules = browser.get("/settings?format=json").json()["rules"]
    assert rules == [{"older_than_days": 30.0, "keep": "1min mean", "twin": "*"}]


def bring(browser, name, content):
    """The answer to a file that is brought."""
    given = {"action": "bring", "way": "record"}
    return browser.post("/twins/new", data=given, files={"file": (name, content)})


def test_a_record_is_looked_at_before_anything_is_made(desk):
    browser = desk.browser("engineer")
    place = bring(browser, "../../pump.csv", RECORD.encode()).headers["location"]
    preview = browser.get(f"{place}&format=json").json()["preview"]
    assert (preview["count"], preview["time"], preview["numeric"]) == (90, "time", ["flow"])
    stranger = desk.browser("administrator").get(place)
    assert "not here any more" in stranger.text


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("pump.exe", b"MZ", "is no CSV or Parquet file"),
        ("pump.csv", b"a\n1\n", "holds no table"),
        ("pump.csv", b"a,b\n1,2,3\n", "cannot be read"),
        ("pump.parquet", b"PAR1 no", "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_in_words_and_leaves_nothing(desk, name, content, told):
    answer = bring(desk.browser("engineer"), name, content)
    assert answer.status_code == 422
    assert told in answer.text
    drafts = getattr(desk.app.state, "drafts", None)
    assert drafts is None or not drafts.held


def test_a_model_as_text_becomes_a_twin_only_at_the_last_step(desk):
    browser = desk.browser("engineer")
    text = browser.get("/twins/new?way=text&format=json").json()["given"]["text"]
    given = {"way": "text", "name": "tank", "title": "Tank", "text": text, "action": "check"}
    ready = browser.post("/twins/new?format=json", data=given).json()
    assert [row[0] for row in ready["summary"]["read"]] == ["level", "inflow"]
    names = select(tables.twins.c.name).where(tables.twins.c.name == "tank")
    with desk.engine.connect() as connection:
        assert connection.execute(names).first() is None
    made = browser.post("/twins/new", data={"action": "start", "recipe": ready["recipe"]})
    assert made.headers["location"] == "/twins/tank"
    with desk.engine.connect() as connection:
        assert connection.execute(names).first() is not None


def test_a_wrong_model_keeps_what_was_written(desk):
    given = {"way": "text", "name": "tank", "text": "name = 'x'\nstates.a = 3", "action": "check"}
    answer = desk.browser("engineer").post("/twins/new", data=given)
    assert answer.status_code == 422
    assert "states.a = 3" in answer.text
    assert 'role="alert"' in answer.text


def test_going_back_after_a_choice_leads_nowhere_else(desk):
    browser = desk.browser()
    for back in ("//evil.example.org", "/\\evil.example.org", "https://evil.example.org"):
        answer = browser.post("/appearance", data={"theme": "dark", "back": back})
        assert answer.headers["location"] == "/"
    answer = browser.post("/appearance", data={"language": "vi", "back": "/alerts"})
    assert answer.headers["location"] == "/alerts"
    assert "language=vi" in answer.headers["set-cookie"]
