"""From `songsinh start` in a home that does not exist to the first forecast on a twin's page.

A first person's way: open the link that is printed, choose a password, ask for each example
twin until one shows a forecast. Once with the compiled kernels kept from an earlier run (the
bar), once without any. With --clone a fresh clone of the repository is set up and started
instead (`make setup`, then the same), which takes the network and minutes.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks import common
from benchmarks.live import _centres as centres

SOON, WHOLE = 15.0, 180.0  # s: an installed centre, and from a clone on
PATIENCE = 120.0  # s
SIGN = re.compile(r'name="csrf"[^>]*value="([^"]+)"')
LINK = re.compile(r"http://\S+/link/\S+")
WORDS = "correct horse battery staple"  # an invented person's


def first_forecast(command: list[str], folder: Path, **environment: str) -> dict[str, float]:
    """S from the start of the command to each step of a first person's way."""
    from tests.servers import free_port

    port, begun = free_port(), time.monotonic()
    words = [*command, "start", "--home", str(folder / "home"), "--port", str(port)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SONGSINH_", "NUMBA_"))}
    process = subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, text=True, env=kept | environment
    )
    os.sched_setaffinity(process.pid, centres.cores())
    try:
        lines = iter(process.stdout or ())
        link = next((m[0] for line in lines if (m := LINK.search(line))), "")
        if not link:
            raise RuntimeError("the centre ended before it told its first link")
        # what it says later must not fill the pipe
        threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
        took = {"link told": time.monotonic() - begun}
        with httpx.Client(timeout=30.0, headers={"Host": f"localhost:{port}"}) as client:
            base = f"http://127.0.0.1:{port}"
            _enter(client, base + "/link/" + link.rpartition("/")[2], begun)
            took["signed in"] = time.monotonic() - begun
            _see(client, base, begun)
            took["forecast"] = time.monotonic() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return took


def _enter(client: httpx.Client, address: str, begun: float) -> None:
    """Choose a password behind the link, as soon as there is a page."""
    while True:
        try:
            shown = client.get(address)
            break
        except httpx.TransportError:
            _hurry(begun)
    sign = SIGN.search(shown.text)
    if sign is None:
        raise RuntimeError(f"the page behind the link has no form ({shown.status_code})")
    told = {"csrf": sign[1], "name": "Ada", "email": centres.ADDRESS}
    answer = client.post(address, data=told | {"password": WORDS, "again": WORDS})
    if answer.status_code not in (302, 303):
        raise RuntimeError(f"the link was not taken: {answer.status_code}")


def _see(client: httpx.Client, base: str, begun: float) -> None:
    """Look at the twins until one shows a forecast."""
    while True:
        listed = client.get(f"{base}/api/v1/twins").json()["items"]
        for twin in listed:
            shown = client.get(f"{base}/twins/{twin['name']}", params={"format": "json"})
            charts = shown.json()["charts"] if shown.status_code == 200 else []
            if any(chart["outlook"]["times"] for chart in charts):
                return
        _hurry(begun)


def _hurry(begun: float) -> None:
    if time.monotonic() - begun > PATIENCE:
        raise RuntimeError(f"no forecast after {PATIENCE:g} s")
    time.sleep(0.1)


def from_clone(folder: Path) -> tuple[float, dict[str, float]]:
    """S of a clone and its set-up, and the steps from its start on; its kernels are not kept."""
    begun = time.monotonic()
    clone = folder / "songsinh"
    subprocess.run(["git", "clone", "--quiet", str(centres.ROOT), str(clone)], check=True)
    python = f"PYTHON={sys.executable}"
    subprocess.run(["make", "--silent", "setup", python], cwd=clone, check=True, stdout=sys.stderr)
    spent = time.monotonic() - begun
    command = [str(clone / ".venv" / "bin" / "songsinh")]
    return spent, first_forecast(command, folder, NUMBA_CACHE_DIR=str(folder / "cache"))


def main() -> None:
    """Start, look, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clone", action="store_true")
    given = parser.parse_args()
    # a page, a compiler and those who follow: as many cores as there are
    os.sched_setaffinity(0, centres.cores())
    with tempfile.TemporaryDirectory() as folder:
        (tell_clone if given.clone else tell)(Path(folder))


def tell(folder: Path) -> None:
    """The row of an installed centre."""
    command, runs = [sys.executable, "-m", "songsinh.cli"], []
    for name in ("cold", "kept"):
        (folder / name).mkdir()
        cache = str(folder / "cache")
        runs.append(first_forecast(command, folder / name, NUMBA_CACHE_DIR=cache))
    cold, kept = runs
    common.report(
        "first use: `songsinh start` in a new home to the first forecast", kept["forecast"],
        None, SOON, better="less",
        note=f"{_steps(kept)}; with no kernel kept from before: {_steps(cold)}",
        also={"with no kernel kept within a minute": cold["forecast"] <= 60.0},
    )  # fmt: skip


def tell_clone(folder: Path) -> None:
    """The row of a fresh clone."""
    spent, steps = from_clone(folder)
    common.report(
        "first use: fresh clone to the first forecast", spent + steps["forecast"], None, WHOLE,
        better="less",
        note=f"clone and make setup {spent:.0f} s, then {_steps(steps)}, no kernel kept",
    )  # fmt: skip


def _steps(took: dict[str, Any]) -> str:
    return ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in took.items())


if __name__ == "__main__":
    main()
