"""Pictures drawn as SVG, wide and narrow, each with the legend and the words that go with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.errors import DataError
from songsinh.reports.palette import SERIES, colour
from songsinh.reports.pictures import (
    CoverageBars,
    Fan,
    Line,
    RankHistograms,
    Scatter,
    Single,
    Timeline,
    Traces,
)
from songsinh.reports.svg import inline_svg, settings
from songsinh.reports.words import chance, describe, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Drawn", "baseline_roles", "draw"]

WIDE: Final = 1060.0  # px, the text column of the page
NARROW: Final = 350.0  # px, a phone or one of three panels
SMALL, TINY = 11.5, 10.5


@final
@dataclass(frozen=True)
class Drawn:
    """A picture as it goes into a page: SVG for wide and narrow screens, its legend, its alt."""

    wide: str
    narrow: str
    legend: tuple[tuple[str, str, str], ...]  # mark, colour role, words
    alt: str


def draw(
    picture: Single, name: str, *, panel: bool = False, others: Mapping[str, str] | None = None
) -> Drawn:
    """The picture as SVG; `name` is unique on the page, `panel` asks for the narrow one only.

    `others` gives each baseline its colour role, so that it looks the same in every picture.
    """
    import matplotlib

    alt = picture.alt or describe(picture)
    roles = baseline_roles([picture]) | dict(others or {})
    maker = _MAKERS[type(picture)]
    shown = {}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings())
        for word, width in (("narrow", NARROW), *(() if panel else (("wide", WIDE),))):
            figure = maker(picture, width, roles)
            shown[word] = inline_svg(figure, name=f"{name}-{word}", alt=alt)
    return Drawn(shown.get("wide", ""), shown["narrow"], _legend(picture, roles), alt)


def baseline_roles(rows: Iterable[Any]) -> dict[str, str]:
    """The colour role of each baseline that pictures, checks or coverages name, as met."""
    found: dict[str, str] = {}
    for row in rows:
        parts = row.rows if isinstance(row, CoverageBars) else (row,)
        for who in (who for part in parts for who in getattr(part, "baselines", ())):
            found.setdefault(who, SERIES[1 + len(found) % 3])
    return found


def _legend(picture: Single, roles: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    if isinstance(picture, Fan):
        found = [("line", "twin", "twin, median")]
        for order, level in enumerate(sorted(picture.bands)):
            found.append((f"band{order}", "twin", f"{level:.0%} band".replace("%", " %")))
        if picture.history is not None:
            found.append(("dot", "ink", "measured, known to the twin"))
        if picture.truth is not None:
            found.append(("ring", "ink", "measured later"))
        for who in picture.baselines:
            found.append((f"dash{SERIES.index(roles[who]) - 1}", roles[who], who))
        if picture.crossing is not None:
            found.append(("range", "warn", "foretold crossing"))
        if picture.crossed is not None:
            found.append(("diamond", "ink", "true crossing"))
        return tuple(found)
    if isinstance(picture, Traces):
        shown = [("line", SERIES[i % 4], f"twin, {c.name}") for i, c in enumerate(picture.curves)]
        return (("ring", "ink", "measured"), *shown)
    if isinstance(picture, CoverageBars):
        shown = [("dot", "twin", "covered"), ("range", "soft", "promised, and what is allowed")]
        if any(row.holds is False for row in picture.rows):
            shown.insert(1, ("triangle", "warn", "covered, outside what is allowed"))
        names = dict.fromkeys(who for row in picture.rows for who in row.baselines)
        marks = [(f"open{SERIES.index(roles[who]) - 1}", roles[who], who) for who in names]
        return (*shown, *marks)
    if isinstance(picture, RankHistograms):
        return (("band0", "twin", "readings"), ("dash0", "ink", "flat, as honest bands have it"))
    if isinstance(picture, Timeline):
        found = [("band1", "twin", "probability of the event"), ("dash0", "warn", "cut")]
        if any(row.warned is not None for row in picture.rows):
            found.append(("triangle", "warn", "first warning"))
        if any(row.happened is not None for row in picture.rows):
            found.append(("diamond", "ink", "the event"))
        return tuple(found)
    found = [("dot", "twin", "members")]
    return tuple(found + ([("diamond", "warn", "truth")] if picture.truth is not None else []))


def _canvas(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def _axes(
    figure: "Figure", left: float, bottom: float, right: float, top: float, **more: Any
) -> "Axes":
    """Axes between four edges in px, counted from the lower left, in the house's dress."""
    from matplotlib.ticker import MaxNLocator

    width, height = figure.get_size_inches() * 72
    box = (left / width, bottom / height, (right - left) / width, (top - bottom) / height)
    axes = figure.add_axes(box, **more)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(colour("rule"))
    axes.tick_params(
        axis="both", length=0, pad=5, labelsize=TINY,
        colors=colour("rule"), labelcolor=colour("soft"),
    )  # fmt: skip
    axes.tick_params(axis="x", length=4)
    axes.grid(axis="y", color=colour("rule"), linewidth=0.8)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(max(3, int((right - left) / 70)), steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(max(2, int((top - bottom) / 45)), steps=[1, 2, 5, 10]))
    return axes


def _names(figure: "Figure", axes: "Axes", x_label: str, y_label: str) -> None:
    """Labels where they are read: x below to the right, y lying above the axis."""
    plain: dict[str, Any] = {"fontsize": SMALL, "color": colour("soft")}
    axes.annotate(
        x_label, (1, 0), (0, -23), "axes fraction", "offset points",
        ha="right", va="top", **plain,
    )  # fmt: skip
    box = axes.get_position()
    width, height = figure.get_size_inches() * 72
    figure.text(2 / width, box.y1 + 10 / height, y_label, va="bottom", **plain)


def _xy(line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = (np.asarray(part, np.float64) for part in line)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(f"a line of a picture has x {x.shape} and y {y.shape}; give [points] both")
    return x, y


def _reach(parts: Sequence[ArrayLike], room: float = 0.06) -> tuple[float, float]:
    """The lowest and highest finite value with some room around; 0 to 1 where there is none."""
    flat = np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in parts])
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    pad = room * (high - low) or max(abs(high), 1.0) * room
    return low - pad, high + pad


def _fan(picture: Fan, width: float, roles: Mapping[str, str]) -> "Figure":
    height = 380.0 if width > 600 else 270.0
    figure = _canvas(width, height)
    axes = _axes(figure, 38, 42, width - 8, height - 30)
    x, median = _xy((picture.x, picture.median))
    shown: list[ArrayLike] = [median]
    along: list[ArrayLike] = [x]
    for order, level in enumerate(sorted(picture.bands, reverse=True)):
        low, high = (np.asarray(edge, np.float64) for edge in picture.bands[level])
        shown += [low, high]
        axes.fill_between(
            x, low, high, color=colour("twin"), alpha=0.16 + 0.16 * order, linewidth=0
        )
    for who, line in picture.baselines.items():
        dash = ((5, 3), (1.5, 2.5), (7, 2, 1.5, 2))[SERIES.index(roles[who]) - 1]
        axes.plot(*_xy(line), color=colour(roles[who]), linewidth=1.6, linestyle=(0, dash))
    axes.plot(x, median, color=colour("twin"), linewidth=2.4)
    size = 3.2 if width > 600 else 2.4
    for known, filled in ((picture.history, True), (picture.truth, False)):
        if known is not None:
            seen = _xy(known)
            shown.append(seen[1])
            along.append(seen[0])
            axes.plot(
                *seen, "o", markersize=size, markeredgewidth=0 if filled else 1.0,
                color=colour("ink"), markerfacecolor=colour("ink" if filled else "paper"),
            )  # fmt: skip
    if picture.threshold is not None:
        shown.append([picture.threshold])
    axes.set_ylim(*_reach(shown))
    axes.set_xlim(*_reach(along, 0.01))
    _marks(axes, picture)
    _names(figure, axes, picture.x_label, picture.y_label)
    return figure


def _marks(axes: "Axes", picture: Fan) -> None:
    """The threshold, where it is crossed, and when the forecast was issued."""
    if picture.issued is not None:
        axes.axvline(picture.issued, color=colour("soft"), linewidth=1)
        axes.annotate(
            "forecast issued", (picture.issued, 1), (5, -2), ("data", "axes fraction"),
            "offset points", fontsize=TINY, color=colour("soft"), va="top",
        )  # fmt: skip
    if picture.threshold is None:
        return
    axes.axhline(picture.threshold, color=colour("warn"), linewidth=1.2, linestyle=(0, (6, 3)))
    if picture.threshold_label:
        axes.annotate(
            picture.threshold_label, (0, picture.threshold), (3, -4),
            ("axes fraction", "data"), "offset points",
            fontsize=TINY, color=colour("warn"), va="top",
        )  # fmt: skip
    if picture.crossing is not None:
        early, middle, late = picture.crossing
        level = picture.threshold
        axes.plot([early, late], [level, level], color=colour("warn"), linewidth=5, alpha=0.55)
        axes.plot([middle], [level], "|", color=colour("warn"), markersize=14, markeredgewidth=2.5)
    if picture.crossed is not None:
        axes.plot(
            [picture.crossed], [picture.threshold], "D", markersize=7, color=colour("ink"),
            markeredgecolor=colour("paper"), markeredgewidth=1.5, zorder=5,
        )  # fmt: skip


def _traces(picture: Traces, width: float, _: Mapping[str, str]) -> "Figure":
    height = 430.0 if width > 600 else 340.0
    strip = 92.0
    figure = _canvas(width, height)
    upper = _axes(figure, 38, 42 + strip + 38, width - 8, height - 30)
    lower = _axes(figure, 38, 42, width - 8, 42 + strip, sharex=upper)
    upper.tick_params(labelbottom=False)
    shown, along, errors = [], [], []
    for order, curve in enumerate(picture.curves):
        role = colour(SERIES[order % 4])
        x, measured = _xy((curve.x, curve.measured))
        twin = _xy((curve.x, curve.twin))[1]
        if curve.band is not None:
            low, high = (np.asarray(edge, np.float64) for edge in curve.band)
            upper.fill_between(x, low, high, color=role, alpha=0.2, linewidth=0)
        every = max(1, len(x) // (70 if width > 600 else 35))
        upper.plot(
            x[::every], measured[::every], "o", markersize=3, markeredgewidth=0.9,
            color=colour("ink"), markerfacecolor=colour("paper"),
        )  # fmt: skip
        upper.plot(x, twin, color=role, linewidth=2)
        error = (twin - measured) * picture.error_factor
        lower.plot(x, error, color=role, linewidth=1.3)
        shown += [measured, twin]
        along.append(x)
        errors.append(error)
    upper.set_ylim(*_reach(shown))
    upper.set_xlim(*_reach(along, 0.01))
    most = max(abs(edge) for edge in _reach(errors))
    lower.set_ylim(-most, most)
    lower.axhline(0, color=colour("soft"), linewidth=1)
    _names(figure, upper, "", picture.y_label)
    _names(figure, lower, picture.x_label, picture.error_label)
    return figure


def _coverage_bars(picture: CoverageBars, width: float, roles: Mapping[str, str]) -> "Figure":
    rows = list(picture.rows)
    step = 34.0
    height = 58 + step * len(rows)
    figure = _canvas(width, height)
    axes = _axes(figure, 96, 34, width - 52, height - 8)
    axes.grid(False)
    axes.grid(axis="x", color=colour("rule"), linewidth=0.8)
    for place, row in enumerate(rows):
        y = -place
        level = 100 * row.nominal
        axes.plot([0, 100], [y, y], color=colour("rule"), linewidth=1)
        if row.bars is not None:
            low, high = (100 * edge for edge in row.bars)
            axes.barh([y], [high - low], 0.62, low, color=colour("soft"), alpha=0.28, linewidth=0)
        axes.plot([level, level], [y - 0.31, y + 0.31], color=colour("soft"), linewidth=1.6)
        for who, share in row.baselines.items():
            axes.plot(
                [100 * share], [y], "sDv"[SERIES.index(roles[who]) - 1], markersize=6,
                markerfacecolor=colour("paper"), markeredgecolor=colour(roles[who]),
                markeredgewidth=1.5, clip_on=False, zorder=4,
            )  # fmt: skip
        fallen = row.holds is False
        axes.plot(
            [100 * row.covered], [y], "^" if fallen else "o", markersize=9,
            color=colour("warn" if fallen else "twin"),
            markeredgecolor=colour("paper"), markeredgewidth=1, clip_on=False, zorder=5,
        )  # fmt: skip
        told = f"{100 * row.covered:.0f} %" if np.isfinite(row.covered) else "–"
        axes.annotate(
            told, (1, y), (8, 0), ("axes fraction", "data"), "offset points",
            fontsize=SMALL, color=colour("ink"), va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks([])
    for place, row in enumerate(rows):
        axes.annotate(
            f"{row.where}  {100 * row.nominal:.0f} %", (0, -place), (-94, 0),
            ("axes fraction", "data"), "offset points",
            fontsize=SMALL, color=colour("ink"), va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
    return figure


def _rank_histograms(picture: RankHistograms, width: float, _: Mapping[str, str]) -> "Figure":
    rows = list(picture.rows)
    across = min(len(rows), 4 if width > 600 else 2)
    down = -(-len(rows) // across)
    cell, step = (width - 4) / across, 142.0
    figure = _canvas(width, step * down)
    for place, row in enumerate(rows):
        left = 2 + cell * (place % across)
        top = step * (down - place // across)
        axes = _axes(figure, left, top - step + 26, left + cell - 24, top - 26)
        axes.grid(False)
        seen, expected = row.folded()
        ratio = seen / np.where(expected > 0, expected, 1.0)
        axes.bar(np.arange(len(seen)), ratio, 0.86, color=colour("twin"), alpha=0.55, linewidth=0)
        axes.axhline(1, color=colour("ink"), linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_ylim(0, max(2.0, 1.05 * float(ratio.max(initial=0.0))))
        axes.set_yticks([])
        axes.set_xlim(-0.43, len(seen) - 0.57)
        axes.set_xticks([-0.43, len(seen) - 0.57], ["below all", "above all"], fontsize=TINY)
        axes.tick_params(length=0)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        told = chance(row.flatness)
        high: dict[str, Any] = {
            "xycoords": "axes fraction",
            "textcoords": "offset points",
            "va": "bottom",
        }
        axes.annotate(row.where, (0, 1), (0, 6), fontsize=SMALL, color=colour("ink"), **high)
        axes.annotate(told, (1, 1), (0, 6), fontsize=TINY, color=colour("soft"), ha="right", **high)
    return figure


def _timeline(picture: Timeline, width: float, _: Mapping[str, str]) -> "Figure":
    rows = list(picture.rows)
    step = 96.0
    height = step * len(rows) + 40
    figure = _canvas(width, height)
    reach = _reach([row.x for row in rows], 0.01)
    for place, row in enumerate(rows):
        low = 36 + step * (len(rows) - 1 - place)
        axes = _axes(figure, 40, low, width - 12, low + step - 30)
        axes.set_xlim(*reach)
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
        x, share = _xy((row.x, row.probability))
        axes.fill_between(x, 0, share, color=colour("twin"), alpha=0.3, linewidth=0)
        axes.plot(x, share, color=colour("twin"), linewidth=1.8)
        axes.axhline(picture.cut, color=colour("warn"), linewidth=1.1, linestyle=(0, (4, 3)))
        if place < len(rows) - 1:
            axes.tick_params(labelbottom=False)
        else:
            _names(figure, axes, picture.x_label, "")
        told = _lead(row.warned, row.happened, row.unsettled)
        shown: dict[str, Any] = {
            "xycoords": "axes fraction",
            "textcoords": "offset points",
            "va": "bottom",
        }
        axes.annotate(
            row.name, (0, 1), (0, 7), fontsize=SMALL, color=colour("ink"), weight="bold", **shown
        )
        axes.annotate(
            told, (1, 1), (0, 7), fontsize=SMALL, color=colour("soft"), ha="right", **shown
        )
        if row.warned is not None and row.happened is not None:
            axes.plot([row.warned, row.happened], [0, 0], color=colour("warn"),
                      linewidth=3, clip_on=False, solid_capstyle="butt")  # fmt: skip
        for when, mark, role, size in (
            (row.warned, "^", "warn", 9),
            (row.happened, "D", "ink", 7),
        ):
            if when is not None:
                axes.axvline(when, color=colour(role), linewidth=1, alpha=0.7)
                axes.plot(
                    [when], [0], mark, color=colour(role), markersize=size, clip_on=False,
                    markeredgecolor=colour("paper"), markeredgewidth=1.2, zorder=5,
                )  # fmt: skip
    return figure


def _lead(warned: float | None, happened: float | None, unsettled: bool) -> str:
    if warned is None:
        return "no warning, no event" if happened is None else "the event came without a warning"
    if happened is None and unsettled:
        return f"warned at {warned:g}; the record ends before it is settled"
    if happened is None:
        return f"false alarm at {warned:g}"
    return f"warned at {warned:g}, event at {happened:g}: {happened - warned:g} ahead"


def _scatter(picture: Scatter, width: float, _: Mapping[str, str]) -> "Figure":
    points = np.asarray(picture.points, np.float64)
    if points.ndim != 2 or points.shape[1] != len(picture.labels):
        raise DataError(
            f"a scatter has points {points.shape} and {len(picture.labels)} labels; "
            "give [members, parameters] and one label each"
        )
    pairs = list(combinations(range(points.shape[1]), 2))
    across = min(len(pairs), 3 if width > 600 else 1)
    down = -(-len(pairs) // across)
    cell, step = width / max(across, 3 if width > 600 else 1), 270.0
    figure = _canvas(width, step * down)
    for place, (first, second) in enumerate(pairs):
        left, top = cell * (place % across), step * (down - place // across)
        axes = _axes(figure, left + 50, top - step + 46, left + cell - 24, top - 30)
        axes.grid(axis="x", color=colour("rule"), linewidth=0.8)
        axes.plot(
            points[:, first], points[:, second], "o", markersize=4.2,
            color=colour("twin"), alpha=0.4, markeredgewidth=0,
        )  # fmt: skip
        if picture.truth is not None:
            axes.plot(
                [picture.truth[first]], [picture.truth[second]], "D", markersize=8,
                color=colour("warn"), markeredgecolor=colour("paper"), markeredgewidth=1.4,
            )  # fmt: skip
        box = axes.get_position()
        plain: dict[str, Any] = {"fontsize": SMALL, "color": colour("soft")}
        above = (left + 2) / width, box.y1 + 10 / (step * down)
        figure.text(*above, picture.labels[second], **plain)
        axes.annotate(
            picture.labels[first], (1, 0), (0, -23), "axes fraction", "offset points",
            ha="right", va="top", **plain,
        )  # fmt: skip
        axes.annotate(
            f"correlation {number(_correlation(points[:, first], points[:, second]))}",
            (1, 1), (0, 10), "axes fraction", "offset points", ha="right", **plain,
        )  # fmt: skip
    return figure


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return round(float(np.corrcoef(first, second)[0, 1]), 2)


_MAKERS: Final[dict[type, Callable[[Any, float, Mapping[str, str]], "Figure"]]] = {
    Fan: _fan,
    Traces: _traces,
    CoverageBars: _coverage_bars,
    RankHistograms: _rank_histograms,
    Timeline: _timeline,
    Scatter: _scatter,
}
