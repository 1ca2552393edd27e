"""Laws of decisions, against closed answers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from songsinh.errors import DataError, FilterError
from songsinh.maths import minimum
from songsinh.models import Equations
from songsinh.series import Series
from songsinh.signals import input_, output, parameter, state
from songsinh.twin import CVaR, Limit, Mean, Noise, Quantile, believe, decide, optimise

# profit of a paper boy: sold at 5, bought at 3, so the best stock is the 40 % quantile of demand
STALL = Equations(
    "stall",
    (
        state("loss"),
        parameter("demand", lower=0.0, upper=100.0, start=50.0),
        input_("stock"),
        output("unsold"),
    ),
    rate=lambda t, s, u, p: 3.0 * u.stock - 5.0 * minimum(u.stock, p.demand),
    output=lambda t, s, u, p: (u.stock - p.demand,),
)
# even steps, so that quantiles are known
DEMAND = (np.arange(50) + 0.5) * 2.0
STOCKED = believe(STALL, {"demand": DEMAND}, members=50, seed=3)
WANDERING = Noise({"unsold": 1.0}, drift={"loss": 5.0})


def stock(amount):
    return Series([0.0], [[float(amount)]], ("stock",), "previous")


def lost(seen):
    return seen["loss"][:, -1]


def settle(plans, belief=STOCKED, **options):
    return decide(STALL, belief, plans, [0.0, 1.0], cost=lost, **options)


def best_stock(seed=0, belief=STOCKED, **options):
    return optimise(
        *(STALL, belief, lambda x: stock(x[0]), {"stock": (0.0, 100.0)}, [0.0, 1.0]),
        **({"cost": lost, "generator": np.random.default_rng(seed), "evaluations": 80} | options),
    )


EVEN = (np.arange(100) + 0.5) / 100
SAME = np.full(100, 0.01)


def test_the_tail_of_a_uniform_law_has_its_mean_in_the_middle():
    assert CVaR(0.8).of(EVEN, SAME) == pytest.approx(0.9)
    assert CVaR(0.9).of(EVEN, SAME) == pytest.approx(0.95)
    assert Quantile(0.8).of(EVEN, SAME) == pytest.approx(0.8, abs=0.01)
    assert Mean().of(EVEN, SAME) == pytest.approx(0.5)


def test_a_tail_that_splits_a_member_takes_a_part_of_it():
    costs, weights = np.array([0.0, 10.0, 20.0]), np.array([0.5, 0.3, 0.2])
    assert CVaR(0.6).of(costs, weights) == pytest.approx((0.2 * 10 + 0.2 * 20) / 0.4)


ROWS = arrays(float, 12, elements=some.floats(-50, 50))


@given(ROWS, some.sampled_from([0.1, 0.5, 0.75, 0.9]), some.permutations(range(12)))
def test_risk_is_ordered_shifts_with_the_cost_and_forgets_the_order(costs, level, order):
    weights = np.arange(1, 13) / 78
    quantile, tail = Quantile(level).of(costs, weights), CVaR(level).of(costs, weights)
    assert Mean().of(costs, weights) <= tail + 1e-9
    assert quantile <= tail + 1e-9 <= costs.max() + 1e-6
    assert CVaR(level).of(2 * costs + 3, weights) == pytest.approx(2 * tail + 3, abs=1e-9)
    place = list(order)
    assert CVaR(level).of(costs[place], weights[place]) == pytest.approx(tail, abs=1e-9)
    assert Quantile(level).of(costs[place], weights[place]) == quantile


@given(ROWS, ROWS)
def test_the_tail_of_a_sum_is_no_worse_than_the_sum_of_tails(one, other):
    """Coherence, which quantiles lack."""
    weights, risk = np.full(12, 1 / 12), CVaR(0.8)
    assert risk.of(one + other, weights) <= risk.of(one, weights) + risk.of(other, weights) + 1e-9


def test_a_plan_better_for_every_member_is_chosen_with_probability_one():
    """Also where chance moves the members by more than the plans differ."""
    # nobody wants more than 10 of stock 12 and 14, so the second loses 6 more for sure
    few = believe(STALL, {"demand": np.linspace(5, 10, 30)}, members=30, seed=1)
    told = settle({"more": stock(14), "less": stock(12)}, few, noise=WANDERING)
    assert (told.best, told.sure) == ("less", 1.0)
    assert told.beats.tolist() == [[0.5, 0.0], [1.0, 0.5]]
    np.testing.assert_allclose(told.regret, [[0.0, 6.0], [0.0, 0.0]], atol=1e-9)
    gap = told["more"].costs - told["less"].costs
    np.testing.assert_allclose(gap, 6.0, atol=1e-9)
    assert told["less"].sd > 3.0  # chance did move them


def test_the_order_of_plans_does_not_matter():
    plans = {"few": stock(20), "some": stock(40), "many": stock(80), "also some": stock(40)}
    one, other = settle(plans), settle(dict(reversed(plans.items())))
    assert one.best == other.best == "also some"
    for name in plans:
        assert one[name].risk == other[name].risk
    np.testing.assert_array_equal(one.wins, other.wins[::-1])
    np.testing.assert_array_equal(one.beats, other.beats[::-1, ::-1])
    assert one.wins.sum() == pytest.approx(1.0)


def test_the_order_of_members_does_not_matter():
    order = np.random.default_rng(2).permutation(50)
    mixed = replace(STOCKED, parameters=STOCKED.parameters[order])
    plans = {"few": stock(20), "some": stock(40)}
    one, other = settle(plans, risk=CVaR(0.9)), settle(plans, mixed, risk=CVaR(0.9))
    assert one.sure == pytest.approx(other.sure)
    for name in plans:
        assert one[name].risk == pytest.approx(other[name].risk)
        assert one[name].sd == pytest.approx(other[name].sd)


def test_weights_of_members_count():
    """A stock of 100 loses 300 with weight 2/3 and earns 200 with weight 1/3."""
    two = replace(
        believe(STALL, {"demand": np.array([0.0, 100.0])}, members=2),
        weights=np.array([2 / 3, 1 / 3]),
    )
    told = settle({"all": stock(100), "none": stock(0)}, two)
    assert told["all"].mean == pytest.approx(300 * 2 / 3 - 200 / 3)
    assert told.best == "none"
    assert told.sure == pytest.approx(2 / 3)
    assert told.regret[1, 0] == pytest.approx(200 / 3)


def test_a_caring_buyer_stocks_less_than_a_bold_one():
    plans = {str(n): stock(n) for n in (5, 20, 40)}
    assert settle(plans).best == "40"
    assert settle(plans, risk=CVaR(0.9)).best == "5"


def test_a_chance_limit_bars_the_plan_that_breaks_it_too_often():
    plans = {"few": stock(20), "some": stock(40)}
    # unsold above 10: demand below 10 under "few" (5 of 50 members), below 30 under "some"
    told = settle(plans, limits=[Limit("unsold", above=10.0, chance=0.1)])
    assert told["few"].broken == pytest.approx((0.1,))
    assert told["some"].broken == pytest.approx((0.3,))
    assert (told.best, told.sure) == ("few", 1.0)
    assert "'some' is out: unsold above 10 has a chance of 30 %, more than 10 %" in told.sentence


def test_no_plan_is_best_when_none_keeps_the_limits():
    told = settle({"a": stock(40), "b": stock(60)}, limits=[Limit("unsold", above=0.0)])
    assert told.best is None
    assert np.isnan(told.sure)
    assert told.sentence.startswith("no plan keeps the limits; 'a' comes nearest")


def test_members_without_a_cost_are_left_out_for_all_plans_and_break_limits():
    def partly(seen):
        costs = seen["loss"][:, -1].copy()
        if seen["unsold"][0, 0] > 30:  # the larger plan loses those who wanted least
            costs[:10] = np.nan
        return costs

    plans = {"few": stock(20), "some": stock(40)}
    limits = [Limit("unsold", above=1000.0)]
    told = decide(STALL, STOCKED, plans, [0.0, 1.0], cost=partly, limits=limits)
    assert (told["few"].lost, told["some"].lost) == (0.0, pytest.approx(0.2))
    assert told["some"].broken == pytest.approx((0.2,))
    assert told["few"].mean == pytest.approx(lost_on_average(20, DEMAND[10:]))
    assert told.best == "few"


def lost_on_average(amount, demand):
    return np.mean(3.0 * amount - 5.0 * np.minimum(amount, demand))


def test_the_newsvendor_finds_the_quantile_of_demand():
    """The best stock is the (5 - 3) / 5 quantile of demand. Source: Arrow et al. (1951)."""
    found = best_stock()
    assert found.point["stock"] == pytest.approx(40.0, abs=1.0)
    exact = min(lost_on_average(n, DEMAND) for n in DEMAND)
    assert found.outcome.risk == pytest.approx(exact, rel=1e-3)
    assert found.feasible
    assert found.confirmed


def test_a_chance_limit_holds_at_the_optimum_and_binds():
    """Unsold above 10 in at most 10 % of cases: 5 of 50 demands lie below 10, so stock <= 21."""
    found = best_stock(limits=[Limit("unsold", above=10.0, chance=0.1)])
    assert found.point["stock"] == pytest.approx(21.0, abs=0.2)
    assert found.point["stock"] <= 21.0
    assert found.outcome.broken[0] <= 0.1 + 1e-9


def test_limits_are_held_on_other_random_numbers_too():
    noise = Noise({"unsold": 1.0}, drift={"loss": 20.0})
    limit = Limit("loss", above=50.0, chance=0.1)
    found = best_stock(limits=[limit], noise=noise)
    assert found.confirmed
    assert found.fresh.broken[0] <= 0.1 + 1e-9
    assert not np.array_equal(found.fresh.costs, found.outcome.costs)


def test_equal_generators_give_equal_answers_within_the_evaluations_granted():
    one, other = best_stock(4, evaluations=50), best_stock(4, evaluations=50)
    assert one.point == other.point
    np.testing.assert_array_equal(one.points, other.points)
    assert len(one.points) <= 50
    assert not np.array_equal(best_stock(5, evaluations=50).points[:9], one.points[:9])


def test_two_unknowns_meet_the_minimum_of_a_bowl():
    bowl = Equations(
        "bowl",
        (state("cost"), parameter("off"), input_("x"), input_("y")),
        rate=lambda t, s, u, p: (u.x - 1.0 - p.off) ** 2 + 10.0 * (u.y + 2.0) ** 2,
    )
    found = optimise(
        *(bowl, believe(bowl, {"off": np.array([-1.0, 1.0])}, members=2)),
        lambda x: Series([0.0], [x], ("x", "y"), "previous"),
        *({"x": (-5.0, 5.0), "y": (-5.0, 5.0)}, [0.0, 1.0]),
        cost=lambda seen: seen["cost"][:, -1],
        generator=np.random.default_rng(1),
    )
    assert found.point == pytest.approx({"x": 1.0, "y": -2.0}, abs=0.02)


def test_a_plan_does_not_win_by_losing_its_costly_members():
    """Members are lost where unsold stock would cost most: that must not look cheap."""

    def hidden(seen):
        unsold = seen["unsold"][:, 0]
        return np.where(unsold > 5, np.nan, seen["loss"][:, -1])

    found = best_stock(cost=hidden)
    assert found.feasible
    assert found.outcome.lost == 0
    assert found.point["stock"] == pytest.approx(6.0, abs=0.2)  # the least demand is 1


def test_a_member_whose_run_ended_early_is_lost():
    """The forecast shows another in its place, so it cannot be compared with itself."""
    belief = believe(WILD, {"size": np.array([1.0, 1.0, 1.0, 3.0])}, members=4)
    push = {"hard": Series([0.0], [[0.5]], ("push",)), "none": Series([0.0], [[0.0]], ("push",))}
    told = decide(WILD, belief, push, [0.0, 1.0], cost=lambda seen: seen["size"][:, -1])
    assert told["hard"].lost == 0.25
    assert told["none"].mean == pytest.approx(1.0)
    assert "'hard' loses 25 % of the members" in told.sentence


def test_limits_that_no_plan_can_keep_are_said_so():
    found = best_stock(evaluations=30, limits=[Limit("unsold", above=-5.0, chance=0.0)])
    assert not found.feasible
    assert not found.confirmed
    assert found.point["stock"] == pytest.approx(0.0, abs=3.0)
    assert found.sentence.startswith("no plan tried keeps the limits")


WILD = Equations(
    "wild",
    (state("size", start=1.0), input_("push")),
    rate=lambda t, s, u, p: u.push * s.size**2,
)


def test_plans_under_which_the_model_fails_are_passed_over():
    """The size grows without end before t = 1 when push is 1 or more."""
    belief = believe(WILD, members=4)
    setup = {"cost": lambda seen: -seen["size"][:, -1]}

    def plan(x):
        return Series([0.0], [[x[0]]], ("push",), "previous")

    search = setup | {"generator": np.random.default_rng(0), "evaluations": 40}
    found = optimise(WILD, belief, plan, {"push": (0.0, 2.0)}, [0.0, 1.0], **search)
    assert 0.8 < found.point["push"] < 1.0
    assert np.isnan(found.risks).any()
    with pytest.raises(FilterError, match="4 of 4 members failed"):
        optimise(WILD, belief, plan, {"push": (1.5, 2.0)}, [0.0, 1.0], **search)
    with pytest.raises(FilterError, match="plan 'hard': 4 of 4 members failed"):
        decide(WILD, belief, {"hard": plan([2.0])}, [0.0, 1.0], **setup)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: settle({}), "no plan to decide on"),
        (lambda: Quantile(1.0), "level of the risk is 1.0"),
        (lambda: CVaR(90), "level of the risk is 90"),
        (lambda: Limit("unsold"), "exactly one of the two"),
        (lambda: Limit("unsold", above=1.0, chance=5), "allows a chance of 5"),
        (lambda: best_stock(cost=lambda seen: 1.0), "one number for each of the 50 members"),
        (lambda: best_stock(cost=lambda seen: lost(seen) + np.inf), "is infinite"),
        (lambda: best_stock(cost=lambda seen: lost(seen) * np.nan), "NaN for every member"),
        (lambda: best_stock(evaluations=5), "5 evaluations are too few; give 20"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, words):
    with pytest.raises(DataError, match=words):
        call()


@pytest.mark.parametrize("box", [{}, {"stock": (5.0, 5.0)}, {"stock": (0.0, np.inf)}])
def test_a_box_that_holds_nothing_is_refused(box):
    generator = np.random.default_rng(0)
    with pytest.raises(DataError, match="box"):
        optimise(
            *(STALL, STOCKED, lambda x: stock(x[0]), box, [0.0, 1.0]),
            cost=lost,
            generator=generator,
        )
