"""A broker: one MQTT connection that is kept up, with acknowledgement when readings are durable."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, final

from songsinh.errors import SettingError
from songsinh.live.columns import Columns
from songsinh.live.readings import Receipt, Row
from songsinh.live.refusals import Reason, Refused, tidy

__all__ = ["Broker", "Handler", "Line", "Note", "Publish", "Take", "deliver", "follow", "keep_up"]

Publish = Callable[[str, bytes], Awaitable[None]]
Note = Callable[[str], None]
DAY: Final = 86_400  # s that a broker keeps our session
MOST: Final = 1000  # messages handled at once
LARGEST_PACKET: Final = 1 << 24  # bytes; a broker of MQTT 5 keeps larger ones to itself


class Take(Protocol):
    """Where a source brings what it read; when it returns, what was accepted is durable."""

    def __call__(
        self, source: str, rows: Sequence[Row | Refused] | Columns, /
    ) -> Awaitable[Receipt]:
        """Take these in."""
        ...


# rows of a message (topic, body), and what to publish in answer
Handler = Callable[[str, bytes], tuple[Sequence[Row | Refused], Sequence[tuple[str, bytes]]]]


@final
@dataclass(frozen=True)
class Broker:
    """Where a broker is and how to enter. Files are PEM; a client certificate makes mutual TLS.

    With an `identifier` the broker keeps what comes while we are away. `pause` s after a loss
    we try again, then twice as long each time up to `longest`. Of messages without
    acknowledgement (QoS 0) up to `waiting` wait for the centre, more are refused.
    """

    host: str = "localhost"
    port: int = 1883
    version: int = 5  # 5, or 4 for MQTT 3.1.1
    user: str = ""
    password: str = field(default="", repr=False)
    identifier: str = ""
    tls: bool = False
    authority: str = ""  # who signed the broker's certificate; none: those the system trusts
    certificate: str = ""
    key: str = field(default="", repr=False)
    keepalive: int = 30
    timeout: float = 10.0  # s that the broker has for an answer
    pause: float = 1.0
    longest: float = 60.0
    waiting: int = 20_000

    def __post_init__(self) -> None:
        if self.version not in (4, 5):
            raise SettingError(f"MQTT version {self.version!r} is not known; use 5, or 4 for 3.1.1")
        if not self.host or not 0 < self.port < 65536:
            raise SettingError(
                f"the broker {self.host!r}, port {self.port!r} is no address; give host and port"
            )
        if not (
            0 < self.pause <= self.longest
            and self.keepalive >= 1
            and self.waiting >= 1
            and self.timeout > 0
        ):
            raise SettingError(
                f"pause {self.pause} s, longest {self.longest} s, keepalive {self.keepalive} s, "
                f"waiting {self.waiting}, timeout {self.timeout} must be above 0, pause <= longest"
            )


@final
class Inbox:
    """What has come and is not handled yet; stands in for the queue of aiomqtt.

    Acknowledged messages are limited by the broker, others by `waiting`.
    """

    def __init__(self, waiting: int) -> None:
        self._messages: deque[Any] = deque()
        self._waiting = waiting
        self.came = asyncio.Event()
        self.dropped = 0

    def put_nowait(self, message: Any) -> None:
        """Called by aiomqtt for each message."""
        if message.qos == 0 and len(self._messages) >= self._waiting:
            self.dropped += 1
        else:
            self._messages.append(message)
        self.came.set()

    async def batch(self) -> list[Any]:
        """All that waits, at least one message or a count of dropped ones, or a lost line."""
        await self.came.wait()
        messages = self._messages
        found = [messages.popleft() for _ in range(min(len(messages), MOST))]
        if not messages:
            self.came.clear()
        return found


@final
class Line:
    """An open connection: subscribe, publish, and take in what comes."""

    def __init__(self, client: Any, inbox: Inbox, place: str) -> None:
        self._client, self._inbox, self.place = client, inbox, place
        self._lost = client._disconnected
        self._lost.add_done_callback(self._end)

    def _end(self, lost: Any) -> None:
        if not lost.cancelled():
            lost.exception()  # looked at, so that nobody warns that nobody did
        self._inbox.came.set()

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Listen to these topics with QoS 1."""
        codes = await self._client.subscribe([(one, 1) for one in filters])
        refused = [f for f, code in zip(filters, codes, strict=False) if _failed(code)]
        if refused:
            raise ConnectionError(f"the broker refused the topic {refused[0]!r}")

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1; when it returns, the broker has it."""
        await self._client.publish(topic, body, qos=1, retain=retain)

    async def receive(self) -> tuple[list[Any], int]:
        """Messages that came, and how many were dropped before them; ConnectionError when lost."""
        found = await self._inbox.batch()
        if self._lost.done() and not found:
            raise ConnectionError(f"{self._lost.exception() or 'the broker said goodbye'}")
        dropped, self._inbox.dropped = self._inbox.dropped, 0
        return found, dropped

    def acknowledge(self, messages: Sequence[Any]) -> None:
        """Tell the broker that these are safe; on a lost line it will send them again."""
        for message in messages:
            if message.qos and not self._lost.done():
                self._client._client.ack(message.mid, message.qos)

    async def wait_lost(self) -> None:
        """Return when the connection is gone."""
        await asyncio.wait([self._lost])
        raise ConnectionError(f"{self._lost.exception() or 'the broker said goodbye'}")


def _failed(code: Any) -> bool:
    return int(getattr(code, "value", code)) >= 0x80


async def keep_up(broker: Broker, work: Callable[[Line], Awaitable[None]], *, note: Note) -> None:
    """Run `work` on an open line for ever: after a loss on a new one, after growing pauses."""
    pause = broker.pause
    while True:
        line = client = None
        inbox = Inbox(broker.waiting)
        try:
            client = _client(broker, inbox)
            async with client:
                line = Line(client, inbox, f"{broker.host}:{broker.port}")
                await work(line)
        except Exception as error:  # paho and ssl raise many kinds; a source goes on
            if line is not None:
                pause = broker.pause
            note(f"lost: {tidy(error) or type(error).__name__}; trying again in {pause:.3g} s")
        finally:
            _shut(client)
        await asyncio.sleep(pause)
        pause = min(2 * pause, broker.longest)


def _shut(client: Any) -> None:
    """Close what aiomqtt leaves open when a broker takes the connection but does not answer."""
    if client is not None and client._client.socket() is not None:
        client._client.disconnect()
        client._client._sock_close()


def _client(broker: Broker, inbox: Inbox) -> Any:
    import aiomqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    options: dict[str, Any] = {"clean_session": not broker.identifier}
    if broker.version == 5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum, properties.MaximumPacketSize = MOST, LARGEST_PACKET
        if broker.identifier:
            properties.SessionExpiryInterval = DAY
        options = {"clean_start": not broker.identifier, "properties": properties}
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user or None,
        password=broker.password or None,
        identifier=broker.identifier or None,
        queue_type=lambda maxsize: inbox,  # type: ignore[arg-type]
        protocol=aiomqtt.ProtocolVersion(broker.version),
        keepalive=broker.keepalive,
        timeout=broker.timeout,
        tls_context=_trust(broker),
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        **options,
    )
    # aiomqtt acknowledges when a message comes; we do when it is durable
    client._client.manual_ack_set(True)
    client.pending_calls_threshold = 1_000_000
    return client


def _trust(broker: Broker) -> ssl.SSLContext | None:
    if not broker.tls:
        return None
    context = ssl.create_default_context(cafile=broker.authority or None)
    if broker.certificate:
        context.load_cert_chain(broker.certificate, broker.key or None)
    return context


async def follow(line: Line, handle: Handler, *, name: str, take: Take, note: Note) -> None:
    """Hand what comes to `handle`, bring its rows, then acknowledge; until the line is lost."""
    note(f"connected to {line.place}")
    while True:
        messages, dropped = await line.receive()
        rows: list[Row | Refused] = []
        answers: list[tuple[str, bytes]] = []
        for message in messages:
            told, said = _handle(handle, message)
            rows += told
            answers += said
        if dropped:
            rows.append(Refused(Reason.TOO_FAST, "messages without acknowledgement", dropped))
        await deliver(take, name, rows, note=note)
        line.acknowledge(messages)
        for topic, body in answers:
            await line.publish(topic, body)


def _handle(
    handle: Handler, message: Any
) -> tuple[Sequence[Row | Refused], Sequence[tuple[str, bytes]]]:
    """What a handler makes of a message; whatever it trips over is a refusal."""
    try:
        return handle(str(message.topic), bytes(message.payload or b""))
    except Exception as error:  # a message must not end its source
        return [Refused(Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:200])], ()


async def deliver(
    take: Take, name: str, rows: Sequence[Row | Refused] | Columns, *, note: Note
) -> None:
    """Bring rows; while the centre cannot take them, wait and bring them again."""
    pause = 0.1
    while len(rows) or (isinstance(rows, Columns) and rows.refused):
        try:
            await take(name, rows)
            await asyncio.sleep(0)  # whoever takes at once must not keep others from their turn
            return
        except Exception as error:  # the database is away: nothing may be lost
            note(f"not taken in: {tidy(error)}; trying again in {pause:.3g} s")
        await asyncio.sleep(pause)
        pause = min(2 * pause, 10.0)
