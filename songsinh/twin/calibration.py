"""Calibration: the unknowns of a model from recordings, and how well those fix them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import CalibrationError, SignalError, near
from songsinh.models import Array, Model
from songsinh.signals import Signals
from songsinh.twin.experiments import Experiment
from songsinh.twin.identifiability import Identifiability, verdicts
from songsinh.twin.posteriors import Posterior, posterior
from songsinh.twin.problems import Problem, first_noise, posed
from songsinh.twin.searches import COARSE_END, End, search, settled, slopes_at, starting_places
from songsinh.twin.unknowns import Ranges

__all__ = ["Calibration", "calibrate"]


@final
@dataclass(frozen=True, eq=False)
class Calibration:
    """What the readings say about the unknowns, in the order of `names`.

    `values` fit best; `covariance` [unknowns, unknowns] is that of a normal posterior around
    them, before bounds cut it. `residual` is the root mean square of what is left of each signal
    and `noise` the standard deviation it was given or learned, both in the signal's unit.
    `cost` is half the sum of squared residuals over noise; `costs` those of all starts, before
    noise was learned.
    """

    names: tuple[str, ...]
    values: Array
    covariance: Array
    cost: float
    costs: tuple[float, ...]
    residual: Mapping[str, float]
    noise: Mapping[str, float]
    verdicts: tuple[Identifiability, ...]
    converged: bool
    signals: Signals
    ranges: Ranges
    open: Posterior
    posterior: str = "Laplace"

    def __getitem__(self, name: str) -> float:
        """The best value of one unknown."""
        if name not in self.names:
            raise SignalError(f"{name!r} was not fitted; {near(name, self.names)}")
        return float(self.values[self.names.index(name)])

    @property
    def sd(self) -> Array:
        """Standard deviations of the unknowns, before bounds cut them."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def parameters(self) -> dict[str, Any]:
        """The best parameters by name, for `simulate`."""
        return self._named(self.values, ("parameter",))

    @property
    def states(self) -> dict[str, Any]:
        """The best initial states by name, where any were unknown."""
        return self._named(self.values, ("state",))

    def band(self, share: float = 0.9) -> dict[str, tuple[float, float]]:
        """Lower and upper end of each unknown's band with that share, cut at its bounds.

        Student's t with the residual degrees of freedom where noise was learned.
        """
        if not 0 < share < 1:
            raise CalibrationError(f"a band cannot hold the share {share}; use 0.9 for 90 %")
        lower, upper = (self.ranges.values(end) for end in self.open.band(share))
        return {n: (float(a), float(b)) for n, a, b in zip(self.names, lower, upper, strict=True)}

    def members(self, count: int, generator: np.random.Generator | int = 0) -> dict[str, Array]:
        """Draws from the posterior by name [members], all inside the bounds, for `believe`.

        What the readings leave free is spread over all the room between its bounds.
        """
        if count < 1:
            raise CalibrationError(f"{count} members cannot be drawn; ask for 1 or more")
        places = self.open.draws(count, np.random.default_rng(generator))
        return self._named(self.ranges.values(places), ("parameter", "state"))

    def _named(self, table: Array, kinds: tuple[str, ...]) -> dict[str, Any]:
        """Values [..., unknowns] by signal; vectors are made whole with their start values."""
        found: dict[str, Any] = {}
        for name, value in zip(self.names, np.moveaxis(table, -1, 0), strict=True):
            signal = self.signals[name.partition("[")[0]]
            if signal.kind not in kinds:
                continue
            if signal.size == 1:
                found[name] = value if value.ndim else float(value)
                continue
            whole = np.full((*value.shape, signal.size), signal.start)
            found.setdefault(signal.name, whole)[..., signal.columns.index(name)] = value
        return found


def calibrate(
    model: Model,
    experiments: Experiment | Sequence[Experiment],
    *,
    unknown: Mapping[str, tuple[float, float] | None],
    noise: Mapping[str, float] | None = None,
    starts: int = 4,
    prior: Mapping[str, tuple[float, float]] | None = None,
    generator: np.random.Generator | int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> Calibration:
    """The parameters and initial states under which a model comes closest to its recordings.

    `unknown` names them with bounds, None for the signal's own; `noise` is the standard
    deviation of readings by signal, learned from the residuals where not given; `prior` gives
    mean and standard deviation. Bounded least squares from the signals' start values and from
    the best of a Latin hypercube; the posterior is Laplace's. Readings are taken as independent
    of each other: where the model is wrong in a lasting way, the bands are too narrow.
    Source: Branch, Coleman and Li (1999) for the search, Seber and Wild (1989), ch. 5, for bands.

    >>> from songsinh.models import Equations, simulate
    >>> from songsinh.series import Series
    >>> from songsinh.signals import parameter, state
    >>> decay = Equations("decay", (state("mass", "kg", 1.0), parameter("pace", "1/s", 0.5)),
    ...                   rate=lambda t, s, u, p: -p.pace * s.mass)
    >>> mass = simulate(decay, [0.0, 1.0, 2.0], parameters={"pace": 0.25})["mass"][0]
    >>> seen = Experiment(Series([0.0, 1.0, 2.0], mass, ("mass",)))
    >>> fit = calibrate(decay, seen, unknown={"pace": (0.01, 1.0)}, noise={"mass": 0.01})
    >>> round(fit["pace"], 4)
    0.25
    """
    told = progress or (lambda what, share: None)
    problem = posed(model, experiments, unknown, prior or {}, starts)
    learned, sds = first_noise(problem, noise or {})
    told("trying places between the bounds", 0.0)
    candidates = starting_places(problem, sds, starts, np.random.default_rng(generator))
    ends = []
    for i, place in enumerate(candidates):
        told(f"start {i + 1} of {len(candidates)}", 0.1 + 0.6 * i / len(candidates))
        ends.append(search(problem, place, sds, COARSE_END))
    told("closing in on the best", 0.7)
    best, sds = settled(problem, min(ends, key=lambda end: end.cost), sds, learned)
    told("asking what the readings can tell apart", 0.95)
    result = _result(problem, best, sds, learned)
    told("done", 1.0)
    return replace(result, costs=tuple(sorted(end.cost for end in ends)))


def _result(problem: Problem, best: End, noise: Array, learned: NDArray[np.bool_]) -> Calibration:
    ranges, place = problem.ranges, best.place
    steps = np.full(len(place), 1e-3)
    for _ in range(3):  # the last slopes are taken with the steps that suit this place
        jacobian, steps = slopes_at(problem, place, noise, steps)
    rows = len(problem.values) + len(problem.priors[0])
    found = posterior(jacobian, place, rows - len(place) if learned.any() else np.inf)
    reach = np.ones(len(place))
    which, _, sds = problem.priors
    reach[which] = np.minimum(1, 2 * found.quantile(0.9) * sds / ranges.slopes(place)[which])
    away = problem.residuals(place[None], np.ones(len(noise)))[0, : len(problem.groups)]
    left = np.sqrt(np.bincount(problem.groups, away**2) / np.bincount(problem.groups))
    slopes = ranges.slopes(place)

    def change(places: Array) -> Array:
        both = problem.residuals(np.concatenate([place[None], places]), noise)
        return np.asarray(np.linalg.norm(both[1:] - both[0], axis=1))

    return Calibration(
        names=ranges.names,
        values=ranges.values(place),
        covariance=slopes[:, None] * found.covariance * slopes,
        cost=best.cost,
        costs=(),
        residual=dict(zip(problem.names, left.tolist(), strict=True)),
        noise=dict(zip(problem.names, noise.tolist(), strict=True)),
        verdicts=verdicts(ranges, found, jacobian, reach, change),
        converged=best.converged,
        signals=problem.model.signals,
        ranges=ranges,
        open=found,
    )
