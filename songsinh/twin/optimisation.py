"""Optimisation: the plan of least risk that keeps the limits, searched on what is believed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike

from songsinh.errors import DataError, FilterError
from songsinh.models import Array, Model
from songsinh.series import Series
from songsinh.twin.belief import Belief, Noise
from songsinh.twin.decisions import ROUNDING, Cost, Outcome, breach, judged, member_costs, objection
from songsinh.twin.forecasts import forecast
from songsinh.twin.risks import Limit, Mean, Risk

__all__ = ["Optimum", "optimise"]

Trial = tuple[Array, Outcome | None]
INFEASIBLE: Final = 1e100  # what breaks a limit ranks behind all that does not
FAILED: Final = 1e110  # and behind that, where most members failed
LOCAL: Final = 1 / 3  # of the evaluations go to the search around the best point


@final
@dataclass(frozen=True, eq=False)
class Optimum:
    """The best plan found, and all that were tried.

    `fresh` is its outcome under other random numbers; it is `confirmed` when the limits hold
    there too. `points` [evaluations, unknowns], their `risks` (NaN where no forecast was
    possible) and by how much they break limits (`excess`, infinite there) are in order of trial.
    """

    point: Mapping[str, float]
    plan: Series
    outcome: Outcome
    fresh: Outcome
    feasible: bool
    confirmed: bool
    points: Array
    risks: Array
    excess: Array
    sentence: str


def optimise(
    model: Model,
    belief: Belief,
    plan: Callable[[Array], Series],
    box: Mapping[str, tuple[float, float]],
    times: ArrayLike,
    *,
    cost: Cost,
    generator: np.random.Generator,
    risk: Risk = Mean(),  # noqa: B008  frozen
    limits: Sequence[Limit] = (),
    evaluations: int = 200,
    noise: Noise | None = None,
) -> Optimum:
    """The plan of least risk that keeps the limits, over the unknowns' box {name: (lower, upper)}.

    `plan` turns unknowns, in the order of the box, into inputs. All plans meet the same random
    numbers; at the end the best are tried on others, and the first that keeps the limits there
    is taken. A plan that loses members counts as breaking a limit. Equal generators give
    equal answers. Source: Storn and Price (1997), then Nelder and Mead (1965); of two plans that
    break limits the lesser breach is better, Deb (2000).
    """
    lower, upper = _box(box, evaluations)

    def tried(place: Array, start: Belief = belief) -> Outcome:
        # this form meets both ends exactly, which may be bounds of the inputs
        inputs = plan((1 - place) * lower + place * upper)
        found = forecast(model, start, times, inputs=inputs, noise=noise)
        costs = member_costs("tried", found, cost)
        return judged("tried", found, costs, ~np.isnan(costs), risk, limits)

    log = _search(tried, limits, len(box), evaluations, generator)
    ranked = sorted(log, key=lambda trial: _score(trial[1], limits))
    if ranked[0][1] is None:
        tried(log[0][0])  # raises, and says why
    kept = sum(_score(outcome, limits) < INFEASIBLE for _, outcome in log)
    # ever further down the list, since neighbours of the best fail together
    steps = [0, *(2**k for k in range(12) if 2**k < kept)]
    other = belief.branch(int(generator.integers(2**63)))
    place, outcome, fresh = _confirmed(tried, [ranked[s] for s in steps], other, limits)
    feasible = kept > 0
    confirmed = feasible and _score(fresh, limits) < INFEASIBLE
    best = (1 - place) * lower + place * upper
    places = np.array([tried_at for tried_at, _ in log])
    point = {name: float(value) for name, value in zip(box, best, strict=True)}
    return Optimum(
        *(point, plan(best), outcome, fresh, feasible, confirmed),
        points=(1 - places) * lower + places * upper,
        risks=np.array([o.risk if o else np.nan for _, o in log]),
        excess=np.array([_excess(o, limits) if o else np.inf for _, o in log]),
        sentence=_optimum_sentence(point, outcome, fresh, feasible, confirmed, risk, limits),
    )


def _box(box: Mapping[str, tuple[float, float]], evaluations: int) -> tuple[Array, Array]:
    if not box:
        raise DataError("the box names no unknown; give {name: (lower, upper)}")
    for name, (low, high) in box.items():
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise DataError(
                f"the box of {name!r} goes from {low} to {high}; give two numbers, the lower first"
            )
    least = 20 * len(box)
    if evaluations < least:
        raise DataError(f"{evaluations} evaluations are too few; give {least} or more")
    ends = np.array(list(box.values()), dtype=np.float64)
    return ends[:, 0], ends[:, 1]


def _excess(outcome: Outcome, limits: Sequence[Limit]) -> float:
    """The breach of a plan in a search, which must not win by losing costly members."""
    return breach(outcome, limits) + outcome.lost


def _score(outcome: Outcome | None, limits: Sequence[Limit]) -> float:
    """The risk of a plan; any that breaks limits scores worse, and more so the more it does."""
    if outcome is None:
        return FAILED
    excess = _excess(outcome, limits)
    return outcome.risk if excess <= ROUNDING else INFEASIBLE * (1 + excess)


def _search(
    tried: Callable[[Array], Outcome],
    limits: Sequence[Limit],
    unknowns: int,
    evaluations: int,
    generator: np.random.Generator,
) -> list[Trial]:
    """The places tried in the unit box and what came of them, None if most members failed."""
    from scipy.optimize import differential_evolution, minimize

    log: list[Trial] = []

    def score(wanted: Array) -> float:
        place = np.clip(wanted, 0.0, 1.0)
        try:
            log.append((place, tried(place)))
        except FilterError:
            log.append((place, None))
        return _score(log[-1][1], limits)

    population = max(5, min(6 * unknowns + 4, evaluations // 8))
    rows = np.tile(np.arange(population)[:, None], (1, unknowns))
    spread = (generator.permuted(rows, axis=0) + generator.random(rows.shape)) / population
    generations = max(int(evaluations * (1 - LOCAL)) // population - 1, 1)
    bounds = [(0.0, 1.0)] * unknowns
    best = differential_evolution(
        score, bounds, init=spread, maxiter=generations, tol=0, polish=False, seed=generator
    ).x
    simplex = np.vstack([best, best + np.where(best < 0.5, 0.05, -0.05) * np.eye(unknowns)])
    rest = evaluations - len(log)
    options = {"initial_simplex": simplex, "maxfev": rest, "fatol": 0.0, "xatol": 1e-9}
    minimize(score, best, method="Nelder-Mead", bounds=bounds, options=options)
    return log


def _confirmed(
    tried: Callable[[Array, Belief], Outcome],
    ranked: Sequence[Trial],
    other: Belief,
    limits: Sequence[Limit],
) -> tuple[Array, Outcome, Outcome]:
    """The first place that keeps the limits on other random numbers too, or else the first."""
    told = []
    for place, outcome in ranked:
        if outcome is not None:
            told.append((place, outcome, tried(place, other)))
            if _score(told[-1][2], limits) < INFEASIBLE:
                return told[-1]
    return told[0]


def _optimum_sentence(
    point: Mapping[str, float],
    outcome: Outcome,
    fresh: Outcome,
    feasible: bool,
    confirmed: bool,
    risk: Risk,
    limits: Sequence[Limit],
) -> str:
    where = ", ".join(f"{name} = {value:.6g}" for name, value in point.items())
    if not feasible:
        return (
            f"no plan tried keeps the limits; {where} is nearest, but {objection(outcome, limits)}"
        )
    sentence = f"{where} gives the least {risk}, {outcome.risk:.6g}"
    if confirmed:
        return sentence + f", and {fresh.risk:.6g} on other random numbers"
    return sentence + f", but on other random numbers {objection(fresh, limits)}"
