"""MQTT by a real broker: readings come in, are acknowledged when durable, and survive losses."""

import asyncio
import json
import subprocess

import aiomqtt
import pytest

from songsinh.errors import SettingError
from songsinh.live.sources import read_settings
from songsinh.live.sources.broker import Broker
from tests.live.desks import NOW, desk
from tests.live.servers import free_port, mosquitto
from tests.live.sources.takers import Taker, running

TOPIC = "plant/{twin}/{signal}"
FAST = {"pause": 0.05, "longest": 0.2}


def settings(port, **more):
    broker = {"host": "127.0.0.1", "port": port} | FAST | more.pop("broker", {})
    return read_settings("mqtt", "line", {"broker": broker, "routes": [{"topic": TOPIC}]} | more)


async def send(port, messages, qos=1, version=5, **more):
    options = {"protocol": aiomqtt.ProtocolVersion(version)} | more
    async with aiomqtt.Client("127.0.0.1", port, **options) as client:
        for topic, body in messages:
            await client.publish(topic, body, qos=qos)


def play(folder, work, **options):
    """Run `work(taker)` with a taker behind a real door."""
    with desk(folder, **options) as (door, _):
        asyncio.run(work(Taker(door, NOW)))


@pytest.mark.parametrize("version", [4, 5])
def test_readings_come_in_by_both_versions_of_the_protocol(tmp_path, broker_port, version):
    async def work(taker):
        asked = settings(broker_port, broker={"version": version})
        async with running("mqtt", asked, taker):
            await taker.until(lambda: taker.notes)
            told = json.dumps({"value": 3.5, "time": NOW - 1})
            messages = [("plant/b5/voltage", told), ("plant/b6/current", "2"), ("plant/x/y", "1")]
            await send(broker_port, messages, version=version)
            await taker.until(lambda: taker.total == 3)
        assert sorted(taker.values) == [2.0, 3.5]
        assert taker.refused == {"unknown twin": 1}
        assert taker.notes[0] == f"connected to 127.0.0.1:{broker_port}"

    play(tmp_path, work)


@pytest.mark.parametrize("version", [4, 5])
def test_what_was_not_durable_when_the_source_died_comes_again(tmp_path, broker_port, version):
    async def work(taker):
        name = f"centre-{version}"
        asked = settings(broker_port, broker={"version": version, "identifier": name})
        async with running("mqtt", asked, taker):
            await taker.until(lambda: taker.notes)
            taker.open.clear()  # the centre takes nothing: nothing may be acknowledged
            await send(broker_port, [("plant/b5/voltage", str(n)) for n in range(30)])
        assert taker.values == []
        taker.open.set()
        async with running("mqtt", asked, taker):
            await taker.until(lambda: len(set(taker.values)) == 30)
        assert sorted(set(taker.values)) == list(range(30))

    play(tmp_path, work)


def test_a_centre_that_fails_is_asked_again_and_nothing_is_lost(tmp_path, broker_port):
    async def work(taker):
        taker.failing = 2
        async with running("mqtt", settings(broker_port), taker):
            await taker.until(lambda: taker.notes)
            await send(broker_port, [("plant/b5/voltage", "3.5")])
            await taker.until(lambda: taker.values)
        assert taker.values == [3.5]
        assert sum(note.startswith("not taken in") for note in taker.notes) == 2

    play(tmp_path, work)


def test_a_broker_that_comes_late_and_goes_away_is_found_again(tmp_path):
    port = free_port()

    async def work(taker):
        async with running("mqtt", settings(port), taker):
            await taker.until(lambda: any("lost" in note for note in taker.notes))
            for value in (1.0, 2.0):
                with mosquitto(tmp_path, port=port):
                    seen = len(taker.notes)
                    await taker.until(lambda n=seen: "connected" in "".join(taker.notes[n:]))
                    await send(port, [("plant/b5/voltage", str(value))])
                    await taker.until(lambda v=value: v in taker.values)
                await taker.until(lambda: "lost" in taker.notes[-1])

    play(tmp_path, work)


def test_messages_faster_than_taken_in_are_refused_and_counted_without_acknowledgement(
    tmp_path, broker_port
):
    async def work(taker):
        asked = settings(broker_port, broker={"waiting": 10})
        async with running("mqtt", asked, taker):
            await taker.until(lambda: taker.notes)
            taker.open.clear()
            await send(broker_port, [("plant/b5/voltage", "3.5")] * 300, qos=0)
            await asyncio.sleep(0.3)
            taker.open.set()
            await taker.until(lambda: taker.total == 300)
        assert taker.refused["faster than taken in"] > 100

    play(tmp_path, work)


def test_the_clock_of_the_source_may_be_set_aside(tmp_path, broker_port):
    async def work(taker):
        taker.door.clocks["line"] = "arrival"
        async with running("mqtt", settings(broker_port), taker):
            await taker.until(lambda: taker.notes)
            told = json.dumps({"value": 3.5, "time": NOW + 3600})
            await send(broker_port, [("plant/b5/voltage", told)])
            await taker.until(lambda: taker.values)
        assert taker.readings[0][0] == int(NOW * 1e6)
        assert taker.door.skews()["line"].median == -3600

    play(tmp_path, work)


def test_user_and_password_are_asked_for_and_wrong_ones_stay_outside(tmp_path):
    (tmp_path / "users").write_text("")
    subprocess.run(
        ["mosquitto_passwd", "-b", str(tmp_path / "users"), "line", "not-a-secret"], check=True
    )
    lines = (f"password_file {tmp_path / 'users'}", "allow_anonymous false")

    async def work(taker):
        entry = {"user": "line", "password": "not-a-secret"}
        with mosquitto(tmp_path, *lines) as port:
            async with running("mqtt", settings(port, broker={"user": "line"}), taker):
                await taker.until(lambda: taker.notes)
            assert taker.notes[0].startswith("lost: ")
            taker.notes.clear()
            asked = settings(port, broker=entry)
            async with running("mqtt", asked, taker):
                await taker.until(lambda: taker.notes)
                more = {"username": "line", "password": "not-a-secret"}
                await send(port, [("plant/b5/voltage", "3.5")], **more)
                await taker.until(lambda: taker.values)
            assert "not-a-secret" not in repr(asked)

    play(tmp_path, work)


def certificates(folder):
    """An authority, a server's and a client's certificate, made for this test."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def make(name, signer=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signing = signer or (subject, key)
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(days=1))
        made = made.not_valid_after(now + datetime.timedelta(days=1))
        basic = x509.BasicConstraints(ca=signer is None, path_length=None)
        made = made.add_extension(basic, critical=True)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        made = made.add_extension(names, critical=False).sign(signing, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return subject, key

    signer = make("authority")
    make("server", signer)
    make("client", signer)


def test_both_sides_show_certificates(tmp_path):
    certificates(tmp_path)
    lines = (
        f"cafile {tmp_path}/authority.pem",
        f"certfile {tmp_path}/server.pem",
        f"keyfile {tmp_path}/server.key",
        "require_certificate true",
        "allow_anonymous true",
    )
    entry = {"host": "localhost", "tls": True, "authority": f"{tmp_path}/authority.pem"}
    entry |= {"timeout": 1.0}
    mine = {"certificate": f"{tmp_path}/client.pem", "key": f"{tmp_path}/client.key"}

    async def work(taker):
        with mosquitto(tmp_path, *lines) as port:
            async with running("mqtt", settings(port, broker=entry), taker):
                await taker.until(lambda: taker.notes)
            assert taker.notes[0].startswith("lost: ")
            taker.notes.clear()
            async with running("mqtt", settings(port, broker=entry | mine), taker):
                await taker.until(lambda: taker.notes)
                assert taker.notes[0].startswith("connected")

    play(tmp_path, work)


def test_a_broker_that_does_not_answer_is_left_and_nothing_stays_open(tmp_path):
    async def work(taker):
        ended = []

        async def silent(reader, writer):
            while await reader.read(100):
                pass
            ended.append(True)
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with running("mqtt", settings(port, broker={"timeout": 0.1}), taker):
                await taker.until(lambda: sum("timed out" in note for note in taker.notes) == 2)
                async with asyncio.timeout(20):
                    while len(ended) < 2:
                        await asyncio.sleep(0.01)

    play(tmp_path, work)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"routes": []}, "listens to nothing"),
        ({"rutes": []}, "did you mean 'routes'"),
        ({"broker": {"version": 3}}, "use 5, or 4"),
        ({"broker": {"port": "1883"}}, "give int"),
        ({"broker": {"port": 0}}, "give host and port"),
        ({"broker": {"pause": 0}}, "must be above 0"),
        ({"broker": "localhost"}, "give Broker"),
        ({"routes": [{"twin": "b5"}]}, "needs the setting 'topic'"),
        ({"clock": "sundial"}, "use event or arrival"),
    ],
)
def test_settings_that_make_no_sense_say_why(given, said):
    with pytest.raises(SettingError, match=said):
        read_settings("mqtt", "line", given)


def test_a_broker_knows_a_centre_by_when_the_source_was_made():
    names = [
        read_settings("mqtt", "line", {}, made=made).broker.identifier for made in (1.0, 1.0, 2.0)
    ]
    assert names[0] == names[1] != names[2]
    assert read_settings("mqtt", "line", {}).broker == Broker()
