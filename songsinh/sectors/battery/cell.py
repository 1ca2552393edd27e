"""The cell as an equivalent circuit with temperature: equations, signals, constants."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from songsinh.maths import exp, maximum, minimum
from songsinh.models import Equations, FixedStep
from songsinh.sectors.battery.data import Discharge
from songsinh.series import Series
from songsinh.signals import Signals, input_, output, parameter, state

__all__ = [
    "CONSTANTS",
    "CORRECTION_KNOTS",
    "HEAT_KNOTS",
    "INPUTS",
    "LEARNED",
    "OUTPUTS",
    "OWN",
    "SHAPE",
    "SHARED",
    "STATES",
    "cell_model",
    "constants",
    "drive",
    "flow",
    "initial",
    "shared_values",
    "voltages",
]

CONSTANTS: Final = Path(__file__).with_name("recordings") / "constants.json"
HEAT_KNOTS: Final = np.array([0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0])
CORRECTION_KNOTS: Final = np.array(
    [-0.06, -0.03, 0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    + [0.9, 0.95, 0.98, 1.0]
)
REST: Final = 0.05  # A, below which a current is the meter's own zero
WARM: Final = 298.15  # K, where resistances are stated

STATES: Final = (
    state("soc", "1", 1.0, lower=-0.15, upper=1.03, meaning="share of the capacity still there"),
    state("polarisation", "V", 0.0, lower=-1, upper=2, meaning="voltage lost to slow diffusion"),
    state("temperature", "K", WARM, lower=230, upper=400, meaning="temperature of the cell"),
)
INPUTS: Final = (
    input_("current", "A", 0.0, lower=-40, upper=40, meaning="current out of the cell"),
    input_("ambient", "K", WARM, lower=230, upper=360, meaning="temperature around the cell"),
)
# what each cell has of its own and what changes as it ages
OWN: Final = (
    parameter(
        *("capacity_ah", "Ah", 1.85), lower=0.02, upper=6, meaning="charge from full to empty"
    ),
    parameter(
        *("resistance", "1", 1.0), lower=0.2, upper=5, meaning="resistance against a fresh cell"
    ),
    parameter(
        *("rise", "1", 0.35), lower=-0.8, upper=6, meaning="how much resistance rises when empty"
    ),
    parameter(
        *("thermal_resistance", "K/W", 17.0), lower=2, upper=80, meaning="to the air around it"
    ),
)
# what all cells of this make share; fits begin here, cell_model() has what they found
SHARED: Final = (
    parameter("ocv_0", "V", 3.67, lower=2, upper=5, meaning="open-circuit voltage, constant"),
    parameter("ocv_1", "V", 0.99, lower=-5, upper=5, meaning="..., linear in soc"),
    parameter("ocv_2", "V", -1.25, lower=-8, upper=8, meaning="..., square of soc"),
    parameter("ocv_3", "V", 2.11, lower=-8, upper=8, meaning="..., cube of soc"),
    parameter("ocv_knee", "V", -0.61, lower=-2, upper=0.5, meaning="..., knee at empty"),
    parameter("knee_width", "1", 0.03, lower=0.015, upper=0.06, meaning="soc width of the knee"),
    parameter("ocv_full", "V", -1.33, lower=-5, upper=2, meaning="..., bend at full"),
    parameter("ohmic", "ohm", 0.109, lower=0.01, upper=0.3, meaning="resistance at once"),
    parameter("diffusive", "ohm", 0.038, lower=0.002, upper=0.2, meaning="resistance with time"),
    parameter("diffusion_time", "s", 97.0, lower=10, upper=400, meaning="its time constant"),
    parameter("activation", "K", 1130.0, lower=300, upper=4000, meaning="how cold raises both"),
    parameter("heat_capacity", "J/K", 60.0, lower=30, upper=90, meaning="of the cell"),
    *(
        parameter(
            *(f"entropic_{k}", "V", 0.0),
            lower=-0.6, upper=0.6, meaning=f"heat of reaction per ampere at soc {soc:g}",
        )
        for k, soc in enumerate(HEAT_KNOTS)
    ),
)  # fmt: skip
# shapes that readings tell apart poorly from the rest, and so are not fitted
SHAPE: Final = (
    parameter("full_width", "1", 0.34, lower=0.1, upper=0.5, meaning="soc width of that bend"),
    parameter("rise_width", "1", 0.25, lower=0.08, upper=0.3, meaning="soc width of the rise"),
)
LEARNED: Final = (
    parameter(
        *("correction", "V", 0.0),
        lower=-0.1, upper=0.1, size=len(CORRECTION_KNOTS),
        meaning="what this cell's last discharges showed beyond the equations, by soc",
    ),
    parameter("floor", "V", 1.5, lower=0, upper=4, meaning="where the laboratory ends the load"),
)  # fmt: skip
OUTPUTS: Final = (
    output("voltage", "V", meaning="voltage at the terminals"),
    output("open_circuit", "V", meaning="voltage the cell would have at rest"),
)


def flow(s: Any, u: Any, p: Any, own: Any) -> Any:
    """Rates of soc, polarisation and temperature; `own` holds the four values of OWN.

    Source: Plett, Battery Management Systems I (2015), ch. 2; heat after Bernardi, Pawlikowski
    and Newman (1985). Charge is conserved to rounding: a line is integrated exactly.
    """
    capacity_ah, resistance, rise, thermal_resistance = own
    warmth = resistance * exp(p.activation * (1.0 / s.temperature - 1.0 / WARM))
    ohmic = p.ohmic * warmth * (1.0 + rise * exp(-maximum(s.soc, -0.05) / p.rise_width))
    by_soc = (
        *(p.entropic_0, p.entropic_1, p.entropic_2, p.entropic_3),
        *(p.entropic_4, p.entropic_5, p.entropic_6),
    )
    reaction = lookup(s.soc, HEAT_KNOTS, by_soc)
    heat = u.current * (u.current * ohmic + s.polarisation + reaction)
    return (
        -u.current / (3600.0 * capacity_ah),
        (p.diffusive * warmth * u.current - s.polarisation) / p.diffusion_time,
        (heat - (s.temperature - u.ambient) / thermal_resistance) / p.heat_capacity,
    )


def voltages(s: Any, u: Any, p: Any, own: Any) -> Any:
    """Voltage at the terminals and at rest; `own` holds resistance and rise."""
    resistance, rise = own
    warmth = resistance * exp(p.activation * (1.0 / s.temperature - 1.0 / WARM))
    ohmic = p.ohmic * warmth * (1.0 + rise * exp(-maximum(s.soc, -0.05) / p.rise_width))
    soc = minimum(maximum(s.soc, -0.15), 1.03)
    rest = p.ocv_0 + soc * (p.ocv_1 + soc * (p.ocv_2 + soc * p.ocv_3))
    rest += p.ocv_knee * exp(-soc / p.knee_width) + p.ocv_full * exp((soc - 1.0) / p.full_width)
    learned = lookup(s.soc, CORRECTION_KNOTS, p.correction)
    loaded = rest - s.polarisation - u.current * ohmic + learned
    return maximum(loaded, p.floor), rest


def lookup(x: Any, knots: Any, values: Any) -> Any:
    """The value at x of a line through knots, level beyond the ends."""
    last = len(knots) - 1
    x = minimum(maximum(x, knots[0]), knots[last])
    k = 0
    while k < last - 1 and x > knots[k + 1]:
        k += 1
    share = (x - knots[k]) / (knots[k + 1] - knots[k])
    return (1.0 - share) * values[k] + share * values[k + 1]


def rate(t: Any, s: Any, u: Any, p: Any) -> Any:
    """How a cell's states change."""
    return flow(s, u, p, (p.capacity_ah, p.resistance, p.rise, p.thermal_resistance))


def observe(t: Any, s: Any, u: Any, p: Any) -> Any:
    """What a cell shows."""
    return voltages(s, u, p, (p.resistance, p.rise))


@cache
def constants() -> Mapping[str, Any]:
    """What `fit_shared` found and stored: values by signal, residuals, split and verdicts."""
    found: dict[str, Any] = json.loads(CONSTANTS.read_text(encoding="utf-8"))
    return found


def shared_values() -> dict[str, float]:
    """The stored constants by signal."""
    return dict(constants()["values"])


@cache
def cell_model() -> Equations:
    """One lithium-ion cell on the laboratory's bench; its start values are those of the fit.

    >>> from songsinh.models import simulate
    >>> load = Series([0.0], [[2.0]], ("current",))
    >>> simulate(cell_model(), [0.0, 1800.0], inputs=load)["soc"].round(3)
    array([[1.   , 0.459]])
    """
    shared = shared_values()
    fitted = tuple(replace(row, start=shared[row.name]) for row in SHARED)
    return Equations(
        "battery cell",
        Signals((*STATES, *INPUTS, *OWN, *fitted, *SHAPE, *LEARNED, *OUTPUTS)),
        rate=rate,
        output=observe,
        solver=FixedStep(20.0),
        meaning="18650 lithium-ion cell: equivalent circuit with temperature",
    )


def drive(discharge: Discharge) -> Series:
    """The inputs of a discharge: its current, and the air at the cell's own first reading."""
    current = np.where(np.abs(discharge.current) < REST, 0.0, discharge.current)
    ambient = np.full(len(current), discharge.temperature[0])
    return Series(discharge.times, np.stack([current, ambient], axis=1), ("current", "ambient"))


def initial(discharge: Discharge) -> dict[str, float]:
    """A full cell at rest, as warm as its first reading: known before the load comes."""
    return {"soc": 1.0, "polarisation": 0.0, "temperature": float(discharge.temperature[0])}
