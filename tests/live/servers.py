"""Real servers for the tests: a broker on a free port, started and stopped by the test."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing, contextmanager

import pytest

BINARY = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mosquitto(folder, *lines, port=None):
    """A broker on this machine with these lines of settings; gives its port."""
    if BINARY is None:
        pytest.skip("needs mosquitto; install the broker to run this test")
    port = port or free_port()
    usual = () if lines else ("allow_anonymous true",)
    settings = folder / f"mosquitto-{port}.conf"
    text = [f"listener {port} 127.0.0.1", "persistence false", "max_queued_messages 200000"]
    if os.geteuid() == 0:  # as nobody it could not read the folder of a test
        text.append("user root")
    settings.write_text("\n".join([*text, *(lines or usual)]) + "\n")
    with subprocess.Popen(
        [BINARY, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _wait(port, process):
    for _ in range(500):
        if process.poll() is not None:
            raise RuntimeError(f"mosquitto ended with {process.returncode}")
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 1)):
                return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("mosquitto does not answer")
