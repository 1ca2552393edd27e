"""Twins from a record alone: the structure is found, the bands hold, bad records are refused."""

import json

import numpy as np
import pytest

from songsinh.errors import DataError
from songsinh.series import Series
from songsinh.twin import (
    Card,
    Noise,
    Structure,
    assimilate,
    believe,
    fit_series,
    forecast,
    structural_model,
)
from songsinh.twin.structural import follow_structure

DAY = 86400.0
ONE = Structure("x", "K", 0.5, 0.01, 1e-5, 3600.0, None, 5.0, 3.0)


def record(rows=1500, *, step=60.0, seed=1, daily=0.0, wild=0.0, gaps=0.0, name="flow (L/min)"):
    """A wandering level with noise, at irregular times."""
    chance = np.random.default_rng(seed)
    times = np.cumsum(chance.uniform(0.5, 1.5, rows) * step)
    steps = np.diff(times, prepend=0.0)
    values = 20 + np.cumsum(0.002 * np.sqrt(steps) * chance.standard_normal(rows))
    values += daily * np.sin(2 * np.pi * times / DAY) + 0.1 * chance.standard_normal(rows)
    values[chance.random(rows) < wild] += 50
    values[chance.random(rows) < gaps] = np.nan
    return Series(times, values[:, None], (name,))


def structure(recipe):
    return Structure(**recipe["signals"][0])


def test_noise_and_drift_are_found_whatever_is_missing_or_wild():
    for one in (record(4000), record(4000, wild=0.01, gaps=0.1, seed=2)):
        found = structure(fit_series(one, name="mill")[0])
        assert found.noise == pytest.approx(0.1, rel=0.15)
        assert 0.001 < found.level_drift < 0.004


def test_bands_hold_on_what_no_fit_has_seen_and_beat_the_random_walk():
    _, card = fit_series(record(4000), name="mill", title="The mill")
    (check,) = card.checks
    covered = {row.nominal: row.covered for row in card.coverages}
    assert 0.85 <= covered[0.9] <= 0.95
    assert check.ours < check.baselines["random walk"]
    assert "last fifth" in check.where
    assert Card.from_json(card.to_json()).title == "The mill"


def test_a_daily_cycle_is_found_where_there_is_one():
    there = structure(fit_series(record(1500, step=400.0, daily=3.0), name="a")[0])
    assert there.cycle_drift is not None
    assert there.swing == pytest.approx(3.0, rel=0.2)
    absent = structure(fit_series(record(1500, step=400.0), name="a")[0])
    assert absent.cycle_drift is None
    short = structure(fit_series(record(1500, daily=3.0), name="a")[0])
    assert short.cycle_drift is None


def test_the_recipe_is_plain_and_the_same_each_time():
    recipe, card = fit_series(record(gaps=0.2), name="mill", units={"flow (L/min)": "L/min"})
    again, other = fit_series(record(gaps=0.2), name="mill", units={"flow (L/min)": "L/min"})
    assert json.dumps(recipe, allow_nan=False) == json.dumps(again)
    assert card.to_json() == other.to_json()
    assert (recipe["kind"], recipe["name"]) == ("series", "mill")
    signal = recipe["signals"][0]
    assert (signal["name"], signal["unit"]) == ("flow_L_min", "L/min")
    assert signal["column"] == "flow (L/min)"
    low, high = np.nanquantile(record(gaps=0.2).values, [0.005, 0.995])
    assert (signal["low"], signal["high"]) == (pytest.approx(low), pytest.approx(high))


def test_limits_of_the_user_count():
    recipe, _ = fit_series(record(), name="mill", limits={"flow (L/min)": (None, 30.0)})
    assert (recipe["signals"][0]["low"], recipe["signals"][0]["high"]) == (None, 30.0)


def test_names_become_usable_and_stay_apart():
    one = record(200)
    many = Series(one.times, np.repeat(one.values, 4, axis=1), ("t", "2 °C", "a-b", "a b"))
    recipe, _ = fit_series(many, name="mill")
    assert [row["name"] for row in recipe["signals"]] == ["signal_t", "signal_2_C", "a_b", "a_b_2"]


def test_the_filter_in_closed_form_is_the_limit_of_the_ensemble():
    one = record(120)
    model = structural_model("mill", [ONE])
    drift = {"x_level": ONE.level_drift, "x_trend": ONE.trend_drift}
    start = {"x_level": (float(one.values[0, 0]), ONE.spread), "x_trend": (0.0, ONE.trend_spread)}
    belief = believe(model, start, members=800, seed=3, time=one.times[0])
    noise = Noise({"x": ONE.noise}, drift)
    told = assimilate(model, belief, Series(one.times, one.values, ("x",)), noise=noise)
    exact = follow_structure(ONE, one.times, one.values[:, 0])
    level, spread = told.estimate("x_level")
    sd = np.sqrt(exact.spreads[:, 0, 0])
    assert np.max(np.abs(level - exact.means[:, 0])[20:] / sd[20:]) < 0.5
    assert spread[-1] == pytest.approx(sd[-1], rel=0.15)
    ahead = forecast(model, told.belief, told.belief.time + np.arange(60.0, 1200.0, 60.0))
    assert np.isfinite(ahead["x"]).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(200, 3.0), "never changes"),
        (np.r_[np.arange(10.0), np.full(190, np.nan)], "holds 10 readings"),
    ],
)
def test_a_record_that_teaches_nothing_is_refused(values, said):
    with pytest.raises(DataError, match=said):
        fit_series(Series(np.arange(200.0), values[:, None], ("flow",)), name="mill")


def test_a_record_of_no_time_or_of_too_many_columns_is_refused():
    with pytest.raises(DataError, match="stand at one time"):
        fit_series(Series(np.zeros(60), np.arange(60.0)[:, None], ("flow",)), name="mill")
    names = tuple(f"c{k}" for k in range(9))
    with pytest.raises(DataError, match="choose 1 to 8"):
        fit_series(Series(np.arange(99.0), np.zeros((99, 9)), names), name="mill")
