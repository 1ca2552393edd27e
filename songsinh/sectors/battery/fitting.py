"""The constants that all cells of this make share, by one fit over many discharges."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import CalibrationError, DataError
from songsinh.files import write_whole
from songsinh.models import Array, Equations, FixedStep, simulate
from songsinh.sectors.battery.cell import (
    CONSTANTS,
    HEAT_KNOTS,
    INPUTS,
    LEARNED,
    OUTPUTS,
    SHAPE,
    SHARED,
    STATES,
    cell_model,
    drive,
    flow,
    initial,
    voltages,
)
from songsinh.sectors.battery.data import Cell, Discharge, fitting_cells
from songsinh.series import Series
from songsinh.signals import Signals, parameter
from songsinh.twin import Calibration, Experiment, calibrate

__all__ = [
    "PICKS",
    "QUICK_PICKS",
    "SharedFit",
    "checksum",
    "experiment",
    "fit_shared",
    "picked",
    "store",
]

Pick = tuple[str, int]  # cell and number of a discharge
PICKS: Final[tuple[Pick, ...]] = (
    *((cell, n) for cell in ("B0005", "B0006") for n in (2, 10, 20, 30, 40, 50, 60)),
    *((cell, n) for cell in ("B0025", "B0026", "B0027") for n in (2, 20)),
    *((cell, n) for cell in ("B0029", "B0030", "B0031") for n in (3, 35)),
)
QUICK_PICKS: Final[tuple[Pick, ...]] = (
    *((cell, n) for cell in ("B0005", "B0006") for n in (2, 60)),
    *(("B0025", 20), ("B0029", 3), ("B0031", 35)),
)
PLACES: Final = len(PICKS)
NOISE: Final = {"voltage": 0.015, "temperature": 0.7}  # V and K, model error more than sensors'
FULL: Final = 60  # readings of a discharge in a fit; more repeat the same model error
PRIOR: Final = {
    "resistance": (1.0, 0.3),
    "rise": (0.27, 0.4),
    "thermal_resistance": (15.0, 9.0),
    **{f"entropic_{k}": (0.0, 0.1) for k in range(len(HEAT_KNOTS))},
    "ocv_knee": (-0.59, 0.1),
    "activation": (1500.0, 1000.0),
    "heat_capacity": (45.0, 10.0),  # 0.045 kg at 1.0 +- 0.2 kJ/kg/K
}
LIGHT: Final = (0.0, 0.01)  # Ah beyond the counted charge, at about 1C
HEAVY: Final = (0.02, 0.04)  # and at 4 A, where the cut-off comes long before empty
HEAVY_LOAD: Final = 3.0  # A

MANY: Final = (
    parameter("which", "1", 0.0, lower=0, upper=PLACES, meaning="the discharge at hand"),
    parameter("counted_ah", "Ah", 1.8, lower=0, upper=10, meaning="charge counted in it"),
    parameter("surplus_ah", "Ah", 0.0, lower=-0.5, upper=1.5, size=PLACES, meaning="beyond it"),
    parameter("resistance", "1", 1.0, lower=0.3, upper=4, size=PLACES, meaning="see the cell"),
    parameter("rise", "1", 0.35, lower=-0.8, upper=6, size=PLACES, meaning="see the cell"),
    parameter(
        "thermal_resistance", "K/W", 15.0, lower=3, upper=60, size=PLACES, meaning="see the cell"
    ),
)


@final
@dataclass(frozen=True, eq=False)
class SharedFit:
    """The constants by signal, from which discharges, and how well they fit in V and K."""

    values: Mapping[str, float]
    picks: tuple[Pick, ...]
    rows: int
    checksum: str
    calibration: Calibration
    curves_mv: Mapping[Pick, float]

    def to_json(self) -> str:
        """The fit as the file that `cell.constants` reads."""
        fit = self.calibration
        names = {row.name for row in SHARED}
        about = {
            "made_by": "songsinh.sectors.battery.fitting.fit_shared",
            "values": self.values,
            "sd": {n: float(s) for n, s in zip(fit.names, fit.sd, strict=True) if n in names},
            "residual": dict(fit.residual),
            "voltage_rmse_mv": {f"{c} {n}": round(v, 2) for (c, n), v in self.curves_mv.items()},
            "converged": fit.converged,
            "verdicts": {v.name: v.sentence for v in fit.verdicts if v.name in names},
            "discharges": [list(pick) for pick in self.picks],
            "rows": self.rows,
            "checksum": self.checksum,
        }
        return json.dumps(about, indent=1, sort_keys=True) + "\n"


def fit_shared(
    cells: Mapping[str, Cell] | None = None,
    *,
    picks: Sequence[Pick] = PICKS,
    progress: Callable[[str, float], None] | None = None,
) -> SharedFit:
    """The shared constants from some discharges of `fitting_cells()`, or of other cells.

    Each discharge brings four unknowns of its own (capacity, resistance, rise, way of heat),
    all are found together. QUICK_PICKS takes a few seconds and lands within 5 mV of it.
    """
    if not 1 <= len(picks) <= PLACES:
        raise CalibrationError(f"{len(picks)} discharges cannot be fitted; pick 1 to {PLACES}")
    chosen = picked(fitting_cells() if cells is None else cells, picks)
    used = range(len(chosen))
    own = ("surplus_ah", "resistance", "rise", "thermal_resistance")
    unknown = [row.name for row in SHARED] + [f"{name}[{j}]" for name in own for j in used]
    prior = {name: pair for name, pair in PRIOR.items() if name in {row.name for row in SHARED}}
    for j, discharge in enumerate(chosen):
        heavy = discharge.current.max() > HEAVY_LOAD
        prior[f"surplus_ah[{j}]"] = HEAVY if heavy else LIGHT
        prior |= {f"{name}[{j}]": PRIOR[name] for name in own[1:]}
    experiments = [
        experiment(one, {"which": float(j), "counted_ah": one.capacity_ah})
        for j, one in enumerate(chosen)
    ]
    fit = calibrate(
        *(_many_model(), experiments),
        unknown=dict.fromkeys(unknown),
        noise=NOISE,
        prior=prior,
        starts=1,
        progress=progress,
    )
    found = {row.name: fit[row.name] for row in SHARED}
    return SharedFit(
        *(found, tuple(picks), sum(len(one.times) for one in chosen), checksum(chosen)),
        *(fit, _curves(fit, found, chosen)),
    )


def store(fit: SharedFit, path: Path = CONSTANTS) -> Path:
    """Keep a fit as the constants that every cell model starts from; returns the path."""
    return write_whole(path, fit.to_json())


def picked(cells: Mapping[str, Cell], picks: Iterable[Pick]) -> tuple[Discharge, ...]:
    """The picked discharges; DataError when one is not there."""
    found = []
    for name, number in picks:
        curves = cells[name].discharges if name in cells else ()
        match = [one for one in curves if one.number == number]
        if not match:
            raise DataError(
                f"there is no curve of discharge {number} of cell {name!r}; pick another"
            )
        found.append(match[0])
    return tuple(found)


@cache
def _many_model() -> Equations:
    """The cell with a place for each discharge's own values, so that all are fitted at once."""
    return Equations(
        "battery cell, many discharges",
        Signals((*STATES, *INPUTS, *MANY, *SHARED, *SHAPE, *LEARNED, *OUTPUTS)),
        rate=_rate,
        output=_observe,
        solver=FixedStep(40.0),
    )


def _rate(t: Any, s: Any, u: Any, p: Any) -> Any:
    k = int(p.which)
    capacity_ah = p.counted_ah + p.surplus_ah[k]
    return flow(s, u, p, (capacity_ah, p.resistance[k], p.rise[k], p.thermal_resistance[k]))


def _observe(t: Any, s: Any, u: Any, p: Any) -> Any:
    k = int(p.which)
    return voltages(s, u, p, (p.resistance[k], p.rise[k]))


def experiment(discharge: Discharge, parameters: Mapping[str, ArrayLike]) -> Experiment:
    """A discharge as `calibrate` takes it, thinned out, with the parameters already known."""
    kept = _readings_kept(discharge)
    readings = np.stack([discharge.voltage, discharge.temperature], axis=1)[kept]
    return Experiment(
        readings=Series(discharge.times[kept], readings, ("voltage", "temperature")),
        inputs=_thinned(drive(discharge)),
        states=initial(discharge),
        parameters=parameters,
        name=f"{discharge.cell} {discharge.number}",
        start=float(discharge.times[0]),
    )


def _readings_kept(discharge: Discharge) -> NDArray[np.int64]:
    """Readings from the first load to 2.7 V, FULL of them, none of the steep end left out."""
    rows = np.arange(discharge.first, discharge.last + 1)
    steep = max(len(rows) // 6, 1)
    body = rows[:-steep]
    every = max(1, round(len(body) / max(FULL - steep, 1)))
    return np.concatenate([body[::every], rows[-steep:]])


def _thinned(inputs: Series) -> Series:
    """Fewer corners where the current hardly moves; the charge drawn stays to 1 in 10,000."""
    current = inputs["current"]
    level = np.abs(np.diff(current)) < 0.05
    corner = np.ones(len(current), dtype=bool)
    corner[1:-1] = ~(level[1:] & level[:-1])
    corner[::4] = True
    return Series(inputs.times[corner], inputs.values[corner], inputs.names)


def checksum(discharges: Iterable[Discharge]) -> str:
    """SHA-256 of all the samples of some discharges, so that a fit names what it was made from."""
    digest = hashlib.sha256()
    for one in discharges:
        for column in (one.times, one.voltage, one.current, one.temperature):
            digest.update(np.ascontiguousarray(column, "<f8").tobytes())
    return digest.hexdigest()


def _curves(
    fit: Calibration, shared: Mapping[str, float], chosen: Sequence[Discharge]
) -> dict[Pick, float]:
    """Voltage error of each fitted discharge, root mean square in mV, by the cell's own model."""
    errors: dict[Pick, float] = {}
    for j, one in enumerate(chosen):
        own: dict[str, Any] = {"capacity_ah": one.capacity_ah + fit[f"surplus_ah[{j}]"]}
        own |= {n: fit[f"{n}[{j}]"] for n in ("resistance", "rise", "thermal_resistance")}
        run = simulate(
            *(cell_model(), one.times),
            states=initial(one), parameters={**shared, **own}, inputs=drive(one),
        )  # fmt: skip
        scored: slice = slice(one.first, one.last + 1)
        away: Array = (run["voltage"][0] - one.voltage)[scored]
        errors[one.cell, one.number] = float(1e3 * np.sqrt(np.mean(away**2)))
    return errors
