"""OPC UA by a real server in this process: values, their status and source times, and losses."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Server, ua
from hypothesis import given, settings
from hypothesis import strategies as st

from songsinh.errors import SettingError
from songsinh.live.columns import spread
from songsinh.live.refusals import Refused
from songsinh.live.sources import read_settings
from songsinh.live.sources.measures import Measure
from songsinh.live.sources.opcua import Item, row_of
from tests.live.desks import NOW, desk
from tests.live.servers import free_port
from tests.live.sources.takers import Taker, running

THEN = datetime.fromtimestamp(NOW, UTC)
BAD, UNSURE = 0x80000000, 0x40000000


@pytest.fixture(scope="module")
def line():
    """A loop, and a server in it that may be started and stopped; to make one costs seconds."""
    with asyncio.Runner() as runner:
        port = free_port()
        yield runner, port, *runner.run(make(port))


async def make(port):
    made = Server()
    await made.init()
    made.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    made.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await made.register_namespace("http://example.org/line")
    where = ua.NodeId("U1", index)
    return made, await made.nodes.objects.add_variable(where, "U1", 3500.0)


async def write(variable, value, seconds, status=0):
    stamp = THEN + timedelta(seconds=seconds)
    told = ua.DataValue(ua.Variant(value, ua.VariantType.Double), ua.StatusCode(status), stamp)
    await variable.write_value(told)


def asked(port, **more):
    items = [{"node": "ns=2;s=U1", "twin": "b5", "signal": "voltage", "unit": "mV"}]
    given = {"url": f"opc.tcp://127.0.0.1:{port}", "items": items, "interval": 0.02}
    return read_settings(
        "opcua", "line", given | {"pause": 0.05, "longest": 0.2, "timeout": 1.0} | more
    )


def play(folder, runner, work):
    with desk(folder, ahead=1e9) as (door, _):
        runner.run(work(Taker(door, NOW)))


def test_values_come_with_source_times_status_and_si_units(tmp_path, line):
    runner, port, server, variable = line

    async def work(taker):
        gone = {"node": "ns=2;s=Gone", "twin": "b5", "signal": "current"}
        items = [gone, *asked(port).items]
        await write(variable, 3500.0, 0)
        async with server, running("opcua", asked(port, items=items), taker):
            await taker.until(lambda: taker.values)
            for second, status in ((1, 0), (2, UNSURE), (3, BAD)):
                await write(variable, 3500.0 + second, second, status)
            await taker.until(lambda: taker.total == 4)
        assert taker.values == pytest.approx([3.5, 3.501, 3.502])
        assert taker.refused == {"no value": 1}  # a server gives none with a bad status
        times = [time / 1e6 - NOW for time, *_ in taker.readings]
        assert times == [0, 1, 2]
        assert [quality for *_, quality in taker.readings] == [0, 0, 1]
        assert any("does not give 'ns=2;s=Gone'" in note for note in taker.notes)

    play(tmp_path, runner, work)


def test_a_server_that_comes_late_and_goes_away_is_found_again(tmp_path, line):
    runner, port, server, variable = line

    async def work(taker):
        async with running("opcua", asked(port), taker):
            await taker.until(lambda: any("lost" in note for note in taker.notes))
            for value in (1000.0, 2000.0):
                await write(variable, value, 10)
                async with server:
                    await taker.until(lambda v=value: v / 1000 in taker.values)

    play(tmp_path, runner, work)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"items": []}, "listens to no node"),
        ({"items": [{"node": "i=1"}]}, "must be a table"),
        ({"items": [{"node": "i=1", "twin": "b5", "signal": "v", "units": "V"}]}, "'unit'"),
        ({"url": "http://example.org"}, "opc.tcp://"),
        ({"interval": 0}, "must be above 0"),
    ],
)
def test_settings_that_make_no_sense_say_why(given, said):
    with pytest.raises(SettingError, match=said):
        asked(4840, **given)
    secret = asked(4840, user="line", password="not-a-secret")
    assert "not-a-secret" not in repr(secret)


plain = st.one_of(
    st.none(), st.floats(), st.integers(-(2**31), 2**31 - 1), st.text(max_size=5), st.booleans()
)


@settings(max_examples=150)
@given(
    st.one_of(plain, st.lists(st.floats(), min_size=1, max_size=3)),
    st.integers(0, 2**32 - 1),
    st.none() | st.datetimes(),
)
def test_whatever_a_server_says_is_a_row_or_a_refusal(value, status, stamp):
    item = Item("i=1", "b5", Measure("voltage", "degC"))
    told = ua.DataValue(ua.Variant(value), ua.StatusCode(status), stamp)
    row = row_of(item, told)
    assert isinstance(row, Refused) or row.twin == "b5"
    assert len(spread([row])) + len(spread([row]).refused) == 1
    assert isinstance(row_of(item, None), Refused)
