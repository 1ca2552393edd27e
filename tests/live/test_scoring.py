"""Outlooks are scored once by what came, beside the simplest baseline."""

import math

import numpy as np
import pytest
from scipy.special import ndtri

from songsinh.database import tables
from songsinh.live.outlooks import LEVELS, Outlook, foresee, spread_out
from songsinh.live.runner import Runner
from songsinh.live.scoring import LEADS, Ledger, Walks, describes, pinball, read_bands
from songsinh.twin import Noise
from tests.live import centres, tanks

START = tanks.START * 1_000_000


@pytest.fixture
def engine(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    yield engine
    engine.dispose()


def fed(runner, seconds, first=0, level=1.0):
    """The level at each second, and the inflow once."""
    times = START + np.arange(first, first + seconds) * 1_000_000
    zeros = np.zeros(seconds, np.int64)
    runner.fold(zeros, times, zeros, np.full(seconds, level))


def outlook(made, low, high, **more):
    """The level stays between two quantiles."""
    ahead = np.linspace(0.0, 8.0, 5)
    bands = np.tile(np.linspace(low, high, 5)[:, None], (1, 1, 5)).reshape(1, 5, 5)
    told = {"inputs": {"inflow": 0.1}, "walk": {"level": (1.0, 0.0, 0.01)}} | more
    return Outlook("a", made, ahead, ("level",), bands, **told)


def stored(engine, ledger):
    with engine.begin() as connection:
        ledger.flush(connection)
    ledger.settle()
    return centres.stored(engine, tables.scores)


def keep(engine, one):
    row = {"twin": 1, "made_us": one.made_us, "last_us": one.last_us, "scored_us": one.made_us}
    with engine.begin() as connection:
        connection.execute(tables.forecasts.insert().values(**row, body=one.to_bytes()))


def test_the_score_of_quantiles_is_near_that_of_the_law_they_are_of():
    """For a standard normal law the exact score at 0 is 0.2337 (Gneiting and Raftery 2007)."""
    exact = 2 * (1 / math.sqrt(2 * math.pi)) - 1 / math.sqrt(math.pi)
    assert pinball(ndtri(np.array(LEVELS)), 0.0) == pytest.approx(exact, rel=0.15)
    assert pinball(np.full(5, 2.0), 2.0) == 0.0


def test_the_bands_of_a_reading_hold_the_noise_of_its_sensor():
    normal = ndtri(np.array(LEVELS))
    assert np.allclose(read_bands(1 + 3 * normal, 4.0), 1 + 5 * normal)


def test_quantiles_are_those_of_numpy():
    members = np.random.default_rng(2).standard_normal((3, 4, 17))
    assert np.allclose(spread_out(members), np.quantile(members, LEVELS, axis=-1))


def test_an_outlook_is_what_it_was_stored_as(tmp_path):
    one = outlook(START, 0.5, 1.5, alarms=[{"name": "low", "probability": 0.25}])
    again = Outlook.from_bytes(one.to_bytes())
    assert again.frame() == one.frame()
    assert (again.made_us, again.last_us, again.walk) == (START, START + 8_000_000, {
        "level": [1.0, 0.0, 0.01]
    })  # fmt: skip


def test_each_lead_is_scored_once_also_across_a_restart(engine):
    one = outlook(START, 0.9, 1.1)
    keep(engine, one)
    for step in range(14):  # a new ledger and a new runner after each reading
        runner, ledger = Runner([tanks.tank("a", window=4.0)], {}), Ledger()
        fed(runner, step + 1)
        with engine.connect() as connection:
            ledger.load(connection)
        ledger.score(1, runner, 0)
        rows = stored(engine, ledger)
    assert [row["lead_s"] for row in rows] == [lead * 8.0 for lead in LEADS]
    assert [row["count"] for row in rows] == [1, 1, 1, 1]
    assert all(row["inside_50"] == row["inside_90"] == 1 for row in rows)
    assert all(0 < row["crps"] < row["crps_walk"] for row in rows[2:])
    assert centres.stored(engine, tables.forecasts)[0]["scored_us"] == one.last_us


def test_bands_that_are_wrong_show_in_the_scores_and_raise_doubt(engine):
    runner, ledger = Runner([tanks.tank("a", noise=Noise({"level": 0.01}))], {}), Ledger()
    for k in range(40):
        ledger.add(1, outlook(START + k * 1_000_000, 3.0, 3.1))
    for k in range(60):
        fed(runner, 1, first=k)
        ledger.score(1, runner, 0)
    rows = stored(engine, ledger)
    assert sum(row["inside_90"] for row in rows) == 0
    assert all(row["crps"] > row["crps_walk"] for row in rows)
    found = describes(1, ledger, "fine")
    assert found.raised
    assert found.signal == "level"
    assert "0 of the last" in found.sentence
    assert not describes(2, ledger, "fine").raised
    assert describes(2, ledger, "machine").raised


def test_an_outlook_under_other_inputs_says_nothing_about_the_machine(engine):
    runner, ledger = Runner([tanks.tank("a")], {}), Ledger()
    for k in range(40):
        ledger.add(1, outlook(START + k * 1_000_000, 3.0, 3.1, inputs={"inflow": 2.0}))
    for k in range(60):
        fed(runner, 1, first=k)
        ledger.score(1, runner, 0)
    assert not describes(1, ledger, "fine").raised
    assert not stored(engine, ledger)  # nor does anybody read of it


def test_a_sensor_that_is_off_says_nothing_about_the_machine(engine):
    runner, ledger = Runner([tanks.tank("a")], {}), Ledger()
    for k in range(40):
        ledger.add(1, outlook(START + k * 1_000_000, 3.0, 3.1))
    for k in range(60):
        fed(runner, 1, first=k)
        runner.windows.aside[:] = 2  # broken
        ledger.score(1, runner, 0)
    assert not describes(1, ledger, "fine").raised
    assert not stored(engine, ledger)


def test_a_new_episode_ends_what_was_foreseen_before(engine):
    runner, ledger = Runner([tanks.tank("a", episode=tanks.runs_dry())], {}), Ledger()
    fed(runner, 2)
    ledger.add(1, outlook(START + 1_000_000, 0.5, 1.5))
    fed(runner, 9, first=20)
    ledger.score(1, runner, 0)
    assert len(stored(engine, ledger)) <= len(LEADS)
    assert ledger.due(1, 4_000_000) == 2**62


def test_the_walk_learns_how_fast_a_signal_wanders():
    walks, chance, value = Walks(), np.random.default_rng(4), 0.0
    for k in range(400):
        value += 0.2 * chance.standard_normal() * math.sqrt(10.0)
        told = walks.step("a", {"level": (k * 10_000_000, value)}, k * 10_000_000 + 500_000)
    last, age, rate = told["level"]
    assert (last, age) == (value, 0.5)
    assert rate == pytest.approx(0.04, rel=0.7)


def test_twins_that_look_alike_far_share_a_call_and_see_what_they_would_alone():
    twins = [tanks.tank("a", seed=1), tanks.tank("b", seed=2), tanks.tank("c", horizon=9.0)]
    runner = Runner(twins, {})
    which, times = np.repeat(np.arange(3), 4), np.tile(START + np.arange(4) * 1_000_000, 3)
    runner.fold(which, times, np.zeros(12, np.int64), np.full(12, 1.0))
    together = {row: looked.shown[k] for row, *_, looked, k in foresee(runner, np.arange(3))}
    for row in range(3):
        (_, _, ahead, _, looked, k) = next(foresee(runner, np.array([row])))
        assert np.array_equal(looked.shown[k], together[row])
        assert ahead[-1] == twins[row].horizon
