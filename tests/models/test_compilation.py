"""Kernels: when they are made anew, where they are kept, and what runs without them."""

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from songsinh.models.compilation import fingerprint
from songsinh.models.integration import driver, integrate
from songsinh.models.steps import EXPLICIT, FIXED, STIFF

ROOT = Path(__file__).parent.parent.parent


def module(name, text, **names):
    made = types.ModuleType(name)
    vars(made).update(names)
    exec(text, vars(made))
    return made


def law(helper="return 2.0 * x", constant="3.0", default="1.0", doc="", closed=1.0, table=None):
    """The rate of a model that leans on another module, a global, a default and a closure."""
    other = module("other", f"def help(x):\n    {helper}\n")
    table = np.arange(2000.0) if table is None else table
    text = (
        f"CONSTANT = {constant}\n"
        "def make(closed):\n"
        f"    def rate(t, s, u, p, extra={default}):\n"
        f"        {doc!r}\n"
        "        return other.help(s.x) * CONSTANT + extra + closed + table[3] + tables[0][5]\n"
        "    return rate\n"
    )
    return module("main", text, other=other, table=table, tables=(table,)).make(closed)


def test_a_fingerprint_stays_where_the_result_stays():
    assert fingerprint(law()) == fingerprint(law())
    assert fingerprint(law()) == fingerprint(law(doc="Another docstring."))


def changed_table():
    table = np.arange(2000.0)
    table[1000] = 7.0
    return table


@pytest.mark.parametrize(
    "change",
    [
        {"helper": "return 2.5 * x"},
        {"helper": "return x * 2.0"},
        {"constant": "3.5"},
        {"constant": "3"},
        {"default": "-1.0"},
        {"closed": 2.0},
        {"table": changed_table()},
    ],
)
def test_a_fingerprint_changes_with_all_that_moves_the_result(change):
    assert fingerprint(law(**change)) != fingerprint(law())


def test_a_helper_two_modules_away_is_seen():
    def rate(factor):
        deep = module("deep", f"def help(x):\n    return {factor} * x\n")
        package = module("package", "", deep=deep)
        return module(
            "main", "def rate(t, s, u, p):\n    return package.deep.help(s.x)", package=package
        ).rate

    assert fingerprint(rate(2.0)) != fingerprint(rate(3.0))


def test_each_method_has_a_kernel_of_its_own():
    marks = {fingerprint(driver(method)) for method in (EXPLICIT, STIFF, FIXED)}
    assert len(marks) == 3
    assert driver(STIFF) is driver(STIFF)
    assert driver(STIFF).__globals__["METHOD"] == STIFF
    assert integrate.__globals__["METHOD"] == EXPLICIT


SMALL = """
import numpy as np, sys
from songsinh.models import Equations, FixedStep, simulate
from songsinh.signals import state, parameter, output

def rate(t, s, u, p):
    return -p.pace * s.x, s.x

model = Equations("small", (state("x", start=1.0), state("y"), parameter("pace", start=0.5),
                            output("z")), rate, lambda t, s, u, p: s.x + s.y,
                  solver=FixedStep(0.1))
"""
COMPILED = (
    SMALL
    + """
found = model.run(np.array([0.0, 1.0]), np.array([[1.0, 0.0]]), np.array([[0.5]]))
print(found.states.tobytes().hex(), found.outputs.tobytes().hex())
"""
)


def fresh(code, cache=None, **more):
    """What a new process prints."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | more
    if cache is not None:
        env["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


COUNTING = """
from numba.core import event
count = []
class Count(event.Listener):
    def on_start(self, what): count.append(what)
    def on_end(self, what): pass
event.register("numba:run_pass", Count())
"""


def test_a_fresh_process_takes_its_kernels_from_the_disk_and_gives_the_same_bits(tmp_path):
    first = fresh(COMPILED, tmp_path)
    kept = {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nb*")}
    assert len(kept) == 8  # data and index of: the driver, observe, the rate, the output
    second = fresh(COUNTING + COMPILED + "print(len(count))", tmp_path)
    assert second.splitlines() == [first, "0"]
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nb*")} == kept
    # nowhere to write: compiled anew, the same bits
    assert fresh(COMPILED, "/dev/null/nowhere") == first


def test_a_kernel_that_cannot_be_read_back_is_compiled_again(tmp_path):
    first = fresh(COMPILED, tmp_path)
    for file in tmp_path.rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])
    assert fresh(COMPILED, tmp_path) == first


def test_the_same_equations_in_two_modules_have_kernels_of_their_own():
    one, other = (module(name, "def law(x):\n    return 2.0 * x\n") for name in ("one", "other"))
    assert fingerprint(one.law) != fingerprint(other.law)


def test_the_first_answer_opens_no_compiler_and_leaves_no_thread():
    code = """
import threading
simulate(model, [0.0, 1.0])
print([m for m in ("numba", "scipy", "polars") if m in sys.modules], threading.active_count())
"""
    assert fresh(SMALL + code) == "[] 1"


def test_importing_models_opens_no_compiler():
    assert fresh("import songsinh.models, sys; print('numba' in sys.modules)") == "False"


def test_a_process_that_ends_while_a_kernel_compiles_ends_well(tmp_path):
    code = "for _ in range(3): simulate(model, [0.0, 1.0])\nprint('done')"
    assert fresh(SMALL + code, tmp_path) == "done"


def test_after_a_second_answer_the_kernel_comes_by_itself():
    code = """
import threading
for _ in range(2):
    quick = simulate(model, [0.0, 1.0])
for thread in threading.enumerate():
    if thread.name == "compile":
        thread.join()
print(model._code.ready, np.allclose(quick.states, simulate(model, [0.0, 1.0]).states, rtol=1e-12))
"""
    assert fresh(SMALL + code) == "True True"


def test_the_equations_run_with_the_compiler_switched_off():
    code = """
found = simulate(model, [0.0, 1.0]).check()
print(np.allclose(found["x"][0, 1], np.exp(-0.5), rtol=1e-6))
"""
    assert fresh(SMALL + code, NUMBA_DISABLE_JIT="1") == "True"
