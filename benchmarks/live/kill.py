"""Killed again and again under load: nothing acknowledged is lost, nothing counts twice.

Real `songsinh live` and `songsinh serve`: 20 twins, pushed to over HTTP, each push again until
it is acknowledged. At random moments one of the two, in turn, is killed (SIGKILL) and started
again over what it left; `live` moves its log into the history twice a second meanwhile. At the
end every belief must be the very bytes of a centre that took the same in undisturbed. There is
no peer.
"""

import argparse
import asyncio
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson

from benchmarks import common
from benchmarks.live import _centres as centres

TWINS, SAMPLES, STEP = 20, 5, 0.1
START = 1_700_000_000
PAIRS = [(f"t{k:02d}", name) for k in range(TWINS) for name in ("level", "inflow")]
TANK = {
    "members": 20, "window": 5.0, "every": 5.0, "horizon": 20.0, "samples": 9, "dry": 0.8
}  # fmt: skip


def beat_of(beat: int) -> tuple[Any, Any, Any]:
    """Which signal, when and what all sensors read in one beat; in no order within it."""
    chance = np.random.default_rng([7, beat])
    index = np.tile(np.arange(len(PAIRS)), SAMPLES)
    sample = np.repeat(np.arange(SAMPLES), len(PAIRS)) + beat * SAMPLES
    now = np.round(START + sample * STEP, 3)
    level = 1.0 + 0.5 * np.sin(now / 20.0) + 0.05 * chance.standard_normal(len(index))
    value = np.where(index % 2 == 0, level, 0.1)
    order = chance.permutation(len(index))
    return index[order], now[order], value[order]


def recipes() -> list[dict[str, Any]]:
    """The twins."""
    return [centres.tank(f"t{k:02d}", **TANK) for k in range(TWINS)]


class Pusher:
    """Pushes beat after beat, each until it is acknowledged; counts them, and the tries."""

    def __init__(self, port: int, token: str) -> None:
        self.beats = self.tries = 0
        self.errors: list[str] = []
        self.enough, self._end = threading.Event(), np.inf
        self._address = f"http://127.0.0.1:{port}/api/v1/readings"
        self._headers = centres.bearer(token)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Stop after a last acknowledgement, or 20 s without one."""
        self.enough.set()
        self._end = time.monotonic() + 20.0
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=60.0) as client:
            while not self.enough.is_set():
                signals = [f"{twin}/{name}" for twin, name in PAIRS]
                told = dict(zip(("index", "time", "value"), beat_of(self.beats), strict=True))
                body = orjson.dumps({"signals": signals, **told}, option=orjson.OPT_SERIALIZE_NUMPY)
                while not self._push(client, body):
                    if time.monotonic() > self._end:
                        return
                    time.sleep(0.05)
                self.beats += 1

    def _push(self, client: httpx.Client, body: bytes) -> bool:
        self.tries += 1
        try:
            answer = client.post(self._address, content=body)
        except httpx.TransportError:
            return False
        if answer.status_code == 429:
            time.sleep(1.0)
        elif answer.status_code == 200 and answer.json()["accepted"] != SAMPLES * len(PAIRS):
            self.errors.append(answer.text)
        elif answer.status_code not in (200, 503):
            self.errors.append(f"{answer.status_code}: {answer.text}")
        return answer.status_code == 200


def disturbed(home: Path, kills: int) -> tuple[Pusher, list[int]]:
    """Push while one process after another is killed; how often each was, in mid-run."""
    from tests.servers import free_port

    tokens, port = centres.furnish(home, recipes()), free_port()
    (home / "config.toml").write_text("sealing = 0.5\n")
    at = {"live": ("--home", str(home)), "serve": ("--home", str(home), "--port", str(port))}
    running = {name: centres.start(name, *words) for name, words in at.items()}
    pusher, chance, killed = Pusher(port, tokens["push"]), np.random.default_rng(11), [0, 0]
    try:
        for number in range(kills):
            name = ("live", "serve")[number % 2]
            _await_beat(pusher, running)
            time.sleep(chance.uniform(0.0, 1.5))
            process = running[name]
            killed[number % 2] += process.poll() is None
            process.kill()
            process.wait()
            running[name] = centres.start(name, *at[name])
        _await_beat(pusher, running)
    finally:
        pusher.end()
        for process in running.values():
            centres.end(process)
    return pusher, killed


def _await_beat(pusher: Pusher, running: dict[str, Any]) -> None:
    """Wait until one more push has come through; RuntimeError when none does."""
    begun, before = time.monotonic(), pusher.beats
    while pusher.beats == before:
        ended = {name: process.poll() for name, process in running.items()}
        if any(code is not None for code in ended.values()) or time.monotonic() - begun > 120.0:
            raise RuntimeError(f"no push comes through; the processes ended with {ended}")
        time.sleep(0.01)


def opened(home: Path) -> Any:
    """A centre in this process over a home."""
    from songsinh.database import open_database
    from songsinh.live import Centre, History
    from songsinh.sectors import build

    engine = open_database(f"sqlite:///{home}/centre.db")
    return Centre(engine, History(str(home / "history"), engine), build)


async def undisturbed(home: Path, beats: int) -> None:
    """All beats to one centre in this process."""
    from songsinh.live import Columns

    centres.furnish(home, recipes())
    centre = opened(home)
    await centre.start()
    nothing = np.zeros(SAMPLES * len(PAIRS), np.uint8)
    for beat in range(beats):
        await centre.take("push", Columns(PAIRS, *beat_of(beat), nothing, nothing))
    await centre.stop()
    centre.engine.dispose()


async def ended(home: Path) -> tuple[dict[str, bytes], int, list[Any]]:
    """What is believed in a home, readings folded, and the times kept of each signal."""
    centre = opened(home)
    await centre.start()
    told = (await centre.state())["twins"]
    crew = centre._crew
    bits = {
        name: crew.wards[ward].runner.belief(row).to_bytes()
        for name, (ward, row) in crew.places.items()
    }
    kept = [centre.history.readings(number, 0, 2**61).times for number in crew.signals()]
    await centre.stop()
    centre.engine.dispose()
    return bits, sum(one["folded"] for one in told.values()), kept


def twice(home: Path) -> int:
    """Episodes of alerts that stand open twice at once."""
    from sqlalchemy import func, select

    from songsinh.database import open_database, tables

    engine, alerts = open_database(f"sqlite:///{home}/centre.db"), tables.alerts
    asked = select(alerts.c.twin).where(alerts.c.cleared_us.is_(None))
    asked = asked.group_by(alerts.c.twin, alerts.c.rule).having(func.count() > 1)
    with engine.connect() as connection:
        found = connection.execute(asked).all()
    engine.dispose()
    return len(found)


def main() -> None:
    """Kill, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        pusher, killed = disturbed(Path(one), kills)
        asyncio.run(undisturbed(Path(other), pusher.beats))
        found, folded, kept = asyncio.run(ended(Path(one)))
        wanted, folded_wanted, _ = asyncio.run(ended(Path(other)))
        doubled = twice(Path(one))
    samples = pusher.beats * SAMPLES
    sent = START * 1_000_000 + np.rint(np.arange(samples) * STEP * 1e6).astype(np.int64)
    lost = sum(len(np.setdiff1d(sent, times)) for times in kept)
    more = sum(len(times) - len(np.unique(times)) for times in kept)
    different = sum(found[name] != wanted[name] for name in wanted)
    for error in pusher.errors[:5]:
        print(f"unexpected: {error:.300}")
    common.report(
        f"live: readings lost or doubled after {kills} kills", float(lost + more), None, 0.0,
        better="less", unit="readings",
        note=f"songsinh live killed {killed[0]} times, serve {killed[1]} times; "
        f"{samples * len(PAIRS):,} readings of {len(PAIRS)} signals were acknowledged in "
        f"{pusher.beats} pushes, {pusher.tries - pusher.beats} were sent again; {different} of "
        f"{len(wanted)} beliefs differ",
        also={
            "every belief is that of an undisturbed run, to the byte": different == 0,
            "each reading folded once": folded == folded_wanted == len(kept) * len(sent),
            "all signals are in the history": len(kept) == len(PAIRS),
            "no alert stands twice": doubled == 0,
            "killed in mid-run each time": sum(killed) == kills,
            "no other answer than taken in, or try again": not pusher.errors,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
