"""Robertson and van der Pol (mu about 1,000), 1,000 members, against a SciPy Radau or BDF loop.

Every member is held against its own reference (LSODA at 1e-10, itself checked with Radau at
1e-10), so that a member that finishes with a wrong answer is found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import odeint, solve_ivp

from benchmarks import common

MEMBERS, RTOL, TIMED, CHECKED = 1000, 1e-6, 8, 20
WRONG = 1e-3  # relative; a thousand times the tolerance, far above what any of the peers shows


@dataclass(frozen=True)
class Problem:
    """One stiff set: the right-hand side for SciPy, start, times, tolerance, parameters."""

    name: str
    rate: Callable[..., tuple[float, ...]]
    start: tuple[float, ...]
    times: np.ndarray
    atol: float
    parameters: dict[str, np.ndarray]

    def args(self, member: int) -> tuple[float, ...]:
        """The parameters of a member, in order."""
        return tuple(float(values[member]) for values in self.parameters.values())


def robertson(t, y, k1, k2, k3):
    """Three species, rates nine powers of ten apart. Source: Robertson 1966."""
    first = k3 * y[1] * y[2] - k1 * y[0]
    third = k2 * y[1] * y[1]
    return first, -first - third, third


def van_der_pol(t, y, mu):
    """The relaxation oscillator. Source: Hairer & Wanner 1996, IV.1."""
    return y[1], mu * (1.0 - y[0] * y[0]) * y[1] - y[0]


def problems() -> tuple[Problem, Problem]:
    """Both sets; times of van der Pol keep clear of its jumps, which move with mu.

    The jumps are near 0.81 mu and 1.61 mu: at 726–888 s and 1452–1775 s for these members.
    """
    chance = np.random.default_rng(66)
    vary = lambda middle, by: middle * chance.uniform(1 - by, 1 + by, MEMBERS)  # noqa: E731
    rates = {"k1": vary(0.04, 0.5), "k2": vary(3e7, 0.5), "k3": vary(1e4, 0.5)}
    decades = np.array([0.0, 1.0, 1e2, 1e4, 1e5])
    between = np.array([0.0, 600.0, 1100.0, 1350.0, 2000.0])
    return (
        Problem("Robertson", robertson, (1.0, 0.0, 0.0), decades, 1e-12, rates),
        Problem("van der Pol", van_der_pol, (2.0, 0.0), between, 1e-9, {"mu": vary(1000, 0.1)}),
    )


def main() -> None:
    """Time both problems on both sides, hold every member against its reference, report."""
    mine = peers = 0.0
    notes, wrong, flagged, astray = [], 0, 0, 0.0
    for problem in problems():
        call = ours(problem)
        spent = common.cpu_median(call, repeats=3)
        loops = {method: timed(problem, method) for method in ("Radau", "BDF")}
        faster = min(loops, key=loops.__getitem__)
        run = call()
        truth = reference(problem)
        off = worst(run.states, truth)
        wrong += int(np.sum(~(off <= WRONG) & (run.codes == 0)))
        flagged += int(np.sum(run.codes != 0))
        if problem.name == "Robertson":
            astray = float(np.nanmax(np.abs(run.states.sum(axis=2) - 1.0)))
        mine, peers = mine + spent, peers + loops[faster]
        theirs = worst(loop(problem, faster, CHECKED), truth[:CHECKED])
        notes.append(
            f"{problem.name} {spent:.3g} s and {faster} {loops[faster]:.4g} s, largest relative "
            f"error {np.nanmax(off):.1e} and {theirs.max():.1e}, LSODA (no bar) "
            f"{lsoda_time(problem):.3g} s"
        )
    common.report(
        "Robertson and van der Pol, 1,000 members: SciPy Radau/BDF loop", mine, peers, 100,
        note=f"peer timed on {TIMED} members and scaled; " + "; ".join(notes),
        also={
            f"no member silently wrong by more than {WRONG:g} ({wrong} are)": wrong == 0,
            f"no member given up ({flagged} are)": flagged == 0,
            f"Robertson keeps its mass to 1e-6 ({astray:.0e})": astray <= 1e-6,
        },
    )  # fmt: skip


def ours(problem: Problem) -> Callable[[], Any]:
    """A call that solves all members."""
    from songsinh.models import Equations, Stiff, simulate
    from songsinh.signals import parameter, state

    def robertson_law(t, s, u, p):
        first = p.k3 * s.b * s.c - p.k1 * s.a
        third = p.k2 * s.b * s.b
        return first, -first - third, third

    def van_der_pol_law(t, s, u, p):
        return s.x, p.mu * (1.0 - s.a * s.a) * s.x - s.a

    three = len(problem.start) == 3
    names = ("a", "b", "c") if three else ("a", "x")
    signals = [state(name, start=x) for name, x in zip(names, problem.start, strict=True)]
    signals += [parameter(name, start=float(v[0])) for name, v in problem.parameters.items()]
    law = robertson_law if three else van_der_pol_law
    solver = Stiff(rtol=RTOL, atol=problem.atol)
    model = Equations(problem.name, tuple(signals), rate=law, solver=solver)
    return lambda: simulate(model, problem.times, parameters=problem.parameters)


def timed(problem: Problem, method: str) -> float:
    """CPU s of a SciPy loop over all members, from a part of them."""
    part = common.cpu_median(lambda: loop(problem, method, TIMED), repeats=3, warmup=0)
    return part * MEMBERS / TIMED


def loop(problem: Problem, method: str, count: int, rtol: float = RTOL, atol: float = 0.0):
    """SciPy's answer for the first members: [members, times, states]."""
    times = problem.times
    tolerance = {"rtol": rtol, "atol": atol or problem.atol}
    return np.array([
        solve_ivp(
            problem.rate, (times[0], times[-1]), problem.start, method, times,
            args=problem.args(member), **tolerance,
        ).y.T
        for member in range(count)
    ])  # fmt: skip


def lsoda(problem: Problem, count: int, rtol: float, atol: float) -> np.ndarray:
    """The same by LSODA, a compiled solver with a Python right-hand side."""
    return np.array([
        odeint(
            problem.rate, problem.start, problem.times, args=problem.args(member), tfirst=True,
            rtol=rtol, atol=atol, mxstep=1_000_000,
        )
        for member in range(count)
    ])  # fmt: skip


def lsoda_time(problem: Problem) -> float:
    """CPU s of the LSODA loop at the tolerance of the row, over all members."""
    call = lambda: lsoda(problem, 40, RTOL, problem.atol)  # noqa: E731
    return common.cpu_median(call, repeats=3) * MEMBERS / 40


def reference(problem: Problem) -> np.ndarray:
    """The truth for every member; RuntimeError when Radau at 1e-10 disagrees with it."""
    truth = lsoda(problem, MEMBERS, 1e-10, 1e-16)
    apart = worst(loop(problem, "Radau", CHECKED, 1e-10, 1e-15), truth[:CHECKED])
    if not apart.max() < WRONG / 100:
        raise RuntimeError(f"the two references of {problem.name} differ by {apart.max():.1e}")
    return truth


def worst(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The largest relative error of each member over times and states."""
    return np.abs(found[:, 1:] / truth[:, 1:] - 1.0).max(axis=(1, 2))


if __name__ == "__main__":
    main()
