"""Searches: from where a fit starts, how it goes downhill, and where it comes to rest."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import CalibrationError
from songsinh.models import Array
from songsinh.twin.problems import FAR, Problem

__all__ = ["COARSE_END", "End", "starting_places", "search", "settled", "slopes_at"]

CANDIDATES: Final = 64  # places tried in one run before any is followed
MOVED: Final = 0.3  # noise sds by which a step of the slopes moves all readings together
STEPS: Final = (1e-7, 0.05)  # ranges: smallest and largest step
FINE: Final = 1e-6  # spreads of a signal: less noise than this is the solver's own
COARSE_END, FINE_END = 1e-4, 1e-8  # share of the cost that a last step may still win
ROUNDS: Final = 12


class End(NamedTuple):
    """Where a search came to: the place, half the sum of squares there, and if it converged."""

    place: Array
    cost: float
    converged: bool


def starting_places(
    problem: Problem, noise: Array, starts: int, generator: np.random.Generator
) -> list[Array]:
    """Places to start from: the signals' start values, then the best of a Latin hypercube.

    One start is the start values, unless the model fails there.
    """
    k = len(problem.ranges.names)
    signals = problem.model.signals
    own = [signals[name.partition("[")[0]].start for name in problem.ranges.names]
    given = problem.ranges.laid(np.array(own))
    if starts == 1 and np.isfinite(problem.predicted(given[None])).any():
        return [given]
    count = max(CANDIDATES, 8 * starts)
    cells = generator.permuted(np.tile(np.arange(count), (k, 1)), axis=1).T
    spread = (cells + generator.random((count, k))) / count
    places = np.concatenate([given[None], spread])
    # what a member shows at its very start says nothing: it was put there
    later = np.concatenate([one.times[one.rows] > one.times[0] for one in problem.recordings])
    alive = np.asarray(np.isfinite(problem.predicted(places)[:, later]).any(axis=1) | ~later.any())
    if not alive.any():
        raise CalibrationError(
            f"the model failed at all {len(places)} places tried between the bounds, so there is "
            "nowhere to start; narrow the bounds, or see why with simulate() from the start values"
        )
    cost = (problem.residuals(places, noise) ** 2).sum(axis=1)
    order = [i for i in np.argsort(cost, kind="stable") if alive[i] and i > 0]
    chosen = [0] * bool(alive[0]) + order
    return [places[i] for i in chosen[:starts]]


def search(problem: Problem, place: Array, noise: Array, end: float) -> End:
    """The nearest minimum of the squared residuals over noise."""
    from scipy.optimize import least_squares

    steps = np.full(len(place), 1e-3)

    def slopes(x: Array) -> Array:
        nonlocal steps
        jacobian, steps = slopes_at(problem, x, noise, steps)
        return jacobian

    inside = np.clip(place, 1e-6, 1 - 1e-6)
    for _ in range(3):  # until the steps suit the place
        before = steps
        slopes(inside)
        if (np.abs(np.log(steps / before)) < 1).all():
            break
    ends = {"ftol": end, "xtol": min(end, 1e-6), "gtol": 1e-10, "max_nfev": 60}
    found = least_squares(
        *(lambda x: problem.residuals(x[None], noise)[0], inside, slopes, (0.0, 1.0)),
        x_scale="jac",
        **ends,
    )
    return End(found.x, float(found.cost), found.status > 0)


def slopes_at(problem: Problem, place: Array, noise: Array, steps: Array) -> tuple[Array, Array]:
    """Slopes [readings and priors, unknowns] by central differences in one run, and better steps.

    Each member of a run takes solver steps of its own, so close runs differ by up to rtol for
    no good reason. A step therefore moves the readings by the cube root of rtol of their
    spread, the optimum for central differences (Press et al., Numerical Recipes, 5.7), or by a
    third of what their noise can tell apart, whichever is more.
    """
    k = len(place)
    ends = np.concatenate([np.tile(place, (k, 1)) + np.diag(steps) * side for side in (1, -1)])
    ends = np.clip(ends, 0.0, 1.0)
    away = problem.residuals(ends, noise)
    lost = (np.abs(away) >= _lost(problem, noise)).any(axis=1)
    if lost.any():  # a side that failed says nothing about slopes
        ends[lost], away[lost] = place, problem.residuals(place[None], noise)[0]
    width = np.diagonal(ends[:k] - ends[k:])
    jacobian = (away[:k] - away[k:]).T / np.where(width > 0, width, 1.0)
    rtol = float(getattr(getattr(problem.model, "solver", None), "rtol", 1e-6))
    shape = np.linalg.norm((problem.spread / noise)[problem.groups])
    wanted = max(MOVED, np.cbrt(rtol) * shape)
    with np.errstate(divide="ignore"):
        better = np.clip(wanted / np.linalg.norm(jacobian, axis=0), *STEPS)
    return jacobian, better


def _lost(problem: Problem, noise: Array) -> Array:
    """The residuals over noise that only failed members have; no prior is ever lost."""
    far = FAR * (problem.spread / noise)[problem.groups]
    return np.concatenate([far * (1 - 1e-12), np.full(len(problem.priors[0]), np.inf)])


def settled(
    problem: Problem, best: End, noise: Array, learned: NDArray[np.bool_]
) -> tuple[End, Array]:
    """The best place with the noise that the residuals there show, found by turns."""
    best = search(problem, best.place, noise, FINE_END)
    # with one signal and no prior the noise does not move the best place
    alone = len(noise) == 1 and not len(problem.priors[0])
    for _ in range(ROUNDS if learned.any() else 0):
        before, noise = noise, np.where(learned, _spreads(problem, best.place), noise)
        if alone:
            return best._replace(cost=best.cost * float(before[0] / noise[0]) ** 2), noise
        best = search(problem, best.place, noise, FINE_END)
        if (np.abs(np.log(noise / before)) < 1e-3).all():
            break
    return best, noise


def _spreads(problem: Problem, place: Array) -> Array:
    """The sd of each signal's residuals, the unknowns counted off in proportion."""
    away = problem.residuals(place[None], np.ones(len(problem.spread)))[0]
    squares = np.bincount(problem.groups, away[: len(problem.groups)] ** 2)
    share = 1 - len(place) / (len(problem.groups) + len(problem.priors[0]))
    sd = np.sqrt(squares / np.bincount(problem.groups) / share)
    return np.asarray(np.maximum(sd, FINE * problem.spread))
