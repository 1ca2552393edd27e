"""Credibility: how far a twin can be trusted, kept as plain values on a card."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, final

import numpy as np
from scipy.special import gammaincc

from songsinh.errors import DataError, near
from songsinh.models import Array

__all__ = ["Better", "Card", "Check", "Coverage", "Ranks"]

Better = Literal["less", "more", "inside"]


@final
@dataclass(frozen=True)
class Check:
    """One figure of a twin, the bar it must meet, and what others reach.

    `better` says which side of the bar is good; "inside" takes a bar of (low, high). The bar
    itself still holds. `baselines` and `published` name the figures that stand beside ours,
    `source` says where the published ones come from. `key` puts a figure on the front.

    >>> Check("voltage error", 0.021, unit="V", bar=0.025).holds
    True
    """

    what: str
    ours: float
    unit: str = "1"
    bar: float | tuple[float, float] | None = None
    better: Better = "less"
    where: str = ""
    baselines: Mapping[str, float] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    key: bool = False

    def __post_init__(self) -> None:
        if self.better not in ("less", "more", "inside"):
            raise DataError(
                f"the check {self.what!r} calls {self.better!r} better; "
                "use 'less', 'more' or 'inside'"
            )
        _set(self, ours=float(self.ours), bar=_bar(self.what, self.bar, self.better == "inside"))
        _set(self, baselines=_floats(self.baselines), published=_floats(self.published))
        if self.published and not self.source:
            raise DataError(
                f"the check {self.what!r} shows published figures without a source; give source="
            )

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met; None without a bar; what is not finite meets none."""
        return _meets(self.ours, self.bar, self.better)


@final
@dataclass(frozen=True)
class Coverage:
    """The share of `count` readings that fell inside a band of a nominal level (0 to 1)."""

    where: str
    nominal: float
    covered: float
    count: int
    bars: tuple[float, float] | None = None
    what: str = ""
    baselines: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.nominal < 1:
            raise DataError(f"a band of level {self.nominal} is no band; use a share from 0 to 1")
        bars = _bar(f"coverage of {self.where}", self.bars, True)
        _set(self, nominal=float(self.nominal), covered=float(self.covered), bars=bars)
        _set(self, count=int(self.count), baselines=_floats(self.baselines))

    @property
    def holds(self) -> bool | None:
        """Whether the share lies inside its bars, edges included; None without bars."""
        return _meets(self.covered, self.bars, "inside")


@final
@dataclass(frozen=True)
class Ranks:
    """How often a reading fell on each rank among the members, from below all to above all."""

    where: str
    counts: tuple[int, ...]
    what: str = ""

    def __post_init__(self) -> None:
        _set(self, counts=tuple(int(count) for count in self.counts))
        if len(self.counts) < 2 or min(self.counts) < 0:
            raise DataError(
                f"the ranks of {self.where!r} are {self.counts!r:.40}; give two or more counts, "
                "none below zero, as rank_histogram does"
            )

    def folded(self, most: int = 10) -> tuple[Array, Array]:
        """Neighbouring ranks put together: (counts, counts that a flat histogram would have).

        There are as many bins as leave five readings for each, and at most `most`.
        """
        counts = np.asarray(self.counts, np.float64)
        bins = int(max(2, min(most, len(counts), counts.sum() // 5)))
        edges = np.round(np.linspace(0, len(counts), bins + 1)).astype(int)
        expected = counts.sum() * np.diff(edges) / len(counts)
        return np.add.reduceat(counts, edges[:-1]), expected

    @property
    def flatness(self) -> float:
        """The p value of a chi-square test of flatness (0 to 1); NaN below ten readings.

        It takes the readings as independent; along one path they are not, and p comes out low.

        >>> Ranks("B0005", (5, 5, 5, 5)).flatness
        1.0
        """
        if sum(self.counts) < 10:
            return math.nan
        seen, expected = self.folded()
        statistic = float(np.sum((seen - expected) ** 2 / expected))
        return float(gammaincc((len(seen) - 1) / 2, statistic / 2))


@final
@dataclass(frozen=True)
class Card:
    """What is known about the trust that a pilot's twin deserves; made by a command.

    `source` and `licence` belong to the data, `limits` say what the twin must not be used for,
    and `command`, `made_with` and `seed` how to make the same card again.
    """

    pilot: str
    title: str
    about: str
    version: str
    source: str
    licence: str
    checks: tuple[Check, ...]
    coverages: tuple[Coverage, ...] = ()
    ranks: tuple[Ranks, ...] = ()
    limits: tuple[str, ...] = ()
    made_with: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        for name in ("checks", "coverages", "ranks", "limits"):
            _set(self, **{name: tuple(getattr(self, name))})

    @property
    def judged(self) -> tuple[Check | Coverage, ...]:
        """The checks and coverages that have a bar."""
        rows: list[Check | Coverage] = [*self.checks, *self.coverages]
        return tuple(row for row in rows if row.holds is not None)

    @property
    def fallen(self) -> tuple[Check | Coverage, ...]:
        """Those that do not meet their bar."""
        return tuple(row for row in self.judged if not row.holds)

    @property
    def holds(self) -> bool:
        """Whether there is a bar and every one is met."""
        return bool(self.judged) and not self.fallen

    def to_json(self) -> str:
        """The card as JSON: the same text for the same card; NaN and infinity become null."""
        content = _plain(self) | {"kind": "songsinh card 1"}
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Card":
        """The card that `to_json` wrote; null becomes NaN. DataError when it is no card."""
        try:
            content = json.loads(text)
        except ValueError as error:
            raise DataError(f"this is no JSON ({error}); give what Card.to_json wrote") from error
        if not isinstance(content, dict) or content.pop("kind", "") != "songsinh card 1":
            raise DataError("this JSON is no credibility card; give what Card.to_json wrote")
        for name, kind in (("checks", Check), ("coverages", Coverage), ("ranks", Ranks)):
            content[name] = tuple(_read(kind, row) for row in content.get(name, ()))
        card = _read(Card, content)
        if not isinstance(card, Card):
            raise DataError("this JSON is no credibility card; give what Card.to_json wrote")
        return card


def _meets(ours: float, bar: Any, better: Better) -> bool | None:
    if bar is None:
        return None
    if not math.isfinite(ours):
        return False
    if better == "inside":
        return bool(bar[0] <= ours <= bar[1])
    return bool(ours <= bar) if better == "less" else bool(ours >= bar)


def _bar(what: str, bar: Any, inside: bool) -> float | tuple[float, float] | None:
    """The bar as numbers, checked."""
    if bar is None:
        return None
    edges = np.atleast_1d(np.asarray(bar, np.float64))
    whole = np.isfinite(edges).all() and edges.shape == ((2,) if inside else (1,))
    if not whole or (inside and not edges[0] <= edges[1]):
        asked = "(low, high)" if inside else "one finite number, or better='inside'"
        raise DataError(f"the bar of {what!r} is {bar!r}; give {asked}")
    return (float(edges[0]), float(edges[1])) if inside else float(edges[0])


def _set(value: Any, **changes: Any) -> None:
    """Put checked fields into a frozen value under construction."""
    for name, change in changes.items():
        object.__setattr__(value, name, change)


def _floats(figures: Mapping[str, float]) -> dict[str, float]:
    return {str(name): float(figure) for name, figure in figures.items()}


def _plain(value: Any) -> Any:
    """The value as JSON knows it, with the verdicts beside the figures."""
    if is_dataclass(value):
        named = {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
        return named | ({"holds": value.holds} if hasattr(value, "holds") else {})
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(kind: Any, row: Any) -> Any:
    """A value of a kind from its JSON; verdicts are worked out anew."""
    if not isinstance(row, dict):
        raise DataError(f"a {kind.__name__} of this card is {row!r:.40}, not an object; mend it")
    known = {entry.name for entry in fields(kind)}
    given = {name: entry for name, entry in row.items() if name != "holds"}
    for name in ("ours", "covered"):
        if name in known and given.get(name) is None:
            given[name] = math.nan
    for name in ("baselines", "published"):
        if name in known:
            held = given.get(name, {})
            given[name] = {k: math.nan if v is None else v for k, v in held.items()}
    for name in set(given) - known:
        raise DataError(f"a card's {kind.__name__} has no field {name!r}; {near(name, [*known])}")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise DataError(f"a {kind.__name__} of this card is incomplete ({error})") from error
