"""Figures and pictures put into words."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from songsinh.reports.pictures import (
    CoverageBars,
    Fan,
    RankHistograms,
    Scatter,
    Single,
    Timeline,
    Traces,
)
from songsinh.twin import Check, Coverage

__all__ = ["asked", "beside", "chance", "describe", "number", "percent", "quantity", "verdict"]


def number(value: float) -> str:
    """A figure with three digits that count, or a dash.

    >>> number(0.02134), number(1234.5), number(-0.5), number(float("nan"))
    ('0.0213', '1,234', '−0.5', '–')
    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size > 8:
        text = f"{value:.2e}"
    else:
        text = f"{value:,.{max(0, 2 - size)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def quantity(value: float, unit: str = "1") -> str:
    """A figure with its unit.

    >>> quantity(0.0213, "V"), quantity(0.5)
    ('0.0213\\xa0V', '0.5')
    """
    bare = unit in ("", "1") or not math.isfinite(value)
    # a short unit stays on the line of its figure
    return number(value) if bare else f"{number(value)}{chr(160) if len(unit) < 4 else ' '}{unit}"


def percent(share: float) -> str:
    """A share (0 to 1) in percent.

    >>> percent(0.875)
    '87.5\\xa0%'
    """
    return f"{number(round(100 * share, 1))}\xa0%" if math.isfinite(share) else "–"


def chance(p: float) -> str:
    """A p value as it is read.

    >>> chance(0.0234), chance(1e-9), chance(float("nan"))
    ('p = 0.023', 'p < 0.001', 'too few readings')
    """
    if not math.isfinite(p):
        return "too few readings"
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def asked(row: Check | Coverage) -> str:
    """The bar in words."""
    if isinstance(row, Coverage):
        return f"{percent(row.bars[0])} to {percent(row.bars[1])}" if row.bars else "no bar"
    if row.bar is None:
        return "no bar"
    if isinstance(row.bar, tuple):
        return f"{number(row.bar[0])} to {quantity(row.bar[1], row.unit)}"
    return f"at {'most' if row.better == 'less' else 'least'} {quantity(row.bar, row.unit)}"


def verdict(holds: bool | None) -> str:
    """The verdict in one word or two."""
    return {True: "holds", False: "falls short", None: "not judged"}[holds]


def beside(row: Check | Coverage) -> str:
    """What the row is about, and where."""
    if isinstance(row, Coverage):
        what = f"Share inside the {percent(row.nominal)} band"
        what += f" of {row.what}" if row.what else ""
    else:
        what = row.what
    return f"{what}, {row.where}" if row.where else what


def describe(picture: Single) -> str:
    """The picture in a sentence or two, for those who cannot see it."""
    return f"{picture.title}. {_said(picture)}"


def _ends(line: ArrayLike) -> tuple[str, str]:
    values = np.asarray(line, np.float64)
    values = values[np.isfinite(values)]
    return (number(values[0]), number(values[-1])) if values.size else ("–", "–")


def _said(picture: Any) -> str:
    if isinstance(picture, Fan):
        return _said_fan(picture)
    if isinstance(picture, Traces):
        parts = []
        for curve in picture.curves:
            error = np.asarray(curve.twin, np.float64) - np.asarray(curve.measured, np.float64)
            error = error[np.isfinite(error)] * picture.error_factor
            size = number(float(np.sqrt(np.mean(error**2)))) if error.size else "–"
            parts.append(f"{curve.name}: root mean square {size}")
        return f"Measured and twin curves of {picture.y_label}; {picture.error_label}, " + (
            "; ".join(parts) + "."
        )
    if isinstance(picture, CoverageBars):
        rows = [f"{r.where} {percent(r.nominal)}: {percent(r.covered)}" for r in picture.rows]
        return "Share of readings inside each band: " + "; ".join(rows) + "."
    if isinstance(picture, RankHistograms):
        rows = [f"{row.where}, {chance(row.flatness)}" for row in picture.rows]
        return "Histograms of ranks, flat where bands are honest: " + "; ".join(rows) + "."
    if isinstance(picture, Timeline):
        rows = []
        for row in picture.rows:
            warned = "no warning" if row.warned is None else f"warned at {number(row.warned)}"
            open_end = "not settled when the record ends" if row.unsettled else "no event"
            event = open_end if row.happened is None else f"event at {number(row.happened)}"
            rows.append(f"{row.name}: {warned}, {event}")
        return f"Alarm probability over {picture.x_label}; " + "; ".join(rows) + "."
    if isinstance(picture, Scatter):
        points = np.asarray(picture.points, np.float64)
        pairs = zip(picture.labels, points.mean(0), points.std(0), strict=True)
        rows = [f"{label} {number(m)} ± {number(s)}" for label, m, s in pairs]
        return "Members in every pair of parameters: " + "; ".join(rows) + "."
    return ""


def _said_fan(picture: Fan) -> str:
    first, last = _ends(picture.median)
    start, end = _ends(picture.x)
    said = f"The median of {picture.y_label} goes from {first} at {start} to {last} at {end}"
    for level, (low, high) in sorted(picture.bands.items(), reverse=True)[:1]:
        edges = f"{_ends(low)[1]} to {_ends(high)[1]}"
        said += f", where the {percent(level)} band reaches from {edges}"
    said += "."
    if picture.crossing is not None:
        early, middle, late = (number(edge) for edge in picture.crossing)
        said += f" It foretells the crossing at {middle}, between {early} and {late}"
        true = f"; the true one came at {number(picture.crossed)}" if picture.crossed else ""
        said += true + "."
    return said
