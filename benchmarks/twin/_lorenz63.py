"""Lorenz-63 for both of its rows: the problem, our solver, the reference and its errors."""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

MEMBERS, RTOL, ATOL = 1000, 1e-6, 1e-9
TIMES = np.array([0.0, 2.0, 5.0, 10.0, 20.0])
JUDGED = slice(1, 4)  # errors are compared at 2, 5 and 10; by 20 chaos has taken them all
SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0
SAMPLE = 100  # members with a reference

Array = NDArray[np.float64]


def starts() -> Array:
    """Where the members begin: [members, 3], on and about the attractor."""
    return np.array([1.0, 1.0, 25.0]) + np.random.default_rng(63).normal(size=(MEMBERS, 3))


def rate(t: float, x: Array) -> tuple[float, float, float]:
    """The right-hand side as SciPy takes it, in plain floats: its quickest form."""
    a, b, c = x.tolist()
    return SIGMA * (b - a), a * (RHO - c) - b, a * b - BETA * c


def ours(states: Array, looser: float = 1.0):
    """A call that carries all members to every time, and gives [members, times, 3].

    Tolerances are those of the peer, times `looser`.
    """
    from songsinh.models import Equations, Explicit, simulate
    from songsinh.signals import state

    def law(t, s, u, p):
        return SIGMA * (s.y - s.x), s.x * (RHO - s.z) - s.y, s.x * s.y - BETA * s.z

    lorenz = Equations(
        "lorenz63",
        (state("x", start=1.0), state("y", start=1.0), state("z", start=25.0)),
        rate=law,
        solver=Explicit(rtol=looser * RTOL, atol=looser * ATOL),
    )
    return lambda: simulate(lorenz, TIMES, states=states).check().states


def reference(states: Array) -> Array:
    """The truth to 1e-12 by DOP853 up to t = 10: [members, times judged, 3]."""
    times = TIMES[JUDGED]
    return np.array([
        solve_ivp(rate, (0, times[-1]), x, "DOP853", times, rtol=1e-12, atol=1e-12).y.T
        for x in states
    ])  # fmt: skip


def errors(states: Array, truth: Array) -> Array:
    """The median distance from the truth over members, at each time judged."""
    found = states[: len(truth), JUDGED]
    return np.median(np.linalg.norm(found - truth[: len(found)], axis=2), axis=0)


def same_accuracy(mine: Array, peers: Array) -> tuple[bool, str]:
    """Whether our errors are at most 1.1 times the peer's, over the times together."""
    factor = float(np.exp(np.mean(np.log(mine / peers))))
    rows = ", ".join(
        f"t={t:g}: {a:.2e} and {b:.2e}" for t, a, b in zip(TIMES[JUDGED], mine, peers, strict=True)
    )
    return factor <= 1.1, f"median error against 1e-12, ours and peer, {rows}; {factor:.2f}x"
