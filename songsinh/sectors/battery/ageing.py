"""Ageing: a cell's capacity followed discharge after discharge, and forecast.

Time counts discharges; capacities are in Ah. See `ageing_model.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.errors import DataError
from songsinh.models import Array, Forcing
from songsinh.sectors.battery.ageing_constants import LEARNED, AgeingConstants
from songsinh.sectors.battery.ageing_model import (
    AGEING,
    CALM,
    FUTURES,
    RESTLESS,
    before_first_discharge,
    rest_effect,
)
from songsinh.sectors.battery.data import CONSTANT_CURRENT, Cell, fitting_cells
from songsinh.series import Series
from songsinh.twin import Belief, EnsembleTransform, Forecast, Noise, assimilate, forecast

__all__ = ["Ageing", "Outlook", "after_discharge", "age", "foretell"]

GATE: Final = 3.0  # sd from which a reading is a surprise rather than a measure
# the noise is learned, and it shakes every member: nothing is left to inflate or to turn
METHOD: Final = EnsembleTransform(adapt=0.0, turn=0)
REGENERATION, NOISE_SCALE, EVIDENCE, FUTURE = (
    AGEING.signals.index(name) for name in ("regeneration", "noise_scale", "evidence", "future")
)


@final
@dataclass(frozen=True, eq=False)
class Ageing:
    """What was thought of a cell after each of its discharges; arrays are [discharges].

    `numbers` run from 1 without a gap; `capacities` is what each measured (Ah, NaN where
    unusable), `effects` the share of a full recovery by the rest before it. `innovations` are
    readings less expectation in sd, `noise_scales` the cell's variance, times the usual one.
    """

    name: str
    numbers: NDArray[np.int64]
    capacities: Array
    effects: Array
    beliefs: tuple[Belief, ...]
    innovations: Array
    noise_scales: Array
    constants: AgeingConstants = LEARNED

    def __len__(self) -> int:
        return len(self.beliefs)


@final
@dataclass(frozen=True, eq=False)
class Outlook:
    """What is expected of a cell after discharge `at`; capacities in Ah."""

    name: str
    at: int
    forecast: Forecast

    @property
    def times(self) -> Array:
        """The numbers of the discharges ahead: [horizon]."""
        return self.forecast.times

    @property
    def path(self) -> Array:
        """The capacity that each member holds: [members, horizon]."""
        return self.forecast["capacity"]

    @cached_property
    def members(self) -> Array:
        """The capacity that each member would measure: [members, horizon]."""
        return self.forecast.readings("capacity")

    @cached_property
    def median(self) -> Array:
        """The median of the paths: [horizon]."""
        return self.forecast.median("capacity")

    def band(self, level: float = 0.9) -> tuple[Array, Array]:
        """Lower and upper edge between which a measured capacity lies at that level (0 to 1)."""
        return self.forecast.band("capacity", level, read=True)


def age(
    cell: Cell,
    *,
    members: int = 500,
    seed: int = 1,
    until: int | None = None,
    constants: AgeingConstants = LEARNED,
    progress: Callable[[int], None] | None = None,
) -> Ageing:
    """What is thought of a cell after each of its discharges, up to the last or to `until`.

    Numbers missing from its record pass unmeasured, and so do capacities that no 2 Ah cell can
    have. `progress` is told the number of each discharge that is done.
    """
    capacities, effects = _by_number(cell, until, constants)
    belief = before_first_discharge(members=members, seed=seed, constants=constants)
    beliefs, innovations = [], np.full(len(capacities), np.nan)
    for row, (capacity, effect) in enumerate(zip(capacities, effects, strict=True)):
        belief, innovations[row] = after_discharge(belief, capacity, effect, constants=constants)
        beliefs.append(belief)
        if progress is not None:
            progress(row + 1)
    return Ageing(
        name=cell.name,
        numbers=np.arange(1, len(capacities) + 1),
        capacities=capacities,
        effects=effects,
        beliefs=tuple(beliefs),
        innovations=innovations,
        noise_scales=np.array([_noise_scale(each) for each in beliefs]),
        constants=constants,
    )


def _by_number(cell: Cell, until: int | None, constants: AgeingConstants) -> tuple[Array, Array]:
    """Capacity and rest effect of every discharge from the first."""
    known = cell.numbers >= 1
    if until is not None:
        known &= cell.numbers <= until
    if not known.any():
        raise DataError(
            f"cell {cell.name!r} has no discharge{'' if until is None else f' up to {until}'}; "
            "give its capacities from discharge 1 on"
        )
    rows = cell.numbers[known] - 1
    capacities, effects = np.full(rows.max() + 1, np.nan), np.zeros(rows.max() + 1)
    capacities[rows] = cell.capacities_ah[known]
    rests = cell.rests_h[known]
    effects[rows] = np.where(np.isnan(rests), np.nan, rest_effect(rests, constants))
    signal = AGEING.signals["capacity"]
    capacities[~((capacities >= signal.lower) & (capacities <= signal.upper))] = np.nan
    return capacities, effects


def after_discharge(
    belief: Belief, capacity: float, effect: float, *, constants: AgeingConstants = LEARNED
) -> tuple[Belief, float]:
    """The belief after one more discharge, and how far the reading was off, in sd.

    `capacity` is in Ah, NaN where not measured; `effect` is `rest_effect` of the rest before,
    NaN where nobody noted it: each member then draws one of the laboratory's usual rests.
    A reading beyond 3 sd counts as if it were at 3. A second one in a row on the same side is
    a real shift, to which the lasting capacity is opened.
    """
    now = belief.time + 1.0
    noted = not np.isnan(effect)
    if not noted:
        rests = _chance(belief, 2**60).choice(usual_effects(), (1, FUTURES))
        belief, effect = _parted(belief), 0.0
    else:
        rests = np.full((1, FUTURES), effect)
    wind = Forcing(np.array([belief.time]), rests, True)
    noise = _noise(belief, effect, constants)
    # the same chance drives this look ahead and the step below, so both see the same members
    ahead = forecast(AGEING, belief, [now], inputs=wind, noise=noise)["capacity"][:, 0]
    doubt = float(np.sqrt(np.var(ahead) + noise.readings["capacity"] ** 2))
    surprise = (capacity - float(np.mean(ahead))) / doubt
    if abs(surprise) > GATE:
        noise = _opened(belief, noise, surprise, doubt)
    reading = Series(np.array([now]), np.array([[capacity]]), ("capacity",))
    belief = assimilate(AGEING, belief, reading, noise=noise, inputs=wind, method=METHOD).belief
    # a first reading, after storage, says nothing about the noise of the others, and neither
    # does one that an unknown rest may explain
    if now >= 2 and noted and np.isfinite(surprise):
        belief = _learned(belief, surprise)
    return belief, surprise


@cache
def usual_effects() -> Array:
    """How the rests of this laboratory work (shares of a full recovery), from fitting cells."""
    cells = fitting_cells()
    effects = [rest_effect(cells[name].rests_h[1:]) for name in CONSTANT_CURRENT]
    return np.concatenate(effects)


def _parted(belief: Belief) -> Belief:
    """The belief with its members spread over the futures, in turn."""
    table = belief.parameters.copy()
    table[:, FUTURE] = np.arange(len(belief)) % FUTURES
    return replace(belief, parameters=table)


def _chance(belief: Belief, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[belief.seed, stream + belief.cycle]))


def _noise_scale(belief: Belief) -> float:
    return float(belief.parameters[0, NOISE_SCALE])


def _noise(belief: Belief, effect: float, constants: AgeingConstants) -> Noise:
    """The noise of the next discharge, as restless as the cell has shown itself to be."""
    restless = float(np.sqrt(_noise_scale(belief)))
    first = constants.first_reading if belief.time < 1 else 0.0
    luck = constants.regeneration_scatter * float(belief.parameters[:, REGENERATION].mean())
    return Noise(
        {"capacity": float(np.hypot(restless * constants.reading, first))},
        drift={
            "lasting": restless * constants.lasting_drift,
            "fade": restless * constants.fade_drift,
            "recovered": restless * luck * effect,
        },
    )


def _opened(belief: Belief, noise: Noise, surprise: float, doubt: float) -> Noise:
    """The noise under which a surprise is one of 3 sd, or the second in a row one of 2."""
    drift = dict(noise.drift or {})
    before = np.nan if belief.memory is None else belief.memory[-1, 2, 0]
    # the surprise before was let in as one of just 3 sd
    if abs(before) > GATE - 1e-6 and before * surprise > 0:
        more = doubt * np.sqrt((0.5 * surprise) ** 2 - 1.0)
        return Noise(noise.readings, drift | {"lasting": float(np.hypot(drift["lasting"], more))})
    wider = np.hypot(noise.readings["capacity"], doubt * np.sqrt((surprise / GATE) ** 2 - 1.0))
    return Noise({"capacity": float(wider)}, drift)


def _learned(belief: Belief, surprise: float) -> Belief:
    """The belief with what the last surprise says about how restless the cell is."""
    table = belief.parameters.copy()
    scale, evidence = table[0, NOISE_SCALE], table[0, EVIDENCE]
    squared = min(abs(surprise), GATE) ** 2
    table[:, NOISE_SCALE] = np.clip(scale * (evidence + squared) / (evidence + 1), CALM, RESTLESS)
    table[:, EVIDENCE] = evidence + 1
    return replace(belief, parameters=table)


def foretell(ageing: Ageing, at: int, horizon: int = 200) -> Outlook:
    """What was expected after discharge `at` of the next `horizon` discharges.

    The scenario is "rests as so far": each of 100 futures draws them from the cell's own past,
    and the luck of each; the members take the futures in turn.
    """
    if not 1 <= at <= len(ageing) or horizon < 1:
        raise DataError(
            f"a forecast of {horizon} discharges after number {at} cannot be made: cell "
            f"{ageing.name!r} was followed from 1 to {len(ageing)}; ask within those"
        )
    belief, constants = ageing.beliefs[at - 1], ageing.constants
    chance = _chance(belief, 2**61)
    shape = (horizon, FUTURES)
    # what came before the first discharge is storage, not a rest
    noted = ageing.effects[1:at]
    noted = noted[np.isfinite(noted)]
    rests = chance.choice(noted if len(noted) else usual_effects(), shape)
    scatter = np.sqrt(_noise_scale(belief)) * constants.regeneration_scatter
    luck = 1.0 + scatter * chance.standard_normal(shape)
    ahead = forecast(
        *(AGEING, _parted(belief), at + np.arange(1.0, horizon + 1.0)),
        inputs=Forcing(at + np.arange(horizon, dtype=np.float64), rests * luck, True),
        noise=_noise(belief, 0.0, constants),
    )
    return Outlook(ageing.name, at, ahead)
