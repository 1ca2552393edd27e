"""Sealing: readings move from the log into the history, each once, whatever happens."""

import multiprocessing
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from songsinh.database import open_database, tables
from songsinh.errors import LiveError
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.sealing import SHELVES
from songsinh.live.shelves import Shelf
from tests.live import _sealer
from tests.live._machines import DAY_US, START_US, make_twins, readings

ALL = (0, 1 << 60)


@pytest.fixture
def signals(engine):
    return make_twins(engine)


@pytest.fixture
def history(engine, tmp_path):
    return History(tmp_path / "history", engine)


@pytest.fixture
def log(engine):
    log = Log(engine)
    yield log
    log.close()


def test_sealed_readings_leave_the_log_and_stay_readable(log, history, signals):
    one = signals["anvil", "current"]
    log.append(readings(one, np.arange(100), np.arange(100) / 8), 0)
    before = history.readings(one, *ALL)
    done = history.seal()
    assert (done.readings, done.repeated) == (100, 0)
    assert log.waiting() == 0
    after = history.readings(one, *ALL)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_rows_that_a_snapshot_needs_stay_in_the_log(log, history, signals, engine):
    offsets = [log.append(readings(1, [i], [i]), 0) for i in range(5)]
    with engine.begin() as connection:
        row = {"twin": 1, "offset": offsets[2], "time_us": 0, "body": b""}
        connection.execute(insert(tables.snapshots).values(row))
    assert history.seal().offset == offsets[2]
    assert [row[0] for row in log.since()] == offsets[3:]
    assert history.seal(before_offset=offsets[4]).offset == offsets[3]
    assert [row[0] for row in log.since()] == offsets[4:]
    assert history.readings(1, *ALL).values.tolist() == [0, 1, 2, 3, 4]


def test_of_readings_alike_in_signal_and_time_the_first_stays(log, history, signals):
    log.append(readings(1, [0, 1, 1, 2], [0, 1, 9, 2]), 0)
    log.append(readings(1, [2, 3], [9, 3]), 0)
    log.append(readings(2, [2, 3], [7, 7]), 0)
    assert history.readings(1, *ALL).values.tolist() == [0, 1, 2, 3]
    assert history.seal().repeated == 2
    log.append(readings(1, [0, 4, 3], [9, 4, 9]), 0)
    assert history.readings(1, *ALL).values.tolist() == [0, 1, 2, 3, 4]
    assert history.seal().repeated == 2
    assert history.readings(1, *ALL).values.tolist() == [0, 1, 2, 3, 4]
    assert history.readings(2, *ALL).values.tolist() == [7, 7]


def test_late_readings_find_their_day(log, history, signals):
    log.append(readings(1, [0, 86_400, 172_800], [0, 1, 2]), 0)
    history.seal()
    log.append(readings(1, [1, 86_400, 86_401], [3, 9, 4]), 0)
    done = history.seal()
    assert (done.readings, done.repeated) == (2, 1)
    assert history.readings(1, *ALL).values.tolist() == [0, 3, 1, 4, 2]


def test_rows_left_by_a_sealing_that_was_cut_short_are_not_read_twice(log, history, engine):
    signals = make_twins(engine)
    one = signals["anvil", "current"]
    log.append(readings(one, [0, 1], [5, 6]), 0)
    with engine.connect() as connection:
        row = dict(connection.execute(select(tables.log)).one()._mapping)
    history.seal()
    with engine.begin() as connection:
        connection.execute(insert(tables.log).values(row))  # as if it had not been deleted yet
    assert history.readings(one, *ALL).values.tolist() == [5, 6]
    assert history.seal().readings == 0
    assert log.waiting() == 0
    assert history.readings(one, *ALL).values.tolist() == [5, 6]


def test_of_two_writers_at_once_one_does_it_again(tmp_path):
    schema, order = SHELVES["readings"]
    shelf, other = (Shelf(str(tmp_path / "shelf"), schema, order) for _ in range(2))
    view, same = shelf.look(), other.look()
    shelf.commit(view, add=[], mark=5)
    with pytest.raises(LiveError, match="changed by another at the same time"):
        other.commit(same, add=[], mark=7)
    assert other.look().mark == 5


def test_the_mark_outlives_the_upkeep_of_the_shelf(tmp_path):
    schema, order = SHELVES["readings"]
    shelf = Shelf(str(tmp_path / "shelf"), schema, order)
    for mark in range(1, 8):
        shelf.commit(shelf.look(), add=[], mark=mark)
    shelf.sweep()
    assert Shelf(str(tmp_path / "shelf"), schema, order).look().mark == 7


def test_sealing_often_leaves_few_files(log, history, signals, tmp_path):
    for i in range(20):
        log.append(readings(1, np.arange(i * 10, i * 10 + 12), np.arange(12)), 0)
        history.seal()
    assert len(history.readings(1, *ALL).times) == 202
    shelf = Shelf(str(tmp_path / "history" / "readings"), *SHELVES["readings"])
    assert len(shelf.look().files) < 10


def test_who_reads_while_others_seal_sees_each_reading_once(log, history, signals, engine):
    def work():
        for i in range(40):
            numbers = np.arange(i * 10, i * 10 + 10)
            log.append(readings(1, numbers, numbers), 0)
            if i % 4 == 3:
                history.seal()

    reader, seen = History(history.address, engine), 0  # as in another process
    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        found = reader.readings(1, *ALL).values
        assert found.tolist() == list(range(len(found)))
        assert len(found) >= seen
        seen = len(found)
    worker.join()
    assert len(reader.readings(1, *ALL).values) == 400


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(database_address, tmp_path):
    engine = open_database(database_address)
    numbers = sorted(make_twins(engine).values())[:2]
    forks = multiprocessing.get_context("forkserver")
    # loaded once, so that the workers begin at once
    forks.set_forkserver_preload(["pytest", "tests.live._sealer", "alembic.command", "psycopg"])
    moments = np.random.default_rng(9).uniform(0.02, 0.3, 10 if engine.name == "sqlite" else 5)
    durable = first = -1
    for moment in moments:
        hear, tell = forks.Pipe(duplex=False)
        arguments = {"signals": numbers, "first": first + 1, "tell": tell}
        worker = forks.Process(
            target=_sealer.work, args=(database_address, tmp_path / "history"), kwargs=arguments
        )
        worker.start()
        tell.close()
        durable = max(durable, hear.recv())  # it is at work
        time.sleep(moment)
        worker.kill()
        worker.join()
        try:
            while True:
                durable = max(durable, hear.recv())
        except EOFError:
            hear.close()
        # the one that was being appended may be there too, and is sent again
        first = durable
    history = History(tmp_path / "history", engine)
    for finish in (False, True):
        if finish:
            history.seal()
        for number in numbers:
            found = history.readings(number, *ALL)
            assert len(found.times) >= (durable + 1) * _sealer.COUNT
            np.testing.assert_array_equal(found.values - number, np.arange(len(found.times)))
            np.testing.assert_array_equal(
                found.times, START_US + 97_000_000 * np.arange(len(found.times))
            )
    engine.dispose()


ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),  # which signal
        st.integers(0, 30).map(lambda hours: hours * 7_200),  # over three days, often alike
        st.integers(0, 5),
    ),
    max_size=12,
)
DEEDS = st.lists(st.one_of(ROWS, st.sampled_from(["seal", "keep"])), max_size=12)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A database that all examples use, one after the other."""
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('lasting')}/centre.db")
    numbers = list(make_twins(engine).values())
    yield engine, numbers
    engine.dispose()


@settings(max_examples=20)
@given(deeds=DEEDS)
def test_however_cut_and_sealed_the_readings_are_the_same(deeds, lasting, tmp_path_factory):
    engine, numbers = lasting
    log, history = Log(engine), History(tmp_path_factory.mktemp("history"), engine)
    expected = {}
    for deed in deeds:
        if deed == "seal":
            history.seal()
        elif deed == "keep":
            history.keep(now_us=START_US + 10 * DAY_US)
        elif deed:
            rows = [readings(numbers[which], [at], [value]) for which, at, value in deed]
            log.append(np.concatenate(rows), 0)
            for which, at, value in deed:
                expected.setdefault((which, at), value)
    for which in (0, 1):
        found = history.readings(numbers[which], *ALL)
        times = sorted(at for signal, at in expected if signal == which)
        assert ((found.times - START_US) / 1e6).tolist() == times
        assert found.values.tolist() == [expected[which, at] for at in times]
    history.seal()
    log.close()


def test_beliefs_and_forecasts_a_day_behind_are_sealed_once(history, engine, signals):
    beliefs = [
        {
            "twin": 1,
            "time_us": START_US + hour * 3_600_000_000,
            "mean": {"charge": float(hour)},
            "sd": {"charge": 0.5},
        }
        for hour in range(48)
    ]
    forecasts = [
        {
            "twin": 2,
            "made_us": START_US + hour * 3_600_000_000,
            "last_us": START_US + (hour + 1) * 3_600_000_000,
            "scored_us": 0,
            "body": bytes([hour]),
        }
        for hour in range(48)
    ]
    with engine.begin() as connection:
        connection.execute(insert(tables.beliefs), beliefs)
        connection.execute(insert(tables.forecasts), forecasts)
    before = history.beliefs(1, *ALL), history.forecasts(2, *ALL)
    done = history.seal()
    assert (done.beliefs, done.forecasts) == (23, 23)
    times, means, sds = history.beliefs(1, *ALL)
    assert times.tolist() == before[0][0].tolist()
    assert means["charge"].tolist() == list(map(float, range(48)))
    assert sds["charge"].tolist() == [0.5] * 48
    assert history.forecasts(2, *ALL) == before[1]
    assert [body for _, _, body in history.forecasts(2, *ALL)] == [bytes([h]) for h in range(48)]
    with engine.begin() as connection:
        connection.execute(insert(tables.beliefs), beliefs[:3])  # as if it had been cut short
    assert history.seal().beliefs == 3
    assert history.beliefs(1, *ALL)[0].tolist() == times.tolist()
    assert len(history.beliefs(1, *ALL, most=10)[0]) <= 10


def test_alerts_that_were_closed_long_ago_are_sealed_with_their_remarks(history, engine, signals):
    base = {"twin": 1, "rule": "hot", "severity": "warning", "sentence": "too hot", "detail": {}}
    rows = [
        base | {"opened_us": START_US, "last_us": START_US, "state": "closed"},
        base | {"opened_us": START_US + 5, "last_us": START_US + 5, "state": "open"},
        base | {"opened_us": START_US + 6, "last_us": START_US + 40 * DAY_US, "state": "closed"},
    ]
    with engine.begin() as connection:
        for row in rows:
            made = connection.execute(insert(tables.alerts).values(row))
            remark = {"at_us": 1, "kind": "comment", "text": "seen"}
            number = made.inserted_primary_key[0]
            connection.execute(insert(tables.remarks).values(remark | {"alert": number}))
    assert history.seal().alerts == 1
    (found,) = history.alerts(*ALL, twins=[1])
    assert (found["rule"], found["sentence"]) == ("hot", "too hot")
    assert '"text": "seen"' in found["remarks"]
    assert history.alerts(*ALL, twins=[2]) == []
    with engine.connect() as connection:
        assert len(connection.execute(select(tables.alerts)).all()) == 2
        assert len(connection.execute(select(tables.remarks)).all()) == 2
