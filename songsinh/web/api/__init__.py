"""The API for programs, version 1: routes by what they are about, and the document of all."""

from songsinh.web.api import (
    alerts,
    asking,
    audits,
    feeds,
    health,
    knowledge,
    machines,
    people,
    readings,
    streams,
)
from songsinh.web.api.document import describe

__all__ = ["describe", "routers"]

routers = tuple(
    part.ROUTER
    for part in (
        health, machines, knowledge, asking, readings, alerts, feeds, people, audits, streams
    )
)  # fmt: skip
