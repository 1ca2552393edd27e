"""Crossings: when members go beyond a threshold."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from songsinh.errors import DataError
from songsinh.models import Array

__all__ = ["Direction", "crossing_times", "one_side"]

Direction = Literal["below", "above"]


def crossing_times(
    times: ArrayLike,
    members: ArrayLike,
    *,
    below: float | None = None,
    above: float | None = None,
) -> Array:
    """When each of [members, times] first goes beyond a threshold: [members] in the times' unit.

    Linear between the times. Infinite for a member that never does, NaN for one that falls
    silent (NaN) before it did. A member on the threshold is not yet beyond it.

    >>> crossing_times([0.0, 10.0], [[4.0, 2.0], [4.0, 3.5]], below=3.0)
    array([ 5., inf])
    """
    direction, threshold = one_side(below, above, "the crossing")
    grid, table = np.asarray(times, np.float64), np.asarray(members, np.float64)
    if table.ndim != 2 or not len(grid) or table.shape[1] != len(grid):
        raise DataError(
            f"the members have the shape {table.shape} for {len(grid)} times; give [members, times]"
        )
    sign = -1.0 if direction == "below" else 1.0
    table, edge, rows = sign * table, sign * threshold, np.arange(len(table))
    beyond = table > edge
    after = beyond.argmax(axis=1)
    # the last sample before the crossing that holds a value; -1 if there is none
    seen = np.maximum.accumulate(np.where(np.isnan(table), -1, np.arange(len(grid))), axis=1)
    before = np.where(after > 0, seen[rows, after - 1], -1)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        rise = table[rows, after] - table[rows, before]
        share = (edge - table[rows, before]) / rise
    share = np.where(np.isfinite(share) & (before >= 0), share, 1.0)
    when = (1 - share) * grid[before] + share * grid[after]
    never = np.where(seen[:, -1] == len(grid) - 1, np.inf, np.nan)
    return np.where(beyond.any(axis=1), when, never)


def one_side(below: float | None, above: float | None, what: str) -> tuple[Direction, float]:
    """The direction and the threshold of which exactly one is given."""
    given = below if above is None else above
    if given is None or (below is not None and above is not None) or np.isnan(given):
        raise DataError(
            f"{what} has below={below} and above={above}; give a number for exactly one of the two"
        )
    return ("below" if above is None else "above"), float(given)
