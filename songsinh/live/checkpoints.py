"""Checkpoints: past beliefs of many twins, to go back to when a reading comes late."""

from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from songsinh.live.windows import NEVER
from songsinh.twin import Crowd

__all__ = ["Checkpoints"]

Whole = NDArray[np.int64]

# a quarter of the window apart, five lie inside it and one before
SPACED: Final = 6
# the last two folds too: most late readings are late by little
RECENT: Final = 2
SLOTS: Final = SPACED + RECENT
EMPTY: Final = 2**62


@final
class Checkpoints:
    """Beliefs [slots] of each twin at past times (us) [slots, twins], EMPTY where there is none.

    At any time a twin has one that is older than every reading that may still come in. The first
    is `blank`, what was believed before any reading, at NEVER.
    """

    def __init__(self, blank: Crowd, spans_us: Whole) -> None:
        self.spans = spans_us
        self.times: Whole = np.full((SLOTS, len(blank)), EMPTY, np.int64)
        self.times[0] = NEVER
        everyone = np.arange(len(blank))
        self.crowds = [blank.copy_rows(everyone) for _ in range(SLOTS)]

    @property
    def oldest(self) -> Whole:
        """The time (us) of the oldest belief of each twin."""
        return np.asarray(self.times[:SPACED].min(axis=0))

    def begin(self, twin: int, time: int, belief: Crowd) -> None:
        """Let a twin begin with this belief, a crowd of one, instead of the blank."""
        self.times[:, twin] = EMPTY
        self.times[0, twin] = time
        self.crowds[0].set_rows([twin], belief)

    def take_back(self, crowd: Crowd, twins: Whole, before: Whole) -> Whole:
        """Set twins back to their newest belief before a time (us); the times they stand at."""
        times = self.times[:, twins]
        past = times < before
        slots = np.where(past, times, NEVER - 1).argmax(axis=0)
        self.times[:, twins] = np.where(past, times, EMPTY)
        for slot in np.unique(slots):
            rows = twins[slots == slot]
            crowd.set_rows(rows, self.crowds[slot].copy_rows(rows))
        return np.asarray(times[slots, np.arange(len(twins))])

    def keep(self, crowd: Crowd, twins: Whole, now: Whole, marks: Whole) -> None:
        """Keep what is believed now (us) where due; `marks` are the watermarks (us)."""
        times, columns = self.times[:, twins], np.arange(len(twins))
        span = self.spans[twins]
        held = np.where(times == EMPTY, NEVER - 1, times)
        newest = held[:SPACED].max(axis=0)
        due = (now > newest) & (now - newest >= -(-span // 4))
        slot = np.where(due, held[:SPACED].argmin(axis=0), SPACED + held[SPACED:].argmin(axis=0))
        times[slot, columns] = now
        # all before the newest that is too old for any reading to come are of no use
        old = (times[:SPACED] < marks - span) & (times[:SPACED] != EMPTY)
        best = np.where(old, times[:SPACED], NEVER - 1).max(axis=0)
        times[(times < best)] = EMPTY
        self.times[:, twins] = times
        for one in np.unique(slot):
            rows = twins[slot == one]
            self.crowds[one].set_rows(rows, crowd.copy_rows(rows))
