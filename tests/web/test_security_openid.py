"""Signing in by OpenID Connect, against a real provider that is honest or lies."""

from dataclasses import replace

import httpx
import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select, update

from songsinh.database import tables
from songsinh.web import OpenId
from tests.web.desk import HERE, SETTINGS, Desk
from tests.web.provider import CLIENT, SECRET, vouching


@pytest.fixture(scope="module")
def running():
    with vouching() as provider:
        yield provider


@pytest.fixture
def provider(running):
    """The provider, honest again."""
    honest = dict(vars(running))
    running.claims = {}
    yield running
    for name, value in honest.items():
        setattr(running, name, value)


@pytest.fixture
def desk(tmp_path, provider):
    openid = OpenId(provider.address, CLIENT, SECRET, "Example University")
    desk = Desk(tmp_path, settings=replace(SETTINGS, openid=openid))
    yield desk
    desk.close()


def go(browser):
    """Follow the button to the provider; the address that it sends the browser back to."""
    found = browser.get("/openid/start")
    assert found.status_code == 303
    back = httpx.get(found.headers["location"]).headers["location"]
    assert back.startswith(f"{HERE}/openid/return?")
    return back.removeprefix(HERE)


def test_a_person_who_is_known_by_a_verified_address_comes_in(desk, provider):
    browser = desk.browser()
    assert "Example University" in browser.get("/sign-in").text
    found = browser.get(go(browser))
    assert (found.status_code, found.headers["location"]) == (303, "/")
    assert browser.get("/account?format=json").json()["email"] == "vera@example.org"
    asked = provider.asked[-1]
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["nonce"]) >= 43
    assert len(asked["state"]) >= 43


def test_afterwards_the_subject_counts_and_not_the_address(desk, provider):
    browser = desk.browser()
    browser.get(go(browser))
    provider.person = provider.person | {"email": "moved@example.org", "email_verified": False}
    browser = desk.browser()
    assert browser.get(go(browser)).status_code == 303
    assert browser.get("/account?format=json").json()["email"] == "vera@example.org"
    provider.person = {"sub": "8", "email": "vera@example.org", "email_verified": True}
    browser = desk.browser()
    assert browser.get(go(browser)).status_code == 403, "the address has been given to another"


@pytest.mark.parametrize(
    "person",
    [
        {"sub": "9", "email": "nobody@example.org", "email_verified": True},
        {"sub": "9", "email": "omar@example.org", "email_verified": False},
        {"sub": "9", "email": "omar@example.org"},
        {"sub": "9"},
    ],
)
def test_whom_the_centre_does_not_know_for_sure_stays_out(desk, provider, person):
    provider.person = person
    browser = desk.browser()
    found = browser.get(go(browser))
    assert found.status_code == 403
    assert "ask an administrator" in found.text
    assert browser.get("/account").status_code == 303
    with desk.engine.connect() as connection:
        refused = connection.execute(select(tables.audit.c.what)).scalars().all()
    assert refused == ["sign-in refused"]


def test_who_is_kept_out_stays_out(desk, provider):
    browser = desk.browser()
    browser.get(go(browser))
    ada = tables.people.c.email == "ada@example.org"
    with desk.engine.begin() as connection:
        connection.execute(update(tables.people).where(ada).values(subject="somebody"))
    person, data = desk.people["viewer"], {"enabled": "no"}
    found = desk.browser("administrator").post(f"/people/{person}/entry", data=data)
    assert found.status_code == 303
    browser = desk.browser()
    assert browser.get(go(browser)).status_code == 403
    assert browser.get("/account").status_code == 303


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"aud": "another program"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": [CLIENT, "another"]},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"iat": None},
        {"sub": None},
    ],
)
def test_an_answer_that_does_not_fit_opens_nothing(desk, provider, claims):
    provider.claims = claims
    browser = desk.browser()
    assert browser.get(go(browser)).status_code == 403
    assert browser.get("/account").status_code == 303


def test_an_answer_that_another_signed_opens_nothing(desk, provider):
    provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    browser = desk.browser()
    assert browser.get(go(browser)).status_code == 403


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_an_answer_signed_with_the_public_key_or_not_at_all_opens_nothing(
    desk, provider, algorithm
):
    provider.algorithm = algorithm
    browser = desk.browser()
    assert browser.get(go(browser)).status_code == 403


def test_a_sign_in_that_began_in_another_browser_opens_nothing(desk, provider):
    """Else somebody could make another person work in his account."""
    back = go(desk.browser())
    victim = desk.browser()
    assert victim.get(back).status_code == 403
    victim.get("/openid/start")
    assert victim.get(back).status_code == 403
    assert victim.get("/account").status_code == 303


def test_a_code_works_once(desk, provider):
    browser = desk.browser()
    back = go(browser)
    cookie = browser.inside.cookies.get("songsinh-openid")
    assert browser.get(back).status_code == 303
    again = desk.browser()
    again.inside.cookies.set("songsinh-openid", cookie, domain="127.0.0.1", path="/openid")
    assert again.get(back).status_code == 422
    assert again.get("/account").status_code == 303


def test_a_provider_that_is_another_or_away_is_told(desk, provider):
    provider.issuer = "https://evil.example"
    assert desk.browser().get("/openid/start").status_code == 422
    gone = OpenId("http://127.0.0.1:9", CLIENT, SECRET)
    desk.app.state.settings = replace(desk.settings, openid=gone)
    found = desk.browser().get("/openid/start", headers={"accept": "application/json"})
    assert found.status_code == 422
    assert "does not answer as it should" in found.json()["detail"]
    desk.app.state.settings = SETTINGS
    assert desk.browser().get("/openid/start").status_code == 422
