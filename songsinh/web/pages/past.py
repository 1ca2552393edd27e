"""What was read, from the history, as a trace that a chart can show."""

from typing import Any

from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.web.pages.sparks import Trace

__all__ = ["read_past", "signal_number"]


def signal_number(engine: Engine, twin: int, name: str) -> int | None:
    """The number that a twin's signal has in the log, None when it is not read."""
    signals = tables.signals
    query = select(signals.c.id).where(signals.c.twin == twin, signals.c.name == name)
    with engine.connect() as connection:
        number = connection.execute(query).scalar()
    return None if number is None else int(number)


def read_past(
    engine: Engine,
    history: Any,
    twin: int,
    name: str,
    *,
    span: tuple[float, float],
    most: int,
) -> Trace:
    """The readings of a signal within the span (s since 1970), at most about `most` points."""
    number = signal_number(engine, twin, name)
    if number is None:
        return Trace()
    start, end = (round(edge * 1e6) for edge in span)
    found = history.readings(number, start, end + 1, most=most)
    times = tuple(round(t / 1e6, 3) for t in found[0].tolist())
    if found[1].ndim == 1:
        return Trace(times, _short(found[1]))
    low, mean, high = (_short(column) for column in found[1].T)
    return Trace(times, mean, low, high)


def _short(values: Any) -> tuple[float, ...]:
    """The values to seven digits: more than a chart can show, and half the bytes."""
    return tuple(float(f"{value:.7g}") for value in values.tolist())
