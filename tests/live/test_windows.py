"""The windows keep to one law, however readings are ordered and cut."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.live.windows import NEVER, Windows

SPAN, TWINS, COLUMNS = 10, 3, 2
READINGS = st.lists(
    st.tuples(
        st.integers(0, TWINS - 1),
        st.integers(0, 40),
        st.integers(0, COLUMNS - 1),
        st.sampled_from([1.0, 2.0]),
    ),
    max_size=60,
)


def taken(windows, readings):
    """Let readings in at once."""
    table = np.array(readings, float).reshape(-1, 4)
    twin, time, column = table[:, :3].astype(np.int64).T
    return windows.take(twin, time, column, table[:, 3])


def held(windows):
    """All that is held: {(twin, time): (values)}."""
    twin, place = windows.after(np.arange(TWINS), np.full(TWINS, NEVER))
    times, values = windows.times[twin, place], windows.values[twin, place]
    assert len(set(zip(twin, times, strict=True))) == len(twin)
    assert all(np.all(np.diff(times[twin == one]) > 0) for one in range(TWINS))
    rows = zip(twin.tolist(), times.tolist(), values, strict=True)
    return {(one, time): tuple(np.nan_to_num(value, nan=-1)) for one, time, value in rows}


def by_hand(readings):
    """The law, one reading at a time: what is held, and the counts."""
    cells, marks = {}, [NEVER] * TWINS
    counts = {name: [0] * TWINS for name in ("accepted", "late", "repeated", "conflicting")}
    for twin, time, column, value in readings:
        if time < marks[twin] - SPAN:
            counts["late"][twin] += 1
        elif (twin, time, column) in cells:
            same = cells[twin, time, column] == value
            counts["repeated" if same else "conflicting"][twin] += 1
        else:
            cells[twin, time, column] = value
            counts["accepted"][twin] += 1
            marks[twin] = max(marks[twin], time)
    rows = {}
    for (twin, time, column), value in cells.items():
        rows.setdefault((twin, time), [-1.0] * COLUMNS)[column] = value
    return {key: tuple(row) for key, row in rows.items()}, marks, counts


@given(READINGS, st.lists(st.integers(0, 60), max_size=6))
def test_what_is_held_and_counted_is_what_one_reading_after_another_gives(readings, cuts):
    windows, place = Windows(np.full(TWINS, SPAN), COLUMNS), 0
    for cut in [*sorted(cuts), len(readings)]:
        taken(windows, readings[place:cut])
        place = max(place, cut)
    rows, marks, counts = by_hand(readings)
    assert held(windows) == rows
    assert windows.watermark.tolist() == marks
    assert {name: getattr(windows, name).tolist() for name in counts} == counts


@given(READINGS, READINGS)
def test_a_change_is_told_from_the_first_row_that_differs(before, after):
    windows = Windows(np.full(TWINS, SPAN), COLUMNS)
    taken(windows, before)
    old = held(windows)
    told = taken(windows, after)
    new = held(windows)
    changed = {key for key in new if old.get(key) != new[key]}
    wanted = {twin: min(t for one, t in changed if one == twin) for twin, _ in changed}
    assert dict(zip(told.twins.tolist(), told.since.tolist(), strict=True)) == wanted


@settings(max_examples=30)
@given(READINGS)
def test_rows_that_were_forgotten_leave_the_others_alone(readings):
    windows = Windows(np.full(TWINS, SPAN), COLUMNS)
    taken(windows, readings)
    before = held(windows)
    limits = windows.watermark - SPAN - 1
    windows.forget(np.arange(TWINS), limits)
    assert held(windows) == {(i, t): v for (i, t), v in before.items() if t > limits[i]}
    taken(windows, [(i, 41 + k, 0, 1.0) for k in range(200) for i in range(TWINS)])
    assert len(held(windows)) >= 600


def test_marks_on_rows_stay_when_the_same_readings_come_again():
    windows = Windows(np.full(TWINS, SPAN), COLUMNS)
    taken(windows, [(0, 5, 0, 1.0), (0, 6, 0, 1.0)])
    windows.aside[0, :2, 0] = 3
    taken(windows, [(0, 5, 0, 1.0), (0, 6, 1, 1.0)])
    assert windows.aside[0, :2].tolist() == [[3, 0], [3, 0]]
