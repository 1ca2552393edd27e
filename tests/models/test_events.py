"""Events: when they come, what they change, and when they do not."""

import math

import numpy as np
import pytest

from songsinh.models import Equations, Event, Explicit, FixedStep, Stiff, simulate
from songsinh.series import Series
from songsinh.signals import input_, parameter, state
from tests.models.examples import GRAVITY, ball

SOLVERS = [Explicit(), Stiff(), FixedStep(0.05)]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("samples", [2, 50])
def test_a_ball_bounces_when_and_as_high_as_the_book_says(solver, samples):
    fall = math.sqrt(2 * 10.0 / GRAVITY)
    flights = 2 * fall * 0.8 ** np.arange(1, 7)
    bounces = fall + np.concatenate([[0.0], np.cumsum(flights)])
    times = np.linspace(0.0, bounces[6] + 0.1, samples)
    found = simulate(ball(solver), times).check()
    assert np.allclose([t for _, t, _ in found.events], bounces, rtol=1e-9)
    tops = bounces[:-1] + flights / 2
    heights = simulate(ball(solver), [0.0, *tops]).check()["height"][0, 1:]
    assert np.allclose(heights, 10.0 * 0.64 ** np.arange(1, 7), rtol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("restitution", [0.5, 0.1])
def test_bounces_without_end_are_told_and_nothing_falls_through_the_floor(solver, restitution):
    fall = math.sqrt(2 * 10.0 / GRAVITY)
    rest = fall * (1 + restitution) / (1 - restitution)
    found = simulate(ball(solver, restitution=restitution), [0.0, rest * 0.99, 100.0])
    assert found.failed[0][1].endswith("give the event a state to rest in")
    assert math.isclose(found.reached[0], rest, rel_tol=1e-4)
    assert np.isnan(found["height"][0, -1])


def unit_rate(t, s, u, p):
    return 1.0


def reach(**options):
    mark = Event(lambda t, s, u, p: s.x - p.mark, **options)
    signals = (state("x"), parameter("mark", start=0.7))
    return signals, mark


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stop_ends_the_member_at_the_exact_time(solver):
    signals, mark = reach(stop=True)
    model = Equations("stop", signals, unit_rate, events=(mark,), solver=solver)
    found = simulate(model, [0.0, 0.5, 1.0], parameters={"mark": [0.7, 5.0, 0.25]})
    assert list(found.codes) == [-1, 0, -1]
    assert np.allclose(found.reached, [0.7, 1.0, 0.25], rtol=1e-12)
    assert np.array_equal(np.isnan(found["x"]), [[0, 0, 1], [0, 0, 0], [0, 1, 1]])
    assert not found.failed
    found.check()


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_event_that_changes_nothing_is_recorded_and_bends_nothing(solver):
    def rate(t, s, u, p):
        return s.speed, -s.place

    seen = Event(lambda t, s, u, p: s.place)
    signals = (state("place", start=1.0), state("speed"))
    times = np.linspace(0.0, 10.0, 21)
    plain = simulate(Equations("a", signals, rate, solver=solver), times)
    found = simulate(Equations("b", signals, rate, events=(seen,), solver=solver), times)
    crossings = math.pi * (np.arange(3) + 0.5)
    assert np.allclose([t for _, t, _ in found.events], crossings, atol=1e-5)
    assert np.allclose(found.states, plain.states, atol=2e-5)


@pytest.mark.parametrize(("direction", "count"), [(-1, 2), (0, 3), (1, 1)])
def test_a_direction_takes_falling_or_rising_crossings_only(direction, count):
    seen = Event(lambda t, s, u, p: s.place, direction=direction)
    signals = (state("place", start=1.0), state("speed"))
    model = Equations("d", signals, lambda t, s, u, p: (s.speed, -s.place), events=(seen,))
    assert len(simulate(model, [0.0, 10.0]).events) == count


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("interpolation", ["previous", "linear"])
def test_an_input_that_jumps_takes_an_event_with_it(solver, interpolation):
    switch = Event(lambda t, s, u, p: u.a - 0.5, lambda t, s, u, p: 100.0, direction=1)
    signals = (state("x"), input_("a"))
    model = Equations("switch", signals, lambda t, s, u, p: 1.0, events=(switch,), solver=solver)
    jump = Series([0.0, 2.0, 2.0, 9.0], [0.0, 0.0, 1.0, 1.0], ("a",), interpolation)
    found = simulate(model, [0.0, 1.0, 2.0, 3.0], inputs=jump).check()
    assert np.allclose(found["x"][0], [0.0, 1.0, 100.0, 101.0])
    assert [(t, e) for _, t, e in found.events] == [(2.0, 0)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_earliest_of_several_events_comes_first(solver):
    events = tuple(
        Event(lambda t, s, u, p: s.x - 3.0, lambda t, s, u, p: s.x + 10.0)
        if k
        else Event(lambda t, s, u, p: s.x - 2.0)
        for k in range(2)
    )
    model = Equations("two", (state("x"),), unit_rate, events=events, solver=solver)
    found = simulate(model, [0.0, 4.0]).check()
    assert [e for _, _, e in found.events] == [0, 1]
    assert np.allclose([t for _, t, _ in found.events], [2.0, 3.0])
    assert math.isclose(found["x"][0, -1], 14.0, rel_tol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_thermostat_that_overshoots_switches_once_at_each_crossing(solver):
    """The heater changes the flow, and the room goes on falling for a while after the switch."""

    def rate(t, s, u, p):
        return s.flow, 4.0 * (s.heater - 0.5) - 0.3 * s.flow, 0.0

    low = Event(lambda t, s, u, p: s.room, lambda t, s, u, p: (s.room, s.flow, 1.0), -1)
    high = Event(lambda t, s, u, p: s.room, lambda t, s, u, p: (s.room, s.flow, 0.0), 1)
    signals = (state("room", start=1.0), state("flow"), state("heater"))
    model = Equations("thermostat", signals, rate, events=(low, high), solver=solver)
    found = simulate(model, np.linspace(0.0, 12.0, 500)).check()
    kinds = [e for _, _, e in found.events]
    assert len(kinds) > 4
    assert kinds == [0, 1] * (len(kinds) // 2) + [0] * (len(kinds) % 2)
    room = found["room"][0]
    crossings = np.flatnonzero(room[:-1] * room[1:] < 0)
    assert len(crossings) == len(kinds)


def test_a_reset_far_away_is_no_crossing():
    """A saw tooth: the reset takes the event's function far below zero, from where it returns."""
    tooth = Event(lambda t, s, u, p: s.x - 1.0, lambda t, s, u, p: 0.0, 1)
    model = Equations("saw", (state("x"),), unit_rate, events=(tooth,))
    found = simulate(model, [0.0, 3.5]).check()
    assert np.allclose([t for _, t, _ in found.events], [1.0, 2.0, 3.0])
    assert math.isclose(found["x"][0, -1], 0.5, rel_tol=1e-9)


@pytest.mark.parametrize("start", [0.0, 1e9])
@pytest.mark.parametrize(
    "when",
    [
        lambda t, s, u, p: u.a - 0.5,  # on a ramp
        lambda t, s, u, p: t - p.at,  # by the clock
        lambda t, s, u, p: 1.0 if t > p.at else -1.0,  # a switch with nothing between
        lambda t, s, u, p: s.x - 1.0,
        lambda t, s, u, p: u.step - 1.0,  # a jump that just reaches it
    ],
)
def test_a_change_that_leaves_the_event_alone_happens_once(when, start):
    def change(t, s, u, p):
        return s.x, s.count + 1.0, 0.5

    signals = (state("x"), state("count"), state("pace", start=1.0), input_("a"))
    signals += (input_("step"), parameter("at"))
    event = Event(when, change)
    model = Equations("once", signals, lambda t, s, u, p: (s.pace, 0.0, 0.0), events=(event,))
    times = start + np.array([0.0, 1.0, 1.0, 2.0])
    ramp = Series(times, [[0, 0], [0.5, 0], [0.5, 1], [1, 1]], ("a", "step"))
    found = simulate(
        model, [start, start + 4.0], inputs=ramp, parameters={"at": start + 1.0}
    ).check()
    assert found["count"][0, -1] == 1.0
    assert found.events[0][1] == pytest.approx(start + 1.0, abs=1e-6)
    assert found["x"][0, -1] == pytest.approx(2.5, abs=1e-5)


def test_a_ball_that_does_not_bounce_is_told_to_rest():
    found = simulate(ball(restitution=0.0), [0.0, 100.0])
    assert found.failed[0][1].endswith("give the event a state to rest in")
