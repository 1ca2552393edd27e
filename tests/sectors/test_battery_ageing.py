"""Laws of the ageing twin: fade, recovery, following, forecasts, end of life and alarms."""

from dataclasses import replace

import numpy as np
import pytest

from songsinh.errors import DataError
from songsinh.metrics import coverage, crps
from songsinh.models import Forcing, simulate
from songsinh.sectors.battery import end_of_life
from songsinh.sectors.battery.ageing import after_discharge, age, foretell
from songsinh.sectors.battery.ageing_constants import LEARNED, TABLE
from songsinh.sectors.battery.ageing_learning import CONSTANT_CURRENT, surprise
from songsinh.sectors.battery.ageing_model import (
    AGEING,
    FUTURES,
    before_first_discharge,
    rest_effect,
)
from songsinh.sectors.battery.data import fitting_cells, shipped_cells
from songsinh.sectors.battery.end_of_life import (
    LEAD,
    alarms,
    first_below,
    foretell_end,
    learn_alarm_cut,
)
from songsinh.series import Series
from songsinh.twin import Belief, Noise, assimilate, exponential, forecast, random_walk

HELD_OUT = {"B0005": (60, 125), "B0006": (60, 109), "B0007": (20, None)}


@pytest.fixture(scope="module")
def lives():
    return {name: age(cell) for name, cell in shipped_cells(tuple(HELD_OUT)).items()}


@pytest.fixture(scope="module")
def cut():
    return learn_alarm_cut(fitting_cells(), members=200)


def test_without_rest_the_capacity_fades_by_the_closed_form():
    """With k(n) = kbar + (k0 - kbar) exp(-n/life), q = q0 exp(-integral of k / 1.8 Ah)."""
    times, usual, life = np.arange(0.0, 101.0, 10.0), LEARNED.fade, LEARNED.fade_life
    run = simulate(AGEING, times, states={"lasting": 1.9, "fade": 0.01})
    lost = usual * times + (0.01 - usual) * life * -np.expm1(-times / life)
    assert np.allclose(run["capacity"][0], 1.9 * np.exp(-lost / 1.8), rtol=1e-9)


def test_a_cell_that_does_not_fade_keeps_its_capacity():
    still = {"usual_fade": 0.0}
    run = simulate(AGEING, [0.0, 500.0], states={"lasting": 1.9, "fade": 0.0}, parameters=still)
    assert run["capacity"][0, -1] == 1.9


def test_what_a_rest_gives_back_arrives_whole_and_decays_with_its_life():
    effect = np.zeros((30, FUTURES))
    effect[4] = 0.8
    wind = Forcing(np.arange(30.0), effect, True)
    run = AGEING.run(
        np.arange(31.0),
        np.array([[1.9, 0.0, 0.0]]),
        simulate_parameters(),
        wind,
    )
    recovered, given = run["recovered"][0], 0.8 * LEARNED.regeneration
    assert np.allclose(recovered[:5], 0.0)
    ages = np.arange(26.0)
    assert np.allclose(recovered[5:], given * np.exp(-ages / LEARNED.recovery_life), rtol=1e-5)


def simulate_parameters():
    """The parameters of a typical cell: [1 member, parameters]."""
    return before_first_discharge(members=2).parameters[:1]


def test_a_longer_rest_gives_back_more_and_never_more_than_all():
    hours = np.array([np.nan, -5.0, 0.0, 1.0, 27.0, 300.0, 1e9])
    effects = rest_effect(hours)
    assert (effects[:3] == 0).all()
    assert (np.diff(effects[2:]) >= 0).all()
    assert effects[-1] == 1.0


def test_a_belief_that_saw_no_discharge_is_a_pure_forecast():
    start = before_first_discharge(members=50)
    noise = Noise({"capacity": 0.01}, drift={"lasting": 0.004})
    silent = Series(np.array([1.0, 2.0]), np.full((2, 1), np.nan), ("capacity",))
    seen = assimilate(AGEING, start, silent, noise=noise).belief
    ahead = forecast(AGEING, start, [1.0, 2.0], noise=noise).belief
    assert np.array_equal(seen.states, ahead.states)
    unmeasured, surprise_ = after_discharge(start, np.nan, 0.0)
    assert np.isnan(surprise_)
    assert np.array_equal(unmeasured.parameters, start.parameters)


def test_nothing_after_a_discharge_moves_what_was_foretold_at_it():
    cell = shipped_cells(("B0005",))["B0005"]
    later = replace(
        cell,
        capacities_ah=np.where(cell.numbers > 40, 0.7, cell.capacities_ah),
        rests_h=np.where(cell.numbers > 40, 99.0, cell.rests_h),
    )
    one, other = (age(each, members=60, until=50) for each in (cell, later))
    assert one.beliefs[39].to_bytes() == other.beliefs[39].to_bytes()
    assert one.beliefs[40].to_bytes() != other.beliefs[40].to_bytes()
    assert foretell(one, 40, 30).members.tobytes() == foretell(other, 40, 30).members.tobytes()


def test_a_life_saved_and_restored_midway_ends_in_the_same_bytes():
    whole = age(shipped_cells(("B0006",))["B0006"], members=60, until=110)
    belief = Belief.from_bytes(whole.beliefs[49].to_bytes())
    rows = slice(50, None)
    for capacity, effect in zip(whole.capacities[rows], whole.effects[rows], strict=True):
        belief, _ = after_discharge(belief, capacity, effect)
    assert belief.to_bytes() == whole.beliefs[-1].to_bytes()


def test_absurd_and_missing_capacities_are_survived():
    cell = shipped_cells(("B0005",))["B0005"].upto(60)
    spoilt = cell.capacities_ah.copy()
    spoilt[[0, 5, 6, 7, 20, 21, 30, 40]] = [np.nan, 0.0, -3.0, 1e6, np.inf, np.nan, 0.3, 3.9]
    plain, hurt = (age(replace(cell, capacities_ah=c)) for c in (cell.capacities_ah, spoilt))
    outlooks = [foretell(each, 60, 40) for each in (plain, hurt)]
    assert np.isfinite(outlooks[1].members).all()
    assert np.allclose(outlooks[0].median, outlooks[1].median, atol=0.06)


def test_a_cell_that_shifts_for_good_is_followed():
    cell = shipped_cells(("B0005",))["B0005"].upto(50)
    shifted = np.where(cell.numbers > 30, cell.capacities_ah - 0.3, cell.capacities_ah)
    life = age(replace(cell, capacities_ah=shifted), members=200)
    assert abs(life.innovations[30]) > 3
    assert np.all(np.abs(life.innovations[34:]) < 3)


def test_numbers_that_a_record_leaves_out_pass_unmeasured():
    cell = shipped_cells(("B0005",))["B0005"].upto(30)
    keep = (cell.numbers < 10) | (cell.numbers > 14)
    columns = ("numbers", "capacities_ah", "rests_h", "starts", "loads", "ambient")
    gapped = replace(cell, **{name: getattr(cell, name)[keep] for name in columns})
    life = age(gapped, members=50)
    assert len(life) == 30
    assert np.isnan(life.innovations[9:14]).all()
    assert life.beliefs[13].time == 14.0


def test_a_quiet_cell_has_narrower_bands_than_a_restless_one(lives):
    assert lives["B0005"].noise_scales[-1] < 0.8 < 1.2 < lives["B0006"].noise_scales[-1]


def test_rests_that_nobody_noted_leave_the_bands_about_honest():
    for cell in shipped_cells(tuple(HELD_OUT)).values():
        silent = age(replace(cell, rests_h=np.where(cell.numbers == 1, 0.0, np.nan)))
        inside = [
            coverage(*foretell(silent, at, 20).band(0.9), cell.capacities_ah[at : at + 20])
            for at in range(HELD_OUT[cell.name][0], 148, 10)
        ]
        assert 0.8 <= np.mean(inside) <= 0.99


@pytest.mark.parametrize(
    ("name", "at", "most"),
    [("B0005", 60, 15), ("B0005", 80, 10), ("B0006", 60, 15), ("B0006", 80, 10)],
)
def test_the_end_of_life_is_foretold(lives, name, at, most):
    """True ends: discharge 125 (B0005) and 109 (B0006), from the recordings' own notes."""
    true = first_below(lives[name].capacities)
    assert true == HELD_OUT[name][1]
    end = foretell_end(foretell(lives[name], at))
    assert abs(end.foretold - true) <= most
    assert end.band[0] <= true <= end.band[1]
    assert (np.diff(end.probability) >= 0).all()


@pytest.mark.parametrize("name", HELD_OUT)
def test_bands_cover_what_they_promise_and_beat_the_baselines(lives, name):
    life, inside, scores = lives[name], [], {"ours": [], "walk": [], "curve": []}
    chance = np.random.default_rng(1)
    for at in range(HELD_OUT[name][0], len(life) - 1, 10):
        coming = life.capacities[at : at + 40]
        outlook = foretell(life, at, len(coming))
        inside += [coverage(*outlook.band(0.9), coming)] * len(coming)
        past = (life.numbers[:at], life.capacities[:at], outlook.times)
        others = (random_walk(*past, generator=chance), exponential(*past, generator=chance))
        for kind, members in zip(scores, (outlook.members, *others), strict=True):
            scores[kind] += crps(members.T, coming).tolist()
    assert 0.85 <= np.mean(inside) <= 0.95
    mean = {kind: np.mean(found) for kind, found in scores.items()}
    assert mean["ours"] < 0.85 * min(mean["walk"], mean["curve"])


def test_alarms_come_before_the_end_and_none_is_shown_false(lives, cut):
    """B0007 comes within 0.5 mAh of the threshold; what its record leaves open stays open."""
    assert cut.vouched
    told = {
        name: alarms(age(cell, members=200, until=HELD_OUT[name][1]), cut)
        for name, cell in shipped_cells(tuple(HELD_OUT)).items()
    }
    for name in ("B0005", "B0006"):
        assert 4 <= told[name].ahead <= LEAD + 10
        assert not told[name].open
    assert not any(each.false for each in told.values())
    assert np.isinf(told["B0007"].end)
    assert all(number + LEAD > len(lives["B0007"]) for number in told["B0007"].open)


@pytest.mark.parametrize(("ahead", "rightful"), [(LEAD, True), (LEAD + 1, False)])
def test_an_alarm_is_rightful_up_to_its_lead_before_the_end_and_no_further(
    lives, monkeypatch, ahead, rightful
):
    numbers = np.arange(end_of_life.EARLIEST, 169)
    only = np.where(numbers == 125 - ahead, 1.0, 0.0)  # B0005 ends at discharge 125
    monkeypatch.setattr(end_of_life, "_probabilities", lambda *given: only[None])
    told = alarms(lives["B0005"], 0.5)
    assert told.first == 125 - ahead
    assert told.false == (() if rightful else (125 - ahead,))
    assert told.open == ()


def test_the_cut_is_learned_without_the_cells_under_test():
    cells = fitting_cells()
    assert "B0007" not in cells
    assert all(cells[name].numbers.max() <= 60 for name in ("B0005", "B0006"))


def test_the_constants_in_use_are_about_as_likely_as_the_learned_ones():
    cells = {name: fitting_cells()[name] for name in CONSTANT_CURRENT}
    learned = replace(LEARNED, **{row.name: row.learned for row in TABLE if row.doubt})
    assert surprise(cells, LEARNED) - surprise(cells, learned) < 3.0
    for name in ("fade", "recovery_life", "reading", "lasting_drift"):
        for factor in (0.6, 1.6):
            worse = replace(learned, **{name: factor * getattr(learned, name)})
            assert surprise(cells, worse) > surprise(cells, learned) + 0.5


def test_questions_beyond_the_record_are_refused(lives):
    with pytest.raises(DataError, match="from 1 to 168; ask within those"):
        foretell(lives["B0005"], 169)
    with pytest.raises(DataError, match="has no discharge up to 0"):
        age(shipped_cells(("B0005",))["B0005"], until=0)
