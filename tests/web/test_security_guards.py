"""Guards: who may pass, what a foreign page cannot do, and what every answer carries."""

import asyncio
from dataclasses import replace

import pytest
from fastapi import Depends, Request

from songsinh.errors import AccessError, LiveError
from songsinh.web.security import Visitor, needs, public
from songsinh.web.security.limits import MOST_KEYS, Pace
from tests.web.desk import HERE, PEOPLE, SETTINGS, Desk

ROLES = tuple(PEOPLE)


@pytest.fixture
def open_desk(tmp_path):
    """A way to open desks with other settings, closed at the end."""
    desks = []

    def open_one(**changed):
        folder = tmp_path / str(len(desks))
        folder.mkdir()
        desks.append(Desk(folder, settings=replace(SETTINGS, **changed)))
        return add_probes(desks[-1])

    yield open_one
    for desk in desks:
        desk.close()


@pytest.fixture
def probed(desk):
    return add_probes(desk)


def add_probes(desk):
    """Routes with every kind of rule, under /probe and the API's /api/probe."""
    app = desk.app
    for role in ROLES:
        for method in ("GET", "POST"):
            path = f"/probe/{role}"
            app.add_api_route(path, told, methods=[method], dependencies=[Depends(needs(role))])
        twin = Depends(needs(role, twin=True))
        app.add_api_route(f"/probe/twins/{{name}}/{role}", told, dependencies=[twin])
    anywhere = Depends(needs("operator", anywhere=True))
    app.add_api_route("/probe/anywhere", told, dependencies=[anywhere])
    push = Depends(needs("operator", scope="push"))
    app.add_api_route("/probe/push", told, methods=["POST"], dependencies=[push])
    app.add_api_route(
        "/probe/open", told, methods=["GET", "POST"], dependencies=[Depends(public())]
    )
    app.add_api_route("/api/probe/wrong", wrong, dependencies=[Depends(public())])
    app.add_api_route("/probe/wrong", wrong, dependencies=[Depends(public())])
    upload = Depends(needs("engineer", uploads=True))
    app.add_api_route("/probe/upload", take, methods=["POST"], dependencies=[upload])
    app.add_api_route("/probe/read", take, methods=["POST"], dependencies=[Depends(public())])
    return desk


async def told(request: Request):
    visitor = request.state.visitor
    return {"email": visitor.email if visitor else "", "csrf": request.state.csrf}


async def wrong(kind: str = "ours"):
    raise {
        "ours": LiveError("the twin is tired; let it rest"),
        "access": AccessError("this is not yours; ask"),
        "ghost": RuntimeError("the password is hunter2"),
    }[kind]


async def take(request: Request):
    form = await request.form() if "multipart" in request.headers["content-type"] else None
    file = form["file"] if form else None
    if file is not None:
        return {"size": len(await file.read())}
    return {"size": len(await request.body())}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_includes_those_below_it_and_none_above(probed, role):
    browser = probed.browser(role)
    for other in ROLES:
        passes = ROLES.index(other) <= ROLES.index(role)
        assert browser.get(f"/probe/{other}").status_code == (200 if passes else 403)
        assert browser.post(f"/probe/{other}").status_code == (200 if passes else 403)


def test_nobody_is_sent_to_sign_in_and_programs_are_told(probed):
    browser = probed.browser()
    page = browser.get("/probe/viewer?a=1")
    assert page.status_code == 303
    assert page.headers["location"] == "/sign-in?next=/probe/viewer%3Fa%3D1"
    answer = browser.get("/probe/viewer", headers={"accept": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["title"] == "Unauthorized"


def test_a_role_for_one_twin_reaches_that_twin_only(probed):
    local = probed.browser(probed.add_person("lea@example.org", {"b5": "operator"}))
    assert local.get("/probe/twins/b5/operator").status_code == 200
    assert local.get("/probe/twins/b5/engineer").status_code == 403
    assert local.get("/probe/twins/b6/viewer").status_code == 403
    assert local.get("/probe/viewer").status_code == 200, "lists show what they may see"
    assert local.get("/probe/operator").status_code == 403, "the centre is more than a twin"
    assert local.get("/probe/anywhere").status_code == 200
    assert probed.browser("viewer").get("/probe/anywhere").status_code == 403


def test_a_person_without_roles_sees_nothing(probed):
    stranger = probed.browser(probed.add_person("sam@example.org", {}))
    assert stranger.get("/probe/viewer").status_code == 403
    assert stranger.get("/probe/open").json()["email"] == "sam@example.org"


def test_scopes_bound_what_a_token_does(probed):
    may = {
        scope: [
            program.get("/probe/viewer").status_code == 200,
            program.post("/probe/operator").status_code == 200,
            program.post("/probe/push").status_code == 200,
        ]
        for scope in ("read", "push", "write")
        for program in [probed.program("operator", scope=scope)]
    }
    assert may == {
        "read": [True, False, False],
        "push": [False, False, True],
        "write": [True, True, True],
    }


def test_a_token_never_has_more_than_its_maker(probed):
    program = probed.program("viewer", scope="write")
    assert program.post("/probe/operator").status_code == 403
    one = probed.program("operator", twin="b5")
    assert one.get("/probe/twins/b5/operator").status_code == 200
    assert one.get("/probe/twins/b5/engineer").status_code == 403
    assert one.get("/probe/twins/b6/viewer").status_code == 403
    assert one.get("/probe/operator").status_code == 403


def test_a_wrong_token_is_refused_even_where_all_may_pass(probed):
    program = probed.browser(headers={"authorization": "Bearer songsinh_wrong"})
    assert program.get("/probe/open").status_code == 401


def test_the_visitor_knows_roles():
    visitor = Visitor(1, roles={"*": "viewer", "b5": "engineer"})
    assert visitor.may("viewer", "b6")
    assert visitor.may("operator", "b5")
    assert not visitor.may("operator")
    assert visitor.may_somewhere("engineer")
    assert not visitor.may_somewhere("administrator")
    assert visitor.best_role("b5") == "engineer"
    assert not Visitor(1, roles={"*": "king"}).may("viewer")


def test_a_change_needs_the_sign_of_our_own_form(probed):
    browser = probed.browser("operator")
    sign = browser.get("/probe/open").json()["csrf"]
    assert browser.post("/probe/operator", csrf=False).status_code == 403
    assert browser.post("/probe/operator", csrf=False, data={"csrf": sign}).status_code == 200
    header = {"X-CSRF-Token": sign}
    assert browser.post("/probe/operator", csrf=False, headers=header).status_code == 200
    other = probed.browser("operator").get("/probe/open").json()["csrf"]
    assert other != sign, "the sign belongs to one session"
    assert browser.post("/probe/operator", csrf=False, data={"csrf": other}).status_code == 403
    assert browser.post("/probe/operator", csrf=False, data={"csrf": ""}).status_code == 403


def test_before_sign_in_the_sign_is_bound_to_a_cookie(probed):
    browser = probed.browser()
    found = browser.get("/probe/open")
    assert "HttpOnly" in found.headers["set-cookie"]
    sign = found.json()["csrf"]
    assert browser.post("/probe/open", csrf=False, data={"csrf": sign}).status_code == 200
    fresh = probed.browser()
    assert fresh.post("/probe/open", csrf=False, data={"csrf": sign}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"origin": HERE, "sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": HERE.replace("8642", "8643")}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_a_change_that_another_site_sends_is_refused_even_with_the_sign(probed, headers, passes):
    found = probed.browser("operator").post("/probe/operator", headers=headers)
    assert found.status_code == (200 if passes else 403)


def test_programs_with_tokens_need_no_sign(probed):
    program = probed.program("operator")
    assert program.post("/probe/operator", csrf=False).status_code == 200


def test_only_hosts_that_are_ours_are_answered(probed, open_desk):
    browser = probed.browser()
    for host in ("127.0.0.1:8642", "localhost", "[::1]:8642", "LOCALHOST:1"):
        assert browser.get("/probe/open", headers={"host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""):
        assert browser.get("/probe/open", headers={"host": host}).status_code == 400
    named = open_desk(address="https://twins.example.org", allowed_hosts=("other.example.org",))
    for host in ("twins.example.org", "other.example.org"):
        assert named.browser().get("/probe/open", headers={"host": host}).status_code == 200


def test_every_answer_carries_the_headers_that_guard_browsers(probed):
    browser = probed.browser("viewer")
    for path in ("/probe/open", "/probe/operator", "/nothing", "/probe/wrong?kind=ghost"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
    refused = browser.get("/", headers={"host": "evil.example"})
    assert "content-security-policy" in refused.headers


def test_over_tls_browsers_are_told_to_insist_and_cookies_too(open_desk):
    found = open_desk(address="https://127.0.0.1:8642").browser().get("/probe/open")
    assert found.headers["strict-transport-security"] == "max-age=31536000"
    assert "; Secure" in found.headers["set-cookie"]


def test_our_pages_have_no_inline_script_or_style(probed):
    import re

    for path in ("/sign-in", "/account", "/people", "/audit", "/nothing"):
        who = None if path == "/sign-in" else "administrator"
        page = probed.browser(who).get(path).text
        assert "<main" in page
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)


def test_an_address_that_asks_too_often_waits(open_desk):
    browser = open_desk(calls_per_second=1.0).browser()
    codes = [browser.get("/nothing").status_code for _ in range(12)]
    assert codes[0] == 404
    assert codes[-1] == 429
    assert int(browser.get("/nothing").headers["retry-after"]) >= 1


def test_a_person_who_asks_too_often_waits_from_any_address(open_desk):
    desk = open_desk()
    desk.app.state.limits.people.rate = desk.app.state.limits.people.burst = 1e-9
    assert desk.browser("viewer").get("/probe/viewer").status_code == 429
    assert desk.browser().get("/probe/open").status_code == 200


def test_a_pace_lets_bursts_through_and_recovers():
    pace = Pace(rate=2.0, burst=3.0)
    assert [pace.wait("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert pace.wait("b", 0.0) == 0.0
    assert pace.wait("a", 0.5) == 0.0
    assert pace.wait("a", 0.5) > 0.0
    for key in range(2 * MOST_KEYS):
        pace.wait(str(key), 1.0)
    assert len(pace.left) == MOST_KEYS


def test_a_body_that_is_too_large_is_not_read(open_desk):
    desk = open_desk(body_limit=1000, upload_limit=5000)
    browser, engineer = desk.browser(), desk.browser("engineer")
    kind = {"content-type": "application/octet-stream"}
    for content in (b"x" * 1000, b"x" * 1001):
        found = browser.post("/probe/read", content=content, headers=kind)
        assert found.status_code == (200 if len(content) == 1000 else 413)

    async def pieces():
        for _ in range(11):
            yield b"x" * 100

    assert browser.post("/probe/read", content=pieces(), headers=kind).status_code == 413
    file = {"file": ("a.csv", b"x" * 3000)}
    assert engineer.post("/probe/upload", files=file).json() == {"size": 3000}
    assert engineer.post("/probe/read", files=file).status_code == 413
    assert browser.post("/probe/upload", files=file).status_code in (401, 413)
    file = {"file": ("a.csv", b"x" * 5000)}
    assert engineer.post("/probe/upload", files=file).status_code == 413


def test_errors_on_purpose_are_told_in_one_sentence(probed):
    browser = probed.browser()
    answer = browser.get("/api/probe/wrong")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": answer.json()["title"],
        "status": 422,
        "detail": "the twin is tired; let it rest",
    }
    assert browser.get("/api/probe/wrong?kind=access").status_code == 403
    page = browser.get("/probe/wrong")
    assert page.status_code == 422
    assert "the twin is tired" in page.text
    assert page.headers["content-type"].startswith("text/html")


def test_errors_nobody_foresaw_tell_an_id_and_nothing_else(probed, caplog):
    for path in ("/api/probe/wrong?kind=ghost", "/probe/wrong?kind=ghost"):
        answer = probed.browser().get(path)
        assert answer.status_code == 500
        assert "hunter2" not in answer.text
        assert "RuntimeError" not in answer.text
    number = probed.browser().get("/api/probe/wrong?kind=ghost").json()["id"]
    assert number in caplog.text


def test_what_cannot_be_read_is_told_without_the_value(probed):
    async def typed(size: int):
        return size

    probed.app.add_api_route("/api/probe/typed", typed, dependencies=[Depends(public())])
    answer = probed.browser().get("/api/probe/typed?size=hunter2")
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert answer.json()["errors"][0]["where"] == "query.size"


def test_every_rule_can_be_read_from_its_route(probed):
    route = next(r for r in probed.app.routes if r.path == "/probe/twins/{name}/engineer")
    [rule] = [one.call.rule for one in route.dependant.dependencies]
    assert rule == "engineer of the twin"
    assert public().rule == "public"


def test_a_page_asks_in_its_own_thread_not_in_the_loop(probed):
    """Two pages at once, both behind the database: neither holds the other."""

    async def both():
        return await asyncio.gather(
            *(probed.browser("viewer").inside.get("/probe/viewer") for _ in range(2))
        )

    assert [one.status_code for one in probed.loop.run(both())] == [200, 200]
