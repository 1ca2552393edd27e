"""Laws of alerts, against closed answers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from songsinh.errors import DataError, SignalError
from songsinh.models import Equations
from songsinh.signals import parameter, state
from songsinh.twin import Cut, alert, believe, crossing_times, forecast, learn_cut, timeline

TANK = Equations(
    "tank",
    (state("level", "m", 10.0), parameter("pace", "m/s", 1.0, lower=0.0)),
    rate=lambda t, s, u, p: -p.pace,
)
PACES = np.array([0.5, 1.0, 2.0, 4.0])
TIMES = [0.0, 7.0, 15.0, 30.0]


def draining(weights=None, paces=PACES, times=TIMES):
    belief = believe(TANK, {"pace": paces}, members=len(paces))
    if weights is not None:
        belief = replace(belief, weights=np.asarray(weights))
    return forecast(TANK, belief, times)


def with_values(seen, values):
    """A forecast that shows other values of its one state."""
    return replace(seen, run=replace(seen.run, states=np.asarray(values, float)[:, :, None]))


def test_a_straight_line_crosses_exactly_when_it_must():
    when = crossing_times(TIMES, draining()["level"], below=4.0)
    np.testing.assert_allclose(when, 6.0 / PACES, rtol=1e-12)


def test_below_and_above_mirror_each_other():
    members = np.random.default_rng(1).normal(size=(20, 5))
    down = crossing_times(range(5), members, below=-0.5)
    np.testing.assert_array_equal(down, crossing_times(range(5), -members, above=0.5))


def test_a_member_on_the_threshold_is_not_beyond_it():
    assert crossing_times([0, 1], [[3.0, 3.0]], below=3.0)[0] == np.inf
    assert crossing_times([0, 1], [[2.9, 3.0]], below=3.0)[0] == 0.0


def test_gaps_are_bridged_and_silence_is_not_taken_for_never():
    nan = np.nan
    members = [[4.0, nan, 2.0], [4.0, 4.0, nan], [nan, nan, nan], [2.0, nan, nan], [nan, 4, 4]]
    found = crossing_times([0.0, 1.0, 2.0], members, below=3.0)
    np.testing.assert_array_equal(found, [1.0, nan, nan, 0.0, np.inf])


@given(arrays(float, (4, 6), elements=some.floats(-9, 9)), some.floats(-5, 5))
def test_a_member_crosses_between_its_last_sample_inside_and_its_first_beyond(members, edge):
    when = crossing_times(np.arange(6), members, above=edge)
    for row, time in zip(members, when, strict=True):
        beyond = np.flatnonzero(row > edge)
        if not len(beyond):
            assert time == np.inf
        else:
            assert max(beyond[0] - 1, 0) <= time <= beyond[0]


def test_the_probability_is_the_weight_of_the_members_that_cross_in_time():
    told = alert(draining([0.1, 0.2, 0.3, 0.4]), "level", below=4.0, lead=4.0)
    assert told.probability == pytest.approx(0.7)
    assert told.raised
    assert not alert(draining(), "level", below=4.0, lead=4.0, cut=0.5).raised
    assert told.first == pytest.approx((1.5, 3.0, 12.0))


def test_members_that_never_cross_have_no_first_crossing():
    told = alert(draining(paces=np.array([0.0, 0.0, 0.0, 2.0])), "level", below=4.0, lead=9.0)
    assert told.probability == 0.25
    assert told.first == (pytest.approx(3.0), np.inf, np.inf)
    assert "not in this forecast" in told.sentence


def test_a_certain_crossing_has_probability_one_and_none_has_zero():
    weights = np.random.default_rng(0).dirichlet(np.ones(4))
    assert alert(draining(weights), "level", below=4.0, lead=30.0).probability == 1.0
    assert alert(draining(weights), "level", above=10.5, lead=30.0).probability == 0.0


def test_members_that_fall_silent_before_the_lead_is_over_count_for_nothing():
    seen = draining()
    values = seen["level"].copy()
    values[0, 1:] = np.nan
    told = alert(with_values(seen, values), "level", below=4.0, lead=4.0)
    assert told.probability == pytest.approx(2 / 3)
    assert told.lost == 0.25
    values = seen["level"].copy()
    values[0, -1] = np.nan  # known for all of the lead
    assert alert(with_values(seen, values), "level", below=4.0, lead=4.0).probability == 0.5
    with pytest.raises(DataError, match="no member of the forecast says what 'level' does"):
        alert(with_values(seen, np.full((4, 4), np.nan)), "level", below=4.0, lead=4.0)


def test_the_order_of_members_does_not_matter():
    order, weights = [2, 0, 3, 1], np.array([0.1, 0.2, 0.3, 0.4])
    one = alert(draining(weights), "level", below=4.0, lead=4.0)
    other = alert(draining(weights[order], PACES[order]), "level", below=4.0, lead=4.0)
    assert other.probability == pytest.approx(one.probability)
    assert other.first == pytest.approx(one.first)


def test_an_alert_says_what_and_when_in_plain_words():
    told = alert(draining(), "level", below=4.0, lead=4.0, cut=0.3)
    assert told.sentence.startswith(
        "alert: level falls below 4 m within 4 s with a chance of 50 % (an alert is raised above "
        "30 %); first crossing: 3 s (5 to 95 %: 1.5 s to 12 s)"
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lead": 4.0}, "exactly one of the two"),
        ({"lead": 4.0, "below": 1.0, "above": 2.0}, "exactly one of the two"),
        ({"lead": 4.0, "below": np.nan}, "exactly one of the two"),
        ({"lead": 0.0, "below": 1.0}, "lead of the alert on 'level' is 0.0 s"),
        ({"lead": 31.0, "below": 1.0}, "is 31 s but the forecast covers 30 s"),
        ({"lead": 4.0, "below": 1.0, "cut": 5.0}, "cut of the alert on 'level' is 5.0"),
    ],
)
def test_a_wrong_alert_is_refused_in_one_sentence(wrong, words):
    with pytest.raises(DataError, match=words):
        alert(draining(), "level", **wrong)


def test_an_unknown_signal_is_named():
    with pytest.raises(SignalError, match="did you mean 'level'"):
        alert(draining(), "levle", below=1.0, lead=1.0)


def test_the_rate_of_false_alarms_holds_on_fresh_data():
    """A calibrated forecaster: quiet cases have density 2(1 - p), so the true rate is (1 - cut)^2.

    With 89 quiet cases or more the bound must hold in nine histories of ten, to the last case.
    """
    chance, held, exact = np.random.default_rng(7), [], []
    for _ in range(400):
        p = chance.random(300)
        cut = learn_cut(p, chance.random(300) < p, false_alarm_rate=0.1, confidence=0.9)
        assert cut.vouched
        held.append((1 - cut.value) ** 2 <= 0.1)
        m = cut.false_alarms
        exact.append(beta.cdf(0.1, m + 1, cut.quiet - m))
    assert np.mean(held) == pytest.approx(np.mean(exact), abs=0.04)
    assert np.mean(held) >= 0.88
    # not bought by never warning: a lower cut would break the bound
    assert np.mean(exact) < 0.96


def test_forty_quiet_cases_can_at_best_vouch_for_5_6_percent():
    cut = learn_cut(np.linspace(0, 0.39, 40), np.zeros(40, bool))
    assert cut.upper == pytest.approx(1 - 0.1 ** (1 / 40))
    assert not cut.vouched
    assert (cut.value, cut.false_alarms) == (0.39, 0)
    assert "40 quiet cases can at best vouch for 5.6 %, so collect 45" in cut.sentence
    assert "no event is known" in cut.sentence
    assert learn_cut(np.linspace(0, 0.4, 45), np.zeros(45, bool)).vouched
    assert not learn_cut(np.linspace(0, 0.4, 44), np.zeros(44, bool)).vouched


def test_the_lowest_cut_is_taken_and_events_are_counted():
    quiet, events = np.arange(100) / 100, [0.5, 0.985, 0.995, 1.0]
    history = np.concatenate([quiet, events])
    cut = learn_cut(history, np.arange(104) >= 100, false_alarm_rate=0.05)
    m = cut.false_alarms
    assert m >= 1
    assert beta.ppf(0.9, m + 1, 100 - m) == pytest.approx(cut.upper)
    assert cut.upper <= 0.05 < beta.ppf(0.9, m + 2, 99 - m)
    assert (quiet > cut.value).sum() == m
    assert cut.detection_rate == np.mean(np.array(events) > cut.value)


def test_an_alert_takes_a_learned_cut():
    cut = learn_cut(np.full(60, 0.6), np.zeros(60, bool))
    assert isinstance(cut, Cut)
    told = alert(draining([0.1, 0.2, 0.3, 0.4]), "level", below=4.0, lead=4.0, cut=cut)
    assert (told.cut, told.raised) == (0.6, True)
    assert "of quiet cases do" in told.sentence


@pytest.mark.parametrize(
    ("p", "came", "words"),
    [
        ([0.1, np.nan], [0, 0], "probability of case 1 is nan"),
        ([0.1, 1.2], [0, 0], "probability of case 1 is 1.2"),
        ([0.1, 0.2], [0, 2], "outcome of case 1 is 2"),
        ([0.1, 0.2], [1, 1], "2 cases and no quiet one"),
        ([0.1, 0.2], [1], "equally long"),
        ([], [], "0 cases and no quiet one"),
    ],
)
def test_a_wrong_history_is_refused_in_one_sentence(p, came, words):
    with pytest.raises(DataError, match=words):
        learn_cut(p, came)


def alerts_at(*times_and_raised, lead=10.0):
    template = alert(draining(), "level", below=4.0, lead=lead)
    return [replace(template, time=t, raised=r) for t, r in times_and_raised]


def test_a_timeline_counts_what_came_before_the_event():
    made = alerts_at((0.0, True), (10.0, False), (20.0, False), (25.0, True), (40.0, True))
    told = timeline(made, event=32.0)
    assert (told.first, told.ahead) == (0.0, 7.0)
    assert (told.quiet, told.false_alarms) == (3, 1)
    assert told.happened == (False, False, False, True)
    assert timeline(made[::-1], event=32.0) == told
    assert timeline(made).false_alarms == 3
    assert np.isnan(timeline(made[1:3]).first)
