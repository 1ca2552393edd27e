"""The one list of checks that every model passes, whatever its kind.

A model joins by one line in `examples.MODELS`; `check_model` returns the names of what it ran,
so that a test can count that none was left out.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from songsinh.errors import SongsinhError
from songsinh.models import Model, Run, columns, forcing
from songsinh.series import Series
from songsinh.signals import Signals

__all__ = ["CHECKS", "Example", "check_model"]


@dataclass(frozen=True)
class Example:
    """A model and one sensible way to run it."""

    model: Model
    times: tuple[float, ...]
    inputs: Series | None = None
    tolerance: float = 1e-4  # by how much a run cut in two may differ, relative


def members_of(example: Example, count: int):
    """Members that differ from each other, within bounds."""
    signals = example.model.signals
    chance = np.random.default_rng(7)
    tables = []
    for kind in ("state", "parameter"):
        table = np.tile(signals.start(kind), (count, 1))
        table *= 1 + 0.02 * chance.standard_normal(table.shape)
        tables.append(np.clip(table, signals.lower(kind), signals.upper(kind)))
    return tables


def run(example: Example, states, parameters, times=None) -> Run:
    """The model's run: compiled, the same bits each time."""
    grid = np.array(example.times if times is None else times)
    return example.model.run(grid, states, parameters, example.inputs)


def same(one: Run, two: Run) -> bool:
    """Whether two runs are equal bit for bit."""
    return all(
        getattr(one, part).tobytes() == getattr(two, part).tobytes()
        for part in ("states", "outputs", "codes", "reached")
    )


def some(found: Run, which) -> Run:
    """A run of some members of a run."""
    parts = (found.states[which], found.outputs[which], found.codes[which], found.reached[which])
    return Run(found.signals, found.times, *parts, found.reasons)


def signals_are_a_table_with_a_state(example):
    assert isinstance(example.model.signals, Signals)
    assert example.model.name


def arrays_have_the_shapes_drawn(example):
    found = run(example, *members_of(example, 3))
    signals = example.model.signals
    assert found.states.shape == (3, len(example.times), len(signals.columns("state")))
    assert found.outputs.shape == (3, len(example.times), len(signals.columns("output")))
    assert found.codes.shape == found.reached.shape == (3,)


def starts_are_kept_at_the_first_time(example):
    states, parameters = members_of(example, 3)
    assert np.array_equal(run(example, states, parameters).states[:, 0], states)


def arguments_are_left_alone(example):
    states, parameters = members_of(example, 3)
    before = states.tobytes() + parameters.tobytes()
    run(example, states, parameters)
    assert states.tobytes() + parameters.tobytes() == before


def twice_gives_the_same_bits(example):
    given = members_of(example, 3)
    assert same(run(example, *given), run(example, *given))


def order_of_members_does_not_matter(example):
    states, parameters = members_of(example, 5)
    shuffled = np.array([3, 0, 4, 2, 1])
    mixed = run(example, states[shuffled], parameters[shuffled])
    assert same(mixed, some(run(example, states, parameters), shuffled))


def many_equal_runs_of_one(example):
    states, parameters = members_of(example, 4)
    together = run(example, states, parameters)
    for i in range(4):
        one = run(example, states[i : i + 1], parameters[i : i + 1])
        assert same(one, some(together, slice(i, i + 1)))


def threads_change_nothing(example):
    states, parameters = members_of(example, 520)
    together = run(example, states, parameters)
    alone = run(example, states[500:], parameters[500:])
    assert same(alone, some(together, slice(500, None)))


def a_run_cut_in_two_agrees(example):
    if not example.model.traits.rewindable:
        return
    states, parameters = members_of(example, 3)
    whole = run(example, states, parameters)
    cut = len(example.times) // 2
    first = run(example, states, parameters, example.times[: cut + 1])
    second = run(example, first.states[:, -1].copy(), parameters, example.times[cut:])
    scale = np.nanmax(np.abs(whole.states), axis=(0, 1)) + 1e-9
    going = whole.codes == 0
    error = np.abs(second.states[going] - whole.states[going, cut:]) / scale
    assert error.max(initial=0.0) < example.tolerance, error.max()


def more_samples_change_nothing_but_the_last_digits(example):
    states, parameters = members_of(example, 2)
    few = run(example, states, parameters)
    middles = np.convolve(example.times, [0.5, 0.5], "valid")
    grid = np.sort(np.concatenate([example.times, middles]))
    many = run(example, states, parameters, grid)
    scale = np.nanmax(np.abs(few.states), axis=(0, 1)) + 1e-9
    error = np.abs(many.states[:, ::2] - few.states) / scale
    assert np.nanmax(error) < example.tolerance, np.nanmax(error)


def one_sample_gives_the_start(example):
    states, parameters = members_of(example, 2)
    assert np.array_equal(run(example, states, parameters, [5.0]).states[:, 0], states)


def a_repeated_time_gives_the_same_state_twice(example):
    last = example.times[-1]
    found = run(example, *members_of(example, 2), times=[*example.times, last, last])
    assert np.array_equal(found.states[:, -1], found.states[:, -2], equal_nan=True)
    assert np.array_equal(found.outputs[:, -1], found.outputs[:, -2], equal_nan=True)


def the_uncompiled_answer_is_the_same_but_for_rounding(example):
    model = example.model
    if not hasattr(model, "_plain"):
        return
    grid = np.array(example.times)
    states, parameters = members_of(example, 2)
    wind = forcing(model.signals, example.inputs)
    plain = model._run(model._plain, grid, states, parameters, wind, 2**62)
    compiled = run(example, states, parameters)
    assert np.array_equal(plain.codes, compiled.codes)
    assert [(i, e) for i, _, e in plain.events] == [(i, e) for i, _, e in compiled.events]
    for one, two in ((plain.states, compiled.states), (plain.outputs, compiled.outputs)):
        scale = np.nanmax(np.abs(two), axis=(0, 1), initial=1e-9)
        assert np.nanmax(np.abs(one - two) / scale, initial=0.0) < 1e-10


def a_broken_member_leaves_the_others_alone(example):
    states, parameters = members_of(example, 4)
    healthy = run(example, states, parameters)
    broken = states.copy()
    broken[1, 0] = np.nan
    found = run(example, broken, parameters)
    assert found.codes[1] > 0
    assert [i for i, why in found.failed if why] == [1]
    assert np.isnan(found.states[1, 1:]).all()
    others = [0, 2, 3]
    assert same(some(found, others), some(healthy, others))


def unknown_names_and_shapes_are_refused(example):
    signals = example.model.signals
    n = len(signals.columns("state"))
    for values in ({"no_such_signal": 1.0}, np.zeros((2, n + 1)), np.full((1, n), np.nan)):
        with pytest.raises(SongsinhError, match=r"; .+"):
            columns(signals, "state", values)


CHECKS = (
    signals_are_a_table_with_a_state,
    arrays_have_the_shapes_drawn,
    starts_are_kept_at_the_first_time,
    arguments_are_left_alone,
    twice_gives_the_same_bits,
    order_of_members_does_not_matter,
    many_equal_runs_of_one,
    threads_change_nothing,
    a_run_cut_in_two_agrees,
    more_samples_change_nothing_but_the_last_digits,
    one_sample_gives_the_start,
    a_repeated_time_gives_the_same_state_twice,
    the_uncompiled_answer_is_the_same_but_for_rounding,
    a_broken_member_leaves_the_others_alone,
    unknown_names_and_shapes_are_refused,
)


def check_model(example: Example) -> list[str]:
    """Run every check on a model; returns the names of the checks run."""
    done = []
    for check in CHECKS:
        check(example)
        done.append(check.__name__)
    return done
