"""Laws of the scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh.errors import DataError
from songsinh.metrics import coverage, crps, mae, quantiles, rank_histogram, rmse, skill

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
ensembles = st.lists(numbers, min_size=1, max_size=12)


@given(numbers, numbers, st.integers(1, 5))
def test_crps_of_a_point_is_the_absolute_error(point, truth, count):
    assert math.isclose(crps([point] * count, truth), abs(point - truth), abs_tol=1e-9)


@given(ensembles, numbers)
def test_crps_is_the_mean_distance_less_half_the_spread(members, truth):
    x = np.array(members)
    plain = np.abs(x - truth).mean() - np.abs(x[:, None] - x).mean() / 2
    assert math.isclose(crps(x, truth), plain, rel_tol=1e-9, abs_tol=1e-6)


@given(ensembles, numbers, st.data())
def test_a_weight_of_two_is_the_member_twice(members, truth, data):
    size = len(members)
    counts = np.array(data.draw(st.lists(st.integers(1, 3), min_size=size, max_size=size)))
    repeated = np.repeat(members, counts)
    assert math.isclose(
        crps(members, truth, weights=counts), crps(repeated, truth), rel_tol=1e-9, abs_tol=1e-6
    )


def test_crps_of_a_large_normal_sample_is_the_closed_form():
    """Source: Gneiting and Raftery (2007), eq. 21 gives 0.23369 for N(0, 1) at 0."""
    sample = np.random.default_rng(1).normal(size=(200, 2000))
    assert abs(crps(sample, np.zeros(200)).mean() - (math.sqrt(2) - 1) / math.sqrt(math.pi)) < 1e-3


def test_the_fair_score_does_not_depend_on_the_number_of_members():
    generator = np.random.default_rng(2)
    truth = generator.normal(size=40_000)
    scores = [crps(generator.normal(size=(40_000, n)), truth, fair=True).mean() for n in (2, 20)]
    assert abs(scores[0] - scores[1]) < 0.015
    with pytest.raises(DataError, match="two or more members"):
        crps([1.0], 0.0, fair=True)


def test_a_missing_observation_counts_for_nothing():
    assert rmse([1.0, 2.0], [1.0, np.nan]) == mae([1.0, 2.0], [1.0, np.nan]) == 0.0
    assert coverage([0.0, 0.0], [1.0, 1.0], [0.5, np.nan]) == 1.0
    assert math.isnan(crps([1.0, 2.0], np.nan))
    assert rank_histogram([[1.0], [1.0]], [0.0, np.nan], np.random.default_rng(0)).sum() == 1
    for score in (rmse, mae):
        with pytest.raises(DataError, match="no observation"):
            score([1.0], [np.nan])


def test_skill_is_one_for_perfect_and_zero_for_the_baseline():
    assert (skill(0.0, 2.0), skill(2.0, 2.0), skill(4.0, 2.0)) == (1.0, 0.0, -1.0)
    with pytest.raises(DataError, match="above zero"):
        skill(1.0, 0.0)


def test_the_rank_histogram_of_an_honest_ensemble_is_flat():
    generator = np.random.default_rng(3)
    draws = generator.normal(size=(50_000, 10))
    counts = rank_histogram(draws[:, 1:], draws[:, 0], generator)
    assert counts.sum() == 50_000
    assert np.abs(counts / 5000 - 1).max() < 0.06


def test_ties_fall_on_every_rank_alike():
    generator = np.random.default_rng(4)
    counts = rank_histogram(np.zeros((9000, 2)), np.zeros(9000), generator)
    assert np.abs(counts / 3000 - 1).max() < 0.06


@given(ensembles, st.floats(0, 1))
def test_equal_weights_change_no_quantile(members, q):
    weighted = quantiles(members, q, weights=[0.5] * len(members))
    assert math.isclose(weighted, quantiles(members, q), rel_tol=1e-9, abs_tol=1e-6)


@given(ensembles, st.data())
def test_quantiles_rise_and_stay_among_the_members(members, data):
    size = len(members)
    weights = data.draw(st.lists(st.floats(0.1, 1.0), min_size=size, max_size=size))
    found = quantiles([members, members], [0.0, 0.3, 0.6, 1.0], weights=weights)
    assert found.shape == (2, 4)
    assert (np.diff(found[0]) >= -1e-9).all()
    assert (found[0, 0], found[0, -1]) == (min(members), max(members))


def test_a_member_without_weight_counts_for_nothing():
    assert quantiles([1.0, 2.0, 99.0], 1.0, weights=[1.0, 1.0, 0.0]) == 2.0
    assert crps([1.0, 99.0], 1.0, weights=[1.0, 0.0]) == 0.0


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_impossible_weights_and_levels_are_refused(weights):
    with pytest.raises(DataError, match="give finite ones"):
        crps([1.0, 2.0], 0.0, weights=weights)
    with pytest.raises(DataError, match="not a percentage"):
        quantiles([1.0, 2.0], 90.0)
