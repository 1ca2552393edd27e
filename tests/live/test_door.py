"""The door: only readings of known signals pass, and every refusal is counted with its reason."""

import math
import threading
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from songsinh.database import METADATA
from songsinh.errors import LiveError
from songsinh.live.columns import CODES, Columns, spread
from songsinh.live.readings import READING, Quality, Row
from songsinh.live.refusals import Reason, Refused, tidy
from tests.live.desks import NOW, cell, counted, desk

REASONS = {str(reason) for reason in Reason}


def total(admitted):
    return len(admitted.readings) + sum(admitted.refused.values())


def test_readings_of_known_signals_pass_in_their_order(tmp_path):
    with desk(tmp_path) as (door, _):
        rows = [Row("b5", "voltage", NOW - 2, 3.5), Row("b6", "current", NOW - 1.5, 1, 1)]
        found = door.admit("line", rows)
        ids = [door.signal("b5", "voltage"), door.signal("b6", "current")]
    assert found.readings.dtype == READING
    assert found.readings["time"].tolist() == [1_799_999_998_000_000, 1_799_999_998_500_000]
    assert found.readings["value"].tolist() == [3.5, 1.0]
    assert found.readings["signal"].tolist() == ids
    assert found.readings["quality"].tolist() == [Quality.GOOD, Quality.UNCERTAIN]
    assert not found.refused


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("b7", "voltage", NOW, 3.5), Reason.UNKNOWN_TWIN),
        (Row("b5", "voltag", NOW, 3.5), Reason.UNKNOWN_SIGNAL),
        (Row(["b5"], {}, NOW, 3.5), Reason.UNKNOWN_TWIN),
        (Row(None, None, NOW, 3.5), Reason.UNKNOWN_TWIN),
        (Row("b5", "voltage", NOW, None), Reason.NO_VALUE),
        (Row("b5", "voltage", NOW, math.nan), Reason.NO_VALUE),
        (Row("b5", "voltage", NOW, "3.5"), Reason.NOT_A_NUMBER),
        (Row("b5", "voltage", NOW, [3.5]), Reason.NOT_A_NUMBER),
        (Row("b5", "voltage", NOW, -math.inf), Reason.NOT_FINITE),
        (Row("b5", "voltage", NOW, 10**400), Reason.NOT_FINITE),
        (Row("b5", "voltage", NOW, 1e300), Reason.ABSURD),
        (Row("b5", "voltage", "yesterday", 3.5), Reason.TIME_UNREADABLE),
        (Row("b5", "voltage", True, 3.5), Reason.TIME_UNREADABLE),
        (Row("b5", "voltage", math.nan, 3.5), Reason.TIME_UNREADABLE),
        (Row("b5", "voltage", [], 3.5), Reason.TIME_UNREADABLE),
        (Row("b5", "voltage", NOW + 61, 3.5), Reason.FUTURE),
        (Row("b5", "voltage", 10**400, 3.5), Reason.TIME_UNREADABLE),
        (Row("b5", "voltage", NOW * 1000, 3.5), Reason.FUTURE),
        (Row("b5", "voltage", 12.0, 3.5), Reason.PAST),
        (Row("b5", "voltage", -math.inf, 3.5), Reason.PAST),
    ],
)
def test_what_is_wrong_is_refused_with_its_reason_and_an_example(tmp_path, row, reason):
    with desk(tmp_path) as (door, engine):
        found = door.admit("line", [row])
        assert found.refused == {str(reason): 1}
        assert found.example.startswith(f"{reason}: ")
        assert not len(found.readings)
        assert door.flush() == 1
        assert door.flush() == 0
        (key, (count, example)) = next(iter(counted(engine).items()))
    assert key == ("line", str(reason))
    assert count == 1
    assert found.example.endswith(example)


def test_an_unknown_name_is_told_the_near_ones_and_milliseconds_are_recognised(tmp_path):
    with desk(tmp_path) as (door, _):
        assert "did you mean 'voltage'?" in door.admit("a", [Row("b5", "voltag", NOW, 1)]).example
        assert "did you mean 'b5'" in door.admit("a", [Row("b55", "voltage", NOW, 1)]).example
        late = door.admit("a", [Row("b5", "voltage", NOW * 1e3, 1)])
    assert "send seconds, not milliseconds" in late.example


@pytest.mark.parametrize(
    "written", ["2027-01-15T08:00:00Z", "2027-01-15T08:00:00", "2027-01-15T09:00:00+01:00"]
)
def test_a_written_time_is_utc_unless_it_names_a_zone(tmp_path, written):
    with desk(tmp_path) as (door, _):
        found = door.admit("line", [Row("b5", "voltage", written, 3.5)])
    assert found.readings["time"].tolist() == [int(NOW * 1e6)]


def test_no_time_is_now(tmp_path):
    with desk(tmp_path) as (door, _):
        found = door.admit("line", [Row("b5", "voltage", None, 3.5)], arrived=NOW - 7.25)
    assert found.readings["time"].tolist() == [int((NOW - 7.25) * 1e6)]


def test_microseconds_come_through_whole():
    times = [1_799_999_999 + part / 1e6 for part in range(0, 1_000_000, 997)]
    columns = spread([Row("b5", "voltage", time, 1.0) for time in times])
    whole = np.rint(columns.time * 1e6).astype(np.int64) % 1_000_000
    assert whole.tolist() == list(range(0, 1_000_000, 997))


def test_values_outside_bounds_are_kept_but_marked_bad(tmp_path):
    rows = [
        Row("b5", "current", NOW, 10.0),
        Row("b5", "current", NOW, 10.1),  # an input: no noise to excuse it
        Row("b5", "charge", NOW, 1.05),  # a sensor within six sd of noise
        Row("b5", "charge", NOW, 1.2),
    ]
    with desk(tmp_path) as (door, _):
        found = door.admit("line", rows)
    assert found.readings["quality"].tolist() == [0, 2, 0, 2]
    assert found.outside == 2
    assert not found.refused


def test_a_strange_quality_is_bad():
    rows = [Row("b5", "voltage", NOW, 3.5, quality) for quality in (0, 1, 2, 3, -1, "x", None, 300)]
    assert spread(rows).quality.tolist() == [0, 1, 2, 2, 2, 2, 2, 2]


def test_refusals_add_up_over_flushes_and_keep_the_last_example(tmp_path):
    with desk(tmp_path) as (door, engine):
        for value in range(3):
            door.admit("line", [Row("b7", "voltage", NOW, value)] * 5)
            door.flush()
        counts = counted(engine)
    assert counts[("line", "unknown twin")][0] == 15
    assert "= 2 at" in counts[("line", "unknown twin")][1]


def test_messages_that_gave_no_reading_are_counted_beside_the_rows(tmp_path):
    rows = [Row("b5", "voltage", NOW, 3.5), Refused(Reason.TOO_LARGE, "2 MiB on plant/b5", 3)]
    with desk(tmp_path) as (door, _):
        found = door.admit("line", rows)
        alone = door.admit("line", rows[1:])
        nothing = door.admit("line", [])
    assert (len(found.readings), found.refused) == (1, {"too large": 3})
    assert (len(alone.readings), alone.refused) == (0, {"too large": 3})
    assert total(nothing) == 0


def test_nothing_counted_is_lost_when_the_database_is_away(tmp_path):
    with desk(tmp_path) as (door, engine):
        refusals = METADATA.tables["refusals"]
        door.admit("line", [Row("b7", "voltage", NOW, 1)])
        refusals.drop(engine)
        with pytest.raises(Exception, match="refusals"):
            door.flush()
        door.admit("line", [Row("b7", "voltage", NOW, 2)])
        refusals.create(engine)
        door.flush()
        assert counted(engine)[("line", "unknown twin")][0] == 2


def test_threads_lose_no_count(tmp_path):
    with desk(tmp_path) as (door, engine):
        rows = [Row("b7", "voltage", NOW, 1)]
        work = [
            threading.Thread(target=lambda: [door.admit("line", rows) for _ in range(200)])
            for _ in range(4)
        ]
        for thread in work:
            thread.start()
        while any(thread.is_alive() for thread in work):
            door.flush()
        for thread in work:
            thread.join()
        door.flush()
        assert counted(engine)[("line", "unknown twin")][0] == 800


def test_skew_is_the_median_of_arrival_minus_event_even_when_all_is_refused(tmp_path):
    with desk(tmp_path) as (door, _):
        for second in range(9):
            door.admit("slow", [Row("b5", "voltage", NOW + second - 30, 3.5)], arrived=NOW + second)
            door.admit("fast", [Row("b5", "voltage", NOW + second + 99, 3.5)], arrived=NOW + second)
        skews = door.skews()
    assert (skews["slow"].median, skews["fast"].median) == (30.0, -99.0)
    assert skews["slow"].count == 9


def add_source(engine, name, kind, **settings):
    row = {"name": name, "kind": kind, "settings": settings, "state": "running", "made_us": 0}
    with engine.begin() as connection:
        connection.execute(insert(METADATA.tables["sources"]).values(**row))


def test_times_change_only_where_a_source_asks_for_arrival(tmp_path):
    rows = [Row("b5", "voltage", 800_000_000.0 + second, 3.5) for second in (0, 1, 2)]
    with desk(tmp_path) as (door, engine):
        add_source(engine, "wrong-clock", "mqtt", clock="arrival")
        door.reload()
        rows = [Row("b5", "voltage", NOW + 600 + second, 3.5) for second in (0, 1, 2)]
        moved = door.admit("wrong-clock", rows).readings["time"] / 1e6 - NOW
        assert door.admit("other", rows).refused == {"time in the future": 3}
        assert door.skews()["wrong-clock"].median == -601.0
    assert moved.tolist() == [-2.0, -1.0, 0.0]


def test_a_replay_has_a_clock_of_its_own(tmp_path):
    with desk(tmp_path) as (door, engine):
        add_source(engine, "demo", "replay")
        door.reload()
        found = door.admit("demo", [Row("b5", "voltage", NOW + 1e6, 3.5)])
        far = door.admit("demo", [Row("b5", "voltage", 1e10, 3.5)])
        assert "demo" not in door.skews()
    assert len(found.readings) == 1
    assert far.refused == {"time in the future": 1}


def test_new_twins_are_known_after_a_reload_and_numbers_stay(tmp_path):
    with desk(tmp_path, "b5", "b6") as (door, engine):
        number = door.signal("b6", "voltage")
        assert door.signal("b9", "voltage") is None
        twins = METADATA.tables["twins"]
        with engine.begin() as connection:
            row = {"name": "b9", "title": "", "recipe": {}, "state": "running", "made_us": 0}
            connection.execute(insert(twins).values(**row))
        door.reload({name: cell(name) for name in ("b6", "b9")})
        assert door.signal("b6", "voltage") == number
        assert door.signal("b9", "voltage") is not None
        assert door.admit("line", [Row("b5", "voltage", NOW, 1)]).refused == {"unknown twin": 1}


def test_columns_go_through_bytes_whole(tmp_path):
    rows = [Row("b5", "voltage", NOW, 3.5), Row("b6", "x", None, None), Refused(Reason.ENCODING)]
    columns = spread(rows)
    again = Columns.from_bytes(columns.to_bytes())
    for column in fields(Columns)[1:-1]:
        np.testing.assert_array_equal(getattr(again, column.name), getattr(columns, column.name))
    assert (again.signals, again.refused) == (columns.signals, columns.refused)
    with desk(tmp_path) as (door, _):
        one, other = door.admit("a", columns), door.admit("a", again)
    assert one.refused == other.refused
    with pytest.raises(LiveError, match="are not columns of readings"):
        Columns.from_bytes(b"\x00\x00")


def test_an_index_that_points_nowhere_is_refused(tmp_path):
    columns = spread([Row("b5", "voltage", NOW, 3.5)] * 3)
    columns.index[:] = (-1, 7, 0)
    with desk(tmp_path) as (door, _):
        found = door.admit("line", columns)
    assert (len(found.readings), found.refused) == (1, {"unknown twin": 2})


def test_an_example_is_one_short_line():
    assert tidy("a\r\n\x1b[31m\u202eb\x00") == "a [31m b "
    assert len(tidy("x" * 10_000)) == 200
    assert tidy("\ud800").encode() == b"?"
    assert set(CODES.values()) == set(range(1, len(Reason) + 1))


names = st.one_of(
    st.sampled_from(["b5", "b6", "voltage", "current"]),
    st.text(max_size=8),
    st.none(),
    st.lists(st.integers(), max_size=2),
)
times = st.one_of(
    st.none(), st.floats(), st.floats(NOW - 1e5, NOW), st.integers(), st.text(max_size=12)
)
values = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=4))
strange = st.lists(st.builds(Row, names, names, times, values, values), max_size=20)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with desk(tmp_path_factory.mktemp("door")) as (door, _):
        yield door


@settings(max_examples=150)
@given(rows=strange)
def test_whatever_comes_is_taken_in_or_refused_with_a_reason(shared, rows):
    door = shared
    found = door.admit("line", rows)
    assert total(found) == len(rows)
    assert set(found.refused) <= REASONS
    assert bool(found.example) == bool(found.refused)
    assert np.isfinite(found.readings["value"]).all()
    assert door.admit("line", Columns.from_bytes(spread(rows).to_bytes())).refused == found.refused
