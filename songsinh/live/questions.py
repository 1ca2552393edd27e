"""Questions: how a twin stands now, what if, and what to do; answered from a copy of its belief.

All branches of a question start from the same members and meet the same chance, so what differs
is what was turned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from sqlalchemy import Engine, func, select

from songsinh.database import tables
from songsinh.errors import LiveError, near
from songsinh.live.alarms import judge
from songsinh.live.crew import Crew
from songsinh.live.hub import Frame
from songsinh.live.outlooks import (
    LEVELS,
    Outlook,
    as_forecast,
    grid,
    held_inputs,
    named,
    spread_out,
)
from songsinh.live.runner import Runner
from songsinh.live.twins import Lever, Twin
from songsinh.live.windows import NEVER
from songsinh.models import Array
from songsinh.twin import Crowd, Fleet, Forecast, Limit, crossing_times

__all__ = ["ANSWERS", "Sitter", "read_scores", "sit", "tell_start"]

PARTS: Final = ("count", "inside_50", "inside_90", "crps", "crps_walk")
BRANCHES: Final = 8
FURTHEST: Final = 20.0  # times its own horizon
OPTIONS: Final = 9


@final
@dataclass(frozen=True, eq=False)
class Sitter:
    """A twin as it is asked: a crowd of it alone, at an event time (us), and what is known of it.

    `latest` is time (us) and value of the last reading of each signal.
    """

    twin: Twin
    fleet: Fleet
    crowd: Crowd
    now_us: int
    epoch_us: int
    state: Mapping[str, Any]
    belief: Frame | None
    outlook: Outlook | None
    latest: Mapping[str, tuple[int, float]]
    aside: Mapping[str, Mapping[str, int]]
    health: Mapping[str, str]


def sit(crew: Crew, name: str, state: Mapping[str, Any]) -> Sitter:
    """A copy of what is known of a twin, in an instant and on the crew's own thread."""
    one, place = crew.twins.get(name), crew.places.get(name)
    if one is None:
        raise LiveError(f"there is no twin {name!r:.80}; {near(name, tuple(crew.twins)[:200])}")
    if one.why or place is None or one.twin is None:
        why = one.why or "it is paused; let it run, then ask again"
        if crew.starts(one):
            why = "it is starting, its model is being made ready; ask again in a minute"
        raise LiveError(f"twin {name!r} cannot be asked: {why}")
    ward, row = crew.wards[place.ward], place.row
    runner, verdict = ward.runner, one.verdict
    begun = runner.now[row] != NEVER
    kind = verdict.kind if verdict else "fine"
    off = verdict.signal if verdict and kind in ("sensor", "unclear") else None
    return Sitter(
        twin=one.twin,
        fleet=runner.fleet,
        crowd=runner.crowd.copy_rows([row]),
        now_us=int(runner.now[row]),
        epoch_us=int(runner.epoch[row]),
        state=state,
        belief=_belief(runner, row, kind) if begun else None,
        outlook=one.outlook,
        latest=runner.latest(row),
        aside=runner.aside_by_sensor(row),
        health={off: "off" if kind == "sensor" else "unclear"} if off else {},
    )


def _belief(runner: Runner, row: int, verdict: str) -> Frame:
    """What is believed now, as the frame that was told of it."""
    crowd, fleet = runner.crowd, runner.fleet
    table = np.concatenate([crowd.states[row], crowd.parameters[row]], axis=1)
    mean = dict(zip(fleet.columns, table.mean(axis=0).tolist(), strict=True))
    sd = dict(zip(fleet.columns, table.std(axis=0).tolist(), strict=True))
    value, expected, innovation = crowd.memories[row, -1]
    for k, name in enumerate(fleet.sensors):
        if name not in mean and np.isfinite(innovation[k]) and innovation[k]:
            mean[name] = float(expected[k])
            sd[name] = float((value[k] - expected[k]) / innovation[k])
    now = int(runner.now[row])
    read = {name: v for name, (time, v) in runner.latest(row).items() if time == now}
    whole = {"kind": "belief", "twin": runner.twins[row].name, "time": now / 1e6}
    return whole | {"mean": mean, "sd": sd, "read": read, "verdict": verdict}


def read_scores(engine: Engine, name: str) -> dict[str, list[dict[str, Any]]]:
    """How past forecasts did, by signal and lead (s), over all days."""
    table = tables.scores
    sums = [func.sum(table.c[part]) for part in PARTS]
    query = (
        select(table.c.signal, table.c.lead_s, *sums)
        .join(tables.twins, tables.twins.c.id == table.c.twin)
        .where(tables.twins.c.name == name)
        .group_by(table.c.signal, table.c.lead_s)
        .order_by(table.c.signal, table.c.lead_s)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        for signal, lead, count, *parts in connection.execute(query):
            shares = {part: float(v) / count for part, v in zip(PARTS[1:], parts, strict=True)}
            found.setdefault(signal, []).append({"lead": lead, "count": int(count)} | shares)
    return found


def answer_now(sitter: Sitter, _: Mapping[str, Any]) -> dict[str, Any]:
    """How a twin stands: belief, forecast, sensors, levers, questions."""
    twin, now = sitter.twin, _levers_now(sitter)
    expected = (sitter.belief or {}).get("mean", {})
    return _about(twin, now) | {
        "belief": sitter.belief,
        "forecast": sitter.outlook.frame() if sitter.outlook else None,
        "shown": list(twin.shown or sitter.fleet.shown),
        "sensors": [
            {"name": name, "last": sitter.latest.get(name, (0, None))[1],
             "time": sitter.latest[name][0] / 1e6 if name in sitter.latest else None,
             "expected": expected.get(name), "health": sitter.health.get(name, "fine"),
             "counts": dict(sitter.aside.get(name, {}))}
            for name in twin.read
        ],
        "state": sitter.state,
        "epoch": sitter.epoch_us / 1e6,
    }  # fmt: skip


def tell_start(crew: Crew, name: str, state: Mapping[str, Any]) -> dict[str, Any] | None:
    """What can be told of a twin that is starting; None of any other."""
    one = crew.twins.get(name)
    if one is None or one.twin is None or not crew.starts(one):
        return None
    told: dict[str, Any] = {
        "belief": None,
        "forecast": None,
        "sensors": [],
        "scores": {},
        "epoch": 0.0,
    }
    about = _about(one.twin, dict.fromkeys(lever.name for lever in one.twin.levers))
    return about | told | {"shown": list(one.twin.shown), "state": state}


def _about(twin: Twin, now: Mapping[str, float | None]) -> dict[str, Any]:
    """What a twin is, whatever it has read."""
    return {
        "title": twin.title,
        "meaning": twin.meaning,
        "card": twin.card,
        "signals": {
            column: {
                "unit": signal.unit,
                "meaning": signal.meaning,
                "kind": signal.kind,
                "lower": _finite(signal.lower),
                "upper": _finite(signal.upper),
            }
            for signal in twin.model.signals
            for column in signal.columns
        },
        "levers": [
            {"name": one.name, "low": one.low, "high": one.high, "now": now[one.name],
             "meaning": one.meaning, "unit": _unit(twin, one.name)}
            for one in twin.levers
        ],
        "questions": [
            {"title": one.title, "lever": one.lever, "goal": one.goal, "best": one.best,
             "limits": [str(limit) for limit in one.limits],
             "horizon": twin.horizon if one.horizon is None else one.horizon}
            for one in twin.questions
        ],
        "horizon": twin.horizon,
        "every": twin.every,
    }  # fmt: skip


def answer_what_if(sitter: Sitter, detail: Mapping[str, Any]) -> dict[str, Any]:
    """What comes of each branch: quantiles of what is shown, and how likely each alarm is."""
    asked = detail.get("branches")
    if not isinstance(asked, list) or not 0 < len(asked) <= BRANCHES:
        raise LiveError(f"the branches are {asked!r:.60}; give 1 to {BRANCHES} of them")
    names = [str(_table(one).get("name", f"branch {k + 1}"))[:60] for k, one in enumerate(asked)]
    turned = [_turned(sitter.twin, _table(_table(one).get("levers", {}))) for one in asked]
    ahead = grid(sitter.twin, _horizon(sitter.twin, detail.get("horizon")))
    found = _branches(sitter, turned, ahead)
    signals = sitter.twin.shown or sitter.fleet.shown
    signals = tuple(name for name in signals if name in sitter.fleet.shown)
    branches = []
    for name, levers, (forecast, crowd) in zip(names, turned, found, strict=True):
        told = {one: named(spread_out(forecast[one].T)) for one in signals}
        columns = sitter.fleet.model.signals.columns("parameter")
        parameters = {p: crowd.parameters[0, :, k] for k, p in enumerate(columns)}
        alarms = [one.shown() for one in judge(sitter.twin, forecast, parameters)]
        branches.append({"name": name, "levers": levers, "signals": told, "alarms": alarms})
    times = (sitter.now_us / 1e6 + ahead).tolist()
    return {"times": times, "branches": branches, "levels": list(LEVELS)}


def answer_decide(sitter: Sitter, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Which value of a lever keeps the limits and does best by the goal."""
    twin, number = sitter.twin, detail.get("question", 0)
    if not isinstance(number, int) or not 0 <= number < len(twin.questions):
        raise LiveError(
            f"twin {twin.name!r} has no question {number!r:.20}; it has {len(twin.questions)}, "
            "counted from 0"
        )
    question = twin.questions[number]
    lever = _lever(twin, question.lever)
    values = np.unique([*np.linspace(lever.low, lever.high, OPTIONS), _clipped(sitter, lever)])
    turned = [{lever.name: value} for value in values.tolist()]
    found = _branches(sitter, turned, grid(twin, _horizon(twin, question.horizon)))
    options = []
    for value, (forecast, _) in zip(values.tolist(), found, strict=True):
        last = forecast[question.goal][:, -1]
        risks = [_risk(forecast, limit) for limit in question.limits]
        quantiles = {f"{q:g}": float(v) for q, v in zip(LEVELS, spread_out(last), strict=True)}
        goal = {"mean": float(last.mean()), "quantiles": quantiles}
        keeps = all(risk["probability"] <= risk["most"] + 1e-9 for risk in risks)
        options.append({"value": value, "goal": goal, "keeps": keeps, "risks": risks})
    sign = -1.0 if question.best == "most" else 1.0
    fit = [one for one in options if one["keeps"]]
    best = min(fit, key=lambda one: sign * one["goal"]["mean"], default=None)
    return {
        "title": question.title,
        "lever": lever.name,
        "goal": question.goal,
        "options": options,
        "best": None if best is None else best["value"],
        "sentence": _sentence(twin, number, options, best),
    }


def _branches(
    sitter: Sitter, turned: list[dict[str, float]], ahead: Array
) -> list[tuple[Forecast, Crowd]]:
    """What members do when levers are turned, from the same start and with the same chance."""
    fleet, signals = sitter.fleet, sitter.twin.model.signals
    crowd = sitter.crowd.copy_rows(np.zeros(len(turned), np.intp))
    inputs = np.tile(held_inputs(sitter.twin, sitter.crowd.inputs[0]), (len(turned), 1))
    for k, levers in enumerate(turned):
        for name, value in levers.items():
            if signals[name.partition("[")[0]].kind == "input":
                inputs[k, signals.index(name)] = value
            else:
                crowd.parameters[k, :, signals.index(name)] = value
    looked = fleet.look(crowd, np.arange(len(turned)), ahead, inputs)
    if looked.codes.any():
        raise LiveError(
            f"most members of {sitter.twin.name!r} fail on the way; turn the levers less far or "
            "look less far ahead"
        )
    return [
        (as_forecast(fleet, crowd, looked, k=k, ahead=ahead), crowd.copy_rows([k]))
        for k in range(len(turned))
    ]


def _turned(twin: Twin, levers: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, value in levers.items():
        lever = _lever(twin, name)
        if not isinstance(value, int | float) or not lever.low <= value <= lever.high:
            raise LiveError(
                f"{name} was set to {value!r:.40}; it goes from {lever.low:g} to {lever.high:g}"
            )
        found[name] = float(value)
    return found


def _lever(twin: Twin, name: Any) -> Lever:
    found = next((one for one in twin.levers if one.name == name), None)
    if found is None:
        known = tuple(one.name for one in twin.levers)
        raise LiveError(f"twin {twin.name!r} has no lever {name!r:.60}; {near(str(name), known)}")
    return found


def _horizon(twin: Twin, asked: Any) -> float:
    if asked is None:
        return twin.horizon
    if not isinstance(asked, int | float) or not 0 < asked <= FURTHEST * twin.horizon:
        raise LiveError(
            f"the horizon is {asked!r:.40} s; give seconds above 0, at most "
            f"{FURTHEST * twin.horizon:g}"
        )
    return float(asked)


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise LiveError(f"a branch holds {value!r:.60}; give its name, and its levers by name")
    return value


def _levers_now(sitter: Sitter) -> dict[str, float | None]:
    return {lever.name: _value_now(sitter, lever.name) for lever in sitter.twin.levers}


def _value_now(sitter: Sitter, name: str) -> float:
    signals = sitter.twin.model.signals
    if signals[name.partition("[")[0]].kind == "input":
        return float(held_inputs(sitter.twin, sitter.crowd.inputs[0])[signals.index(name)])
    return float(sitter.crowd.parameters[0, :, signals.index(name)].mean())


def _clipped(sitter: Sitter, lever: Lever) -> float:
    return float(np.clip(_value_now(sitter, lever.name), lever.low, lever.high))


def _risk(forecast: Forecast, limit: Limit) -> dict[str, Any]:
    when = crossing_times(
        forecast.times, forecast[limit.name], below=limit.below, above=limit.above
    )
    chance = float(np.mean(~np.isposinf(when)))
    return {"name": str(limit), "probability": chance, "most": limit.chance}


def _sentence(
    twin: Twin, number: int, options: list[dict[str, Any]], best: dict[str, Any] | None
) -> str:
    question = twin.questions[number]
    lever, goal = _unit(twin, question.lever, " "), _unit(twin, question.goal, " ")
    if best is not None:
        return (
            f"{question.lever} at {best['value']:.4g}{lever} is best: {question.goal} then comes "
            f"to {best['goal']['mean']:.4g}{goal}"
        )
    nearest = min(options, key=lambda one: max(r["probability"] - r["most"] for r in one["risks"]))
    worst = max(nearest["risks"], key=lambda risk: risk["probability"] - risk["most"])
    return (
        f"no {question.lever} keeps all limits; {nearest['value']:.4g}{lever} comes nearest, with "
        f"a chance of {100 * worst['probability']:.3g} % that {worst['name']}"
    )


def _unit(twin: Twin, name: str, before: str = "") -> str:
    unit = twin.model.signals[name.partition("[")[0]].unit
    return "" if unit == "1" and before else before + unit


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


ANSWERS: Final = {"now": answer_now, "what_if": answer_what_if, "decide": answer_decide}
