"""Units: how numbers from the world turn into SI, once, where data enters."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import UnitError, near

__all__ = ["UNITS", "Unit", "check_unit", "from_si", "to_si"]


@final
@dataclass(frozen=True)
class Unit:
    """How a unit turns into SI: value in SI = factor · value + offset."""

    si: str
    factor: float = 1.0
    offset: float = 0.0


_SI = "1 m kg s A K mol cd rad sr Hz N Pa J W C V F ohm S Wb T H lm lx Bq Gy Sv kat m2 m3"
UNITS: Final[dict[str, Unit]] = {symbol: Unit(symbol) for symbol in _SI.split()} | {
    "%": Unit("1", 1e-2),
    "ppm": Unit("1", 1e-6),
    "km": Unit("m", 1e3),
    "cm": Unit("m", 1e-2),
    "mm": Unit("m", 1e-3),
    "um": Unit("m", 1e-6),
    "nm": Unit("m", 1e-9),
    "ft": Unit("m", 0.3048),
    "inch": Unit("m", 0.0254),
    "mile": Unit("m", 1609.344),
    "ha": Unit("m2", 1e4),
    "L": Unit("m3", 1e-3),
    "mL": Unit("m3", 1e-6),
    "g": Unit("kg", 1e-3),
    "mg": Unit("kg", 1e-6),
    "ug": Unit("kg", 1e-9),
    "t": Unit("kg", 1e3),
    "ms": Unit("s", 1e-3),
    "us": Unit("s", 1e-6),
    "ns": Unit("s", 1e-9),
    "min": Unit("s", 60.0),
    "h": Unit("s", 3600.0),
    "d": Unit("s", 86400.0),
    "kA": Unit("A", 1e3),
    "mA": Unit("A", 1e-3),
    "uA": Unit("A", 1e-6),
    "Ah": Unit("C", 3600.0),
    "mAh": Unit("C", 3.6),
    "kV": Unit("V", 1e3),
    "mV": Unit("V", 1e-3),
    "kohm": Unit("ohm", 1e3),
    "Ω": Unit("ohm"),
    "mohm": Unit("ohm", 1e-3),
    "uF": Unit("F", 1e-6),
    "mH": Unit("H", 1e-3),
    "degC": Unit("K", 1.0, 273.15),
    "°C": Unit("K", 1.0, 273.15),
    "degF": Unit("K", 5 / 9, 459.67 * 5 / 9),
    "kHz": Unit("Hz", 1e3),
    "MHz": Unit("Hz", 1e6),
    "kN": Unit("N", 1e3),
    "kPa": Unit("Pa", 1e3),
    "MPa": Unit("Pa", 1e6),
    "bar": Unit("Pa", 1e5),
    "mbar": Unit("Pa", 1e2),
    "atm": Unit("Pa", 101325.0),
    "psi": Unit("Pa", 6894.757293168361),
    "kJ": Unit("J", 1e3),
    "MJ": Unit("J", 1e6),
    "GJ": Unit("J", 1e9),
    "eV": Unit("J", 1.602176634e-19),
    "Wh": Unit("J", 3.6e3),
    "kWh": Unit("J", 3.6e6),
    "MWh": Unit("J", 3.6e9),
    "GWh": Unit("J", 3.6e12),
    "mW": Unit("W", 1e-3),
    "kW": Unit("W", 1e3),
    "MW": Unit("W", 1e6),
    "GW": Unit("W", 1e9),
    "kmol": Unit("mol", 1e3),
    "mmol": Unit("mol", 1e-3),
    "deg": Unit("rad", np.pi / 180),
    "rpm": Unit("rad/s", np.pi / 30),
}


# other ways to write a power or a product
WRITTEN: Final = {ord("^"): None, ord("²"): "2", ord("³"): "3", ord("·"): ".", ord("*"): "."}


@lru_cache(maxsize=1024)
def check_unit(unit: str) -> Unit:
    """How the unit turns into SI; UnitError with near matches when it is unknown.

    Units multiply with "." and divide with "/", a digit raises: "W/m2/K", "N.m".

    >>> check_unit("km/h").si
    'm/s'
    """
    if unit in UNITS:
        return UNITS[unit]
    plain = unit.translate(WRITTEN)
    if plain != unit:
        return check_unit(plain)
    pieces = ("." + unit).replace("/", "./").split(".")[1:]
    if len(pieces) == 1 and not (unit and unit[-1].isdigit()):
        raise UnitError(f"{unit!r} is not a unit; {near(unit, tuple(UNITS))}")
    factor, symbols = 1.0, ""
    for piece in pieces:
        sign, bare = (-1, piece[1:]) if piece.startswith("/") else (1, piece)
        power = int(bare[-1]) if bare[-1:].isdigit() and bare not in UNITS else 1
        found = UNITS.get(bare if power == 1 else bare[:-1])
        if found is None or power == 0:
            raise UnitError(
                f"{bare!r} in the unit {unit!r} is not a unit; {near(bare, tuple(UNITS))}"
            )
        if found.offset:
            raise UnitError(
                f"{bare!r} in the unit {unit!r} counts from its own zero and cannot be "
                f"multiplied or divided; write {found.si!r}"
            )
        factor *= found.factor ** (sign * power)
        symbol = found.si + (str(power) if power > 1 else "")
        symbols += ("/" if sign < 0 else "." if symbols else "") + symbol
    return Unit(symbols, factor)


@overload
def to_si(values: float, unit: str) -> float: ...
@overload
def to_si(values: ArrayLike, unit: str) -> NDArray[np.float64]: ...
def to_si(values: ArrayLike, unit: str) -> float | NDArray[np.float64]:
    """The values in the SI unit that belongs to the unit.

    >>> to_si(25.0, "degC")
    298.15
    """
    known = check_unit(unit)
    if isinstance(values, (int, float)):
        return float(values * known.factor + known.offset)
    return np.asarray(values, dtype=np.float64) * known.factor + known.offset


@overload
def from_si(values: float, unit: str) -> float: ...
@overload
def from_si(values: ArrayLike, unit: str) -> NDArray[np.float64]: ...
def from_si(values: ArrayLike, unit: str) -> float | NDArray[np.float64]:
    """SI values in the unit.

    >>> from_si(7200.0, "Ah")
    2.0
    """
    known = check_unit(unit)
    if isinstance(values, (int, float)):
        return float((values - known.offset) / known.factor)
    return (np.asarray(values, dtype=np.float64) - known.offset) / known.factor
