"""Real centres for the rows: processes of the command line, with twins, tokens and open ears."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import common

ROOT = Path(__file__).parents[2]
ADDRESS = "ada@example.org"  # invented
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
TANK = """
name = "tank"
[parameters]
hole = {unit = "1/s", start = 0.1, lower = 0.0, upper = 1.0}
[inputs]
inflow = {unit = "m/s", start = 0.1}
[states]
level = {unit = "m", start = 1.0, lower = 0.0, rate = "inflow - hole * level"}
[solver]
kind = "fixed"
step = 1.0
[twin]
members = %(members)d
window = %(window)s
every = %(every)s
horizon = %(horizon)s
samples = %(samples)d
start = {level = [1.0, 0.3], hole = [0.1, 0.02]}
noise = {level = 0.05}
drift = {level = 0.01, hole = 0.001}
[[twin.alarms]]
name = "dry"
signal = "level"
below = %(dry)s
"""
USUAL = {
    "members": 50, "window": 10.0, "every": 60.0, "horizon": 600.0, "samples": 60, "dry": 0.2
}  # fmt: skip


def cores() -> list[int]:
    """The cores that this machine lets us have, whatever this process was held to before."""
    held = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    found = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, held)
    return found


def tank(name: str, **other: Any) -> dict[str, Any]:
    """The recipe of a tank with a hole: one sensor, one input, one unknown."""
    return {"kind": "written", "name": name, "text": TANK % (USUAL | other)}


def furnish(
    home: Path, recipes: Sequence[Mapping[str, Any]], *, source: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """A home with twins, perhaps a source, and a token of each scope."""
    from sqlalchemy import insert

    from songsinh.database import open_database, tables
    from songsinh.web.people import add_person, give_role
    from songsinh.web.security.tokens import make_token

    home.mkdir(parents=True, exist_ok=True)
    engine = open_database(f"sqlite:///{home}/centre.db")
    rows = [{"name": r["name"], "title": r["name"], "recipe": r, "made_us": 0} for r in recipes]
    with engine.begin() as connection:
        connection.execute(insert(tables.twins), rows)
        if source is not None:
            connection.execute(insert(tables.sources).values(**source, made_us=0))
        person = add_person(connection, ADDRESS, "Ada", by="benchmark")
        give_role(connection, person, "administrator", by="benchmark")
        scopes = ("read", "push")
        tokens = {one: make_token(connection, person, one, scope=one) for one in scopes}
    engine.dispose()
    return tokens


def start(*words: str, held: Sequence[int] | None = None, **more: Any) -> Any:
    """A process of the command line, on these cores (all where none are named)."""
    allowed = cores() if held is None else held
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SONGSINH_")}
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
        environment.pop(name, None)
    more = {"env": environment, "stdout": subprocess.DEVNULL, **more}
    process = subprocess.Popen([sys.executable, "-m", "songsinh.cli", *words], cwd=ROOT, **more)
    os.sched_setaffinity(process.pid, allowed)
    return process


def end(process: Any, patience: float = 40.0) -> None:
    """Ask a process to end, as Ctrl-C does; one that does not is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_ready(port: int, process: Any, patience: float = 120.0) -> float:
    """Wait until a centre says that it is ready; s that it took."""
    import httpx

    begun = time.monotonic()
    while time.monotonic() - begun < patience:
        if process.poll() is not None:
            raise RuntimeError(f"the centre ended with {process.returncode} before it was ready")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return time.monotonic() - begun
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the centre was not ready in {patience:g} s")


@contextmanager
def centre(home: Path, *words: str, held: Sequence[int] | None = None) -> Iterator[Any]:
    """A whole centre on a free port, ready: its process and port."""
    from tests.servers import free_port

    port = free_port()
    where = ("--home", str(home), "--port", str(port))
    process = start("start", "--no-examples", *where, *words, held=held)
    try:
        await_ready(port, process)
        yield process, port
    finally:
        end(process)


def bearer(token: str) -> dict[str, str]:
    """The header that a token goes in."""
    return {"Authorization": f"Bearer {token}"}


def memory(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def spent(pid: int) -> float:
    """CPU time of a process and all its threads so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lack(name: str, what: str, *, unit: str, bar: float) -> None:
    """Report that a row cannot be measured here, in a sentence."""
    common.report(
        name, float("inf"), None, bar, better="less", unit=unit,
        note=f"not measured: this machine has no {what}; install it, then run this row again",
    )  # fmt: skip
