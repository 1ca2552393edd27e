"""Identifiability: which unknowns the readings can tell apart, in plain words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.models import Array
from songsinh.twin.posteriors import SILENT, Posterior
from songsinh.twin.unknowns import Ranges

__all__ = ["Identifiability", "verdicts"]

Change = Callable[[Array], Array]
SHARE: Final = 0.9  # of the band that verdicts speak of
NARROW: Final = 1 / 3  # of its range: a band below it counts as identified
TRADES: Final = 0.2  # correlation between free unknowns from which on they are partners
TIED: Final = 0.99  # correlation from which on a pair is one quantity
POWERS: Final = ((1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))


@final
@dataclass(frozen=True)
class Identifiability:
    """Whether the readings fix an unknown, and in plain words what to do if they do not.

    `width` is its 90 % band as a share of its range; `partners` are those it trades off with.
    """

    name: str
    identified: bool
    width: float
    partners: tuple[str, ...]
    sentence: str


def verdicts(
    ranges: Ranges, found: Posterior, jacobian: Array, reach: Array, change: Change
) -> tuple[Identifiability, ...]:
    """One verdict for each unknown; `reach` is the part of its range open before any reading.

    `change` says how much the readings foretold at places [n, unknowns] differ from the best.

    Practical identifiability after Raue et al. (2009), Bioinformatics 25, 1923, with the
    quadratic likelihood of the Laplace posterior in place of the profile.
    """
    lower, upper = found.band(SHARE)
    width = np.minimum((upper - lower) / reach, 1.0)
    identified = width < NARROW
    weight = np.maximum(np.linalg.norm(jacobian, axis=0), SILENT)
    alone = 2 * found.quantile(SHARE) / weight / reach  # its band if all others were known
    groups = _groups(found.covariance, ~identified & (alone < NARROW))
    result = []
    for j, name in enumerate(ranges.names):
        if identified[j]:
            sentence = _known(ranges, j, lower, upper)
        elif alone[j] >= NARROW:
            sentence = _unmoved(name, bool(reach[j] < 1))
        elif len(groups[j]) > 1:
            sentence = _traded(ranges, found, groups[j], change)
        else:
            of = "that of its prior alone" if reach[j] < 1 else "its range"
            sentence = (
                f"the readings say little about {name}: its 90 % band covers {width[j]:.0%} of "
                f"{of}; measure more, or with less noise"
            )
        partners = tuple(ranges.names[i] for i in groups[j] if i != j)
        sentence += _edge(name, found.centre[j]) if identified[j] else ""
        result.append(
            Identifiability(name, bool(identified[j]), float(width[j]), partners, sentence)
        )
    return tuple(result)


def _groups(covariance: Array, open_: NDArray[np.bool_]) -> list[list[int]]:
    """For each unknown, the open ones it is tied to, itself included; nothing if it is fixed."""
    sd = np.sqrt(np.diag(covariance))
    tied = (np.abs(covariance) > TRADES * np.outer(sd, sd)) & np.outer(open_, open_)
    for _ in range(len(tied)):  # ties of ties
        tied = (tied.astype(int) @ tied.astype(int)) > 0
    return [np.flatnonzero(row).tolist() for row in tied]


def _known(ranges: Ranges, j: int, lower: Array, upper: Array) -> str:
    low, high = (ranges.values(end)[j] for end in (lower, upper))
    unit = f" {ranges.units[j]}" if ranges.units[j] != "1" else ""
    return f"{ranges.names[j]} is identified: its 90 % band is {low:.4g} to {high:.4g}{unit}"


def _edge(name: str, place: float) -> str:
    if 1e-3 < place < 1 - 1e-3:
        return ""
    side = "lower" if place < 0.5 else "upper"
    return f"; its best value lies at its {side} bound, so widen the bounds if nature allows"


def _unmoved(name: str, prior: bool) -> str:
    return (
        f"the readings hardly depend on {name}{', so its prior alone speaks' if prior else ''}; "
        "fix it, or measure something that it moves"
    )


def _traded(ranges: Ranges, found: Posterior, group: Sequence[int], change: Change) -> str:
    names = [ranges.names[i] for i in group]
    together = f"{', '.join(names[:-1])} and {names[-1]} cannot be told apart"
    forms = _combinations(ranges, found, group, change) if len(group) == 2 else []
    if len(forms) == 1:
        matters = f"only {forms[0]} matters"
    else:
        such = f" such as {' or '.join(forms)}" if forms else ""
        matters = f"only a combination of them{such} matters"
    return f"{together}: {matters}; fix one of them or measure more"


def _combinations(
    ranges: Ranges, found: Posterior, pair: Sequence[int], change: Change
) -> list[str]:
    """The simple formulas that stay the same along the direction in which a pair is free."""
    covariance = found.covariance[np.ix_(pair, pair)]
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance[0, 1] / (sd[0] * sd[1])
    if abs(correlation) < TIED:
        return []
    step = ranges.slopes(found.centre)[list(pair)] * sd * [1.0, np.sign(correlation)]
    best = ranges.values(found.centre)
    forms = _forms([ranges.names[i] for i in pair], best[list(pair)], step)
    if len(forms) < 2:
        return [text for text, _ in forms]
    # close by, a * b and a + b may look alike; a longer move along each tells them apart
    moved = np.tile(best, (len(forms), 1))
    moved[:, pair] = [values for _, values in forms]
    felt = change(ranges.laid(moved))
    first, second = np.argsort(felt)[:2]
    clear = felt[first] < 0.1 * felt[second]
    return [forms[first][0]] if clear else [text for text, _ in forms]


def _forms(names: Sequence[str], value: Array, step: Array) -> list[tuple[str, Array]]:
    """Formulas that a small step keeps the same, and a pair of values further on along each."""
    forms = []
    (a, b), size = names, 0.2 * np.abs(value).min()
    if (value > 0).all():
        for m, n in POWERS:
            if _cancel(m * step[0] / value[0], n * step[1] / value[1]):
                text = f"{_power(a, m)} {'*' if n > 0 else '/'} {_power(b, abs(n))}"
                forms.append((text, value * np.exp([0.2 * n, -0.2 * m])))
                break
    if _cancel(step[0], step[1]):
        forms.append((f"{a} + {b}", value + [size, -size]))
    elif _cancel(step[0], -step[1]):
        forms.append((f"{a} - {b}", value + [size, size]))
    return forms


def _cancel(first: float, second: float) -> bool:
    return abs(first + second) < 5e-3 * max(abs(first), abs(second))


def _power(name: str, power: int) -> str:
    return name if power == 1 else f"{name}**{power}"
