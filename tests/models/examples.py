"""Models with known answers, small ones, for the tests of this folder."""

import math

import numpy as np

from songsinh import maths
from songsinh.models import Equations, Event, Explicit, FixedStep, Stiff
from songsinh.series import Series
from songsinh.signals import input_, output, parameter, state
from tests.models.contract import Example

GRAVITY = 9.80665
EXPLICIT, STIFF, CHEMIST = Explicit(), Stiff(), Stiff(1e-6, 1e-12)


def _decay(t, s, u, p):
    return -p.pace * s.mass


def _swing(t, s, u, p):
    return s.speed, -p.stiffness * s.place


def _swing_energy(t, s, u, p):
    return 0.5 * s.speed * s.speed + 0.5 * p.stiffness * s.place * s.place


def _fall(t, s, u, p):
    return s.speed, -GRAVITY


def _bounce(t, s, u, p):
    return s.height, -p.restitution * s.speed


def _circuit(t, s, u, p):
    return (u.source - s.voltage) / (p.resistance * p.capacity)


def _robertson(t, s, u, p):
    slow, fast = p.k1 * s.a, p.k3 * s.b * s.c
    own = p.k2 * s.b * s.b
    return -slow + fast, slow - fast - own, own


def _van_der_pol(t, s, u, p):
    return s.y, p.mu * (1 - s.x * s.x) * s.y - s.x


def _ring(t, s, u, p):
    n = s.x.shape[0]
    out = np.empty(n)
    for i in range(n):
        out[i] = (s.x[(i + 1) % n] - s.x[i - 2]) * s.x[i - 1] - s.x[i] + p.force
    return out


def _rooms(t, s, u, p):
    flow = np.empty(3)
    for i in range(3):
        flow[i] = (u.outside[i % 2] - s.room[i]) / p.slow[i] + 0.1 * maths.sin(t)
    return flow, u.heat


def _warmth(t, s, u, p):
    return s.room + u.heat, s.used


def decay(solver=EXPLICIT):
    table = (state("mass", "kg", 1.0), parameter("pace", "1/s", 0.5))
    return Equations("decay", table, _decay, solver=solver)


def swing(solver=EXPLICIT):
    table = (
        state("place", "m", 1.0),
        state("speed", "m/s"),
        parameter("stiffness", "1/s2", 4.0),
        output("energy", "J"),
    )
    return Equations("swing", table, _swing, _swing_energy, solver=solver)


def ball(solver=EXPLICIT, start=10.0, restitution=0.8):
    table = (
        state("height", "m", start),
        state("speed", "m/s"),
        parameter("restitution", "1", restitution, lower=0.0, upper=1.0),
    )
    floor = Event(lambda t, s, u, p: s.height, _bounce, direction=-1)
    return Equations("ball", table, _fall, events=(floor,), solver=solver)


def circuit(solver=EXPLICIT, **options):
    table = (
        state("voltage", "V"),
        input_("source", "V"),
        parameter("resistance", "ohm", 2.0),
        parameter("capacity", "F", 3.0),
    )
    return Equations("circuit", table, _circuit, solver=solver, **options)


def robertson(solver=CHEMIST):
    table = (
        state("a", start=1.0),
        state("b"),
        state("c"),
        parameter("k1", start=0.04),
        parameter("k2", start=3e7),
        parameter("k3", start=1e4),
    )
    return Equations("robertson", table, _robertson, solver=solver)


def van_der_pol(solver=STIFF, mu=1000.0):
    table = (state("x", start=2.0), state("y"), parameter("mu", start=mu))
    return Equations("van der Pol", table, _van_der_pol, solver=solver)


def ring(solver=EXPLICIT, size=40):
    table = (state("x", start=8.01, size=size), parameter("force", start=8.0))
    return Equations("Lorenz-96", table, _ring, solver=solver)


def rooms(solver=EXPLICIT):
    table = (
        state("room", "K", 290.0, size=3),
        state("used", "J"),
        input_("outside", "K", 280.0, size=2),
        input_("heat", "W"),
        parameter("slow", "s", 50.0, size=3),
        output("warmth", "K", size=3),
        output("bill", "J"),
    )
    return Equations("rooms", table, _rooms, _warmth, solver=solver)


WEATHER = Series(
    [0.0, 20.0, 20.0, 60.0],
    [[280.0, 270.0, 0.0], [285.0, 271.0, 5.0], [285.0, 271.0, 50.0], [280.0, 275.0, 0.0]],
    ("outside[0]", "outside[1]", "heat"),
)
PULSES = Series([0.0, 1.0, 1.5, 4.0], [0.0, 10.0, -3.0, 1.0], ("source",), "previous")
RAMPS = Series([0.0, 1.0, 1.5, 4.0], [0.0, 10.0, -3.0, 1.0], ("source",), "linear")
GRID = tuple(np.linspace(0.0, 4.0, 9).tolist())
LATER = tuple(np.linspace(100.0, 100.0 + 2 * math.pi, 11).tolist())

MODELS = {
    "decay": Example(decay(), GRID),
    "decay, stiff": Example(decay(STIFF), GRID),
    "decay, fixed": Example(decay(FixedStep(0.1)), GRID),
    "swing": Example(swing(), LATER),
    "swing, stiff": Example(swing(STIFF), LATER),
    "swing, fixed": Example(swing(FixedStep(0.05)), LATER),
    "ball": Example(ball(), GRID),
    "ball, stiff": Example(ball(STIFF), GRID),
    "ball, fixed": Example(ball(FixedStep(0.05)), GRID),
    "circuit, held": Example(circuit(), GRID, PULSES),
    "circuit, linear": Example(circuit(), GRID, RAMPS),
    "circuit, stiff": Example(circuit(STIFF), GRID, RAMPS),
    "circuit, fixed": Example(circuit(FixedStep(0.05)), GRID, RAMPS),
    "robertson": Example(robertson(), (0.0, 0.4, 4.0, 40.0)),
    "van der Pol": Example(van_der_pol(mu=50.0), (0.0, 20.0, 40.0, 60.0), tolerance=1e-3),
    "Lorenz-96": Example(ring(), (0.0, 0.1, 0.2, 0.4)),
    "Lorenz-96, stiff": Example(ring(STIFF, 8), (0.0, 0.1, 0.2, 0.4)),
    "rooms": Example(rooms(), tuple(np.linspace(0.0, 60.0, 13).tolist()), WEATHER),
    "rooms, stiff": Example(rooms(STIFF), tuple(np.linspace(0.0, 60.0, 13).tolist()), WEATHER),
}
