"""Replay: a recording at any speed, with event times that follow from the wall clock alone."""

import asyncio
import tempfile
import time

import numpy as np
import polars as pl
import pytest

from songsinh.errors import DataError, SettingError
from songsinh.live.sources import read_settings
from songsinh.live.sources.replay import Course, Recording, Replay, read_recording
from tests.live.desks import NOW, desk
from tests.live.sources.takers import Taker, running


def csv(folder, text):
    path = folder / "recording.csv"
    path.write_text(text)
    return str(path)


PLAIN = "time,voltage,current\n0,3.5,1\n1,3.4,\n2,3.3,2\n"


def play(folder, given, until):
    async def work(taker):
        async with running("replay", read_settings("replay", "demo", given), taker):
            await taker.until(lambda: until(taker))
        return taker

    with desk(tempfile.mkdtemp(dir=folder)) as (door, _):
        door.clocks["demo"] = "own"
        taker = asyncio.run(work(Taker(door)))
        names = {door.signal("b5", name): name for name in ("voltage", "current")}
    return taker, [(time / 1e6, names[signal], value) for time, value, signal, _ in taker.readings]


def test_as_fast_as_can_be_brings_each_reading_once_in_order(tmp_path):
    given = {"path": csv(tmp_path, PLAIN), "twin": "b5", "speed": 0, "begin": NOW}
    taker, rows = play(tmp_path, given, lambda taker: "ended" in taker.notes)
    assert rows == [
        (NOW, "voltage", 3.5),
        (NOW, "current", 1.0),
        (NOW + 1, "voltage", 3.4),
        (NOW + 2, "voltage", 3.3),
        (NOW + 2, "current", 2.0),
    ]
    assert taker.refused == {}


def test_a_loop_goes_on_where_the_round_before_ended(tmp_path):
    given = {"path": csv(tmp_path, PLAIN), "twin": "b5", "speed": 0, "begin": NOW, "loop": True}
    _, rows = play(tmp_path, given, lambda taker: len(taker.readings) >= 15)
    times = [time - NOW for time, name, _ in rows if name == "voltage"]
    assert times[:9] == list(range(9))
    _, rows = play(tmp_path, given | {"rest": 100}, lambda taker: len(taker.readings) >= 10)
    assert [time - NOW for time, name, _ in rows if name == "voltage"][:6] == [
        0, 1, 2, 102, 103, 104,
    ]  # fmt: skip


def test_event_time_runs_as_many_times_faster_as_asked(tmp_path):
    lines = "".join(f"{n},{n}\n" for n in range(10_000))
    path = csv(tmp_path, "time,voltage\n" + lines)
    before = time.time()
    _, rows = play(
        tmp_path, {"path": path, "twin": "b5", "speed": 1000}, lambda t: len(t.readings) > 300
    )
    assert before <= rows[0][0] <= time.time()  # it began now
    steps = np.diff([moment for moment, _, _ in rows])
    assert steps == pytest.approx(np.ones(len(steps)), abs=1e-5)
    # no reading is sent before it is due
    assert rows[-1][0] - rows[0][0] <= (time.time() - before) * 1000


def course(speed=60.0, loop=True, count=10, begun=NOW):
    recording = Recording(np.arange(count) * 1.0, np.zeros((count, 1)), (("b5", "voltage"),))
    return Course(recording, Replay("demo", "x", speed=speed, loop=loop), NOW, begun)


def test_where_a_replay_is_follows_from_the_wall_clock():
    playing = course()
    assert playing.reached(NOW - 1) == 0
    assert playing.reached(NOW) == 1
    assert playing.reached(NOW + 1) == 61  # 60 s on, and the first
    for sample in (0, 1, 9, 10, 11, 1234):
        due = playing.due(sample)
        assert playing.reached(due + 1e-4) == sample + 1
        assert playing.reached(due - 1e-4) == sample
    once = course(loop=False)
    assert once.reached(NOW + 1e6) == 10


def test_a_piece_never_crosses_a_round():
    playing, sample, seen = course(), 3, []
    while sample < 40:
        columns, sample = playing.piece(sample, 40)
        seen += columns.time.tolist()
    assert seen == [NOW + n for n in range(3, 40)]


def test_a_replay_started_again_does_not_begin_again(tmp_path):
    lines = "".join(f"{n},{n}\n" for n in range(1000))
    path = csv(tmp_path, "time,voltage\n" + lines)
    given = {"path": path, "twin": "b5", "speed": 100.0, "begun": time.time() - 5, "begin": NOW}
    _, rows = play(tmp_path, given, lambda taker: taker.readings)
    assert NOW + 499 <= rows[0][0] < NOW + 999
    settings = read_settings("replay", "demo", {"path": path}, made=123.0)
    assert settings.begun == 123.0


def test_columns_may_name_twins_units_and_scales(tmp_path):
    text = "t,U1,I1,note\n2026-01-01T00:00:00Z,3500,1,a\n2026-01-01T00:00:01Z,3400,2,b\n"
    columns = {
        "U1": {"signal": "b5/voltage", "unit": "mV"},
        "I1": {"signal": "b6/current", "scale": -1, "offset": 1},
    }
    given = {"path": csv(tmp_path, text), "time": "t", "columns": columns, "begin": "own"}
    recording = read_recording(read_settings("replay", "demo", given))
    assert recording.signals == (("b5", "voltage"), ("b6", "current"))
    assert recording.values == pytest.approx(np.array([[3.5, 0.0], [3.4, -1.0]]))
    assert recording.times.tolist() == [1767225600.0, 1767225601.0]
    other = "time,b5/voltage,x\n0,1,2\n"
    found = read_recording(read_settings("replay", "demo", {"path": csv(tmp_path, other)}))
    assert found.signals == (("b5", "voltage"),)


def test_parquet_with_moments_is_read(tmp_path):
    from datetime import UTC, datetime

    times = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, 500, tzinfo=UTC)]
    pl.DataFrame({"time": times, "voltage": [3.5, None]}).write_parquet(tmp_path / "r.parquet")
    given = {"path": str(tmp_path / "r.parquet"), "twin": "b5"}
    recording = read_recording(read_settings("replay", "demo", given))
    assert recording.times.tolist() == [1767225600.0, 1767225601.0005]
    assert np.isnan(recording.values[1, 0])
    assert len(recording.columns(0, 2, 0.0)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("a,b\n1,2\n", "name the time"),
        ("time,x\n", "no rising times|no column of numbers"),
        ("time,x\n1,1\n0,1\n", "no rising times"),
        ("time,x\nsoon,1\n", "row 2, column 'time': 'soon' is no time"),
        ("time,x\n0,a\n", "is no column of numbers"),
        ("time\n0\n", "at least one"),
    ],
)
def test_a_recording_that_cannot_be_played_says_why(tmp_path, text, said):
    given = {"path": csv(tmp_path, text), "twin": "b5"}
    with pytest.raises(DataError, match=said):
        read_recording(read_settings("replay", "demo", given))


def test_no_recording_says_so(tmp_path):
    with pytest.raises(DataError, match="no such recording"):
        read_recording(Replay("demo", str(tmp_path / "none.csv")))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs the setting 'path'"),
        ({"path": "x", "speed": -1}, "use 0"),
        ({"path": "x", "speed": float("nan")}, "use 0"),
        ({"path": "x", "ticks": "min"}, "use s, ms"),
        ({"path": "x", "rest": 0}, "use above 0"),
        ({"path": "x", "begin": "soon"}, "is no time"),
        ({"path": "x", "columns": {"U": 3}}, "a signal's name or a table"),
    ],
)
def test_settings_that_make_no_sense_say_why(given, said):
    with pytest.raises(SettingError, match=said):
        read_settings("replay", "demo", given)


def test_a_replay_waits_while_the_centre_is_off():
    """Nothing is skipped: it goes on after the newest reading that was taken."""
    playing, later = course(begun=NOW), NOW + 3600.0
    again, sample = playing.resumed(NOW + 4.0, later)
    assert (again.begin, sample) == (playing.begin, 5)
    assert again.due(5) == pytest.approx(later + 1 / 60)
    _, sample = playing.resumed(NOW + 10 * 7 + 3, later)  # in the eighth round
    assert sample == 74
    first, sample = playing.resumed(None, later)
    assert (first.begun, sample) == (later, 0)
