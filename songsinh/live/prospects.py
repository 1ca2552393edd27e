"""Prospects: the forecasts, alerts and scores of the crew, made when they are due.

A twin looks ahead each time its event time has gone on by `every`. While the crew is behind,
looking ahead is left out and counted; what was read is never left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from songsinh.database import tables
from songsinh.live.alarms import Finding, judge
from songsinh.live.crew import Crew, Followed, Ward
from songsinh.live.hub import Frame
from songsinh.live.outlooks import Outlook, as_forecast, foresee, spread_out
from songsinh.live.scoring import Ledger, Walks, describes
from songsinh.live.windows import NEVER
from songsinh.models import Array
from songsinh.twin import Forecast, Looked, diagnose

__all__ = ["Prospects"]

CHUNK: Final = 16  # twins that look ahead between two batches


@final
@dataclass(frozen=True, eq=False)
class _Sight:
    """One twin that looks ahead: where it stands and what it saw."""

    ward: Ward
    row: int
    one: Followed
    now_us: int


@final
class Prospects:
    """Looks ahead for a crew and keeps what comes of it until it is flushed."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._ledger, self._walks = Ledger(), Walks()
        self._forecasts: list[dict[str, Any]] = []
        self._beliefs: list[dict[str, Any]] = []
        self._frames: list[Frame] = []

    def load(self) -> None:
        """Take up what was not scored to its end."""
        with self._crew.engine.connect() as connection:
            self._ledger.load(connection)
            newest = _newest_outlooks(connection)
        for one in self._crew.twins.values():
            one.outlook = newest.get(one.id)

    @property
    def is_urgent(self) -> bool:
        """Whether an alert waits to be told."""
        return self._crew.register.is_urgent

    @property
    def waits(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._forecasts or self._beliefs or self.is_urgent)

    @property
    def is_due(self) -> bool:
        """Whether anybody is to look ahead or be scored."""
        return any(
            ((ward.runner.now >= np.minimum(ward.forecast_due, ward.score_due))
             & (ward.runner.now != NEVER)).any()
            for ward in self._crew.wards
            if not ward.members[0].why
        )  # fmt: skip

    def look(self, *, is_behind: bool, most: int = CHUNK) -> bool:
        """Look ahead for some twins that are due, and score; whether more are due."""
        left = most
        for ward in self._crew.wards:
            if ward.members[0].why:
                continue
            now = ward.runner.now
            begun = now != NEVER
            self._score(ward, np.flatnonzero(begun & (now >= ward.score_due)))
            due = np.flatnonzero(begun & (now >= ward.forecast_due))
            if is_behind:
                self._leave_out(ward, due)
                continue
            some = due[:left]
            try:
                self._look(ward, some)
            except Exception:  # a model may fail ahead in any way; what is read is still folded
                self._leave_out(ward, some)
            left -= len(some)
            if len(some) < len(due):
                return True
        return False

    def flush(self, connection: Connection) -> Callable[[], list[Frame]]:
        """Write what waits; call what is returned once that is durable, for what to tell."""
        add_new(connection, tables.beliefs, self._beliefs)
        add_new(connection, tables.forecasts, self._forecasts)
        alerts = self._crew.register.flush(connection, self._crew.names)
        self._ledger.flush(connection)

        def settle() -> list[Frame]:
            frames = [*self._frames, *alerts]
            self._crew.register.settle()
            self._ledger.settle()
            for waiting in (self._frames, self._beliefs, self._forecasts):
                waiting.clear()
            return frames

        return settle

    def _score(self, ward: Ward, due: NDArray[np.int64]) -> None:
        for row in due.tolist():
            one, span = ward.members[row], int(ward.runner.windows.spans[row])
            try:
                self._ledger.score(one.id, ward.runner, row)
            except Exception:  # of a twin that was made over; what it foresaw no longer fits
                self._ledger.drop(one.id)
            ward.score_due[row] = self._ledger.due(one.id, span)

    def _leave_out(self, ward: Ward, due: NDArray[np.int64]) -> None:
        for row in due.tolist():
            one = ward.members[row]
            one.skipped += not self._crew.catching_up
            self._passed(ward, row)

    def _passed(self, ward: Ward, row: int) -> None:
        twin = ward.members[row].twin
        if twin is not None:
            ward.forecast_due[row] = int(ward.runner.now[row]) + round(twin.every * 1e6)

    def _look(self, ward: Ward, due: NDArray[np.int64]) -> None:
        for row, twin, ahead, inputs, looked, k in foresee(ward.runner, due):
            one = ward.members[row]
            sight = _Sight(ward, row, one, int(ward.runner.now[row]))
            self._passed(ward, row)
            self._believe(sight)
            findings = self._findings(sight)
            if looked.codes[k]:
                one.skipped += 1
                self._crew.register.weigh(one.id, sight.now_us, findings)
                continue
            found = as_forecast(ward.runner.fleet, ward.runner.crowd, looked, k=k, ahead=ahead)
            foreseen = judge(twin, found, _parameters(sight))
            if sight.now_us - ward.runner.begun[row] < ward.runner.windows.spans[row]:
                foreseen = [replace(one, raised=False) for one in foreseen]
            self._crew.register.weigh(one.id, sight.now_us, findings + foreseen)
            self._crew.register.judged[one.id] = sight.now_us
            self._keep(sight, self._outlook(sight, (found, looked, k), inputs, foreseen))

    def _findings(self, sight: _Sight) -> list[Finding]:
        """What a twin says of itself: whether a sensor is off, whether it fits its machine."""
        verdict = diagnose(sight.ward.runner.belief(sight.row))
        sight.one.verdict = verdict
        findings = [describes(sight.one.id, self._ledger, verdict.kind)]
        for name in sight.ward.runner.fleet.sensors:
            is_off = verdict.kind == "sensor" and verdict.signal == name
            sentence = verdict.sentence if is_off else f"{name} agrees with the other sensors"
            findings.append(Finding(f"sensor:{name}", name, "warning", is_off, sentence))
        return findings

    def _believe(self, sight: _Sight) -> None:
        crowd, runner = sight.ward.runner.crowd, sight.ward.runner
        table = np.concatenate([crowd.states[sight.row], crowd.parameters[sight.row]], axis=1)
        mean, sd = table.mean(axis=0).tolist(), table.std(axis=0).tolist()
        names = runner.fleet.columns
        self._beliefs.append({
            "twin": sight.one.id, "time_us": sight.now_us,
            "mean": dict(zip(names, mean, strict=True)),
            "sd": dict(zip(names, sd, strict=True)),
        })  # fmt: skip

    def _outlook(
        self,
        sight: _Sight,
        seen: tuple[Forecast, Looked, int],
        inputs: Array,
        findings: list[Finding],
    ) -> Outlook:
        found, looked, k = seen
        runner = sight.ward.runner
        signals = _charted(sight)
        places = [runner.fleet.shown.index(name) for name in signals]
        latest = {
            name: last
            for name, last in runner.latest(sight.row).items()
            if name in runner.fleet.sensors
        }
        names = runner.fleet.model.signals.columns("input")
        return Outlook(
            twin=sight.one.name,
            made_us=sight.now_us,
            ahead=found.times,
            signals=signals,
            quantiles=spread_out(looked.shown[k][:, :, places].transpose(2, 0, 1)).swapaxes(0, 1),
            inputs=dict(zip(names, inputs.tolist(), strict=True)),
            alarms=[one.shown() for one in findings],
            walk=self._walks.step(sight.one.name, latest, sight.now_us),
        )

    def _keep(self, sight: _Sight, outlook: Outlook) -> None:
        one = sight.one
        one.outlook, one.made_us, one.made = outlook, sight.now_us, one.made + 1
        self._ledger.add(one.id, outlook)
        span = int(sight.ward.runner.windows.spans[sight.row])
        sight.ward.score_due[sight.row] = self._ledger.due(one.id, span)
        self._frames.append(outlook.frame())
        self._forecasts.append({
            "twin": one.id, "made_us": outlook.made_us, "last_us": outlook.last_us,
            "scored_us": outlook.made_us, "body": outlook.to_bytes(),
        })  # fmt: skip


def _parameters(sight: _Sight) -> dict[str, Array]:
    runner = sight.ward.runner
    names = runner.fleet.model.signals.columns("parameter")
    return {name: runner.crowd.parameters[sight.row, :, k] for k, name in enumerate(names)}


def _newest_outlooks(connection: Connection) -> dict[int, Outlook]:
    """The last outlook of each twin (twins.id)."""
    table = tables.forecasts
    last = select(table.c.twin, func.max(table.c.made_us).label("made_us"))
    last_each = last.group_by(table.c.twin).subquery()
    here = (table.c.twin == last_each.c.twin) & (table.c.made_us == last_each.c.made_us)
    query = select(table.c.twin, table.c.body).join(last_each, here)
    return {twin: Outlook.from_bytes(body) for twin, body in connection.execute(query)}


def _charted(sight: _Sight) -> tuple[str, ...]:
    """The signals an outlook is kept of: those shown, sensed or warned of; else all."""
    twin, known = sight.one.twin, sight.ward.runner.fleet.shown
    if twin is None or not twin.shown:
        return known
    wanted = (*twin.shown, *twin.sensors, *(alarm.signal for alarm in twin.alarms))
    return tuple(name for name in dict.fromkeys(wanted) if name in known)


def add_new(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows; those that are there already stay as they are."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    connection.execute(insert(table).on_conflict_do_nothing(), rows)
