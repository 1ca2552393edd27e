"""Limits of pace: how often one address, and one person, may ask."""

import asyncio
import contextlib
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, final

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from songsinh.web.problems import problem, problem_of_socket
from songsinh.web.settings import WebSettings

__all__ = ["Limits", "Pace", "PaceKeeper", "address_of", "refuse_above", "stream_of"]

MOST_STREAMS: Final = 200  # of one person; all share what the server can hold open
MOST_KEYS: Final = 10_000  # the longest unseen are forgotten first


@final
@dataclass
class Pace:
    """Lets a key through `rate` times a second in the long run, and `burst` times at once."""

    rate: float
    burst: float
    left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, key: str, now: float | None = None) -> float:
        """How long to wait before the next try, in s; 0 lets this one through and counts it."""
        now = time.monotonic() if now is None else now
        tokens, seen = self.left.pop(key, (self.burst, now))
        tokens = min(self.burst, tokens + (now - seen) * self.rate)
        passes = tokens >= 1.0
        self.left[key] = (tokens - 1.0 if passes else tokens, now)
        if len(self.left) > MOST_KEYS:
            self.left.popitem(last=False)
        return 0.0 if passes else (1.0 - tokens) / self.rate


@final
@dataclass(frozen=True)
class Limits:
    """The paces of one running centre."""

    addresses: Pace
    people: Pace
    tries: Pace
    hashing: asyncio.Semaphore  # each password check takes 64 MiB
    streams: Counter[int | None]  # open ones, by person

    @staticmethod
    def of(settings: WebSettings) -> "Limits":
        """The paces that the settings name."""
        calls = settings.calls_per_second
        tries = settings.tries_per_minute
        return Limits(
            addresses=Pace(calls, burst=5 * calls),
            people=Pace(calls, burst=5 * calls),
            tries=Pace(tries / 60.0, burst=tries),
            hashing=asyncio.Semaphore(4),
            streams=Counter(),
        )


def refuse_above(pace: Pace, key: str) -> None:
    """Pass, or an HTTP error 429 that says how long to wait."""
    wait = pace.wait(key)
    if wait > 0.0:
        seconds = max(1, round(wait + 0.5))
        raise HTTPException(
            429, f"this is too often; wait {seconds} s", {"Retry-After": str(seconds)}
        )


@contextlib.contextmanager
def stream_of(limits: Limits, person: int | None) -> Iterator[None]:
    """A place among the streams of a person; HTTP error 429 when they have too many open."""
    if limits.streams[person] >= MOST_STREAMS:
        raise HTTPException(
            429, f"you have {MOST_STREAMS} streams open; close some", {"Retry-After": "60"}
        )
    limits.streams[person] += 1
    try:
        yield
    finally:
        limits.streams[person] -= 1
        if not limits.streams[person]:
            del limits.streams[person]


def address_of(connection: HTTPConnection) -> str:
    """The network address that asks; of IPv6 the part that one subscriber has."""
    host = connection.client.host if connection.client else "?"
    return ":".join(host.split(":")[:4]) if host.count(":") > 3 else host


@final
class PaceKeeper:
    """Refuses an address that asks too often, before anything else is done for it."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, or 429."""
        if scope["type"] in ("http", "websocket"):
            try:
                refuse_above(self.limits.addresses, address_of(HTTPConnection(scope)))
            except HTTPException as error:
                told = problem_of_socket(error)
                if scope["type"] == "http":
                    request = Request(scope, receive)
                    told = problem(request, 429, error.detail, headers=error.headers)
                return await told(scope, receive, send)
        return await self.app(scope, receive, send)
