"""Windows: the latest readings of many twins in event time, in whatever order they arrive.

The watermark of a twin is the newest event time taken in so far; a reading further behind it
than the window is late. Of two readings of one signal at one time the first counts. What is kept
is thus a function of the readings in their order, however they are cut into batches.
"""

from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "Taken", "Windows", "ranges"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8]

NEVER: Final = -(2**62)  # us: before any reading
ROOM: Final = 64  # rows of a twin to begin with


class Taken(NamedTuple):
    """Which twins have new rows, and from which time (us) on what is held of them changed."""

    twins: Whole
    since: Whole


class _Rows(NamedTuple):
    """Rows: value and aside are [rows, columns]."""

    twin: Whole
    time: Whole
    value: Array
    aside: Codes


@final
class Windows:
    """Rows of readings [twins, places]: all columns of a twin that were read at one time.

    Rows stand in time from `first` on, `count` of them; NaN is silent, `aside` is the runner's.
    Counts of readings are kept for each twin: `accepted`, `late`, `repeated`, `conflicting`.
    """

    def __init__(self, spans_us: Whole, columns: int) -> None:
        twins = len(spans_us)
        self.spans: Whole = np.array(spans_us, np.int64)
        self.watermark: Whole = np.full(twins, NEVER, np.int64)
        self.first: Whole = np.zeros(twins, np.int64)
        self.count: Whole = np.zeros(twins, np.int64)
        self.times: Whole = np.zeros((twins, ROOM), np.int64)
        self.values: Array = np.full((twins, ROOM, columns), np.nan)
        self.aside: Codes = np.zeros((twins, ROOM, columns), np.uint8)
        self.accepted, self.late, self.repeated, self.conflicting = np.zeros((4, twins), np.int64)

    def take(self, twin: Whole, time: Whole, column: Whole, value: Array) -> Taken:
        """Let readings in, in the order given; late and repeated ones are counted and left out."""
        order = np.argsort(twin, kind="stable")
        twin, time, column, value = twin[order], time[order], column[order], value[order]
        fresh = ~self._too_late(twin, time)
        if not fresh.all():
            twin, time, column, value = twin[fresh], time[fresh], column[fresh], value[fresh]
        if not len(twin):
            return Taken(np.empty(0, np.int64), np.empty(0, np.int64))
        order = np.lexsort((column, time, twin))
        twin, time, column, value = twin[order], time[order], column[order], value[order]
        new_row = np.append(True, (twin[1:] != twin[:-1]) | (time[1:] != time[:-1]))
        new = new_row | np.append(True, column[1:] != column[:-1])
        self.accepted += np.bincount(twin[new], minlength=len(self.accepted))
        row = (np.cumsum(new_row) - 1)[new]
        table = np.full((int(new_row.sum()), self.values.shape[2]), np.nan)
        table[row, column[new]] = value[new]
        rows = _Rows(twin[new_row], time[new_row], table, np.zeros(table.shape, np.uint8))
        starts = _starts(rows.twin)
        twins, since = rows.twin[starts], rows.time[starts]
        back = since <= self.watermark[twins]
        if back.any():
            rows, twins, since = self._merged(rows, twins[back], since[back])
        self._append(rows)
        newest = rows.time[np.append(_starts(rows.twin)[1:], len(rows.twin)) - 1]
        touched = rows.twin[_starts(rows.twin)]
        self.watermark[touched] = np.maximum(self.watermark[touched], newest)
        if not new.all():
            twin, time, column, value = twin[~new], time[~new], column[~new], value[~new]
            first = self.values[twin, self._search(twin, time - 1), column]
            self._count(twin, first == value)
        return Taken(twins, since)

    def after(self, twins: Whole, times: Whole) -> tuple[Whole, Whole]:
        """The rows of these twins later than a time (us) each: twin and place, in time."""
        begin = self._search(twins, times)
        lengths = self.first[twins] + self.count[twins] - begin
        return np.repeat(twins, lengths), ranges(begin, lengths)

    def forget(self, twins: Whole, times: Whole) -> tuple[Whole, Whole]:
        """Let go of rows up to a time (us) each; twin and place where they stood until now."""
        begin, end = self.first[twins], self._search(twins, times)
        lengths = end - begin
        gone = np.repeat(twins, lengths), ranges(begin, lengths)
        self.first[twins] = end
        self.count[twins] -= lengths
        return gone

    def restore(self, twin: int, times: Whole, values: Array, aside: Codes) -> None:
        """Put back the rows of one twin that holds none."""
        self._append(_Rows(np.full(len(times), twin, np.int64), times, values, aside))

    def _too_late(self, twin: Whole, time: Whole) -> Mask:
        starts = _starts(twin)
        twins, ends = twin[starts], np.append(starts[1:], len(twin))
        known, span = self.watermark[twins], self.spans[twins]
        newest = np.maximum(known, np.maximum.reduceat(time, starts)) if len(twin) else known
        late: Mask = np.zeros(len(twin), np.bool_)
        if not len(twin):
            return late
        for i in np.flatnonzero(np.minimum.reduceat(time, starts) < newest - span):
            here = slice(starts[i], ends[i])
            before = np.maximum.accumulate(np.append(known[i], time[here]))[:-1]
            late[here] = time[here] < before - span[i]
        if late.any():
            self.late += np.bincount(twin[late], minlength=len(self.late))
        return late

    def _count(self, twin: Whole, same: Mask) -> None:
        self.repeated += np.bincount(twin[same], minlength=len(self.repeated))
        self.conflicting += np.bincount(twin[~same], minlength=len(self.conflicting))

    def _merged(self, rows: _Rows, twins: Whole, since: Whole) -> tuple[_Rows, Whole, Whole]:
        """New rows with those held from `since` on, which leave; what changed from when on."""
        at, place = self.after(twins, since - 1)
        self.count -= np.bincount(at, minlength=len(self.count))
        tables = self.times, self.values, self.aside
        held = _Rows(at, *(table[at, place] for table in tables))  # type: ignore[arg-type]
        pairs: Any = zip(held, rows, strict=True)
        both: Any = _Rows(*(np.concatenate(pair) for pair in pairs))
        new = np.repeat([False, True], [len(held.twin), len(rows.twin)])
        order = np.lexsort((new, both.time, both.twin))
        twin, time, value, aside = (part[order] for part in both)
        new = new[order]
        # at most two rows share a time: what is held, then what is new
        second = np.append(False, (twin[1:] == twin[:-1]) & (time[1:] == time[:-1]))
        changed = new & ~second
        if second.any():
            after = np.flatnonzero(second)
            old, came = value[after - 1], value[after]
            twice = np.isfinite(old) & np.isfinite(came)
            where = np.nonzero(twice)
            self._count(twin[after[where[0]]], (old == came)[where])
            self.accepted -= np.bincount(
                twin[after], weights=twice.sum(axis=1), minlength=len(self.accepted)
            ).astype(np.int64)
            changed[after] = (np.isfinite(came) & ~np.isfinite(old)).any(axis=1)
            value[after - 1] = np.where(np.isfinite(old), old, came)
        first = np.flatnonzero(changed)
        first = first[_starts(twin[first])]
        whole = _Rows(twin[~second], time[~second], value[~second], aside[~second])
        return whole, twin[first], time[first]

    def _append(self, rows: _Rows) -> None:
        """Put rows, sorted by twin and time, behind those held."""
        if not len(rows.twin):
            return
        starts = _starts(rows.twin)
        twins = rows.twin[starts]
        lengths = np.diff(np.append(starts, len(rows.twin)))
        if (self.first[twins] + self.count[twins] + lengths).max() > self.times.shape[1]:
            self._make_room(int((self.count[twins] + lengths).max()))
        place = ranges(self.first[twins] + self.count[twins], lengths)
        self.times[rows.twin, place] = rows.time
        self.values[rows.twin, place] = rows.value
        self.aside[rows.twin, place] = rows.aside
        self.count[twins] += lengths

    def _make_room(self, needed: int) -> None:
        """Move all rows to the front of tables that hold twice what is needed."""
        everyone = np.arange(len(self.count))
        twin, place = np.repeat(everyone, self.count), ranges(self.first, self.count)
        target = ranges(np.zeros_like(self.first), self.count)
        room = max(self.times.shape[1], 2 * needed)
        for name in ("times", "values", "aside"):
            old: Any = getattr(self, name)
            new = np.zeros((old.shape[0], room, *old.shape[2:]), old.dtype)
            new[twin, target] = old[twin, place]
            setattr(self, name, new)
        self.first[:] = 0

    def _search(self, twins: Whole, times: Whole) -> Whole:
        """The place of the first row later than a time (us) each, found by halving."""
        low = self.first[twins].copy()
        high = low + self.count[twins]
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            earlier = self.times[twins, np.minimum(middle, self.times.shape[1] - 1)] <= times
            low = np.where(open_ & earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low


def ranges(starts: Whole, lengths: Whole) -> Whole:
    """The whole numbers from each start on, so many of each, one after another.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _starts(sorted_: Whole) -> Whole:
    """Where each run of equal numbers begins."""
    if not len(sorted_):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.append(True, sorted_[1:] != sorted_[:-1]))
