"""Beliefs are values: saved equals restored, chance is part of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh.errors import BoundsError, DataError, FilterError, SignalError
from songsinh.models import Equations
from songsinh.signals import parameter, state
from songsinh.twin import Belief, Noise, advance, believe, forecast

from .models import SPRING, WALK


@given(
    members=st.integers(2, 9),
    seed=st.integers(0, 2**63 - 1),
    time=st.floats(-1e9, 1e9),
    odd=st.sampled_from([np.nan, np.inf, -0.0, 5e-324, 0.1]),
)
def test_a_saved_belief_is_restored_to_the_last_bit(members, seed, time, odd):
    belief = believe(SPRING, {"place": (0.0, 1.0)}, members=members, seed=seed, time=time)
    belief = replace(
        belief, memory=np.full((3, 3, 1), odd), likeness=np.eye(1), watched=("reading",)
    )
    again = Belief.from_bytes(belief.to_bytes())
    assert again == belief
    assert again.states.tobytes() == belief.states.tobytes()
    assert np.array_equal(again.memory, belief.memory, equal_nan=True)


def test_a_belief_cut_short_is_refused():
    content = believe(SPRING, {"place": (0.0, 1.0)}).to_bytes()
    with pytest.raises(DataError, match="cut short"):
        Belief.from_bytes(content[:-1])
    with pytest.raises(DataError, match="no belief"):
        Belief.from_bytes(b"PK" + content)
    with pytest.raises(DataError, match="damaged"):
        Belief.from_bytes(content[:40] + b"\n")


def test_a_drawn_belief_has_the_mean_and_spread_asked_for():
    belief = believe(SPRING, {"place": (2.0, 0.5), "pull": (1.0, 0.1)}, members=20_000, seed=3)
    assert belief.mean(SPRING)["place"] == pytest.approx(2.0, abs=0.02)
    assert belief.spread(SPRING)["place"] == pytest.approx(0.5, rel=0.03)
    assert belief.spread(SPRING)["speed"] == 0.0


def test_a_draw_never_leaves_the_bounds():
    belief = believe(SPRING, {"pull": (0.05, 1.0)}, members=5000)
    pull = belief.column(SPRING, "pull")
    assert pull.min() >= 0.0
    # half of a normal law that is cut at its middle has mean sd·√(2/π)
    assert pull.mean() == pytest.approx(0.8, abs=0.05)


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    values = {"place": (0.0, 1.0)}
    assert believe(SPRING, values, seed=1) == believe(SPRING, values, seed=1)
    assert not np.array_equal(
        believe(SPRING, values, seed=1).states, believe(SPRING, values, seed=2).states
    )


def test_drift_grows_with_the_root_of_time():
    belief = believe(WALK, {"level": 0.0}, members=20_000)
    after, _ = advance(WALK, belief, np.array([0.0, 16.0]), drift={"level": 0.5})
    assert after.states.std() == pytest.approx(2.0, rel=0.03)
    stepped, run = advance(WALK, belief, np.arange(17.0), drift={"level": 0.5})
    assert stepped.states.std() == pytest.approx(2.0, rel=0.03)
    assert np.array_equal(run["seen"][:, -1], stepped.states[:, 0])


def test_a_branch_differs_only_by_its_chance():
    belief = believe(WALK, {"level": (0.0, 1.0)})
    noise = Noise({"seen": 1.0}, {"level": 1.0})
    one = forecast(WALK, belief, [0.0, 1.0], noise=noise)
    same = forecast(WALK, belief.branch(belief.seed), [0.0, 1.0], noise=noise)
    other = forecast(WALK, belief.branch(7), [0.0, 1.0], noise=noise)
    assert np.array_equal(one["seen"], same["seen"])
    assert np.array_equal(one["seen"][:, 0], other["seen"][:, 0])
    assert not np.array_equal(one["seen"][:, 1], other["seen"][:, 1])


def test_a_member_that_fails_is_replaced_and_a_belief_that_mostly_fails_is_refused():
    burst = Equations(
        "burst", (state("x", start=1.0), parameter("pace")), lambda t, s, u, p: p.pace * s.x**2
    )
    few = believe(burst, {"pace": np.array([0.1] * 9 + [5.0])}, members=10)
    after, _ = advance(burst, few, np.array([0.0, 1.0]))
    assert np.isfinite(after.states).all()
    assert (after.parameters == 0.1).all()
    most = believe(burst, {"pace": np.array([0.1] * 4 + [5.0] * 6)}, members=10)
    with pytest.raises(FilterError, match="6 of 10 members failed"):
        advance(burst, most, np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"pulll": 1.0}, SignalError, "pull"),
        ({"pull": (20.0, 1.0)}, BoundsError, "bounds"),
        ({"pull": (1.0, -1.0)}, BoundsError, "spread"),
        ({"push": 1.0}, Exception, "states and parameters"),
    ],
)
def test_bad_values_get_one_sentence(values, error, words):
    with pytest.raises(error, match=words):
        believe(SPRING, values)


def test_a_belief_of_one_member_is_refused():
    with pytest.raises(FilterError, match="no spread"):
        believe(SPRING, members=1)


def test_a_sensor_without_noise_is_refused():
    with pytest.raises(BoundsError, match="exact"):
        Noise({"reading": 0.0})
    with pytest.raises(BoundsError, match="standard deviation"):
        Noise({"reading": 1.0}, {"place": np.nan})
