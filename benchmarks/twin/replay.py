"""Save, kill, restore, continue: the belief ends as the very bytes of an undisturbed run.

A child process follows a log of 200 readings and is killed (SIGKILL) at a random moment, several
times over; each next child goes on from the last belief saved. There is no peer for this row.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import common
from benchmarks.twin import _following as following

KILLS, PATIENCE = 4, 120.0


def main() -> None:
    """One undisturbed run here, one run killed again and again, compare, report."""
    from songsinh.twin import Belief

    model = following.twin()
    wanted = following.follow(model, following.first(model), following.CYCLES).to_bytes()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "belief")
        killed = disturbed(file)
        found = file.read_bytes()
    again = Belief.from_bytes(found).to_bytes()
    different = sum(a != b for a, b in zip(wanted, found, strict=False)) + abs(
        len(wanted) - len(found)
    )
    common.report(
        "replay: bytes that differ after kill, restore, continue", float(different), None, 0.0,
        better="less", unit="bytes",
        note=f"{len(wanted)} bytes of belief, killed at {', '.join(f'{at:.1f}' for at in killed)} "
        f"of {following.TIMES[-1]:.1f} s",
        also={
            "identical to an undisturbed run": found == wanted,
            "saved equals loaded": again == found,
            f"killed {KILLS} times in mid-run": len(killed) == KILLS,
        },
    )  # fmt: skip


def disturbed(file: Path) -> list[float]:
    """Let children follow the log, kill each at a random reading; where they were, in s."""
    chance = np.random.default_rng(5)
    goals = np.sort(chance.choice(np.arange(10, following.CYCLES - 20), KILLS, replace=False))
    places = []
    for goal in goals:
        child = start(file)
        wait(child, file, following.TIMES[goal])
        time.sleep(chance.uniform(0.0, 2 * following.PAUSE))
        child.kill()
        child.wait()
        places.append(reached(file))
    last = start(file)
    if last.wait(PATIENCE):
        raise RuntimeError(f"the last child ended with {last.returncode}")
    return [place for place in places if 0 < place < following.TIMES[-1]]


def start(file: Path) -> subprocess.Popen[bytes]:
    """A child that goes on from the file."""
    command = [sys.executable, "-m", "benchmarks.twin._following", str(file)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2])


def wait(child: subprocess.Popen[bytes], file: Path, until: float) -> None:
    """Until the saved belief has come to a time in s; RuntimeError when the child ends first."""
    end = time.monotonic() + PATIENCE
    while reached(file) < until:
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the child ended or stood still at {reached(file):.1f} s")
        time.sleep(0.001)


def reached(file: Path) -> float:
    """The time of the belief in the file, in s; 0 before there is one."""
    from songsinh.twin import Belief

    return float(Belief.from_bytes(file.read_bytes()).time) if file.exists() else 0.0


if __name__ == "__main__":
    main()
