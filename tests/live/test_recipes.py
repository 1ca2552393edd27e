"""Recipes: plain values become twins at work, and wrong ones are told in one sentence."""

import copy

import numpy as np
import pytest

from songsinh.errors import SongsinhError
from songsinh.models import simulate
from songsinh.sectors import build
from songsinh.series import Series
from songsinh.twin import Fleet, believe, fit_series

TEXT = """
name = "tank"
meaning = "water in, water out"
[parameters]
hole = {unit = "m2", start = 0.001, lower = 0}
[inputs]
inflow = {unit = "m3/s", start = 0.002}
[states]
level = {unit = "m", start = 1.0, lower = 0, rate = "(inflow - hole * sqrt(19.62 * level)) / 2"}
[outputs]
pressure = {unit = "Pa", value = "9810 * level"}
[solver]
kind = "fixed"
step = 5.0
[twin]
every = 30
horizon = 600.0
shown = ["level"]
inputs = "linear"
noise.level = 0.02
drift = {hole = 1e-6}
start = {level = [1.0, 0.1], hole = [0.001, 0.0002]}
expected.inflow = 0.002
alarms = [{name = "low", signal = "level", below = 0.2, lead = 300, advice = "Open the valve."}]
levers = [{name = "inflow", low = 0.0, high = 0.01}]
episode = {gap = 3600, states = {level = [1.0, 0.2]}}
[[twin.questions]]
title = "How much water?"
lever = "inflow"
goal = "level"
limits = [{name = "level", above = 3.0}]
horizon = 120
"""
RECIPE = {"kind": "written", "name": "tank-1", "title": "The tank", "text": TEXT}


def written(old="", new=""):
    assert old in TEXT
    return build(RECIPE | {"text": TEXT.replace(old, new)})


def test_a_written_twin_has_all_that_its_text_says():
    twin = build(RECIPE)
    assert (twin.name, twin.title, twin.meaning) == ("tank-1", "The tank", "water in, water out")
    assert (twin.every, twin.horizon, twin.inputs) == (30.0, 600.0, "linear")
    assert twin.read == ("level", "inflow")
    assert twin.start == {"level": (1.0, 0.1), "hole": (0.001, 0.0002)}
    assert twin.noise.drift == {"hole": 1e-6}
    assert twin.alarms[0].advice == "Open the valve."
    assert twin.questions[0].limits[0].above == 3.0
    assert twin.questions[0].horizon == 120
    assert twin.episode.states == {"level": (1.0, 0.2)}
    assert twin.expected == {"inflow": 0.002}


def test_a_written_twin_can_be_followed():
    twin = build(RECIPE)
    fleet = Fleet(twin.model, twin.sensors, twin.noise, twin.method, twin.inputs, twin.members)
    crowd = fleet.gather([believe(twin.model, twin.start, members=twin.members)])
    times = np.arange(10.0, 610.0, 10.0)
    truth = simulate(twin.model, times, states={"level": 1.3})["level"][0]
    inputs = np.full((len(times), 1), 2e-3)
    told = fleet.fold(crowd, [0] * len(times), times, truth[:, None], inputs)
    assert told.means[-1, 0] == pytest.approx(truth[-1], abs=0.01)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("noise.level = 0.02", "", "no sensor"),
        ("noise.level", "noise.hole", "parameter"),
        ("noise.level", "noise.levle", "did you mean 'level'"),
        ("every = 30", "evry = 30", "did you mean 'every'"),
        ("every = 30", "every = -1", "above 0"),
        ("every = 30", 'every = "often"', "give a number"),
        ("every = 30", "members = 1", "2 to 1000"),
        ("every = 30", "samples = 10.5", "whole number"),
        ('shown = ["level"]', 'shown = "level"', "list of signals"),
        ('shown = ["level"]', 'shown = ["hole"]', "state or output"),
        ('inputs = "linear"', 'inputs = "cubic"', "'held' or 'linear'"),
        ("level = [1.0, 0.1]", "level = [1.0, 0.1, 3.0]", "give a number"),
        ("below = 0.2", "above = 0.2, below = 0.2", "one of them"),
        ("below = 0.2", 'below = "low"', "give a number"),
        ("below = 0.2", "under = 0.2", "known are name, signal, below"),
        ('signal = "level", below', "below", "incomplete"),
        ('lever = "inflow"', 'lever = "level"', "input or parameter"),
        ("gap = 3600", "gap = 0", "above 0"),
        ("horizon = 120", "horizon = 0", "question 1, horizon"),
        ("expected.inflow", "expected.level", "input"),
        ("[twin]", "[twins]", "did you mean 'twin'"),
    ],
)
def test_a_wrong_word_in_a_twins_table_is_told(old, new, said):
    with pytest.raises(SongsinhError) as caught:
        written(old, new)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_without_its_twin_is_told():
    with pytest.raises(SongsinhError, match=r"has no \[twin\]"):
        build(RECIPE | {"text": TEXT.partition("[twin]")[0]})


def test_a_pilots_machine_becomes_a_twin_of_its_own_name():
    recipe = {"kind": "pilot", "pilot": "battery-v1", "machine": "B0005", "name": "my-cell"}
    twin = build(recipe)
    assert (twin.name, twin.title, twin.card) == ("my-cell", "Cell B0005", "battery-v1")
    assert build(recipe | {"title": "Mine"}).title == "Mine"


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({}, "not known"),
        ({"kind": "magic"}, "'pilot', 'written', 'series'"),
        ({"kind": ["pilot"]}, "not known"),
        ({"kind": "pilot", "name": "a"}, "pilot = None"),
        ({"kind": "pilot", "pilot": "batery-v1", "machine": "B0005", "name": "a"}, "battery"),
        ({"kind": "pilot", "pilot": "battery-v1", "machine": "B5", "name": "a"}, "B0005"),
        ({"kind": "pilot", "pilot": "battery-v1", "machine": "B0005", "name": "A b"}, "'A b'"),
        (RECIPE | {"text": 3}, "text = 3"),
        (RECIPE | {"name": ""}, "name = ''"),
        ({"kind": "series", "name": "a", "signals": [], "settings": {}}, "fit the record anew"),
        ({"kind": "series", "name": "a", "signals": [{}], "settings": {}}, "no structure"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_sentence(recipe, said):
    with pytest.raises(SongsinhError) as caught:
        build(recipe)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_series_becomes_a_twin_with_alarms_at_the_edges_of_its_record():
    chance = np.random.default_rng(1)
    times = np.arange(0.0, 12000.0, 30.0)
    values = 20 + np.cumsum(0.02 * chance.standard_normal(len(times)))
    record = Series(times, values[:, None], ("room (°C)",))
    recipe, _ = fit_series(record, name="room", units={"room (°C)": "°C"})
    twin = build(recipe)
    assert (twin.name, twin.sensors) == ("room", ("room_C",))
    assert {alarm.name for alarm in twin.alarms} == {
        *("room_C unusually low", "room_C unusually high")
    }
    assert twin.every <= twin.horizon
    fleet = Fleet(twin.model, twin.sensors, twin.noise, twin.method, twin.inputs, twin.members)
    crowd = fleet.gather([believe(twin.model, twin.start, members=twin.members)])
    told = fleet.fold(crowd, [0] * 99, times[1:100], values[1:100, None])
    assert told.expected[-1, 0] == pytest.approx(values[99], abs=0.3)
    broken = copy.deepcopy(recipe)
    broken["signals"][0]["noise"] = "much"
    with pytest.raises(SongsinhError, match="no structure"):
        build(broken)
