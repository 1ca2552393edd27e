"""The battery pilot's held-out checks: followed cell by cell, scored, put on a card."""

import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from songsinh import __version__
from songsinh.errors import DataError
from songsinh.sectors import Findings, Progress
from songsinh.sectors.battery.data import (
    HELD_OUT,
    Cell,
    fitting_cells,
    read_cells,
    shipped_cells,
)
from songsinh.sectors.battery.end_of_life import learn_alarm_cut
from songsinh.sectors.battery.evidence import checks, coverages, ranks
from songsinh.sectors.battery.showing import pictures
from songsinh.sectors.battery.studies import Study, study
from songsinh.twin import Card, Cut

__all__ = ["LIMITS", "validate"]

SEED: Final = 1
COLD: Final = 288.15  # K, below any ambient of the fitting cells
SOURCE: Final = (
    "B. Saha and K. Goebel (2007), Battery Data Set, NASA Prognostics Data Repository, NASA Ames"
)
LIMITS: Final = (
    "One make of cell, discharged at 2 A and 24 °C: a change of load or temperature during life is "
    "outside what the ageing model knows.",
    "A rest gives capacity back for some discharges. A rest that nobody announces cannot be "
    "foretold, and the discharge after it is the twin's worst.",
    "Rests are read from the start times in a capacity file. Without them each is unknown, and the "
    "bands are less exact: 88 to 98 % inside the 90 % band on these cells.",
    "Capacity is what the laboratory counts down to 2.7 V, by whole samples (0.01 Ah at 2 A).",
    "The few cells resemble each other, and some choices in the ageing model were made with "
    "B0005 to B0007 in view; cells never seen are the fairer test (--cells).",
    "Not for safety: the twin knows nothing of swelling, leaks or fire.",
)


def validate(files: Sequence[Path] = (), progress: Progress | None = None) -> Findings:
    """Follow cells that no fit has seen, and say how far the twin can be trusted.

    Without files these are the shipped B0005 and B0006 from discharge 61 on and B0007.
    """
    tell = progress or (lambda what, share: None)
    if files:
        cells = read_cells(files)
        held = dict.fromkeys(cells, 1)
    else:
        held = dict(HELD_OUT)
        cells = shipped_cells(tuple(held))
    fitted = fitting_cells()
    done = 0

    def learned(name: str) -> None:
        nonlocal done
        done += 1
        tell(f"Learning when to warn, from {name}", 0.15 * done / len(fitted))

    cut = learn_alarm_cut(fitted, seed=SEED, progress=learned)
    found = []
    for place, (name, cell) in enumerate(cells.items()):
        begun = 0.15 + 0.8 * place / len(cells)

        def tell_cell(what: str, share: float, name: str = name, begun: float = begun) -> None:
            part = {"capacity": 0.0, "voltage": 0.2, "state of charge": 0.7}[what]
            size = {"capacity": 0.2, "voltage": 0.5, "state of charge": 0.3}[what]
            tell(f"Following {name}: {what}", begun + 0.8 / len(cells) * (part + size * share))

        found.append(study(cell, held[name], cut=cut, seed=SEED, tell=tell_cell))
    if not any(one.scores for one in found):
        raise DataError(
            f"the cells {', '.join(cells)} have too few discharges to check "
            f"({max(len(one.capacities) for one in found)} at most); give cells with 21 or more"
        )
    tell("Drawing", 0.96)
    card = _card(found, cut, files)
    story = tuple(line for one in found for line in _story(one))
    return Findings(card, tuple(pictures(found)), _summary(found, cut), story)


def _card(found: Sequence[Study], cut: Cut, files: Sequence[Path]) -> Card:
    given = "".join(f" --cells {file.name}" for file in map(Path, files))
    return Card(
        pilot="battery-v1",
        title="A lithium-ion cell that ages",
        about="An equivalent-circuit twin of an 18650 cell. Fitted on cells B0025 to B0031 and the "
        "first 60 discharges of B0005 and B0006; everything shown here was held out.",
        version=__version__,
        source=SOURCE,
        licence="NASA data, public domain",
        checks=tuple(check for one in found for check in checks(one)),
        coverages=tuple(row for one in found for row in coverages(one)),
        ranks=tuple(row for one in found for row in ranks(one)),
        limits=(*LIMITS, *(line for one in found for line in _outside(one.cell))),
        made_with={
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "numba")},
        },
        seed=SEED,
        command=f"songsinh validate battery{given}",
    )


def _outside(cell: Cell) -> Iterator[str]:
    """Why a cell lies outside what the twin was made for, if it does."""
    for what, values, unit, most in (
        ("load", cell.loads, "A", 0.2),
        ("ambient temperature", cell.ambient, "K", 3.0),
    ):
        seen = values[np.isfinite(values)]
        if len(seen) and np.ptp(seen) > most:
            yield (
                f"{cell.name}: its {what} goes from {seen.min():.3g} to {seen.max():.3g} {unit} "
                "during its life, which the ageing model does not know; do not trust its figures."
            )
        elif what != "load" and len(seen) and seen.max() < COLD:
            yield (
                f"{cell.name}: it lives at {seen.max() - 273.15:.0f} °C, colder than any cell the "
                "twin was fitted to; do not trust its figures."
            )


def _summary(found: Sequence[Study], cut: Cut) -> str:
    names = ", ".join(one.cell.name for one in found)
    ends = [one for one in found if np.isfinite(one.ended)]
    words = f"{len(found)} cells were followed: {names}. "
    warned = [one for one in ends if one.alarms is not None and np.isfinite(one.alarms.first)]
    if ends:
        words += f"{len(warned)} of the {len(ends)} that came to their end were warned of before. "
    return f"{words}{cut.sentence[0].upper()}{cut.sentence[1:]}."


def _story(one: Study) -> Iterator[str]:
    """What the twin said of a cell while it lived, and what came."""
    name, last = one.cell.name, len(one.capacities)
    came = f"it came at {one.ended:g}" if np.isfinite(one.ended) else f"at {last} it still lived"
    for at, end in one.ends.items():
        if at < one.ended:
            early, late = end.band
            yield (
                f"{name}, discharge {at}: end of life foretold for {end.foretold:g} "
                f"(90 % band {early:g} to {late:g}); {came}."
            )
    if one.alarms is not None and np.isfinite(one.alarms.first):
        yield (
            f"{name}, discharge {one.alarms.first:g}: [red]warning[/], end of life within "
            f"{one.alarms.lead} discharges; {came}."
        )
