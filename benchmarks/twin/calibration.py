"""200 seeded fits to noisy readings: how often the true parameters lie inside the 90 % bands.

And a pair that no reading can tell apart (a rate a·b·x) must be named as such. The peer, SciPy's
curve_fit around solve_ivp with its normal bands, is run on the first trials for its CPU time.
"""

import time
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import curve_fit

from benchmarks import common

TRIALS, PEER_TRIALS, LEVEL = 200, 10, 0.9
BAND = (0.85, 0.95)
TRUE = {"stiffness": 4.0, "damping": 0.35}
BOUNDS = {"stiffness": (0.5, 20.0), "damping": (0.01, 3.0)}
TIMES = np.linspace(0.0, 8.0, 41)
SD = 0.05
START = (1.0, 0.0)


def main() -> None:
    """Fit every trial, count, look at the pair, time the peer, report."""
    logs = [clean() + SD * np.random.default_rng((90, k)).normal(size=41) for k in range(TRIALS)]
    inside, spent = ours(logs)
    theirs, peer = curve_fits(logs[:PEER_TRIALS])
    shares = dict(zip(TRUE, inside.mean(axis=0).tolist(), strict=True))
    verdicts, named = pair()
    seen = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    low, high = BAND
    common.report(
        f"calibration, {TRIALS} trials: share of true values inside 90 % bands",
        float(inside.mean()), None, BAND, better="within", unit="",
        note=f"{seen}; CPU per fit {spent:.4f} s, SciPy curve_fit on solve_ivp {peer:.3f} s "
        f"({peer / spent:.0f}x, {theirs:.0%} inside in {PEER_TRIALS} trials); pair: {verdicts}",
        also={
            **{f"{k} inside in 85–95 %": low <= share <= high for k, share in shares.items()},
            "the pair is named unidentifiable, its neighbour is not": named,
        },
    )  # fmt: skip


def motion(times: np.ndarray, stiffness: float, damping: float) -> np.ndarray:
    """Where the oscillator is, by SciPy, in m."""

    def rate(t, x):
        return x[1], -stiffness * x[0] - damping * x[1]

    return solve_ivp(rate, (0.0, times[-1]), START, "RK45", times, rtol=1e-8, atol=1e-10).y[0]


def clean() -> np.ndarray:
    """The readings without noise, in m."""
    return motion(TIMES, **TRUE)


def spring() -> Any:
    """The oscillator as our model."""
    from songsinh.models import Equations
    from songsinh.signals import output, parameter, state

    def rate(t, s, u, p):
        return s.speed, -p.stiffness * s.place - p.damping * s.speed

    signals = [state("place", "m", START[0]), state("speed", "m/s", START[1])]
    signals += [parameter(name, "1", 1.0, lower=0.0) for name in TRUE]
    signals += [output("seen", "m")]
    return Equations("spring", tuple(signals), rate=rate, output=lambda t, s, u, p: (s.place,))


def ours(logs: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Whether each true value lies inside its band, [trials, parameters], and CPU s per fit."""
    from songsinh.series import Series
    from songsinh.twin import Experiment, calibrate

    model = spring()

    def fit(k: int, log: np.ndarray) -> list[bool]:
        experiment = Experiment(Series(TIMES, log[:, None], ("seen",)))
        found = calibrate(model, [experiment], unknown=BOUNDS, noise={"seen": SD}, generator=k)
        bands = found.band(LEVEL)
        return [bands[name][0] <= value <= bands[name][1] for name, value in TRUE.items()]

    fit(0, logs[0])
    before = time.process_time()
    inside = np.array([fit(k, log) for k, log in enumerate(logs)])
    return inside, (time.process_time() - before) / len(logs)


def pair() -> tuple[str, bool]:
    """What is said of dx/dt = -a·b·x + c with a, b and c unknown; whether it is the right thing."""
    from songsinh.models import Equations, simulate
    from songsinh.series import Series
    from songsinh.signals import output, parameter, state
    from songsinh.twin import Experiment, calibrate

    def rate(t, s, u, p):
        return (p.c - p.a * p.b * s.x,)

    names = {"a": 0.5, "b": 2.0, "c": 0.4}
    signals = [state("x", "1", 3.0), output("seen", "1")]
    signals += [parameter(name, "1", value, lower=0.0) for name, value in names.items()]
    model = Equations("pair", tuple(signals), rate=rate, output=lambda t, s, u, p: (s.x,))
    exact = simulate(model, TIMES)["seen"][0]
    log = exact + 0.02 * np.random.default_rng(90).normal(size=len(TIMES))
    found = calibrate(
        model, [Experiment(Series(TIMES, log[:, None], ("seen",)))],
        unknown=dict.fromkeys(names, (0.05, 10.0)), noise={"seen": 0.02}, generator=90,
    )  # fmt: skip
    blamed = {row.name: set(row.partners) for row in found.verdicts if not row.identified}
    text = " ".join(row.sentence for row in found.verdicts)
    return text, blamed == {"a": {"b"}, "b": {"a"}}


def curve_fits(logs: list[np.ndarray]) -> tuple[float, float]:
    """The share of true values inside curve_fit's 90 % bands, and its CPU s per fit."""
    low, high = zip(*BOUNDS.values(), strict=True)
    inside, before = [], time.process_time()
    for log in logs:
        found, spread = curve_fit(
            motion, TIMES, log, p0=(2.0, 1.0), sigma=np.full(len(log), SD), absolute_sigma=True,
            bounds=(low, high),
        )  # fmt: skip
        reach = 1.6449 * np.sqrt(np.diag(spread))
        inside.append(np.abs(found - list(TRUE.values())) <= reach)
    return float(np.mean(inside)), (time.process_time() - before) / len(logs)


if __name__ == "__main__":
    main()
