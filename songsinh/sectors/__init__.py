"""Pilots: twins of real things, each in its own folder, here or in other packages."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, final

from songsinh.errors import PilotError, near
from songsinh.models import Model
from songsinh.reports import Picture
from songsinh.twin import Card

__all__ = ["Findings", "Pilot", "Progress", "Validate", "load", "pilot_names"]

Progress = Callable[[str, float], None]
GROUP = "songsinh.pilots"


@final
@dataclass(frozen=True)
class Findings:
    """What a pilot's checks found: its card, pictures, a summary, and the story line by line."""

    card: Card
    pictures: tuple[Picture, ...]
    summary: str
    story: tuple[str, ...] = ()


class Validate(Protocol):
    """Runs a pilot's held-out checks, on its own recordings or on those in the files."""

    def __call__(self, files: Sequence[Path] = (), progress: Progress | None = None) -> Findings:
        """The findings; progress is told what is done and the share of it that is (0 to 1)."""
        ...


@final
@dataclass(frozen=True)
class Pilot:
    """A twin of a real thing: its model, what it is for, and the checks that say how good it is."""

    name: str
    title: str
    meaning: str
    model: Model
    validate: Validate

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*-v[0-9]+", self.name):
            raise PilotError(
                f"a pilot cannot be called {self.name!r}; use small letters and a version, "
                "as in 'battery-v1'"
            )


def pilot_names() -> tuple[str, ...]:
    """The pilots that are installed: folders here, and entry points of other packages."""
    here = {found.name for found in iter_modules(__path__) if found.ispkg}
    elsewhere = {point.name for point in entry_points(group=GROUP)}
    return tuple(sorted(here | elsewhere))


def load(name: str) -> Pilot:
    """The pilot of that name; PilotError with near matches when there is none."""
    bare = re.sub(r"-v[0-9]+$", "", name)
    if bare not in pilot_names():
        raise PilotError(f"there is no pilot {name!r}; {near(bare, pilot_names())}")
    points = {point.name: point.value for point in entry_points(group=GROUP)}
    module = import_module(points.get(bare, f"{__name__}.{bare}"))
    pilot = getattr(module, "PILOT", None)
    if not isinstance(pilot, Pilot):
        raise PilotError(f"{module.__name__} has no PILOT; give it one, as sectors/battery does")
    return pilot
