"""Problems: a fit as arrays, once everything about it has been checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import CalibrationError, near
from songsinh.models import Array, Model
from songsinh.twin.experiments import Experiment, Recording, recorded
from songsinh.twin.unknowns import Ranges, bounded, priors

__all__ = ["Problem", "first_noise", "posed"]

FAR: Final = 1e6  # spreads of a signal: the residual of a member that failed


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A fit as arrays: readings [n] in groups by signal, priors on some of the unknowns."""

    model: Model
    ranges: Ranges
    targets: tuple[tuple[bool, int], ...]  # of each unknown: a parameter?, its column
    recordings: tuple[Recording, ...]
    names: tuple[str, ...]  # of the groups
    values: Array
    groups: NDArray[np.int64]
    spread: Array  # of each group's readings
    priors: tuple[NDArray[np.int64], Array, Array]

    def predicted(self, places: Array) -> Array:
        """What the model shows [members, readings] at places; NaN where a member failed."""
        values = self.ranges.values(places)
        found = []
        for recording in self.recordings:
            states = np.tile(recording.states, (len(values), 1))
            parameters = np.tile(recording.parameters, (len(values), 1))
            for j, (law, column) in enumerate(self.targets):
                (parameters if law else states)[:, column] = values[:, j]
            run = self.model.run(recording.times, states, parameters, recording.wind)
            shown = np.concatenate([run.states, run.outputs], axis=2)
            found.append(shown[:, recording.rows, recording.places])
        return np.concatenate(found, axis=1)

    def residuals(self, places: Array, noise: Array) -> Array:
        """Residuals over noise [members, readings and priors]; finite for a failed member too."""
        far = FAR * self.spread[self.groups]
        with np.errstate(over="ignore"):
            away = np.clip(self.predicted(places) - self.values, -far, far)
        away = np.where(np.isnan(away), far, away) / noise[self.groups]
        which, means, sds = self.priors
        if not len(which):
            return np.asarray(away)
        drawn = (self.ranges.values(places)[:, which] - means) / sds
        return np.concatenate([away, drawn], axis=1)


def posed(
    model: Model,
    experiments: Experiment | Sequence[Experiment],
    unknown: Mapping[str, tuple[float, float] | None],
    prior: Mapping[str, tuple[float, float]],
    starts: int,
) -> Problem:
    """The fit as arrays, once everything about it has been checked."""
    given = (experiments,) if isinstance(experiments, Experiment) else tuple(experiments)
    if not given:
        raise CalibrationError("there is no experiment to fit; give at least one recording")
    if starts < 1:
        raise CalibrationError(f"a fit cannot begin from {starts} starts; use 1 or more")
    signals = model.signals
    ranges = bounded(signals, unknown)
    names = tuple(dict.fromkeys(name for one in given for name in one.readings.names))
    recordings = tuple(
        recorded(model, one, one.name or str(i + 1), ranges.names, names)
        for i, one in enumerate(given)
    )
    values = np.concatenate([one.values for one in recordings])
    groups = np.concatenate([one.groups for one in recordings])
    used, groups = np.unique(groups, return_inverse=True)  # some were never read
    names = tuple(names[g] for g in used)
    known = priors(signals, ranges, prior)
    if len(values) + len(known[0]) < len(ranges.names):
        raise CalibrationError(
            f"{len(values)} readings cannot fix {len(ranges.names)} unknowns; "
            "give more readings or fewer unknowns"
        )
    targets = tuple(
        (signals[name.partition("[")[0]].kind == "parameter", signals.index(name))
        for name in ranges.names
    )
    spread = np.array([_spread(values[groups == g]) for g in range(len(names))])
    return Problem(model, ranges, targets, recordings, names, values, groups, spread, known)


def _spread(values: Array) -> float:
    return float(np.std(values)) or float(np.abs(values[0])) or 1.0


def first_noise(problem: Problem, noise: Mapping[str, float]) -> tuple[NDArray[np.bool_], Array]:
    """Which signals' noise is to be learned, and a standard deviation for each to begin with."""
    for name, sd in noise.items():
        if name not in problem.names:
            raise CalibrationError(
                f"noise is given for {name!r}, which has no reading; {near(name, problem.names)}"
            )
        if not (np.isfinite(sd) and sd > 0):
            raise CalibrationError(
                f"the noise of {name!r} is {sd}; give a standard deviation above 0, or leave it out"
            )
    learned = np.array([name not in noise for name in problem.names])
    rows, k = len(problem.values) + len(problem.priors[0]), len(problem.ranges.names)
    if learned.any() and rows <= k:
        raise CalibrationError(
            f"{rows} readings and priors fix {k} unknowns with nothing left to learn noise from; "
            "give the noise, more readings or fewer unknowns"
        )
    given = [noise.get(n, s) for n, s in zip(problem.names, problem.spread, strict=True)]
    return learned, np.array(given, dtype=np.float64)
