"""The scalar functions that equations are written with.

One source, three readings: NumPy calls these as they stand, numba compiles them,
and a tracer may later take their place. Each takes and returns plain numbers.
"""

import numpy as np

__all__ = [
    "abs",
    "arctan2",
    "clip",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "pi",
    "power",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "where",
]

pi = 3.141592653589793


def abs(x):
    """The distance of x from zero, in the unit of x."""
    return np.abs(x)


def arctan2(y, x):
    """The angle of the point (x, y) from the x axis, in rad.

    >>> float(arctan2(0.0, 1.0))
    0.0
    """
    return np.arctan2(y, x)


def clip(x, lower, upper):
    """x, moved to the nearer bound where it lies outside, in the unit of x.

    >>> float(clip(3.0, 0.0, 1.0))
    1.0
    """
    return np.minimum(np.maximum(x, lower), upper)


def cos(x):
    """The cosine of an angle in rad."""
    return np.cos(x)


def cosh(x):
    """The hyperbolic cosine of x."""
    return np.cosh(x)


def exp(x):
    """e to the power x."""
    return np.exp(x)


def expm1(x):
    """e to the power x, less one; exact for small x."""
    return np.expm1(x)


def floor(x):
    """The greatest whole number not above x."""
    return np.floor(x)


def log(x):
    """The natural logarithm of x."""
    return np.log(x)


def log1p(x):
    """The natural logarithm of one plus x; exact for small x."""
    return np.log1p(x)


def maximum(x, y):
    """The greater of two numbers."""
    return np.maximum(x, y)


def minimum(x, y):
    """The lesser of two numbers."""
    return np.minimum(x, y)


def power(x, y):
    """x to the power y."""
    return np.power(x, y)


def sign(x):
    """-1, 0 or 1, as x is below, at or above zero."""
    return np.sign(x)


def sin(x):
    """The sine of an angle in rad."""
    return np.sin(x)


def sinh(x):
    """The hyperbolic sine of x."""
    return np.sinh(x)


def sqrt(x):
    """The square root of x."""
    return np.sqrt(x)


def tan(x):
    """The tangent of an angle in rad."""
    return np.tan(x)


def tanh(x):
    """The hyperbolic tangent of x, between -1 and 1."""
    return np.tanh(x)


def where(condition, x, y):
    """x where the condition holds, else y; both are computed.

    >>> where(2.0 > 1.0, 5.0, 7.0)
    5.0
    """
    return x if condition else y
