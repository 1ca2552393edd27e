"""A tiny machine for the tests of live: a tank that fills and drains, with its twin."""

import numpy as np

from songsinh.live import Alarm, Episode, Lever, Question, Twin
from songsinh.models import Equations, FixedStep
from songsinh.signals import input_, output, parameter, state
from songsinh.twin import Limit, Noise

START = 1_700_000_000  # s since 1970


def tank_rate(t, s, u, p):
    """What comes in, less what the hole lets out."""
    return u.inflow - p.hole * s.level, -0.01 * s.warmth


def tank_output(t, s, u, p):
    """The pressure at the bottom."""
    return 9.81 * s.level


TANK = Equations(
    "tank",
    (
        state("level", "m", 1.0, lower=0.0, upper=50.0),
        state("warmth", "K", 1.0),
        parameter("hole", "1/s", 0.1, lower=0.0, upper=1.0),
        input_("inflow", "m/s", 0.1, lower=0.0, upper=5.0),
        output("pressure", "kPa"),
    ),
    tank_rate,
    output=tank_output,
    solver=FixedStep(0.25),
)


def tank(name="tank", **more):
    """A twin of a tank; what is not said is as here."""
    told = {
        "title": f"Tank {name}",
        "model": TANK,
        "start": {"level": (1.0, 0.3), "warmth": (1.0, 0.2), "hole": (0.1, 0.02)},
        "noise": Noise({"level": 0.05, "pressure": 0.5}, drift={"level": 0.01, "hole": 0.001}),
        "members": 12,
        "window": 4.0,
        "every": 5.0,
        "horizon": 20.0,
        "samples": 9,
        "shown": ("level", "pressure"),
        "alarms": (
            Alarm("low", "level", below=0.5, lead=10.0, cut=0.5, severity="danger"),
            Alarm("high", "level", above=4.0, cut=0.9),
        ),
        "levers": (Lever("inflow", 0.0, 1.0, "the valve"), Lever("hole", 0.05, 0.3)),
        "questions": (
            Question("How far to open?", "inflow", "level", "least", (Limit("level", below=0.8),)),
        ),
    }
    return Twin(name, **(told | more))


def runs_dry(gap=3.0):
    """An episode that begins anew after a silence."""
    return Episode(gap, {"level": (1.0, 0.3)})


def readings(seconds=30, step=1.0, seed=0, inflow=None):
    """What a tank's sensors read: [(time s, signal, value)], in time."""
    chance, level, rows = np.random.default_rng(seed), 1.2, []
    for k in range(round(seconds / step)):
        now = START + k * step
        flow = 0.1 + 0.05 * (k % 5 == 0) if inflow is None else inflow(k * step)
        rows.append((now, "inflow", flow))
        rows.append((now, "level", level + 0.05 * chance.standard_normal()))
        if k % 2:
            rows.append((now, "pressure", 9.81 * level + 0.5 * chance.standard_normal()))
        level = max(level + step * (flow - 0.1 * level), 0.0)
    return rows
