"""Scores: how good forecasts were against what came, and against baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
from numpy.typing import ArrayLike

from songsinh.errors import DataError, near
from songsinh.metrics import coverage, crps, quantiles, rank_histogram, rmse, skill
from songsinh.twin.credibility import Check, Coverage
from songsinh.twin.filters import systematic

__all__ = ["Scores", "score_bands"]

BARS: Final = {0.9: (0.85, 0.95)}  # what a nominal level may really cover; others have no bar


@final
@dataclass(frozen=True)
class Scores:
    """How good one set of forecasts was, and how good the baselines were on the same readings.

    `crps` and `rmse` (of the median) are in the readings' unit; `covered` maps a band's level
    to the share inside it; `ranks` are counts.
    """

    count: int
    crps: float
    rmse: float
    covered: Mapping[float, float]
    ranks: tuple[int, ...]
    baselines: Mapping[str, "Scores"] = field(default_factory=dict)

    def skill(self, baseline: str) -> float:
        """The share of a baseline's CRPS that is gone: 1 is perfect, 0 no better."""
        if baseline not in self.baselines:
            known = tuple(self.baselines)
            raise DataError(f"there is no baseline {baseline!r}; {near(baseline, known)}")
        return skill(self.crps, self.baselines[baseline].crps)

    def check(self, what: str, unit: str, **more: Any) -> Check:
        """The CRPS as a check, the baselines beside it; takes what Check takes."""
        beside = {name: scores.crps for name, scores in self.baselines.items()}
        return Check(what, self.crps, unit=unit, baselines=beside, **more)

    def coverages(self, where: str, what: str = "") -> tuple[Coverage, ...]:
        """One row for each band; the 90 % band has bars at 85 and 95 %."""
        return tuple(
            Coverage(
                *(where, level, share, self.count, BARS.get(level), what),
                {name: scores.covered[level] for name, scores in self.baselines.items()},
            )
            for level, share in self.covered.items()
        )


def score_bands(
    members: ArrayLike,
    observed: ArrayLike,
    *,
    generator: np.random.Generator,
    baselines: Mapping[str, ArrayLike] | None = None,
    weights: ArrayLike | None = None,
    levels: tuple[float, ...] = (0.5, 0.9),
) -> Scores:
    """The scores of forecasts [members, times] against what came [times]; NaN is left out.

    Baselines are members [any number, times] too, scored alike. Chance breaks ties of ranks.
    """
    truth = np.asarray(observed, np.float64)
    sample = np.asarray(members, np.float64)
    if sample.ndim != 2 or sample.shape[1:] != truth.shape:
        raise DataError(
            f"the forecasts are {sample.shape} and the readings {truth.shape}; "
            "give [members, times] and [times]"
        )
    if not np.isfinite(sample).all():
        raise DataError("a member of the forecasts is not finite; drop members that failed")
    present = np.isfinite(truth)
    sample, truth = sample.T[present], truth[present]
    if weights is not None:
        share = np.asarray(weights, np.float64)
        # ranks need members that count alike
        chosen = systematic(share / share.sum(), generator)
    else:
        chosen = np.arange(sample.shape[1])
    covered = {}
    for level in levels:
        edges = quantiles(sample, [(1 - level) / 2, (1 + level) / 2], weights=weights)
        covered[level] = coverage(edges[:, 0], edges[:, 1], truth)
    return Scores(
        count=len(truth),
        crps=float(np.mean(crps(sample, truth, weights=weights))),
        rmse=rmse(quantiles(sample, 0.5, weights=weights), truth),
        covered=covered,
        ranks=tuple(int(n) for n in rank_histogram(sample[:, chosen], truth, generator)),
        baselines={
            name: score_bands(other, observed, generator=generator, levels=levels)
            for name, other in (baselines or {}).items()
        },
    )
