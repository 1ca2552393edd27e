"""Cards and pictures as one page that needs nothing else: no script, no other file, no host."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import numpy as np

from songsinh.errors import SettingError
from songsinh.files import write_whole
from songsinh.reports import words
from songsinh.reports.drawing import Drawn, baseline_roles, draw
from songsinh.reports.pictures import CoverageBars, Panels, Picture, RankHistograms, Single
from songsinh.twin import Card, Check, Coverage

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["render", "write_report"]

TILES: Final = 4  # key figures on the front where no check is marked as key
_TEMPLATES: Final = Path(__file__).with_name("templates")


@final
@dataclass(frozen=True)
class _Mark:
    """One mark of a gauge: how far along it is (0 to 100), what it looks like, what it says."""

    kind: str
    place: float
    role: str = ""


@final
@dataclass(frozen=True)
class _Section:
    """Pictures under one title and caption."""

    title: str
    caption: str
    drawn: tuple[tuple[str, str, Drawn], ...]  # title and caption of a panel, and its drawing
    legend: tuple[tuple[str, str, str], ...]
    panels: bool


def render(
    card: Card, pictures: Sequence[Picture] = (), *, title: str = "", summary: str = ""
) -> str:
    """The card and its pictures as HTML: the same text for the same values.

    Coverage and ranks of the card are drawn after the pictures. `title` takes the place of the
    card's own, `summary` is a sentence or two below the verdict.
    """
    parts = [part for one in pictures for part in _parts(one)]
    roles = baseline_roles([*parts, *card.coverages, *card.checks])
    sections = [_section(one, f"p{place}", roles) for place, one in enumerate(pictures)]
    honest = [_section(one, f"b{place}", roles) for place, one in enumerate(_bands(card))]
    keys = [check for check in card.checks if check.key] or list(card.checks[:TILES])
    return _template().render(
        card=card, title=title or card.title, summary=summary, keys=keys,
        sections=sections, honest=honest, headline=_headline(card), words=words,
        gauge=lambda row: _gauge(row, roles), across=_across(len(keys)),
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
    )  # fmt: skip


def write_report(
    card: Card,
    pictures: Sequence[Picture],
    path: str | os.PathLike[str],
    *,
    title: str = "",
    summary: str = "",
) -> Path:
    """Write the page and, beside it under the same name, the card as JSON; returns the page."""
    page = Path(path)
    if page.suffix not in (".html", ".htm"):
        raise SettingError(f"a report cannot be called {page.name!r}; end its name in .html")
    # both are whole before the first is written
    content, data = render(card, pictures, title=title, summary=summary), card.to_json() + "\n"
    write_whole(page.with_suffix(".json"), data)
    return write_whole(page, content)


@lru_cache(maxsize=1)
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(_TEMPLATES)
    house = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return house.get_template("report.html")


def _headline(card: Card) -> str:
    judged, fallen = len(card.judged), len(card.fallen)
    if not judged:
        return "No check has a bar yet"
    if not fallen:
        return f"Holds all {judged} checks" if judged > 1 else "Holds its one check"
    return f"Holds {judged - fallen} of {judged} checks"


def _bands(card: Card) -> list[Picture]:
    """Pictures of what the card itself says about its bands."""
    found: list[Picture] = []
    if card.coverages:
        found.append(
            CoverageBars(
                "How much the bands covered",
                card.coverages,
                "An honest 90 % band holds nine readings in ten. A dot stands where ours came out, "
                "the upright line where it should be, the shade what is allowed; a triangle fell "
                "outside.",
            )
        )
    if card.ranks:
        found.append(
            RankHistograms(
                "Where the readings fell",
                card.ranks,
                "Flat bars mean honest bands; high ends mean too narrow, a hump too wide, a slope "
                "a bias. The p value takes readings as independent, so along one path it is "
                "strict.",
            )
        )
    return found


def _across(tiles: int) -> int:
    """How many tiles stand in a row so that no row is left with one alone."""
    return tiles if tiles <= 5 else 4 if tiles in (7, 8, 11, 12) else 3 if tiles == 6 else 5


def _parts(picture: Picture) -> Sequence[Single]:
    return picture.pictures if isinstance(picture, Panels) else (picture,)


def _section(picture: Picture, name: str, roles: Mapping[str, str]) -> _Section:
    panels = isinstance(picture, Panels)
    drawn = tuple(
        (part.title, part.caption, draw(part, f"{name}-{place}", panel=panels, others=roles))
        for place, part in enumerate(_parts(picture))
    )
    legend = dict.fromkeys(entry for _, _, one in drawn for entry in one.legend)
    return _Section(picture.title, picture.caption, drawn, tuple(legend), panels)


def _gauge(row: Check | Coverage, roles: Mapping[str, str]) -> tuple[_Mark, ...]:
    """The row as marks on a line from zero, or from the lowest figure, to the highest."""
    bar: float | tuple[float, float] | None
    if isinstance(row, Coverage):
        ours, bar, others = row.covered, row.bars or row.nominal, row.baselines
        published: dict[str, float] = {}
    else:
        ours, bar, others, published = row.ours, row.bar, row.baselines, dict(row.published)
    edges = [] if bar is None else [bar] if isinstance(bar, float) else [*bar]
    figures = np.array([ours, *edges, *others.values(), *published.values()], np.float64)
    figures = figures[np.isfinite(figures)]
    if len(figures) < 2 or np.ptp(figures) == 0 or not np.isfinite(ours):
        return ()
    # a far baseline must not press the rest into a corner
    near = np.array([abs(ours), *map(abs, edges)])
    high = min(float(figures.max()), 4 * float(near.max()) or 1.0) or 1.0
    low = max(min(0.0, float(figures.min())), -high if high > 0 else float(figures.min()))
    if isinstance(bar, tuple) and low == 0.0:
        low = min(float(figures.min()), bar[0] - (bar[1] - bar[0]))
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round(100 * min(max((value - low) / span, 0.0), 1.0), 2)

    marks = [_Mark("edge", place(edge)) for edge in edges]
    for who, value in others.items():
        if np.isfinite(value):
            marks.append(_Mark("other", place(value), roles[who]))
    marks += [_Mark("published", place(value)) for value in published.values() if value == value]
    return (*marks, _Mark("fallen" if row.holds is False else "ours", place(ours)))
