"""A centre for tests of the pages: three twins, readings in its history, and made-up answers."""

from contextlib import contextmanager

import numpy as np
from sqlalchemy import insert

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.live import READING
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.web.records import add_twin
from songsinh.web.security import Visitor
from tests.web.desk import SETTINGS, Desk

US = 1_000_000
NOW = 1_795_000_000.0
TWINS = {"b5": "following", "b6": "doubtful", "b7": "silent"}
BY = Visitor(email="ada@example.org")
RECIPE = {"kind": "pilot", "pilot": "battery-v1", "machine": "B0005"}
SIGNALS = {
    "voltage": {"unit": "V", "meaning": "voltage at the terminals", "kind": "output"},
    "temperature": {"unit": "K", "meaning": "of the cell", "kind": "state"},
    "current": {"unit": "A", "meaning": "out of the cell", "kind": "input"},
}
TIMES = (NOW + np.linspace(0.0, 1800.0, 31)).tolist()


def quantiles(middle, sd):
    """A forecast that widens as it goes."""
    spread = sd * np.sqrt(np.arange(1.0, 32.0))
    levels = {"0.05": -1.64, "0.25": -0.67, "0.5": 0.0, "0.75": 0.67, "0.95": 1.64}
    return {level: (middle + z * spread).tolist() for level, z in levels.items()}


def alarm(probability):
    """What the alarm of a twin finds."""
    return {
        "name": "empty soon", "signal": "voltage", "direction": "below", "threshold": 2.7,
        "unit": "V", "lead": 1200.0, "probability": probability, "cut": 0.5,
        "raised": probability > 0.5, "first": [620.0, 745.0, 1180.0], "severity": "danger",
        "sentence": "voltage falls below 2.7 V",
    }  # fmt: skip


class Townhall:
    """A hub whose twins all say the same; `away` makes it answer as one out of reach."""

    def __init__(self):
        self.away, self.changes = False, 0

    def _reach(self):
        if self.away:
            raise LiveError("what follows the twins does not answer") from TimeoutError()

    async def listen(self, twins=None):
        yield [{"kind": "state", "twin": "b5", "state": "following", "why": ""}]

    async def changed(self):
        self.changes += 1

    async def state(self):
        self._reach()
        return {"twins": {name: {"state": state} for name, state in TWINS.items()}}

    async def ask(self, what, twin, detail):
        self._reach()
        return {"now": self.now, "what_if": self.what_if, "decide": self.decide}[what](twin, detail)

    def now(self, twin, _):
        mean, sd = {"temperature": 300.0, "voltage": 3.5}, {"temperature": 0.3, "voltage": 0.01}
        signals = {"voltage": quantiles(3.4, 0.02), "temperature": quantiles(301.0, 0.2)}
        return {
            "state": {"state": TWINS[twin], "why": ""}, "signals": SIGNALS,
            "belief": {"time": NOW, "mean": mean, "sd": sd, "read": {"voltage": 3.5}},
            "forecast": {"made": NOW, "times": TIMES, "signals": signals, "alarms": [alarm(0.83)]},
            "shown": ["voltage", "temperature"], "horizon": 1800.0, "card": "battery-v1",
            "levers": [{"name": "current", "low": 0.0, "high": 4.0, "now": 2.0, "unit": "A"}],
            "questions": [{"title": "How hard?", "lever": "current", "goal": "voltage"}],
            "sensors": [{"name": "voltage", "last": 3.5, "expected": 3.49, "health": "fine",
                         "counts": {"used": 90, "wild": 2}}],
        }  # fmt: skip

    def what_if(self, twin, detail):
        rows = [
            {**one, "alarms": [alarm(0.2 * one["levers"]["current"])],
             "signals": {"voltage": quantiles(3.6 - 0.1 * one["levers"]["current"], 0.02)}}
            for one in detail["branches"]
        ]  # fmt: skip
        return {"times": TIMES, "branches": rows}

    def decide(self, twin, detail):
        options = [
            {"value": value, "goal": {"mean": 3.0 + value, "quantiles": {"0.05": 2.9, "0.95": 4.0}},
             "keeps": value < 2.0, "risks": [{"name": "too warm", "probability": 0.2 * value}]}
            for value in (3.0, 0.0, 1.0)
        ]  # fmt: skip
        return {"title": "How hard?", "options": options, "best": 1.0, "sentence": "Take 1 A."}


@contextmanager
def town(folder, settings=SETTINGS):
    """A desk with a townhall behind it, and something of everything in its records."""
    desk = Desk(folder, hub=Townhall(), settings=settings)
    try:
        for name in TWINS:
            title = f"Cell {name.upper()}"
            add_twin(
                desk.engine,
                name,
                title=title,
                recipe=RECIPE | {"name": name},
                signals=SIGNALS,
                by=BY,
            )
        desk.app.state.history = History(desk.folder / "history", desk.engine)
        _fill(desk.engine)
        yield desk
    finally:
        desk.close()


def _fill(engine):
    with engine.connect() as connection:
        rows = connection.execute(tables.signals.select()).all()
    times = np.arange(NOW - 1800.0, NOW + 1.0, 30.0)
    for row in rows:
        readings = np.zeros(len(times), READING)
        readings["time"], readings["signal"] = (times * US).astype(np.int64), row.id
        readings["value"] = 3.5 if row.name == "voltage" else 300.0
        Log(engine).append(readings, round(NOW * US))
    now = round(NOW * US)
    raised = {"twin": 1, "rule": "empty soon", "signal": "voltage", "severity": "danger",
              "opened_us": now, "last_us": now, "cleared_us": None, "probability": 0.83,
              "sentence": "voltage falls", "detail": alarm(0.83), "state": "open"}  # fmt: skip
    mistaken = {"rule": "describes", "severity": "warning", "probability": None, "detail": {}}
    score = {"twin": 1, "signal": "voltage", "lead_s": 60.0, "day": 20_000, "count": 10,
             "inside_50": 5, "inside_90": 9, "crps": 0.2, "crps_walk": 0.4}  # fmt: skip
    refusal = {"source": "broker", "reason": "unknown twin", "count": 3, "first_us": now,
               "last_us": now, "example": "<x>/voltage"}  # fmt: skip
    source = {"name": "broker", "kind": "mqtt", "state": "running", "made_us": now,
              "settings": {"broker": {"password": "invented"}}}  # fmt: skip
    several = {
        tables.alerts: [raised, raised | mistaken | {"twin": 2}],
        tables.scores: [score],
        tables.refusals: [refusal],
        tables.sources: [source],
    }
    with engine.begin() as connection:
        for table, rows in several.items():
            connection.execute(insert(table), rows)
