"""Standing: how each twin does, in a word and in numbers."""

import time
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.live.crew import Crew, Followed, Ward
from songsinh.live.hub import Frame
from songsinh.live.runner import COUNTS
from songsinh.live.windows import NEVER

__all__ = ["Standing"]

# by the codes of a fleet
FAULTS: Final = {
    1: "its last reading is no later than its belief",
    2: "most of its members failed at the last reading; check the readings and the bounds",
    3: "its members are all the same, so no reading can correct them; give it some spread",
    4: "its belief collapsed at the last reading; check the noise of its sensors",
}
STARTING: Final = "its model is being made ready; what it reads is kept and followed then"
QUIET: Final = 60.0  # s without a reading, or three times `every`: it is silent
SHARE: Final = 0.3  # by which a second moves the pace


@final
class Standing:
    """States of a crew's twins: starting, following, behind, silent, doubtful, paused, broken."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._is_behind = False
        self._paces: dict[str, tuple[float, int, float]] = {}  # readings/s, count, when

    def all(self) -> dict[str, Any]:
        """All twins by name."""
        return {name: self.of(name) for name in self._crew.twins}

    def of(self, name: str) -> dict[str, Any]:
        """One twin: its state, why, and counts; times in s since 1970."""
        one, place = self._crew.twins.get(name), self._crew.places.get(name)
        if one is None:
            return {}
        state, why = self._word(one)
        told: dict[str, Any] = {"state": state, "why": why, "title": one.title}
        told |= {"forecasts": one.made, "skipped": one.skipped}
        if place is None or place.ward >= len(self._crew.wards):
            return told
        ward = self._crew.wards[place.ward]
        now = int(ward.runner.now[place.row])
        told |= {name: int(getattr(ward.runner.windows, name)[place.row]) for name in COUNTS}
        told["folded"] = told.pop("accepted")
        told["wild"] = int(ward.runner.settled[place.row, 1:3].sum())
        told["time"] = None if now == NEVER else now / 1e6
        told["lag"] = None if now == NEVER else time.time() - now / 1e6
        told["pace"] = round(self._paces.get(one.name, (0.0, 0, 0.0))[0], 3)
        return told

    def note(self) -> None:
        """Work out the pace of each twin since the last time."""
        now = time.monotonic()
        for ward in self._crew.wards:
            accepted = ward.runner.windows.accepted.tolist()
            for one, count in zip(ward.members, accepted, strict=True):
                pace, before, when = self._paces.get(one.name, (0.0, count, now))
                new = (count - before) / (now - when) if now > when else pace
                self._paces[one.name] = pace + SHARE * (new - pace), count, now

    def changes(self, *, is_behind: bool) -> list[Frame]:
        """Frames of the twins whose state is another than was told before."""
        self._is_behind = is_behind
        frames: list[Frame] = []
        for one in self._crew.twins.values():
            state, why = self._word(one)
            if state != one.told:
                one.told = state
                frames.append({"kind": "state", "twin": one.name, "state": state, "why": why})
        return frames

    def _word(self, one: Followed) -> tuple[str, str]:
        place = self._crew.places.get(one.name)
        if one.why:
            return "broken", one.why
        if self._crew.starts(one):
            return "starting", STARTING
        if one.state != "running" or place is None or place.ward >= len(self._crew.wards):
            return "paused", ""
        return self._follows(one, self._crew.wards[place.ward], place.row)

    def _follows(self, one: Followed, ward: Ward, row: int) -> tuple[str, str]:
        fault, verdict = ward.runner.faults.get(row), one.verdict
        if self._is_behind:
            return "behind", "readings come faster than they can be followed"
        if fault is not None:
            return "doubtful", FAULTS.get(fault, "its last reading could not be folded")
        patience = max(QUIET, 3 * one.twin.every) if one.twin else QUIET
        if time.monotonic() - _scalar(ward.arrived, row) > patience:
            return "silent", "nothing has come from its machine for a while"
        if verdict is not None and verdict.kind != "fine":
            return "doubtful", verdict.sentence
        return "following", ""


def _scalar(array: NDArray[np.float64], row: int) -> float:
    return float(array[row])
