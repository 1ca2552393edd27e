"""Baselines: the simple forecasts that a twin has to beat."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from songsinh.errors import DataError
from songsinh.models import Array

__all__ = ["exponential", "random_walk"]


def random_walk(
    times: ArrayLike,
    values: ArrayLike,
    horizon: ArrayLike,
    *,
    generator: np.random.Generator,
    members: int = 200,
) -> Array:
    """Paths [members, horizon] that go on from the last value with the drift seen so far.

    The simplest baseline: persistence with drift, whose normal bands grow with the time ahead.
    `times` and `horizon` are in one unit, in rising order. Source: Hyndman and Athanasopoulos
    (2021), Forecasting, sec. 5.2 and 5.5, for any spacing of times.
    """
    t, y, ahead = _history(times, values, horizon, 3)
    steps, length = np.diff(t), t[-1] - t[0]
    drift = (y[-1] - y[0]) / length
    spread = np.sqrt(np.sum((np.diff(y) - drift * steps) ** 2 / steps) / (len(steps) - 1))
    gone = np.diff(np.concatenate([[t[-1]], ahead]))
    walk = np.cumsum(np.sqrt(gone) * generator.standard_normal((members, len(ahead))), axis=1)
    # the drift itself is only known from one stretch of that length
    drifts = drift + spread / np.sqrt(length) * generator.standard_normal((members, 1))
    return np.asarray(y[-1] + drifts * (ahead - t[-1]) + spread * walk)


def exponential(
    times: ArrayLike,
    values: ArrayLike,
    horizon: ArrayLike,
    *,
    generator: np.random.Generator,
    members: int = 200,
) -> Array:
    """Curves a exp(b t) [members, horizon] fitted to the past, with the scatter of a reading.

    The simplest fitted baseline. Members differ by what the fit leaves open in a and b.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    t, y, ahead = _history(times, values, horizon, 4)
    length, size = t[-1] - t[0], float(np.abs(y).max()) or 1.0
    past, coming = (t - t[0]) / length, (ahead - t[0]) / length

    def curve(x: Array, a: Any, b: Any) -> Array:
        return np.asarray(a * np.exp(np.clip(b * x, -700.0, 700.0)))

    start = (float(np.mean(y)) / size, 0.0)
    if (y > 0).all() or (y < 0).all():
        slope, level = np.polyfit(past, np.log(np.abs(y) / size), 1)
        start = (float(np.sign(y[0]) * np.exp(level)), float(slope))
    try:
        best, covariance = curve_fit(curve, past, y / size, p0=start)
    except (RuntimeError, ValueError, OptimizeWarning) as error:
        raise DataError(
            f"no exponential fits these {len(y)} values ({error}); give a longer history"
        ) from error
    if not np.isfinite(covariance).all():
        covariance = np.zeros((2, 2))
    rest = np.sqrt(np.sum((y / size - curve(past, *best)) ** 2) / (len(y) - 2))
    a, b = generator.multivariate_normal(best, covariance, size=members, method="eigh").T
    scatter = rest * generator.standard_normal((members, len(ahead)))
    return np.asarray(size * (curve(coming, a[:, None], b[:, None]) + scatter))


def _history(
    times: ArrayLike, values: ArrayLike, horizon: ArrayLike, least: int
) -> tuple[Array, Array, Array]:
    """The readings that are there, and the times to forecast, checked."""
    t, y = np.asarray(times, np.float64), np.asarray(values, np.float64)
    ahead = np.atleast_1d(np.asarray(horizon, np.float64))
    if t.ndim != 1 or t.shape != y.shape:
        raise DataError(f"the history has times {t.shape} and values {y.shape}; give [samples]")
    t, y = t[np.isfinite(y)], y[np.isfinite(y)]
    if len(y) < least:
        raise DataError(f"the history holds {len(y)} readings; a baseline needs {least}")
    if (np.diff(t) <= 0).any() or (np.diff(ahead) < 0).any() or ahead[0] < t[-1]:
        raise DataError(
            f"the history ends at {t[-1]:g} and the forecast begins at {ahead[0]:g}; "
            "give times in rising order, the forecast after the history"
        )
    return t, y, ahead
