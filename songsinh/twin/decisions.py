"""Decisions: which plan is best on what is believed, by what measure of risk, within limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import DataError, FilterError
from songsinh.models import Array, Forcing, Model
from songsinh.series import Series
from songsinh.twin.belief import Belief, Noise
from songsinh.twin.crossings import crossing_times
from songsinh.twin.forecasts import Forecast, forecast
from songsinh.twin.risks import CVaR, Limit, Mean, Quantile, Risk
from songsinh.twin.shares import percent

__all__ = ["Cost", "Decision", "Outcome", "breach", "decide", "judged", "member_costs", "objection"]

Cost = Callable[[Forecast], ArrayLike]
Members = NDArray[np.bool_]
TAIL: Final = 0.9  # the level at which every outcome shows its quantile and CVaR
ROUNDING: Final = 1e-9  # of a sum of weights


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What a plan costs: in the cost's unit, `quantile` and `cvar` at 90 %.

    `costs` is [members], NaN where a member was lost, and `lost` their share. `broken` is the
    probability of each limit being broken, lost members included.
    """

    plan: str
    risk: float
    mean: float
    sd: float
    quantile: float
    cvar: float
    broken: tuple[float, ...]
    lost: float
    feasible: bool
    costs: Array


@final
@dataclass(frozen=True, eq=False)
class Decision:
    """Plans compared member by member, in the order given.

    `best` keeps all limits at the least risk; it is None if no plan keeps them. `wins` [plans]
    is the probability that a plan truly costs least among those that keep the limits, and
    `sure` that of the best. `beats` [plans, plans] is the probability that the row's plan costs
    less than the column's, ties halved; `regret` what choosing the row's instead of the
    column's costs too much on average.
    """

    outcomes: tuple[Outcome, ...]
    best: str | None
    sure: float
    wins: Array
    beats: Array
    regret: Array
    forecasts: Mapping[str, Forecast]
    sentence: str

    def __getitem__(self, plan: str) -> Outcome:
        """The outcome of one plan."""
        return next(outcome for outcome in self.outcomes if outcome.plan == plan)


def decide(
    model: Model,
    belief: Belief,
    plans: Mapping[str, Series | Forcing],
    times: ArrayLike,
    *,
    cost: Cost,
    risk: Risk = Mean(),  # noqa: B008  frozen
    limits: Sequence[Limit] = (),
    noise: Noise | None = None,
) -> Decision:
    """Which of the named plans (series of inputs) is best over the times (s), and how surely.

    All plans meet the same members and the same random numbers, so that what differs is the
    plan. `cost` gives one number for each member; what a plan itself spends must be shown by an
    output of the model. A member lost under one plan is left out of the costs of all.
    """
    if not plans:
        raise DataError("there is no plan to decide on; give at least one")
    seen = {}
    for name, plan in plans.items():
        try:
            seen[name] = forecast(model, belief, times, inputs=plan, noise=noise)
        except FilterError as error:
            raise FilterError(f"plan {name!r}: {error}") from error
    costs = np.stack([member_costs(name, found, cost) for name, found in seen.items()])
    known = np.asarray(np.isfinite(costs).all(axis=0))
    outcomes = tuple(
        judged(name, found, own, known, risk, limits)
        for (name, found), own in zip(seen.items(), costs, strict=True)
    )
    weights = _shared(belief.weights, known)
    fit = np.array([outcome.feasible for outcome in outcomes])
    wins = np.where(fit, _wins(costs[:, known], weights, fit), 0.0)
    gap = costs[:, None, known] - costs[None, :, known]
    beats = _chance((gap < 0) + 0.5 * (gap == 0), weights)
    # two plans alike are told apart by name, not by their order
    ranked = sorted((o for o in outcomes if o.feasible), key=lambda o: (o.risk, o.plan))
    best = ranked[0].plan if ranked else None
    sure = float(wins[list(seen).index(best)]) if best is not None else np.nan
    sentence = _decision_sentence(outcomes, ranked, sure, risk, limits)
    regret = np.maximum(gap, 0.0) @ weights
    return Decision(outcomes, best, sure, wins, beats, regret, seen, sentence)


def member_costs(name: str, found: Forecast, cost: Cost) -> Array:
    """The cost of each member, NaN where it is unknown or the member did not reach the end."""
    costs = np.array(cost(found), dtype=np.float64)
    if costs.shape != found.weights.shape:
        raise DataError(
            f"the cost of plan {name!r} has the shape {costs.shape}; "
            f"return one number for each of the {len(found.weights)} members"
        )
    if np.isinf(costs).any():
        raise DataError(f"the cost of plan {name!r} is infinite for a member; use a large number")
    # the forecast gives a member that failed the place of another
    costs[found.run.reached < found.times[-1]] = np.nan
    return costs


def judged(
    name: str, found: Forecast, costs: Array, known: Members, risk: Risk, limits: Sequence[Limit]
) -> Outcome:
    """What a plan costs the members that are `known`, and which limits it breaks."""
    weights, own = _shared(found.weights, known), costs[known]
    mean = float(weights @ own)
    missing = np.isnan(costs)
    over = (_beyond(found, limit) | missing for limit in limits)
    broken = tuple(float(_chance(members, found.weights)) for members in over)
    outcome = Outcome(
        *(name, risk.of(own, weights), mean, float(np.sqrt(weights @ (own - mean) ** 2))),
        *(Quantile(TAIL).of(own, weights), CVaR(TAIL).of(own, weights), broken),
        *(float(_chance(missing, found.weights)), True, costs),
    )
    return replace(outcome, feasible=breach(outcome, limits) <= ROUNDING)


def _shared(weights: Array, known: Members) -> Array:
    total = weights[known].sum()
    if not total > 0:
        raise DataError("the cost is NaN for every member under some plan; mend the cost function")
    return np.asarray(weights[known] / total)


def _beyond(found: Forecast, limit: Limit) -> Members:
    """Which members go beyond a limit, or fall silent before it is known that they do not."""
    values = found[limit.name]
    if values.ndim != 2:
        raise DataError(f"the limit on {limit.name!r} is on a vector; name one part of it")
    when = crossing_times(found.times, values, below=limit.below, above=limit.above)
    return ~np.isposinf(when)


def breach(outcome: Outcome, limits: Sequence[Limit]) -> float:
    """By how much the chances of all limits together are overdrawn."""
    pairs = zip(outcome.broken, limits, strict=True)
    return sum(max(chance - limit.chance, 0.0) for chance, limit in pairs)


def _chance(cases: Array | Members, weights: Array) -> Array:
    """The weight of [..., members] in which a case holds; exactly 1 if it holds in all."""
    # contiguous, so that all sums round alike
    return np.asarray(np.ascontiguousarray(cases * weights).sum(axis=-1) / weights.sum())


def _wins(costs: Array, weights: Array, fit: Members) -> Array:
    """The weight of members for which each plan that fits costs least; ties are shared."""
    if not fit.any():
        return np.zeros(len(costs))
    least = (costs == costs[fit].min(axis=0)) & fit[:, None]
    return _chance(least / least.sum(axis=0), weights)


def objection(outcome: Outcome, limits: Sequence[Limit]) -> str:
    """What speaks against a plan that keeps not all limits."""
    told = [
        f"{limit} has a chance of {percent(chance)}, more than {percent(limit.chance)}"
        for chance, limit in zip(outcome.broken, limits, strict=True)
        if chance > limit.chance + ROUNDING
    ]
    return " and ".join(told) or f"{percent(outcome.lost)} of the members are lost"


def _decision_sentence(
    outcomes: Sequence[Outcome],
    ranked: Sequence[Outcome],
    sure: float,
    risk: Risk,
    limits: Sequence[Limit],
) -> str:
    if not ranked:
        near = min(outcomes, key=lambda o: (breach(o, limits), o.plan))
        return (
            f"no plan keeps the limits; {near.plan!r} comes nearest, but {objection(near, limits)}"
        )
    best = ranked[0]
    sentence = f"{best.plan!r} is best with a {risk} of {best.risk:.6g}"
    if len(ranked) > 1:
        sentence += f" ({ranked[1].plan!r} follows with {ranked[1].risk:.6g}) and truly costs "
        sentence += f"least with a chance of {percent(sure)}"
    for outcome in outcomes:
        if not outcome.feasible:
            sentence += f"; {outcome.plan!r} is out: {objection(outcome, limits)}"
        elif outcome.lost > 0:
            sentence += f"; {outcome.plan!r} loses {percent(outcome.lost)} of the members"
    return sentence
