"""Models written as text: what is read runs, and what is not on the list never does."""

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.errors import ModelError, SongsinhError
from songsinh.models import Equations, FixedStep, Stiff, read_model, simulate
from songsinh.series import Series
from songsinh.signals import input_, output, parameter, state

TANK = """
name = "tank"
meaning = "water in, water out"
[parameters]
hole = {unit = "m2", start = 0.001, lower = 0, meaning = "area of the outlet"}
[inputs]
inflow = {unit = "m3/s", start = 0.002}
[terms]
outflow = "hole * sqrt(2 * 9.81 * maximum(level, 0))"
[states]
level = {unit = "m", start = 1.0, lower = 0, rate = "RATE"}
[outputs]
pressure = {unit = "Pa", value = "9810 * level"}
[solver]
kind = "fixed"
step = 1.0
"""
RATE = "(inflow - outflow) / 2"


def tank(rate=RATE, **changes):
    text = TANK.replace("RATE", rate)
    for old, new in changes.items():
        text = text.replace(old, new)
    return read_model(text)


def told(rate):
    with pytest.raises(ModelError) as caught:
        tank(rate)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def test_a_written_model_moves_as_the_same_equations_do():
    signals = (
        parameter("hole", "m2", 0.001), input_("inflow", "m3/s", 0.002),
        state("level", "m", 1.0, lower=0), output("pressure", "Pa"),
    )  # fmt: skip

    def rate(t, s, u, p):
        return (u.inflow - p.hole * np.sqrt(2 * 9.81 * np.maximum(s.level, 0.0))) / 2

    own = Equations(
        "tank", signals, rate, lambda t, s, u, p: 9810.0 * s.level, solver=FixedStep(1.0)
    )
    wind = Series([0.0, 50.0], [[0.002], [0.006]], ("inflow",))
    times = np.linspace(0, 300, 7)
    ours = simulate(tank(), times, inputs=wind)
    theirs = simulate(own, times, inputs=wind)
    assert np.allclose(ours["level"], theirs["level"], rtol=1e-12)
    assert np.allclose(ours["pressure"], 9810 * ours["level"])


def test_signals_keep_unit_bounds_start_and_meaning():
    model = tank()
    hole = model.signals["hole"]
    assert (hole.unit, hole.start, hole.lower, hole.kind) == ("m2", 0.001, 0.0, "parameter")
    assert hole.meaning == "area of the outlet"
    assert (model.name, model.meaning) == ("tank", "water in, water out")


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("2 + 3 * 4", 14.0),
        ("-level ** 2", -4.0),
        ("(-8) ** 3", -512.0),
        ("level ** -1", 0.5),
        ("level ** 0.5", 2**0.5),
        ("1 if 1 < level <= 2 else 0", 1.0),
        ("1 if level > 3 or not level == 2 else 5", 5.0),
        ("where(level >= 2 and t < 1, 7, 8)", 7.0),
        ("clip(level, 0, 1) + minimum(3, level)", 3.0),
        ("cos(pi) + exp(log(level)) + floor(2.7)", 3.0),
        ("power(level, 3) + arctan2(0, 1) + sign(-level)", 7.0),
    ],
)
def test_formulas_mean_what_they_say(formula, value):
    text = f'name = "m"\n[states]\nlevel = {{start = 2.0, rate = "0"}}\n[outputs]\ny = "{formula}"'
    run = simulate(read_model(text), [0.0])
    assert run["y"][0, 0] == pytest.approx(value)


@pytest.mark.parametrize(
    "hostile",
    [
        "__import__('os').system('true')",
        "level.__class__",
        "level.real",
        "().__class__.__bases__[0]",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "exec",
        "print(1)",
        "f'{level}'",
        "'text'",
        "level[0]",
        "(x := 3)",
        "hole.start",
        "sqrt(*[level])",
        "sqrt(x=level)",
        "maths.sqrt(level)",
        "s.level",
        "{1: 2}",
        "level @ level",
        "level // 2",
        "level % 2",
        "1 << 60",
        "~1",
        "True",
        "None",
        "...",
        "2j",
        "await level",
        "yield",
    ],
)
def test_what_is_not_on_the_list_is_refused(hostile):
    assert "[states] level, rate" in told(hostile)


@pytest.mark.parametrize(
    "huge",
    [
        "-" * 1900 + "1",
        "(" * 900 + "1" + ")" * 900,
        "+".join("1" * 900),
        "1" * 1999,
        "level" + "*level" * 400,
        "sin(" * 120 + "1" + ")" * 120,
        "1" + " " * 3000,
        "[x for x in " + "-" * 1900 + "1]",
    ],
)
def test_what_is_too_large_is_refused_and_does_not_hang(huge):
    assert "level, rate" in told(huge)


def test_towers_of_powers_are_numbers_like_any_other():
    run = simulate(tank("0 * level", **{"9810 * level": "minimum(9 ** 9 ** 9 ** 9, 1)"}), [0.0])
    assert run["pressure"][0, 0] == 1.0


def test_a_text_of_many_formulas_is_refused():
    formula = " + ".join(["level"] * 90)
    terms = "\n".join(f'a{k} = "{formula}"' for k in range(40))
    with pytest.raises(ModelError, match="make the model smaller"):
        read_model(TANK.replace("RATE", RATE).replace("[terms]", f"[terms]\n{terms}"))
    with pytest.raises(ModelError, match="at most 100000 characters"):
        read_model("#" * 100_001)
    with pytest.raises(ModelError, match="nested too deep"):
        read_model("a = " + "[" * 50_000)
    many = "\n".join(f"p{k} = 1.0" for k in range(250))
    with pytest.raises(ModelError, match="254 signals"):
        read_model(TANK.replace("RATE", RATE).replace("[parameters]", f"[parameters]\n{many}"))


def test_an_error_says_line_signal_and_near_names():
    sentence = told("(inflow - outflov) / 2")
    assert "line 11" in sentence
    assert "[states] level, rate" in sentence
    assert "did you mean 'outflow'" in sentence


def test_numbers_and_conditions_are_kept_apart():
    assert "condition" in told("level > 1")
    assert "condition" in told("1 if level else 2")
    assert "takes 3" in told("where(level > 1, 2)")
    assert "write exp(...)" in told("exp + 1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({'name = "tank"': "name = 3"}, "name"),
        ({'unit = "m3/s"': 'unit = "m3/sec"'}, "unit"),
        ({"start = 1.0": "start = -1.0"}, "outside its bounds"),
        ({"start = 1.0": "start = true"}, "write a number"),
        ({"start = 1.0": 'start = "one"'}, "write a number"),
        ({"start = 1.0": "start = 1" + "0" * 400}, "write a number"),
        ({"[states]": "[statues]"}, "did you mean 'states'"),
        ({"lower = 0, rate": "lowest = 0, rate"}, "did you mean 'lower'"),
        ({'kind = "fixed"': 'kind = "euler"'}, "fixed, explicit, stiff"),
        ({"step = 1.0": "step = 0.0"}, "above zero"),
        ({"outflow = ": "level = "}, "called as something else"),
        ({"inflow = {": "exp = {"}, "called as something else"),
        ({"[states]": "[states"}, "line 10"),
        ({", rate =": ", rates ="}, "did you mean 'rate'"),
        ({"9810 * level": "hole +"}, "is no formula"),
        ({"[outputs]": "[outputs]\nx = 3\n[events]\na = 1\n[others]"}, "others"),
    ],
)
def test_a_wrong_text_is_told_in_one_sentence(change, said):
    with pytest.raises(SongsinhError) as caught:
        tank(**change)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_events_set_states_and_stop():
    text = TANK.replace("RATE", "-0.1") + (
        '[[events]]\nwhen = "level - 0.5"\ndirection = "falling"\nset = {level = "level + 1"}\n'
    )
    run = simulate(read_model(text), [0.0, 10.0])
    assert run["level"][0, -1] == pytest.approx(1.0, abs=1e-6)
    assert len(run.events) == 1
    stopped = text.replace('set = {level = "level + 1"}', "stop = true")
    assert simulate(read_model(stopped), [0.0, 10.0]).codes[0] == -1
    with pytest.raises(ModelError, match="did you mean 'level'"):
        read_model(text.replace("{level =", "{levels ="))


def test_a_solver_cannot_run_for_ever():
    quick = tank().solver
    assert isinstance(quick, FixedStep)
    assert quick.most_steps <= 1_000_000
    text = TANK.replace("RATE", RATE).replace("step = 1.0", "step = 1e-9")
    run = simulate(read_model(text), [0.0, 1e6])
    assert run.codes[0] > 0
    stiff = TANK.replace("RATE", RATE).replace('kind = "fixed"\nstep = 1.0', 'kind = "stiff"')
    assert isinstance(read_model(stiff).solver, Stiff)


@settings(max_examples=150, deadline=None)
@given(st.text(string.printable, max_size=80))
def test_any_text_is_a_formula_or_an_error(text):
    quoted = "'''" + text.replace("'", "").replace("\r", "") + "'''"
    sentence = ""
    try:
        read_model(TANK.replace('"RATE"', quoted).replace("{unit", "{ unit"))
    except ModelError as error:
        sentence = str(error)
    assert "\n" not in sentence
