"""OPC UA: values of chosen nodes by subscription, with the server's status and source times."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from songsinh.errors import SettingError, near
from songsinh.live.readings import Quality, Row
from songsinh.live.refusals import Reason, Refused, tidy
from songsinh.live.sources.broker import Note, Take, deliver
from songsinh.live.sources.measures import Measure

__all__ = ["Item", "Opcua", "read_items", "row_of", "run"]

SHUT: Final = 5.0  # s for a connection to close
FIELDS: Final = ("node", "twin", "signal", "unit", "scale", "offset")


@final
@dataclass(frozen=True)
class Item:
    """A node of the server, and the signal of a twin that its numbers are."""

    node: str  # "ns=2;s=Line1.Voltage"
    twin: str
    measure: Measure


@final
@dataclass(frozen=True)
class Opcua:
    """A server, how to enter, and what to listen to.

    `interval` is how often (s) the server reports, `sampling` how often it looks, 0 as fast as
    it can; `queue` is how many values of a node it keeps between reports. `security` is
    "Basic256Sha256,SignAndEncrypt,CERTIFICATE,KEY[,SERVER CERTIFICATE]", or empty.
    """

    name: str
    url: str = "opc.tcp://localhost:4840"
    items: tuple[Item, ...] = ()
    user: str = ""
    password: str = field(default="", repr=False)
    security: str = field(default="", repr=False)
    interval: float = 0.5
    sampling: float = 0.0
    queue: int = 100
    timeout: float = 4.0
    pause: float = 1.0
    longest: float = 60.0
    waiting: int = 20_000

    def __post_init__(self) -> None:
        if not self.url.startswith("opc.tcp://"):
            raise SettingError(f"the server {self.url!r} is no address; write opc.tcp://HOST:PORT")
        object.__setattr__(self, "items", read_items(self.items))
        if not self.items:
            raise SettingError(f"source {self.name!r} listens to no node; give it items")
        if not (0 < self.pause <= self.longest and self.interval > 0 and self.timeout > 0):
            raise SettingError(
                f"pause {self.pause} s, longest {self.longest} s, interval {self.interval} s and "
                f"timeout {self.timeout} s must be above 0, and the pause not the longer"
            )


def read_items(given: Sequence[Any]) -> tuple[Item, ...]:
    """Items from tables with node, twin, signal and perhaps unit, scale and offset."""
    found = []
    for what in given:
        if isinstance(what, Item):
            found.append(what)
            continue
        if not isinstance(what, Mapping) or not {"node", "twin", "signal"} <= set(what):
            raise SettingError(f"the item {what!r} must be a table with node, twin and signal")
        for key in what:
            if key not in FIELDS:
                raise SettingError(f"{key!r} of an item is not known; {near(str(key), FIELDS)}")
        rest = {key: what[key] for key in FIELDS[2:] if key in what}
        found.append(Item(str(what["node"]), str(what["twin"]), Measure(**rest)))
    return tuple(found)


def row_of(item: Item, value: Any) -> Row | Refused:
    """The reading in a DataValue of a node: SI value, source time (else server time), quality."""
    try:
        variant = getattr(value, "Value", None)
        raw = getattr(variant, "Value", None)
        stamp = value.SourceTimestamp or value.ServerTimestamp
        code = int(value.StatusCode.value) if value.StatusCode is not None else 0
        when = None if stamp is None else _seconds(stamp)
    except Exception as error:  # a server may fill in anything
        return Refused(Reason.UNREADABLE, tidy(f"{item.node}: {error}"))
    # the two highest bits say good, uncertain, bad
    trust = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)[code >> 30 & 3]
    return Row(item.twin, item.measure.signal, when, item.measure.si(raw), trust)


def _seconds(stamp: Any) -> Any:
    from datetime import UTC

    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


@final
class Inbox:
    """Values that the server sent and nobody has brought yet."""

    def __init__(self, items: Mapping[Any, Item], waiting: int) -> None:
        self._items, self._waiting = items, waiting
        self.rows: list[Row | Refused] = []
        self.came = asyncio.Event()
        self._dropped = 0

    def datachange_notification(self, node: Any, _: Any, data: Any) -> None:
        """Called by asyncua for each value."""
        if len(self.rows) >= self._waiting:
            self._dropped += 1
        else:
            self.rows.append(row_of(self._items[node.nodeid], data.monitored_item.Value))
        self.came.set()

    def status_change_notification(self, status: Any) -> None:
        """Called by asyncua when the server ends the subscription; the next check will tell."""

    def gather(self) -> list[Row | Refused]:
        """All that waits."""
        rows, self.rows = self.rows, []
        self.came.clear()
        if self._dropped:
            rows.append(Refused(Reason.TOO_FAST, "values of the server", self._dropped))
            self._dropped = 0
        return rows


async def run(settings: Opcua, take: Take, *, note: Note) -> None:
    """Bring what the server reports, until cancelled; after a loss again, after growing pauses."""
    pause = settings.pause
    while True:
        client, connected = _client(settings), False
        try:
            await _enter(client, settings)
            connected = True
            note(f"connected to {settings.url}")
            await _listen(client, settings, take=take, note=note)
        except Exception as error:  # asyncua raises many kinds; a source goes on
            pause = settings.pause if connected else pause
            note(f"lost: {tidy(error) or type(error).__name__}; trying again in {pause:.3g} s")
        finally:
            await _close(client)
        await asyncio.sleep(pause)
        pause = min(2 * pause, settings.longest)


def _client(settings: Opcua) -> Any:
    from asyncua.client.client import Client

    client = Client(settings.url, timeout=settings.timeout)
    if settings.user:
        client.set_user(settings.user)
        client.set_password(settings.password)
    return client


async def _enter(client: Any, settings: Opcua) -> None:
    if settings.security:
        await client.set_security_string(settings.security)
    await client.connect()


async def _listen(client: Any, settings: Opcua, *, take: Take, note: Note) -> None:
    """Subscribe, then bring what comes until the connection is gone."""
    items = {client.get_node(item.node).nodeid: item for item in settings.items}
    inbox = Inbox(items, settings.waiting)
    subscription = await client.create_subscription(settings.interval * 1000, inbox)
    codes = await subscription.subscribe_data_change(
        [client.get_node(item.node) for item in settings.items],
        queuesize=settings.queue,
        sampling_interval=settings.sampling * 1000,
    )
    for item, code in zip(settings.items, codes, strict=False):
        if not isinstance(code, int):  # a status instead of a handle
            note(f"the server does not give {item.node!r}: {tidy(code)}")
    while True:
        try:
            await asyncio.wait_for(inbox.came.wait(), 1.0)
        except TimeoutError:
            await client.check_connection()
        await deliver(take, settings.name, inbox.gather(), note=note)


async def _close(client: Any) -> None:
    """Close what may be half open, without waiting for a server that is gone."""
    closing = asyncio.ensure_future(client.disconnect())
    try:
        await asyncio.wait([closing], timeout=SHUT)
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
