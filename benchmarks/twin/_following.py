"""A twin that follows a log and saves its belief after every reading; replay.py kills it.

python -m benchmarks.twin._following FILE     from the belief in FILE where there is one
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

CYCLES, SD, PAUSE = 200, 0.05, 0.003
TIMES = 0.1 * np.arange(1, CYCLES + 1)


def twin() -> Any:
    """An oscillator whose stiffness has to be learned."""
    from songsinh.models import Equations
    from songsinh.signals import output, parameter, state

    def rate(t, s, u, p):
        return s.speed, -p.stiffness * s.place - 0.1 * s.speed

    signals = (
        state("place", "m", 1.0),
        state("speed", "m/s", 0.0),
        parameter("stiffness", "1", 3.0, lower=0.1, upper=10.0),
        output("seen", "m"),
    )
    return Equations("spring", signals, rate=rate, output=lambda t, s, u, p: (s.place,))


def first(model: Any) -> Any:
    """The belief before any reading."""
    from songsinh.twin import believe

    values = {"place": (1.0, 0.2), "speed": (0.0, 0.2), "stiffness": (3.0, 0.8)}
    return believe(model, values, members=50, seed=7)


def follow(model: Any, belief: Any, upto: int, save: Path | None = None) -> Any:
    """The belief after the readings that it has not seen yet, up to a count of them."""
    from songsinh.files import write_whole
    from songsinh.series import Series
    from songsinh.twin import Noise, assimilate

    # a stiffer spring than believed, and a drift, so that chance is drawn at every cycle
    noise = Noise(readings={"seen": SD}, drift={"stiffness": 0.05, "speed": 0.02})
    chance = np.random.default_rng(11)
    place = np.exp(-0.05 * TIMES) * np.cos(2.0 * TIMES) + SD * chance.normal(size=CYCLES)
    for now, value in zip(TIMES[:upto], place[:upto], strict=True):
        if now <= belief.time:
            continue
        reading = Series(np.array([now]), np.array([[value]]), ("seen",))
        belief = assimilate(model, belief, reading, noise=noise).belief
        if save is not None:
            write_whole(save, belief.to_bytes())
            time.sleep(PAUSE)  # so that the kill falls anywhere in the run
    return belief


def main(file: Path) -> None:
    """Go on from the file, or begin; the file holds the belief after every reading."""
    from songsinh.twin import Belief

    model = twin()
    belief = Belief.from_bytes(file.read_bytes()) if file.exists() else first(model)
    print(f"{os.getpid()} goes on from {belief.time:.1f} s", flush=True)
    follow(model, belief, CYCLES, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
