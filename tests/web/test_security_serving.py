"""Serving for real: TLS, endless headers, proxies, foreign pages with WebSockets, and the end."""

import asyncio
import contextlib
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, Request, WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from songsinh.errors import SettingError
from songsinh.web import serve, wire
from songsinh.web.security import needs, public
from songsinh.web.security.sessions import begin_session
from tests.servers import free_port
from tests.web.desk import SETTINGS, Desk


@contextlib.asynccontextmanager
async def up(desk):
    """The desk's app, served; gives the event that ends it."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(desk.settings, desk.app, stop=stop))
    for _ in range(500):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", desk.settings.port)
            writer.close()
            break
        await asyncio.sleep(0.02)
    try:
        yield stop
    finally:
        stop.set()
        await task


@pytest.fixture
def open_desk(tmp_path):
    desks = []

    def open_one(**changed):
        folder = tmp_path / str(len(desks))
        folder.mkdir()
        settings = replace(SETTINGS, port=free_port(), **changed)
        desks.append(Desk(folder, settings=settings))
        add_probes(desks[-1].app)
        return desks[-1]

    yield open_one
    for desk in desks:
        desk.close()


def add_probes(app):
    async def address(request: Request):
        return {"address": request.client.host, "scheme": request.url.scheme}

    async def slow(request: Request):
        state = request.app.state
        state.begun.set()
        await state.ending.wait()
        await asyncio.sleep(0.2)  # longer than anybody waits for headers here
        return {"done": True}

    async def talk(socket: WebSocket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    everybody = [Depends(public())]
    app.add_api_route("/probe", address, dependencies=everybody)
    app.add_api_route("/slow", slow, dependencies=everybody)
    app.add_api_websocket_route("/talk", talk, dependencies=[Depends(needs("viewer"))])


async def answered(port, request):
    """All that the server says to these bytes until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_it_listens_on_loopback_unless_told():
    assert SETTINGS.host == "127.0.0.1"
    assert SETTINGS.base == "http://127.0.0.1:8642"


def test_headers_without_an_end_are_given_up(open_desk):
    desk = open_desk()
    head = b"GET /probe HTTP/1.1\r\nhost: localhost\r\n"

    async def ask():
        async with up(desk):
            port = desk.settings.port
            many = await answered(port, head + b"x: " + b"y" * 900_000)
            fair = await answered(
                port, head + b"x: " + b"y" * 8000 + b"\r\nconnection: close\r\n\r\n"
            )
            return many, fair

    many, fair = asyncio.run(ask())
    assert many == b"" or many.startswith(b"HTTP/1.1 431")
    assert fair.startswith(b"HTTP/1.1 200")


def test_headers_that_never_come_are_not_waited_for(open_desk, monkeypatch):
    monkeypatch.setattr(wire, "LONGEST_HEAD", 0.1)
    desk = open_desk()

    async def ask():
        async with up(desk):
            port = desk.settings.port
            whole = b"GET /probe HTTP/1.1\r\nhost: localhost\r\n\r\n"
            return [
                await answered(port, b""),
                await answered(port, b"GET /probe HTTP/1.1\r\nhost: loc"),
                await answered(port, whole + b"GET /probe HT"),
            ]

    nothing, begun, second = asyncio.run(ask())
    assert (nothing, begun) == (b"", b"")
    assert second.count(b"HTTP/1.1 200") == 1


def test_an_answer_under_way_is_waited_for_and_finished_at_the_end(open_desk, monkeypatch):
    monkeypatch.setattr(wire, "LONGEST_HEAD", 0.1)
    desk = open_desk()

    async def ask():
        state = desk.app.state
        state.begun, state.ending = asyncio.Event(), asyncio.Event()
        async with up(desk) as stop, httpx.AsyncClient() as client:
            call = asyncio.create_task(client.get(f"{desk.settings.base}/slow"))
            await state.begun.wait()
            stop.set()
            state.ending.set()
            return (await call).json()

    assert asyncio.run(ask()) == {"done": True}


def test_the_server_does_not_say_what_it_is(open_desk):
    desk = open_desk()

    async def ask():
        async with up(desk), httpx.AsyncClient() as client:
            return await client.get(f"{desk.settings.base}/probe")

    assert "server" not in asyncio.run(ask()).headers


@pytest.mark.parametrize(("behind", "seen"), [(False, "127.0.0.1"), (True, "203.0.113.7")])
def test_what_a_proxy_says_counts_only_behind_one(open_desk, behind, seen):
    desk = open_desk(behind_proxy=behind)
    headers = {"x-forwarded-for": "198.51.100.1, 203.0.113.7", "x-forwarded-proto": "https"}

    async def ask():
        async with up(desk), httpx.AsyncClient(headers=headers) as client:
            return (await client.get(f"{desk.settings.base}/probe")).json()

    scheme = "https" if behind else "http"
    assert asyncio.run(ask()) == {"address": seen, "scheme": scheme}


def test_a_foreign_page_cannot_open_a_websocket_in_our_name(open_desk):
    desk = open_desk()
    with desk.engine.begin() as connection:
        secret = begin_session(connection, desk.people["viewer"], desk.settings)
    place = desk.settings.base.replace("http", "ws") + "/talk"
    cookie = {"cookie": f"songsinh={secret}"}

    async def hear(origin, headers):
        try:
            async with connect(place, origin=origin, additional_headers=headers) as socket:
                return await socket.recv()
        except InvalidStatus as error:
            return error.response.status_code

    async def ask():
        async with up(desk):
            return [
                await hear(desk.settings.base, cookie),
                await hear("https://evil.example", cookie),
                await hear("null", cookie),
                await hear(desk.settings.base, {}),
            ]

    assert asyncio.run(ask()) == ["hello", 403, 403, 401]


def test_over_tls_nothing_goes_in_the_clear(open_desk, tmp_path):
    certificate, key = write_certificate(tmp_path)
    desk = open_desk(tls_certificate=certificate, tls_key=key)
    trust = ssl.create_default_context(cafile=certificate)

    async def ask():
        async with up(desk), httpx.AsyncClient(verify=trust) as client:
            found = await client.get(f"{desk.settings.base}/probe")
            clear = await answered(desk.settings.port, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            return found, clear

    found, clear = asyncio.run(ask())
    assert desk.settings.base.startswith("https://")
    assert found.json()["scheme"] == "https"
    assert found.headers["strict-transport-security"]
    assert "; Secure" in found.headers["set-cookie"]
    assert b"200" not in clear


def test_what_cannot_be_served_is_told_in_one_sentence(open_desk, tmp_path):
    desk = open_desk()

    async def twice():
        async with up(desk):
            await serve(desk.settings, desk.app, stop=asyncio.Event())

    with pytest.raises(SettingError, match="choose another port"):
        asyncio.run(twice())
    (tmp_path / "wrong.pem").write_text("no certificate")
    wrong = str(tmp_path / "wrong.pem")
    settings = replace(desk.settings, tls_certificate=wrong, tls_key=wrong)
    with pytest.raises(SettingError, match="certificate cannot be used"):
        asyncio.run(serve(settings, desk.app, stop=asyncio.Event()))


def write_certificate(folder):
    """A certificate that vouches for itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "for tests")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "a.pem").write_bytes(made.public_bytes(pem))
    (folder / "a.key").write_bytes(key.private_bytes(pem, *plain))
    return str(folder / "a.pem"), str(folder / "a.key")
