"""Tracking: a cell's own values from discharge to discharge, its voltage foretold before each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np

from songsinh.errors import DataError
from songsinh.metrics import rmse
from songsinh.models import Array, Forcing, simulate
from songsinh.sectors.battery.ageing import Ageing, age
from songsinh.sectors.battery.ageing_model import AGEING, FUTURES, before_first_discharge
from songsinh.sectors.battery.cell import (
    CORRECTION_KNOTS,
    cell_model,
    drive,
    initial,
    shared_values,
)
from songsinh.sectors.battery.data import Cell, Discharge
from songsinh.sectors.battery.fitting import HEAVY, HEAVY_LOAD, LIGHT, experiment
from songsinh.twin import calibrate

__all__ = ["OWN", "Estimate", "Tracking", "first_estimate", "foresee", "learned", "track"]

OWN: Final = ("capacity_ah", "resistance", "rise", "thermal_resistance")
DRIFT: Final = (0.03, 0.02, 0.06, 1.0)  # sd of each from one discharge to the next
# 60 readings of a curve weigh as 20: the model errs alike on neighbours
NOISE: Final = {"voltage": 0.015 * 3**0.5, "temperature": 0.7 * 3**0.5}  # V, K
HASTE: Final = 0.4  # share of the newest curve in what is learned of the model's error
MOST: Final = 0.08  # V, of that error at any charge
SHORTEST: Final = 10  # samples under load that a curve needs to teach anything
CAPACITIES: Final = (0.05, 5.0)  # Ah, that a cell of this make may have
LAB_FLOOR: Final = 2.0  # V, the deepest end of load of this laboratory


@final
@dataclass(frozen=True, eq=False)
class Estimate:
    """What is thought of a cell before a discharge.

    `means` and `sds` are of capacity_ah [Ah], resistance [1], rise [1] and thermal_resistance
    [K/W]; `correction` [V] at CORRECTION_KNOTS is what the equations missed of late, `floor`
    [V] the lowest voltage under load so far, `shared` the constants of the make, and
    `surplus_ah` the capacity beyond the charge that the laboratory counts down to 2.7 V.
    """

    means: Array
    sds: Array
    correction: Array
    floor: float
    shared: Mapping[str, float]
    surplus_ah: float = 0.0

    @property
    def parameters(self) -> dict[str, Any]:
        """The cell's parameters by name, shared ones included."""
        own = dict(zip(OWN, self.means.tolist(), strict=True))
        return {**self.shared, **own, "correction": self.correction, "floor": self.floor}


@final
@dataclass(frozen=True, eq=False)
class Tracking:
    """A cell discharge by discharge; lists and arrays are [discharges with a curve].

    `before` is what was thought before each, `voltages` [samples] in V and `temperatures` in K
    what was foretold then. Errors are root mean squares in V, from first load to 2.7 V
    (`errors`) or to the end (`errors_to_end`), NaN for baselines that have no past; `walk`
    repeats the last curve, `exponential` is fitted to it. `heat_errors` are in K.
    """

    cell: str
    numbers: Array
    before: tuple[Estimate, ...]
    voltages: tuple[Array, ...]
    temperatures: tuple[Array, ...]
    errors: Array
    errors_to_end: Array
    heat_errors: Array
    walk: Array
    walk_to_end: Array
    exponential: Array

    def since(self, number: int) -> Any:
        """A mask [discharges]: that discharge and all after it."""
        return self.numbers >= number


def first_estimate(shared: Mapping[str, float] | None = None) -> Estimate:
    """What is thought of a cell of this make before its first discharge.

    `shared` are constants of a fit just made; else the stored ones.
    """
    return Estimate(
        means=np.array([1.9, 1.0, 0.35, 17.0]),
        sds=np.array([0.15, 0.15, 0.2, 5.0]),
        correction=np.zeros(len(CORRECTION_KNOTS)),
        floor=LAB_FLOOR,
        shared=shared_values() if shared is None else shared,
    )


def track(
    cell: Cell,
    *,
    ageing: Ageing | None = None,
    shared: Mapping[str, float] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tracking:
    """A cell's voltage foretold before each discharge, and learned from after it.

    Before a discharge its capacity comes from the ageing twin (`ageing`, made here where it is
    not given), all else from what the discharges before it showed.
    """
    if not cell.discharges:
        raise DataError(f"cell {cell.name!r} has no curve; give a file of its discharges")
    expected = _expected(cell, ageing or age(cell))
    estimate = first_estimate(shared)
    rows: list[tuple[float, ...]] = []
    before, voltages, temperatures = [], [], []
    past: Discharge | None = None
    for done, discharge in enumerate(cell.discharges):
        estimate = _aged(estimate, *expected[discharge.number])
        voltage, temperature = foresee(estimate, discharge)
        before.append(estimate)
        voltages.append(voltage)
        temperatures.append(temperature)
        rows.append(_scores(discharge, voltage, temperature, past))
        estimate, past = learned(estimate, discharge, first=past is None), discharge
        if progress is not None:
            progress(done + 1)
    numbers = np.array([one.number for one in cell.discharges])
    return Tracking(
        *(cell.name, numbers, tuple(before), tuple(voltages), tuple(temperatures)),
        *np.array(rows).T,
    )


def foresee(estimate: Estimate, discharge: Discharge) -> tuple[Array, Array]:
    """Voltage in V and temperature in K foretold at a discharge's samples [samples].

    Of the discharge only its current and its first temperature are used.
    """
    run = simulate(
        *(cell_model(), discharge.times),
        states=initial(discharge),
        parameters=estimate.parameters,
        inputs=drive(discharge),
    ).check()
    return run["voltage"][0], run["temperature"][0]


def learned(estimate: Estimate, discharge: Discharge, *, first: bool = False) -> Estimate:
    """The estimate after a discharge, ready for the next one.

    A curve that ends almost at once teaches nothing: the doubt grows and all else stays.
    """
    if discharge.last - discharge.first < SHORTEST:
        return replace(estimate, sds=np.hypot(estimate.sds, DRIFT))
    open_floor = replace(estimate, floor=1.5)
    counted = discharge.capacity_ah
    extra, sd = HEAVY if discharge.current.max() > HEAVY_LOAD else LIGHT
    prior = dict(zip(OWN, zip(estimate.means, estimate.sds, strict=True), strict=True))
    prior["capacity_ah"] = (counted + extra, sd)
    fixed = {k: v for k, v in open_floor.parameters.items() if k not in OWN}
    fit = calibrate(
        *(cell_model(), experiment(discharge, fixed)),
        unknown=dict.fromkeys(OWN), noise=NOISE, prior=prior, starts=1,
    )  # fmt: skip
    after = replace(open_floor, means=fit.values)
    voltage, _ = foresee(after, discharge)
    loaded = discharge.voltage[discharge.first :]
    lowest = float(loaded.min())
    return replace(
        estimate,
        means=fit.values,
        sds=np.hypot(fit.sd, DRIFT),
        correction=_corrected(after, discharge, voltage),
        floor=lowest if first else min(lowest, estimate.floor),
        surplus_ah=float(fit.values[0]) - counted,
    )


def _corrected(estimate: Estimate, discharge: Discharge, voltage: Array) -> Array:
    """What the equations missed, moved towards what this curve shows of it."""
    soc = 1.0 - discharge.charge / 3600.0 / estimate.means[0]
    rows = slice(discharge.first, None)
    here = np.interp(soc[rows], CORRECTION_KNOTS, estimate.correction)
    missed = np.clip((discharge.voltage - voltage)[rows] + here, -MOST, MOST)
    order = np.argsort(soc[rows], kind="stable")
    shown = np.interp(CORRECTION_KNOTS, soc[rows][order], missed[order])
    return np.asarray((1.0 - HASTE) * estimate.correction + HASTE * shown)


def _aged(estimate: Estimate, capacity_ah: float, sd: float) -> Estimate:
    """The estimate with the capacity that the ageing twin expects of the next discharge."""
    means, sds = estimate.means.copy(), estimate.sds.copy()
    means[0] = np.clip(capacity_ah + estimate.surplus_ah, *CAPACITIES)
    sds[0] = max(sd, 0.005)
    return replace(estimate, means=means, sds=sds)


def _expected(cell: Cell, ageing: Ageing) -> Mapping[int, tuple[float, float]]:
    """Mean and sd of the counted capacity in Ah that was expected of each discharge before it."""
    found: dict[int, tuple[float, float]] = {}
    beliefs = (before_first_discharge(), *ageing.beliefs)
    for number, effect in zip(ageing.numbers, ageing.effects, strict=True):
        belief = beliefs[int(number) - 1]
        wind = Forcing(np.array([belief.time]), np.full((1, FUTURES), effect), True)
        times = np.array([belief.time, belief.time + 1.0])
        ahead = AGEING.run(times, belief.states, belief.parameters, wind).outputs[:, -1, 0]
        found[int(number)] = (float(np.mean(ahead)), float(np.std(ahead)))
    return found


def _scores(
    discharge: Discharge, voltage: Array, temperature: Array, past: Discharge | None
) -> tuple[float, ...]:
    counted = slice(discharge.first, discharge.last + 1)
    loaded = slice(discharge.first, None)
    own = [rmse(voltage[part], discharge.voltage[part]) for part in (counted, loaded)]
    heat = rmse(temperature[counted], discharge.temperature[counted])
    if past is None:
        return (*own, heat, np.nan, np.nan, np.nan)
    walk, exponential = repeated(past, discharge), exponential_of(past, discharge)
    return (
        *(*own, heat),
        *(rmse(walk[part], discharge.voltage[part]) for part in (counted, loaded)),
        rmse(exponential[counted], discharge.voltage[counted]),
    )


def repeated(past: Discharge, discharge: Discharge) -> Array:
    """Baseline: the last discharge's voltage at the same time after the load came."""
    since = past.times[past.first :] - past.times[past.first]
    now = discharge.times - discharge.times[discharge.first]
    return np.asarray(np.interp(now, since, past.voltage[past.first :]))


def exponential_of(past: Discharge, discharge: Discharge) -> Array:
    """Baseline: a line, an early and a late exponential in time, fitted to the last discharge."""
    rows = slice(past.first, past.last + 1)
    since = past.times[rows] - past.times[past.first]
    end = since[-1]

    def shapes(t: Array) -> Array:
        late = np.exp(np.minimum((t - end) / 120.0, 3.0))
        return np.stack([np.ones(len(t)), t / 3600.0, late, np.exp(-t / 200.0)], axis=1)

    weights, *_ = np.linalg.lstsq(shapes(since), past.voltage[rows], rcond=None)
    now = discharge.times - discharge.times[discharge.first]
    return np.asarray(shapes(np.maximum(now, 0.0)) @ weights)
