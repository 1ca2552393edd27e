"""Members that fail, and input that is wrong: a reason, and one clear sentence."""

import math

import numpy as np
import pytest

from songsinh.errors import BoundsError, DataError, ModelError, SignalError, SolverError
from songsinh.models import Equations, Event, Explicit, FixedStep, Stiff, simulate
from songsinh.series import Series
from songsinh.signals import output, parameter, state
from tests.models.examples import circuit, decay, rooms, swing, van_der_pol

SOLVERS = [Explicit(), Stiff(), FixedStep(0.01)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_blow_up_in_finite_time_is_told_and_others_go_on(solver):
    """x' = p x^2 reaches infinity at 1 / (p x)."""
    signals = (state("x", start=1.0), parameter("p", start=1.0))
    model = Equations("burst", signals, lambda t, s, u, p: p.p * s.x * s.x, solver=solver)
    times = [0.0, 0.5, 2.0]
    found = simulate(model, times, parameters={"p": [0.25, 1.0, -1.0]})
    alone = simulate(model, times, parameters={"p": [0.25, -1.0]})
    assert [i for i, _ in found.failed] == [1]
    assert found.states[[0, 2]].tobytes() == alone.states.tobytes()
    assert math.isclose(found["x"][1, 1], 2.0, rel_tol=1e-4)
    assert math.isclose(found.reached[1], 1.0, abs_tol=0.1)
    with pytest.raises(SolverError, match=r"1 of 3 members failed; member 1: at .* s its"):
        found.check()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_rate_that_is_no_number_is_a_reason(solver, bad):
    found = decay(solver).run(np.array([0.0, 1.0]), np.ones((3, 1)), np.array([[1.0], [bad], [2]]))
    assert list(found.codes > 0) == [False, True, False]
    assert "no finite number" in found.failed[0][1]
    assert np.allclose(found["mass"][[0, 2], 1], np.exp([-1.0, -2.0]), rtol=1e-5)


def test_too_many_steps_are_a_reason_that_names_the_remedy():
    found = simulate(van_der_pol(Explicit(most_steps=500)), [0.0, 2000.0])
    assert "more steps than allowed" in found.failed[0][1]
    assert "Stiff()" in found.failed[0][1]
    assert found.reached[0] < 2000.0


def test_a_rate_that_breaks_off_in_the_middle_keeps_what_was_reached():
    model = Equations(
        "cliff", (state("x", start=1.0),), lambda t, s, u, p: -1.0 if t < 1.0 else math.nan
    )
    found = simulate(model, [0.0, 0.5, 2.0])
    assert found["x"][0, 1] == pytest.approx(0.5)
    assert np.isnan(found["x"][0, 2])
    assert found.reached[0] == pytest.approx(1.0, abs=1e-6)


def one(rate, **options):
    return Equations("m", (state("x"), state("y"), parameter("gain")), rate, **options)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: one(lambda t, s, u, p: s.x),
            ModelError,
            r"rate .* returned 1 values for 2 .*x, y",
        ),
        (lambda: one(lambda t, s, u, p: (1, 2, 3)), ModelError, "returned 3 values for 2"),
        (lambda: one(lambda t, s, u, p: (s.z, 1)), ModelError, r"asks for 'z'.*"),
        (lambda: one(lambda t, s, u, p: (p.gian, 1)), ModelError, r"'gian'.*mean 'gain'\?"),
        (lambda: one(lambda t, s, u: (1, 2)), ModelError, r"failed at the start.*\(t, s, u, p\)"),
        (lambda: one(lambda t, s, u, p: ("a", 1)), ModelError, "returned 'a' for 'x'"),
        (lambda: one(lambda t, s, u, p: (s[7], 1)), ModelError, "failed at the start"),
        (lambda: one(lambda t, s, u, p: (s.x, nothing)), ModelError, "nothing"),  # noqa: F821
        (lambda: Equations("m", (parameter("a"),), lambda t, s, u, p: 1), ModelError, "no state"),
        (
            lambda: Equations("m", (state("x"), output("o")), lambda t, s, u, p: 1.0),
            ModelError,
            "both output signals and an output function",
        ),
        (
            lambda: one(
                lambda t, s, u, p: (1.0, 1.0),
                events=(Event(lambda t, s, u, p: s.x, lambda t, s, u, p: 1.0),),
            ),
            ModelError,
            "event's change .* returned 1 values for 2",
        ),
        (lambda: FixedStep(0.0), ModelError, r"FixedStep has step = 0\.0"),
        (lambda: Explicit(rtol=-1.0), ModelError, "rtol = -1"),
        (lambda: Stiff(atol=math.nan), ModelError, "atol = nan"),
        (lambda: simulate(decay(), [1.0, 0.0]), DataError, "seconds in rising order"),
        (lambda: simulate(decay(), [0.0, math.nan]), DataError, "seconds in rising order"),
        (lambda: simulate(decay(), []), DataError, "seconds in rising order"),
        (lambda: simulate(decay(), [0, 1], states={"mas": 1}), SignalError, r"mean 'mass'\?"),
        (lambda: simulate(decay(), [0, 1], states={"pace": 1}), SignalError, "is no state but a"),
        (lambda: simulate(swing(), [0, 1], states=np.zeros((2, 3))), ModelError, r"shape \(2, 3\)"),
        (
            lambda: simulate(
                decay(), [0, 1], states={"mass": [1, 2]}, parameters={"pace": [1] * 3}
            ),
            ModelError,
            "2 members and parameters for 3",
        ),
        (
            lambda: simulate(decay(), [0, 1], states={"mass": [1, 2]}, members=3),
            ModelError,
            "at once",
        ),
        (
            lambda: simulate(decay(), [0, 1], states={"mass": np.ones((2, 3))}),
            ModelError,
            r"shape \(2, 3\); use one number, \[members\]",
        ),
        (lambda: simulate(rooms(), [0, 1], states={"room": [1.0, 2.0]}), ModelError, r"\[3\] or"),
        (lambda: simulate(decay(), [0, 1], states={"mass": math.nan}), BoundsError, "is nan kg"),
        (
            lambda: simulate(
                Equations("m", (state("x", "m", lower=0.0),), lambda t, s, u, p: 1.0),
                [0, 1],
                states={"x": -1.0},
            ),
            BoundsError,
            "-1 m, outside its bounds 0 to inf",
        ),
        (
            lambda: simulate(
                circuit(), [0, 1], inputs=Series([0.0, 7.0], [1.0, math.nan], ("source",))
            ),
            DataError,
            "'source' has no value at 7 s; fill",
        ),
        (
            lambda: simulate(circuit(), [0, 1], inputs=Series([0.0], [1.0], ("sauce",))),
            SignalError,
            "sauce, but the model takes source",
        ),
        (
            lambda: simulate(circuit(), [0, 1], inputs=Series([], np.zeros((0, 1)), ("source",))),
            DataError,
            "no sample",
        ),
        (lambda: simulate(swing(), [0, 1])["stiffness"], SignalError, "states and outputs only"),
        (lambda: simulate(swing(), [0, 1])["plaice"], SignalError, r"mean 'place'\?"),
    ],
)
def test_bad_input_gets_one_clear_sentence(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_a_rate_that_cannot_be_compiled_says_what_to_use():
    model = Equations("odd", (state("x"),), lambda t, s, u, p: float(format(s.x)))
    assert simulate(model, [0.0, 1.0])["x"].shape == (1, 2)  # the first answer needs no compiler
    with pytest.raises(ModelError, match=r"cannot be compiled \(.*\); use plain numbers"):
        model.run(np.array([0.0, 1.0]), np.zeros((1, 1)), np.zeros((1, 0)))


def test_read_only_and_strided_arrays_are_taken():
    states = np.ones((4, 2))[::2, ::2]
    states.flags.writeable = False
    grid = np.array([0.0, 0.5, 1.0])[::2]
    grid.flags.writeable = False
    found = decay().run(grid, states, np.broadcast_to([0.5], (2, 1)))
    assert np.allclose(found["mass"][:, -1], math.exp(-0.5))


@pytest.mark.parametrize("members", [1, 7])
def test_one_number_serves_all_members(members):
    found = simulate(rooms(), [0.0, 1.0], members=members, states={"room": [280.0, 290.0, 300.0]})
    assert found["room"].shape == (members, 2, 3)
    assert np.array_equal(found["room"][:, 0], np.tile([280.0, 290.0, 300.0], (members, 1)))
    assert np.array_equal(found["room[1]"], found["room"][:, :, 1])


def test_a_vector_may_differ_by_member():
    table = np.arange(6.0).reshape(2, 3) + 280
    found = simulate(rooms(), [0.0, 1.0], states={"room": table})
    assert np.array_equal(found["room"][:, 0], table)
