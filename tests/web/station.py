"""A centre in one process for tests of the API: real door, log, history and mailboxes.

Two cells, b5 and b6, are followed by a hub whose answers are made up, since none is simulated.
"""

from contextlib import contextmanager

from sqlalchemy import insert

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.live import Outlook, Receipt
from songsinh.live.door import Door
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.mailboxes import Mailbox
from songsinh.web.records import add_twin
from songsinh.web.security import Visitor
from tests.live.desks import NOW, cell
from tests.web.desk import SETTINGS, Desk

US = 1_000_000
TWINS = ("b5", "b6")
BY = Visitor(email="ada@example.org")


class Station:
    """A hub in memory; `away` makes it answer as one that cannot be reached."""

    def __init__(self, engine):
        self.engine = engine
        self.door = Door(engine, {name: cell(name) for name in TWINS}, clock=lambda: NOW)
        self.log, self.boxes = Log(engine), []
        self.away, self.changes = False, 0

    def _reach(self):
        if self.away:
            raise LiveError("what follows the twins does not answer") from TimeoutError()

    async def take(self, source, rows):
        self._reach()
        found = self.door.admit(source, rows)
        if len(found.readings):
            self.log.append(found.readings, round(NOW * US))
        return Receipt(len(found.readings), found.refused, found.example)

    async def listen(self, twins=None):
        box = Mailbox(twins)
        self.boxes.append(box)
        try:
            while True:
                yield await box.fetch()
        finally:
            self.boxes.remove(box)

    def tell(self, *frames):
        for box in self.boxes:
            box.put({}, frames)

    async def ask(self, what, twin, detail):
        self._reach()
        if twin not in TWINS:
            raise LiveError(f"there is no twin {twin!r} here; wait until it is followed")
        return {"now": self._now, "what_if": self._what_if, "decide": self._decide}[what](
            twin, detail
        )

    async def changed(self):
        self._reach()
        self.changes += 1

    async def state(self):
        self._reach()
        return {"twins": {name: {"state": "following", "lag": 0.5} for name in TWINS}}

    def _now(self, twin, detail):
        mean = {"charge": 0.5}
        belief = {"kind": "belief", "twin": twin, "time": NOW, "mean": mean, "sd": {"charge": 0.1},
                  "read": {"voltage": 3.5}, "verdict": ""}  # fmt: skip
        levers = [{"name": "current", "low": 0.0, "high": 4.0, "now": 1.0, "meaning": "load"}]
        sensors = [{"name": "voltage", "last": 3.5, "expected": None, "health": "good"}]
        return {"belief": belief, "forecast": None, "levers": levers, "questions": [],
                "sensors": sensors, "scores": {}, "epoch": 0.0}  # fmt: skip

    def _what_if(self, twin, detail):
        for branch in detail["branches"]:
            if set(branch["levers"]) - {"current"}:
                raise LiveError(f"{sorted(branch['levers'])} are no levers; turn current")
        signals = {"voltage": {"0.5": [3.5, float("nan")]}}
        rows = [{**branch, "signals": signals, "alarms": []} for branch in detail["branches"]]
        return {"times": [NOW, NOW + 60.0], "branches": rows}

    def _decide(self, twin, detail):
        if detail["question"] > 0:
            raise LiveError(f"there is no question {detail['question']}; ask question 0")
        option = {"value": 1.0, "goal": {"mean": 0.4}, "keeps": True, "risks": []}
        return {"title": "How hard?", "options": [option], "best": 0, "sentence": "Take 1 A."}


@contextmanager
def centre(folder, settings=SETTINGS):
    """A desk with a station behind it, and something of everything in its records."""
    desk = Desk(folder, settings=settings)
    try:
        for name in TWINS:
            recipe = {"kind": "invented", "name": name}
            add_twin(desk.engine, name, title=name.upper(), recipe=recipe, signals=(), by=BY)
        desk.hub = desk.app.state.hub = Station(desk.engine)
        desk.history = desk.app.state.history = History(desk.folder / "history", desk.engine)
        fill(desk.engine)
        yield desk
    finally:
        desk.close()


def fill(engine):
    """Two alerts of b5, beliefs, a forecast, scores and a refusal."""
    now = round(NOW * US)
    looked = [[3.5, 3.4]] * 5
    outlook = Outlook("b5", now, [0.0, 60.0], ("voltage",), [looked])
    rows = {
        tables.alerts: [
            alert(rule="low", severity="danger", opened_us=now, last_us=now),
            alert(rule="warm", severity="notice", opened_us=now - US, last_us=now),
        ],
        tables.beliefs: [
            {"twin": 1, "time_us": now - k * US, "mean": {"charge": 0.5}, "sd": {"charge": 0.1}}
            for k in range(5)
        ],
        tables.forecasts: [
            {"twin": 1, "made_us": now, "last_us": now + 60 * US, "scored_us": now,
             "body": as_bytes(outlook)}
        ],
        tables.scores: [
            {"twin": 1, "signal": "voltage", "lead_s": 60.0, "day": 20_000, "count": 10,
             "inside_50": 5, "inside_90": 9, "crps": 0.2, "crps_walk": 0.4}
        ],
        tables.refusals: [
            {"source": "broker", "reason": "unknown twin", "count": 3, "first_us": now,
             "last_us": now, "example": "x/voltage"}
        ],
        tables.sources: [
            {"name": "broker", "kind": "mqtt", "state": "running", "made_us": now,
             "settings": {"broker": {"host": "broker.example.org", "password": "invented"}}}
        ],
    }  # fmt: skip
    with engine.begin() as connection:
        for table, several in rows.items():
            connection.execute(insert(table), several)


def alert(**told):
    """A row of an alert of b5."""
    row = {"twin": 1, "signal": "charge", "cleared_us": None, "probability": 0.9, "detail": {}}
    return row | {"sentence": "The charge falls below 0.1 soon.", "state": "open"} | told


def as_bytes(outlook):
    """The outlook as it is stored."""
    import dataclasses

    import numpy as np

    arrays = {"ahead": np.array(outlook.ahead), "quantiles": np.array(outlook.quantiles)}
    return dataclasses.replace(outlook, **arrays).to_bytes()
