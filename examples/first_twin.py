"""A first twin: how big is the hole in this tank, and when will it run dry?"""

import numpy as np

import songsinh as ss
from songsinh import maths

# 1. a model: its signals, and the rate at which its state changes (Torricelli's law)
signals = (
    ss.state("level", "m", 4.0, lower=0.0, upper=6.0, meaning="water in the tank"),
    ss.parameter("hole", "m2", 0.01, lower=0.001, upper=0.1, meaning="size of the outlet"),
    ss.input_("inflow", "m3/s", meaning="what the pump delivers"),
    ss.output("gauge", "m", meaning="what the level gauge shows"),
)


def rate(t, s, u, p):
    return u.inflow - p.hole * maths.sqrt(2 * 9.81 * maths.maximum(s.level, 1e-9))


tank = ss.Equations("tank", signals, rate=rate, output=lambda t, s, u, p: s.level)

# 2. readings: here of a tank we know, with a gauge that is 2 cm off
chance = np.random.default_rng(1)
times = np.arange(0.0, 41.0, 2.0)
truth = ss.simulate(tank, times, parameters={"hole": 0.008})["gauge"][0]
readings = ss.Series(times, truth + 0.02 * chance.standard_normal(21), ("gauge",))

# 3. fit the first readings, and see what they could tell
fit = ss.calibrate(tank, ss.Experiment(readings.between(0, 14)), unknown={"hole": None})
print(fit.verdicts[0].sentence, "(the truth is 0.008)")

# 4. follow the rest, forecast, warn
noise = ss.Noise(readings={"gauge": 0.02})
belief = ss.believe(tank, {"level": (4.0, 0.02), **fit.members(100, chance)})
now = ss.assimilate(tank, belief, readings.between(2, 40), noise=noise).belief
ahead = ss.forecast(tank, now, np.arange(40.0, 91.0, 5.0))
print("level in m at 60 s, 90 % band:", *(edge[4].round(2) for edge in ahead.band("gauge")))
print(ss.alert(ahead, "gauge", below=0.5, lead=35.0).sentence)
