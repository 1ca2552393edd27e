"""The log: what was acknowledged is there, in order, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from songsinh.database import open_database, tables
from songsinh.errors import LiveError
from songsinh.live.log import Log
from songsinh.live.readings import READING


def readings(count, start=0, signal=1):
    """Readings of one signal, a second apart, that count up."""
    batch = np.zeros(count, READING)
    batch["time"] = (start + np.arange(count)) * 1_000_000
    batch["value"] = start + np.arange(count)
    batch["signal"] = signal
    return batch


@pytest.fixture
def log(engine):
    log = Log(engine)
    yield log
    log.close()


def test_what_was_appended_is_read_back_bit_for_bit(log):
    given = readings(300)
    given["value"][7] = np.nan
    offset = log.append(given, 123)
    ((found, arrived, kept),) = log.since()
    assert (found, arrived) == (offset, 123)
    assert kept.tobytes() == given.tobytes()


def test_another_process_sees_it_at_once(log, database_address):
    offset = log.append(readings(3), 1)
    other = open_database(database_address)
    assert [row[0] for row in Log(other).since()] == [offset]
    other.dispose()


def test_offsets_rise_and_since_goes_on_after_one(log):
    offsets = [log.append(readings(2, start), 1) for start in range(600)]
    assert offsets == sorted(set(offsets))
    assert [row[0] for row in log.since()] == offsets
    assert [row[0] for row in log.since(offsets[411])] == offsets[412:]


def test_an_offset_is_never_used_again(log, engine):
    last = log.append(readings(1), 1)
    with engine.begin() as connection:
        connection.execute(tables.log.delete())
    assert list(log.since()) == []
    assert log.append(readings(1), 1) > last


def test_many_threads_append_without_loss(log):
    def append(start):
        return log.append(readings(10, start), 1)

    with ThreadPoolExecutor(8) as pool:
        offsets = list(pool.map(append, range(0, 2000, 10)))
    kept = {row[0]: row[2]["value"][0] for row in log.since()}
    assert kept == dict(zip(offsets, range(0, 2000, 10), strict=True))
    assert log.waiting() == 2000


def test_two_logs_share_one_order(log, engine):
    other = Log(engine)
    both = [one.append(readings(1), 1) for _ in range(20) for one in (log, other)]
    assert both == sorted(set(both))
    other.close()


def test_readings_of_some_twins_are_picked_out(log, engine):
    with engine.begin() as connection:
        for name in ("a", "b"):
            twin = {"name": name, "title": name, "recipe": {}, "state": "running", "made_us": 0}
            connection.execute(tables.twins.insert().values(**twin))
        for twin in (1, 1, 2):
            signal = f"s{np.random.default_rng(twin).integers(9)}"
            count = connection.execute(tables.signals.select()).all()
            connection.execute(
                tables.signals.insert().values(twin=twin, name=f"{signal}{len(count)}")
            )
    mixed = readings(9)
    mixed["signal"] = [1, 2, 3] * 3
    log.append(mixed, 1)
    log.append(readings(4, signal=3), 1)
    ((_, _, found),) = log.since(twins=[1])
    assert found["signal"].tolist() == [1, 2] * 3
    assert [len(row[2]) for row in log.since(twins={2})] == [3, 4]
    assert list(log.since(twins=[])) == []


def test_the_earliest_and_latest_times_stand_beside_the_batch(log, engine):
    log.append(readings(5, 10)[::-1].copy(), 1)
    with engine.connect() as connection:
        row = connection.execute(tables.log.select()).one()
    assert (row.first_us, row.last_us, row.count) == (10_000_000, 14_000_000, 5)


def test_nothing_and_something_else_are_refused(log):
    with pytest.raises(LiveError, match="0 readings of"):
        log.append(np.zeros(0, READING), 1)
    with pytest.raises(LiveError, match="3 readings of float64"):
        log.append(np.zeros(3), 1)


def test_after_a_failure_the_log_goes_on(log, engine):
    log.append(readings(1), 1)
    with pytest.raises(LiveError, match="look after the database"):
        log.append(readings(1), 2**70)
    assert log.append(readings(2), 1)
    assert log.waiting() == 3


def test_a_span_leaves_out_batches_without_it(log):
    for start in (0, 10, 20):
        log.append(readings(10, start), 1)
    found = [rows["value"][0] for _, _, rows in log.since(span=(10_000_000, 20_000_000))]
    assert found == [10]
    assert len(list(log.since(span=(9_000_000, 20_000_001)))) == 3
