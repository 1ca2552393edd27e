"""Retention: rules drop and thin what is old, and days that are over become one file."""

import numpy as np
import pytest
from sqlalchemy import insert

from songsinh.database import open_database, tables
from songsinh.errors import SettingError
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.rules import Rule
from tests.live._machines import DAY_US, START_US, make_twins, readings

ALL = (0, 1 << 60)
LATER = START_US + 10 * DAY_US


@pytest.fixture
def centre(tmp_path):
    """A history of two twins, a reading every 20 s over two days, and what it was made of."""
    engine = open_database(f"sqlite:///{tmp_path}/centre.db")
    numbers = make_twins(engine)
    log, history = Log(engine), History(tmp_path / "history", engine)
    times = np.arange(0, 2 * 86_400, 20.0)
    for number in numbers.values():
        log.append(readings(number, times, times / 20), 0)
    history.seal()
    yield history, log, engine
    log.close()
    engine.dispose()


def count(history, number):
    return len(history.readings(number, *ALL).times)


def test_without_rules_everything_stays(centre):
    history, _, _ = centre
    before = history.readings(1, *ALL)
    done = history.keep(now_us=LATER)
    assert done.dropped == 0
    assert (before.values == history.readings(1, *ALL).values).all()


def test_days_that_are_over_become_one_file_with_the_same_readings(centre):
    history, log, _ = centre
    log.append(readings(1, [7], [7]), 0)
    history.seal()
    before = history.readings(1, *ALL)
    done = history.keep(now_us=LATER)
    assert (done.files_before, done.files_after) == (3, 2)
    assert all((a == b).all() for a, b in zip(before, history.readings(1, *ALL), strict=True))
    assert history.keep(now_us=LATER).files_after == 2


def test_today_is_left_alone(centre):
    history, log, _ = centre
    log.append(readings(1, [86_400 + 7], [7]), 0)
    history.seal()
    assert history.keep([Rule(0.5, "nothing")], now_us=START_US + DAY_US).files_after == 3


def test_what_is_old_is_dropped(centre):
    history, _, _ = centre
    done = history.keep([Rule(1, "nothing")], now_us=START_US + 2 * DAY_US)
    assert done.dropped == 4 * 4320  # the first day; the second is not older than a day
    assert history.readings(1, *ALL).times[0] == START_US + DAY_US


def test_means_stand_at_the_start_of_their_span(centre):
    history, _, _ = centre
    history.keep([Rule(1, "1min mean")], now_us=LATER)
    found = history.readings(1, *ALL)
    assert np.diff(found.times).tolist() == [60_000_000] * (2 * 1440 - 1)
    assert found.values.tolist() == [3 * i + 1 for i in range(2 * 1440)]


def test_a_rule_is_applied_once_and_again_when_late_readings_come(centre):
    history, log, _ = centre
    rules = [Rule(1, "1h mean")]
    assert history.keep(rules, now_us=LATER).dropped > 0
    assert history.keep(rules, now_us=LATER).dropped == 0
    log.append(readings(1, [1800.5], [0]), 0)
    history.seal()
    assert history.keep(rules, now_us=LATER).dropped == 1
    assert count(history, 1) == 48


def test_bad_readings_do_not_spoil_a_mean(centre):
    history, log, _ = centre
    log.append(readings(1, [5, 6, 864_000, 864_001], [1e9, 1e9, 4, 6], quality=2), 0)
    history.seal()
    history.keep([Rule(1, "1min mean")], now_us=LATER + 9 * DAY_US)
    found = history.readings(1, *ALL)
    assert (found.values[0], found.quality[0]) == (1.0, 0)
    assert (found.values[-1], found.quality[-1]) == (5.0, 2)  # there is nothing else


def test_a_rule_for_one_twin_goes_first_and_the_oldest_rule_wins(centre):
    history, _, _ = centre
    rules = [Rule(5, "nothing"), Rule(1, "1min mean"), Rule(1, "all", "bellows")]
    history.keep(rules, now_us=START_US + 4 * DAY_US)
    assert [count(history, n) for n in (1, 2, 3, 4)] == [2880, 2880, 8640, 8640]
    history.keep(rules, now_us=LATER)
    assert [count(history, n) for n in (1, 2, 3, 4)] == [0, 0, 8640, 8640]


def test_beliefs_are_dropped_but_never_made_into_means(centre):
    history, _, engine = centre
    rows = [
        {"twin": 1, "time_us": START_US + i * 1_000_000, "mean": {"x": float(i)}, "sd": {"x": 1.0}}
        for i in [*range(50), 3 * 86_400]
    ]
    with engine.begin() as connection:
        connection.execute(insert(tables.beliefs), rows)
    assert history.seal().beliefs == 50
    history.keep([Rule(1, "1min mean")], now_us=LATER)
    assert len(history.beliefs(1, *ALL)[0]) == 51
    history.keep([Rule(1, "nothing")], now_us=LATER)
    assert len(history.beliefs(1, *ALL)[0]) == 1


@pytest.mark.parametrize(("days", "words"), [(0, "all"), (1, "7s mean"), (1, "1d mean"), (2, "")])
def test_a_rule_that_cannot_be_followed_is_refused(days, words):
    with pytest.raises(SettingError, match="cannot be followed; keep"):
        Rule(days, words)
