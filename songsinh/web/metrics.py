"""Metrics of the centre for Prometheus: requests, twins, sources, alerts and this process."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, final

from fastapi import APIRouter, Depends, Header, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from sqlalchemy import Engine, func, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from songsinh.database import tables
from songsinh.web.api.common import problems
from songsinh.web.security import Visitor, needs, public
from songsinh.web.settings import WebSettings

__all__ = ["ROUTER", "Meter", "MeterKeeper"]

ROUTER: Final = APIRouter(tags=["health"])
SOON: Final = 2.0  # s in which the hub has to answer
HERE: Final = ("127.0.0.1", "::1", "localhost")
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


@final
@dataclass(frozen=True)
class Meter:
    """What one running app counts about the requests that it answers."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram

    @staticmethod
    def new() -> "Meter":
        """A meter of its own, with what the process tells about itself."""
        registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        names = ("method", "route", "status")
        return Meter(
            registry,
            Counter("songsinh_requests", "Requests answered", names, registry=registry),
            Histogram(
                "songsinh_request_seconds", "Time until an answer begins", names[:2],
                registry=registry,
            ),
        )  # fmt: skip


@final
class MeterKeeper:
    """Counts every answer by its route, and times how soon it begins."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self.app = app
        self.meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""
        begun = time.perf_counter()

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                # a path that no route knows could be anything
                route = getattr(scope.get("route"), "path", "") or "other"
                method = scope["method"] if route != "other" else "any"
                self.meter.requests.labels(method, route, message["status"]).inc()
                self.meter.seconds.labels(method, route).observe(time.perf_counter() - begun)
            await send(message)

        await self.app(scope, receive, send_on)


@final
@dataclass(frozen=True)
class Watcher:
    """Lets viewers in; and programs on this machine without a token, if the setting says so."""

    rule: str = "viewer"

    async def __call__(self, connection: HTTPConnection) -> AsyncIterator[Visitor]:
        """The visitor, or an HTTP error 401 or 403."""
        settings: WebSettings = connection.app.state.settings
        near = connection.client is not None and connection.client.host in HERE
        is_open = settings.open_metrics and near and not settings.behind_proxy
        async for visitor in (public() if is_open else needs("viewer"))(connection):
            yield visitor


@ROUTER.get(
    "/metrics",
    summary="Read the centre's metrics",
    operation_id="readMetrics",
    response_class=Response,
    responses={
        **problems(),
        200: {"description": "Prometheus text.", "content": {"text/plain": {}}},
    },
)
async def read_metrics(
    request: Request,
    visitor: Annotated[Visitor, Depends(Watcher())],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """For Prometheus, or OpenMetrics when `Accept` asks for it. Twins that may be seen only."""
    state: Mapping[str, Any] = {}
    with contextlib.suppress(Exception):  # a part that is away shows as songsinh_live 0
        state = await asyncio.wait_for(request.app.state.hub.state(), SOON)
    known = visitor.person_id is None or visitor.may("viewer")
    hidden = {"twins"} if known else {"twins", "sources"}  # of the whole centre
    samples = gauges({name: part for name, part in state.items() if name not in hidden})
    twins = state.get("twins", {})
    seen = {name: twins[name] for name in twins if known or visitor.may("viewer", name)}
    samples |= gauges({"twins": seen}) | {"songsinh_live": {(): float(bool(state))}}
    samples |= await run_in_threadpool(_counted, request.app.state.engine)
    encode, kind = choose_encoder(accept)
    body = await run_in_threadpool(encode, _Together(request.app.state.meter.registry, samples))
    return Response(body, media_type=None, headers={"Content-Type": kind})


def gauges(state: Mapping[str, Any]) -> Samples:
    """The numbers in a hub's state as samples: names from keys, labels from what is counted.

    >>> gauges({"queue": 3, "twins": {"b5": {"lag": 0.5, "counts": {"late": 2}}}})["songsinh_queue"]
    {(): 3.0}
    """
    found: Samples = {}
    for name, value in state.items():
        if name in ("twins", "sources") and isinstance(value, Mapping):
            for one, about in value.items():
                labels = ((name[:-1], str(one)),)
                _gather(found, f"songsinh_{name[:-1]}", labels, about)
        else:
            _gather(found, f"songsinh_{name}", (), value)
    return found


def _gather(found: Samples, name: str, labels: tuple[tuple[str, str], ...], value: Any) -> None:
    if isinstance(value, Mapping):
        for key, part in value.items():
            inner = isinstance(part, (bool, int, float)) and name.count("_") > 1
            if inner:
                _gather(found, name, (*labels, ("kind", str(key))), part)
            else:
                _gather(found, f"{name}_{key}", labels, part)
    elif isinstance(value, (bool, int, float)):
        found.setdefault(re.sub(r"[^a-z0-9_]", "_", name.lower()), {})[labels] = float(value)
    elif isinstance(value, str) and name.endswith("_state"):
        found.setdefault(name, {})[(*labels, ("state", value))] = 1.0


def _counted(engine: Engine) -> Samples:
    """What the records count: twins by state, open alerts by severity, refusals by reason."""
    alerts, twins, refusals = tables.alerts, tables.twins, tables.refusals
    standing = select(alerts.c.severity, func.count()).where(alerts.c.state != "closed")
    by = select(twins.c.state, func.count()).group_by(twins.c.state)
    why = select(refusals.c.reason, func.sum(refusals.c["count"])).group_by(refusals.c.reason)
    asked = {
        ("songsinh_alerts_open", "severity"): standing.group_by(alerts.c.severity),
        ("songsinh_twins", "state"): by,
        ("songsinh_readings_refused", "reason"): why,
    }
    with engine.connect() as connection:
        return {
            name: {((label, str(row[0])),): float(row[1]) for row in connection.execute(query)}
            for (name, label), query in asked.items()
        }


@final
@dataclass(frozen=True)
class _Together:
    """The app's own registry and the samples of this moment, as one registry to write down."""

    registry: CollectorRegistry
    samples: Samples

    def collect(self) -> Iterator[Any]:
        """All families of metrics."""
        yield from self.registry.collect()
        for name, rows in self.samples.items():
            labels = sorted({label for row in rows for label, _ in row})
            family = GaugeMetricFamily(name, name.replace("_", " "), labels=labels)
            for row, value in rows.items():
                told = dict(row)
                family.add_metric([told.get(label, "") for label in labels], value)
            yield family
