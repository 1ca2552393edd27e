"""Pushed JSON: rows and columns mean the same, and nothing that comes raises."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.live.sources.push import parse
from tests.live.desks import NOW, desk


def body(**what):
    return json.dumps(what).encode()


def test_rows_and_columns_mean_the_same(tmp_path):
    table = [
        ("b5", "voltage", NOW - 1, 3.9, 0),
        ("b6", "current", "2027-01-15T07:59:59Z", 2, 1),
        ("b5", "voltage", None, 3.8, 0),
        ("b5", "voltag", NOW, 3.8, 0),
        ("b5", "voltage", NOW, None, 0),
        ("b5", "voltage", NOW, "x", 0),
        ("b5", "voltage", "soon", 3.9, 0),
    ]
    keys = ("twin", "signal", "time", "value", "quality")
    rows = parse(body(readings=[dict(zip(keys, row, strict=True)) for row in table]))
    names = sorted({f"{twin}/{signal}" for twin, signal, *_ in table})
    columns = parse(
        body(
            signals=names,
            index=[names.index(f"{row[0]}/{row[1]}") for row in table],
            time=[row[2] for row in table],
            value=[row[3] for row in table],
            quality=[row[4] for row in table],
        )
    )
    with desk(tmp_path) as (door, _):
        one, other = door.admit("a", rows), door.admit("a", columns)
    np.testing.assert_array_equal(one.readings, other.readings)
    assert one.refused == other.refused
    assert sum(one.refused.values()) == 4
    assert len(one.readings) == 3


def test_what_is_left_out_has_a_meaning(tmp_path):
    with desk(tmp_path) as (door, _):
        found = door.admit("a", parse(body(signals=["b5/voltage"], value=[3.5, 3.6])))
    assert found.readings["time"].tolist() == [int(NOW * 1e6)] * 2
    assert found.readings["quality"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "no value"),
        (b"{", "unreadable"),
        (b"[]", "unreadable"),
        (b"3", "unreadable"),
        (b'{"readings": 3}', "unreadable"),
        (b'{"readings": [3]}', "unreadable"),
        (b"[" * 5000, "too deep"),
        (b'"\xff"', "not utf-8"),
        (b" " * (16 << 20) + b"[]", "too large"),
        (body(signals=["b5/voltage"], value=[]), "unreadable"),
        (body(signals="b5/voltage", value=[1]), "unreadable"),
        (body(signals=["b5/voltage"], value=[1], time=3), "unreadable"),
        (body(signals=["b5/voltage"], value=[1], index=[0, 0]), "unreadable"),
        (body(signals=["b5/voltage"], value=[1], index=[1]), "unreadable"),
        (body(signals=["b5/voltage"], value=[1], index=[-1]), "unreadable"),
        (body(signals=["b5/voltage"], value=[1], index=[True]), "unreadable"),
        (body(signals=["b5/voltage"], value=[1], index=[2**70]), "unreadable"),
        (body(signals=[], value=[1]), "unreadable"),
        (body(signals=[["b5"]], value=[1]), "unknown twin"),
        (body(readings=[{"value": 1}]), "unknown twin"),
        (body(readings=[{"twin": "b5", "signal": "voltage", "value": 1e999}]), "unreadable"),
    ],
)
def test_a_body_that_makes_no_sense_is_one_refusal(tmp_path, sent, reason):
    with desk(tmp_path) as (door, _):
        found = door.admit("a", parse(sent))
    assert found.refused == {reason: 1}


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with desk(tmp_path_factory.mktemp("push")) as (door, _):
        yield door


inner = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=4), one, max_size=3),
    max_leaves=8,
)
keyed = st.dictionaries(
    st.sampled_from(["readings", "signals", "index", "time", "value", "quality"]),
    st.lists(st.one_of(inner, st.sampled_from(["b5/voltage", 0, 1])), max_size=5) | inner,
)


@settings(max_examples=200)
@given(sent=st.binary(max_size=60) | st.one_of(keyed, inner).map(lambda w: json.dumps(w).encode()))
def test_whatever_is_pushed_is_counted(door, sent):
    columns = parse(sent)
    found = door.admit("fuzz", columns)
    told = len(columns) + sum(one.number for one in columns.refused)
    assert told >= 1
    assert len(found.readings) + sum(found.refused.values()) == told
