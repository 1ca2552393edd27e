"""Battery recordings: what the laboratory published is what the reader finds."""

import gzip
from dataclasses import replace

import numpy as np
import polars
import pytest

from songsinh.errors import DataError
from songsinh.sectors.battery.data import (
    FITTING,
    HELD_OUT,
    RECORDINGS,
    SHIPPED,
    fitting_cells,
    read_cells,
    shipped_cells,
)

CURVE = "battery,cycle_num,Time,Voltage_measured,Current_measured,Temperature_measured\n"
CAPACITY = "battery,discharge_no,start,capacity_ah\n"


def curve(volts=None, cell="X1", number=1, amps=2.0):
    """A discharge at a steady current, falling in a line from 4.2 V."""
    volts = np.linspace(4.2, 2.5, 35) if volts is None else volts
    rows = [f"{cell},{number},{100 * k},{v},{-amps},24.0" for k, v in enumerate(volts)]
    return "\n".join(rows) + "\n"


def wrote(folder, text, name="cells.csv"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_capacity_counted_from_a_curve_is_the_published_one(name):
    """Published: capacity_ah of the NASA files, to within 0.1 mAh."""
    cell = shipped_cells()[name]
    published = read_cells([RECORDINGS / "capacity.csv.gz"])[name].capacities_ah
    counted = np.array([one.capacity_ah for one in cell.discharges])
    assert len(cell.discharges) == len(cell) == len(published)
    assert np.abs(counted - published).max() < 1e-4


def test_the_ends_of_life_that_the_laboratory_reports_are_there():
    cells = shipped_cells()
    below = {name: np.flatnonzero(cells[name].capacities_ah < 1.4) for name in HELD_OUT}
    assert cells["B0005"].numbers[below["B0005"][0]] == 125
    assert cells["B0006"].numbers[below["B0006"][0]] == 109
    assert not len(below["B0007"])
    assert cells["B0005"].capacities_ah[0] == pytest.approx(1.8565, abs=1e-4)


def test_nothing_held_out_is_among_the_cells_for_fitting():
    cells = fitting_cells()
    assert set(cells) == set(FITTING)
    assert "B0007" not in cells
    for name, first in HELD_OUT.items():
        if name in cells:
            assert max(one.number for one in cells[name].discharges) == first - 1
            assert cells[name].numbers.max() == first - 1
            assert len(cells[name].capacities_ah) == first - 1


def test_what_ships_is_small_and_in_si():
    assert sum(file.stat().st_size for file in RECORDINGS.iterdir()) < 1.8e6
    one = shipped_cells()["B0005"].discharges[0]
    assert one.times[0] == 0
    assert 1.9 < one.current.max() < 2.1
    assert 290 < one.temperature.min() < one.temperature.max() < 320
    assert one.start == pytest.approx(1207149941.0)  # 2008-04-02 15:25:41


def test_a_line_of_steady_current_holds_the_charge_down_to_the_cut_off(tmp_path):
    """At 2 A the first sample below 2.7 V, at 3100 s, ends 2 A x 3100 s."""
    cell = read_cells([wrote(tmp_path, CURVE + curve())])["X1"]
    one = cell.discharges[0]
    assert one.voltage[one.last] < 2.7 <= one.voltage[one.last - 1]
    assert one.capacity_ah == pytest.approx(2.0 * one.times[one.last] / 3600)
    assert cell.capacities_ah[0] == one.capacity_ah
    assert one.charge_left[one.last] == 0
    assert np.isnan(cell.starts).all()
    assert np.isnan(cell.rests_h[1:]).all()


def test_csv_gz_and_parquet_hold_the_same(tmp_path):
    plain = wrote(tmp_path, CURVE + curve())
    zipped = tmp_path / "cells.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    polars.read_csv(plain).write_parquet(tmp_path / "cells.parquet")
    found = [read_cells([p])["X1"] for p in (plain, zipped, tmp_path / "cells.parquet")]
    for cell in found[1:]:
        assert np.array_equal(cell.discharges[0].voltage, found[0].discharges[0].voltage)


def test_a_cell_with_capacities_alone_has_no_curve_but_its_rests(tmp_path):
    """Gaps of 1, 1, 25 h: the median so far is 1 h, so the last rest is 24 h."""
    days = ("2020-01-01 00", "2020-01-01 01", "2020-01-01 02", "2020-01-02 03")
    rows = "".join(f"X1,{n + 1},{day}:00:00,1.{9 - n}\n" for n, day in enumerate(days))
    cell = read_cells([wrote(tmp_path, CAPACITY + rows)])["X1"]
    assert cell.discharges == ()
    assert cell.capacities_ah.tolist() == [1.9, 1.8, 1.7, 1.6]
    assert cell.rests_h.tolist() == [0, 0, 0, 24]


def test_an_unmeasured_capacity_is_missing_not_wrong(tmp_path):
    cell = read_cells([wrote(tmp_path, CAPACITY + "X1,1,,\nX1,2,,1.8\n")])["X1"]
    assert np.isnan(cell.capacities_ah[0])
    assert cell.capacities_ah[1] == 1.8


def test_a_discharge_of_a_few_samples_is_left_out(tmp_path):
    path = wrote(tmp_path, CURVE + curve() + curve([4.0, 3.0, 2.0], number=2))
    cell = read_cells([path])["X1"]
    assert [one.number for one in cell.discharges] == [1]
    assert len(cell) == 2


def test_a_cell_as_it_was_knows_nothing_later():
    cell = shipped_cells()["B0005"].upto(10)
    assert len(cell) == len(cell.discharges) == 10
    assert replace(cell, name="other").name == "other"


WRONG = {
    "text": (CURVE + "X1,1,0,4.2,-2,24\nX1,1,1,high,-2,24\n", r"row 3, column 'Voltage.*'high' is"),
    "empty": (CURVE + "X1,1,0,4.2,-2,24\nX1,1,1,,-2,24\n", r"row 3, column 'Voltage.*empty cell"),
    "nan": (CURVE + "X1,1,0,4.2,nan,24\n", r"row 2, column 'Current.*fill the cell"),
    "infinite": (CURVE + "X1,1,0,inf,-2,24\n", r"row 2, column 'Voltage.*check the unit"),
    "backwards": (CURVE + "X1,1,5,4.2,-2,24\nX1,1,4,4.1,-2,24\n", r"row 3.*4\.0 runs backwards"),
    "half": (CURVE + "X1,1.5,0,4.2,-2,24\n", r"row 2, column 'cycle_num'.*whole number"),
    "torn": (CURVE + curve() + curve(number=2) + curve(), r"row 72.*begins a second time"),
    "column": ("battery,cycle_num,Time\nX1,1,0\n", r"'Voltage_measured' is missing"),
    "rows": (CURVE, r"holds no rows"),
    "negative": (CAPACITY + "X1,1,,-1\n", r"row 2, column 'capacity_ah'.*'-1' lies outside"),
    "twice": (CAPACITY + "X1,1,,1\nX1,1,,1\n", r"row 3, column 'discharge_no': 1 stands twice"),
    "date": (CAPACITY + "X1,1,yesterday,1\n", r"row 2, column 'start': 'yesterday' is no time"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_bad_file_is_named_with_row_value_and_remedy(tmp_path, fault):
    text, message = WRONG[fault]
    with pytest.raises(DataError, match=message) as caught:
        read_cells([wrote(tmp_path, text)])
    assert "cells.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_an_unknown_ending_and_a_recording_given_twice_are_refused(tmp_path):
    path = wrote(tmp_path, CURVE + curve())
    with pytest.raises(DataError, match="no such file; check the path"):
        read_cells([tmp_path / "none.csv"])
    with pytest.raises(DataError, match=r"use \.csv, \.csv\.gz or \.parquet"):
        read_cells([wrote(tmp_path, "", "cells.xls")])
    with pytest.raises(DataError, match="repeats discharge 1 of cell 'X1'"):
        read_cells([path, path])
