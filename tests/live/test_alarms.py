"""An alert is opened once in each episode, and an event time is judged once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from songsinh.database import tables
from songsinh.live import Alarm
from songsinh.live.alarms import Finding, Register, Sentinels, judge, judge_now
from songsinh.live.outlooks import as_forecast
from songsinh.live.runner import Runner
from tests.live import centres, tanks


@pytest.fixture
def engine(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    yield engine
    engine.dispose()


def chance(probability, cut=0.5, rule="low"):
    return Finding(rule, "level", "danger", probability > cut, "so it is", probability, cut)


def written(engine, register):
    with engine.begin() as connection:
        frames = register.flush(connection, {1: "a"})
    register.settle()
    return frames


def registered(engine):
    with engine.connect() as connection:
        return Register(connection)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(0, 1), max_size=30))
def test_a_probability_that_dithers_opens_one_alert(engine, probabilities):
    """Open above the cut, over below half of it: by hand, one at a time."""
    with engine.begin() as connection:
        connection.execute(delete(tables.alerts))
    register, opened, is_open = registered(engine), 0, False
    for k, probability in enumerate(probabilities):
        register.weigh(1, k + 1, [chance(probability)])
        opened += not is_open and probability > 0.5
        is_open = probability >= 0.25 if is_open else probability > 0.5
    written(engine, register)
    rows = centres.stored(engine, tables.alerts)
    assert len(rows) == opened
    assert sum(row["cleared_us"] is None for row in rows) == is_open


def test_what_has_no_probability_must_last(engine):
    register = registered(engine)
    off = Finding("sensor:level", "level", "warning", True, "level is off")
    fine = Finding("sensor:level", "level", "warning", False, "level is fine")
    for k, found in enumerate([off, off, fine, off, off]):
        register.weigh(1, k + 1, [found])
    assert not written(engine, register)
    register.weigh(1, 6, [off])
    assert [one["sentence"] for one in written(engine, register)] == ["level is off"]
    for k in range(3):
        register.weigh(1, 7 + k, [fine])
    assert [one["cleared_us"] for one in written(engine, register)] == [9]


def test_alerts_stand_across_a_restart_and_times_are_not_judged_again(engine):
    register = registered(engine)
    for time, probability in ((10, 0.9), (11, 0.1), (12, 0.8)):
        register.weigh(1, time, [chance(probability)])
    frames = written(engine, register)
    assert [(one["twin"], one["opened_us"], one["cleared_us"]) for one in frames] == [
        ("a", 10, 11),
        ("a", 12, None),
    ]
    again = registered(engine)
    assert again.standing({1: "a"}) == [("a", "low")]
    for time, probability in ((10, 0.9), (11, 0.1), (12, 0.8)):
        again.weigh(1, time, [chance(probability)])
    assert not written(engine, again)
    again.weigh(1, 13, [chance(0.2)])
    assert [one["opened_us"] for one in written(engine, again)] == [12]
    assert len(centres.stored(engine, tables.alerts)) == 2


def test_what_people_did_with_an_alert_stays(engine):
    register = registered(engine)
    register.weigh(1, 10, [chance(0.9)])
    written(engine, register)
    with engine.begin() as connection:
        connection.execute(update(tables.alerts).values(state="acknowledged"))
    register.weigh(1, 11, [chance(0.95)])
    written(engine, register)
    with engine.connect() as connection:
        row = connection.execute(select(tables.alerts)).one()
    assert (row.state, row.probability, row.last_us) == ("acknowledged", 0.95, 11)


def test_alarms_find_what_the_members_do():
    alarms = (
        Alarm("low", "level", below=0.5, lead=20.0),
        Alarm("pressed", "pressure", above=50.0),
        Alarm("leaks", "hole", above=0.05),
        Alarm("far", "level", below=0.2, lead=1e9),
    )
    twin = tanks.tank(alarms=alarms)
    runner = Runner([twin], {})
    rows = [(k, v) for k, (_, name, v) in enumerate(tanks.readings(4)) if name == "level"]
    zeros = np.zeros(len(rows), np.int64)
    times = np.array([k * 1_000_000 for k, _ in rows], np.int64)
    runner.fold(zeros, times, zeros, np.array([v for _, v in rows]))
    ahead = np.linspace(0.0, 60.0, 13)
    looked = runner.fleet.look(runner.crowd, [0], ahead, np.array([[0.0]]))
    found = as_forecast(runner.fleet, runner.crowd, looked, k=0, ahead=ahead)
    told = {one.rule: one for one in judge(twin, found, {"hole": runner.crowd.parameters[0, :, 0]})}
    assert told["low"].probability > 0.5
    assert told["low"].raised
    assert 0 < told["low"].detail["first"][1] < 20
    assert told["pressed"].probability == 0.0
    assert told["leaks"].probability == (runner.crowd.parameters[0, :, 0] > 0.05).mean()
    assert told["far"].detail["lead"] == 60.0
    assert "level is below 2 m with a chance of 12 %" in (
        judge_now(twin, Alarm("x", "level", below=2.0), 0.12).sentence
    )


def test_sentinels_tell_only_changes():
    alarms = (Alarm("high", "level", above=1.5, cut=0.6),)
    runner = Runner([tanks.tank("a", alarms=alarms), tanks.tank("b", alarms=alarms)], {})
    runner.begun[:], runner.now[:] = 0, runner.windows.spans
    sentinels = Sentinels(runner, [])
    both, told = np.arange(2), []
    for level in (1.0, 2.0, 2.0, 1.0):
        runner.crowd.states[1, :, 0] = level
        told.append([(row, one.name, p) for row, one, p in sentinels.look(runner, both)])
    assert told == [[], [(1, "high", 1.0)], [], [(1, "high", 0.0)]]
    assert sentinels.look(runner, np.array([0])) == []


def test_nothing_is_raised_by_what_a_twin_was_told_at_its_start():
    """Before it has read for as long as its window; the window of a tank is 4 s."""
    alarm = Alarm("full", "level", above=0.9)
    runner = Runner([tanks.tank("a", alarms=(alarm,))], {})
    sentinels, found = Sentinels(runner, []), {}
    runner.crowd.states[0, :, 0] = 2.0
    runner.begun[0] = 0
    for second in (0, 3, 4):
        runner.now[0] = second * 1_000_000
        found[second] = len(sentinels.look(runner, np.arange(1)))
    assert found == {0: 0, 3: 0, 4: 1}


def test_a_guess_at_a_parameter_must_last_before_it_is_raised(engine):
    told = judge_now(tanks.tank(), Alarm("leaks", "hole", above=0.05), 0.9)
    register = registered(engine)
    for k, probability in enumerate((0.9, 0.9, 0.1, 0.9, 0.9)):
        raised = probability > 0.5
        found = replace(told, must_last=True, probability=probability, raised=raised)
        register.weigh(1, k + 1, [found])
    assert not written(engine, register)
    register.weigh(1, 6, [replace(told, must_last=True)])
    assert [one["opened_us"] for one in written(engine, register)] == [6]


def test_an_alert_tells_the_worst_there_was_since_it_was_raised(engine):
    register = registered(engine)
    for k, probability in enumerate((0.6, 0.8, 0.3, 0.1)):
        found = chance(probability)
        found = replace(found, sentence=f"a chance of {probability}", detail={"cut": 0.5})
        register.weigh(1, 1_000_000 * (k + 1), [found])
        written(engine, register)
    (row,) = centres.stored(engine, tables.alerts)
    assert (row["probability"], row["sentence"]) == (0.8, "a chance of 0.8")
    assert row["cleared_us"] == 4_000_000
    assert row["detail"]["cut"] == 0.5
    told = {name: row["detail"][name] for name in ("raised", "newest")}
    assert [(one["time"], one["probability"]) for one in told.values()] == [(1, 0.6), (4, 0.1)]
