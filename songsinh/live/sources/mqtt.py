"""MQTT with plain JSON: topics by template, MQTT 5 or 3.1.1."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from songsinh.errors import SettingError
from songsinh.live.readings import Row
from songsinh.live.refusals import Refused
from songsinh.live.sources.broker import Broker, Line, Note, Take, follow, keep_up
from songsinh.live.sources.plain import LARGEST, parse
from songsinh.live.sources.templates import Route

__all__ = ["Mqtt", "run"]


@final
@dataclass(frozen=True)
class Mqtt:
    """A broker, the routes listened to, and the largest message read, in bytes."""

    name: str
    broker: Broker = field(default_factory=Broker)
    routes: tuple[Route, ...] = (Route("songsinh/{twin}/{signal}"),)
    largest: int = LARGEST

    def __post_init__(self) -> None:
        if not self.routes:
            raise SettingError(f"source {self.name!r} listens to nothing; give it a route")


async def run(settings: Mqtt, take: Take, *, note: Note) -> None:
    """Bring what the broker sends on the routes, until cancelled."""

    def handle(
        topic: str, body: bytes
    ) -> tuple[Sequence[Row | Refused], Sequence[tuple[str, bytes]]]:
        return parse(topic, body, settings.routes, largest=settings.largest), ()

    async def work(line: Line) -> None:
        await line.subscribe(sorted({route.filter for route in settings.routes}))
        await follow(line, handle, name=settings.name, take=take, note=note)

    await keep_up(settings.broker, work, note=note)
