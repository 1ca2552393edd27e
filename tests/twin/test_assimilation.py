"""Assimilation against the Kalman filter, and what becomes of bad readings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.errors import DataError, FilterError
from songsinh.models import Equations, FixedStep
from songsinh.series import Series
from songsinh.signals import output, parameter, state
from songsinh.twin import (
    Belief,
    EnsembleTransform,
    Noise,
    Particle,
    assimilate,
    believe,
    follow,
    forecast,
    taper,
    track,
)

from .models import SPRING, WALK, exact_members, spring_readings

PLAIN = EnsembleTransform(adapt=0.0, turn=0)
NOISE = Noise({"reading": 0.1, "pace": 0.1})
FULL = Equations(
    "full",
    (
        state("level", "m", 0.5, lower=0.0, upper=1.0),
        parameter("leak", "m", 0.0, lower=0.0),
        output("seen", "m"),
    ),
    rate=lambda t, s, u, p: 0.0 * s.level,
    output=lambda t, s, u, p: s.level + p.leak,
    solver=FixedStep(1.0),
)


def spring_belief(members=40, seed=1, pull=None):
    values = {"place": (1.0, 0.2), "speed": (0.0, 0.2)}
    if pull:
        values["pull"] = pull
    return believe(SPRING, values, members=members, seed=seed)


def kalman(mean, covariance, times, values, sd, drift=0.0):
    """The Kalman filter on the spring, with the exact transition of the fixed-step solver."""
    law = np.array([[0.0, 1.0], [-1.0, 0.0]])
    now = 0.0
    for time, row in zip(times, values, strict=True):
        steps = max(int(np.ceil((time - now) / 0.05 * (1 - 1e-12))), 1)
        h = law * (time - now) / steps
        one = np.eye(2) + h + h @ h / 2 + h @ h @ h / 6 + h @ h @ h @ h / 24
        move = np.linalg.matrix_power(one, steps)
        mean, covariance = move @ mean, move @ covariance @ move.T
        covariance = covariance + np.eye(2) * drift**2 * (time - now)
        gain = covariance @ np.linalg.inv(covariance + sd**2 * np.eye(2))
        mean, covariance = mean + gain @ (row - mean), (np.eye(2) - gain) @ covariance
        now = time
    return mean, covariance


@pytest.mark.parametrize("members", [5, 50])
def test_on_a_linear_model_the_transform_filter_is_the_kalman_filter(members):
    """With exact first moments it agrees to rounding, with more readings than members or fewer."""
    start, spread = np.array([1.2, -0.1]), np.array([[0.04, 0.01], [0.01, 0.09]])
    belief = replace(spring_belief(members), states=exact_members(start, spread, members))
    readings, _ = spring_readings(np.array([0.5, 0.9, 2.0, 3.5]))
    told = assimilate(SPRING, belief, readings, noise=NOISE, method=PLAIN)
    mean, covariance = kalman(start, spread, readings.times, readings.values, 0.1)
    assert np.allclose(told.belief.states.mean(axis=0), mean, atol=1e-10)
    assert np.allclose(np.cov(told.belief.states.T), covariance, atol=1e-10)


def test_the_particle_filter_nears_the_kalman_filter():
    start, spread = np.array([1.2, -0.1]), np.array([[0.04, 0.01], [0.01, 0.09]])
    belief = replace(spring_belief(20_000), states=exact_members(start, spread, 20_000))
    readings, _ = spring_readings(np.array([0.5, 0.9, 2.0, 3.5]))
    told = assimilate(SPRING, belief, readings, noise=NOISE, method=Particle())
    mean, covariance = kalman(start, spread, readings.times, readings.values, 0.1)
    states, weights = told.belief.states, told.belief.weights
    assert np.allclose(weights @ states, mean, atol=0.006)
    assert np.allclose(np.cov(states.T, aweights=weights), covariance, rtol=0.15, atol=4e-4)


def test_with_drift_the_filter_nears_the_kalman_filter_with_process_noise():
    start, spread = np.array([1.0, 0.0]), 0.04 * np.eye(2)
    belief = replace(spring_belief(4000), states=exact_members(start, spread, 4000))
    readings, _ = spring_readings(np.arange(1.0, 9.0))
    noise = Noise({"reading": 0.1, "pace": 0.1}, {"place": 0.1, "speed": 0.1})
    told = assimilate(SPRING, belief, readings, noise=noise, method=PLAIN)
    mean, covariance = kalman(start, spread, readings.times, readings.values, 0.1, drift=0.1)
    assert np.allclose(told.belief.states.mean(axis=0), mean, atol=0.02)
    assert np.allclose(np.cov(told.belief.states.T), covariance, rtol=0.12, atol=5e-4)


def test_a_turn_keeps_mean_and_covariance():
    readings, _ = spring_readings(np.array([1.0]))
    still = assimilate(SPRING, spring_belief(), readings, noise=NOISE, method=PLAIN)
    turned = assimilate(
        SPRING, spring_belief(), readings, noise=NOISE, method=EnsembleTransform(adapt=0.0, turn=1)
    )
    one, other = still.belief.states, turned.belief.states
    assert np.allclose(one.mean(axis=0), other.mean(axis=0), atol=1e-12)
    assert np.allclose(np.cov(one.T), np.cov(other.T), atol=1e-12)
    assert not np.allclose(one, other, atol=1e-3)


@given(order=st.permutations(range(12)))
@settings(max_examples=20)
def test_the_order_of_members_does_not_matter(order):
    belief = spring_belief(12, pull=(1.0, 0.1))
    mixed = replace(
        belief, states=belief.states[list(order)], parameters=belief.parameters[list(order)]
    )
    readings, _ = spring_readings(np.array([0.5, 1.0]))
    one = assimilate(SPRING, belief, readings, noise=NOISE, method=PLAIN).belief
    other = assimilate(SPRING, mixed, readings, noise=NOISE, method=PLAIN).belief
    assert np.allclose(one.states[list(order)], other.states, atol=1e-9)
    assert np.allclose(one.parameters[list(order)], other.parameters, atol=1e-9)


@pytest.mark.parametrize("drift", [None, {"place": 0.05, "pull": 0.01}])
def test_no_reading_leaves_the_belief_a_pure_forecast(drift):
    belief = spring_belief(pull=(1.0, 0.1))
    noise = Noise({"reading": 0.1}, drift)
    times = np.array([0.7, 1.9])
    silent = Series(times, np.full((2, 1), np.nan), ("reading",))
    told = assimilate(SPRING, belief, silent, noise=noise).belief
    ahead = forecast(SPRING, belief, times, noise=noise).belief
    assert told.states.tobytes() == ahead.states.tobytes()
    assert told.parameters.tobytes() == ahead.parameters.tobytes()
    later = assimilate(SPRING, belief, silent.between(9, 9), noise=noise, until=1.9).belief
    straight = forecast(SPRING, belief, [1.9], noise=noise).belief
    assert later.states.tobytes() == straight.states.tobytes()


def test_a_parameter_never_seen_is_learned_with_the_states():
    times = np.arange(1, 60) * 0.4
    readings, truth = spring_readings(times, pull=1.3)
    told = assimilate(SPRING, spring_belief(100, pull=(1.0, 0.3)), readings, noise=NOISE)
    assert told.belief.mean(SPRING)["pull"] == pytest.approx(1.3, abs=0.02)
    assert told.belief.spread(SPRING)["pull"] < 0.02
    assert np.abs(told.belief.states.mean(axis=0) - truth[-1]).max() < 0.1


def test_innovations_of_a_true_model_are_as_large_as_they_should_be():
    times = np.arange(1, 400) * 0.4
    readings, _ = spring_readings(times)
    told = assimilate(SPRING, spring_belief(60), readings, noise=NOISE)
    assert told.innovations.std() == pytest.approx(1.0, abs=0.06)
    assert abs(told.innovations.mean()) < 0.08
    assert told.belief.inflation < 1.1
    assert told.verdict.kind == "fine"
    assert not told.set_aside


def test_inflation_grows_where_the_machine_wanders_more_than_believed():
    chance = np.random.default_rng(5)
    times = np.arange(1.0, 200.0)
    level = np.cumsum(0.4 * chance.standard_normal(199))
    readings = Series(times, level + 0.1 * chance.standard_normal(199), ("seen",))
    belief = believe(WALK, {"level": (0.0, 0.1)})
    grown = {}
    for drift in (0.1, 0.4):
        noise = Noise({"seen": 0.1}, {"level": drift})
        grown[drift] = assimilate(WALK, belief, readings, noise=noise).belief.inflation
    assert grown[0.1] > 1.2
    assert grown[0.4] < 1.1


def test_localisation_of_ones_is_none_and_of_zeros_changes_nothing():
    readings, _ = spring_readings(np.array([1.0]))
    belief = spring_belief(pull=(1.0, 0.1))
    free = assimilate(SPRING, belief, readings, noise=NOISE, method=PLAIN).belief
    ones = replace(PLAIN, localisation=np.ones((3, 2)))
    near = assimilate(SPRING, belief, readings, noise=NOISE, method=ones).belief
    assert np.allclose(free.states, near.states, atol=1e-12)
    only = replace(PLAIN, localisation=np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    far = assimilate(SPRING, belief, readings, noise=NOISE, method=only).belief
    ahead = forecast(SPRING, belief, [1.0]).belief
    assert not np.allclose(far.states[:, 0], ahead.states[:, 0])
    assert np.array_equal(far.parameters, ahead.parameters)
    assert np.allclose(far.states[:, 1], ahead.states[:, 1], atol=1e-12)


def test_a_taper_falls_from_one_to_nothing():
    weights = taper(np.array([0.0, 0.5, 1.0, 1.5, 1.999, 2.0, 5.0]), 1.0)
    assert weights[0] == 1.0
    assert (np.diff(weights) <= 0).all()
    assert weights[2] == pytest.approx(5 / 24)  # Gaspari and Cohn (1999), at one radius
    assert weights[4] == pytest.approx(0.0, abs=1e-6)
    assert (weights[5:] == 0).all()
    with pytest.raises(FilterError, match="above 0"):
        taper(np.zeros(1), 0.0)


def test_a_wild_reading_is_set_aside_and_changes_nothing():
    readings, _ = spring_readings(np.arange(1, 20) * 0.4)
    wild = readings.values.copy()
    wild[9, 0] = 50.0
    gone = readings.values.copy()
    gone[9, 0] = np.nan
    one = assimilate(
        SPRING, spring_belief(), Series(readings.times, wild, readings.names), noise=NOISE
    )
    other = assimilate(
        SPRING, spring_belief(), Series(readings.times, gone, readings.names), noise=NOISE
    )
    assert one.set_aside == {("reading", "wild"): 1}
    assert np.array_equal(one.belief.states, other.belief.states)


def test_a_sensor_that_breaks_is_named_and_left_out():
    times = np.arange(1, 60) * 0.4
    readings, truth = spring_readings(times)
    broken = readings.values.copy()
    broken[20:, 0] += 3.0
    told = assimilate(SPRING, spring_belief(60), Series(times, broken, readings.names), noise=NOISE)
    assert told.verdict.kind == "sensor"
    assert told.verdict.signal == "reading"
    assert told.set_aside["reading", "broken"] > 20
    assert np.abs(told.belief.states.mean(axis=0) - truth[-1]).max() < 0.2


def test_a_machine_that_changed_is_told_from_a_broken_sensor_and_followed():
    """A jump of the whole state moves both sensors together."""
    times = np.arange(1, 60) * 0.4
    readings, _ = spring_readings(times)
    moved = readings.values.copy()
    moved[20:] = 3.0 * readings.values[20:]
    noise = Noise({"reading": 0.1, "pace": 0.1}, {"place": 0.02, "speed": 0.02})
    told = assimilate(SPRING, spring_belief(60), Series(times, moved, readings.names), noise=noise)
    kinds = set()
    belief = spring_belief(60)
    for k in range(len(times)):
        step = assimilate(
            SPRING, belief, Series(times[k : k + 1], moved[k : k + 1], readings.names), noise=noise
        )
        belief = step.belief
        kinds.add(step.verdict.kind)
    assert "machine" in kinds
    assert not any(reason == "broken" for _, reason in told.set_aside)
    assert np.abs(told.belief.states.mean(axis=0) - moved[-1]).max() < 0.5


def test_a_stuck_sensor_is_named():
    times = np.arange(1, 40) * 0.4
    readings, _ = spring_readings(times)
    stuck = readings.values.copy()
    stuck[20:, 1] = stuck[20, 1]
    told = assimilate(SPRING, spring_belief(60), Series(times, stuck, readings.names), noise=NOISE)
    assert (told.verdict.kind, told.verdict.signal) == ("sensor", "pace")


def test_one_sensor_alone_cannot_say_whether_it_or_the_machine_changed():
    times = np.arange(1.0, 40.0)
    seen = np.where(times < 20, 0.0, 2.0) + 0.1 * np.random.default_rng(2).standard_normal(39)
    noise = Noise({"seen": 0.1}, {"level": 0.001})
    told = assimilate(WALK, believe(WALK, {"level": (0.0, 0.1)}), Series(times, seen, ("seen",)),
                      noise=noise)  # fmt: skip
    assert told.verdict.kind == "unclear"
    assert "cannot say" in told.verdict.sentence


def test_false_verdicts_are_rare_on_a_machine_that_is_as_believed():
    times = np.arange(1, 200) * 0.4
    wrong = 0
    for seed in range(5):
        readings, _ = spring_readings(times, seed=seed)
        belief = spring_belief(40, seed=seed)
        for k in range(0, len(times), 10):
            told = assimilate(
                SPRING, belief, readings.between(times[k], times[min(k + 9, 198)]), noise=NOISE
            )
            belief = told.belief
            wrong += told.verdict.kind != "fine"
    assert wrong <= 1


@given(data=st.data())
@settings(max_examples=15)
def test_within_the_window_the_order_of_arrival_does_not_matter(data):
    times = np.arange(1, 9) * 0.4
    readings, _ = spring_readings(times)
    order = data.draw(st.permutations(range(8)))
    noise = Noise({"reading": 0.1, "pace": 0.1}, {"place": 0.05})
    straight = assimilate(SPRING, spring_belief(10), readings, noise=noise).belief
    trail = track(spring_belief(10), window=100.0)
    for k in order:
        trail = follow(
            SPRING,
            trail,
            Series(times[k : k + 1], readings.values[k : k + 1], readings.names),
            noise=noise,
        )
    assert trail.belief == straight


def test_beyond_the_window_a_late_reading_is_counted_and_changes_nothing():
    times = np.arange(1, 21) * 0.4
    readings, _ = spring_readings(times)
    trail = follow(SPRING, track(spring_belief(), window=2.0), readings, noise=NOISE)
    assert len(trail.beliefs) < 8
    late = follow(SPRING, trail, readings.between(0.3, 0.5), noise=NOISE)
    assert late.belief == trail.belief
    assert late.set_aside == {("reading", "late"): 1, ("pace", "late"): 1}


def test_the_same_reading_sent_twice_counts_once():
    times = np.arange(1, 9) * 0.4
    readings, _ = spring_readings(times)
    once = follow(SPRING, track(spring_belief(), window=9.0), readings, noise=NOISE)
    twice = follow(SPRING, once, readings.between(1.0, 2.5), noise=NOISE)
    assert twice.belief == once.belief
    assert twice.set_aside["reading", "repeated"] == 4
    doubled = Series(np.repeat(times, 2), np.repeat(readings.values, 2, axis=0), readings.names)
    told = assimilate(SPRING, spring_belief(), doubled, noise=NOISE)
    assert told.belief == once.belief
    assert told.set_aside["reading", "repeated"] == 8


def test_a_fresh_belief_takes_a_reading_at_its_own_time_and_only_once():
    first = Series([0.0], [[1.1, 0.1]], ("reading", "pace"))
    told = assimilate(SPRING, spring_belief(), first, noise=NOISE)
    assert told.belief.spread(SPRING)["place"] < 0.12
    again = assimilate(SPRING, told.belief, first, noise=NOISE)
    assert again.set_aside == {("reading", "late"): 1, ("pace", "late"): 1}
    trail = follow(SPRING, track(spring_belief(), window=9.0), first, noise=NOISE)
    assert trail.belief == told.belief


def test_saved_and_restored_on_the_way_ends_in_the_same_bits():
    times = np.arange(1, 30) * 0.4
    readings, _ = spring_readings(times)
    noise = Noise({"reading": 0.1, "pace": 0.1}, {"place": 0.05, "pull": 0.01})
    whole = assimilate(SPRING, spring_belief(pull=(1.0, 0.1)), readings, noise=noise).belief
    belief = spring_belief(pull=(1.0, 0.1))
    for k in range(0, 29, 7):
        part = readings.between(times[k], times[min(k + 6, 28)])
        belief = Belief.from_bytes(assimilate(SPRING, belief, part, noise=noise).belief.to_bytes())
    assert belief == whole


@pytest.mark.parametrize("method", [EnsembleTransform(), Particle(share=1.0, shake=0.5)])
def test_a_correction_stays_inside_the_bounds(method):
    full = believe(FULL, {"level": (0.9, 0.05), "leak": (0.05, 0.05)}, members=50)
    beyond = Series([1.0, 2.0, 3.0], [1.2, 1.2, 1.2], ("seen",))
    for k in range(3):
        step = beyond.between(k + 0.5, k + 1.5)
        full = assimilate(FULL, full, step, noise=Noise({"seen": 0.1}), method=method).belief
        assert 0.9 < full.column(FULL, "level").max() <= 1.0
        assert full.column(FULL, "leak").min() >= 0.0


def test_drift_stays_inside_the_bounds():
    noise = Noise({"seen": 0.1}, {"level": 1.0, "leak": 1.0})
    ahead = forecast(FULL, believe(FULL, members=50), [1.0, 2.0], noise=noise)
    assert (ahead["level"].min(), ahead["level"].max()) == (0.0, 1.0)
    assert ahead.belief.column(FULL, "leak").min() == 0.0


@pytest.mark.parametrize(
    ("readings", "noise", "error", "words"),
    [
        (Series([1.0], [[1.0]], ("push",)), NOISE, DataError, "is a input|is an input"),
        (
            Series([1.0], [[1.0]], ("reading",)),
            Noise({"pace": 1.0}),
            DataError,
            "noise of the sensor",
        ),
    ],
)
def test_bad_readings_get_one_sentence(readings, noise, error, words):
    with pytest.raises(error, match=words):
        assimilate(SPRING, spring_belief(), readings, noise=noise)


def test_an_ensemble_that_collapsed_says_so():
    same = believe(SPRING, members=10)
    readings, _ = spring_readings(np.array([1.0]))
    with pytest.raises(FilterError, match="all the same"):
        assimilate(SPRING, same, readings, noise=NOISE)


def test_a_belief_about_another_model_is_refused():
    readings, _ = spring_readings(np.array([1.0]))
    with pytest.raises(FilterError, match="about 'walk'"):
        assimilate(SPRING, believe(WALK, {"level": (0.0, 1.0)}), readings, noise=NOISE)


def test_a_localisation_of_the_wrong_shape_is_refused():
    readings, _ = spring_readings(np.array([1.0]))
    with pytest.raises(FilterError, match="localisation has the shape"):
        assimilate(SPRING, spring_belief(), readings, noise=NOISE,
                   method=EnsembleTransform(localisation=np.ones((2, 2))))  # fmt: skip
