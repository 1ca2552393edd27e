"""Kernels that integrate through an address do what they do in Python, and share one solver."""

import numpy as np
import pytest

from songsinh.models import Equations, Explicit, FixedStep, Stiff
from songsinh.models.compilation import fixed
from songsinh.signals import parameter, state
from songsinh.twin import Fleet, Noise, believe

RATE = 3


def falls(solver, name):
    signals = (state("level", "m", 1.0), parameter("hole", "1/s", 0.3))
    return Equations(name, signals, rate=lambda t, s, u, p: -p.hole * s.level, solver=solver)


def followed(model, is_compiled=True):
    fleet = Fleet(model, ("level",), Noise({"level": 0.1}), members=4, is_compiled=is_compiled)
    start = {"level": (1.0, 0.1), "hole": (0.3, 0.1)}
    crowd = fleet.gather([believe(model, start, members=4)])
    told = fleet.fold(crowd, [0, 0], [1.0, 2.0], [[0.7], [0.6]])
    return fleet, told.means


@pytest.mark.parametrize("solver", [FixedStep(0.25), Explicit(), Stiff()])
def test_a_leap_is_the_call_it_stands_for(solver):
    model = falls(solver, "falls")
    compiled, plain = followed(model)[1], followed(model, is_compiled=False)[1]
    assert np.allclose(compiled, plain, rtol=1e-12)


def test_kernels_are_compiled_once_for_all_models_and_solvers():
    solvers = FixedStep(0.25), Explicit(), Stiff()
    made = [followed(falls(solver, f"model {k}"))[0]._made for k, solver in enumerate(solvers)]
    kernels = [tuple(map(id, one.values())) for one in made]
    assert kernels[0] == kernels[1] == kernels[2]


def rate_of():
    return RATE


def plain_of():
    return 1


def both_of():
    return rate_of() + plain_of() + rate_of()


def test_only_helpers_that_ask_for_a_constant_are_copied_and_each_once():
    told = fixed(both_of, RATE=5)
    assert (told(), both_of()) == (11, 7)
    assert told.__globals__["plain_of"] is plain_of
    assert fixed(plain_of, RATE=5) is plain_of
