"""The shapes of answers, for the document that describes the API."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AlertShape",
    "AuditShape",
    "BeliefShape",
    "BeliefsShape",
    "CardShape",
    "ForecastShape",
    "HealthShape",
    "Listed",
    "MadeTokenShape",
    "PersonShape",
    "PilotShape",
    "Problem",
    "ReceiptShape",
    "RefusalShape",
    "RemarkShape",
    "ScoreShape",
    "SensorShape",
    "SignalShape",
    "SourceShape",
    "TokenShape",
    "TwinShape",
    "ValuesShape",
]

T = TypeVar("T")
Moment = Annotated[str, Field(examples=["2026-01-31T12:00:00.000000Z"])]
Quantiles = dict[str, list[float | None]]


class Problem(BaseModel):
    """What went wrong, by RFC 9457: `detail` is one sentence that says what to do."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no twin 'b7'; look at the list"])


class Listed(BaseModel, Generic[T]):
    """A page of a list; `next` is the cursor of the page that follows, null on the last."""

    items: list[T]
    next: str | None


class HealthShape(BaseModel):
    """How the centre is: what works and what does not."""

    status: Literal["ok", "unwell"]
    database: bool
    live: bool


class TwinShape(BaseModel):
    """A twin; `worst` is its gravest alert that stands, "" for none."""

    name: str = Field(examples=["b0005"])
    title: str = Field(examples=["Cell B0005"])
    state: str = Field(examples=["running"])
    recipe: dict[str, Any]
    made: Moment
    made_by: str
    worst: Literal["", "notice", "warning", "danger"]
    alerts: int


class BeliefShape(BaseModel):
    """What a twin believes at an event time: mean and spread (sd) of each signal, in SI units."""

    model_config = ConfigDict(extra="allow")
    time: float | None = Field(examples=[1769860800.0])
    at: Moment | None
    mean: dict[str, float | None]
    sd: dict[str, float | None]


class BeliefsShape(BaseModel):
    """What was believed at times in s since 1970: means and spreads (sd) by signal."""

    times: list[float]
    mean: dict[str, list[float | None]]
    sd: dict[str, list[float | None]]


class ForecastShape(BaseModel):
    """Quantiles of each signal at each time (s since 1970): {signal: {"0.05": [...], ...}}."""

    model_config = ConfigDict(extra="allow")
    made: float = Field(examples=[1769860800.0])
    at: Moment
    times: list[float]
    signals: dict[str, Quantiles]


class ScoreShape(BaseModel):
    """How forecasts of a signal did at a lead (s); `skill` 1 is perfect, 0 no better than none."""

    signal: str
    lead_s: float
    count: int
    inside_50: float
    inside_90: float
    crps: float
    crps_walk: float
    skill: float | None


class SensorShape(BaseModel):
    """A sensor of a twin and how it does; its other fields depend on the twin."""

    model_config = ConfigDict(extra="allow")
    name: str


class CardShape(BaseModel):
    """A credibility card: checks, coverages and limits of a pilot's twin."""

    model_config = ConfigDict(extra="allow")
    pilot: str
    title: str


class SignalShape(BaseModel):
    """A signal of a twin that can be read."""

    id: int
    name: str = Field(examples=["voltage"])


class ValuesShape(BaseModel):
    """Readings of a signal in order of event time, in s since 1970."""

    signal: str
    start: Moment | None
    end: Moment | None
    times: list[float]
    values: list[float | None]
    least: list[float | None] = Field(default=[], description="When thinned out by `most`.")
    greatest: list[float | None] = []
    quality: list[int]


class ReceiptShape(BaseModel):
    """What became of readings that were pushed: all `accepted` are durable."""

    accepted: int
    refused: dict[str, int] = Field(examples=[{"unknown signal": 1}])
    example: str


class AlertShape(BaseModel):
    """An alert, in event times; `cleared` is null while its reason stands."""

    id: int
    twin: str
    title: str
    rule: str
    signal: str | None
    severity: Literal["notice", "warning", "danger"]
    state: Literal["open", "acknowledged", "closed"]
    opened: Moment
    last: Moment
    cleared: Moment | None
    probability: float | None
    sentence: str
    detail: dict[str, Any]
    assigned: int | None
    assignee: str


class RemarkShape(BaseModel):
    """What somebody did about an alert."""

    id: int
    at: Moment
    who: str
    kind: str
    text: str


class SourceShape(BaseModel):
    """A source of readings; secrets in its settings are masked."""

    name: str
    kind: str
    state: str
    settings: dict[str, Any]
    made: Moment


class RefusalShape(BaseModel):
    """What was not taken in from a source, and why."""

    source: str
    reason: str
    count: int
    first: Moment
    last: Moment
    example: str


class PilotShape(BaseModel):
    """A pilot that twins can be made from, and the machines it knows."""

    name: str
    title: str
    meaning: str
    machines: list[str]


class PersonShape(BaseModel):
    """A person with their roles by twin; `*` is the whole centre."""

    id: int
    email: str
    name: str
    roles: dict[str, str]
    disabled: bool
    invited: bool


class TokenShape(BaseModel):
    """A token for a program, without its secret."""

    id: int
    name: str
    email: str
    scope: str
    twin: str
    made: Moment
    ends: Moment
    used: Moment | None


class MadeTokenShape(BaseModel):
    """A new token; its secret is shown this once."""

    token: str
    name: str
    scope: str
    twin: str


class AuditShape(BaseModel):
    """A row of the audit log; each hash covers the row before."""

    id: int
    at: Moment
    who: str
    what: str
    about: str
    detail: dict[str, Any]
    hash: str
