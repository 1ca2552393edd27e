"""The yard: twins built from their recipes, and their fleets made ready before anybody waits.

What must be compiled takes long and is done here, away from the thread that folds. A fleet is
handed over with its kernels, so that no lock of the compiler is ever met while folding.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import orjson

from songsinh.errors import SongsinhError
from songsinh.live.runner import common_fleet, fleet_of
from songsinh.live.twins import Twin
from songsinh.twin import Fleet

__all__ = ["Build", "Yard"]

Build = Callable[[dict[str, Any]], Twin]


@final
class Yard:
    """Builds twins with `build` and keeps the fleets that are ready. Any thread may use it."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._built: dict[bytes, tuple[Twin | None, str]] = {}
        self._fleets: dict[Any, Fleet] = {}
        self._faults: dict[Any, str] = {}

    def prepare(self, recipes: Iterable[Mapping[str, Any]]) -> None:
        """Build twins ahead, so that `fetch` need not."""
        for recipe in recipes:
            self._built[_key(recipe)] = self._try(recipe)

    def fetch(self, recipe: Mapping[str, Any]) -> tuple[Twin | None, str]:
        """The twin of a recipe, or why there is none."""
        return self._built.pop(_key(recipe), None) or self._try(recipe)

    def warm(self, twin: Twin) -> None:
        """Make the fleet of a twin ready; this may take long."""
        kind = fleet_of(twin)
        if kind in self._fleets:
            return
        self._faults.pop(kind, None)
        try:
            fleet = common_fleet(twin)
            fleet.warm()
        except Exception as error:  # of one fleet all are alike, and the others go on
            self._faults[kind] = f"it cannot be followed: {error}"
            return
        self._fleets[kind] = fleet

    def fleet(self, twin: Twin) -> Fleet | None:
        """The fleet that follows a twin, None while it is not ready."""
        return self._fleets.get(fleet_of(twin))

    def fault(self, twin: Twin) -> str:
        """Why the fleet of a twin cannot be made, if that was tried."""
        return self._faults.get(fleet_of(twin), "")

    def _try(self, recipe: Mapping[str, Any]) -> tuple[Twin | None, str]:
        try:
            return self._build(dict(recipe)), ""
        except SongsinhError as error:
            return None, str(error)
        except Exception as error:  # a recipe may hold anything
            return None, f"its recipe cannot be read ({type(error).__name__}: {error})"


def _key(recipe: Mapping[str, Any]) -> bytes:
    return orjson.dumps(dict(recipe), option=orjson.OPT_SORT_KEYS)
