"""Shelves: small files, in row groups that suit one signal, merged without losing any."""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import songsinh
from songsinh.database import open_database
from songsinh.errors import LiveError
from songsinh.live import parquet, sealing, shelving
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.sealing import SHELVES
from songsinh.live.shelves import Shelf
from tests.live._machines import DAY_US, START_US, make_twins, readings

ALL = (0, 1 << 60)
RECORDING = Path(songsinh.__file__).parent / "sectors/battery/recordings/discharge_B0005.csv.gz"


@pytest.fixture
def centre(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/centre.db")
    numbers = make_twins(engine, ("anvil", "bellows", "crane"))
    log = Log(engine)
    yield log, History(tmp_path / "history", engine), numbers
    log.close()
    engine.dispose()


def recorded():
    """Every discharge of a real cell end to end: times in s and three signals."""
    with gzip.open(RECORDING, "rt") as file:
        rows = list(csv.DictReader(file))
    times = np.array([float(row["Time"]) for row in rows])
    names = ("Voltage_measured", "Current_measured", "Temperature_measured")
    columns = [np.array([float(row[name]) for row in rows]) for name in names]
    gaps = np.where(np.r_[True, np.diff(times) < 0], 20.0, 0.0)
    ends = np.where(gaps > 0, np.r_[0.0, times[:-1]], 0.0)
    return times + np.cumsum(gaps + ends), columns


def test_a_real_recording_takes_at_most_four_bytes_a_reading(centre, tmp_path):
    log, history, _ = centre
    times, columns = recorded()
    for number, values in enumerate(columns, 1):
        log.append(readings(number, times, values), 0)
    history.seal()
    history.keep(now_us=START_US + 1000 * DAY_US)
    for number, values in enumerate(columns, 1):
        assert (history.readings(number, *ALL).values == values).all()
    shelf = Shelf(str(tmp_path / "history" / "readings"), *SHELVES["readings"])
    files = shelf.look().files
    footers = [pq.read_metadata(tmp_path / "history" / "readings" / f.path) for f in files]
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    # of what the readings take: many small days share no footer, and a file has one
    bodies = sum(group.column(i).total_compressed_size for group in groups for i in range(5))
    assert sum(f.rows for f in files) == 3 * len(times)
    assert bodies / (3 * len(times)) <= 4


def test_values_that_hardly_repeat_come_back_bit_for_bit(centre):
    log, history, _ = centre
    values = np.random.default_rng(4).normal(size=5000)
    values[::50] = [np.nan, np.inf, -np.inf, -0.0, 5e-324] * 20
    log.append(readings(1, np.arange(5000), values), 0)
    history.seal()
    assert history.readings(1, *ALL).values.tobytes() == values.tobytes()


KEYS = st.lists(st.integers(1, 30), max_size=12)


@given(lengths=KEYS)
def test_a_key_that_fits_into_a_row_group_is_not_cut(lengths):
    places = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    words = pa.array([f"{i:02}" for i in range(len(lengths))], pa.string())
    table = pa.table({"key": pa.DictionaryArray.from_arrays(places, words)})
    sink = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "GROUP", 8)
        assert parquet.write_parquet(sink, [table]) == len(places)
    opened = pq.ParquetFile(io.BytesIO(sink.getvalue()))
    groups = [opened.read_row_group(i)["key"].to_pylist() for i in range(opened.num_row_groups)]
    assert [word for group in groups for word in group] == [f"{place:02}" for place in places]
    assert all(len(group) <= 8 for group in groups)
    for i, length in enumerate(lengths):
        met = sum(f"{i:02}" in group for group in groups)
        assert met == 1 if length <= 8 else met <= length // 8 + 2


def test_files_larger_than_memory_are_merged_in_portions(centre, monkeypatch):
    log, history, numbers = centre
    for part in range(3):
        for number in numbers.values():
            times = np.arange(part, 300, 3)
            log.append(readings(number, times, times * number), 0)
        history.seal()
    monkeypatch.setattr(shelving, "PORTION", 250)
    assert history.keep(now_us=START_US + 9 * DAY_US).files_after == 1
    for number in numbers.values():
        assert history.readings(number, *ALL).values.tolist() == (np.arange(300) * number).tolist()


def test_a_long_log_is_sealed_in_portions(centre, monkeypatch):
    log, history, _ = centre
    for i in range(30):
        log.append(readings(1, np.arange(i * 10, i * 10 + 10), np.arange(10)), 0)
    monkeypatch.setattr(sealing, "AT_ONCE", 70)
    monkeypatch.setattr(sealing, "DELETED", 3)
    assert history.seal().readings == 300
    assert log.waiting() == 0
    assert len(history.readings(1, *ALL).times) == 300


def test_a_store_that_does_not_answer_is_said_to_be_so(tmp_path):
    schema, order = SHELVES["readings"]
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LiveError, match=r"cannot be read .* look after the store"):
        Shelf(str(tmp_path / "file"), schema, order).look()


def test_the_words_of_a_signal_that_is_gone_are_its_number(centre):
    log, history, _ = centre
    log.append(readings(777, [0, 1], [5, 6]), 0)
    history.seal()
    assert history.readings(777, *ALL).values.tolist() == [5, 6]


def test_files_that_nobody_needs_are_deleted(centre, tmp_path):
    log, history, _ = centre
    for i in range(3):
        log.append(readings(1, [i], [i]), 0)
        history.seal()
    history.keep(now_us=START_US + 9 * DAY_US)
    folder = tmp_path / "history" / "readings"
    shelf = Shelf(str(folder), *SHELVES["readings"])
    assert len(list(folder.rglob("*.parquet"))) > 2  # readers may still be at the old ones
    assert shelf.sweep(hours=0) == 3
    assert history.readings(1, *ALL).values.tolist() == [0, 1, 2]
