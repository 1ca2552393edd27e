"""Thinning: a long series as few points that still show its extremes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Points", "in_buckets", "thin"]

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Qualities = NDArray[np.int8]


class Points(NamedTuple):
    """Readings in time order: times in us since 1970, values in the signal's unit, quality.

    When they were thinned each is a bucket: time is its first reading's, values have the
    columns least, mean and greatest, and quality is the worst.
    """

    times: Times
    values: Values
    quality: Qualities


def thin(pieces: Iterable[Points], span: tuple[int, int], most: int) -> Points:
    """At most `most` buckets of equal width over a span (us), of readings in pieces, in order."""
    width = max(-(-(span[1] - span[0]) // most), 1)
    sums: list[NDArray[Any]] = []
    for times, values, quality in pieces:
        if len(times):
            sums.append(_summed((times - span[0]) // width, times, values, quality))
    if not sums:
        return Points(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int8))
    return _joined(np.concatenate(sums))


SUM = np.dtype(
    [("bucket", "i8"), ("time", "i8"), ("low", "f8"), ("sum", "f8"), ("high", "f8")]
    + [("count", "i8"), ("quality", "i1")]
)


def _summed(buckets: Times, times: Times, values: Values, quality: Qualities) -> NDArray[Any]:
    starts = np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]])
    numbers = ~np.isnan(values)
    found = np.empty(len(starts), SUM)
    found["bucket"], found["time"] = buckets[starts], times[starts]
    found["low"] = np.fmin.reduceat(values, starts)
    found["high"] = np.fmax.reduceat(values, starts)
    found["sum"] = np.add.reduceat(np.where(numbers, values, 0.0), starts)
    found["count"] = np.add.reduceat(numbers.astype(np.int64), starts)
    found["quality"] = np.maximum.reduceat(quality, starts)
    return found


def _joined(sums: NDArray[Any]) -> Points:
    """Buckets that two pieces share become one."""
    starts = np.flatnonzero(np.r_[True, sums["bucket"][1:] != sums["bucket"][:-1]])
    count = np.add.reduceat(sums["count"], starts)
    with np.errstate(invalid="ignore"):
        mean = np.add.reduceat(sums["sum"], starts) / count
    low, high = np.fmin.reduceat(sums["low"], starts), np.fmax.reduceat(sums["high"], starts)
    quality = np.maximum.reduceat(sums["quality"], starts)
    # a sum may round past the extremes of values that are all alike
    values = np.stack([low, np.clip(mean, low, high), high], axis=1)
    return Points(sums["time"][starts], values, quality)


def in_buckets(times: Times, most: int, span: tuple[int, int]) -> NDArray[np.int64]:
    """The places of the last point in each of `most` buckets of equal width over a span (us)."""
    width = max(-(-(span[1] - span[0]) // most), 1)
    buckets = (times - span[0]) // width
    return np.flatnonzero(np.r_[buckets[1:] != buckets[:-1], np.ones(min(len(times), 1), bool)])
