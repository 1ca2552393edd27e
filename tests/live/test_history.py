"""The history: every reading once, in order, as few points as asked for, open to other tools."""

import csv
import io
from datetime import UTC, datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from songsinh.database import open_database
from songsinh.errors import LiveError
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.thinning import Points, in_buckets, thin
from tests.live._machines import DAY_US, START_US, make_twins, readings

ALL = (0, 1 << 60)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Four signals over three days and a bit; the last part still in the log."""
    folder = tmp_path_factory.mktemp("filled")
    engine = open_database(f"sqlite:///{folder}/centre.db")
    numbers = make_twins(engine)
    log, history = Log(engine), History(folder / "history", engine)
    times = np.arange(0, 80 * 3600, 60.0)
    for i, number in enumerate(numbers.values()):
        log.append(readings(number, times, np.sin(times / 9000) * (i + 1), i % 3), 0)
        if i == 2:
            history.seal()
    later = times + 80 * 3600
    for i, number in enumerate(numbers.values()):
        log.append(readings(number, later, np.sin(later / 9000) * (i + 1), i % 3), 0)
    yield history, numbers, np.r_[times, later]
    log.close()
    engine.dispose()


def test_sealed_and_fresh_are_one(filled):
    history, numbers, times = filled
    for i, number in enumerate(numbers.values()):
        found = history.readings(number, *ALL)
        np.testing.assert_array_equal(found.times, START_US + times.astype(np.int64) * 1_000_000)
        np.testing.assert_array_equal(found.values, np.sin(times / 9000) * (i + 1))
        assert set(found.quality.tolist()) == {i % 3}


@pytest.mark.parametrize(("start", "end"), [(0, 60), (3600, 90_000), (86_400, 172_800), (5, 9)])
def test_a_span_has_its_start_and_not_its_end(filled, start, end):
    history, numbers, times = filled
    span = START_US + start * 1_000_000, START_US + end * 1_000_000
    found = history.readings(numbers["bellows", "current"], *span)
    expected = times[(times >= start) & (times < end)]
    assert ((found.times - START_US) / 1e6).tolist() == expected.tolist()


def test_a_year_stays_small_and_keeps_its_extremes(filled):
    history, numbers, _ = filled
    number = numbers["anvil", "voltage"]
    span = (START_US, START_US + 365 * DAY_US)
    full, few = history.readings(number, *span), history.readings(number, *span, most=500)
    assert len(few.times) <= 500
    assert few.values[:, 0].min() == full.values.min()
    assert few.values[:, 2].max() == full.values.max()
    assert (few.values[:, 0] <= few.values[:, 1]).all()
    assert (few.values[:, 1] <= few.values[:, 2]).all()


def test_the_latest_is_the_newest_of_each(filled):
    history, numbers, times = filled
    number = numbers["anvil", "current"]
    found = history.latest([number, 999])
    assert found == {number: (START_US + int(times[-1]) * 1_000_000, np.sin(times[-1] / 9000), 0)}
    assert history.latest([]) == {}


def test_the_latest_is_found_on_the_shelf_too(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/centre.db")
    make_twins(engine)
    log, history = Log(engine), History(tmp_path / "history", engine)
    log.append(readings(1, [0, 200_000], [1, 2]), 0)
    log.append(readings(2, [0], [3]), 0)
    history.seal()
    log.append(readings(1, [100_000], [9]), 0)  # late: not the newest
    found = history.latest([1, 2])
    assert {number: value for number, (_, value, _) in found.items()} == {1: 2.0, 2: 3.0}
    log.close()
    engine.dispose()


def test_a_span_without_an_inside_is_refused(filled):
    history, _, _ = filled
    with pytest.raises(LiveError, match="give an end after the start"):
        history.readings(1, 5, 5)
    with pytest.raises(LiveError, match="at least 1 point"):
        history.readings(1, 5, 6, most=0)


def test_readings_are_taken_away_as_csv(filled):
    history, numbers, _ = filled
    span = (START_US, START_US + 2 * DAY_US)
    parts = history.export(list(numbers.values()), span)
    rows = list(csv.DictReader(io.StringIO(b"".join(parts).decode())))
    assert len(rows) == 4 * 2880
    assert [rows[0]["twin"], rows[0]["signal"]] == ["anvil", "current"]
    moment = datetime.fromtimestamp(START_US / 1e6 + 60, UTC)
    assert datetime.fromisoformat(rows[1]["time"]) == moment
    assert float(rows[1]["value"]) == np.sin(60 / 9000)


def test_readings_are_taken_away_as_parquet(filled):
    history, numbers, times = filled
    parts = list(history.export(list(numbers.values()), ALL, form="parquet"))
    table = pq.read_table(io.BytesIO(b"".join(parts)))
    assert table.num_rows == 4 * len(times)
    assert table["signal"].unique().to_pylist() == ["current", "voltage"]
    assert len(parts) > 4  # while it is made


def test_taking_nothing_away_gives_a_file_all_the_same(filled):
    history, _, _ = filled
    assert list(history.export([], ALL)) == [b"twin,signal,time,value,quality\n"]
    table = pq.read_table(io.BytesIO(b"".join(history.export([], ALL, form="parquet"))))
    assert (table.num_rows, len(table.column_names)) == (0, 5)


def test_other_tools_read_the_readings_without_this_package(filled):
    """DuckDB over the files that Delta's own reader lists: its delta_scan has to be downloaded."""
    history, _, times = filled
    files = DeltaTable(f"{history.address}/readings").file_uris()
    query = """
        SELECT signal, count(*), max(value), min(time) FROM read_parquet($files)
        WHERE twin = 'anvil' AND date = '2024-10-05' GROUP BY signal ORDER BY signal
    """
    with duckdb.connect() as tool:
        tool.execute("SET TimeZone = 'UTC'")
        found = tool.execute(query, {"files": files}).fetchall()
    day = times[(times >= 86_400) & (times < 172_800)]
    assert [row[:3] for row in found] == [
        ("current", 1440, np.sin(day / 9000).max()),
        ("voltage", 1440, (np.sin(day / 9000) * 2).max()),
    ]
    assert found[0][3].timestamp() == START_US / 1e6 + 86_400


def test_other_tools_see_a_delta_table_with_its_types(filled):
    history, _, _ = filled
    table = DeltaTable(f"{history.address}/readings")
    schema = pa.schema(table.schema().to_arrow())
    assert table.metadata().partition_columns == ["date"]
    assert [(field.name, str(field.type)) for field in schema] == [
        ("twin", "string"),
        ("signal", "string"),
        ("time", "timestamp[us, tz=UTC]"),
        ("value", "double"),
        ("quality", "int8"),
        ("date", "date32[day]"),
    ]


def test_files_lie_in_the_order_of_signal_and_time(filled):
    history, _, _ = filled
    for path in DeltaTable(f"{history.address}/readings").file_uris():
        rows = pq.ParquetFile(path).read(["twin", "signal", "time"]).to_pylist()
        keys = [(row["twin"], row["signal"], row["time"]) for row in rows]
        assert keys == sorted(set(keys))


SERIES = st.lists(
    st.tuples(st.integers(0, 99), st.floats(-1e6, 1e6) | st.just(np.nan)),
    max_size=40,
    unique_by=lambda pair: pair[0],
).map(sorted)


@given(series=SERIES, most=st.integers(1, 120), cut=st.integers(0, 100))
def test_thinning_holds_for_any_cut(series, most, cut):
    times = np.array([at for at, _ in series], np.int64)
    values = np.array([value for _, value in series], float)
    quality = (times % 3).astype(np.int8)
    whole = Points(times, values, quality)
    first = times < cut
    halves = [Points(*(c[part] for c in whole)) for part in (first, ~first)]
    one, two = thin([whole], (0, 100), most), thin(halves, (0, 100), most)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b)
    assert len(one.times) <= most
    width = -(-100 // most)
    for time, (low, mean, high), worst in zip(*one, strict=True):
        inside = (times // width) == time // width
        found = values[inside & ~np.isnan(values)]
        assert worst == quality[inside].max()
        if len(found):
            assert (low, high) == (found.min(), found.max())
            np.testing.assert_allclose(mean, found.mean(), atol=1e-9)
        else:
            assert np.isnan([low, mean, high]).all()


@given(times=st.lists(st.integers(0, 99), unique=True).map(sorted), most=st.integers(1, 120))
def test_the_last_of_each_bucket_is_chosen(times, most):
    chosen = in_buckets(np.array(times, np.int64), most, (0, 100))
    width = -(-100 // most)
    last = {at // width: i for i, at in enumerate(times)}
    assert chosen.tolist() == list(last.values())
