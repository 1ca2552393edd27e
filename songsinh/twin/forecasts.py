"""Forecasts: what a belief expects under a scenario, with bands."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from songsinh.errors import DataError
from songsinh.metrics import quantiles
from songsinh.models import Array, Forcing, Model, Run
from songsinh.series import Series
from songsinh.twin.belief import Belief, Noise
from songsinh.twin.motion import advance

__all__ = ["Forecast", "forecast"]


@final
@dataclass(frozen=True)
class Forecast:
    """What the members of a belief do at the times (s); arrays are [members, times].

    `belief` is what is thought at the last of the times. `readings` adds the sensor's noise.
    """

    times: Array
    run: Run
    weights: Array
    belief: Belief
    noise: Noise | None = None

    def __getitem__(self, name: str) -> Array:
        """What each member expects of a state or output: [members, times]."""
        return self.run[name]

    def readings(self, name: str) -> Array:
        """What a sensor would read in each member: [members, times], its noise included."""
        sd = (self.noise.readings if self.noise else {}).get(name, 0.0)
        chance = np.random.Generator(
            np.random.Philox(key=[self.belief.seed, 2**62 + self.belief.cycle])
        )
        return self[name] + sd * chance.standard_normal(self[name].shape)

    def mean(self, name: str) -> Array:
        """The weighted mean at each time."""
        return self.weights @ self[name]

    def median(self, name: str) -> Array:
        """The weighted median at each time."""
        return quantiles(self[name].T, 0.5, weights=self.weights)

    def band(self, name: str, level: float = 0.9, *, read: bool = False) -> tuple[Array, Array]:
        """The lower and upper edge at each time between which the level (0 to 1) lies.

        With `read` the band is for what the sensor will read, not for the quantity itself.
        """
        if not 0 < level < 1:
            raise DataError(f"a band of level {level} is no band; use a share between 0 and 1")
        members = self.readings(name) if read else self[name]
        edges = quantiles(members.T, [(1 - level) / 2, (1 + level) / 2], weights=self.weights)
        return edges[:, 0], edges[:, 1]


def forecast(
    model: Model,
    belief: Belief,
    times: ArrayLike,
    *,
    inputs: Series | Forcing | None = None,
    noise: Noise | None = None,
) -> Forecast:
    """What a belief expects at the times (s) under a scenario of inputs.

    Times begin at or after the belief's own; members wander by the noise's drift.
    """
    wanted = np.asarray(times, dtype=np.float64)
    if wanted.ndim != 1 or not len(wanted) or (np.diff(wanted) < 0).any():
        raise DataError(f"the times to forecast are {times!r:.60}; give seconds in rising order")
    if wanted[0] < belief.time:
        raise DataError(
            f"the forecast begins at {wanted[0]:.6g} s, before the belief at {belief.time:.6g} s; "
            "forecast from an earlier belief or begin later"
        )
    begins = wanted[0] == belief.time
    grid = wanted if begins else np.concatenate([[belief.time], wanted])
    after, run = advance(model, belief, grid, inputs, noise.drift if noise else None)
    if not begins:
        run = Run(
            *(run.signals, wanted, run.states[:, 1:], run.outputs[:, 1:], run.codes),
            *(run.reached, run.reasons, run.events),
        )
    return Forecast(wanted, run, belief.weights, after, noise)
