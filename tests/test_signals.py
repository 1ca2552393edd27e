"""Laws of units, signals and their table."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh.errors import BoundsError, DataError, SignalError, UnitError
from songsinh.signals import Signal, Signals, input_, output, parameter, state
from songsinh.units import UNITS, check_unit, from_si, to_si

values = st.floats(-1e9, 1e9, allow_subnormal=False)


@given(values, st.sampled_from(sorted(UNITS)))
def test_to_si_and_back_gives_the_value(value, unit):
    scale = abs(value) + abs(check_unit(unit).offset / check_unit(unit).factor)
    assert math.isclose(from_si(to_si(value, unit), unit), value, abs_tol=1e-12 * scale + 1e-300)


@given(st.lists(values, min_size=1), st.sampled_from(sorted(UNITS)))
def test_an_array_converts_as_its_numbers_do(numbers, unit):
    np.testing.assert_array_equal(to_si(numbers, unit), [to_si(x, unit) for x in numbers])


@pytest.mark.parametrize(
    ("value", "unit", "si", "expected"),
    [
        (1.0, "Ah", "C", 3600.0),
        (-40.0, "degF", "K", 233.15),
        (36.0, "km/h", "m/s", 10.0),
        (1.0, "W/m2/K", "W/m2/K", 1.0),
        (2.0, "kN.m", "N.m", 2000.0),
        (1.0, "g/cm3", "kg/m3", 1000.0),
        (60.0, "rpm", "rad/s", 2 * math.pi),
    ],
)
def test_units_agree_with_their_definitions(value, unit, si, expected):
    assert check_unit(unit).si == si
    assert math.isclose(to_si(value, unit), expected, rel_tol=1e-12)


@pytest.mark.parametrize("unit", ["", "kwh", "m..s", "km/", "degC/s", "m0", "volts", "/s"])
def test_a_wrong_unit_is_named_with_a_remedy(unit):
    with pytest.raises(UnitError, match=r"is not a unit; |write 'K'"):
        check_unit(unit)


def test_a_near_unit_is_offered():
    with pytest.raises(UnitError, match="did you mean 'kWh'"):
        check_unit("kwh")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: state("2nd"), SignalError, "cannot be called '2nd'"),
        (lambda: state("_hidden"), SignalError, "cannot be called '_hidden'"),
        (lambda: state("class"), SignalError, "cannot be called 'class'"),
        (lambda: state("x", size=0), SignalError, "size 0"),
        (lambda: Signal("x", kind="knob"), SignalError, "kind 'knob'; use one of state"),
        (lambda: state("x", "metre"), UnitError, "signal 'x': 'metre' is not a unit"),
        (lambda: state("x", lower=2.0, upper=1.0), BoundsError, "lower bound 2"),
        (lambda: state("x", start=3.0, upper=1.0), BoundsError, "starts at 3, outside"),
        (lambda: state("x", start=math.nan), BoundsError, "starts at nan"),
        (lambda: Signals((state("x"), output("x"))), SignalError, "two signals are called 'x'"),
        (lambda: Signals((state("soc"),))["sco"], SignalError, "did you mean 'soc'"),
        (lambda: Signals((state("v", size=2),)).index("v[2]"), SignalError, r"'v\[2\]'"),
    ],
)
def test_a_badly_declared_signal_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_values_outside_the_bounds_are_named():
    capacity = parameter("capacity", "C", 1.0, lower=0.0, upper=2.0)
    capacity.check([0.0, 2.0])
    for wrong in (-1.0, 2.5, math.nan):
        with pytest.raises(BoundsError, match=f"'capacity' is {wrong:g} C, outside"):
            capacity.check([1.0, wrong])


@given(st.lists(st.tuples(st.sampled_from([state, parameter, input_]), st.integers(1, 4))))
def test_every_column_is_where_the_table_says(kinds):
    rows = tuple(make(f"s{i}", "1", float(i), size=n) for i, (make, n) in enumerate(kinds))
    table = Signals(rows)
    for row in rows:
        columns = table.columns(row.kind)
        assert columns[table.span(row.name)] == row.columns
        assert all(columns[table.index(column)] == column for column in row.columns)
        assert set(table.start(row.kind)[table.span(row.name)]) == {row.start}
        assert len(table.lower(row.kind)) == len(table.upper(row.kind)) == len(columns)
    assert sum(len(table.columns(k)) for k in ("state", "parameter", "input")) == sum(
        n for _, n in kinds
    )


def test_a_data_error_survives_pickling_whole():
    error = DataError("is wrong; mend it", file="a.csv", row=2, column="v", value=3)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.row, copy.value) == (str(error), 2, 3)
    assert str(error) == "a.csv, row 2, column 'v': 3 is wrong; mend it"


@pytest.mark.parametrize("unit", ["m/s^2", "m/s²", "W/m²/K", "N·m", "m³/s", "N*m"])
def test_powers_and_products_may_be_written_as_in_print(unit):
    plain = unit.replace("^", "").replace("²", "2").replace("³", "3")
    assert check_unit(unit) == check_unit(plain.replace("·", ".").replace("*", "."))
