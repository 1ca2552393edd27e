"""Answers come from a copy of the belief; branches differ by what was turned alone."""

from dataclasses import replace

import numpy as np
import pytest

from songsinh.database import tables
from songsinh.errors import LiveError
from songsinh.live import Question
from songsinh.live.crew import Crew
from songsinh.live.log import Log
from songsinh.live.questions import ANSWERS, read_scores, sit
from songsinh.live.readings import READING
from songsinh.twin import Limit
from tests.live import centres, tanks


@pytest.fixture
def crew(tmp_path):
    engine = centres.prepared(tmp_path, "a", "b", "broken")
    crew = Crew(engine, lambda recipe: BUILD[recipe["name"]]())
    crew.load()
    for twin in crew.starting():
        crew.yard.warm(twin)
    crew.join(Log(engine))
    number = {(twin, name): 1 + k for k, (twin, name) in enumerate(
        (twin, name) for twin in (1, 2) for name in tanks.tank().read
    )}  # fmt: skip
    with engine.begin() as connection:
        connection.execute(tables.signals.insert(), [
            {"id": k, "twin": twin, "name": name} for (twin, name), k in number.items()
        ])  # fmt: skip
    crew.route()
    rows = [
        (round(time * 1e6), value, number[1, name], 0)
        for time, name, value in tanks.readings(12, inflow=lambda t: 0.2)
    ]
    readings = np.array(rows, READING)
    crew.follow([(Log(engine).append(readings, 1), readings)])
    yield crew
    engine.dispose()


def wished():
    question = Question("Fill it", "inflow", "level", "most", (Limit("level", above=2.0),))
    never = Question("Dry it", "hole", "level", "least", (Limit("level", below=40.0),))
    soon = replace(question, title="Fill it now", horizon=1.0)
    return tanks.tank("a", questions=(question, never, soon), expected={"inflow": 0.3})


def lost():
    raise ValueError("torn paper")


BUILD = {"a": wished, "b": lambda: tanks.tank("b", seed=2), "broken": lost}


def asked(crew, what, twin="a", **detail):
    return ANSWERS[what](sit(crew, twin, {"state": "following"}), detail)


def test_now_tells_all_that_a_page_shows(crew):
    told = asked(crew, "now")
    assert set(told["belief"]["mean"]) == {"level", "warmth", "hole", "pressure"}
    assert told["belief"]["time"] == tanks.START + 11
    levers = {one["name"]: one for one in told["levers"]}
    assert levers["inflow"]["now"] == 0.3  # what is expected
    assert levers["hole"]["now"] == pytest.approx(told["belief"]["mean"]["hole"])
    assert levers["inflow"]["unit"] == "m/s"
    sensors = {one["name"]: one for one in told["sensors"]}
    assert sensors["level"]["counts"]["used"] >= 4
    assert sensors["inflow"]["last"] == 0.2
    assert told["signals"]["level"]["lower"] == 0.0
    assert told["signals"]["warmth"]["lower"] is None
    assert [one["limits"] for one in told["questions"]] == [
        ["level above 2"],
        ["level below 40"],
        ["level above 2"],
    ]
    assert read_scores(crew.engine, "a") == {}


def test_a_twin_that_has_read_nothing_still_tells_what_it_is(crew):
    told = asked(crew, "now", "b")
    assert told["belief"] is None
    assert told["forecast"] is None
    assert told["levers"]


def test_who_cannot_be_asked_says_why(crew):
    with pytest.raises(LiveError, match="torn paper"):
        sit(crew, "broken", {})
    with pytest.raises(LiveError, match="there is no twin 'c'"):
        sit(crew, "c", {})


def test_the_same_branch_twice_is_the_same(crew):
    one = {"name": "A", "levers": {"inflow": 0.5}}
    told = asked(crew, "what_if", branches=[one, {"name": "B", "levers": {"inflow": 0.5}}, {}])
    first, second, third = (branch["signals"] for branch in told["branches"])
    assert first == second != third
    # left alone, inputs are as expected
    again = asked(crew, "what_if", branches=[{"levers": {"inflow": 0.3}}])["branches"][0]
    assert again["signals"] == third


def test_a_parameter_that_is_turned_is_so_for_all_members(crew):
    told = asked(crew, "what_if", branches=[{"levers": {"hole": 0.3, "inflow": 0.0}}])
    level = told["branches"][0]["signals"]["level"]["0.5"]
    assert level[-1] == pytest.approx(level[0] * np.exp(-0.3 * 20.0), abs=0.15)


def test_the_best_option_keeps_the_limit_and_its_neighbour_does_not(crew):
    told = asked(crew, "decide", question=0)
    kept = [one["value"] for one in told["options"] if one["keeps"]]
    assert told["best"] == max(kept) < 1.0
    assert told["sentence"].startswith(f"inflow at {told['best']:.4g} m/s is best: level then")
    over = next(one for one in told["options"] if one["value"] > told["best"])
    assert over["risks"][0]["probability"] > over["risks"][0]["most"]


def test_a_question_may_look_less_far_than_its_twin(crew):
    """In 1 s less comes to the tank than in the 20 s of the twin, so it may be opened further."""
    told = asked(crew, "now")["questions"]
    assert [one["horizon"] for one in told] == [20.0, 20.0, 1.0]
    near, far = asked(crew, "decide", question=2), asked(crew, "decide", question=0)
    assert near["best"] > far["best"]
    levels = [one["options"][-1]["goal"]["mean"] for one in (near, far)]
    assert levels[0] < levels[1]


def test_when_nothing_keeps_the_limits_it_says_so(crew):
    told = asked(crew, "decide", question=1)
    assert told["best"] is None
    assert told["sentence"].startswith("no hole keeps all limits")
    assert "that level below 40" in told["sentence"]


@pytest.mark.parametrize(
    ("detail", "why"),
    [
        ({"branches": "A"}, "give 1 to 8"),
        ({"branches": [3]}, "a branch holds 3"),
        ({"branches": [{"levers": {"inflow": "much"}}]}, "it goes from 0 to 1"),
        ({"branches": [{"levers": {"inflow": float("nan")}}]}, "it goes from 0 to 1"),
        ({"branches": [{}], "horizon": 1e9}, "at most 400"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(crew, detail, why):
    with pytest.raises(LiveError, match=why):
        asked(crew, "what_if", **detail)
