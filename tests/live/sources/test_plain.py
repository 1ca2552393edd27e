"""Plain JSON on topics: every message becomes rows or refusals, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songsinh.errors import SettingError
from songsinh.live.columns import spread
from songsinh.live.readings import Row
from songsinh.live.refusals import Reason, Refused
from songsinh.live.sources.measures import Measure, moment, read_measures
from songsinh.live.sources.plain import parse
from songsinh.live.sources.templates import Route, match

SIGNALS = (Route("plant/{twin}/{signal}"),)
WHOLE = (Route("plant/{twin}", unit="mV", time="ms"),)


def one(body, topic="plant/b5/voltage", routes=SIGNALS):
    (row,) = parse(topic, body, routes)
    return row


@pytest.mark.parametrize(
    ("body", "time", "value", "quality"),
    [
        (b"3.9", None, 3.9, 0),
        (b" 4 ", None, 4, 0),
        (b"true", None, True, 0),
        (b"null", None, None, 0),
        (b'"on"', None, "on", 0),
        (b'{"value": 3.9}', None, 3.9, 0),
        (b'{"value": 3.9, "time": 1.7e9, "quality": 1}', 1.7e9, 3.9, 1),
        (b'{"value": 3.9, "timestamp": "2026-01-31T12:00:00Z"}', "2026-01-31T12:00:00Z", 3.9, 0),
        (b'[{"value": 3.9, "time": 5}]', 5, 3.9, 0),
    ],
)
def test_a_message_on_a_signals_topic_is_a_reading(body, time, value, quality):
    assert one(body) == Row("b5", "voltage", time, value, quality)


def test_an_object_on_a_twins_topic_holds_its_signals():
    body = b'{"time": 1700000000000, "voltage": 3900, "current": 1000, "quality": 2}'
    assert parse("plant/b5", body, WHOLE) == [
        Row("b5", "voltage", 1.7e9, 3.9, 2),
        Row("b5", "current", 1.7e9, 1.0, 2),
    ]
    named = b'[{"signal": "voltage", "value": 1e3, "time": 2000}, {"voltage": 2e3}]'
    assert parse("plant/b5", named, WHOLE) == [
        Row("b5", "voltage", 2.0, 1.0, 0),
        Row("b5", "voltage", None, 2.0, 0),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.NO_VALUE),
        (b"{}", Reason.NO_VALUE),
        (b"[]", Reason.UNREADABLE),
        (b"[[1]]", Reason.UNREADABLE),
        (b"3.9 V", Reason.UNREADABLE),
        (b"NaN", Reason.UNREADABLE),
        (b'"\xff\xfe"', Reason.ENCODING),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"a":' * 100_000, Reason.TOO_DEEP),
        (b" " * (1 << 20) + b"1", Reason.TOO_LARGE),
    ],
)
def test_what_is_no_reading_is_refused_with_a_reason(body, reason):
    assert one(body).reason is reason


def test_a_topic_that_fits_no_template_is_refused():
    assert one(b"1", topic="other/b5/voltage").reason is Reason.NO_TEMPLATE
    assert one(b"1", topic="plant/b5/voltage/x").reason is Reason.NO_TEMPLATE
    assert one(b"{}", "plant/b5", WHOLE).reason is Reason.UNREADABLE


def test_templates_say_which_topics_are_subscribed_and_where_names_stand():
    route = Route("{any}/cells/cell-{twin}/{signal}")
    assert route.filter == "+/cells/+/+"
    assert match((route,), "hall/cells/cell-b5/voltage")[1:] == ("b5", "voltage")
    assert match((route,), "hall/cells/b5/voltage") is None
    fixed = Route("line1/temp", twin="b5", signal="temperature", unit="degC")
    assert fixed.filter == "line1/temp"
    assert one(b"25", "line1/temp", (fixed,)) == Row("b5", "temperature", None, 298.15)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"topic": "plant/{twn}"}, "did you mean 'twin'"),
        ({"topic": "plant/+/{twin}"}, "write {any} for them"),
        ({"topic": "plant/{signal}"}, "name a twin, not both"),
        ({"topic": "plant/{twin}", "twin": "b5"}, "name a twin, not both"),
        ({"topic": "{twin}/{twin}"}, "twice"),
        ({"topic": "{twin}", "time": "min"}, "use s, ms, us, ns"),
        ({"topic": "{twin}", "signals": {"U": {"unit": "mVV"}}}, "not a unit"),
        ({"topic": "{twin}", "signals": {"U": {"units": "V"}}}, "did you mean 'unit'"),
        ({"topic": "{twin}", "signals": {"U": {"scale": "2"}}}, "give a plain value"),
        ({"topic": "{twin}", "signals": {"U": 3}}, "a signal's name or a table"),
    ],
)
def test_a_route_that_makes_no_sense_says_why(settings, said):
    with pytest.raises(SettingError, match=said.replace("{", r"\{")):
        Route(**settings)


def test_a_measure_scales_then_converts_to_si():
    table = read_measures({"T1": {"signal": "temperature", "unit": "degC", "scale": 0.1}})
    assert table["T1"].si(250) == pytest.approx(298.15)
    assert Measure("soc", "%", offset=-50).si(150) == pytest.approx(1.0)
    assert Measure("soc", "%").si(True) is True
    assert Measure("soc", "%").si("x") == "x"
    assert Measure("soc", "%").si(10**400) == 10**400
    renamed = Route("{twin}", signals={"U": {"signal": "voltage", "unit": "mV"}})
    assert parse("b5", b'{"U": 1e3}', (renamed,)) == [Row("b5", "voltage", None, 1.0)]


def test_times_count_in_their_unit():
    assert [moment(t, "ms") for t in (1500, None, "2026-01-01", True)] == [
        1.5, None, "2026-01-01", True,
    ]  # fmt: skip
    assert moment(10**400, "ms") == 10**400


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["value", "time", "signal", "quality", "voltage", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def written(what):
    import json

    return json.dumps(what).encode("utf-8", "surrogatepass")


@given(
    st.one_of(st.binary(max_size=80), json.map(written)),
    st.sampled_from(["plant/b5/voltage", "plant/b5", "x", "", "plant//"]) | st.text(max_size=9),
)
def test_whatever_a_message_holds_it_is_counted(body, topic):
    found = parse(topic, body, SIGNALS + WHOLE)
    assert found
    assert all(isinstance(row, (Row, Refused)) for row in found)
    columns = spread(found)
    assert len(columns) + sum(one.number for one in columns.refused) == len(found)
