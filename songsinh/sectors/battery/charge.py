"""State of charge within a discharge, followed from its readings and a wrong start."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.metrics import rmse
from songsinh.models import Array, forcing
from songsinh.sectors.battery.cell import cell_model, drive, initial
from songsinh.sectors.battery.data import Discharge
from songsinh.sectors.battery.tracking import OWN, Estimate
from songsinh.series import Series
from songsinh.twin import EnsembleTransform, Noise, assimilate, believe

__all__ = ["Charge", "follow_charge"]

SENSORS: Final = {"voltage": 0.02, "temperature": 1.0}  # V, K; with the model's error
WANDER: Final = 2e-4 / 20**0.5  # 1/s^0.5, of the state of charge
METHOD: Final = EnsembleTransform(adapt=0.0)
MANY: Final = 160  # readings of one discharge that charge is followed by


@final
@dataclass(frozen=True, eq=False)
class Charge:
    """State of charge followed from a wrong start; arrays are [samples], shares of 1.

    `soc` is the mean and `sd` the spread of the members, `counted` the truth: 1 less the share
    of this discharge's own capacity drawn. Root mean square errors run from first load to
    2.7 V: ours, always `start`, charge counted from `start`, and counted from full.
    """

    times: Array
    soc: Array
    sd: Array
    counted: Array
    error: float
    covered: float
    constant: float
    coulomb: float
    coulomb_from_full: float


def follow_charge(
    discharge: Discharge,
    before: Estimate,
    *,
    start: tuple[float, float] = (0.9, 0.1),
    members: int = 60,
    seed: int = 1,
) -> Charge:
    """State of charge from voltage and temperature, from a wrong start (mean, sd).

    Only what was thought before the discharge and its readings so far are used, at most MANY
    of those. Empty is where the laboratory stops counting, as for the truth it is held to.
    """
    model = cell_model()
    own = {n: (float(m), float(s)) for n, m, s in zip(OWN, before.means, before.sds, strict=True)}
    fixed = {k: v for k, v in before.parameters.items() if k not in OWN}
    warm = initial(discharge)["temperature"]
    belief = believe(
        *(model, {"soc": start, "temperature": (warm, 0.3), **fixed, **own, "floor": 1.5}),
        members=members, seed=seed, time=float(discharge.times[0]) - 1.0,
    )  # fmt: skip
    wind = forcing(model.signals, drive(discharge))
    noise = Noise(SENSORS, drift={"soc": WANDER})
    readings = np.stack([discharge.voltage, discharge.temperature], axis=1)
    used = np.arange(0, len(readings), 1 + (len(readings) - 1) // MANY)
    seen = Series(discharge.times[used], readings[used], ("voltage", "temperature"))
    told = assimilate(model, belief, seen, noise=noise, inputs=wind, method=METHOD)
    return _judged(discharge, before, used, np.stack(told.estimate("soc"), axis=1), start[0])


def _judged(
    discharge: Discharge, before: Estimate, used: NDArray[np.int64], told: Array, start: float
) -> Charge:
    capacity = float(before.means[0])
    # the equations' empty lies a little below the laboratory's
    empty = before.surplus_ah / capacity
    soc, sd = (told[:, 0] - empty) / (1.0 - empty), told[:, 1] / (1.0 - empty)
    counted = discharge.charge_left[used]
    drawn = discharge.charge[used] / 3600.0 / (capacity - before.surplus_ah)
    rows = (used >= discharge.first) & (used <= discharge.last)
    truth = counted[rows]
    return Charge(
        *(discharge.times[used], soc, sd, counted),
        error=rmse(soc[rows], truth),
        covered=float(np.mean(np.abs(soc - counted)[rows] <= 1.645 * sd[rows])),
        constant=rmse(np.full(len(truth), start), truth),
        coulomb=rmse(start - drawn[rows], truth),
        coulomb_from_full=rmse(1.0 - drawn[rows], truth),
    )
