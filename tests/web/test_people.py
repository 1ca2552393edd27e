"""The pages of people: in and out, one's own account, and what administrators do."""

import re

import pytest
from sqlalchemy import insert, select, update

from songsinh.database import tables
from songsinh.web.security.links import first_link, make_link
from songsinh.web.security.passwords import HASHER

GOOD = "four words in a row"  # invented


KEPT = HASHER.hash(GOOD)  # once: it is slow on purpose


def give_password(desk, role):
    here = tables.people.c.id == desk.people[role]
    with desk.engine.begin() as connection:
        connection.execute(update(tables.people).where(here).values(password=KEPT))


def sign_in(browser, email, password, **more):
    return browser.post("/sign-in", data={"email": email, "password": password, **more})


def path_of(address):
    return address.removeprefix("http://127.0.0.1:8642")


def audits(desk):
    with desk.engine.connect() as connection:
        rows = connection.execute(select(tables.audit).order_by("id")).mappings().all()
    return [(row["who"], row["what"], row["about"]) for row in rows]


def test_somebody_signs_in_sees_their_account_and_signs_out(desk):
    give_password(desk, "viewer")
    browser = desk.browser()
    assert browser.get("/account").headers["location"] == "/sign-in?next=/account"
    found = sign_in(browser, "Vera@Example.org ", GOOD, next="/account")
    assert (found.status_code, found.headers["location"]) == (303, "/account")
    assert "vera@example.org" in browser.get("/account").text
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert browser.get("/account").status_code == 303


def test_the_form_to_sign_in_carries_its_sign(desk):
    give_password(desk, "viewer")
    browser = desk.browser()
    page = browser.get("/sign-in").text
    sign = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)[1]
    fields = {"email": "vera@example.org", "password": GOOD, "csrf": sign}
    assert browser.post("/sign-in", csrf=False, data=fields).status_code == 303


@pytest.mark.parametrize("address", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_signing_in_never_leads_to_another_site(desk, address):
    give_password(desk, "viewer")
    found = sign_in(desk.browser(), "vera@example.org", GOOD, next=address)
    assert found.headers["location"] == "/"


def test_the_first_link_makes_one_administrator_and_works_once(tmp_path):
    from tests.web.desk import Desk

    desk = Desk(tmp_path, people={})
    try:
        older = first_link(desk.engine, desk.settings.base)
        link = path_of(first_link(desk.engine, desk.settings.base))
        browser = desk.browser()
        assert browser.get(path_of(older)).status_code == 403, "a new start ends the one before"
        fields = {"email": "ada@example.org", "name": "Ada", "password": GOOD, "again": GOOD}
        assert browser.get(link).status_code == 200
        assert browser.get(link).status_code == 200, "looking does not use it up"
        weak = browser.post(link, data=fields | {"password": "short", "again": "short"})
        assert weak.status_code == 422
        assert "use 12 to 200" in weak.text
        assert browser.post(link, data=fields).status_code == 303
        assert browser.get("/people").status_code == 200
        assert desk.browser().post(link, data=fields).status_code == 403
        assert first_link(desk.engine, desk.settings.base) is None
    finally:
        desk.close()


def test_a_link_that_is_over_does_nothing(desk):
    with desk.engine.begin() as connection:
        secret = make_link(connection, desk.people["viewer"], by="test")
        connection.execute(update(tables.links).values(ends_us=1))
    fields = {"password": GOOD, "again": GOOD}
    assert desk.browser().post(f"/link/{secret}", data=fields).status_code == 403


def test_an_invitation_lets_somebody_choose_a_password(desk):
    administrator = desk.browser("administrator")
    page = administrator.post("/people", data={"email": "New@example.org", "role": "operator"}).text
    link = path_of(re.search(r'id="link">([^<]+)<', page)[1])
    browser = desk.browser()
    assert "new@example.org" in browser.get(link).text
    assert browser.post(link, data={"password": GOOD, "again": "else"}).status_code == 422
    assert browser.post(link, data={"password": GOOD, "again": GOOD}).status_code == 303
    assert browser.get("/account").status_code == 200
    assert ("ada@example.org", "role given", "new@example.org") in audits(desk)


def test_a_new_password_ends_the_other_sessions_only(desk):
    give_password(desk, "viewer")
    here, there = desk.browser("viewer"), desk.browser("viewer")
    new = "another four words in a row"
    wrong = here.post("/account/password", data={"old": "x", "password": new, "again": new})
    assert wrong.status_code == 422
    assert there.get("/account").status_code == 200
    fields = {"old": GOOD, "password": new, "again": new}
    assert here.post("/account/password", data=fields).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert sign_in(desk.browser(), "vera@example.org", GOOD).status_code == 401
    assert sign_in(desk.browser(), "vera@example.org", new).status_code == 303


def test_sign_out_everywhere_ends_all_sessions(desk):
    here, there = desk.browser("viewer"), desk.browser("viewer")
    here.post("/sign-out", data={"everywhere": "yes"})
    assert there.get("/account").status_code == 303


def test_one_session_can_be_ended_but_nobody_elses(desk):
    here, there, other = (desk.browser(who) for who in ("viewer", "viewer", "operator"))
    marks = {
        row["here"]: row["hash"] for row in here.get("/account?format=json").json()["sessions"]
    }
    other.post("/account/sessions", data={"mark": marks[False]})
    assert there.get("/account").status_code == 200
    here.post("/account/sessions", data={"mark": marks[False]})
    assert there.get("/account").status_code == 303
    assert here.get("/account").status_code == 200


def test_language_and_zone_are_kept_and_checked(desk):
    browser = desk.browser("viewer")
    good = {"name": "Vera V", "language": "fr", "zone": "Asia/Ho_Chi_Minh"}
    assert browser.post("/account", data=good).status_code == 303
    kept = browser.get("/account?format=json").json()
    assert {name: kept[name] for name in good} == good
    assert browser.post("/account", data=good | {"zone": "Nowhere"}).status_code == 422
    assert browser.post("/account", data=good | {"language": "xx"}).status_code == 422


def test_a_token_is_shown_once_works_and_can_be_withdrawn(desk):
    browser = desk.browser("operator")
    page = browser.post("/account/tokens", data={"name": "logger", "scope": "push", "days": "9"})
    token = re.search(r'id="token">(songsinh_[^<]+)<', page.text)[1]
    shown = browser.get("/account?format=json")
    assert token not in shown.text
    [row] = shown.json()["tokens"]
    assert (row["name"], row["scope"]) == ("logger", "push")
    assert "hash" not in row
    other = desk.browser("viewer")
    assert other.post(f"/account/tokens/{row['id']}/end").status_code == 422
    assert browser.post(f"/account/tokens/{row['id']}/end").status_code == 303
    assert browser.get("/account?format=json").json()["tokens"] == []
    assert [what for _, what, _ in audits(desk)] == ["token made", "token ended"]


def test_a_token_is_no_key_to_people_or_accounts(desk):
    program = desk.program("administrator")
    for path in ("/account", "/people", "/audit"):
        assert program.get(path).status_code == 403


def test_only_administrators_of_the_centre_see_people(desk):
    with desk.engine.begin() as connection:
        twin = {"name": "b5", "title": "B5", "recipe": {}, "made_us": 0}
        connection.execute(insert(tables.twins).values(**twin))
    local = desk.add_person("lea@example.org", {"b5": "administrator"})
    for who in ("viewer", "operator", "engineer", local):
        assert desk.browser(who).get("/people").status_code == 403
        assert desk.browser(who).get("/audit").status_code == 403
    assert desk.browser("administrator").get("/people").status_code == 200


def test_the_last_administrator_stays_one(desk):
    give_password(desk, "administrator")
    browser, ada = desk.browser("administrator"), desk.people["administrator"]
    assert browser.post(f"/people/{ada}/role", data={"role": "viewer"}).status_code == 422
    assert browser.post(f"/people/{ada}/entry", data={"enabled": "no"}).status_code == 422
    assert browser.get("/people").status_code == 200
    give_password(desk, "operator")
    omar = desk.people["operator"]
    browser.post(f"/people/{omar}/role", data={"role": "administrator"})
    assert browser.post(f"/people/{ada}/role", data={"role": "viewer"}).status_code == 303
    assert browser.get("/people").status_code == 403, "a role taken away is gone at once"


def test_who_is_kept_out_is_out_at_once(desk):
    give_password(desk, "operator")
    there, program = desk.browser("operator"), desk.program("operator")
    omar = desk.people["operator"]
    give_password(desk, "administrator")
    desk.browser("administrator").post(f"/people/{omar}/entry", data={"enabled": "no"})
    assert there.get("/account").status_code == 303
    assert program.get("/?format=json").status_code == 401
    assert sign_in(desk.browser(), "omar@example.org", GOOD).status_code == 401


def test_a_role_for_an_unknown_twin_or_an_unknown_role_is_refused(desk):
    browser, vera = desk.browser("administrator"), desk.people["viewer"]
    for fields in ({"role": "viewer", "twin": "nothing"}, {"role": "king"}):
        assert browser.post(f"/people/{vera}/role", data=fields).status_code == 422


def test_the_audit_page_shows_the_newest_first_and_checks_the_chain(desk):
    browser = desk.browser("administrator")
    for role in ("viewer", "operator"):
        person = desk.people[role]
        assert browser.post(f"/people/{person}/role", data={"role": "engineer"}).status_code == 303
    rows = browser.get("/audit?format=json").json()["rows"]
    assert [row["about"] for row in rows] == ["omar@example.org", "vera@example.org"]
    checked = browser.get("/audit?format=json&check=true").json()
    assert (checked["checked"], checked["broken"]) == (2, None)
    assert "all fit" in browser.get("/audit?check=true").text
