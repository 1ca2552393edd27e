"""Risks: by what measure plans are compared, and the limits they must keep."""

from dataclasses import dataclass
from typing import final

import numpy as np

from songsinh.errors import DataError
from songsinh.models import Array
from songsinh.twin.crossings import one_side
from songsinh.twin.shares import percent, share_quantile

__all__ = ["CVaR", "Limit", "Mean", "Quantile", "Risk"]


@final
@dataclass(frozen=True)
class Mean:
    """The mean cost. Of any risk, `of` takes costs [members] and weights that sum to 1."""

    def of(self, costs: Array, weights: Array) -> float:
        """The weighted mean."""
        return float(weights @ costs)

    def __str__(self) -> str:
        return "mean cost"


@final
@dataclass(frozen=True)
class Quantile:
    """The cost that is not exceeded with a probability of `level`, the value at risk."""

    level: float = 0.9

    def __post_init__(self) -> None:
        _check_level(self.level)

    def of(self, costs: Array, weights: Array) -> float:
        """The smallest cost up to which that share of the weight lies."""
        return share_quantile(costs, weights, self.level)

    def __str__(self) -> str:
        return f"{percent(self.level)} quantile of the cost"


@final
@dataclass(frozen=True)
class CVaR:
    """The mean cost of the worst 1 - `level` of all cases, the conditional value at risk.

    Source: Rockafellar and Uryasev (2000), eq. 4; it also holds where one member is split.
    """

    level: float = 0.9

    def __post_init__(self) -> None:
        _check_level(self.level)

    def of(self, costs: Array, weights: Array) -> float:
        """The weighted mean of the tail.

        >>> CVaR(0.5).of(np.array([0.0, 1.0, 2.0, 3.0]), np.full(4, 0.25))
        2.5
        """
        at_risk = share_quantile(costs, weights, self.level)
        over = float(weights @ np.maximum(costs - at_risk, 0.0))
        return at_risk + over / (1 - self.level)

    def __str__(self) -> str:
        return f"mean cost of the worst {percent(1 - self.level)}"


Risk = Mean | Quantile | CVaR


@final
@dataclass(frozen=True)
class Limit:
    """A signal may go below or above a threshold at any time with at most that chance.

    From n members no chance below 1/n can be told.
    """

    name: str
    below: float | None = None
    above: float | None = None
    chance: float = 0.05

    def __post_init__(self) -> None:
        one_side(self.below, self.above, f"the limit on {self.name!r}")
        if not 0 <= self.chance < 1:
            raise DataError(
                f"the limit on {self.name!r} allows a chance of {self.chance}; "
                "give a share from 0 to below 1"
            )

    def __str__(self) -> str:
        direction, threshold = one_side(self.below, self.above, self.name)
        return f"{self.name} {direction} {threshold:.6g}"


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise DataError(f"the level of the risk is {level}; give a share between 0 and 1, say 0.9")
