"""`songsinh start` as people run it: real processes that come up, go on, and end together."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import insert

from songsinh.database import open_database, tables
from songsinh.live import RemoteHub, Row
from tests.servers import free_port

TEXT = """
name = "tank"
[parameters]
hole = {unit = "1/s", start = 0.1, lower = 0.0}
[states]
level = {unit = "m", start = 1.0, lower = 0.0, rate = "-hole * level"}
[solver]
kind = "fixed"
step = 1.0
[twin]
start = {level = [1.0, 0.3]}
noise = {level = 0.05}
"""
RECIPE = {"kind": "written", "name": "tank", "text": TEXT}
LONG = 60.0  # s, for ever


@contextmanager
def started(home, *more):
    """The process and port of a centre with one twin, ready; its words go to `home`/said."""
    port, home = free_port(), Path(home)
    engine = open_database(f"sqlite:///{home}/centre.db")
    with engine.begin() as connection:
        row = {"name": "tank", "title": "Tank", "recipe": RECIPE, "made_us": 0}
        connection.execute(insert(tables.twins), row)
    engine.dispose()
    with (home / "said").open("w") as said, begun(home, port, *more, stdout=said) as process:
        try:
            until(lambda: ready(port))
            yield process, port
        finally:
            process.terminate()
            process.wait(LONG)


def begun(home, port, *more, **options):
    words = ["start", "--home", str(home), "--port", str(port), "--no-examples", *more]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SONGSINH_")}
    return subprocess.Popen([sys.executable, "-m", "songsinh.cli", *words], env=clean, **options)


def until(true):
    end = time.monotonic() + LONG
    while not (found := true()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
    return found


def ready(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def children(process):
    """The words of each child by its number."""
    found = {}
    for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        found[int(number)] = [word.decode() for word in words]
    return found


def part(process, name):
    """The number of the child that does this."""
    return next((number for number, words in children(process).items() if name in words), None)


def fold(home, *values, begin=0):
    """Bring readings over the link, and wait until so many are folded in all."""

    async def bring():
        async with RemoteHub(home / "live.sock", patience=LONG) as hub:
            rows = [
                Row("tank", "level", 1.7e9 + begin + k, value) for k, value in enumerate(values)
            ]
            receipt = await hub.take("test", rows)
            assert receipt.accepted == len(rows), receipt.example
            while (told := (await hub.state())["twins"]["tank"]).get("folded") != begin + len(rows):
                await asyncio.sleep(0.02)
            return told["folded"], told["state"]

    return asyncio.run(bring())


def test_a_centre_comes_up_goes_on_after_a_kill_and_ends_with_all_its_parts(tmp_path):
    with started(tmp_path) as (process, port):
        assert fold(tmp_path, 1.0, 0.9) == (2, "following")

        first = part(process, "live")
        os.kill(first, signal.SIGKILL)
        until(lambda: part(process, "live") not in (None, first))
        assert fold(tmp_path, 0.8, begin=2) == (3, "following")
        until(lambda: ready(port))
        assert "songsinh live ended with -9" in (tmp_path / "said").read_text()

        parts = children(process)
        assert len(parts) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0
        assert not [number for number in parts if Path(f"/proc/{number}").exists()]
        assert not (tmp_path / "live.sock").exists()


def test_all_in_one_process_comes_up_follows_and_ends(tmp_path):
    with started(tmp_path, "--together") as (process, _):
        assert children(process) == {}
        assert fold(tmp_path, 1.0) == (1, "following")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0


def test_a_port_in_use_is_told_once_in_a_sentence(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for more in ((), ("--together",)):
            with begun(
                tmp_path, port, *more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                _, told = process.communicate(timeout=LONG)
            assert process.returncode == 2
            assert told == f"cannot listen on 127.0.0.1:{port}; choose another port\n"
