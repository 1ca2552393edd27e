"""The first answer for a new small model: fresh process, empty kernel cache, import included.

CPU time is user and system together, of the whole child process until it has ended, so that a
compiler at work in the background is counted as well.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import common

REPEATS = 5
ROOT = Path(__file__).parents[2]

OURS = """
from songsinh.models import Equations, simulate
from songsinh.signals import parameter, state

def rate(t, s, u, p):
    return s.speed, -p.stiffness * s.place - p.damping * s.speed

spring = Equations("spring{k}", (
    state("place", "m", 1.0), state("speed", "m/s"),
    parameter("stiffness", "1", 4.{k}), parameter("damping", "1/s", 0.3),
), rate=rate)
last = simulate(spring, [0.0, 1.0, 2.0, 5.0])["place"][0, -1]
"""

SCIPY = """
from scipy.integrate import solve_ivp

def rate(t, x):
    return x[1], -4.{k} * x[0] - 0.3 * x[1]

last = solve_ivp(rate, (0.0, 5.0), (1.0, 0.0), rtol=1e-6, atol=1e-9).y[0, -1]
"""

DIFFRAX = """
import diffrax, jax
jax.config.update("jax_enable_x64", True)

def rate(t, x, args):
    return x[1], -4.{k} * x[0] - 0.3 * x[1]

solve = jax.jit(lambda x: diffrax.diffeqsolve(
    diffrax.ODETerm(rate), diffrax.Tsit5(), 0.0, 5.0, 0.01, x,
    stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-9)).ys)
last = float(solve((1.0, 0.0))[0][-1])
"""

END = """
import time
print(repr(float(last)), time.process_time())
"""


def main() -> None:
    """Run each side in fresh processes by turns, report ours and the quicker figures beside."""
    spent: dict[str, list[float]] = {"ours": [], "scipy": [], "diffrax": []}
    until: list[float] = []
    for k in range(1, REPEATS + 1):
        answers = {}
        for side, text in (("ours", OURS), ("scipy", SCIPY), ("diffrax", DIFFRAX)):
            cpu, answers[side], at = child((text + END).replace("{k}", str(k)))
            spent[side].append(cpu)
            if side == "ours":
                until.append(at)
        far = max(abs(value - answers["scipy"]) for value in answers.values())
        if far > 1e-4:
            raise RuntimeError(f"the sides disagree by {far:.1e}: {answers}")
    figures = {side: median(values) for side, values in spent.items()}
    common.report(
        "first answer of a new model, fresh process, empty cache: SciPy", figures["ours"],
        figures["scipy"], 1.0, better="less",
        note=f"ours had its answer at {median(until):.3f} s and its process ended at "
        f"{figures['ours']:.3f} s; diffrax with jit {figures['diffrax']:.2f} s",
    )  # fmt: skip


def child(text: str) -> tuple[float, float, float]:
    """CPU s of a fresh process that runs the text; its answer; its CPU s at the answer."""
    with tempfile.TemporaryDirectory() as empty:
        script = Path(empty, "new_model.py")
        script.write_text(text, encoding="utf-8")
        caches = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "SONGSINH_CACHE", "HOME")
        places = {name: str(Path(empty, name)) for name in caches}
        kept = {key: value for key, value in os.environ.items() if "PYTHONDONT" not in key}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, check=False,
            env=kept | places | {"PYTHONPATH": str(ROOT)}, cwd=empty,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"a fresh process failed:\n{done.stderr}")
    answer, at = map(float, done.stdout.split())
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, answer, at


if __name__ == "__main__":
    main()
