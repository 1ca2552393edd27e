"""The battery's twin at work: what it reads, how it begins, when it warns, what can be turned."""

from collections.abc import Mapping
from typing import Final, NamedTuple, final

from songsinh.errors import PilotError, near
from songsinh.live import Alarm, Episode, Lever, Question, Twin
from songsinh.sectors.battery.live_cell import live_model
from songsinh.twin import Limit, Noise

__all__ = ["EPISODE_GAP", "MACHINES", "live_twin"]


@final
class _Bench(NamedTuple):
    """How the laboratory uses a cell: its load in A by its own meter, the air around it in K."""

    load: float
    ambient: float


# by the first discharge of each; cells that lived under pulses are not followed live
MACHINES: Final[Mapping[str, _Bench]] = {
    "B0005": _Bench(2.013, 297.2),
    "B0006": _Bench(2.010, 297.2),
    "B0007": _Bench(1.990, 297.2),
    "B0029": _Bench(4.024, 317.0),
    "B0030": _Bench(4.025, 317.0),
    "B0031": _Bench(3.975, 317.0),
}
EPISODE_GAP: Final = 1800.0  # s of silence after which the cell was charged
EMPTY: Final = 2.7  # V, where the laboratory stops counting
WORN: Final = 1.4  # Ah, 70 % of what the maker promised
WEARING: Final = 1.6  # Ah
HOT: Final = 333.15  # K
SURE: Final = 0.95  # chance above which a capacity is called low: it falls over months

# all tuned on the fitting cells alone (data.FITTING); see README.md
SENSORS: Final = {"voltage": 0.008, "temperature": 0.4}
DRIFT: Final = {
    "soc": 4e-5,
    "mismatch": 8e-4,
    "temperature": 0.03,
    "capacity_ah": 3.5e-4,
    "resistance": 2e-4,
    "rise": 1e-3,
    "thermal_resistance": 5e-3,
    "offset": 3e-5,
}
# a cell of unknown age: from new, at the maker's 2 Ah, to far beyond its end
START: Final = {
    "capacity_ah": (1.6, 0.3),
    "resistance": (1.0, 0.2),
    "rise": (0.6, 0.35),
    "thermal_resistance": (19.0, 2.5),
    "offset": (-0.025, 0.02),
}
FULL: Final = {"soc": (1.0, 0.012), "polarisation": (0.0, 0.002), "mismatch": (0.0, 0.015)}
ALARMS: Final = (
    Alarm(
        name="nearly empty",
        signal="voltage",
        below=EMPTY,
        lead=600.0,
        severity="warning",
        advice="Lower the current or recharge within ten minutes; below 2.7 V the cell wears fast.",
    ),
    Alarm(
        name="wearing",
        signal="capacity_ah",
        below=WEARING,
        cut=SURE,
        severity="notice",
        advice="Nothing to do now: the cell has lost a fifth of its 2 Ah, order another.",
    ),
    Alarm(
        name="worn out",
        signal="capacity_ah",
        below=WORN,
        cut=SURE,
        severity="danger",
        advice="Replace the cell: it holds less than 70 % of the 2 Ah that it had when new.",
    ),
    Alarm(
        name="overheating",
        signal="temperature",
        above=HOT,
        lead=600.0,
        severity="danger",
        advice="Lower the current or cool the cell: above 60 °C it ages fast and may be unsafe.",
    ),
)
LEVERS: Final = (
    Lever("current", 0.0, 4.0, "current drawn from the cell"),
    Lever("ambient", 273.15, 323.15, "temperature of the air around it"),
)
QUESTIONS: Final = (
    Question(
        title="How much current may I draw and still last 20 minutes?",
        lever="current",
        goal="charge_left",
        best="least",  # the more is drawn, the less is left
        limits=(Limit("voltage", below=EMPTY, chance=0.05),),
        horizon=1200.0,
    ),
)


def live_twin(machine: str) -> Twin:
    """The twin that follows one of the shipped cells; PilotError when there is no such cell.

    It expects the laboratory's usual load, whether that has begun or not. A silence of half an
    hour or more is a charge: the cell is full again and at rest.
    """
    if machine not in MACHINES:
        raise PilotError(
            f"there is no battery {machine!r:.40} to follow; {near(str(machine), [*MACHINES])}"
        )
    bench = MACHINES[machine]
    full = FULL | {"temperature": (bench.ambient, 1.0)}
    return Twin(
        name=machine.lower(),
        title=f"Cell {machine}",
        model=live_model(),
        start=START | full,
        noise=Noise(SENSORS, DRIFT),
        inputs="linear",
        window=60.0,
        every=60.0,
        horizon=3600.0,
        samples=60,
        expected={"current": bench.load},
        shown=("voltage", "temperature", "charge_left", "soc"),
        alarms=ALARMS,
        levers=LEVERS,
        questions=QUESTIONS,
        episode=Episode(EPISODE_GAP, full),
        meaning="A lithium-ion cell of 2 Ah under load: what it will show, and how long it lasts",
        card="battery-v1",
    )
