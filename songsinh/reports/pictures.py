"""Pictures as plain values: what a pilot wants shown, before anything is drawn.

Every picture has a title, a caption that says in one sentence what one sees, and an `alt`
sentence for those who cannot see it; without one, the drawing is put into words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final

from numpy.typing import ArrayLike

from songsinh.twin import Coverage, Ranks

__all__ = [
    "Alarm",
    "CoverageBars",
    "Curve",
    "Fan",
    "Panels",
    "Picture",
    "RankHistograms",
    "Scatter",
    "Timeline",
    "Traces",
]

Line: TypeAlias = tuple[ArrayLike, ArrayLike]  # x and y


@final
@dataclass(frozen=True, eq=False)
class Fan:
    """A forecast with its bands: past, what was foretold, and what came.

    `bands` maps a level (0 to 1) to its lower and upper edge. `crossing` is the foretold place
    where the threshold is crossed: (early edge, median, late edge); `crossed` is the true one.
    """

    title: str
    x: ArrayLike
    median: ArrayLike
    bands: Mapping[float, tuple[ArrayLike, ArrayLike]]
    caption: str = ""
    x_label: str = ""
    y_label: str = ""
    history: Line | None = None
    truth: Line | None = None
    threshold: float | None = None
    threshold_label: str = ""
    issued: float | None = None
    baselines: Mapping[str, Line] = field(default_factory=dict)
    crossing: tuple[float, float, float] | None = None
    crossed: float | None = None
    alt: str = ""


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """One curve of Traces: what was measured and what the twin says at the same x."""

    name: str
    x: ArrayLike
    measured: ArrayLike
    twin: ArrayLike
    band: tuple[ArrayLike, ArrayLike] | None = None


@final
@dataclass(frozen=True, eq=False)
class Traces:
    """Measured curves beside the twin's, and below them the difference in a unit of its own."""

    title: str
    curves: Sequence[Curve]
    caption: str = ""
    x_label: str = ""
    y_label: str = ""
    error_label: str = "twin − measured"
    error_factor: float = 1.0
    alt: str = ""


@final
@dataclass(frozen=True, eq=False)
class CoverageBars:
    """How much each band covered, beside what it promised."""

    title: str
    rows: Sequence[Coverage]
    caption: str = ""
    alt: str = ""


@final
@dataclass(frozen=True, eq=False)
class RankHistograms:
    """Where the readings fell among the members, one small histogram for each place."""

    title: str
    rows: Sequence[Ranks]
    caption: str = ""
    alt: str = ""


@final
@dataclass(frozen=True, eq=False)
class Alarm:
    """The probability of an event over time for one unit; first warning and event, if any.

    `unsettled` says that the record ended before a warning could be shown right or wrong.
    """

    name: str
    x: ArrayLike
    probability: ArrayLike
    warned: float | None = None
    happened: float | None = None
    unsettled: bool = False


@final
@dataclass(frozen=True, eq=False)
class Timeline:
    """How the alarm rose, one row for each unit, with the cut above which it warns."""

    title: str
    rows: Sequence[Alarm]
    cut: float
    caption: str = ""
    x_label: str = ""
    alt: str = ""


@final
@dataclass(frozen=True, eq=False)
class Scatter:
    """Members of a belief in every pair of parameters: points [members, parameters]."""

    title: str
    points: ArrayLike
    labels: Sequence[str]
    caption: str = ""
    truth: Sequence[float] | None = None
    alt: str = ""


@final
@dataclass(frozen=True, eq=False)
class Panels:
    """Pictures of one kind side by side under one caption."""

    title: str
    pictures: Sequence["Fan | Traces | Scatter"]
    caption: str = ""


Single: TypeAlias = Fan | Traces | CoverageBars | RankHistograms | Timeline | Scatter
Picture: TypeAlias = Single | Panels
