"""Alerts: how likely a signal crosses a threshold soon, and when that is worth a warning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from songsinh.errors import DataError
from songsinh.models import Array
from songsinh.twin.crossings import Direction, crossing_times, one_side
from songsinh.twin.cuts import Cut
from songsinh.twin.forecasts import Forecast
from songsinh.twin.shares import percent, share_quantile

__all__ = ["Alert", "Timeline", "alert", "timeline"]


@final
@dataclass(frozen=True)
class Alert:
    """The probability that a signal crosses a threshold within the lead (s) after a time (s).

    `raised` when it is above the cut. `first` are the 5, 50 and 95 % quantiles of the time (s)
    of the first crossing, infinite where it lies beyond the forecast. `lost` is the share of
    members that fell silent before the lead was over; they count for nothing.
    """

    signal: str
    threshold: float
    direction: Direction
    time: float
    lead: float
    probability: float
    cut: float
    raised: bool
    first: tuple[float, float, float]
    lost: float
    sentence: str


@final
@dataclass(frozen=True)
class Timeline:
    """How alerts one after another did against the event at a time (s), infinite for never.

    `first` is when one was raised first, `ahead` how long before the event the first rightful
    one was (both s, NaN for never). Of `quiet` alerts, whose lead held no event, `false_alarms`
    were raised. Alerts from the event on do not count. `probabilities` and `happened` are what
    `learn_cut` takes.
    """

    event: float
    first: float
    ahead: float
    quiet: int
    false_alarms: int
    probabilities: tuple[float, ...]
    happened: tuple[bool, ...]


def alert(
    forecast: Forecast,
    name: str,
    *,
    below: float | None = None,
    above: float | None = None,
    lead: float,
    cut: float | Cut = 0.5,
) -> Alert:
    """How likely a state or output goes below or above a threshold within the lead in s.

    The lead counts from the first of the forecast's times, so let those begin now.
    """
    direction, threshold = one_side(below, above, f"the alert on {name!r}")
    start, level = float(forecast.times[0]), cut.value if isinstance(cut, Cut) else float(cut)
    _check_alert(forecast, name, lead, level)
    when = crossing_times(forecast.times, forecast[name], below=below, above=above)
    soon = when <= start + lead
    silent = np.isnan(when) & (_last_seen(forecast.times, forecast[name]) < start + lead)
    known, weights = ~silent, forecast.weights
    if not weights[known].sum() > 0:
        raise DataError(
            f"no member of the forecast says what {name!r} does within {_span(lead)}; "
            "look for missing values in its equations"
        )
    probability = float(weights[known & soon].sum() / weights[known].sum())
    told = ~np.isnan(when)
    spread = (share_quantile(when[told], weights[told], q) for q in (0.05, 0.5, 0.95))
    first = tuple(spread) if weights[told].sum() > 0 else (np.inf,) * 3
    lost = float(weights[silent].sum() / weights.sum())
    crossing = f"{name} {'falls' if direction == 'below' else 'rises'} {direction} "
    crossing += _quantity(forecast, name, threshold)
    sentence = _alert_sentence(crossing, lead, probability, cut, [t - start for t in first], lost)
    return Alert(
        *(name, threshold, direction, start, float(lead), probability, level),
        *(probability > level, first, lost, sentence),  # type: ignore[arg-type]
    )


def timeline(alerts: Sequence[Alert], event: float | None = None) -> Timeline:
    """How alerts made one after another did against the time (s) of the event, None for never."""
    end = np.inf if event is None else float(event)
    counted = sorted((a for a in alerts if a.time < end), key=lambda a: a.time)
    happened = tuple(end <= a.time + a.lead for a in counted)
    pairs = list(zip(counted, happened, strict=True))
    raised = [a.time for a in counted if a.raised]
    rightful = [a.time for a, came in pairs if a.raised and came]
    return Timeline(
        event=end,
        first=raised[0] if raised else np.nan,
        ahead=end - rightful[0] if rightful else np.nan,
        quiet=happened.count(False),
        false_alarms=sum(a.raised and not came for a, came in pairs),
        probabilities=tuple(a.probability for a in counted),
        happened=happened,
    )


def _check_alert(forecast: Forecast, name: str, lead: float, level: float) -> None:
    reach = float(forecast.times[-1] - forecast.times[0])
    if not 0 < lead < np.inf:
        raise DataError(f"the lead of the alert on {name!r} is {lead} s; give a time above 0")
    # a lead counted in tenths may overshoot by a rounding
    if lead > reach * (1 + 1e-9):
        raise DataError(
            f"the lead of the alert on {name!r} is {lead:.6g} s but the forecast covers "
            f"{reach:.6g} s; forecast further or shorten the lead"
        )
    if not 0 <= level <= 1:
        raise DataError(f"the cut of the alert on {name!r} is {level}; give a share from 0 to 1")
    if forecast[name].ndim != 2:
        raise DataError(f"{name!r} is a vector; name one of its parts, such as '{name}[0]'")


def _last_seen(times: Array, members: Array) -> Array:
    """The last time at which each member holds a value, minus infinity if it never does."""
    return np.asarray(np.where(np.isnan(members), -np.inf, times).max(axis=1))


def _quantity(forecast: Forecast, name: str, value: float) -> str:
    unit = forecast.run.signals[name.partition("[")[0]].unit
    return f"{value:.6g}" + (f" {unit}" if unit != "1" else "")


def _span(seconds: float) -> str:
    """A stretch of time in words."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if abs(seconds) < most:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.4g} days"


def _alert_sentence(
    crossing: str, lead: float, chance: float, cut: float | Cut, first: list[float], lost: float
) -> str:
    level = cut.value if isinstance(cut, Cut) else cut
    sentence = "alert: " if chance > level else "no alert: "
    sentence += f"{crossing} within {_span(lead)} with a chance of {percent(chance)} "
    sentence += f"(an alert is raised above {percent(level)}"
    if isinstance(cut, Cut):
        sentence += f", which at most {percent(cut.upper)} of quiet cases do"
    early, middle, late = (_span(t) if t < np.inf else "not in this forecast" for t in first)
    sentence += f"); first crossing: {middle} (5 to 95 %: {early} to {late})"
    return sentence + (f"; {percent(lost)} of the members are lost" if lost else "")
