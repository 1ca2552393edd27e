"""Twins at work: a model put to one machine, what it reads, when it warns, what can be turned."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from songsinh.errors import LiveError
from songsinh.models import Model
from songsinh.twin import EnsembleTransform, Limit, Noise

__all__ = ["Alarm", "Episode", "Lever", "Question", "Twin"]

Severity = Literal["notice", "warning", "danger"]
Known = float | tuple[float, float]  # certain, or mean and sd


@final
@dataclass(frozen=True)
class Alarm:
    """Warn when a state, parameter or output is likely to cross a threshold within the lead (s).

    A lead of 0 asks about now, and is the only one for parameters. `advice` says what to do.
    """

    name: str
    signal: str
    below: float | None = None
    above: float | None = None
    lead: float = 0.0
    cut: float = 0.5
    severity: Severity = "warning"
    advice: str = ""


@final
@dataclass(frozen=True)
class Lever:
    """An input or parameter that people may turn when they ask "what if", within its range."""

    name: str
    low: float
    high: float
    meaning: str = ""


@final
@dataclass(frozen=True)
class Question:
    """What should I do: which value of a lever keeps the limit and does best by the goal.

    `goal` is a state or output, taken at the end of the outlook; `limits` see `twin.decide`.
    It looks `horizon` s ahead, as far as the twin does when that is None.
    """

    title: str
    lever: str
    goal: str
    best: Literal["most", "least"] = "most"
    limits: tuple[Limit, ...] = ()
    horizon: float | None = None


@final
@dataclass(frozen=True)
class Episode:
    """Machines that run in episodes (a discharge, a flight): how a new one begins.

    After a silence of `gap` s in event time the `states` named are drawn anew; parameters, and
    states not named, carry on.
    """

    gap: float
    states: Mapping[str, Known]


@final
@dataclass(frozen=True)
class Twin:
    """One machine's twin. Times are in s; what is not said here the model's signals say.

    `start` is what `believe` takes. Sensors are the keys of `noise.readings`; the model's
    inputs are read too. Between readings an input is held, or runs in a line. Readings more
    than `window` behind the newest come too late for the belief. A forecast is made `every` so
    often in event time, over `horizon`, at `samples` times; inputs stay as they are unless
    `expected` says otherwise. `shown` are the signals charted, the most telling first.
    """

    name: str
    title: str
    model: Model
    start: Mapping[str, Known]
    noise: Noise
    members: int = 50
    seed: int = 0
    method: EnsembleTransform = field(default_factory=EnsembleTransform)
    inputs: Literal["held", "linear"] = "held"
    window: float = 10.0
    every: float = 60.0
    horizon: float = 3600.0
    samples: int = 60
    expected: Mapping[str, float] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    levers: tuple[Lever, ...] = ()
    questions: tuple[Question, ...] = ()
    episode: Episode | None = None
    meaning: str = ""
    card: str = ""  # the pilot whose credibility card speaks for it

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", self.name):
            raise LiveError(
                f"a twin cannot be called {self.name!r}; use small letters, digits and dashes, "
                "at most 63"
            )
        for name in self.read:
            kind = self.model.signals[name.partition("[")[0]].kind
            if kind == "parameter":
                raise LiveError(
                    f"twin {self.name!r} reads {name!r}, which is a parameter; read states, "
                    "outputs and inputs"
                )

    @property
    def sensors(self) -> tuple[str, ...]:
        """The states and outputs that are read, in the order of the noise."""
        return tuple(self.noise.readings)

    @property
    def read(self) -> tuple[str, ...]:
        """All signals that may be read: sensors, then inputs."""
        return (*self.sensors, *self.model.signals.columns("input"))
