"""Posteriors: what a fit leaves open, as steps from its best place that stay inside bounds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np

from songsinh.models import Array

__all__ = ["SILENT", "Posterior", "posterior"]

NULL: Final = 1e-4  # below it a singular value is the error of finite differences, not of data
TRACE: Final = 1e-3  # smaller parts of a null direction are rounding
WIDE: Final = 10.0  # ranges: the sd given to a direction that the readings leave free
SILENT: Final = 1e-3  # noise sds that all readings together move over a range: nothing
SWEEPS: Final = 30


@final
@dataclass(frozen=True, eq=False)
class Posterior:
    """What a fit leaves open: independent normal steps from its best place, cut at the bounds.

    Column i of `directions` is a step over the unknowns in ranges, `sds[i]` its standard
    deviation. `freedom` is that of Student's t, infinite where the noise was known.
    """

    centre: Array
    directions: Array
    sds: Array
    freedom: float

    @cached_property
    def covariance(self) -> Array:
        """Covariance of the places, before the bounds cut it."""
        spread = self.directions * self.sds
        return np.asarray(spread @ spread.T)

    def quantile(self, share: float) -> float:
        """How many standard deviations to each side hold that share."""
        from scipy.special import ndtri, stdtrit

        tail = 0.5 + 0.5 * share
        return float(stdtrit(self.freedom, tail) if np.isfinite(self.freedom) else ndtri(tail))

    def band(self, share: float) -> tuple[Array, Array]:
        """Lower and upper places of the band with that share, cut at the bounds."""
        reach = self.quantile(share) * np.sqrt(np.diag(self.covariance))
        return np.clip(self.centre - reach, 0, 1), np.clip(self.centre + reach, 0, 1)

    def draws(self, count: int, generator: np.random.Generator) -> Array:
        """Places [count, unknowns], all inside the bounds.

        Gibbs sampling along the independent steps: directions that the readings leave free
        are spread over all the room between the bounds, and stay on what the readings fix.
        """
        places = np.tile(self.centre, (count, 1))
        steps = np.zeros_like(places)
        stretch = np.ones(count)
        if np.isfinite(self.freedom):
            stretch = np.sqrt(self.freedom / generator.chisquare(self.freedom, count))
        for _ in range(SWEEPS):
            for i, direction in enumerate(self.directions.T):
                sd = self.sds[i] * stretch
                low, high = _room(places, direction)
                low, high = (steps[:, i] + low) / sd, (steps[:, i] + high) / sd
                new = sd * _normal_between(low, high, generator)
                places = np.clip(places + np.outer(new - steps[:, i], direction), 0, 1)
                steps[:, i] = new
        return places


def _room(places: Array, direction: Array) -> tuple[Array, Array]:
    """How far each place can move back and forth along a direction inside 0 to 1."""
    moving = np.abs(direction) > 1e-9 * np.abs(direction).max()
    ends = np.stack([-places[:, moving], 1 - places[:, moving]]) / direction[moving]
    back = np.minimum(ends.min(axis=0).max(axis=1), 0.0)
    return back, np.maximum(ends.max(axis=0).min(axis=1), 0.0)


def _normal_between(low: Array, high: Array, generator: np.random.Generator) -> Array:
    """Standard normal draws between two limits each."""
    from scipy.special import ndtr, ndtri

    # probabilities near one have no digits left, so the upper tail is drawn as the lower
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    share = generator.random(len(low))
    drawn = np.clip(ndtri(ndtr(low) + share * (ndtr(high) - ndtr(low))), low, high)
    return np.asarray(np.where(flip, -drawn, drawn))


def posterior(jacobian: Array, centre: Array, freedom: float) -> Posterior:
    """The Laplace posterior of places from the slopes [readings, unknowns] in noise sds.

    Source: Seber and Wild (1989), Nonlinear Regression, 5.1. Columns are first brought to one
    length, so that an unknown with little weight is not taken for one with none.
    """
    # none is below SILENT, so a column of zeros stays one
    weight = np.maximum(np.linalg.norm(jacobian, axis=0), SILENT)
    # all right vectors are wanted, but none of the left ones, one for each reading
    triangle = np.linalg.qr(jacobian / weight, mode="r")
    singular, right = np.linalg.svd(triangle, full_matrices=True)[1:]
    strength = np.zeros(len(weight))
    strength[: len(singular)] = singular
    free = strength < NULL
    sds = 1 / np.where(free, 1.0, strength)
    if free.any():
        part = np.sqrt((right[free] ** 2).sum(axis=0))
        right[np.ix_(free, part < TRACE)] = 0.0
        # one sd for all free directions: how the decomposition turned them must not matter
        sds[free] = WIDE * weight[part >= TRACE].max()
    return Posterior(centre, (right / weight).T, sds, freedom)
