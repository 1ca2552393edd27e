"""Sparkplug B: births name the metrics, data may use aliases, deaths end them.

A device's metrics are the signals of a twin. When data come that no birth explains, the edge
node is asked to give birth again, and what could not be understood is counted.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from songsinh.errors import SettingError
from songsinh.live.readings import Quality, Row
from songsinh.live.refusals import Reason, Refused, tidy
from songsinh.live.sources.broker import Broker, Line, Note, Take, follow, keep_up
from songsinh.live.sources.measures import Measure, read_measures
from songsinh.live.sources.payloads import BOOLEAN, MOST, encode, payload_type, value_of
from songsinh.live.sources.plain import LARGEST

__all__ = ["Nodes", "Sparkplug", "run"]

KINDS: Final = ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH")
ABOUT: Final = ("bdSeq", "Node Control/", "Device Control/", "Node Info/", "Properties/")
PATIENCE: Final = 5.0  # s between two requests for birth to one edge node
NODES: Final = 10_000  # edge nodes remembered
ALIASES: Final = 100_000  # of one edge node
Found = Sequence[Row | Refused]
Answers = Sequence[tuple[str, bytes]]


@final
@dataclass(frozen=True)
class Sparkplug:
    """A broker and a group ("+" for all). Twins are called as `twin` says.

    In `twin`, {group}, {node} and {device} stand for the names in the topic, {device} for the
    node's where there is none; `twins` renames what comes out. `signals` says by metric name
    what a number measures.
    """

    name: str
    broker: Broker = field(default_factory=Broker)
    group: str = "+"
    twin: str = "{device}"
    twins: Mapping[str, str] = field(default_factory=dict)
    signals: Mapping[str, Measure] = field(default_factory=dict)
    largest: int = LARGEST

    def __post_init__(self) -> None:
        if not self.group or any(sign in self.group for sign in "/#\0"):
            raise SettingError(f"the group {self.group!r} is not one level; use a name or +")
        if not set(re.findall(r"\{[^{}]*\}?|\}", self.twin)) <= {"{group}", "{node}", "{device}"}:
            raise SettingError(
                f"the twin's name {self.twin!r} may hold {{group}}, {{node}} and {{device}} only"
            )
        object.__setattr__(self, "signals", read_measures(self.signals))


@final
@dataclass
class _Node:
    """What is known of an edge node: its births, and where it is in counting."""

    metrics: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)  # device: alias
    kinds: dict[tuple[str, str], int] = field(default_factory=dict)  # device, metric: datatype
    sequence: int | None = None
    born: bool = False
    life: int | None = None  # bdSeq
    asked: float = float("-inf")


@final
class Nodes:
    """The edge nodes heard of; reads their messages. Not for several threads."""

    def __init__(self, settings: Sparkplug, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._nodes: OrderedDict[tuple[str, str], _Node] = OrderedDict()

    def read(self, topic: str, body: bytes) -> tuple[Found, Answers]:
        """Rows of a message, and requests to publish; nothing is raised."""
        parts = topic.split("/")
        kind = parts[2] if len(parts) > 2 else ""
        if parts[0] != "spBv1.0" or len(parts) != (5 if kind[:1] == "D" else 4):
            return [Refused(Reason.NO_TEMPLATE, tidy(topic))], ()
        if kind in ("NCMD", "DCMD", "STATE"):
            return (), ()  # our own requests
        if kind not in KINDS:
            return [Refused(Reason.NO_TEMPLATE, tidy(topic))], ()
        payload = self._decode(topic, body)
        if isinstance(payload, Refused):
            return [payload], ()
        place = (parts[1], parts[3], parts[4] if len(parts) == 5 else "")
        return self._take(kind, place, payload)

    def _decode(self, topic: str, body: bytes) -> Any:
        if len(body) > self._settings.largest:
            return Refused(Reason.TOO_LARGE, tidy(f"{topic}: {len(body)} bytes"))
        payload = payload_type()()
        try:
            payload.ParseFromString(body)
        except Exception as error:  # protobuf has its own, and upb raises others too
            return Refused(Reason.UNREADABLE, tidy(f"{topic}: {error}"))
        if len(payload.metrics) > MOST:
            return Refused(Reason.TOO_LARGE, tidy(f"{topic}: {len(payload.metrics)} metrics"))
        return payload

    def _take(self, kind: str, place: tuple[str, str, str], payload: Any) -> tuple[Found, Answers]:
        group, name, device = place
        node = self._node(group, name)
        if kind.endswith("DEATH"):
            if device or _life(payload) in (None, node.life):  # not the death of an earlier life
                self._bury(node, device)
            return (), ()
        rest = self._count(kind, node, payload)
        if kind.endswith("BIRTH"):
            if kind == "NBIRTH":
                node.metrics.clear()
                node.kinds.clear()
                node.born, node.life = True, _life(payload)
            self._learn(node, device, payload)
        rows = [
            row for metric in payload.metrics for row in self._row(node, place, metric, payload)
        ]
        unknown = any(isinstance(row, Refused) for row in rows)
        if not payload.metrics:
            rows.append(Refused(Reason.UNREADABLE, tidy(f"{'/'.join(place)}: no metric")))
        lost = unknown or rest or not (node.born and device in node.metrics)
        return rows, self._ask(node, group, name) if lost else ()

    def _node(self, group: str, name: str) -> _Node:
        node = self._nodes.pop((group, name), None) or _Node()
        self._nodes[group, name] = node
        if len(self._nodes) > NODES:
            self._nodes.popitem(last=False)
        return node

    def _bury(self, node: _Node, device: str) -> None:
        if device:
            node.metrics.pop(device, None)
        else:
            node.metrics.clear()
            node.kinds.clear()
            node.born, node.sequence = False, None

    def _count(self, kind: str, node: _Node, payload: Any) -> bool:
        """Whether a message is missing before this one."""
        if not payload.HasField("seq"):
            return False
        last, node.sequence = node.sequence, payload.seq % 256
        return kind != "NBIRTH" and last is not None and node.sequence != (last + 1) % 256

    def _learn(self, node: _Node, device: str, payload: Any) -> None:
        aliases = node.metrics[device] = {}
        room = ALIASES - sum(map(len, node.metrics.values()))
        for metric in list(payload.metrics)[: max(room, 0)]:
            node.kinds[device, metric.name] = metric.datatype
            if metric.HasField("alias"):
                aliases[metric.alias] = (metric.name, metric.datatype)

    def _row(self, node: _Node, place: tuple[str, str, str], metric: Any, payload: Any) -> Found:
        group, name, device = place
        known = node.metrics.get(device, {}).get(metric.alias) if metric.HasField("alias") else None
        said = metric.name or (known[0] if known else "")
        if not said:
            number = f"alias {metric.alias}" if metric.HasField("alias") else "no name"
            return [Refused(Reason.UNKNOWN_ALIAS, tidy(f"{'/'.join(place)}: {number}"))]
        if not isinstance(said, str):  # protobuf gives bytes where a text is no utf-8
            return [Refused(Reason.ENCODING, tidy(f"{'/'.join(place)}: {said!r}"))]
        if said.startswith(ABOUT):
            return ()
        datatype = metric.datatype or (known[1] if known else node.kinds.get((device, said), 0))
        measure = self._settings.signals.get(said)
        value = value_of(metric, datatype)
        stamp = metric.timestamp or payload.timestamp
        twin = self._settings.twin
        for hole, part in (("group", group), ("node", name), ("device", device or name)):
            twin = twin.replace(f"{{{hole}}}", part)
        return [
            Row(
                self._settings.twins.get(twin, twin),
                measure.signal or said if measure else said,
                stamp / 1000 if stamp else None,
                measure.si(value) if measure else value,
                _trust(metric),
            )
        ]

    def _ask(self, node: _Node, group: str, name: str) -> Answers:
        """The request for a new birth, if the last one is long enough ago."""
        now = self._clock()
        if now - node.asked < PATIENCE or any(sign in group + name for sign in "+#\0"):
            return ()
        node.asked = now
        again = {"name": "Node Control/Rebirth", "datatype": BOOLEAN, "boolean_value": True}
        stamp = int(time.time() * 1000)
        body = encode([again | {"timestamp": stamp}], timestamp=stamp)
        return [(f"spBv1.0/{group}/NCMD/{name}", body)]


def _life(payload: Any) -> int | None:
    """Which life of an edge node a birth or death is of."""
    for metric in payload.metrics:
        if metric.name == "bdSeq":
            return int(metric.long_value or metric.int_value)
    return None


def _trust(metric: Any) -> int:
    """The quality that a metric's properties tell: 192 and above is good, 500 is stale."""
    if not metric.HasField("properties"):
        return Quality.GOOD
    pairs = zip(metric.properties.keys, metric.properties.values, strict=False)
    for key, value in pairs:
        if key == "Quality" and (value.HasField("int_value") or value.HasField("long_value")):
            code = value.int_value or value.long_value
            return _GRADES.get(code >> 6, Quality.BAD) if code < 256 else Quality.UNCERTAIN
    return Quality.GOOD


_GRADES: Final = {3: Quality.GOOD, 1: Quality.UNCERTAIN}


async def run(settings: Sparkplug, take: Take, *, note: Note) -> None:
    """Bring what the group's edge nodes send, until cancelled."""

    async def work(line: Line) -> None:
        nodes = Nodes(settings)
        await line.subscribe([f"spBv1.0/{settings.group}/{kind}/{rest}" for kind, rest in FILTERS])
        await follow(line, nodes.read, name=settings.name, take=take, note=note)

    await keep_up(settings.broker, work, note=note)


FILTERS: Final = tuple((kind, "+" if kind[0] == "N" else "+/+") for kind in KINDS)
