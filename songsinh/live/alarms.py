"""Alarms: when a twin warns, and the alerts that come of it, one for each episode.

An alarm is raised when its probability is above its cut and over when it falls below half of
that, so that a probability that dithers about the cut makes one alert, not many. What a twin
says of itself (a sensor is off, the machine is not what it believes) must hold or be gone at
three forecasts in a row. So must an alarm about a parameter hold before it is raised: parameters
are inferred, and the first guess is broad. Alarms about the state now are looked at after each
reading. Nothing is raised before a twin has read for as long as its window, as until then it may
say no more than it was told. An event time is judged once, also across a restart.

An alert tells the worst there was since it was raised: its probability is the greatest, its
sentence and detail are of that time. What was found first and last stand in its detail, as
`raised` and `newest`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, insert, select, update

from songsinh.database import tables
from songsinh.errors import SongsinhError
from songsinh.live.hub import Frame
from songsinh.live.runner import Runner
from songsinh.live.twins import Alarm, Twin
from songsinh.twin import Forecast, alert

__all__ = ["Finding", "Register", "Sentinels", "judge", "judge_now"]

OVER: Final = 0.5  # share of the cut below which an alarm is over
TIMES: Final = 3  # in a row, for what has no probability
Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@final
@dataclass(frozen=True)
class Finding:
    """What an alarm found at a time. Without a probability, `raised` alone says how it is."""

    rule: str
    signal: str
    severity: str
    raised: bool
    sentence: str
    probability: float | None = None
    cut: float = 0.5
    detail: Mapping[str, Any] = field(default_factory=dict)
    must_last: bool = False  # before it is raised

    def shown(self) -> dict[str, Any]:
        """As it stands among the alarms of a forecast."""
        plain = {"name": self.rule, "signal": self.signal, "severity": self.severity}
        told = {"probability": self.probability, "raised": self.raised, "sentence": self.sentence}
        return plain | told | dict(self.detail)


def judge(twin: Twin, found: Forecast, parameters: Mapping[str, Array]) -> list[Finding]:
    """What each alarm of a twin finds in a forecast whose times begin now, at 0 s."""
    findings = []
    for alarm in twin.alarms:
        try:
            if alarm.lead > 0 and alarm.signal not in parameters:
                findings.append(_judge_lead(twin, alarm, found))
            else:
                inferred = parameters.get(alarm.signal)
                members = found[alarm.signal][:, 0] if inferred is None else inferred
                told = judge_now(twin, alarm, _share(alarm, members))
                findings.append(replace(told, must_last=inferred is not None))
        except SongsinhError:
            continue  # no member says anything about it: nothing is found
    return findings


def judge_now(twin: Twin, alarm: Alarm, probability: float) -> Finding:
    """What an alarm about the present finds."""
    side, threshold = _side(alarm)
    sentence = f"{alarm.signal} is {side} {threshold:.6g}{_unit(twin, alarm.signal)} with a chance "
    sentence += f"of {100 * probability:.3g} %"
    first = (0.0, 0.0, 0.0) if probability >= OVER else (None, None, None)
    return _finding(twin, alarm, probability, sentence=sentence, first=first, lead=0.0)


def _judge_lead(twin: Twin, alarm: Alarm, found: Forecast) -> Finding:
    lead = min(alarm.lead, float(found.times[-1]))
    told = alert(
        *(found, alarm.signal), below=alarm.below, above=alarm.above, lead=lead, cut=alarm.cut
    )
    first = tuple(t if np.isfinite(t) else None for t in told.first)
    return _finding(
        *(twin, alarm, told.probability), sentence=told.sentence, first=first, lead=lead
    )


def _finding(
    twin: Twin, alarm: Alarm, probability: float, *, sentence: str, first: Any, lead: float
) -> Finding:
    side, threshold = _side(alarm)
    detail = {"direction": side, "threshold": threshold, "lead": lead, "first": list(first)}
    detail |= {"cut": alarm.cut, "advice": alarm.advice, "unit": _unit(twin, alarm.signal).strip()}
    return Finding(
        *(alarm.name, alarm.signal, alarm.severity, probability > alarm.cut, sentence),
        *(probability, alarm.cut, detail),
    )


def _worst(row: Mapping[str, Any], found: Finding, now_us: int) -> dict[str, Any]:
    """What an alert says once something new was found: the worst so far, and the newest."""
    newest, known = _told(found, now_us), row["detail"]
    if found.probability is None or found.probability <= (row["probability"] or 0.0):
        return {"detail": known | {"newest": newest}}
    detail = dict(found.detail) | {"raised": known.get("raised", newest), "newest": newest}
    return {"probability": found.probability, "sentence": found.sentence, "detail": detail}


def _told(found: Finding, now_us: int) -> dict[str, Any]:
    told = {"time": now_us / 1e6, "probability": found.probability, "sentence": found.sentence}
    return told if "first" not in found.detail else told | {"first": found.detail["first"]}


def _side(alarm: Alarm) -> tuple[str, float]:
    return ("above", alarm.above) if alarm.above is not None else ("below", alarm.below or 0.0)


def _share(alarm: Alarm, members: Array) -> float:
    side, threshold = _side(alarm)
    beyond = members > threshold if side == "above" else members < threshold
    return float(beyond.mean())


def _unit(twin: Twin, name: str) -> str:
    unit = twin.model.signals[name.partition("[")[0]].unit
    return f" {unit}" if unit != "1" else ""


@final
class Sentinels:
    """Alarms about the state now of many twins, looked at after each fold.

    `is_open` is what was last found of each; only changes are told.
    """

    def __init__(self, runner: Runner, standing: Iterable[tuple[str, str]]) -> None:
        columns = runner.fleet.model.signals.columns("state")
        places, standing = {name: k for k, name in enumerate(columns)}, frozenset(standing)
        self.alarms: list[tuple[int, Alarm]] = [
            (row, alarm)
            for row, twin in enumerate(runner.twins)
            for alarm in twin.alarms
            if alarm.signal in places and alarm.lead == 0
        ]
        self._rows = np.array([row for row, _ in self.alarms], np.int64)
        self._places = np.array([places[a.signal] for _, a in self.alarms], np.int64)
        sides = [_side(alarm) for _, alarm in self.alarms]
        self._signs = np.array([1.0 if side == "above" else -1.0 for side, _ in sides])
        self._edges = np.array([threshold for _, threshold in sides])
        self._cuts = np.array([alarm.cut for _, alarm in self.alarms])
        names = [(runner.twins[row].name, alarm.name) for row, alarm in self.alarms]
        self.is_open = np.array([name in standing for name in names], np.bool_)

    def look(self, runner: Runner, twins: Whole) -> list[tuple[int, Alarm, float]]:
        """Row, alarm and probability of each that opens or is over among these twins."""
        if not self.alarms:
            return []
        touched = np.zeros(len(runner.twins), np.bool_)
        read = runner.now[twins] - runner.begun[twins]
        touched[twins[read >= runner.windows.spans[twins]]] = True
        some = np.flatnonzero(touched[self._rows])
        if not len(some):
            return []
        chance = np.empty(len(some))
        for column in np.unique(self._places[some]).tolist():
            here = self._places[some] == column
            members = runner.crowd.states[self._rows[some[here]], :, column]
            signs, edges = self._signs[some[here], None], self._edges[some[here], None]
            chance[here] = (signs * (members - edges) > 0).mean(axis=1)
        opens = ~self.is_open[some] & (chance > self._cuts[some])
        over = self.is_open[some] & (chance < OVER * self._cuts[some])
        self.is_open[some] ^= opens | over
        return [(*self.alarms[some[k]], float(chance[k])) for k in np.flatnonzero(opens | over)]


@final
class Register:
    """The alerts that stand, and what is to be written of them. Event times are in us."""

    def __init__(self, connection: Connection) -> None:
        table = tables.alerts
        rows = connection.execute(select(table).where(table.c.cleared_us.is_(None))).mappings()
        self._standing = {(row["twin"], row["rule"]): dict(row) for row in rows}
        latest = func.max(func.coalesce(table.c.cleared_us, table.c.last_us))
        seen = select(table.c.twin, func.max(table.c.last_us), latest).group_by(table.c.twin)
        rows_seen = connection.execute(seen).all()
        self.judged: dict[int, int] = {twin: max(a, b) for twin, a, b in rows_seen}
        self._streaks: dict[tuple[int, str], int] = {}
        self._changed: dict[tuple[int, str, int], dict[str, Any]] = {}
        self._numbers: dict[int, Any] = {}
        self.is_urgent = False

    def standing(self, names: Mapping[int, str]) -> list[tuple[str, str]]:
        """Twin and rule of the alerts that stand."""
        return [(names[twin], rule) for twin, rule in self._standing if twin in names]

    def weigh(self, twin: int, now_us: int, findings: Sequence[Finding]) -> None:
        """Open, renew or end alerts of a twin (twins.id) by what was found at a time."""
        if now_us <= self.judged.get(twin, now_us - 1):
            return
        for found in findings:
            row = self._standing.get((twin, found.rule))
            if row is None and self._opens(twin, found):
                self._open(twin, now_us, found)
            elif row is not None:
                over = self._is_over(twin, found)
                row |= {"last_us": now_us} | _worst(row, found, now_us)
                if over:
                    row["cleared_us"] = now_us
                    del self._standing[twin, found.rule]
                self._change(row, is_urgent=over)

    def _opens(self, twin: int, found: Finding) -> bool:
        if found.probability is not None and not found.must_last:
            return found.raised
        return self._lasts(twin, found, wanted=True)

    def _is_over(self, twin: int, found: Finding) -> bool:
        if found.probability is not None:
            return found.probability < OVER * found.cut
        return self._lasts(twin, found, wanted=False)

    def _lasts(self, twin: int, found: Finding, *, wanted: bool) -> bool:
        key = twin, found.rule
        count = self._streaks.get(key, 0) + 1 if found.raised == wanted else 0
        self._streaks[key] = 0 if count >= TIMES else count
        return count >= TIMES

    def _open(self, twin: int, now_us: int, found: Finding) -> None:
        first = _told(found, now_us)
        row = {
            "twin": twin, "rule": found.rule, "signal": found.signal or None,
            "severity": found.severity, "opened_us": now_us, "last_us": now_us,
            "cleared_us": None, "probability": found.probability, "sentence": found.sentence,
            "detail": dict(found.detail) | {"raised": first, "newest": first},
            "state": "open", "assigned": None,
        }  # fmt: skip
        self._standing[twin, found.rule] = row
        self._change(row, is_urgent=True)

    def _change(self, row: dict[str, Any], *, is_urgent: bool) -> None:
        self._changed[row["twin"], row["rule"], row["opened_us"]] = row
        row["is_news"] = row.get("is_news", False) or is_urgent
        self.is_urgent = self.is_urgent or is_urgent

    def flush(self, connection: Connection, names: Mapping[int, str]) -> list[Frame]:
        """Write what changed; frames of alerts that opened or ended, for when it is durable."""
        table = tables.alerts
        frames: list[Frame] = []
        for row in self._changed.values():
            told = {key: value for key, value in row.items() if key != "is_news"}
            if "id" in row:
                same = ("last_us", "cleared_us", "probability", "sentence", "detail")
                change = update(table).where(table.c.id == row["id"])
                connection.execute(change.values({name: row[name] for name in same}))
            else:
                key: Any = connection.execute(insert(table).values(told)).inserted_primary_key
                told["id"] = self._numbers[id(row)] = key[0]
            if row["is_news"]:
                told |= {"kind": "alert", "time": row["last_us"] / 1e6, "twin_id": row["twin"]}
                frames.append(told | {"twin": names.get(row["twin"], "")})
        return frames

    def settle(self) -> None:
        """What was flushed is durable."""
        for row in self._changed.values():
            row.pop("is_news")
            if id(row) in self._numbers:
                row["id"] = self._numbers[id(row)]
        self._changed.clear()
        self._numbers.clear()
        self.is_urgent = False
