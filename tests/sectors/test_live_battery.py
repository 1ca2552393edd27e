"""The battery followed live: its twins, the bands of what they foretell, and the replays."""

from functools import cache

import numpy as np
import polars as pl
import pytest

from songsinh.errors import DataError, PilotError
from songsinh.models import simulate
from songsinh.sectors import build, load
from songsinh.sectors.battery import (
    PILOT,
    cell_model,
    examples,
    live_twin,
    recording,
    shipped_cells,
    write_recording,
)
from songsinh.series import Series, read_series
from songsinh.twin import Fleet, believe, crossing_times

PLACES = (0.1, 0.5, 0.85)  # of a discharge, where it is foretold


def fleet_of(twin):
    return Fleet(twin.model, twin.sensors, twin.noise, twin.method, twin.inputs, twin.members)


def foretold(machine, discharges):
    """Shares of readings inside 90 % bands, and errors of the foretold end in s."""
    twin, inside, ends = live_twin(machine), [], []
    fleet = fleet_of(twin)
    crowd = fleet.gather([believe(twin.model, twin.start, members=twin.members)])
    held = [[twin.expected["current"], np.nan]]
    place, begin = fleet.shown.index("voltage"), 0.0
    for number in discharges:
        one = shipped_cells((machine,))[machine].discharges[number - 1]
        fleet.renew(crowd, [0], [begin], twin.episode.states)
        rows = np.stack([one.voltage, one.temperature], axis=1)
        air = np.full(len(one.times), one.temperature[0])
        inputs = np.stack([one.current, air], axis=1)
        cuts = [int(share * one.last) for share in PLACES]
        for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            some = slice(first, last)
            times = begin + one.times[some]
            told = fleet.fold(crowd, [0] * (last - first), times, rows[some], inputs[some])
            assert not told.codes.any()
            if last == len(rows):
                break
            ahead = np.r_[one.times[last:], one.times[-1] + np.arange(30, 1200, 30.0)]
            ahead -= one.times[last - 1]
            paths = fleet.look(crowd, [0], ahead, held).shown[0, :, :, place]
            noise = twin.noise.readings["voltage"]
            low, high = np.quantile(paths[: len(rows) - last], [0.05, 0.95], axis=1)
            read = one.voltage[last:]
            inside += ((low - noise <= read) & (read <= high + noise)).tolist()
            crossed = crossing_times(ahead, paths.T, below=2.7)
            ends.append(np.median(crossed) - (one.times[one.last] - one.times[last - 1]))
        begin += one.times[-1] + 7200.0
    return np.mean(inside), np.array(ends), told


@cache
def followed():
    """A cell that nothing was fitted to, some discharges of its middle age."""
    return foretold("B0007", range(60, 72))


def test_the_live_law_is_the_pilots_law():
    """With no offset and no mismatch the two differ by the correction alone, at most 80 mV."""
    load = Series([0.0], [[2.0, 297.0]], ("current", "ambient"))
    own = {"capacity_ah": 1.8, "resistance": 0.95, "rise": 0.4, "thermal_resistance": 19.0}
    times = np.arange(0.0, 3000.0, 100.0)
    ours = simulate(live_twin("B0005").model, times, parameters=own, inputs=load)
    theirs = simulate(cell_model(), times, parameters=own, inputs=load)
    for name in ("soc", "polarisation", "temperature"):
        assert np.allclose(ours[name], theirs[name], rtol=1e-9)
    assert np.abs(ours["voltage"] - theirs["voltage"]).max() < 0.08
    assert np.allclose(ours["charge_left"], 1.8 * ours["soc"])


def test_few_columns_are_corrected_and_none_is_shared():
    signals = live_twin("B0005").model.signals
    assert len(signals.columns("state")) + len(signals.columns("parameter")) <= 9


def test_bands_of_a_cell_never_seen_hold():
    covered, _, _ = followed()
    assert covered >= 0.85


def test_the_end_of_a_discharge_is_foretold_within_a_minute():
    _, ends, _ = followed()
    assert np.median(np.abs(ends[3:])) < 60
    assert np.isfinite(ends).all()


def test_the_capacity_it_comes_to_is_the_one_that_was_counted():
    _, _, told = followed()
    column = fleet_of(live_twin("B0007")).columns.index("capacity_ah")
    counted = shipped_cells(("B0007",))["B0007"].discharges[70].capacity_ah
    assert told.means[-1, column] == pytest.approx(counted, abs=0.05)


def test_every_machine_has_a_twin_and_others_are_told_near_names():
    pilot = load("battery-v1")
    assert pilot is PILOT
    assert {"B0005", "B0006", "B0007"} <= set(pilot.machines)
    for machine in pilot.machines:
        twin = pilot.twin(machine)
        assert twin.name == machine.lower()
        assert twin.read == ("voltage", "temperature", "current", "ambient")
        assert {alarm.signal for alarm in twin.alarms} <= {row.name for row in twin.model.signals}
        assert all(alarm.advice for alarm in twin.alarms)
    with pytest.raises(PilotError, match="did you mean 'B0005'"):
        live_twin("B005")


def test_what_may_be_drawn_is_asked_for_as_long_as_the_question_says():
    (question,) = live_twin("B0005").questions
    assert f"{question.horizon / 60:.0f} minutes" in question.title
    assert question.horizon == 1200.0


def test_a_twin_begins_broad_enough_for_a_cell_of_any_age():
    """From the youngest shipped cell to the oldest, within about two standard deviations."""
    mean, sd = live_twin("B0005").start["capacity_ah"]
    ages = [cell.capacities_ah for cell in shipped_cells().values()]
    lowest, highest = min(map(min, ages)), max(map(max, ages))
    assert mean - 2 * sd < lowest
    assert highest < mean + 2 * sd


def test_twins_of_all_cells_go_together_in_one_fleet():
    one, other = live_twin("B0005"), live_twin("B0007")
    assert one.model is other.model
    assert one.noise == other.noise


def test_a_recording_keeps_its_gaps_but_shortens_them():
    series = recording("B0005", 88, 92)  # a rest of two days lies between 89 and 90
    assert series.names == ("current", "voltage", "temperature", "ambient")
    steps = np.diff(series.times)
    gaps = steps[steps > 1800]
    assert np.allclose(gaps, 2400.0)
    assert len(gaps) == 4
    real = shipped_cells(("B0005",))["B0005"].discharges[87]
    assert series.times[0] == real.start
    assert series["voltage"][: len(real.times)].tolist() == real.voltage.tolist()
    assert (series["ambient"][: len(real.times)] == real.temperature[0]).all()
    for wrong in (("B9999", 1, None), ("B0005", 500, None)):
        with pytest.raises(DataError):
            recording(*wrong)


def test_a_recording_is_written_as_a_replay_reads_it(tmp_path):
    path = write_recording("B0029", tmp_path / "b0029.parquet", first=30)
    assert pl.read_parquet(path).columns == [
        *("time", "current", "voltage", "temperature", "ambient")
    ]
    assert read_series(path) == recording("B0029", 30)


def test_the_examples_build_and_are_of_different_ages():
    found = examples()
    assert len(found) >= 3
    ages = []
    for one in found:
        twin = build(one["recipe"])
        assert twin.name == one["replay"]["twin"] == one["recipe"]["name"]
        cell = shipped_cells((one["machine"],))[one["machine"]]
        ages.append(cell.capacities_ah[one["first"] - 1])
        assert one["replay"]["rest"] > twin.episode.gap
    assert max(ages) > 1.8
    assert min(ages) < 1.5
