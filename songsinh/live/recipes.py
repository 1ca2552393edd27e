"""Building: the twin that a recipe stands for, from plain values as a database keeps them."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final

from songsinh.errors import LiveError, SongsinhError
from songsinh.live.twin_tables import read_twin, title_of, words_of
from songsinh.live.twins import Twin
from songsinh.models import Equations, read_model
from songsinh.twin import Structure, structural_model

__all__ = ["build_series", "build_written"]

LONGEST: Final = 100_000
WINDOW_STEPS: Final = 3  # readings that may come late, in usual steps


def build_written(recipe: Mapping[str, Any]) -> Twin:
    """The twin of a model written as text, from the text's own [twin] table."""
    name, text = words_of(recipe, "name"), words_of(recipe, "text", LONGEST)
    model = _model(text)
    table = tomllib.loads(text).get("twin")
    if not isinstance(table, dict):
        raise LiveError(
            f"the text of the twin {name!r} has no [twin]; add it with a noise for each sensor"
        )
    return read_twin(model, name, title_of(recipe), table, meaning=model.meaning)


@lru_cache(256)
def _model(text: str) -> Equations:
    """The model of a text: the same one for the same text, so that its twins share a fleet."""
    return read_model(text)


def build_series(recipe: Mapping[str, Any]) -> Twin:
    """The twin of a record, from what `fit_series` found."""
    name, settings = words_of(recipe, "name"), recipe.get("settings")
    rows = recipe.get("signals")
    if not isinstance(rows, list) or not rows or not isinstance(settings, dict):
        raise LiveError(f"the recipe of {name!r} has no signals or settings; fit the record anew")
    structures = [_structure(row, name) for row in rows]
    model = structural_model(name, structures)
    step, horizon = settings.get("step"), settings.get("horizon")
    if not isinstance(step, float) or not isinstance(horizon, float) or not 0 < step <= horizon:
        raise LiveError(
            f"the recipe of {name!r} has step {step!r:.20} and horizon {horizon!r:.20}; give "
            "seconds as 1.0, the horizon the longer"
        )
    table: dict[str, Any] = {
        "start": {}, "noise": {}, "drift": {}, "alarms": [],
        "members": 50 * min(len(structures), 4),
        "window": WINDOW_STEPS * step,
        "every": max(horizon / 20, step),
        "horizon": horizon,
    }  # fmt: skip
    for one in structures:
        _describe(table, one, horizon)
    return read_twin(model, name, title_of(recipe), table, meaning=model.meaning)


def _structure(row: Any, name: str) -> Structure:
    known = [entry.name for entry in fields(Structure)]
    try:
        found = Structure(**row)
        json.dumps(row, allow_nan=False)
        if not (found.noise > 0 and found.trend_time > 0 and found.spread > 0):
            raise ValueError("noise, trend_time and spread must be above 0")
    except (TypeError, ValueError, SongsinhError) as error:
        raise LiveError(
            f"a signal in the recipe of {name!r} is no structure ({str(error)[:80]}); it needs "
            f"{', '.join(known)}"
        ) from None
    return found


def _describe(table: dict[str, Any], one: Structure, horizon: float) -> None:
    """Add what a series brings: how it begins, wanders, is read, and when it warns."""
    table["noise"][one.name] = one.noise
    drifts = (one.level_drift, one.trend_drift, one.cycle_drift or 0.0, one.cycle_drift or 0.0)
    swing = max(one.swing, 1e-9 * one.spread)
    begins = ((one.start, one.spread), (0.0, one.trend_spread), (0.0, swing), (0.0, swing))
    for part, drift, begin in zip(one.parts, drifts, begins, strict=False):
        table["drift"][part], table["start"][part] = drift, begin
    words = one.column or one.name
    for side, limit in (("low", one.low), ("high", one.high)):
        if limit is not None:
            table["alarms"].append(
                {
                    "name": f"{one.name} unusually {side}",
                    "signal": one.name,
                    "below" if side == "low" else "above": limit,
                    "lead": horizon / 4,
                    "severity": "notice",
                    "advice": f"Look at {words}: it is near the edge of what its record shows.",
                }
            )
