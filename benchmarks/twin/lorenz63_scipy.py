"""1,000 Lorenz-63 members against a loop of SciPy's solve_ivp RK45."""

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks import common
from benchmarks.twin import _lorenz63 as lorenz

TIMED = 40  # members the peer is timed on; its loop scales with their number


def main() -> None:
    """Time both, compare both with the reference, report."""
    states = lorenz.starts()
    ours = lorenz.ours(states)
    mine = common.cpu_median(ours, repeats=9, warmup=2)
    part = common.cpu_median(lambda: loop(states[:TIMED]), repeats=3)
    peer = part * lorenz.MEMBERS / TIMED
    truth = lorenz.reference(states[: lorenz.SAMPLE])
    same, note = lorenz.same_accuracy(
        lorenz.errors(ours(), truth), lorenz.errors(loop(states[: lorenz.SAMPLE]), truth)
    )
    common.report(
        "Lorenz-63, 1,000 members, t 0–20: SciPy RK45 loop", mine, peer, 300,
        note=f"peer timed on {TIMED} members and scaled; {note}", also={"same accuracy": same},
    )  # fmt: skip


def loop(states: lorenz.Array) -> lorenz.Array:
    """SciPy's answer, one member after another: [members, times, 3]."""
    span = (lorenz.TIMES[0], lorenz.TIMES[-1])
    tolerance = {"rtol": lorenz.RTOL, "atol": lorenz.ATOL}
    return np.array([
        solve_ivp(lorenz.rate, span, x, "RK45", lorenz.TIMES, **tolerance).y.T for x in states
    ])  # fmt: skip


if __name__ == "__main__":
    main()
