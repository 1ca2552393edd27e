"""Topic templates: `plant/{twin}/{signal}` says where in a topic the names stand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, final

from songsinh.errors import SettingError, near
from songsinh.live.sources.measures import TICKS, Measure, TimeUnit, read_measures

__all__ = ["Route", "match"]

HOLES: Final = {"twin": "(?P<twin>[^/]+)", "signal": "(?P<signal>[^/]+)", "any": "[^/]+"}


@final
@dataclass(frozen=True)
class Route:
    """Which topics are listened to, and what their names and numbers mean.

    `topic` is a template: {twin} and {signal} stand for one level or a part of one, {any} for
    what does not matter. Without {signal}, payloads are objects with signals for keys, unless
    `signal` names the only one. `signals` says by the source's name what a number measures;
    `unit` is for all that it does not name. Times that are numbers count in `time`.
    """

    topic: str
    twin: str = ""
    signal: str = ""
    unit: str = ""
    signals: Mapping[str, Measure] = field(default_factory=dict)
    time: TimeUnit = "s"

    def __post_init__(self) -> None:
        holes = re.findall(r"\{([^{}]*)\}", self.topic)
        wrong = [hole for hole in holes if hole not in HOLES]
        if wrong:
            raise SettingError(
                f"{{{wrong[0]}}} in the topic {self.topic!r} is not known; "
                f"{near(wrong[0], tuple(HOLES))}"
            )
        if not self.topic or re.search(r"[+#\x00]", self.topic):
            raise SettingError(f"the topic {self.topic!r} has wildcards; write {{any}} for them")
        if ("twin" in holes) == bool(self.twin):
            raise SettingError(
                f"the topic {self.topic!r} must hold {{twin}} or the route name a twin, not both"
            )
        if len(set(holes) - {"any"}) != len([hole for hole in holes if hole != "any"]):
            raise SettingError(f"the topic {self.topic!r} names one hole twice; leave one out")
        if self.time not in TICKS:
            raise SettingError(f"times in {self.time!r} are not known; use {', '.join(TICKS)}")
        object.__setattr__(self, "signals", read_measures(self.signals))

    @cached_property
    def filter(self) -> str:
        """The MQTT filter that takes in all its topics."""
        return "/".join("+" if "{" in level else level for level in self.topic.split("/"))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its topics look like."""
        pieces = re.split(r"\{([^{}]*)\}", self.topic)
        return re.compile(
            "".join(HOLES[piece] if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
        )

    @cached_property
    def usual(self) -> Measure:
        """What a number measures that `signals` does not name."""
        return Measure("", self.unit)

    def measure(self, name: str) -> Measure:
        """What the number of this name measures."""
        return self.signals.get(name, self.usual)


def match(routes: tuple[Route, ...], topic: str) -> tuple[Route, str, str] | None:
    """The first route that a topic fits, with its twin and signal ("" when not said)."""
    for route in routes:
        found = route.pattern.fullmatch(topic)
        if found:
            names = found.groupdict()
            return route, names.get("twin") or route.twin, names.get("signal") or route.signal
    return None
