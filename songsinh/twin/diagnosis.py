"""Diagnosis: is what does not fit a broken sensor, or a machine that has changed?"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy.special import chdtri

from songsinh.models import Array
from songsinh.twin.belief import Belief

__all__ = ["MEMORY", "Verdict", "diagnose"]

MEMORY = 40  # readings that a belief remembers
RECENT = 12  # of which the mean is tested
CERTAIN = 1e-4  # chance of a false word, each time it is asked


@final
@dataclass(frozen=True)
class Verdict:
    """What the last readings say about sensors and machine.

    kind: "fine", "sensor" (one sensor is off), "machine" (the machine is no longer what the
    twin believes), "unclear" (something is off, these sensors cannot say what).
    """

    kind: Literal["fine", "sensor", "machine", "unclear"]
    signal: str | None
    statistic: float
    sentence: str


def diagnose(belief: Belief) -> Verdict:
    """The verdict on the readings a belief remembers.

    The mean innovation is tested against none, then against an offset of one sensor alone
    (generalised likelihood ratio). Source: Willsky and Jones (1976).
    """
    if belief.memory is None or not len(belief.watched):
        return Verdict("fine", None, 0.0, "no readings yet")
    stuck = _stuck(belief)
    if stuck is not None:
        said = f"{stuck} has read exactly the same value {RECENT} times while it should have moved"
        return Verdict("sensor", stuck, np.inf, said)
    mean, count = _mean_innovation(belief.memory)
    seen = np.flatnonzero(count >= RECENT // 3)
    if not len(seen):
        return Verdict("fine", None, 0.0, "too few readings to judge")
    likeness = belief.likeness[np.ix_(seen, seen)]  # type: ignore[index]
    scaled = mean[seen] * np.sqrt(count[seen])
    inverse = np.linalg.inv(likeness + 1e-6 * np.eye(len(seen)))
    pull = inverse @ scaled
    total = float(scaled @ pull)
    if total <= chdtri(len(seen), CERTAIN):
        return Verdict("fine", None, total, "the readings fit what was expected")
    names = [belief.watched[i] for i in seen]
    if len(seen) == 1:
        said = (
            f"{names[0]} is off, and one sensor alone cannot say whether it or the machine changed"
        )
        return Verdict("unclear", names[0], total, said)
    return _blamed(names, total, total - pull**2 / np.diag(inverse))


def _blamed(names: list[str], total: float, rest: Array) -> Verdict:
    """The verdict on what is off; `rest` [names] is what an offset of each alone leaves open."""
    order = np.argsort(rest)
    bound = float(chdtri(len(names) - 1, 0.01))
    if rest[order[0]] > bound:
        said = "several sensors are off together: the machine is not what the twin believes"
        return Verdict("machine", None, total, said)
    if rest[order[1]] <= bound:
        said = f"{names[order[0]]} or {names[order[1]]} is off, the readings cannot say which"
        return Verdict("unclear", names[order[0]], total, said)
    name = names[order[0]]
    return Verdict("sensor", name, total, f"{name} disagrees with all other sensors")


def _mean_innovation(memory: Array) -> tuple[Array, Array]:
    recent = memory[-RECENT:, 2]
    count = np.isfinite(recent).sum(axis=0)
    return np.nansum(recent, axis=0) / np.maximum(count, 1), count


def _stuck(belief: Belief) -> str | None:
    for column, name in enumerate(belief.watched):
        values, expected = belief.memory[-RECENT:, 0, column], belief.memory[-RECENT:, 1, column]  # type: ignore[index]
        if np.isfinite(values).all() and np.ptp(values) == 0:
            innovation = belief.memory[-RECENT:, 2, column]  # type: ignore[index]
            # the expectation moved by more than the sensor's own doubt
            doubt = np.abs(np.where(innovation == 0, np.inf, (values - expected) / innovation))
            if np.ptp(expected) > 3 * np.min(doubt):
                return name
    return None
