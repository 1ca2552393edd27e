"""The cell as it is followed live: the same laws, with the make's constants inside them.

A twin at work corrects every column it has at every reading, so this model has few: four
states and five values that are a cell's own. What the equations miss is a state too, which
comes and goes, so that readings that err together are not believed one by one.
"""

from functools import cache
from typing import Any, Final, NamedTuple, final

from songsinh.maths import clip, exp, maximum
from songsinh.models import Equations, FixedStep
from songsinh.sectors.battery.cell import INPUTS, OWN, STATES, flow, shared_values, voltages
from songsinh.signals import Signals, output, parameter, state

__all__ = ["live_model"]

MISMATCH_TIME: Final = 1500.0  # s, for which an error of the equations lasts
# near empty, where the curve is steep, the equations miss more
STEEP: Final = 4.0
STEEP_WIDTH: Final = 0.06
FLOOR: Final = 1.5  # V, below which no cell of this laboratory was driven
# V at CORRECTION_KNOTS: what the equations missed on the fitting discharges of B0005 and B0006
CORRECTION: Final = (
    -0.079,
    -0.079,
    -0.078,
    -0.029,
    -0.0272,
    -0.0156,
    -0.0073,
    -0.0045,
    -0.0055,
    -0.0057,
    -0.002,
    0.0065,
    0.0125,
    0.012,
    0.0012,
    0.002,
    0.004,
    0.003,
    0.006,
)


@final
class _Make(NamedTuple):
    """What all cells of this make share, as the laws of `cell.py` read it."""

    ocv_0: float
    ocv_1: float
    ocv_2: float
    ocv_3: float
    ocv_knee: float
    knee_width: float
    ocv_full: float
    ohmic: float
    diffusive: float
    diffusion_time: float
    activation: float
    heat_capacity: float
    entropic_0: float
    entropic_1: float
    entropic_2: float
    entropic_3: float
    entropic_4: float
    entropic_5: float
    entropic_6: float
    full_width: float = 0.34
    rise_width: float = 0.25
    correction: tuple[float, ...] = CORRECTION
    floor: float = FLOOR


MAKE: Final = _Make(**shared_values())  # type: ignore[arg-type]


def rate(t: Any, s: Any, u: Any, p: Any) -> Any:
    """How a cell's states change; an error of the equations fades."""
    own = (p.capacity_ah, p.resistance, p.rise, p.thermal_resistance)
    soc, polarisation, temperature = flow(s, u, MAKE, own)
    return soc, polarisation, temperature, -s.mismatch / MISMATCH_TIME


def observe(t: Any, s: Any, u: Any, p: Any) -> Any:
    """What a cell shows, and what is left in it."""
    loaded, rest = voltages(s, u, MAKE, (p.resistance, p.rise))
    steep = 1.0 + STEEP * exp(-maximum(s.soc, 0.0) / STEEP_WIDTH)
    return loaded + p.offset + steep * s.mismatch, rest, clip(s.soc, 0.0, 1.0) * p.capacity_ah


@cache
def live_model() -> Equations:
    """One lithium-ion cell, few columns wide."""
    signals = Signals(
        (
            *STATES,
            state(
                *("mismatch", "V", 0.0), lower=-0.5, upper=0.5,
                meaning="what the equations miss just now",
            ),
            *INPUTS,
            *OWN,
            parameter(
                *("offset", "V", 0.0), lower=-0.2, upper=0.2,
                meaning="what the equations miss of this cell, at all times",
            ),
            output("voltage", "V", meaning="voltage at the terminals"),
            output("open_circuit", "V", meaning="voltage the cell would have at rest"),
            output("charge_left", "Ah", meaning="charge that can still be drawn"),
        )
    )  # fmt: skip
    return Equations(
        "battery cell, live",
        signals,
        rate=rate,
        output=observe,
        solver=FixedStep(20.0),
        meaning="18650 lithium-ion cell: equivalent circuit with temperature",
    )
