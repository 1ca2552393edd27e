"""Following: readings in whatever order they arrive, as if they had come in time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from songsinh.errors import FilterError
from songsinh.models import Forcing, Model, forcing
from songsinh.series import Series
from songsinh.twin.assimilation import assimilate, late, passed
from songsinh.twin.belief import Belief, Noise
from songsinh.twin.filters import EnsembleTransform, Method

__all__ = ["Track", "follow", "track"]

Counts = Mapping[tuple[str, str], int]


@final
@dataclass(frozen=True)
class Track:
    """A belief with enough of its past to let in readings that come late.

    `beliefs` are past ones, the oldest first and the newest last; `readings` are those since
    the oldest, `told` what was set aside on the way to each belief, and `settled` what was set
    aside before. A reading older than the oldest belief is set aside as late.
    """

    beliefs: tuple[Belief, ...]
    window: float
    readings: Series | None = None
    told: tuple[Counts, ...] = ({},)
    settled: Counts | None = None

    @property
    def belief(self) -> Belief:
        """The newest belief."""
        return self.beliefs[-1]

    @property
    def set_aside(self) -> Counts:
        """How many readings were not used, by sensor and reason."""
        return _sum((self.settled or {}, *self.told))


def track(belief: Belief, window: float) -> Track:
    """A track that begins with a belief and goes back as far as `window` seconds."""
    if not window >= 0:
        raise FilterError(f"the window of a track is {window} s; give 0 or more")
    return Track((belief,), float(window))


def follow(
    model: Model,
    trail: Track,
    readings: Series,
    *,
    noise: Noise,
    inputs: Series | Forcing | None = None,
    method: Method = EnsembleTransform(),  # noqa: B008  frozen
) -> Track:
    """The track after readings that may be late.

    Within the window any order of arrival ends in the same belief, to the last bit: a late
    reading takes the twin back to the belief before it, and forward again through all.
    """
    wind = forcing(model.signals, inputs)
    oldest = trail.beliefs[0]
    trail = replace(trail, settled=_sum((trail.settled or {}, late(oldest, readings))))
    since = passed(oldest, readings)
    fresh = Series(readings.times[since:], readings.values[since:], readings.names)
    if not len(fresh):
        return trail
    log = fresh if trail.readings is None else _merged(trail.readings, fresh)
    kept = max(1, sum(belief.time < fresh.times[0] for belief in trail.beliefs))
    beliefs, told = list(trail.beliefs[:kept]), list(trail.told[:kept])
    for time in np.unique(log.times[passed(beliefs[-1], log) :]):
        rows = log.times == time
        step = Series(log.times[rows], log.values[rows], log.names)
        done = assimilate(model, beliefs[-1], step, noise=noise, inputs=wind, method=method)
        beliefs.append(done.belief)
        told.append(done.set_aside)
    return _cut(replace(trail, beliefs=tuple(beliefs), told=tuple(told), readings=log))


def _sum(parts: Iterable[Counts]) -> Counts:
    total: Counter[tuple[str, str]] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _merged(log: Series, fresh: Series) -> Series:
    """All readings in time; of two at one time, the one with the smaller value comes first.

    What counts must not hang on which of the two arrived first.
    """
    if log.names != fresh.names:
        raise FilterError(
            f"the track follows {', '.join(log.names)}, but these readings are of "
            f"{', '.join(fresh.names)}; give every sensor its column, NaN where it is silent"
        )
    times = np.concatenate([log.times, fresh.times])
    values = np.concatenate([log.values, fresh.values])
    order = np.lexsort((*np.nan_to_num(values.T[::-1], nan=np.inf), times))
    return Series(times[order], values[order], log.names)


def _cut(trail: Track) -> Track:
    """The track without the beliefs and readings that are older than its window."""
    horizon = trail.belief.time - trail.window
    older = [i for i, belief in enumerate(trail.beliefs) if belief.time <= horizon]
    first = older[-1] if older else 0
    beliefs, log = trail.beliefs[first:], trail.readings
    if log is not None:
        since = passed(beliefs[0], log)
        log = Series(log.times[since:], log.values[since:], log.names)
    settled = _sum((trail.settled or {}, *trail.told[: first + 1]))
    told = ({}, *trail.told[first + 1 :])
    return replace(trail, beliefs=beliefs, readings=log, told=told, settled=settled)
