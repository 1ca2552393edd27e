"""What was believed and foretold of a twin, and how the foretelling did."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, final

from sqlalchemy import Engine, Select, func, select

from songsinh.database import tables
from songsinh.web.records.paging import MOST, Page, turn

__all__ = [
    "BeliefRow",
    "ForecastRow",
    "ScoreRow",
    "list_beliefs",
    "list_forecasts",
    "list_scores",
    "newest_beliefs",
    "read_forecast",
]


@final
@dataclass(frozen=True)
class BeliefRow:
    """What was believed at an event time: mean and spread (sd) of each signal, in its unit."""

    time_us: int
    mean: Mapping[str, float]
    sd: Mapping[str, float]


@final
@dataclass(frozen=True)
class ForecastRow:
    """A forecast: made from what was read until `made_us`, as far as `last_us`.

    Readings up to `scored_us` were held against it. `body` is as live keeps it.
    """

    made_us: int
    last_us: int
    scored_us: int
    body: bytes


@final
@dataclass(frozen=True)
class ScoreRow:
    """How forecasts of a signal did at a lead (s) over `count` readings.

    Shares that fell inside the 50 % and 90 % bands; mean CRPS in the signal's unit, of the twin
    and of the simplest baseline (nothing changes). Less is better.
    """

    signal: str
    lead_s: float
    count: int
    inside_50: float
    inside_90: float
    crps: float
    crps_walk: float

    @property
    def skill(self) -> float | None:
        """1 is perfect, 0 no better than the baseline; None when the baseline has no error."""
        return 1.0 - self.crps / self.crps_walk if self.crps_walk > 0.0 else None


def list_beliefs(
    engine: Engine,
    twin: int,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    limit: int = MOST,
) -> tuple[BeliefRow, ...]:
    """The newest beliefs of a twin from start until before end, in order of event time.

    Those of about the last day are in the records; the history has the older ones.
    """
    beliefs = tables.beliefs
    query = select(*beliefs.c["time_us", "mean", "sd"]).where(beliefs.c.twin == twin)
    if start_us is not None:
        query = query.where(beliefs.c.time_us >= start_us)
    if end_us is not None:
        query = query.where(beliefs.c.time_us < end_us)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(beliefs.c.time_us.desc()).limit(limit)).all()
    return tuple(BeliefRow(*row) for row in reversed(rows))


def newest_beliefs(engine: Engine, twins: Collection[int]) -> dict[int, BeliefRow]:
    """The newest belief that is in the records, by the number of the twin."""
    beliefs = tables.beliefs
    newest = select(beliefs.c.twin, func.max(beliefs.c.time_us).label("time_us"))
    last = newest.where(beliefs.c.twin.in_(sorted(twins))).group_by(beliefs.c.twin).subquery()
    query = select(*beliefs.c["twin", "time_us", "mean", "sd"]).join(
        last, (last.c.twin == beliefs.c.twin) & (last.c.time_us == beliefs.c.time_us)
    )
    with engine.connect() as connection:
        return {twin: BeliefRow(*rest) for twin, *rest in connection.execute(query).all()}


def list_forecasts(
    engine: Engine, twin: int, *, after: str | None = None, limit: int = 20
) -> Page[ForecastRow]:
    """The forecasts of a twin, the newest first."""
    made = tables.forecasts.c.made_us
    with engine.connect() as connection:
        rows, following = turn(
            connection, _forecasts(twin), by=[(made, "down")], after=after, limit=limit
        )
    return Page(tuple(ForecastRow(**row) for row in rows), following)


def read_forecast(engine: Engine, twin: int, *, made_us: int | None = None) -> ForecastRow | None:
    """The newest forecast of a twin, or the newest that was made at that time or before."""
    made = tables.forecasts.c.made_us
    query = _forecasts(twin)
    if made_us is not None:
        query = query.where(made <= made_us)
    with engine.connect() as connection:
        row = connection.execute(query.order_by(made.desc()).limit(1)).first()
    return None if row is None else ForecastRow(*row)


def _forecasts(twin: int) -> Select[Any]:
    forecasts = tables.forecasts
    query = select(*forecasts.c["made_us", "last_us", "scored_us", "body"])
    return query.where(forecasts.c.twin == twin)


def list_scores(engine: Engine, twin: int, *, days: int = 30) -> tuple[ScoreRow, ...]:
    """How a twin's forecasts did over the days until its last score, by signal and lead."""
    scores = tables.scores
    last = select(func.max(scores.c.day)).where(scores.c.twin == twin).scalar_subquery()
    sums = [func.sum(scores.c[name]) for name in ("inside_50", "inside_90", "crps", "crps_walk")]
    query = select(scores.c.signal, scores.c.lead_s, func.sum(scores.c["count"]), *sums)
    query = query.where(scores.c.twin == twin, scores.c.day > last - days)
    query = query.group_by(scores.c.signal, scores.c.lead_s)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(scores.c.signal, scores.c.lead_s)).all()
    return tuple(
        ScoreRow(signal, lead, int(count), *(float(total) / int(count) for total in totals))
        for signal, lead, count, *totals in rows
        if count
    )
