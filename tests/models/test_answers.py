"""Closed answers, published numbers, and other programs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from songsinh import maths
from songsinh.models import (
    Equations,
    Event,
    Explicit,
    FixedStep,
    Stiff,
    equations,
    integration,
    simulate,
)
from songsinh.models.model import Forcing
from songsinh.models.steps import EXPLICIT
from songsinh.series import Series
from songsinh.signals import input_, output, parameter, state
from tests.models.examples import GRAVITY, circuit, decay, ring, robertson, swing, van_der_pol

SOLVERS = [Explicit(1e-9, 1e-12), Stiff(1e-9, 1e-12), FixedStep(0.01)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_decay_is_exponential(solver):
    times = np.linspace(3.0, 8.0, 11)
    pace = np.array([0.1, 0.5, 2.0])
    found = simulate(decay(solver), times, parameters={"pace": pace}).check()["mass"]
    assert np.allclose(found, np.exp(-pace[:, None] * (times - 3.0)), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_energy_of_an_oscillator_is_kept(solver):
    found = simulate(swing(solver), np.linspace(0.0, 30.0, 61)).check()
    assert np.allclose(found["energy"], found["energy"][0, 0], rtol=2e-6)
    assert np.allclose(found["place"], np.cos(2.0 * found.times), atol=3e-6)


def tank_rate(t, s, u, p):
    level = maths.maximum(s.level, 1e-9)
    return -p.hole * maths.sqrt(2 * GRAVITY * level) / p.area


@pytest.mark.parametrize("solver", SOLVERS)
def test_half_the_draining_time_leaves_a_quarter_of_the_level(solver):
    """Under Torricelli's law the root of the level falls in a straight line."""
    signals = (
        state("level", "m", 4.0, lower=0.0),
        parameter("area", "m2", 1.0),
        parameter("hole", "m2", 0.01),
    )
    tank = Equations("tank", signals, tank_rate, solver=solver)
    emptied = 1.0 / 0.01 * math.sqrt(2 * 4.0 / GRAVITY)
    found = simulate(tank, [0.0, emptied / 2]).check()["level"]
    assert math.isclose(found[0, -1], 1.0, rel_tol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_circuit_under_a_held_source_follows_its_exponentials(solver):
    inputs = Series([0.0, 6.0, 9.0], [10.0, -4.0, 0.0], ("source",), "previous")
    found = simulate(circuit(solver), [0.0, 6.0, 9.0, 20.0], inputs=inputs).check()["voltage"][0]
    first = 10.0 * (1 - math.exp(-1.0))
    second = -4.0 + (first + 4.0) * math.exp(-0.5)
    third = second * math.exp(-11.0 / 6.0)
    assert np.allclose(found, [0.0, first, second, third], atol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_circuit_under_a_ramp_lags_by_its_time_constant(solver):
    inputs = Series([0.0, 12.0, 24.0], [0.0, 12.0, 0.0], ("source",), "linear")
    found = simulate(circuit(solver), [0.0, 12.0, 24.0], inputs=inputs).check()["voltage"][0]
    top = 12.0 - 6.0 + 6.0 * math.exp(-2.0)
    # falling: v = (12 - s) + 6 + c exp(-s / 6), s after the top
    end = 0.0 + 6.0 + (top - 18.0) * math.exp(-2.0)
    assert np.allclose(found, [0.0, top, end], atol=1e-7)


@pytest.mark.parametrize("solver", [Explicit(), Stiff(), FixedStep(60.0)])
def test_a_pulse_of_a_millisecond_in_an_hour_is_not_missed(solver):
    inputs = Series([0.0, 1800.0, 1800.001], [0.0, 6e6, 0.0], ("source",), "previous")
    model = circuit(solver)
    found = simulate(model, [0.0, 1799.0, 1800.001, 3600.0], inputs=inputs)["voltage"][0]
    assert found[1] == 0.0
    assert math.isclose(found[2], 6e6 * -math.expm1(-0.001 / 6.0), rel_tol=1e-6)


def test_inputs_hold_before_the_first_and_after_the_last_reading():
    inputs = Series([100.0, 101.0], [5.0, 5.0], ("source",))
    found = simulate(circuit(), [0.0, 60.0, 300.0], inputs=inputs).check()["voltage"][0]
    assert math.isclose(found[1], 5.0 * -math.expm1(-10.0), rel_tol=1e-6)
    assert math.isclose(found[2], 5.0, rel_tol=1e-6)


def test_an_input_that_no_series_gives_stays_at_its_start():
    signals = (state("x"), input_("a", start=2.0), input_("b", start=5.0))
    model = Equations("two", signals, lambda t, s, u, p: u.a + u.b)
    only = Series([0.0], [1.0], ("b",))
    assert simulate(model, [0.0, 1.0])["x"][0, -1] == pytest.approx(7.0)
    assert simulate(model, [0.0, 1.0], inputs=only)["x"][0, -1] == pytest.approx(3.0)


def test_outputs_see_the_input_of_their_own_time():
    signals = (state("x"), input_("a"), output("seen"))
    model = Equations("eye", signals, lambda t, s, u, p: 0.0, lambda t, s, u, p: u.a + t)
    inputs = Series([0.0, 2.0, 2.0, 4.0], [0.0, 2.0, 7.0, 9.0], ("a",))
    found = simulate(model, [0.0, 1.0, 2.0, 3.0, 5.0], inputs=inputs)["seen"][0]
    assert np.allclose(found, [0.0, 2.0, 9.0, 11.0, 14.0])


def error_of(solver, times=(0.0, 3.0)):
    found = simulate(swing(solver), times).check()["place"][0]
    return np.abs(found - np.cos(2.0 * np.array(times))).max()


def test_half_a_fixed_step_leaves_a_sixteenth_of_the_error():
    errors = []
    for step in (0.05, 0.025, 0.0125):
        place, speed = simulate(swing(FixedStep(step)), [0.0, 3.0]).states[0, -1]
        errors.append(math.hypot(place - math.cos(6.0), speed / 2 + math.sin(6.0)))
    assert 15.0 < errors[0] / errors[1] < 17.0
    assert 15.0 < errors[1] / errors[2] < 17.0


@pytest.mark.parametrize("kind", [Explicit, Stiff])
def test_the_error_follows_the_tolerance(kind):
    errors = [error_of(kind(rtol, rtol * 1e-3)) for rtol in (1e-4, 1e-6, 1e-8)]
    for rtol, error in zip((1e-4, 1e-6, 1e-8), errors, strict=True):
        assert error < 60 * rtol
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


@pytest.mark.parametrize("kind", [Explicit, Stiff])
@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_between_steps_the_answer_is_as_good_as_at_them(kind, rtol):
    many = error_of(kind(rtol, rtol), np.linspace(0.0, 3.0, 301))
    assert many < 40 * rtol


# Source: the printed results of CVODE's example cvRoberts_dns, SUNDIALS examples manual 5.7;
# its rtol is 1e-4, so it drifts later than 4e6
CVODE = {
    0.4: (9.851641e-01, 3.386242e-05, 1.480205e-02),
    4.0: (9.055097e-01, 2.240338e-05, 9.446793e-02),
    40.0: (7.158017e-01, 9.185037e-06, 2.841892e-01),
    4e2: (4.505360e-01, 3.223271e-06, 5.494608e-01),
    4e3: (1.832299e-01, 8.944378e-07, 8.167692e-01),
    4e4: (3.898902e-02, 1.622006e-07, 9.610108e-01),
    4e5: (4.936383e-03, 1.984224e-08, 9.950636e-01),
    4e6: (5.168093e-04, 2.068293e-09, 9.994832e-01),
}


def test_robertson_meets_the_published_numbers():
    found = simulate(robertson(), [0.0, *CVODE]).check().states[0]
    assert np.allclose(found[1:], list(CVODE.values()), rtol=2e-3, atol=0.0)
    times = np.array([0.0, *CVODE])

    def rate(t, x):
        slow, fast, own = 0.04 * x[0], 1e4 * x[1] * x[2], 3e7 * x[1] ** 2
        return -slow + fast, slow - fast - own, own

    truth = solve_ivp(rate, (0, 4e6), [1, 0, 0], "Radau", times, rtol=1e-11, atol=1e-18).y.T
    assert np.allclose(found, truth, rtol=2e-5, atol=1e-20)
    assert np.abs(found.sum(axis=1) - 1.0).max() < 1e-12


def test_robertson_after_3000_years_meets_the_test_set():
    """Source: Test Set for IVP Solvers (Bari), problem ROBER, at 1e11 s."""
    found = simulate(robertson(Stiff(1e-8, 1e-18)), [0.0, 1e11]).check().states[0, -1]
    published = [0.2083340149701255e-07, 0.8333360770334713e-13, 0.9999999791665050]
    assert np.allclose(found, published, rtol=1e-5, atol=0.0)


def test_van_der_pol_meets_the_test_set():
    """Source: Test Set for IVP Solvers (Bari), problem VDPOL, mu = 1000, at 2000 s."""
    found = simulate(van_der_pol(Stiff(1e-8, 1e-10)), [0.0, 2000.0]).check().states[0, -1]
    assert np.allclose(found, [1.706167732170469, -0.8928097010248125e-3], rtol=1e-5)


def prey_and_hunter(t, s, u, p):
    return s.prey * (p.birth - s.hunter), s.hunter * (s.prey - p.death)


@pytest.mark.parametrize("solver", [Explicit(1e-9, 1e-12), Stiff(1e-9, 1e-12), FixedStep(0.002)])
def test_prey_and_hunter_run_as_in_scipy(solver):
    signals = (
        state("prey", start=1.5),
        state("hunter", start=1.0),
        parameter("birth", start=1.1),
        parameter("death", start=0.8),
    )
    times = np.linspace(0.0, 15.0, 40)
    found = simulate(Equations("lotka", signals, prey_and_hunter, solver=solver), times).check()

    def rate(t, x):
        return x[0] * (1.1 - x[1]), x[1] * (x[0] - 0.8)

    truth = solve_ivp(rate, (0, 15), [1.5, 1.0], "DOP853", times, rtol=1e-12, atol=1e-12).y.T
    assert np.allclose(found.states[0], truth, rtol=2e-7)


def test_a_ring_of_forty_runs_as_in_scipy():
    times = np.linspace(0.0, 1.0, 5)
    start = 8.0 + np.random.default_rng(1).normal(size=40)
    found = simulate(ring(Explicit(1e-9, 1e-10)), times, states=start).check()["x"][0]

    def rate(t, x):
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    truth = solve_ivp(rate, (0, 1), start, "DOP853", times, rtol=1e-12, atol=1e-12).y.T
    assert np.allclose(found, truth, atol=1e-6)


@settings(max_examples=20)
@given(st.integers(1, 8), st.floats(-1e6, 1e6), st.randoms(use_true_random=False))
def test_a_fixed_step_run_cut_at_any_sample_has_the_same_bits(cut, start, chance):
    gaps = [chance.choice([0.0, 0.1, 0.33, 1.0]) for _ in range(9)]
    times = start + np.cumsum([0.0, *gaps])
    model = swing(FixedStep(0.1))
    whole = model.run(times, np.array([[1.0, 0.0]]), np.array([[4.0]]))
    first = model.run(times[: cut + 1], np.array([[1.0, 0.0]]), np.array([[4.0]]))
    second = model.run(times[cut:], first.states[:, -1], np.array([[4.0]]))
    assert second.states.tobytes() == whole.states[:, cut:].tobytes()


@settings(max_examples=20)
@given(st.lists(st.floats(0.05, 3.0), min_size=1, max_size=12), st.permutations(range(12)))
def test_order_of_members_does_not_matter(paces, order):
    order = [i for i in order if i < len(paces)]
    table = np.array(paces)
    plain = simulate(decay(), [0.0, 2.0], parameters={"pace": table})
    mixed = simulate(decay(), [0.0, 2.0], parameters={"pace": table[order]})
    assert plain.states[order].tobytes() == mixed.states.tobytes()


def falling(solver):
    """A ball in a wind, which lands sooner or later: its members differ in all they do."""
    return Equations(
        "falling",
        (state("height"), state("speed"), input_("wind"), parameter("pull", start=9.81)),
        lambda t, s, u, p: (s.speed, u.wind - p.pull - 0.1 * s.speed * abs(s.speed)),
        events=(
            Event(lambda t, s, u, p: s.height, lambda t, s, u, p: (0.0, -0.7 * s.speed), -1),
            Event(lambda t, s, u, p: s.speed + 14.0, direction=-1, stop=True),
        ),
        solver=solver,
    )


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("solver", [Explicit(1e-6, 1e-6, most_steps=60), FixedStep(0.1)])
def test_what_runs_beside_a_member_does_not_matter(solver, held, monkeypatch):
    """Members stop, run out of steps or go on, alone or side by side, compiled or not."""
    chance = np.random.default_rng(2)
    states = np.stack([chance.uniform(0.1, 60.0, 23), chance.normal(size=23)], axis=1)
    states[4] = np.nan
    pull = chance.uniform(5.0, 40.0, (23, 1))
    times = np.array([0.0, 0.5, 0.5, 2.3, 4.0])
    wind = Forcing(np.array([0.2, 1.1, 3.0]), np.array([[0.0], [4.0], [-2.0]]), held)
    model = falling(solver)
    alone = [model.run(times, states[i : i + 1], pull[i : i + 1], wind) for i in range(23)]
    codes = np.concatenate([run.codes for run in alone])
    assert len(set(codes.tolist())) >= 3
    for lanes in (1, 3, 16, 64):
        monkeypatch.setattr(equations, "LANES", lanes)
        found = model.run(times, states, pull, wind)
        assert found.states.tobytes() == b"".join(run.states.tobytes() for run in alone)
        assert found.codes.tolist() == codes.tolist()
        assert [e[1:] for e in found.events] == [e[1:] for run in alone for e in run.events]
    plain = model._run(model._plain, times, states, pull, wind, 2**62)
    assert np.allclose(plain.states, found.states, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert plain.codes.tolist() == codes.tolist()


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_a_budget_is_for_all_members_together(lanes):
    model = decay()
    states, paces, out = np.ones((5, 1)), np.linspace(0.5, 3.0, 5)[:, None], np.empty((5, 2, 1))
    times, wind = np.array([0.0, 5.0]), (np.zeros(1), np.zeros((1, 0)), True)
    codes, reached = np.zeros(5, dtype=np.int64), np.zeros(5)
    told = (out, codes, reached, np.zeros((5, 0)), np.zeros((5, 0), dtype=int))
    for budget in (0, 7, 10**6):
        with np.errstate(all="ignore"):
            spent = model._plain.integrate(
                *(model._plain.law, states, paces, wind, times, (1e-6, np.full(1, 1e-9), 0.0)),
                *(10**6, budget, *told),
                integration.workspace(EXPLICIT, 1, 0, 0, lanes=lanes),
            )
        assert spent < budget + lanes  # lanes that step together may end just past it
        assert (codes == (0 if budget == 10**6 else integration.OUT_OF_BUDGET)).all()
    truth = [run.states[0, -1] for run in (model.run(times, states[:1], p[None]) for p in paces)]
    assert np.allclose(out[:, -1], truth, rtol=1e-12)
