"""Cuts: from which probability on an alert is raised, learned from history."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import DataError
from songsinh.models import Array
from songsinh.twin.shares import percent

__all__ = ["Cut", "learn_cut"]


@final
@dataclass(frozen=True)
class Cut:
    """The probability above which an alert is raised, and how many false alarms to expect.

    Of `quiet` cases, in which nothing happened, `false_alarms` would have raised one; at the
    `confidence` stated the rate of false alarms is no more than `upper`. It is `vouched` for
    when that is no more than the `false_alarm_rate` asked for.
    """

    value: float
    false_alarm_rate: float
    confidence: float
    quiet: int
    false_alarms: int
    upper: float
    vouched: bool
    events: int
    detection_rate: float
    sentence: str


def learn_cut(
    probabilities: ArrayLike,
    happened: ArrayLike,
    *,
    false_alarm_rate: float = 0.05,
    confidence: float = 0.9,
) -> Cut:
    """The lowest cut that keeps false alarms at the stated rate, from history.

    `probabilities` are those of past alerts and `happened` whether the event came within their
    lead. Each case must stand for itself: alerts minutes apart on one machine are not many
    cases. The bound is exact although the cut is chosen on the same history, since it bounds
    the place of an order statistic. With too short a history the cut lies at the highest quiet
    case, and is not vouched for.
    Source: Wilks (1941), tolerance limits; Clopper and Pearson (1934), one-sided.

    >>> learn_cut([0.1] * 40, [False] * 40).vouched
    False
    """
    from scipy.special import betaincinv

    chances, came = _history(probabilities, happened)
    for what, share in (("false-alarm rate", false_alarm_rate), ("confidence", confidence)):
        if not 0 < share < 1:
            raise DataError(f"the {what} is {share}; give a share between 0 and 1")
    quiet = np.sort(chances[~came])[::-1]
    count = len(quiet)
    counts = np.arange(count)
    bounds = betaincinv(counts + 1, count - counts, confidence)
    # decided before looking at the probabilities, or the bound would not hold
    allowed = max(int((bounds <= false_alarm_rate).sum()) - 1, 0)
    value, upper = float(quiet[allowed]), float(bounds[allowed])
    found = float((chances[came] > value).mean()) if came.any() else np.nan
    false, vouched, events = int((quiet > value).sum()), upper <= false_alarm_rate, int(came.sum())
    if vouched:
        said = (
            f"raised {false} false alarms in {count} quiet cases; of new ones at most "
            f"{percent(upper)} will, with {percent(confidence)} confidence"
        )
    else:
        said = (
            f"cannot be held to {percent(false_alarm_rate)} false alarms: {count} quiet cases "
            f"can at best vouch for {percent(upper)}, so "
            f"collect {_needed(false_alarm_rate, confidence)}"
        )
    known = f"it found {percent(found)} of {events} events" if events else "no event is known"
    return Cut(
        *(value, false_alarm_rate, confidence, count, false, upper, vouched, events, found),
        f"an alert above {percent(value)} {said}; {known}",
    )


def _history(probabilities: ArrayLike, happened: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    chances, came = np.asarray(probabilities, np.float64), np.asarray(happened)
    if chances.ndim != 1 or came.shape != chances.shape:
        raise DataError(
            f"the history has {chances.shape} probabilities and {came.shape} outcomes; "
            "give one list of each, equally long"
        )
    wrong = np.flatnonzero(~((chances >= 0) & (chances <= 1)))
    if len(wrong):
        raise DataError(
            f"the probability of case {wrong[0]} is {chances[wrong[0]]}; give a share from 0 to 1"
        )
    odd = np.flatnonzero((came != 0) & (came != 1))
    if len(odd):
        raise DataError(f"the outcome of case {odd[0]} is {came[odd[0]]}; give True or False")
    if came.all():
        raise DataError(
            f"the history has {len(came)} cases and no quiet one; false alarms can only be "
            "counted where nothing happened"
        )
    return chances, came.astype(bool)


def _needed(rate: float, confidence: float) -> int:
    """The fewest quiet cases n that can vouch: (1 - rate)^n <= 1 - confidence."""
    return int(np.ceil(np.log1p(-confidence) / np.log1p(-rate)))
