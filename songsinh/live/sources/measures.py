"""What a source's own numbers mean: signal, unit, scale and offset, and the unit of its times."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

from songsinh.errors import SettingError, UnitError, near
from songsinh.units import check_unit

__all__ = ["TICKS", "Measure", "TimeUnit", "moment", "read_measures"]

TICKS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
TimeUnit = str  # a key of TICKS


@final
@dataclass(frozen=True)
class Measure:
    """How a source's number becomes a signal's: (scale · number + offset) in `unit`, into SI.

    >>> Measure("voltage", "mV").si(3900)
    3.9
    """

    signal: str = ""  # none: as the source calls it
    unit: str = ""  # none: SI already
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        try:
            check_unit(self.unit or "1")
        except UnitError as error:
            raise SettingError(f"the unit of signal {self.signal!r}: {error}") from None

    @cached_property
    def line(self) -> tuple[float, float]:
        """Factor and offset from the source's number to SI."""
        unit = check_unit(self.unit or "1")
        return self.scale * unit.factor, self.offset * unit.factor + unit.offset

    def si(self, value: Any) -> Any:
        """The value in SI; what is no number stays as it is, for the door to refuse."""
        factor, zero = self.line
        same = (factor, zero) == (1.0, 0.0)
        if same or isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        try:
            return value * factor + zero
        except OverflowError:
            return value


def moment(time: Any, unit: TimeUnit) -> Any:
    """A time in s where it is a number of `unit`; texts and None stay."""
    if unit == "s" or isinstance(time, bool) or not isinstance(time, (int, float)):
        return time
    return float(time * TICKS[unit]) if abs(time) < 1e30 else time


def read_measures(given: Mapping[str, Any]) -> dict[str, Measure]:
    """Measures by the source's own names; a text is a signal's name, a table a whole measure."""
    found = {}
    for name, what in given.items():
        if isinstance(what, Measure):
            found[name] = what
            continue
        table = {"signal": what} if isinstance(what, str) else what
        fields = ("signal", "unit", "scale", "offset")
        if not isinstance(table, Mapping):
            raise SettingError(f"{name!r} is mapped to {what!r}; give a signal's name or a table")
        for key, value in table.items():
            if key not in fields:
                raise SettingError(f"{key!r} of {name!r} is not known; {near(str(key), fields)}")
            kinds = str if key in ("signal", "unit") else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise SettingError(f"{key!r} of {name!r} is {value!r}; give a plain value")
        found[name] = Measure(**table)
    return found
