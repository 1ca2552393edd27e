"""Sparkplug B: births, aliases, deaths, requests for birth, and hostile payloads."""

import asyncio
import struct

import aiomqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.errors import SettingError
from songsinh.live.readings import Quality, Row
from songsinh.live.refusals import Reason, Refused
from songsinh.live.sources import read_settings
from songsinh.live.sources.payloads import BOOLEAN, encode, payload_type
from songsinh.live.sources.sparkplug import Nodes, Sparkplug
from tests.live.desks import NOW, desk
from tests.live.sources.takers import Taker, running

STAMP = int(NOW * 1000)
DOUBLE = 10


def topic(kind, device="b5", node="edge1"):
    return f"spBv1.0/plant/{kind}/{node}" + (f"/{device}" if kind[0] == "D" else "")


def metric(name=None, alias=None, value=None, **more):
    fields = {"name": name, "alias": alias, "double_value": value, "timestamp": STAMP} | more
    return {key: field for key, field in fields.items() if field is not None}


def birth(*metrics, life=0, seq=0):
    count = {"name": "bdSeq", "datatype": 8, "long_value": life}
    return encode([count, *metrics], timestamp=STAMP, seq=seq)


def born(nodes, *metrics):
    """Nodes that know one edge node with device b5."""
    nodes.read(topic("NBIRTH"), birth())
    return nodes.read(topic("DBIRTH"), encode(metrics, timestamp=STAMP, seq=1))


def fresh(**more):
    return Nodes(Sparkplug("line", **more), clock=lambda: 0.0)


def test_a_birth_names_the_metrics_and_data_use_their_aliases():
    nodes = fresh()
    rows, answers = born(nodes, metric("voltage", 7, 3.5, datatype=DOUBLE))
    assert rows == [Row("b5", "voltage", NOW, 3.5)]
    assert answers == ()
    later = metric(alias=7, value=3.4, timestamp=STAMP + 1500)
    rows, answers = nodes.read(topic("DDATA"), encode([later], seq=2))
    assert rows == [Row("b5", "voltage", NOW + 1.5, 3.4)]
    assert answers == ()


def rebirths(answers):
    found = []
    for where, body in answers:
        payload = payload_type()()
        payload.ParseFromString(body)
        found.append((where, payload.metrics[0].name, payload.metrics[0].boolean_value))
    return found


def test_data_that_no_birth_explains_are_counted_and_a_birth_is_asked_for_once_in_a_while():
    now = [0.0]
    nodes = Nodes(Sparkplug("line"), clock=lambda: now[0])
    body = encode([metric(alias=7, value=3.4)], timestamp=STAMP, seq=5)
    rows, answers = nodes.read(topic("DDATA"), body)
    assert [row.reason for row in rows] == [Reason.UNKNOWN_ALIAS]
    assert rebirths(answers) == [("spBv1.0/plant/NCMD/edge1", "Node Control/Rebirth", True)]
    assert nodes.read(topic("DDATA"), body)[1] == ()
    now[0] = 10.0
    assert len(nodes.read(topic("DDATA"), body)[1]) == 1


def test_named_data_of_an_unborn_node_are_taken_and_a_birth_is_asked_for():
    rows, answers = fresh().read(topic("DDATA"), encode([metric("voltage", value=3.4)], seq=5))
    assert rows == [Row("b5", "voltage", NOW, 3.4)]
    assert len(answers) == 1


def test_a_missing_number_asks_for_a_birth_and_numbers_go_round():
    nodes = fresh()
    born(nodes, metric("voltage", 7, 3.5))
    data = [metric(alias=7, value=3.4)]
    for seq in [*range(2, 256), 0, 1]:
        assert nodes.read(topic("DDATA"), encode(data, seq=seq))[1] == ()
    rows, answers = nodes.read(topic("DDATA"), encode(data, seq=3))
    assert len(rows) == len(answers) == 1


def test_after_a_death_aliases_mean_nothing_but_a_death_of_an_earlier_life_is_nothing():
    nodes = fresh()
    nodes.read(topic("NBIRTH"), birth(life=4))
    nodes.read(topic("DBIRTH"), encode([metric("voltage", 7, 3.5)], seq=1))
    data = encode([metric(alias=7, value=3.4)], seq=2)
    old = encode([{"name": "bdSeq", "long_value": 3}])
    assert nodes.read(topic("NDEATH"), old) == ((), ())
    assert isinstance(nodes.read(topic("DDATA"), data)[0][0], Row)
    assert nodes.read(topic("DDEATH"), encode([], seq=3)) == ((), ())
    assert nodes.read(topic("DDATA"), data)[0][0].reason is Reason.UNKNOWN_ALIAS
    nodes.read(topic("DBIRTH"), encode([metric("voltage", 7, 3.5)], seq=4))
    nodes.read(topic("NDEATH"), encode([{"name": "bdSeq", "long_value": 4}]))
    assert nodes.read(topic("DDATA"), data)[0][0].reason is Reason.UNKNOWN_ALIAS


@pytest.mark.parametrize(
    ("datatype", "fields", "value"),
    [
        (1, {"int_value": 0xFF}, -1),
        (2, {"int_value": 0xFFFE}, -2),
        (3, {"int_value": 0xFFFFFFFD}, -3),
        (4, {"long_value": (1 << 64) - 4}, -4),
        (7, {"int_value": 0xFFFFFFFF}, 0xFFFFFFFF),
        (8, {"long_value": (1 << 64) - 1}, (1 << 64) - 1),
        (9, {"float_value": 1.5}, 1.5),
        (9, {"int_value": struct.unpack("<I", struct.pack("<f", 1.5))[0]}, 1.5),
        (10, {"double_value": 1.1}, 1.1),
        (10, {"long_value": struct.unpack("<Q", struct.pack("<d", 1.1))[0]}, 1.1),
        (11, {"boolean_value": True}, True),
        (11, {"int_value": 1}, True),
        (12, {"string_value": "on"}, "on"),
        (10, {"double_value": 1.1, "is_null": True}, None),
        (17, {"bytes_value": b"x"}, None),
        (10, {}, None),
    ],
)
def test_each_datatype_has_its_value(datatype, fields, value):
    sent = {"name": "voltage", "datatype": datatype, "timestamp": STAMP} | fields
    rows, _ = fresh().read(topic("DBIRTH"), encode([sent]))
    assert rows == [Row("b5", "voltage", NOW, value)]
    # data without a datatype have that of the birth
    nodes = fresh()
    born(nodes, sent | {"alias": 3})
    later = {"alias": 3, "timestamp": STAMP} | fields
    assert nodes.read(topic("DDATA"), encode([later], seq=2))[0] == rows


@pytest.mark.parametrize(
    ("code", "quality"), [(192, 0), (216, 0), (64, 1), (0, 2), (28, 2), (500, 1)]
)
def test_the_quality_property_is_heard(code, quality):
    properties = {"keys": ["Quality"], "values": [{"type": 3, "int_value": code}]}
    rows, _ = fresh().read(topic("DDATA"), encode([metric("v", value=1.0, properties=properties)]))
    assert rows[0].quality == Quality(quality)


def test_metrics_about_the_node_are_no_readings():
    about = [metric("Node Control/Rebirth", boolean_value=False), metric("Properties/Maker")]
    assert fresh().read(topic("NBIRTH"), birth(*about))[0] == []


def test_names_and_units_may_be_mapped():
    nodes = fresh(
        twin="{node}-{device}",
        twins={"edge1-b5": "b0005"},
        signals={"U": {"signal": "voltage", "unit": "mV"}},
    )
    rows, _ = nodes.read(topic("DDATA"), encode([metric("U", value=3900.0)]))
    assert rows == [Row("b0005", "voltage", NOW, 3.9)]
    rows, _ = nodes.read(topic("DDATA", "b6"), encode([metric("I", value=1.0)]))
    assert rows == [Row("edge1-b6", "I", NOW, 1.0)]
    rows, _ = fresh().read(topic("NDATA"), encode([metric("U", value=1.0)]))
    assert rows[0].twin == "edge1"


@pytest.mark.parametrize(
    ("given", "said"),
    [({"group": "a/b"}, "not one level"), ({"twin": "{device.x}"}, "may hold")],
)
def test_settings_that_make_no_sense_say_why(given, said):
    with pytest.raises(SettingError, match=said):
        read_settings("sparkplug", "line", given)


def deep(levels):
    """Properties inside properties, far deeper than anybody needs."""
    body = b""
    for _ in range(levels):
        body = b"\x4a" + varint(len(body)) + body
    return body


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


@pytest.mark.parametrize(
    ("where", "body", "reason"),
    [
        ("x", b"", Reason.NO_TEMPLATE),
        ("spBv1.0/plant/DDATA/edge1", b"", Reason.NO_TEMPLATE),
        ("spBv1.0/plant/XDATA/edge1", b"", Reason.NO_TEMPLATE),
        (topic("DDATA"), b"\xff\xff\xff", Reason.UNREADABLE),
        (topic("DDATA"), b"", Reason.UNREADABLE),
        (topic("DDATA"), b"\x12\x00" * 200_000, Reason.TOO_LARGE),
        (topic("DDATA"), b"\x00" * (1 << 20) + b"\x00", Reason.TOO_LARGE),
        (topic("DDATA"), b"\x12\x04\x0a\x02\xff\xfe", Reason.ENCODING),
        (topic("DDATA"), encode([{}]), Reason.UNKNOWN_ALIAS),
    ],
)
def test_hostile_payloads_are_refused_with_a_reason(where, body, reason):
    (row,), _ = fresh().read(where, body)
    assert isinstance(row, Refused)
    assert row.reason is reason


def test_depth_costs_nothing():
    inner = deep(5000)
    body = b"\x12" + varint(len(inner)) + inner
    rows, _ = fresh().read(topic("DDATA"), body)
    assert len(rows) == 1


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", ""]),
            st.binary(max_size=60)
            | st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "name": st.text(max_size=5),
                        "alias": st.integers(0, 3),
                        "datatype": st.integers(0, 20),
                        "timestamp": st.integers(0, 2**64 - 1),
                        "is_null": st.booleans(),
                        "long_value": st.integers(0, 2**64 - 1),
                    },
                ),
                max_size=4,
            ).map(encode),
        ),
        max_size=6,
    )
)
def test_whatever_comes_gives_rows_or_refusals(messages):
    nodes = fresh()
    for kind, body in messages:
        rows, answers = nodes.read(topic(kind or "X"), body)
        assert all(isinstance(row, (Row, Refused)) for row in rows)
        assert len(answers) <= 1


def test_a_late_listener_asks_by_the_broker_and_is_answered(tmp_path, broker_port):
    """An edge node that was born before we came: its answer to our request explains its data."""

    async def machine(port, heard):
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("spBv1.0/plant/NCMD/edge1", qos=1)
            heard.set()
            async for message in client.messages:
                command = payload_type()()
                command.ParseFromString(message.payload)
                if command.metrics[0].name == "Node Control/Rebirth":
                    first = metric("voltage", 7, 3.5, datatype=DOUBLE)
                    await client.publish(topic("NBIRTH"), birth(), qos=1)
                    await client.publish(topic("DBIRTH"), encode([first], seq=1), qos=1)
                    await client.publish(
                        topic("DDATA"), encode([metric(alias=7, value=3.4)], seq=2), qos=1
                    )

    async def work(taker):
        broker = {"host": "127.0.0.1", "port": broker_port}
        asked = read_settings("sparkplug", "line", {"broker": broker, "group": "plant"})
        heard = asyncio.Event()
        edge = asyncio.create_task(machine(broker_port, heard))
        async with running("sparkplug", asked, taker):
            await heard.wait()
            await taker.until(lambda: taker.notes)
            async with aiomqtt.Client("127.0.0.1", broker_port) as client:
                unexplained = encode([metric(alias=7, value=9.9)], seq=9)
                await client.publish(topic("DDATA"), unexplained, qos=1)
            await taker.until(lambda: taker.total == 3)
        edge.cancel()
        await asyncio.gather(edge, return_exceptions=True)
        assert taker.values == [3.5, 3.4]
        assert taker.refused == {"unknown alias": 1}

    with desk(tmp_path) as (door, _):
        asyncio.run(work(Taker(door, NOW)))


def test_boolean_is_the_datatype_of_commands():
    assert BOOLEAN == 11
