"""Pilots: twins of real things, each in its own folder, here or in other packages."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, final

from songsinh.errors import LiveError, PilotError, near
from songsinh.live import Twin, build_series, build_written, title_of, words_of
from songsinh.models import Model
from songsinh.reports import Picture
from songsinh.twin import Card

__all__ = ["Findings", "Pilot", "Progress", "Validate", "build", "load", "pilot_names"]

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
    """A twin of a real thing: its model, what it is for, and the checks that say how good it is.

    `twin` puts the model to one of the `machines` (or any other of the kind) to follow it live.
    """

    name: str
    title: str
    meaning: str
    model: Model
    validate: Validate
    machines: tuple[str, ...] = ()
    twin: Callable[[str], Twin] | None = None

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


def build(recipe: Mapping[str, Any]) -> Twin:
    """The twin that a recipe stands for; LiveError or ModelError says what is wrong in it.

    A recipe is plain values: {"kind": "pilot", "pilot": ..., "machine": ...}, or "written" with
    the text of a model, or "series" as `fit_series` makes it; each with a name, and a title.
    """
    kinds = {"pilot": _build_pilot, "written": build_written, "series": build_series}
    kind = recipe.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise LiveError(
            f"a recipe of the kind {kind!r:.40} is not known; use {', '.join(map(repr, kinds))}"
        )
    return kinds[kind](recipe)


def _build_pilot(recipe: Mapping[str, Any]) -> Twin:
    pilot = load(words_of(recipe, "pilot"))
    if pilot.twin is None:
        raise LiveError(f"the pilot {pilot.name!r} cannot be followed live; it has no twin")
    twin = pilot.twin(words_of(recipe, "machine"))
    title = title_of(recipe) if recipe.get("title") else twin.title
    return replace(twin, name=words_of(recipe, "name"), title=title)
