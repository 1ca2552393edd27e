"""Laws of series and of the files that hold them."""

import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh.errors import DataError, SettingError, UnitError
from songsinh.files import write_whole
from songsinh.series import Series, read_series, write_series

numbers = st.floats(-1e12, 1e12)


@st.composite
def series(draw, missing=True):
    times = sorted(draw(st.lists(st.floats(0, 1e9), min_size=1, max_size=20, unique=True)))
    names = draw(st.lists(st.from_regex(r"[a-s]{1,8}", fullmatch=True), min_size=1, unique=True))
    cell = st.one_of(numbers, st.just(np.nan)) if missing else numbers
    count = len(times) * len(names)
    cells = draw(st.lists(cell, min_size=count, max_size=count))
    kind = draw(st.sampled_from(["linear", "previous"]))
    return Series(times, np.reshape(cells, (len(times), len(names))), names, kind)


@given(series(), st.sampled_from(["a.csv", "a.csv.gz", "a.parquet"]))
def test_saved_equals_loaded(tmp_path_factory, whole, name):
    path = tmp_path_factory.mktemp("series") / name
    write_series(whole, path)
    again = read_series(path, interpolation=whole.interpolation, missing=True)
    assert again == whole


def test_equal_series_give_equal_files(tmp_path):
    whole = Series([0.0, 1.0], [[1.0], [2.0]], ("v",))
    one, two = (write_series(whole, tmp_path / f"{n}.csv.gz").read_bytes() for n in "ab")
    assert one == two
    assert one[4:8] == bytes(4)  # where gzip would write the time of day


@given(series(missing=False))
def test_a_series_read_at_its_own_times_is_itself(whole):
    assert whole.at(whole.times) == whole


@given(series(missing=False), st.lists(st.floats(-10, 1e9), min_size=1))
def test_interpolation_stays_between_the_readings(whole, times):
    read = whole.at(sorted(times))
    for name in whole.names:
        slack = 1e-12 * np.abs(whole[name]).max()
        assert read[name].min() >= whole[name].min() - slack
        assert read[name].max() <= whole[name].max() + slack


@given(series(missing=False), st.lists(st.floats(0, 1e9), min_size=1))
def test_previous_shows_only_what_was_already_read(whole, times):
    held = Series(whole.times, whole.values, whole.names, "previous")
    wanted = np.sort(times)
    last = np.maximum(np.searchsorted(whole.times, wanted, "right") - 1, 0)
    np.testing.assert_array_equal(held.at(wanted).values, whole.values[last])


def test_a_time_that_stands_twice_is_a_jump():
    step = Series([0.0, 1.0, 1.0, 2.0], [[0.0], [0.0], [5.0], [5.0]], ("u",))
    np.testing.assert_array_equal(step.at([0.5, 1.0, 1.5])["u"], [0.0, 5.0, 5.0])


def test_missing_readings_are_passed_over():
    gap = Series([0.0, 1.0, 2.0], [[0.0], [np.nan], [4.0]], ("u",))
    np.testing.assert_array_equal(gap.at([1.0])["u"], [2.0])
    with pytest.raises(DataError, match="'u' has no reading"):
        Series([0.0], [[np.nan]], ("u",)).at([0.0])


def test_selecting_cutting_renaming_and_shifting_keep_the_values():
    whole = Series([0.0, 1.0, 2.0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], ("a", "b"))
    assert whole.select(("b", "a")).select(("a", "b")) == whole
    assert whole.shifted(5.0).shifted(-5.0) == whole
    assert whole.renamed({"a": "c"}).names == ("c", "b")
    assert len(whole.between(1.0, 2.0)) == 2
    with pytest.raises(DataError, match="no signal 'd'; known are a, b"):
        whole.select(("d",))


@pytest.mark.parametrize(
    ("times", "values", "names", "message"),
    [
        ([0.0, 1.0], [[1.0]], ("a",), "needs times"),
        ([0.0], [[1.0, 2.0]], ("a", "a"), "'a' stands twice"),
        ([1.0, 0.0], [1.0, 1.0], ("a",), "backwards at sample 1: 0 s after 1 s"),
        ([0.0, np.nan], [1.0, 1.0], ("a",), "time of sample 1 is nan"),
        ([0.0], [["x"]], ("a",), "give numbers only"),
    ],
)
def test_a_wrong_series_is_refused(times, values, names, message):
    with pytest.raises(DataError, match=message):
        Series(times, values, names)


BAD = {
    "text": ("time,v\n0,1\n1,x\n", r"row 3, column 'v': 'x' is not a number"),
    "nan": ("time,v\n0,1\n1,NaN\n", r"row 3, column 'v': 'NaN' is not a finite number"),
    "empty cell": ("time,v\n0,1\n1,\n", r"row 3, column 'v': the cell is empty; give a number"),
    "backwards": ("time,v\n0,1\n2,1\n1,1\n", r"row 4, column 'time': 1.0 runs backwards after 2.0"),
    "twice": ("time,v\n0,1\n0,1\n", r"row 3, column 'time': 0.0 stands still .* duplicates=True"),
    "no time": ("Time [s],v\n0,1\n", r"column 'time' is missing; did you mean 'Time \[s\]'"),
    "ragged": ("time,v\n0,1\n1,2,3\n", r"row 3: it cannot be read"),
    "two columns": ("time,v,v\n0,1,2\n", r"row 1: two columns are called 'v'"),
    "header only": ("time,v\n", r"holds no rows"),
    "nothing": ("", r"cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_is_named_with_row_value_and_remedy(tmp_path, name):
    text, message = BAD[name]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"bad\.csv.*" + message):
        read_series(path)


def test_wrong_places_and_units_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,v\n0,1\n")
    with pytest.raises(DataError, match="there is no such file"):
        read_series(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"'.txt' the ending is not known"):
        read_series(tmp_path / "b.txt")
    with pytest.raises(DataError, match="column 'w' is missing; known are"):
        read_series(path, columns=["w"])
    with pytest.raises(UnitError, match="'mVolt' is not a unit"):
        read_series(path, units={"v": "mVolt"})
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"time,v\n" + b"0,1\n" * 9999)[:50])
    with pytest.raises(DataError, match="cannot be read"):
        read_series(tmp_path / "cut.csv.gz")


def test_dates_are_not_mistaken_for_numbers(tmp_path):
    import datetime

    import polars

    path = tmp_path / "dates.parquet"
    table = {"time": [datetime.datetime(2026, 1, 1)], "v": [1.0]}
    polars.DataFrame(table).write_parquet(path)
    with pytest.raises(DataError, match="time in seconds from a start"):
        read_series(path)


def test_units_and_new_names_are_taken_at_the_door(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("minutes,T (C),other\n0,20,x\n1, 30 ,y\n\n")
    read = read_series(
        path,
        time="minutes",
        columns={"T (C)": "temperature"},
        units={"minutes": "min", "T (C)": "degC"},
    )
    assert read == Series([0.0, 60.0], [[293.15], [303.15]], ("temperature",))
    written = write_series(read, tmp_path / "b.csv", units={"temperature": "degC"})
    assert written.read_text().splitlines()[0] == "time,temperature"
    assert read_series(written, units={"temperature": "degC"}) == read


def test_a_file_is_the_old_one_or_the_whole_new_one(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "card.json"
    write_whole(path, "old")

    def interrupt(number):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = write_whole(tmp_path / "a", b"0" * 100_000)
    done = threading.Event()

    def write() -> None:
        for turn in range(20):
            write_whole(path, str(turn % 10).encode() * 100_000)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        seen = path.read_bytes()
        assert len(seen) == 100_000
        assert len(set(seen)) == 1
    writer.join()


def test_a_file_cannot_replace_a_folder(tmp_path):
    with pytest.raises(SettingError, match="it is a folder"):
        write_whole(tmp_path, "x")
    Path(tmp_path / "file").write_text("x")
    with pytest.raises(SettingError, match="choose another folder"):
        write_whole(tmp_path / "file" / "below", "x")
