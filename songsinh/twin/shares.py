"""Shares: parts of a whole weight, as quantiles and in words."""

import numpy as np

from songsinh.models import Array

__all__ = ["percent", "share_quantile"]


def share_quantile(values: Array, weights: Array, level: float) -> float:
    """The smallest value up to which at least that share (0 to 1) of the weight lies.

    Never between two values, so that infinite ones may stand among them.
    """
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    # a hair less, or the rounding of a sum would decide
    place = np.searchsorted(below, (level - 1e-12) * below[-1])
    return float(values[order[min(int(place), len(values) - 1)]])


def percent(share: float) -> str:
    """A share in words, to a tenth of a percent.

    >>> percent(0.0559)
    '5.6 %'
    """
    return f"{round(100 * share, 1):g} %"
