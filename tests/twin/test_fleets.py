"""A fleet follows each twin as `assimilate` follows it alone, whoever else is there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kstest

from songsinh.errors import DataError, FilterError
from songsinh.models import Equations, Event, Explicit, FixedStep, Stiff
from songsinh.series import Series
from songsinh.signals import input_, output, parameter, state
from songsinh.twin import EnsembleTransform, Fleet, Noise, Particle, assimilate, believe, forecast
from songsinh.twin.fleet_chance import FOLDING, normals, philox

from .models import SPRING

STILL = EnsembleTransform(turn=0)
NOISE = Noise({"reading": 0.1, "pace": 0.1})
WANDER = Noise({"reading": 0.1, "pace": 0.1}, {"place": 0.02, "pull": 0.01})
TIMES = 0.5 * np.arange(1, 41)


def spring(seed=0, members=50, time=0.0):
    values = {"place": (1.1, 0.2), "speed": (0.0, 0.3), "pull": (1.0, 0.2)}
    return believe(SPRING, values, members=members, seed=seed, time=time)


def readings(seed=1, sensors=2, times=TIMES):
    chance = np.random.default_rng(seed)
    truth = np.stack([np.cos(times), -np.sin(times)], axis=1)
    push = 0.1 * chance.standard_normal(len(times))
    return (truth + 0.1 * chance.standard_normal(truth.shape))[:, :sensors], push[:, None]


def alike(fleet, belief, values, inputs, times=TIMES):
    """The fleet's belief and what it told, checked against `assimilate` to 1e-9."""
    names = fleet.model.signals.columns("input")
    wind = None
    if names:
        before = fleet.model.signals.start("input")[None]
        kind = "previous" if fleet.inputs == "held" else "linear"
        wind = Series(
            np.r_[belief.time, times[times > belief.time]],
            np.concatenate([before, inputs[times > belief.time]]),
            names,
            kind,
        )
    known = assimilate(
        *(fleet.model, belief, Series(times, values, fleet.sensors)),
        noise=fleet.noise,
        inputs=wind,
        method=fleet.method,
    )
    crowd = fleet.gather([belief])
    told = fleet.fold(crowd, np.zeros(len(times), int), times, values, inputs)
    found = fleet.scatter(crowd, 0)
    assert not told.codes.any()
    for name in ("states", "parameters", "inflation", "memory", "likeness", "cycle", "time"):
        one, other = getattr(found, name), getattr(known.belief, name)
        assert np.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True), name
    assert np.allclose(told.means, known.means, rtol=1e-9, atol=1e-9)
    assert np.allclose(told.sds, known.spreads, atol=1e-6)  # theirs are less exact
    for name in ("expected", "doubt"):
        assert np.allclose(getattr(told, name), getattr(known, name), rtol=1e-9, atol=1e-9)
    assert np.allclose(told.innovation, known.innovations, atol=1e-8, equal_nan=True)
    for s, name in enumerate(fleet.sensors):
        for code, reason in ((1, "wild"), (2, "broken")):
            assert known.set_aside.get((name, reason), 0) == (told.aside[:, s] == code).sum()
    assert np.array_equal(told.aside == 3, np.isnan(values))
    return found, told


@pytest.mark.parametrize("inputs", ["held", "linear"])
@pytest.mark.parametrize("sensors", [1, 2])
@pytest.mark.parametrize("members", [5, 50])
def test_without_chance_a_fleet_is_assimilate(inputs, sensors, members):
    values, push = readings(sensors=sensors)
    fleet = Fleet(SPRING, ("reading", "pace")[:sensors], NOISE, STILL, inputs, members)
    alike(fleet, spring(members=members), values, push)


def tank(solver):
    """A heated tank whose outlet is unknown, read by three sensors; stiff when asked."""
    signals = (
        state("level", "m", 1.0, lower=0.0, upper=3.0),
        state("heat", "K", 0.0),
        parameter("outlet", "1/s", 0.1, lower=0.0, upper=1.0),
        input_("inflow", "m/s", 0.1),
        output("twice", "m"),
        output("both", "1"),
    )
    return Equations(
        "tank",
        signals,
        lambda t, s, u, p: (u.inflow - p.outlet * s.level, 2.0 * (s.level - s.heat)),
        lambda t, s, u, p: (2.0 * s.level, s.level + s.heat),
        solver=solver,
    )


@pytest.mark.parametrize("solver", [Explicit(), Stiff(), FixedStep(0.2)])
@pytest.mark.parametrize("inputs", ["held", "linear"])
def test_every_solver_and_three_sensors_agree_with_assimilate(solver, inputs):
    model, times = tank(solver), np.array([0.5, 1.0, 1.7, 2.0, 4.0])
    belief = believe(model, {"level": (1, 0.2), "heat": (0, 0.2), "outlet": (0.1, 0.02)}, members=8)
    noise = Noise({"level": 0.1, "twice": 0.1, "both": 0.2})
    values = np.array([[1.0, 2.1, 1.4]]) + 0.05 * np.sin(np.arange(15.0)).reshape(5, 3)
    values[2, 1] = values[3, :2] = np.nan
    inflow = np.array([[0.1], [0.3], [0.2], [0.0], [0.2]])
    fleet = Fleet(model, tuple(noise.readings), noise, STILL, inputs, 8, is_compiled=False)
    alike(fleet, belief, values, inflow, times)


def test_more_sensors_than_members_agree_with_assimilate():
    model, times = tank(FixedStep(0.2)), np.array([0.5, 1.0, 1.7])
    belief = believe(model, {"level": (1, 0.2), "heat": (0, 0.2)}, members=3)
    noise = Noise({"level": 0.1, "heat": 0.1, "twice": 0.1, "both": 0.2})
    values = np.array([[1.0, 0.3, 2.1, 1.4]]) + 0.05 * np.sin(np.arange(12.0)).reshape(3, 4)
    fleet = Fleet(model, tuple(noise.readings), noise, STILL, "held", 3, is_compiled=False)
    alike(fleet, belief, values, np.full((3, 1), 0.1), times)


def test_kernels_give_uncompiled_what_they_give_compiled():
    values, push = readings()
    crowds = []
    for is_compiled in (True, False):
        fleet = Fleet(SPRING, ("reading", "pace"), WANDER, is_compiled=is_compiled)
        crowd = fleet.gather([spring()])
        fleet.fold(crowd, np.zeros(12, int), TIMES[:12], values[:12], push[:12])
        looked = fleet.look(crowd, [0], [0.0, 0.7, 1.0])
        crowds.append((crowd.states, crowd.parameters, looked.shown))
    for one, other in zip(*crowds, strict=True):
        assert np.allclose(one, other, rtol=1e-12, atol=1e-12)


def test_wild_readings_are_set_aside_and_a_broken_sensor_stays_out():
    values, push = readings()
    values[7, 0] = 9.0  # once
    values[20:, 1] += 4.0  # for good
    fleet = Fleet(SPRING, ("reading", "pace"), NOISE, STILL)
    _, told = alike(fleet, spring(), values, push)
    assert told.aside[7, 0] == 1
    assert (told.aside[20:24, 1] == 1).all()
    assert (told.aside[:, 1] == 2).any()


def test_a_stuck_sensor_and_a_changed_machine_are_judged_as_assimilate_does():
    values, push = readings()
    values[15:, 0] = values[15, 0]
    alike(Fleet(SPRING, ("reading", "pace"), NOISE, STILL), spring(), values, push)
    values, push = readings()
    values[20:] += 3.0
    alike(Fleet(SPRING, ("reading", "pace"), NOISE, STILL), spring(), values, push)


def test_sensors_that_speak_by_turns_are_followed_after_a_jump():
    """Each sensor has its own past: silence of one does not hide that another is off."""
    values, push = readings()
    values[20:] += 3.0
    values[::2, 0] = values[1::2, 1] = np.nan
    _, told = alike(Fleet(SPRING, ("reading", "pace"), NOISE, STILL), spring(), values, push)
    assert (told.aside[30:] == 0).any()


def crowded(fleet, twins):
    """Readings of many twins as one batch in time, and the beliefs they begin with."""
    beliefs = [spring(seed) for seed in range(twins)]
    rows = [readings(seed + 5) for seed in range(twins)]
    values = np.stack([row[0] for row in rows], axis=1).reshape(-1, 2)
    push = np.stack([row[1] for row in rows], axis=1).reshape(-1, 1)
    which = np.tile(np.arange(twins), len(TIMES))
    return beliefs, which, np.repeat(TIMES, twins), values, push


def test_a_twin_among_many_has_the_bits_it_has_alone():
    fleet = Fleet(SPRING, ("reading", "pace"), WANDER)
    beliefs, which, times, values, push = crowded(fleet, 100)
    crowd = fleet.gather(beliefs)
    told = fleet.fold(crowd, which, times, values, push)
    for row in (0, 37, 99):
        alone, own = fleet.gather([beliefs[row]]), which == row
        single = fleet.fold(alone, np.zeros(own.sum(), int), times[own], values[own], push[own])
        assert fleet.scatter(alone, 0) == fleet.scatter(crowd, row)
        for one, all_ in zip(single, told, strict=True):
            assert one.tobytes() == all_[own].tobytes()


@given(cuts=st.lists(st.integers(0, 120), max_size=6), order=st.permutations(range(3)))
@settings(max_examples=25, deadline=None)
def test_how_readings_are_cut_into_calls_changes_no_bit(cuts, order):
    fleet = CUTTING
    beliefs, which, times, values, push = crowded(fleet, 3)
    whole, parts = fleet.gather(beliefs), fleet.gather([beliefs[row] for row in order])
    fleet.fold(whole, which, times, values, push)
    place = np.argsort(order)
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 120], strict=True):
        some = slice(begin, end)
        fleet.fold(parts, place[which[some]], times[some], values[some], push[some])
        beliefs = [fleet.scatter(parts, row) for row in range(3)]  # and saved in between
        inputs, since = parts.inputs, parts.input_times
        parts = fleet.gather(beliefs, inputs, since)
    for row in range(3):
        assert fleet.scatter(parts, int(place[row])) == fleet.scatter(whole, row)


CUTTING = Fleet(SPRING, ("reading", "pace"), WANDER, EnsembleTransform(turn=5), "linear")


def test_scattered_and_gathered_is_the_same_to_the_last_bit():
    fleet = Fleet(SPRING, ("reading", "pace"), WANDER)
    beliefs, which, times, values, push = crowded(fleet, 3)
    crowd = fleet.gather(beliefs)
    assert [fleet.scatter(crowd, row) for row in range(3)] == beliefs
    kept = crowd.copy_rows([1])
    fleet.fold(crowd, which, times, values, push)
    after = [fleet.scatter(crowd, row) for row in range(3)]
    again = fleet.gather(after)
    assert [fleet.scatter(again, row) for row in range(3)] == after
    crowd.set_rows([1], kept)
    assert fleet.scatter(crowd, 1) == beliefs[1]
    assert fleet.scatter(crowd, 2) == after[2]


def test_members_that_wander_and_turn_keep_the_moments_that_assimilate_has():
    members, noise = 2000, Noise({"reading": 0.1}, {"place": 0.1, "speed": 0.1})
    values, _ = readings(sensors=1)
    fleet = Fleet(SPRING, ("reading",), noise, EnsembleTransform(turn=3), members=members)
    crowd = fleet.gather([spring(members=members)])
    told = fleet.fold(crowd, np.zeros(40, int), TIMES, values)
    known = assimilate(
        *(SPRING, spring(members=members), Series(TIMES, values, ("reading",))),
        noise=noise,
        method=STILL,
    )
    assert np.allclose(told.means[:, :2], known.means[:, :2], atol=0.02)
    assert np.allclose(told.sds[:, :2], known.spreads[:, :2], rtol=0.1, atol=2e-3)


def test_bands_hold_the_truth_as_often_as_they_say():
    noise = Noise({"reading": 0.1}, {"place": 0.05, "speed": 0.05})
    twins, steps = 200, 30
    chance = np.random.default_rng(4)
    fleet = Fleet(SPRING, ("reading",), noise)
    begin = believe(SPRING, {"place": (1.1, 0.2), "speed": (0.0, 0.3)}, members=50)
    beliefs = [replace(believed, seed=k) for k, believed in enumerate([begin] * twins)]
    truth = np.stack([chance.normal(1.1, 0.2, twins), chance.normal(0.0, 0.3, twins)], axis=1)
    crowd, inside = fleet.gather(beliefs), []
    turn = np.array([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]])
    for k in range(steps):
        truth = truth @ turn.T + 0.05 * np.sqrt(0.5) * chance.standard_normal((twins, 2))
        values = truth[:, :1] + 0.1 * chance.standard_normal((twins, 1))
        told = fleet.fold(crowd, np.arange(twins), np.full(twins, 0.5 * (k + 1)), values)
        inside.append(np.abs(told.means[:, :2] - truth) < 1.6449 * told.sds[:, :2])
    assert 0.86 < np.mean(inside[10:]) < 0.93


def test_looking_ahead_agrees_with_forecast_where_nothing_wanders():
    fleet = Fleet(SPRING, ("reading", "pace"), NOISE)
    crowd = fleet.gather([spring(1), spring(2)], inputs=[[0.0], [0.3]])
    before = crowd.copy_rows([0, 1])
    ahead = np.array([0.0, 0.33, 1.0, 2.5])
    looked = fleet.look(crowd, [1, 0, 1], ahead, [[np.nan], [0.2], [-0.1]])
    for k, (row, push) in enumerate(((1, 0.3), (0, 0.2), (1, -0.1))):
        known = forecast(SPRING, spring(row + 1), ahead, inputs=Series([0.0], [push], ("push",)))
        for column, name in enumerate(fleet.shown):
            assert np.allclose(looked.shown[k, :, :, column], known[name].T, rtol=1e-9, atol=1e-9)
    assert fleet.scatter(crowd, 1) == fleet.scatter(before, 1)
    assert not looked.codes.any()


def test_looking_ahead_members_wander_as_in_a_forecast():
    noise = Noise({"reading": 0.1}, {"place": 0.1, "pull": 0.05})
    fleet = Fleet(SPRING, ("reading",), noise, members=4000)
    ahead = np.array([1.0, 2.0, 3.0])
    looked = fleet.look(fleet.gather([spring(members=4000)]), [0], ahead)
    known = forecast(SPRING, spring(members=4000), ahead, noise=noise)["reading"]
    shown = looked.shown[0, :, :, fleet.shown.index("reading")]
    assert np.allclose(shown.mean(axis=1), known.mean(axis=0), atol=0.02)
    assert np.allclose(shown.std(axis=1), known.std(axis=0), rtol=0.06)


def fragile(share):
    """A model in which members above a mark fail, and its belief with that share above."""
    signals = (state("level", "m", 0.0), parameter("slope", "1", 1.0), output("seen", "m"))
    model = Equations(
        "fragile",
        signals,
        lambda t, s, u, p: p.slope if s.level < 1.0 else np.inf,
        lambda t, s, u, p: s.level,
        solver=FixedStep(0.1),
    )
    level = np.where(np.arange(50) < 50 * share, 2.0, np.linspace(0.0, 0.2, 50))
    return model, believe(model, {"level": level}, members=50)


def test_members_that_fail_give_their_place_to_others():
    model, belief = fragile(0.3)
    fleet = Fleet(model, ("seen",), Noise({"seen": 0.1}), STILL)
    crowd = fleet.gather([belief])
    told = fleet.fold(crowd, [0], [0.1], [[0.2]])
    known = assimilate(
        *(model, belief, Series([0.1], [0.2], ("seen",))), noise=fleet.noise, method=STILL
    )
    assert told.lost[0] == 15
    assert np.allclose(crowd.states[0], known.belief.states, atol=1e-9)


def test_a_twin_whose_members_fail_stays_where_it_was_and_the_others_go_on():
    model, bad = fragile(0.6)
    _, good = fragile(0.0)
    fleet = Fleet(model, ("seen",), Noise({"seen": 0.1}))
    crowd = fleet.gather([bad, good])
    told = fleet.fold(crowd, [0, 1], [0.1, 0.1], [[0.2], [0.2]])
    assert told.codes.tolist() == [2, 0]
    assert told.aside[:, 0].tolist() == [5, 0]
    assert np.isnan(told.means[0]).all()
    assert fleet.scatter(crowd, 0) == bad
    assert fleet.look(crowd, [0, 1], [0.1]).codes.tolist() == [2, 0]


def test_an_event_that_stops_members_loses_them():
    signals = (state("height", "m", 1.0), output("seen", "m"))
    floor = Event(lambda t, s, u, p: s.height, direction=-1, stop=True)
    model = Equations(
        *("drop", signals, lambda t, s, u, p: -1.0, lambda t, s, u, p: s.height),
        events=(floor,),
        solver=FixedStep(0.1),
    )
    belief = believe(model, {"height": np.linspace(0.3, 2.0, 10)}, members=10)
    fleet = Fleet(model, ("seen",), Noise({"seen": 0.1}), STILL, members=10, is_compiled=False)
    crowd = fleet.gather([belief])
    assert fleet.fold(crowd, [0], [0.5], [[0.6]]).lost[0] == 2
    assert (crowd.states >= 0.0).all()


def test_members_that_are_all_the_same_cannot_be_corrected():
    belief = believe(SPRING, members=50)
    fleet = Fleet(SPRING, ("reading",), NOISE)
    crowd = fleet.gather([belief])
    assert fleet.fold(crowd, [0], [1.0], [[0.5]]).codes[0] == 3
    assert fleet.scatter(crowd, 0) == belief
    assert fleet.fold(crowd, [0], [1.0], [[np.nan]]).codes[0] == 0


def test_a_reading_at_the_first_time_is_taken_and_one_no_later_is_not():
    fleet = Fleet(SPRING, ("reading", "pace"), NOISE, STILL)
    values, push = readings()
    times = np.r_[0.0, TIMES[:-1]]
    alike(fleet, spring(), values, push * 0.0, times)
    crowd = fleet.gather([spring()])
    told = fleet.fold(crowd, [0, 0, 0, 0], [0.0, 0.0, 1.0, 0.5], values[:4])
    assert told.codes.tolist() == [0, 1, 0, 1]
    assert (told.aside[1] == 4).all()
    assert crowd.times[0] == 1.0


def test_a_new_episode_draws_the_states_named_and_keeps_the_rest():
    fleet = Fleet(SPRING, ("reading", "pace"), NOISE, members=500)
    values, push = readings()
    crowd = fleet.gather([spring(3, 500), spring(4, 500)])
    fleet.fold(crowd, np.repeat([0, 1], 20), np.r_[TIMES[:20], TIMES[:20]], values, push)
    before, twin = crowd.copy_rows([0, 1]), crowd.copy_rows([0, 1])
    fleet.renew(crowd, [0], [100.0], {"place": (2.0, 0.5)})
    fleet.renew(twin, [0], [100.0], {"place": (2.0, 0.5)})
    assert fleet.scatter(crowd, 0) == fleet.scatter(twin, 0)
    assert fleet.scatter(crowd, 1) == fleet.scatter(before, 1)
    assert crowd.states[0, :, 0].mean() == pytest.approx(2.0, abs=0.1)
    assert crowd.states[0, :, 0].std() == pytest.approx(0.5, rel=0.15)
    assert np.array_equal(crowd.states[0, :, 1], before.states[0, :, 1])
    assert np.array_equal(crowd.parameters[0], before.parameters[0])
    assert fleet.fold(crowd, [0], [100.0], [[2.0, np.nan]]).codes[0] == 0
    fleet.renew(crowd, [0], [200.0], {"speed": 0.25})
    assert (crowd.states[0, :, 1] == 0.25).all()
    with pytest.raises(DataError, match="draws states only"):
        fleet.renew(crowd, [0], [300.0], {"pull": 1.0})


def test_philox_gives_the_words_its_authors_give():
    assert philox(0, 0, 0, 0, 0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert philox(ones, ones, ones, ones, ones, ones) == (
        *(0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    )


def test_normal_numbers_are_normal_and_hang_on_seed_and_cycle():
    drawn = {}
    for seed, cycle in ((1, 0), (2, 0), (1, 1)):
        out = np.zeros(4004)
        normals(out, np.zeros((4005, 2)), 4000, seed, cycle, FOLDING)
        drawn[seed, cycle] = out[:4000]
        assert kstest(out[:4000], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(list(drawn.values()))[np.triu_indices(3, 1)]).max() < 0.06
    first = (philox(0, FOLDING, 0, 0, 1, 0)[0] + 0.5) / 2**32
    assert drawn[1, 0][0] == pytest.approx(ndtri(first), rel=1e-13)


def test_what_a_fleet_cannot_do_is_said():
    with pytest.raises(FilterError, match="without localisation"):
        Fleet(SPRING, ("reading",), NOISE, EnsembleTransform(localisation=np.ones((3, 1))))
    with pytest.raises(FilterError, match="Particle"):
        Fleet(SPRING, ("reading",), NOISE, Particle())
    with pytest.raises(FilterError, match="no spread"):
        Fleet(SPRING, ("reading",), NOISE, members=1)
    with pytest.raises(DataError, match="'push' is no column"):
        Fleet(SPRING, ("push",), NOISE)
    fleet = Fleet(SPRING, ("reading",), NOISE)
    with pytest.raises(FilterError, match="fleet of 50 members"):
        fleet.gather([spring(members=10)])
    crowd = fleet.gather([spring()])
    with pytest.raises(DataError, match="crowd of 1"):
        fleet.fold(crowd, [1], [1.0], [[0.0]])
    with pytest.raises(DataError, match="shape"):
        fleet.fold(crowd, [0], [1.0], [[0.0, 1.0]])
    with pytest.raises(DataError, match="look ahead"):
        fleet.look(crowd, [0], [1.0, 0.5])
