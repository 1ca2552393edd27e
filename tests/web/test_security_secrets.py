"""Secrets stay out of logs, out of listings of settings, and out of files others can read."""

import logging

import pytest

from songsinh.errors import SettingError
from songsinh.web import OpenId, WebSettings, read_secret
from songsinh.web.security.secrecy import blot, keep_secrets
from songsinh.web.security.secrets import draw

SECRET = draw()


@pytest.fixture
def kept():
    """The log as `serve` keeps it, put back at the end."""
    before = logging.getLogRecordFactory()
    keep_secrets()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    "line",
    [
        f"GET /link/{SECRET} HTTP/1.1",
        f"Authorization: Bearer songsinh_{SECRET}",
        f"authorization=Basic {SECRET}",
        f"a token songsinh_{SECRET} was sent",
        f"cookie: theme=dark; songsinh={SECRET}; x=1",
        f"cookie: __Host-songsinh={SECRET}",
        f"password={SECRET}&next=/",
        f"'password': '{SECRET}'",
        f'{{"client_secret": "{SECRET}"}}',
        f"postgresql://songsinh:{SECRET}@db.example.org/songsinh",
        f"/openid/return?code={SECRET}&state=1",
        f"csrf={SECRET}",
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(line):
    assert SECRET not in blot(line)
    assert "[secret]" in blot(line)


@pytest.mark.parametrize(
    "line", ["b5 follows at 3.9 V", "GET /twins/b5?format=json", "exit code: 2 at /link/"]
)
def test_what_is_no_secret_stays(line):
    assert blot(line) == line


def test_no_logger_of_the_process_tells_a_secret(kept, capsys):
    handler = logging.StreamHandler()
    for name in ("songsinh.web", "uvicorn.error", "somebody.else"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        try:
            logger.error("token songsinh_%s at %s", SECRET, f"/link/{SECRET}")
            try:
                raise ValueError(f"password={SECRET}")
            except ValueError:
                logger.exception("it failed for %(who)s", {"who": "Ada"})
        finally:
            logger.removeHandler(handler)
    told = capsys.readouterr().err
    assert told.count("it failed for Ada") == 3
    assert "ValueError: password=[secret]" in told
    assert SECRET not in told


def test_a_failing_page_does_not_log_what_was_typed(desk, kept, caplog):
    from fastapi import Depends, Request

    from songsinh.web.security import public

    async def fail(request: Request):
        raise RuntimeError(f"it is {dict(await request.form())}")

    desk.app.add_api_route("/fail", fail, methods=["POST"], dependencies=[Depends(public())])
    answer = desk.browser().post("/fail", data={"password": SECRET})
    assert answer.status_code == 500
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


def test_an_error_of_the_database_names_no_values(desk):
    from sqlalchemy import insert
    from sqlalchemy.exc import IntegrityError

    from songsinh.database import tables

    row = {"email": "vera@example.org", "name": "x", "password": SECRET, "made_us": 0}
    with desk.engine.begin() as connection, pytest.raises(IntegrityError) as found:
        connection.execute(insert(tables.people).values(**row))
    assert SECRET not in str(found.value)


def test_settings_do_not_show_their_secrets():
    openid = OpenId("https://id.example.org", "songsinh", SECRET)
    settings = WebSettings(secret=SECRET.encode(), openid=openid)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": b"short"},
        {"tls_certificate": "a.pem"},
        {"address": "twins.example.org"},
    ],
)
def test_settings_that_are_not_safe_are_refused(wrong):
    with pytest.raises(SettingError):
        WebSettings(**{"secret": SECRET.encode(), **wrong})


def test_the_secret_of_the_centre_is_made_once_for_its_owner_only(tmp_path):
    file = tmp_path / "home" / "secret"
    made = read_secret(file)
    assert len(made) == 32
    assert read_secret(file) == made
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("not hexadecimal")
    with pytest.raises(SettingError, match="sign in again"):
        read_secret(file)
