"""Signing in: passwords, lock-out, one answer to all who fail, and sessions that end."""

import threading

import pytest
from sqlalchemy import insert, select, update

from songsinh.database import tables
from songsinh.errors import AccessError
from songsinh.web.security import passwords
from songsinh.web.security.passwords import HASHER, check_sign_in, set_password
from songsinh.web.security.secrets import SECOND_US, fingerprint, now_us
from songsinh.web.security.sessions import begin_session, find_visitor
from songsinh.web.security.tokens import find_program, make_token

GOOD = "four words in a row"  # invented
KEPT = HASHER.hash(GOOD)
VERA = "vera@example.org"


@pytest.fixture
def vera(desk):
    """A desk at which Vera has a password."""
    change(desk, password=KEPT)
    return desk


def change(desk, **values):
    with desk.engine.begin() as connection:
        here = tables.people.c.email == VERA
        connection.execute(update(tables.people).where(here).values(**values))


def state(desk):
    with desk.engine.connect() as connection:
        found = select(tables.people).where(tables.people.c.email == VERA)
        return connection.execute(found).mappings().one()


@pytest.fixture
def quick(monkeypatch):
    """Passwords that are compared at once, for tests of what is around."""
    monkeypatch.setattr(passwords, "is_right", lambda kept, given: given == GOOD)


def test_a_password_is_kept_as_argon2id_and_never_as_it_is(vera):
    with vera.engine.begin() as connection:
        set_password(connection, vera.people["viewer"], "other words in a row", by="test")
    kept = state(vera)["password"]
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "other words" not in kept
    assert check_sign_in(vera.engine, VERA, GOOD) is None
    assert check_sign_in(vera.engine, VERA, "other words in a row") == vera.people["viewer"]


@pytest.mark.parametrize("weak", ["short", "a" * 20, "x" * 300, VERA])
def test_a_password_that_is_easy_to_guess_is_refused(desk, weak):
    with desk.engine.begin() as connection, pytest.raises(AccessError, match="password"):
        set_password(connection, desk.people["viewer"], weak, by="test")


def test_a_hash_of_weaker_days_is_renewed_at_the_next_sign_in(vera):
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    change(vera, password=old)
    assert check_sign_in(vera.engine, VERA, GOOD)
    assert state(vera)["password"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_all_who_fail_get_the_same_answer(vera, quick):
    """An unknown address, a wrong password, a lock, no password, a person kept out."""
    answers = set()

    def attempt(email, password):
        found = vera.browser().post("/sign-in", data={"email": email, "password": password})
        body = found.text.replace(email, "EMAIL")
        without_signs = [line for line in body.splitlines() if "csrf" not in line.lower()]
        answers.add((found.status_code, "\n".join(without_signs)))

    attempt("nobody@example.org", GOOD)
    attempt(VERA, "wrong")
    attempt("omar@example.org", GOOD)
    change(vera, locked_us=now_us() + 60 * SECOND_US)
    attempt(VERA, GOOD)
    change(vera, locked_us=0, disabled=True)
    attempt(VERA, GOOD)
    assert len(answers) == 1
    [(status, _)] = answers
    assert status == 401


def test_whoever_fails_costs_one_check_of_a_hash(vera, monkeypatch):
    """Time tells nothing: the slow part runs once for known and unknown alike."""
    checked = []

    def check(kept, given):
        checked.append(kept)
        return given == GOOD

    monkeypatch.setattr(passwords, "is_right", check)
    change(vera, locked_us=now_us() + 60 * SECOND_US)
    for email in ("nobody@example.org", VERA, "omar@example.org"):
        assert check_sign_in(vera.engine, email, GOOD) is None
    assert len(checked) == 3
    assert all(kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for kept in checked)


def test_wrong_tries_lock_for_longer_and_longer_but_never_for_good(vera, quick):
    pauses = []
    for _ in range(24):
        change(vera, locked_us=0)  # the pause is over
        before = now_us()
        assert check_sign_in(vera.engine, VERA, "wrong") is None
        locked = state(vera)["locked_us"]
        pauses.append(round((locked - before) / SECOND_US) if locked else 0)
    assert pauses[:8] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert pauses[-1] == max(pauses) == 900
    assert check_sign_in(vera.engine, VERA, GOOD) is None, "locked for the right one too"
    change(vera, locked_us=now_us() - 1)
    assert check_sign_in(vera.engine, VERA, GOOD)
    assert (state(vera)["failures"], state(vera)["locked_us"]) == (0, 0)


def test_tries_while_locked_make_the_lock_no_longer(vera, quick):
    for _ in range(5):
        check_sign_in(vera.engine, VERA, "wrong")
    change(vera, locked_us=now_us() + 60 * SECOND_US)
    before = state(vera)
    for _ in range(5):
        check_sign_in(vera.engine, VERA, "wrong")
    assert state(vera) == before


def test_many_tries_at_once_are_all_counted(vera, quick):
    tries = [
        threading.Thread(target=check_sign_in, args=(vera.engine, VERA, f"wrong {n}"))
        for n in range(12)
    ]
    for one in tries:
        one.start()
    for one in tries:
        one.join()
    assert state(vera)["failures"] >= 5
    assert state(vera)["locked_us"] > 0
    change(vera, locked_us=now_us() + 60 * SECOND_US)
    assert check_sign_in(vera.engine, VERA, GOOD) is None


def test_signing_in_from_one_address_is_slower_than_the_rest(vera, quick):
    browser = vera.browser()
    fields = {"email": "nobody@example.org", "password": "wrong"}
    codes = [browser.post("/sign-in", data=fields).status_code for _ in range(22)]
    assert set(codes[:20]) == {401}
    assert codes[-1] == 429
    assert browser.get("/sign-in").status_code == 200


def test_a_sign_in_begins_a_new_session_and_ends_the_one_before(vera, quick):
    browser = vera.browser("operator")
    before = browser.inside.cookies.get("songsinh", domain="127.0.0.1")
    fields = {"email": VERA, "password": GOOD}
    found = browser.post("/sign-in", data=fields)
    cookie = found.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert before not in cookie
    with vera.engine.begin() as connection:
        assert find_visitor(connection, before, vera.settings) is None


def test_a_session_planted_by_somebody_else_is_not_taken_over(vera, quick):
    browser = vera.browser()
    browser.keep("songsinh", "planted" * 6)
    browser.csrf = lambda: browser.get("/sign-in").text.partition('name="csrf" value="')[2][:64]
    found = browser.post("/sign-in", data={"email": VERA, "password": GOOD})
    assert found.status_code == 303
    with vera.engine.begin() as connection:
        assert find_visitor(connection, "planted" * 6, vera.settings) is None


def test_a_session_is_kept_as_a_hash_and_ends_by_itself(desk):
    with desk.engine.begin() as connection:
        secret = begin_session(connection, desk.people["viewer"], desk.settings)
    assert len(secret) >= 43, "256 bits"

    def finds(**values):
        with desk.engine.begin() as connection:
            if values:
                connection.execute(update(tables.sessions).values(**values))
            row = connection.execute(select(tables.sessions)).mappings().one()
            assert row["hash"] == fingerprint(secret)
            return find_visitor(connection, secret, desk.settings) is not None

    now = now_us()
    assert finds()
    assert finds(seen_us=now - int(11.9 * 3600) * SECOND_US)
    assert not finds(seen_us=now - int(12.1 * 3600) * SECOND_US), "idle"
    assert finds(seen_us=now)
    assert not finds(ends_us=now - 1), "over, however busy"


def test_what_is_kept_of_a_session_opens_nothing(desk):
    with desk.engine.begin() as connection:
        secret = begin_session(connection, desk.people["viewer"], desk.settings)
        assert find_visitor(connection, fingerprint(secret), desk.settings) is None


def test_a_token_is_kept_as_a_hash_and_ends(desk):
    person = desk.people["operator"]
    with desk.engine.begin() as connection:
        token = make_token(connection, person, "one", scope="read", days=1)
        kept = connection.execute(select(tables.tokens)).mappings().one()
        assert kept["hash"] == fingerprint(token)
        assert token not in str(dict(kept))
        assert find_program(connection, token).token_scope == "read"
        assert find_program(connection, kept["hash"]) is None
        connection.execute(update(tables.tokens).values(ends_us=now_us() - 1))
        assert find_program(connection, token) is None
        for wrong in (
            {"scope": "all"},
            {"scope": "read", "days": 400},
            {"scope": "read", "days": 0},
        ):
            with pytest.raises(AccessError):
                make_token(connection, person, "two", **wrong)
        with pytest.raises(AccessError):
            make_token(connection, person, " ", scope="read")


def test_a_token_for_one_twin_carries_the_strongest_role_there(desk):
    roles = {"*": "viewer", "b5": "engineer", "b6": "operator"}
    person = desk.add_person("lea@example.org", roles)
    with desk.engine.begin() as connection:
        token = make_token(connection, person, "one", scope="write", twin="b5")
        assert find_program(connection, token).roles == {"b5": "engineer"}
        alone = {"email": "sam@example.org", "name": "Sam", "made_us": 0}
        sam = connection.execute(insert(tables.people).values(**alone)).inserted_primary_key[0]
        token = make_token(connection, sam, "one", scope="write", twin="b5")
        assert find_program(connection, token).roles == {}
