"""Every route has a rule, and every rule holds for everybody who might come.

The API's rules are written out here once more, so that who changes one has to mean it.
"""

import asyncio
import dataclasses
import re

import pytest
from fastapi.routing import APIWebSocketRoute
from starlette.routing import Mount

from songsinh.web.api.document import rule_of
from songsinh.web.security.forgery import SAFE
from songsinh.web.security.guards import Needs, Public
from songsinh.web.security.roles import ROLES
from songsinh.web.security.secrets import fingerprint, sign
from songsinh.web.security.sessions import begin_session
from songsinh.web.security.tokens import make_token
from tests.web.desk import SETTINGS
from tests.web.station import centre

TWIN = "/api/v1/twins/{name}"
API = {
    "public": {"GET /health/live", "GET /health/ready"},
    "viewer": {
        "GET /metrics", "GET /api/v1/openapi.json", "GET /api/v1/twins", "GET /api/v1/recipes",
        "GET /api/v1/alerts", "GET /api/v1/alerts/{number}", "GET /api/v1/alerts/{number}/remarks",
        "GET /api/v1/tokens", "POST /api/v1/tokens", "DELETE /api/v1/tokens/{number}",
        "GET /api/v1/stream/events", "SOCKET /api/v1/stream",
    },
    "viewer of the twin": {
        f"GET {TWIN}{part}"
        for part in (
            "", "/now", "/belief", "/beliefs", "/forecast", "/forecasts", "/scores", "/sensors",
            "/card", "/signals", "/readings/{signal}",
        )
    },
    "operator of the twin": {f"POST {TWIN}/what-if", f"POST {TWIN}/decide"},
    "operator": {
        "POST /api/v1/readings", "SOCKET /api/v1/push",
        *(
            f"POST /api/v1/alerts/{{number}}/{action}"
            for action in ("acknowledge", "assign", "comment", "close", "reopen")
        ),
    },
    "engineer": {
        "POST /api/v1/twins", "GET /api/v1/sources", "POST /api/v1/sources",
        "GET /api/v1/sources/{source}", "PATCH /api/v1/sources/{source}", "GET /api/v1/refusals",
    },
    "engineer of the twin": {f"PATCH {TWIN}", f"DELETE {TWIN}"},
    "administrator": {
        "GET /api/v1/people", "POST /api/v1/people", "PATCH /api/v1/people/{number}",
        "GET /api/v1/audit",
    },
}  # fmt: skip
# roles by twin, and the scope of the token
VISITORS = {
    **{role: ({"*": role}, None) for role in ROLES},
    "viewer of another twin": ({"b6": "viewer"}, None),
    "engineer of another twin": ({"b6": "engineer"}, None),
    "token to read": ({"*": "administrator"}, "read"),
    "token to push": ({"*": "administrator"}, "push"),
    "token to write": ({"*": "administrator"}, "write"),
}
REFUSED = re.compile(r"needs the role|nobody is signed in|needs a token|not for tokens")


def all_routes():
    """What can be asked: (METHOD path, route)."""
    from songsinh.web.api import routers as programs
    from songsinh.web.metrics import ROUTER
    from songsinh.web.pages import routers as pages

    for route in (route for router in (*programs, ROUTER, *pages) for route in router.routes):
        if isinstance(route, APIWebSocketRoute):
            yield f"SOCKET {route.path}", route
        else:
            for method in sorted(route.methods - {"HEAD"}):
                yield f"{method} {route.path}", route


ROUTES = dict(all_routes())


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    often = dataclasses.replace(SETTINGS, calls_per_second=1e6, tries_per_minute=1e6)
    with centre(tmp_path_factory.mktemp("centre"), often) as desk:
        people = {}
        for name, (roles, _) in VISITORS.items():
            people[name] = desk.add_person(f"{name.replace(' ', '-')}@example.org", roles)
        desk.visitors, desk.known = people, {}
        yield desk


def test_every_route_of_the_app_has_a_rule(desk):
    without = []
    for route in desk.app.routes:
        if not isinstance(route, Mount) and rule_of(route) is None:
            without.append(route.path)
    assert without == []
    mounted = [route.path for route in desk.app.routes if isinstance(route, Mount)]
    assert mounted == ["/static"]


def test_the_rules_of_the_api_are_those_written_here():
    wanted = {where: rule for rule, places in API.items() for where in places}
    found = {
        where: rule_of(route)
        for where, route in ROUTES.items()
        if route.path.startswith(("/api/", "/health/", "/metrics"))
    }
    assert found == wanted


@pytest.mark.parametrize("where", sorted(where for where in ROUTES if "SOCKET" not in where))
def test_everybody_gets_the_answer_that_the_rule_says(desk, where):
    """Allowed, refused or unknown; whatever else is wrong with the request comes after."""
    rule = the_rule(ROUTES[where])
    everybody = (*VISITORS, "nobody", "a token that is over")
    for visitor in ("viewer", "nobody") if isinstance(rule, Public) else everybody:
        status, text = ask(desk, where, visitor)
        told = f"{visitor} got {status}: {text[:200]}"
        assert status < 500 or status == 503, told
        if isinstance(rule, Public):
            assert not REFUSED.search(text), told
        elif visitor not in VISITORS:
            assert status == 401, told
        elif may(rule, where, visitor):
            assert not REFUSED.search(text), told
        else:
            assert status == 403, told
            assert REFUSED.search(text), told


@pytest.mark.parametrize("where", sorted(where for where in ROUTES if "GET" not in where))
def test_no_other_site_can_make_a_browser_do_it(desk, where):
    if where.startswith("SOCKET"):
        return
    status, text = ask(desk, where, "administrator", csrf=False)
    assert status == 403, text
    assert "load the page again" in text
    status, text = ask(desk, where, "administrator", origin="https://evil.example")
    assert status == 403, text


def the_rule(route):
    """The rule as it is asked; metrics are for viewers unless they are open."""
    calls = [part.call for part in route.dependant.dependencies]
    found = [call for call in calls if isinstance(call, (Needs, Public))]
    return found[0] if found else Needs("viewer")


def may(rule, where, visitor):
    """Whether the rule lets this visitor pass, worked out anew."""
    roles, scope = VISITORS[visitor]
    if scope is not None:
        if rule.person:
            return False
        wanted = rule.scope or ("read" if where.split()[0] in SAFE else "write")
        if scope not in (wanted, "write"):
            return False
    places = ["*", "b5"] if rule.twin else ["*"]
    if rule.anywhere or (rule.role == "viewer" and not rule.twin):
        places = list(roles)
    ranks = [ROLES.index(roles[place]) for place in places if place in roles]
    return max(ranks, default=-1) >= ROLES.index(rule.role)


def ask(desk, where, visitor, *, csrf=True, origin=None):
    """Status and text of an answer to an empty request."""
    method, path = where.split()
    number = "1" if method == "GET" else "999"
    path = path.replace("{name}", "b5").replace("{number}", number)
    path = re.sub(r"{[a-z_]+(:path)?}", "voltage" if "signal" in path else "broker", path)
    headers = {"accept": "application/json", "content-type": "application/json"}
    # a page may end the session that it is asked with
    fresh = method != "GET" and not path.startswith("/api/")
    key = (visitor, csrf)
    if fresh or key not in desk.known:
        desk.known[key] = credentials(desk, visitor, csrf=csrf)
    headers |= desk.known[key]
    headers |= {"origin": origin} if origin else {}
    return desk.loop.run(answer_of(desk.app, method, path, headers))


def credentials(desk, visitor, *, csrf):
    """Headers by which a visitor is known."""
    if visitor == "nobody":
        chance = "c" * 43
        mark = sign(SETTINGS.secret, "form before sign in", chance)
        return {"cookie": f"songsinh-form={chance}", **({"x-csrf-token": mark} if csrf else {})}
    if visitor == "a token that is over":
        return {"authorization": f"Bearer {over(desk)}"}
    person, (_, scope) = desk.visitors[visitor], VISITORS[visitor]
    with desk.engine.begin() as connection:
        if scope is not None:
            token = make_token(connection, person, "test", scope=scope)
            return {"authorization": f"Bearer {token}"}
        secret = begin_session(connection, person, desk.settings)
    mark = sign(SETTINGS.secret, "form", fingerprint(secret))
    return {"cookie": f"songsinh={secret}", **({"x-csrf-token": mark} if csrf else {})}


def over(desk):
    """A token whose time has passed."""
    with desk.engine.begin() as connection:
        person = desk.people["administrator"]
        return make_token(connection, person, "old", scope="write", days=1e-9)


async def answer_of(app, method, path, headers):
    """Ask the app once, and go away when it begins to stream."""
    told = {"status": 0, "body": b""}
    begun, first = asyncio.Event(), True

    async def receive():
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"" if method == "GET" else b"{}"}
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            told["status"] = message["status"]
        else:
            told["body"] += message.get("body", b"")
            begun.set()

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": method, "scheme": "http", "path": path, "raw_path": path.encode(),
        "root_path": "", "query_string": b"", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8642),
        "headers": [(b"host", b"127.0.0.1:8642"),
                    *((k.encode(), v.encode()) for k, v in headers.items())],
    }  # fmt: skip
    await app(scope, receive, send)
    return told["status"], told["body"].decode("utf-8", "replace")


def test_what_can_be_read_as_a_page_can_be_asked_for_its_head(desk):
    for route in desk.app.routes:
        if getattr(route, "include_in_schema", True) is False and "GET" in (route.methods or ()):
            assert "HEAD" in route.methods, route.path
