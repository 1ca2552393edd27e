"""Each function of `songsinh.maths` is the function of the book, compiled and not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh import maths
from songsinh.models import Equations, FixedStep
from songsinh.signals import output, state

BOOK = {
    "abs": (abs, 1),
    "arctan2": (math.atan2, 2),
    "clip": (lambda x, low, high: min(max(x, low), high), 3),
    "cos": (math.cos, 1),
    "cosh": (math.cosh, 1),
    "exp": (math.exp, 1),
    "expm1": (math.expm1, 1),
    "floor": (math.floor, 1),
    "log": (math.log, 1),
    "log1p": (math.log1p, 1),
    "maximum": (max, 2),
    "minimum": (min, 2),
    "power": (math.pow, 2),
    "sign": (lambda x: (x > 0) - (x < 0), 1),
    "sin": (math.sin, 1),
    "sinh": (math.sinh, 1),
    "sqrt": (math.sqrt, 1),
    "tan": (math.tan, 1),
    "tanh": (math.tanh, 1),
    "where": (lambda c, x, y: x if c else y, 3),
}
POINTS = [0.3, 1.0, 2.5, 7.0, 1e-9, -0.4, -3.0, 0.0]
POSITIVE = ("log", "log1p", "sqrt", "power")


def test_every_function_is_tested():
    assert set(BOOK) | {"pi"} == set(maths.__all__)
    assert maths.pi == math.pi


def arguments(name, count):
    for x in POINTS:
        if name in POSITIVE and x <= 0:
            continue
        yield (x, 0.5, 2.0)[:count]
        yield (x, -0.25, 0.25)[:count]


def close(one, two):
    return math.isclose(float(one), float(two), rel_tol=1e-14, abs_tol=1e-300)


@pytest.mark.parametrize("name", BOOK)
def test_a_function_is_that_of_the_book(name):
    book, count = BOOK[name]
    for given_ in arguments(name, count):
        assert close(getattr(maths, name)(*given_), book(*given_)), given_


def all_of_them(t, s, u, p):
    x, a, b = s.x, s.a, s.b
    return (
        maths.abs(x),
        maths.arctan2(x, a),
        maths.clip(x, a, b),
        maths.cos(x),
        maths.cosh(x),
        maths.exp(x),
        maths.expm1(x),
        maths.floor(x),
        maths.log(x),
        maths.log1p(x),
        maths.maximum(x, a),
        maths.minimum(x, a),
        maths.power(x, a),
        maths.sign(x),
        maths.sin(x),
        maths.sinh(x),
        maths.sqrt(x),
        maths.tan(x),
        maths.tanh(x),
        maths.where(x > a, x, b),
        maths.pi,
    )


def test_compiled_functions_are_those_of_the_book():
    """Outside their range they give NaN or infinity, as numpy does, and no error."""
    names = [f"{name}_" for name in sorted(BOOK)]
    signals = (state("x"), state("a"), state("b"), *map(output, names), output("pi_"))
    model = Equations(
        "maths", signals, lambda t, s, u, p: (0.0, 0.0, 0.0), all_of_them, solver=FixedStep(1.0)
    )
    points = np.array([(x, a, b) for x in POINTS for a, b in ((0.5, 2.0), (-0.25, 0.25))])
    compiled = model.run(np.zeros(1), points, np.zeros((len(points), 0))).outputs[:, 0]
    with np.errstate(all="ignore"):
        for row, (x, a, b) in zip(compiled, points, strict=True):
            here = types_of(x, a, b)
            assert np.allclose(row, all_of_them(0.0, here, None, None), rtol=1e-14, equal_nan=True)
    assert (compiled[:, -1] == math.pi).all()


def types_of(x, a, b):
    class Here:
        pass

    here = Here()
    here.x, here.a, here.b = np.float64(x), np.float64(a), np.float64(b)
    return here


@given(st.floats(-1e9, 1e9), st.floats(-10, 0), st.floats(0, 10))
def test_clip_stays_inside_and_changes_nothing_there(x, low, high):
    found = maths.clip(x, low, high)
    assert low <= found <= high
    assert found == x or not low <= x <= high


@pytest.mark.parametrize("name", ["maximum", "minimum", "clip"])
def test_a_missing_number_is_never_hidden(name):
    given_ = (math.nan, 0.0, 1.0)[: BOOK[name][1]]
    assert math.isnan(getattr(maths, name)(*given_))
