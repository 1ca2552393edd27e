"""Metrics: how far a forecast was from what came, and how honest its bands were."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import DataError

__all__ = ["coverage", "crps", "mae", "quantiles", "rank_histogram", "rmse", "skill"]


def _pair(predicted: ArrayLike, observed: ArrayLike) -> NDArray[np.float64]:
    """The errors, missing observations left out."""
    errors = np.asarray(predicted, np.float64) - np.asarray(observed, np.float64)
    errors = errors[~np.isnan(np.broadcast_to(np.asarray(observed, np.float64), errors.shape))]
    if errors.size == 0:
        raise DataError("there is no observation to score against; give at least one reading")
    return errors


def rmse(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Root mean square error, in the unit of the values; missing observations are left out.

    >>> rmse([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    return float(np.sqrt(np.mean(_pair(predicted, observed) ** 2)))


def mae(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Mean absolute error, in the unit of the values; missing observations are left out.

    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return float(np.mean(np.abs(_pair(predicted, observed))))


def skill(ours: float, baseline: float) -> float:
    """Share of the baseline's error that is gone: 1 is perfect, 0 no better, below 0 worse.

    >>> skill(ours=1.0, baseline=4.0)
    0.75
    """
    if not baseline > 0:
        raise DataError(f"the baseline's error is {baseline}; skill needs one above zero")
    return float(1.0 - ours / baseline)


def crps(
    members: ArrayLike,
    observed: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    fair: bool = False,
) -> NDArray[np.float64]:
    """Continuous ranked probability score of [..., members] for each observation, in its unit.

    0 is best; for one member it is the absolute error. `fair` removes the penalty for being a
    small ensemble and takes equal weights only. A missing observation scores NaN.
    Source: Gneiting and Raftery (2007), eq. 21; Ferro (2014), eq. 2 for `fair`.

    >>> float(crps([0.0, 1.0], 0.0))
    0.25
    """
    sample = np.asarray(members, np.float64)
    truth = np.asarray(observed, np.float64)
    if sample.ndim == 0 or sample.shape[-1] == 0:
        raise DataError("there are no members to score; give at least one")
    count = sample.shape[-1]
    if fair and (weights is not None or count < 2):
        raise DataError(
            f"the fair score takes two or more members of equal weight, not {count}"
            f"{' with weights' if weights is not None else ''}; pass fair=False"
        )
    order = np.argsort(sample, axis=-1)
    ranked = np.take_along_axis(sample, order, axis=-1)
    weight = np.take_along_axis(_weights(weights, sample), order, axis=-1)
    away = np.sum(weight * np.abs(ranked - truth[..., None]), axis=-1)
    # half the mean distance of two members, from sorted members in one pass
    below = np.cumsum(weight, axis=-1)
    steps = np.diff(ranked, axis=-1)
    apart = np.sum(below[..., :-1] * (1.0 - below[..., :-1]) * steps, axis=-1)
    if fair:
        apart = apart * count / (count - 1)
    return np.asarray(away - apart)


def coverage(lower: ArrayLike, upper: ArrayLike, observed: ArrayLike) -> float:
    """Share of the observations inside their band, edges included; missing ones are left out.

    >>> coverage([0.0, 0.0], [1.0, 1.0], [0.5, 2.0])
    0.5
    """
    low, high, truth = np.broadcast_arrays(
        np.asarray(lower, np.float64),
        np.asarray(upper, np.float64),
        np.asarray(observed, np.float64),
    )
    present = ~np.isnan(truth)
    if not present.any():
        raise DataError("there is no observation to score against; give at least one reading")
    return float(np.mean(((low <= truth) & (truth <= high))[present]))


def rank_histogram(
    members: ArrayLike, observed: ArrayLike, generator: np.random.Generator
) -> NDArray[np.int64]:
    """How often the observation fell on each rank among [..., members]: members + 1 counts.

    Flat when the bands are honest, U-shaped when too narrow. Ties are broken by chance.
    Source: Hamill (2001).
    """
    sample = np.asarray(members, np.float64)
    truth = np.asarray(observed, np.float64)
    present = ~np.isnan(np.broadcast_to(truth, sample.shape[:-1]))
    below = np.sum(sample < truth[..., None], axis=-1)
    tied = np.sum(sample == truth[..., None], axis=-1)
    ranks = below + generator.integers(0, tied + 1)
    return np.bincount(np.ravel(ranks[present]), minlength=sample.shape[-1] + 1).astype(np.int64)


def quantiles(
    members: ArrayLike, q: ArrayLike, *, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Quantiles of [..., members] in the unit of the members: [..., q], or [...] for one q.

    Between members it is linear; with equal weights it equals NumPy's default. Weights move
    each member to the middle of its share, and members of no weight count for nothing.

    >>> quantiles([1.0, 2.0, 3.0], 0.5)
    array(2.)
    """
    sample = np.asarray(members, np.float64)
    levels = np.asarray(q, np.float64)
    if not ((levels >= 0) & (levels <= 1)).all():
        raise DataError(
            f"the quantile {levels!r} is outside 0 to 1; give a share, not a percentage"
        )
    if sample.ndim == 0 or sample.shape[-1] == 0:
        raise DataError("there are no members to take a quantile of; give at least one")
    if weights is None:
        found = np.quantile(sample, levels, axis=-1)
        return np.asarray(np.moveaxis(found, 0, -1) if levels.ndim else found)
    weight = _weights(weights, sample)
    flat = np.atleast_1d(levels)
    rows = sample.reshape(-1, sample.shape[-1])
    shares = weight.reshape(rows.shape)
    out = np.stack([_quantile(r, w, flat) for r, w in zip(rows, shares, strict=True)])
    return np.asarray(out.reshape(sample.shape[:-1] + levels.shape))


def _quantile(
    row: NDArray[np.float64], weight: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(row)
    order = order[weight[order] > 0]
    ranked, share = row[order], weight[order]
    if np.ptp(share) == 0.0:
        return np.asarray(np.quantile(ranked, levels))
    middle = np.cumsum(share) - share / 2
    # stretched so that levels 0 and 1 are the lowest and the highest member
    places = (middle - middle[0]) / (middle[-1] - middle[0])
    return np.asarray(np.interp(levels, places, ranked))


def _weights(weights: ArrayLike | None, sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights spread over the sample and scaled to a sum of 1."""
    if weights is None:
        return np.full(sample.shape, 1.0 / sample.shape[-1])
    array = np.asarray(weights, np.float64)
    total = array.sum(axis=-1, keepdims=True)
    if not np.isfinite(array).all() or (array < 0).any() or not (total > 0).all():
        raise DataError(
            f"the weights reach from {array.min():g} to {array.max():g}; "
            "give finite ones, none below zero and not all zero"
        )
    return np.broadcast_to(array / total, sample.shape)
