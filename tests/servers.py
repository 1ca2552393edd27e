"""Real servers for tests, started in folders of their own and stopped at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["free_port", "store", "postgresql"]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server, without the name of a database: end it with one."""
    tools = _postgresql_tools()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short, for the socket's name
    data, port = folder / "data", free_port()
    try:
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "postgres")
        _run(tools, "initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync")
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c shared_buffers=16MB"
        _run(tools, "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://tester@127.0.0.1:{port}/"
        finally:
            _run(tools, "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql_tools() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    pytest.skip("needs PostgreSQL's server; install the package postgresql of your system")


def _run(tools: Path, tool: str, *words: object) -> None:
    command = [str(tools / tool), *map(str, words)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
    subprocess.run(command, check=True, cwd="/tmp", stdout=subprocess.DEVNULL, timeout=60)


@contextmanager
def store() -> Iterator[dict[str, str]]:
    """An S3 server; gives the storage options that reach it."""
    pytest.importorskip("moto.server", reason="needs moto; install the locked development tools")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "tester",
            "AWS_REGION": "us-east-1",
            "allow_http": "true",
        }
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def _wait(port: int, seconds: float = 30.0) -> None:
    """Return once somebody listens on a port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port} after {seconds:g} s")
