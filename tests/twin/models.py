"""Small models with known answers, for the tests of the twin science."""

import numpy as np

from songsinh.models import Equations, FixedStep
from songsinh.series import Series
from songsinh.signals import input_, output, parameter, state

SPRING = Equations(
    "spring",
    (
        state("place", "m", 1.0),
        state("speed", "m/s", 0.0),
        parameter("pull", "1/s2", 1.0, lower=0.0, upper=10.0),
        input_("push", "m/s2"),
        output("reading", "m"),
        output("pace", "m/s"),
    ),
    rate=lambda t, s, u, p: (s.speed, u.push - p.pull * s.place),
    output=lambda t, s, u, p: (s.place, s.speed),
    solver=FixedStep(0.05),
)

WALK = Equations("walk", (state("level", "m"), output("seen", "m")),
    rate=lambda t, s, u, p: 0.0 * s.level,
    output=lambda t, s, u, p: s.level,
    solver=FixedStep(1.0),
)  # fmt: skip


def exact_members(mean, covariance, members, seed=0):
    """Members [members, columns] whose mean and covariance are exactly these."""
    drawn = np.random.default_rng(seed).standard_normal((members, len(mean)))
    drawn -= drawn.mean(axis=0)
    drawn = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T).reshape(len(mean), -1))).T
    return np.asarray(mean) + drawn @ np.linalg.cholesky(np.atleast_2d(covariance)).T


def spring_readings(times, sd=0.1, seed=1, pull=1.0):
    """Noisy readings of a spring that starts at 1 m, and the truth [times, 2]."""
    truth = np.stack(
        [np.cos(np.sqrt(pull) * times), -np.sqrt(pull) * np.sin(np.sqrt(pull) * times)], axis=1
    )
    noisy = truth + sd * np.random.default_rng(seed).standard_normal(truth.shape)
    return Series(times, noisy, ("reading", "pace")), truth
