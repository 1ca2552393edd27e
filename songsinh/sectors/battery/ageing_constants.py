"""The constants of ageing: what they mean, and what the fitting cells say about them."""

import math
from dataclasses import dataclass
from typing import Final, final

__all__ = ["LEARNED", "REFERENCE", "TABLE", "AgeingConstants", "Constant"]

REFERENCE: Final = 1.8  # Ah, the capacity at which fade rates are stated


@final
@dataclass(frozen=True)
class Constant:
    """One constant: its value in use, and where that comes from.

    `learned` is what `learn_ageing` finds on the fitting cells, NaN for one that is chosen.
    `guess` is what was thought before any data, within a factor of e^`doubt`. One discharge is
    the unit of time.
    """

    name: str
    unit: str
    value: float
    learned: float
    guess: float
    doubt: float
    meaning: str


@final
@dataclass(frozen=True)
class AgeingConstants:
    """The constants of ageing by name; capacities in Ah, time in discharges. See `TABLE`."""

    fade: float
    fade_spread: float
    fade_life: float
    fade_drift: float
    recovery_life: float
    regeneration: float
    regeneration_spread: float
    rest_scale_h: float
    regeneration_scatter: float
    reading: float
    lasting_drift: float
    capacity: float
    capacity_spread: float
    recovered_spread: float
    first_reading: float
    evidence: float


NONE: Final = math.nan
# `value` is `learned` rounded to two digits, but for fade_life and fade_drift: readings one
# discharge ahead say little about them, forecasts of up to 40 do (see `learn_memory`)
TABLE: Final = (
    Constant("fade", "Ah", 0.0051, 0.00515, 0.006, 0.5, "usual loss per discharge at 1.8 Ah"),
    Constant("fade_spread", "Ah", 0.0037, 0.00372, 0.003, 0.5, "sd of the fade among new cells"),
    Constant("fade_life", "1", 20.0, 34.0, 40.0, 0.6, "discharges after which a fade is forgotten"),
    Constant("fade_drift", "Ah", 0.0003, 0.00041, 0.0006, 0.5, "sd of the fade's own wander"),
    Constant("recovery_life", "1", 5.3, 5.33, 3.0, 0.5, "discharges that a recovery lasts"),
    Constant("regeneration", "Ah", 0.066, 0.0664, 0.05, 0.5, "what a long rest gives back"),
    Constant("regeneration_spread", "Ah", 0.024, 0.0242, 0.03, 0.5, "its sd among cells"),
    Constant("rest_scale_h", "h", 28.0, 28.0, 24.0, 0.5, "the rest that gives back 63 % of it"),
    Constant("regeneration_scatter", "1", 0.40, 0.403, 0.4, 0.5, "relative sd of one recovery"),
    Constant("reading", "Ah", 0.0041, 0.00413, 0.004, 0.3, "sd of a reading, sampled at 10 mAh"),
    Constant("lasting_drift", "Ah", 0.0044, 0.00441, 0.001, 0.5, "sd of the capacity's own wander"),
    Constant("capacity", "Ah", 1.9, NONE, 1.9, 0.0, "capacity of a new cell, sold as 2 Ah"),
    Constant("capacity_spread", "Ah", 0.4, NONE, 0.4, 0.0, "its sd, wide: the first reading tells"),
    Constant("recovered_spread", "Ah", 0.01, NONE, 0.01, 0.0, "sd of what is recovered at first"),
    Constant("first_reading", "Ah", 0.05, NONE, 0.05, 0.0, "more sd of the first, after storage"),
    Constant(
        "evidence", "1", 10.0, NONE, 10.0, 0.0, "discharges that a cell's usual noise is worth"
    ),
)
LEARNED: Final = AgeingConstants(**{row.name: row.value for row in TABLE})
