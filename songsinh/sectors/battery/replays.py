"""Recordings for replay: a shipped cell's discharges one after another, as a machine sends them."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from songsinh.errors import DataError
from songsinh.sectors.battery.data import Discharge, shipped_cells
from songsinh.sectors.battery.following import MACHINES
from songsinh.series import Series, write_series

__all__ = ["EXAMPLES", "GAP", "examples", "recording", "write_recording"]

GAP: Final = 2400.0  # s, to which the hours of charging and the days of rest are shortened
DAY: Final = 86400.0
SPEED: Final = 30.0
METER: Final = 0.05  # A, below which a current is the meter's own zero
# cells to begin with: one is young, one is wearing, one is near its end
EXAMPLES: Final = (("B0007", 2, "young"), ("B0006", 50, "wearing"), ("B0005", 110, "near its end"))
NAMES: Final = ("current", "voltage", "temperature", "ambient")


def recording(machine: str, first: int = 1, last: int | None = None) -> Series:
    """Discharges `first` to `last` of a shipped cell: current, voltage, temperature, ambient, SI.

    The first begins when it really did (s since 1970); gaps between discharges longer than
    40 min, in which the cell was charged or rested, are shortened to 40 min. `ambient` is the
    cell's own temperature at each discharge's first sample, as nobody noted the air's.
    """
    if machine not in MACHINES:
        raise DataError(
            f"there is no recording of {machine!r:.40}; known are {', '.join(MACHINES)}"
        )
    chosen = [
        one
        for one in shipped_cells((machine,))[machine].discharges
        if first <= one.number and (last is None or one.number <= last)
    ]
    if not chosen:
        raise DataError(
            f"cell {machine!r} has no discharge from {first} to {last}; it has 1 to "
            f"{shipped_cells((machine,))[machine].numbers[-1]}"
        )
    times: list[Any] = []
    begin = chosen[0].start or 0.0
    for before, one in zip([None, *chosen], chosen, strict=False):
        if before is not None:
            begin = float(times[-1][-1]) + min(_gap(before, one), GAP)
        times.append(begin + one.times)
    values = np.concatenate([_columns(one) for one in chosen])
    return Series(np.concatenate(times), values, NAMES)


def _gap(before: Discharge, after: Discharge) -> float:
    """From the last sample of a discharge to the first of the next, in s."""
    if before.start is None or after.start is None:
        return GAP
    return after.start - before.start - float(before.times[-1])


def _columns(one: Discharge) -> Any:
    current = np.where(np.abs(one.current) < METER, 0.0, one.current)
    ambient = np.full(len(current), one.temperature[0])
    return np.stack([current, one.voltage, one.temperature, ambient], axis=1)


def write_recording(machine: str, path: Path | str, first: int = 1) -> Path:
    """Write a cell's recording from one discharge on (.parquet or .csv), for a replay source."""
    return write_series(recording(machine, first), path)


def examples() -> tuple[dict[str, Any], ...]:
    """Example twins with their sources: for each a `recipe`, and the `replay` of a recording.

    Before the start, call `write_recording(machine, <folder>/<file>, first)` for each, and set
    the replay's `path` to that file. The three cells are of different ages.
    """
    return tuple(_example(*one) for one in EXAMPLES)


def _example(machine: str, first: int, age: str) -> dict[str, Any]:
    name = machine.lower()
    return {
        "recipe": {
            "kind": "pilot",
            "pilot": "battery-v1",
            "machine": machine,
            "name": name,
            "title": f"Cell {machine}, {age}",
        },
        "machine": machine,
        "first": first,
        "file": f"{name}-from-{first}.parquet",
        "replay": {"twin": name, "speed": SPEED, "loop": True, "rest": GAP},
    }
