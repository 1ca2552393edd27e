"""The battery pilot: lithium-ion cells from full to empty, and from new to worn out."""

from songsinh.sectors import Pilot
from songsinh.sectors.battery.ageing import Ageing, Outlook, age, foretell
from songsinh.sectors.battery.cell import cell_model
from songsinh.sectors.battery.data import Cell, Discharge, read_cells, shipped_cells
from songsinh.sectors.battery.end_of_life import Alarms, EndOfLife, alarms, foretell_end
from songsinh.sectors.battery.fitting import QUICK_PICKS, SharedFit, fit_shared
from songsinh.sectors.battery.following import MACHINES, live_twin
from songsinh.sectors.battery.replays import examples, recording, write_recording
from songsinh.sectors.battery.validation import validate

__all__ = [
    "PILOT",
    "QUICK_PICKS",
    "Ageing",
    "Alarms",
    "Cell",
    "Discharge",
    "EndOfLife",
    "Outlook",
    "SharedFit",
    "age",
    "alarms",
    "cell_model",
    "examples",
    "fit_shared",
    "foretell",
    "foretell_end",
    "live_twin",
    "read_cells",
    "recording",
    "shipped_cells",
    "validate",
    "write_recording",
]

PILOT = Pilot(
    name="battery-v1",
    title="A lithium-ion cell that ages",
    meaning="State of charge and health from voltage, capacity to come with bands, end of life",
    model=cell_model(),
    validate=validate,
    machines=tuple(MACHINES),
    twin=live_twin,
)
