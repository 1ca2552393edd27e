"""Filters: how one set of readings changes a belief's members and weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import FilterError
from songsinh.models import Array

__all__ = ["EnsembleTransform", "Evidence", "Method", "Particle", "systematic", "taper"]

Chance = Callable[[], np.random.Generator]
LEAST_INFLATION, MOST_INFLATION = 1.0, 4.0
GOLDEN = 0x9E3779B1  # spreads the turns evenly over the cycles, whatever their pattern


class Evidence(NamedTuple):
    """What a correction is made from: members [members, columns] and what each expected.

    `expected` [members, readings] and `gap` [readings] (reading less mean expected) are in
    units of the sensors' noise; `chance` gives the random numbers of this cycle.
    """

    table: Array
    expected: Array
    gap: Array
    weights: Array
    inflation: float
    cycle: int
    chance: Chance


@final
@dataclass(frozen=True, eq=False)
class EnsembleTransform:
    """The ensemble transform Kalman filter, for smooth models and bell-shaped beliefs.

    Source: Bishop, Etherton and Majumdar (2001); symmetric form of Hunt et al. (2007).
    `adapt` is how far the inflation may move at once: 0 keeps it where it is. Every `turn`
    corrections the members are turned about their mean, which keeps mean and covariance and
    stops single members from straying (Sakov and Oke 2008); 0 never turns. `localisation`
    [states then parameters, watched readings] holds weights from 0 to 1 (see `taper`).
    """

    adapt: float = 0.03
    turn: int = 20
    localisation: Array | None = None

    def update(self, evidence: Evidence) -> tuple[Array, Array, float]:
        """New members [members, columns], weights and inflation."""
        table, expected, gap, weights, inflation, cycle, chance = evidence
        if np.ptp(weights) > 1e-12:
            table, expected = _evened(table, expected, weights, chance)
            weights = np.full(len(weights), 1.0 / len(weights))
        members = len(table)
        mean = table.mean(axis=0)
        spread = table - mean
        scaled = (expected - expected.mean(axis=0)) / np.sqrt(members - 1)
        if self.localisation is None:
            shift, after = _transform(scaled, gap, spread)
        else:
            shift, after = _transform_locally(scaled, gap, spread, self.localisation)
        before = np.einsum("ij,ij->j", spread, spread)
        kept = np.einsum("ij,ij->j", after, after) / np.where(before > 0, before, 1.0)
        inflation = self._adapted(inflation, scaled, gap)
        # inflation works only where the readings told something, so that what no reading
        # touches does not grow without end
        after = after * np.sqrt(1.0 + (inflation - 1.0) * (1.0 - np.minimum(kept, 1.0)))
        if self.turn and (cycle * GOLDEN) % 2**32 < 2**32 // self.turn:
            after = _turn(members, chance()) @ after
        return mean + shift + after, weights, inflation

    def _adapted(self, inflation: float, scaled: Array, gap: Array) -> float:
        """Inflation moved towards innovations as large as they should be.

        Source: Li, Kalnay and Miyoshi (2009), with their normal approximation as the weight.
        """
        if self.adapt == 0:
            return inflation
        expected = float(np.einsum("ij,ij->", scaled, scaled))
        if expected <= 0:
            return inflation
        count = len(gap)
        ratio = (float(gap @ gap) - count) / expected
        doubt = 2.0 / count * (1.0 + count / expected) ** 2
        gain = self.adapt**2 / (self.adapt**2 + doubt)
        return float(np.clip(inflation * (1 + gain * (ratio - 1)), LEAST_INFLATION, MOST_INFLATION))


def _transform(scaled: Array, gap: Array, spread: Array) -> tuple[Array, Array]:
    """The shift of the mean [columns] and the new spread [members, columns].

    With S = scaled: shift = spread' S (1 + S'S)^-1 gap / sqrt(members - 1), and the new spread
    is (1 + SS')^-1/2 spread. Both come from the smaller of S'S and SS'.
    """
    members, readings = scaled.shape
    if readings <= members:
        values, vectors = np.linalg.eigh(scaled.T @ scaled)
        values = np.maximum(values, 0.0)
        side = scaled @ vectors
        root = np.sqrt(1.0 + values)
        cross = side.T @ spread
        shift = ((vectors.T @ gap) / (1.0 + values)) @ cross / np.sqrt(members - 1)
        return shift, spread - side @ (cross / (root * (1.0 + root))[:, None])
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    values = np.maximum(values, 0.0)
    cross = vectors.T @ spread
    shift = ((vectors.T @ (scaled @ gap)) / (1.0 + values)) @ cross / np.sqrt(members - 1)
    return shift, vectors @ (cross / np.sqrt(1.0 + values)[:, None])


def _transform_locally(
    scaled: Array, gap: Array, spread: Array, weights: Array
) -> tuple[Array, Array]:
    """Each column by the readings near it; columns with the same weights go together."""
    shift, after = np.zeros(spread.shape[1]), spread.copy()
    kinds, which = np.unique(weights, axis=0, return_inverse=True)
    for kind, row in enumerate(kinds):
        near, some = np.flatnonzero(row > 0), np.flatnonzero(which.ravel() == kind)
        if len(near):
            root = np.sqrt(row[near])
            shift[some], after[:, some] = _transform(
                scaled[:, near] * root, gap[near] * root, spread[:, some]
            )
    return shift, after


def _turn(members: int, random: np.random.Generator) -> Array:
    """A random rotation [members, members] that leaves every mean where it is."""
    tilt = np.full(members, 1.0 / np.sqrt(members))
    tilt[0] -= 1.0
    mirror = np.eye(members) - 2.0 * np.outer(tilt, tilt) / (tilt @ tilt)
    turned = np.eye(members)
    drawn, sizes = np.linalg.qr(random.standard_normal((members - 1, members - 1)))
    turned[1:, 1:] = drawn * np.sign(np.diag(sizes))
    rotation: Array = mirror @ turned @ mirror
    return rotation


@final
@dataclass(frozen=True)
class Particle:
    """The bootstrap particle filter, for beliefs of any shape and few unknowns.

    Members are drawn anew when the effective number falls below `share` of them, and then
    shrunk and shaken by `shake` of their spread, which keeps mean and variance.
    Source: Gordon et al. (1993); Liu and West (2001).
    """

    share: float = 0.5
    shake: float = 0.1

    def update(self, evidence: Evidence) -> tuple[Array, Array, float]:
        """New members [members, columns] and weights; see `EnsembleTransform.update`."""
        table, expected, gap, weights, inflation, _, chance = evidence
        missed = gap - (expected - weights @ expected)
        with np.errstate(divide="ignore"):
            likely = np.log(weights) - 0.5 * np.einsum("ij,ij->i", missed, missed)
        weights = np.exp(likely - likely.max())
        weights /= weights.sum()
        if 1.0 / (weights @ weights) >= self.share * len(weights):
            return table, weights, inflation
        mean = weights @ table
        sd = np.sqrt(weights @ (table - mean) ** 2)
        random = chance()
        drawn = table[systematic(weights, random)]
        keep = np.sqrt(1.0 - self.shake**2)
        drawn = mean + keep * (drawn - mean) + self.shake * sd * random.standard_normal(drawn.shape)
        return drawn, np.full(len(weights), 1.0 / len(weights)), inflation


Method = EnsembleTransform | Particle


def _evened(table: Array, expected: Array, weights: Array, chance: Chance) -> tuple[Array, Array]:
    drawn = systematic(weights, chance())
    return table[drawn], expected[drawn]


def systematic(weights: Array, random: np.random.Generator) -> NDArray[np.intp]:
    """Which members [members] to take so that all count alike; the weights sum to 1."""
    count = len(weights)
    places = (np.arange(count) + random.random()) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), places), count - 1)


def taper(distance: Array, radius: float) -> Array:
    """Weights from 1 at no distance to 0 at twice the radius.

    Source: Gaspari and Cohn (1999), equation 4.10.
    """
    if not radius > 0:
        raise FilterError(f"the radius of the localisation is {radius}; give a length above 0")
    r = np.abs(np.asarray(distance, dtype=np.float64)) / radius
    near = 1 - 5 / 3 * r**2 + 5 / 8 * r**3 + 1 / 2 * r**4 - 1 / 4 * r**5
    far = 4 - 5 * r + 5 / 3 * r**2 + 5 / 8 * r**3 - 1 / 2 * r**4 + 1 / 12 * r**5
    with np.errstate(divide="ignore"):
        far = far - 2 / (3 * np.where(r > 0, r, 1.0))
    return np.where(r <= 1, near, np.where(r < 2, np.maximum(far, 0.0), 0.0))
