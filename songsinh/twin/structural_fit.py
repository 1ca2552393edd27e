"""Fitting a structural twin to a record, the last fifth of it held out and scored."""

import keyword
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, NamedTuple, final

import numpy as np

from songsinh import __version__
from songsinh.errors import CalibrationError, DataError
from songsinh.models import Array
from songsinh.series import Series
from songsinh.twin.baselines import random_walk
from songsinh.twin.credibility import Card
from songsinh.twin.scores import Scores, score_bands
from songsinh.twin.structural import DAY, Followed, Structure, follow_structure, law
from songsinh.twin.structural_filter import FADE, STATES, moved

__all__ = ["fit_series"]

FEWEST: Final = 50  # readings of a column from which something can be learned
MOST_COLUMNS: Final = 8
MOST_ROWS: Final = 6_000  # that a fit looks at, the newest
HELD_OUT: Final = 0.2
WARM_UP: Final = 5  # readings before innovations count
MEMBERS: Final = 200
ORIGINS: Final = 40
GAIN: Final = 12.0  # in twice the log likelihood, from which a daily cycle is believed
# where fits begin: noise, level and trend drift, trend time, cycle drift, as logarithms
STARTS: Final = ((-2.0, -2.0, -5.0, 2.5), (-4.0, -1.0, -3.0, 3.5))
BOXES: Final = ((-12.0, 1.0), (-12.0, 2.0), (-14.0, 1.0), (0.7, 7.0), (-12.0, 0.0))
CYCLE: Final = (-2.0, -4.0)
RESERVED: Final = {"t", "pi", "time"}
LIMITS: Final = (
    "It knows the record and nothing of the machine: causes, levers and limits are not in it.",
    "What the record never showed it cannot foretell; its bands hold while things go on as before.",
    "Each column is followed by itself.",
)


def fit_series(
    record: Series,
    *,
    name: str,
    title: str = "",
    units: Mapping[str, str] | None = None,
    limits: Mapping[str, tuple[float | None, float | None]] | None = None,
    source: str = "the record it was fitted to",
    seed: int = 1,
) -> tuple[dict[str, Any], Card]:
    """A recipe for a live twin of a record (plain values, as JSON takes them), and its card.

    `units` and `limits` (low, high: what is worth a warning) are by column; without limits these
    are what 0.5 % of the readings lay beyond. The card's figures are of the last fifth of the
    record, which no fit has seen, against the random walk.
    """
    if not 1 <= len(record.names) <= MOST_COLUMNS:
        raise DataError(
            f"the record has {len(record.names)} columns; choose 1 to {MOST_COLUMNS} of them"
        )
    names = _names(record.names)
    step = _step(record)
    horizon = min(60 * step, (record.times[-1] - record.times[0]) / 10)
    structures, scores = [], {}
    for column in record.names:
        one = _fitted(record.times, record[column], column, (units or {}).get(column, "1"))
        low, high = (limits or {}).get(column, _quantiles(record[column]))
        one = replace(one, name=names[column], low=low, high=high)
        scores[one.name] = _scored(one, record.times, record[column], horizon, seed)
        structures.append(one)
    recipe = {
        "kind": "series",
        "name": name,
        "title": title or name,
        "signals": [asdict(one) for one in structures],
        "settings": {"step": step, "horizon": horizon},
    }
    return recipe, _card(title or name, structures, scores, source=source, seed=seed)


def _names(columns: Sequence[str]) -> dict[str, str]:
    """A usable name for each column, all different."""
    found: dict[str, str] = {}
    for column in columns:
        name = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_")[:30]
        if not name or name[0].isdigit() or name in RESERVED or keyword.iskeyword(name):
            name = f"signal_{name}".rstrip("_")
        plain, place = name, 2
        while name in found.values():
            name, place = f"{plain}_{place}", place + 1
        found[column] = name
    return found


def _step(record: Series) -> float:
    """The usual time between two rows, in s."""
    steps = np.diff(record.times)
    steps = steps[steps > 0]
    if not len(steps):
        raise DataError(
            f"the record has {len(record)} rows that stand at one time; give readings over time"
        )
    return float(np.median(steps))


def _quantiles(values: Array) -> tuple[float, float]:
    low, high = np.nanquantile(values, [0.005, 0.995])
    return float(low), float(high)


def _fitted(times: Array, values: Array, column: str, unit: str) -> Structure:
    """The structure of one column, from the first four fifths of it."""
    present = np.isfinite(values)
    if present.sum() < FEWEST:
        raise DataError(
            f"the column {column!r} holds {present.sum()} readings; a fit needs {FEWEST}, "
            "give a longer record or leave it out"
        )
    times, values = times[present], values[present]
    train = slice(max(0, _seen(times) - MOST_ROWS), _seen(times))
    sd = float(np.std(values[train]))
    if not sd > 1e-12 * max(1.0, float(np.abs(values).max())):
        raise DataError(
            f"the column {column!r} never changes (it stays at {values[0]:g}); leave it out"
        )
    task = _Task(times[train], values[train], sd, float(np.median(np.diff(times[train]))))
    start = Structure("x", unit, sd, sd, sd, 1.0, None, float(values[-1]), sd, column=column)
    plain, worth = _likeliest(task, start)
    if times[-1] - times[0] > 3 * DAY and task.step < DAY / 4:
        daily, more = _likeliest(task, replace(plain, cycle_drift=0.0))
        if worth - more > GAIN:
            end = follow_structure(daily, times, values).means[-1]
            return replace(daily, swing=float(np.hypot(end[2], end[3])))
    return plain


def _seen(times: Array) -> int:
    return int((1.0 - HELD_OUT) * len(times))


@final
class _Task(NamedTuple):
    """What a fit looks at: a series, its sd, and its usual step in s."""

    times: Array
    values: Array
    sd: float
    step: float


def _likeliest(task: _Task, start: Structure) -> tuple[Structure, float]:
    """The structure under which the one-step innovations are likeliest, and -2 log likelihood."""
    from scipy.optimize import minimize

    count = 4 if start.cycle_drift is None else 5
    # a column with few values cannot be known better than their distance
    apart = np.diff(np.unique(task.values))
    least = float(apart.min()) / 12**0.5 if len(apart) < 200 else 0.0

    def shaped(x: Array) -> Structure:
        noise, level, trend, time = np.exp(x[:4]) * task.sd
        time *= task.step / task.sd
        return replace(
            start,
            noise=float(max(noise, least, 1e-6 * task.sd)),
            level_drift=float(level / task.step**0.5),
            trend_drift=float(trend / task.step**1.5),
            trend_time=float(time),
            cycle_drift=None if count == 4 else float(np.exp(x[4]) * task.sd / DAY**0.5),
        )

    def worth(x: Array) -> float:
        return _surprise(follow_structure(shaped(x), task.times, task.values))

    starts = STARTS if count == 4 else [(*_unshaped(start, task), x) for x in CYCLE]
    how = {"eps": 1e-4, "maxiter": 40, "ftol": 1e-7}
    tries = [
        minimize(worth, np.array(x), method="L-BFGS-B", bounds=BOXES[:count], options=how)
        for x in starts
    ]
    best = min((one for one in tries if np.isfinite(one.fun)), key=lambda o: o.fun, default=None)
    if best is None:
        raise CalibrationError(
            f"no structure fits the column {start.column!r}; look for wild values in it"
        )
    return shaped(best.x), float(best.fun)


def _unshaped(one: Structure, task: _Task) -> tuple[float, ...]:
    """The logarithms of a structure, as a fit looks for them."""
    shares = (
        *(one.noise / task.sd, one.level_drift * task.step**0.5 / task.sd),
        *(one.trend_drift * task.step**1.5 / task.sd, one.trend_time / task.step),
    )
    return tuple(float(np.log(share)) for share in shares)


def _surprise(found: Followed) -> float:
    """Twice the negative log likelihood of the innovations; wild ones count hardly more."""
    gaps, doubts = found.innovations[WARM_UP:], found.variances[WARM_UP:]
    if not (doubts > 0).all():
        return 1e300
    far = np.abs(gaps) / np.sqrt(doubts)
    cost = np.where(far < FADE, far**2, FADE**2 + 8.0 * np.log(np.maximum(far, FADE) / FADE))
    return float(np.sum(np.log(doubts) + cost))


def _scored(one: Structure, times: Array, values: Array, horizon: float, seed: int) -> Scores:
    """The scores of forecasts made all over the held-out part, the random walk's beside them."""
    present = np.isfinite(values)
    times, values = times[present], values[present]
    known = follow_structure(one, times, values)
    chance = np.random.Generator(np.random.Philox(key=[seed, 0]))
    last = np.searchsorted(times, times[-1] - horizon, "right") - 1
    origins = np.unique(np.linspace(_seen(times), max(last, _seen(times)), ORIGINS).astype(int))
    ours, walks, came = [], [], []
    for origin in origins[origins < len(times) - 1].tolist():
        until = max(int(np.searchsorted(times, times[origin] + horizon, "right")), origin + 2)
        ahead = np.unique(np.linspace(origin + 1, until - 1, 30).astype(int))
        mean, sd = _ahead(one, known.means[origin], known.spreads[origin], times[origin:until])
        chosen = ahead - origin - 1
        drawn = chance.standard_normal((MEMBERS, len(ahead)))
        ours.append(mean[chosen] + sd[chosen] * drawn)
        past = slice(max(0, origin - 2000), origin + 1)
        walks.append(
            random_walk(
                *(times[past], values[past], times[ahead]), generator=chance, members=MEMBERS
            )
        )
        came.append(values[ahead])
    return score_bands(
        np.concatenate(ours, axis=1),
        np.concatenate(came),
        generator=chance,
        baselines={"random walk": np.concatenate(walks, axis=1)},
    )


def _ahead(one: Structure, mean: Array, spread: Array, times: Array) -> tuple[Array, Array]:
    """Mean and sd of the readings at the times after the first: [times - 1] each."""
    mean, spread, room = mean.copy(), spread.copy(), np.empty((2, STATES, STATES))
    told, own = np.empty((2, len(times) - 1)), law(one)
    for place, span in enumerate(np.diff(times)):
        moved(mean, spread, room, float(span), own)
        told[0, place] = mean[0] + mean[2]
        doubt = spread[0, 0] + spread[2, 2] + 2 * spread[0, 2]
        told[1, place] = np.sqrt(doubt + one.noise**2)
    return told[0], told[1]


def _card(
    title: str, structures: Sequence[Structure], scores: Mapping[str, Scores], *, source: str,
    seed: int,
) -> Card:  # fmt: skip
    return Card(
        pilot="series",
        title=title,
        about="A structural time-series twin: level, fading trend and daily cycle of each column, "
        "fitted to the first four fifths of a record. Everything shown here was held out.",
        version=__version__,
        source=source,
        licence="as the record's",
        checks=tuple(
            scores[one.name].check(
                f"{one.column}: error of the forecast (CRPS)", one.unit,
                where=f"the record's last fifth, {scores[one.name].count} readings",
            )
            for one in structures
        ),
        coverages=tuple(
            row for one in structures for row in scores[one.name].coverages(one.column)
        ),
        limits=LIMITS,
        made_with={"python": platform.python_version(), "numpy": np.__version__},
        seed=seed,
    )  # fmt: skip
