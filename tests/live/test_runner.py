"""A belief hangs on the readings alone, to the last bit."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.live.runner import Runner, fleet_of
from songsinh.live.snapshots import Snapshot
from songsinh.live.windows import NEVER
from tests.live import tanks

NAMES = ("a", "b", "c")


def twins(**more):
    return [tanks.tank(name, seed=k, **more) for k, name in enumerate(NAMES)]


def stream(seconds=16, step=1.0):
    """Readings of three tanks in time: twin, time us, column, value."""
    columns = {name: k for k, name in enumerate(tanks.tank().read)}
    found = []
    for k in range(len(NAMES)):
        for time, name, value in tanks.readings(seconds, step, seed=k):
            found.append((k, round(time * 1e6), columns[name], value))
    return sorted(found, key=lambda row: row[1])


def fed(runner, rows):
    if rows:
        twin, time, column, value = zip(*rows, strict=True)
        whole = (np.array(part, np.int64) for part in (twin, time, column))
        return runner.fold(*whole, np.array(value))
    return None


def bits(runner):
    """All that a twin is: its belief, its inputs, its counts."""
    return [
        (
            runner.belief(k).to_bytes(),
            runner.crowd.inputs[k].tobytes(),
            runner.aside(k),
            runner.windows.accepted[k],
        )
        for k in range(len(NAMES))
    ]


def cut(rows, places):
    edges = [0, *sorted(places), len(rows)]
    return [rows[a:b] for a, b in pairwise(edges)]


def shuffled(rows, lateness, seed):
    """In another order of arrival, none later than it may be."""
    chance = np.random.default_rng(seed)
    return sorted(rows, key=lambda row: row[1] + 1e6 * chance.uniform(0, lateness))


WANTED = {}


def wanted(**more):
    key = str(sorted(more.items()))
    if key not in WANTED:
        runner = Runner(twins(**more), {})
        fed(runner, stream())
        WANTED[key] = bits(runner)
    return WANTED[key]


@settings(max_examples=25)
@given(st.lists(st.integers(0, 118), max_size=12), st.integers(0, 99), st.floats(0.0, 3.9))
def test_neither_cuts_nor_the_order_of_arrival_change_a_bit(cuts, seed, lateness):
    runner = Runner(twins(), {})
    for part in cut(shuffled(stream(), lateness, seed), cuts):
        fed(runner, part)
    assert bits(runner) == wanted()
    assert not runner.windows.late.any()


@settings(max_examples=15)
@given(st.lists(st.integers(0, 118), max_size=12), st.integers(0, 99))
def test_nor_do_cuts_where_many_come_too_late(cuts, seed):
    rows = shuffled(stream(), 14.0, seed)
    whole, parts = Runner(twins(), {}), Runner(twins(), {})
    fed(whole, rows)
    for part in cut(rows, cuts):
        fed(parts, part)
    assert bits(parts) == bits(whole)
    assert whole.windows.late.any()
    assert parts.windows.late.tolist() == whole.windows.late.tolist()


@settings(max_examples=15)
@given(st.lists(st.integers(0, 118), max_size=12), st.integers(0, 99), st.floats(0.0, 3.9))
def test_nor_do_they_with_episodes(cuts, seed, lateness):
    rows = [row for row in stream() if row[1] // 1_000_000 % 10 < 6]
    more = {"episode": tanks.runs_dry()}
    whole, parts = Runner(twins(**more), {}), Runner(twins(**more), {})
    fed(whole, rows)
    for part in cut(shuffled(rows, lateness, seed), cuts):
        fed(parts, part)
    assert bits(parts) == bits(whole)
    assert (whole.begun > rows[0][1]).all()


@settings(max_examples=15)
@given(st.lists(st.integers(0, 118), min_size=1, max_size=5), st.integers(0, 99))
def test_a_snapshot_goes_on_as_if_nothing_had_been(cuts, seed):
    runner = Runner(twins(), {})
    for part in cut(shuffled(stream(), 3.9, seed), cuts):
        fed(runner, part)
        kept = {one.name: runner.snapshot(k).to_bytes() for k, one in enumerate(runner.twins)}
        found = {name: Snapshot.from_bytes(body) for name, body in kept.items()}
        before, runner = runner, Runner(twins(), found)
        assert bits(runner) == bits(before)
    assert bits(runner) == wanted()


def test_a_reading_counts_once_and_too_late_not_at_all():
    runner = Runner(twins(), {})
    fed(runner, stream())
    before = bits(runner)
    again = [row for row in stream() if row[1] >= (tanks.START + 13) * 1_000_000]
    fed(runner, again)
    fed(runner, [(k, tanks.START * 1_000_000, 0, 3.0) for k in range(len(NAMES))])
    fed(runner, [(k, time, column, value + 1) for k, time, column, value in again])
    assert bits(runner) == before
    windows = runner.windows
    assert windows.repeated.sum() == windows.conflicting.sum() == len(again)
    assert windows.late.tolist() == [1, 1, 1]


def test_a_twin_alone_is_the_twin_among_others():
    alone = Runner(twins()[1:2], {})
    fed(alone, [(0, *row[1:]) for row in stream() if row[0] == 1])
    assert alone.belief(0).to_bytes() == wanted()[1][0]


def test_what_was_read_last_is_known_and_rows_that_nobody_needs_go():
    runner = Runner(twins(), {})
    for part in cut(stream(40, 0.5), range(0, 600, 6)):
        fed(runner, part)
    assert runner.windows.count.max() <= 2 * (4.0 + 1.0 + 1.0) / 0.5
    assert runner.latest(0)["level"][0] == (tanks.START + 39.5) * 1e6
    assert (runner.checkpoints.oldest > NEVER).all()


def test_twins_of_one_kind_share_a_fleet():
    a, b = tanks.tank("a"), tanks.tank("b", seed=3, window=9.0)
    assert fleet_of(a) == fleet_of(b)
    assert fleet_of(a) != fleet_of(tanks.tank("c", members=9))
