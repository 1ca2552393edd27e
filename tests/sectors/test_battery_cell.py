"""The battery cell: its laws, its fit, and how it follows cells it was not fitted to."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from songsinh.errors import CalibrationError, DataError
from songsinh.models import simulate
from songsinh.sectors.battery import fitting
from songsinh.sectors.battery.cell import (
    HEAT_KNOTS,
    cell_model,
    constants,
    drive,
    initial,
    lookup,
    rate,
    shared_values,
)
from songsinh.sectors.battery.charge import follow_charge
from songsinh.sectors.battery.data import FITTING, HELD_OUT, fitting_cells, shipped_cells
from songsinh.sectors.battery.fitting import PICKS, QUICK_PICKS, fit_shared, picked, store
from songsinh.sectors.battery.tracking import track
from songsinh.series import Series

MODEL = cell_model()


def window(name, first, last):
    """A held-out cell, its curves from one discharge to another only."""
    cell = shipped_cells()[name]
    curves = tuple(one for one in cell.discharges if first <= one.number <= last)
    return replace(cell, discharges=curves)


@pytest.fixture(scope="module")
def followed():
    """The three held-out cells, each tracked over a few discharges late in life."""
    windows = (("B0005", 89, 100), ("B0006", 109, 120), ("B0007", 139, 150))
    return [(window(*which), track(window(*which))) for which in windows]


@settings(max_examples=25)
@given(st.lists(st.floats(-1.0, 2.0), min_size=3, max_size=12), st.floats(0.8, 2.5))
def test_charge_is_conserved(currents, capacity):
    """What leaves the full cell is what its state of charge loses: to rounding."""
    times = np.linspace(0, 1500, len(currents))
    inputs = Series(times, np.array(currents)[:, None], ("current",))
    run = simulate(
        MODEL, times, states={"soc": 0.8}, parameters={"capacity_ah": capacity}, inputs=inputs
    )
    drawn = np.concatenate(
        [[0.0], np.cumsum(0.5 * np.diff(times) * (np.array(currents)[1:] + currents[:-1]))]
    )
    assert np.allclose(3600 * capacity * (0.8 - run["soc"][0]), drawn, rtol=0, atol=1e-8)


def test_at_rest_the_cell_shows_its_open_circuit_voltage_and_takes_the_air_s_warmth():
    run = simulate(
        MODEL,
        [0.0, 20_000.0],
        states={"soc": 0.6, "polarisation": 0.05, "temperature": 310.0},
        inputs=Series([0.0], [[0.0, 297.0]], ("current", "ambient")),
    )
    assert run["soc"][0, 1] == 0.6
    assert run["voltage"][0, 1] == pytest.approx(run["open_circuit"][0, 1], abs=1e-9)
    assert run["temperature"][0, 1] == pytest.approx(297.0, abs=1e-3)


def test_open_circuit_voltage_rises_with_charge():
    soc = np.linspace(0.0, 1.0, 101)
    run = simulate(MODEL, [0.0], states={"soc": soc})
    assert (np.diff(run["open_circuit"][:, 0]) > 0).all()
    assert run["open_circuit"][-1, 0] == pytest.approx(4.2, abs=0.05)


def test_a_discharge_is_what_scipy_makes_of_the_same_equations():
    """An independent solver at rtol 1e-10 agrees within 0.01 mV of polarisation and 1 mK."""
    signals = MODEL.signals
    values = dict(zip(signals.columns("parameter"), signals.start("parameter"), strict=True))
    values["correction"] = np.zeros(19)
    p = type("P", (), values)
    u = type("U", (), {"current": 2.0, "ambient": 297.0})

    def law(t, x):
        s = type("S", (), dict(zip(("soc", "polarisation", "temperature"), x, strict=True)))
        return rate(t, s, u, p)

    start = [1.0, 0.0, 297.0]
    times = np.linspace(0, 3000, 31)
    other = solve_ivp(law, (0, 3000), start, t_eval=times, rtol=1e-10, atol=1e-12)
    run = simulate(
        *(MODEL, times),
        states=[start],
        inputs=Series([0.0], [[2.0, 297.0]], ("current", "ambient")),
    )
    assert np.abs(run["polarisation"][0] - other.y[1]).max() < 1e-5
    assert np.abs(run["temperature"][0] - other.y[2]).max() < 1e-3


def test_a_line_through_knots_is_level_beyond_them():
    values = tuple(float(k) for k in range(len(HEAT_KNOTS)))
    for k, knot in enumerate(HEAT_KNOTS):
        assert lookup(knot, HEAT_KNOTS, values) == pytest.approx(k)
    assert lookup(-1.0, HEAT_KNOTS, values) == 0
    assert lookup(2.0, HEAT_KNOTS, values) == len(values) - 1
    area, _ = quad(lambda x: lookup(x, HEAT_KNOTS, values), 0, 1, limit=200)
    assert area == pytest.approx(np.trapezoid(values, HEAT_KNOTS), abs=1e-6)


def test_the_stored_constants_come_from_the_fitting_part_of_these_recordings():
    about = constants()
    picks = [tuple(pick) for pick in about["discharges"]]
    assert tuple(picks) == PICKS
    for name, number in picks:
        assert name in FITTING
        assert number < HELD_OUT.get(name, 10_000)
    assert about["checksum"] == fitting.checksum(picked(fitting_cells(), PICKS))
    assert about["converged"]
    assert about["residual"]["voltage"] < 0.010  # V
    assert about["residual"]["temperature"] < 0.5  # K
    assert max(about["voltage_rmse_mv"].values()) < 25
    assert set(about["verdicts"]) == set(about["values"]) == set(shared_values())


def test_a_fit_sees_no_row_that_is_held_out(monkeypatch):
    """Every reading that reaches `calibrate` is one of the picked discharges."""
    seen = []

    def spy(model, experiments, **_):
        seen.extend(experiments)
        raise CalibrationError("enough")

    monkeypatch.setattr(fitting, "calibrate", spy)
    with pytest.raises(CalibrationError, match="enough"):
        fit_shared()
    assert [one.name for one in seen] == [f"{cell} {number}" for cell, number in PICKS]
    allowed = {
        (one.cell, one.number): set(one.voltage.tolist())
        for cell in fitting_cells().values()
        for one in cell.discharges
    }
    for pick, one in zip(PICKS, seen, strict=True):
        assert set(one.readings["voltage"].tolist()) <= allowed[pick]


@pytest.mark.parametrize("pick", [("B0007", 1), ("B0005", 61), ("B0099", 1)])
def test_a_held_out_discharge_cannot_be_picked(pick):
    with pytest.raises(DataError, match=f"no curve of discharge {pick[1]} of cell '{pick[0]}'"):
        fit_shared(picks=[pick])


def test_a_quick_fit_lands_near_the_stored_constants(tmp_path, followed):
    """Seven discharges instead of 26: each curve within 6 mV, held-out forecasts within 2 mV."""
    told = []
    fit = fit_shared(picks=QUICK_PICKS, progress=lambda what, share: told.append(share))
    stored = constants()["voltage_rmse_mv"]
    for (name, number), error in fit.curves_mv.items():
        assert error < stored[f"{name} {number}"] + 6
    cell, stored_told = followed[0]
    quick_told = track(cell, shared=fit.values)
    apart = np.median(quick_told.errors[4:]) - np.median(stored_told.errors[4:])
    assert abs(apart) < 0.002
    assert told[-1] == 1
    kept = json.loads(store(fit, tmp_path / "constants.json").read_text())
    assert kept["values"] == dict(fit.values)
    assert len(kept["discharges"]) == len(QUICK_PICKS)


def test_a_forecast_uses_only_the_current_of_its_discharge_and_what_came_before():
    cell = shipped_cells()["B0007"].upto(4)
    spoiled = [
        replace(one, voltage=one.voltage[::-1].copy()) if one.number == 4 else one
        for one in cell.discharges
    ]
    plain = track(cell)
    other = track(replace(cell, discharges=tuple(spoiled)))
    for ours, theirs in zip(plain.voltages, other.voltages, strict=True):
        assert np.array_equal(ours, theirs)


def test_held_out_voltages_are_foretold_within_25_mv_and_better_than_by_repeating(followed):
    settled = slice(4, None)  # four discharges to learn the cell from
    ours, walk, exponential = (
        np.concatenate([getattr(told, name)[settled] for _, told in followed])
        for name in ("errors", "walk", "exponential")
    )
    assert ours.max() < 0.025
    assert np.median(ours) < 0.8 * np.median(walk)
    assert np.median(ours) < 0.5 * np.median(exponential)
    assert all(told.heat_errors[settled].max() < 1.5 for _, told in followed)


def test_charge_is_followed_within_2_percent_from_a_wrong_start(followed):
    for cell, told in followed:
        found = follow_charge(cell.discharges[-1], told.before[-1])
        assert found.error < 0.02
        assert found.error < found.coulomb / 4
        assert found.error < found.constant / 10
        again = follow_charge(cell.discharges[-1], told.before[-1])
        assert np.array_equal(again.soc, found.soc)


def test_a_curve_that_ends_at_once_teaches_nothing_and_breaks_nothing():
    cell = shipped_cells()["B0005"].upto(3)
    second = cell.discharges[1]
    flat = replace(second, voltage=np.where(second.loaded, 2.0, second.voltage))
    told = track(replace(cell, discharges=(cell.discharges[0], flat, cell.discharges[2])))
    assert np.isfinite(told.errors).all()
    assert told.before[2].means[1:].tolist() == told.before[1].means[1:].tolist()


def test_a_cell_without_curves_cannot_be_tracked():
    with pytest.raises(DataError, match="'B0005' has no curve; give a file"):
        track(replace(shipped_cells()["B0005"], discharges=()))


def test_inputs_start_at_the_cell_s_own_warmth_and_rest_is_rest():
    one = shipped_cells()["B0005"].discharges[0]
    inputs = drive(one)
    assert inputs["current"][0] == 0
    assert (inputs["ambient"] == one.temperature[0]).all()
    assert initial(one)["temperature"] == one.temperature[0]
