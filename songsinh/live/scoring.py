"""Scoring: past outlooks held against what was read, beside the simplest baseline.

At 1/8, 1/4, 1/2 and the whole of its horizon an outlook is scored by the first reading of each
sensor: whether it lay inside the 50 and 90 % bands, and the continuous ranked probability score,
here twice the mean pinball loss over the five quantiles that are kept. The bands are those of
the reading: widened by the sensor's noise. The baseline goes on from the last reading as a
random walk and is scored alike. An outlook that a new episode cuts short is not scored further,
and none is where the inputs were not as it had assumed or the sensor is broken.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri
from sqlalchemy import Connection, insert, select, update

from songsinh.database import tables
from songsinh.live.alarms import Finding
from songsinh.live.outlooks import LEVELS, Outlook
from songsinh.live.runner import REASONS, Runner

__all__ = ["LEADS", "Ledger", "Score", "Walks", "describes", "pinball", "read_bands"]

LEADS: Final = (0.125, 0.25, 0.5, 1.0)  # of the horizon
LATE: Final = 1 / 16  # of the horizon, how long after its time a reading still counts
RECENT: Final = 40  # scored readings by which a twin is judged
LEAST: Final = 12
DOUBT: Final = 1e-3  # chance of a false word, each time it is asked
MOST: Final = 256  # outlooks of a twin that wait for readings
DAY: Final = 86_400_000_000
BROKEN: Final = REASONS.index("broken")
NORMAL: Final = ndtri(np.array(LEVELS))
Array = NDArray[np.float64]


class Score(NamedTuple):
    """How an outlook did at one reading; the crps are in the signal's unit."""

    signal: str
    lead: float
    time_us: int
    inside_50: bool
    inside_90: bool
    crps: float
    crps_walk: float
    is_fair: bool  # the inputs were as had been assumed, and the sensor is not suspected


def pinball(quantiles: Array, value: float) -> float:
    """The continuous ranked probability score of quantiles at LEVELS, roughly.

    >>> pinball(np.full(5, 2.0), 3.0)
    1.0
    """
    off = value - quantiles
    return float(2 * np.mean(np.maximum(np.array(LEVELS) * off, (np.array(LEVELS) - 1) * off)))


def read_bands(quantiles: Array, noise: float) -> Array:
    """Quantiles of what a sensor of that noise (sd) will read; exact for a normal law."""
    middle = quantiles[2]
    apart = np.sqrt((quantiles - middle) ** 2 + (NORMAL * noise) ** 2)
    return np.asarray(middle + np.sign(NORMAL) * apart)


@final
class Walks:
    """How fast each sensor wanders, from readings about as far apart as forecasts are."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, float, float, int]] = {}

    def step(
        self, twin: str, latest: Mapping[str, tuple[int, float]], now_us: int
    ) -> dict[str, tuple[float, float, float]]:
        """Note the latest readings; value, age (s) and variance in a second of each."""
        found = {}
        for name, (time, value) in latest.items():
            old = self._seen.get((twin, name))
            rate, count = (old[2], old[3]) if old else (0.0, 0)
            if old and time > old[0]:
                count = min(count + 1, 30)
                new = (value - old[1]) ** 2 / ((time - old[0]) / 1e6)
                rate += (new - rate) / count
            if not old or time > old[0]:
                self._seen[twin, name] = time, value, rate, count
            if count:
                found[name] = value, (now_us - time) / 1e6, rate
        return found


@final
class Ledger:
    """Outlooks that wait for readings, and scores that wait to be written."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Outlook]] = {}
        self._done: dict[tuple[int, int], int] = {}  # twin, made: scored up to (us)
        self._sums: dict[tuple[int, str, float, int], list[float]] = {}
        self.recent: dict[tuple[int, str], deque[tuple[int, bool]]] = {}

    def load(self, connection: Connection) -> None:
        """Take up the outlooks in the database that are not scored to their end."""
        table = tables.forecasts
        query = select(table.c.twin, table.c.made_us, table.c.scored_us, table.c.body)
        waiting = query.where(table.c.scored_us < table.c.last_us).order_by(table.c.made_us)
        for twin, made, scored, body in connection.execute(waiting):
            self._waiting.setdefault(twin, deque(maxlen=MOST)).append(Outlook.from_bytes(body))
            self._done[twin, made] = scored

    def add(self, twin: int, outlook: Outlook) -> None:
        """Let an outlook of a twin (twins.id) wait for readings."""
        self._waiting.setdefault(twin, deque(maxlen=MOST)).append(outlook)
        self._done[twin, outlook.made_us] = outlook.made_us

    def drop(self, twin: int) -> None:
        """Let go of the outlooks of a twin that wait."""
        self._waiting.pop(twin, None)

    def due(self, twin: int, window_us: int) -> int:
        """The event time (us) from which something can be scored; far off when nothing can."""
        waiting = self._waiting.get(twin, ())
        due = (
            _next(one, self._done[twin, one.made_us]) + _patience(one, window_us) for one in waiting
        )
        return min(due, default=2**62)

    def score(self, twin: int, runner: Runner, row: int) -> list[Score]:
        """Hold the readings of a twin against its outlooks as far as it has come."""
        now, found = int(runner.now[row]), []
        rest: deque[Outlook] = deque(maxlen=MOST)
        for outlook in self._waiting.get(twin, ()):
            done = self._done[twin, outlook.made_us]
            patience = _patience(outlook, int(runner.windows.spans[row]))
            while (due := _next(outlook, done)) + patience <= now:
                found += _scored(outlook, due, runner, row)
                done = due
            if runner.begun[row] > outlook.made_us:
                done = outlook.last_us
            self._done[twin, outlook.made_us] = done
            if done < outlook.last_us:
                rest.append(outlook)
        self._waiting[twin] = rest
        for score in found:
            self._note(twin, score)
        return found

    def _note(self, twin: int, score: Score) -> None:
        """Count a score, if it is fair: of what nobody foretold nothing can be learned."""
        if not score.is_fair:
            return
        key = twin, score.signal, score.lead, score.time_us // DAY
        told = 1, score.inside_50, score.inside_90, score.crps, score.crps_walk
        sums = self._sums.setdefault(key, [0.0] * len(told))
        self._sums[key] = [old + float(new) for old, new in zip(sums, told, strict=True)]
        recent = self.recent.setdefault((twin, score.signal), deque(maxlen=RECENT))
        # readings less than a lead apart tell the same twice
        apart = not recent or score.time_us - recent[-1][0] >= score.lead * 1e6
        if apart:
            recent.append((score.time_us, score.inside_90))

    def flush(self, connection: Connection) -> None:
        """Write scores, and how far outlooks were scored, together."""
        table = tables.scores
        names = ("count", "inside_50", "inside_90", "crps", "crps_walk")
        for (twin, signal, lead, day), sums in self._sums.items():
            key = {"twin": twin, "signal": signal, "lead_s": lead, "day": day}
            new = dict(zip(names, [*map(int, sums[:3]), *sums[3:]], strict=True))
            more = update(table).where(*(table.c[name] == value for name, value in key.items()))
            more = more.values({name: table.c[name] + value for name, value in new.items()})
            if connection.execute(more).rowcount == 0:
                connection.execute(insert(table).values(key | new))
        table = tables.forecasts
        for (twin, made), done in tuple(self._done.items()):
            if done > made:
                here = update(table).where(table.c.twin == twin, table.c.made_us == made)
                connection.execute(here.values(scored_us=done))

    def settle(self) -> None:
        """What was flushed is durable."""
        self._sums.clear()
        kept = {(twin, one.made_us) for twin, many in self._waiting.items() for one in many}
        self._done = {key: done for key, done in self._done.items() if key in kept}


def describes(twin: int, ledger: Ledger, verdict: str) -> Finding:
    """Whether a twin still describes its machine, by its forecasts and its last readings."""
    for (one, signal), recent in ledger.recent.items():
        hits, count = sum(inside for _, inside in recent), len(recent)
        if one == twin and count >= LEAST and float(bdtr(hits, count, 0.9)) < DOUBT:
            sentence = (
                f"the twin no longer describes its machine: {hits} of the last {count} readings of "
                f"{signal} lay inside its 90 % bands"
            )
            detail = {"inside": hits, "count": count}
            return Finding("describes", signal, "warning", True, sentence, detail=detail)
    sentence = "the twin no longer describes its machine: its readings are off together"
    return Finding("describes", "", "warning", verdict == "machine", sentence)


def _next(outlook: Outlook, done: int) -> int:
    """The next time (us) at which an outlook is scored."""
    span = float(outlook.ahead[-1])
    times = [outlook.made_us + round(lead * span * 1e6) for lead in LEADS]
    return next((time for time in times if time > done), 2**62)


def _patience(outlook: Outlook, window_us: int) -> int:
    """How long (us) readings are waited for: those past the window are no longer at hand."""
    return min(round(LATE * float(outlook.ahead[-1]) * 1e6), window_us // 2)


def _scored(outlook: Outlook, due: int, runner: Runner, row: int) -> list[Score]:
    """The first reading of each sensor from a due time on against an outlook."""
    windows, span = runner.windows, float(outlook.ahead[-1])
    first, count = int(windows.first[row]), int(windows.count[row])
    times = windows.times[row, first : first + count]
    begin = int(np.searchsorted(times, due))
    end = int(np.searchsorted(times, due + round(LATE * span * 1e6), "right"))
    values = windows.values[row, first + begin : first + end]
    names = runner.fleet.model.signals.columns("input")
    now = dict(zip(names, runner.crowd.inputs[row], strict=True))
    is_fair = all(abs(now[k] - v) <= 0.05 * abs(v) + 1e-9 for k, v in outlook.inputs.items())
    scores = []
    for column, name in enumerate(runner.columns[: runner.sensors]):
        there = np.flatnonzero(np.isfinite(values[:, column]))
        if not len(there) or name not in outlook.signals or name not in outlook.walk:
            continue
        time, value = int(times[begin + there[0]]), float(values[there[0], column])
        # a sensor that is off says nothing about the machine
        is_sound = windows.aside[row, first + begin + there[0], column] != BROKEN
        ahead = (time - outlook.made_us) / 1e6
        known = outlook.quantiles[outlook.signals.index(name)]
        here = np.array([np.interp(ahead, outlook.ahead, level) for level in known])
        bands = read_bands(here, runner.fleet.noise.readings[name])
        last, age, rate = outlook.walk[name]
        walk = last + NORMAL * np.sqrt(rate * (ahead + age))
        lead = (due - outlook.made_us) / 1e6
        inside = bool(bands[1] <= value <= bands[3]), bool(bands[0] <= value <= bands[4])
        crps = pinball(bands, value), pinball(walk, value)
        scores.append(Score(name, lead, time, *inside, *crps, bool(is_fair and is_sound)))
    return scores
