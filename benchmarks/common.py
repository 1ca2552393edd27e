"""What every benchmark shares: CPU time measured the same way on both sides, one line at the end.

The package holds linear algebra, XLA and numba to one thread before NumPy is imported. CPU time
is counted over all threads of the process, so neither side can hide work in another.
"""

import json
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Literal

__all__ = ["cpu_median", "cpu_medians", "report"]

Better = Literal["ratio", "less", "more", "within"]


def cpu_median(function: Callable[[], Any], repeats: int = 5, warmup: int = 1) -> float:
    """The median CPU time of a call, in s, over all threads, after warm-up calls."""
    return cpu_medians(function, repeats=repeats, warmup=warmup)[0]


def cpu_medians(
    *functions: Callable[[], Any], repeats: int = 5, warmup: int = 1
) -> tuple[float, ...]:
    """The median CPU time of each function, in s; they take turns, so noise falls on all."""
    for function in functions * warmup:
        function()
    spent: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, times in zip(functions, spent, strict=True):
            before = time.process_time()
            function()
            times.append(time.process_time() - before)
    return tuple(median(times) for times in spent)


def report(
    name: str,
    ours: float,
    peer: float | None,
    bar: float | tuple[float, float],
    *,
    better: Better = "ratio",
    unit: str = "s",
    note: str = "",
    also: Mapping[str, bool] | None = None,
) -> None:
    """Print what was measured: lines for people, then one JSON object as the last line.

    The bar holds when peer/ours reaches it ("ratio"), or ours is below it ("less"), above it
    ("more") or inside it ("within"), and when all that must `also` be true is.
    """
    conditions = {key: bool(value) for key, value in (also or {}).items()}
    ratio = None if peer is None else peer / ours
    holds = _reached(ours, ratio, bar, better) and all(conditions.values())
    shown = "none" if peer is None else f"{peer:.6g} {unit}"
    print(f"{name}: ours {ours:.6g} {unit}, peer {shown}")
    if ratio is not None:
        print(f"  ratio peer/ours {ratio:.3g}")
    for key, value in conditions.items():
        print(f"  {'yes' if value else 'NO '}  {key}")
    if note:
        print(f"  {note}")
    row = {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "bar": bar, "holds": holds}
    row |= {"better": better, "unit": unit, "note": note, "also": conditions}
    print(json.dumps(row))


def _reached(
    ours: float, ratio: float | None, bar: float | tuple[float, float], better: Better
) -> bool:
    if isinstance(bar, tuple):
        return bar[0] <= ours <= bar[1]
    if better == "ratio":
        return ratio is not None and ratio >= bar
    return ours <= bar if better == "less" else ours >= bar
