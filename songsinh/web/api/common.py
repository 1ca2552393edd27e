"""What all of the API shares: strict models, versions of what is shown, times, pages of lists."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Annotated, Any, Final, ParamSpec, TypeVar
from urllib.parse import urlencode

import numpy as np
import orjson
from fastapi import Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, StringConstraints
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from songsinh.errors import DataError, LiveError
from songsinh.live import Hub
from songsinh.web.records import LARGEST, MOST, Page
from songsinh.web.security import Visitor

__all__ = [
    "CHANGING",
    "Cursor",
    "Limit",
    "Line",
    "Model",
    "Name",
    "Number",
    "Settings",
    "Words",
    "Written",
    "answer",
    "ask",
    "away",
    "changed",
    "engine_of",
    "hold",
    "iso",
    "listed",
    "missing",
    "moment_us",
    "off_loop",
    "problems",
    "seen",
    "tag_of",
]

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE: Final = 20.0  # s that a change waits for the hub to know of it; laws are compiled
CHANGING: Final = Lock()  # from `hold` until the change is made
TELLING: Final[set[asyncio.Future[None]]] = set()  # or the loop would forget them
RETRY: Final = "5"  # s after which a program may try again while the live process is away
MISSING: Final[Mapping[int, str]] = {
    304: "Not changed since the version in `If-None-Match`.",
    400: "The request cannot be read.",
    401: "Nobody is signed in, or the token is unknown or over.",
    403: "The visitor's role or the token's scope does not reach this.",
    404: "There is no such thing, or none that the visitor may see.",
    409: "It is not in a state in which this can be done.",
    412: "It has changed since the version in `If-Match`.",
    413: "The body is too large.",
    415: "The body is of another kind.",
    422: "What was sent does not fit; `detail` says in one sentence what to do.",
    429: "Too often; `Retry-After` says how many seconds to wait.",
    503: "What follows the twins is away; nothing was taken. `Retry-After` says when to try again.",
}


class Model(BaseModel):
    """What comes in: unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _sound(value: T) -> T:
    """What can be kept and shown again: no whole number past 64 bits, no broken letters."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"{error}; send plain JSON") from error
    return value


# text without NUL, which no database keeps
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Words = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
Written = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Settings = Annotated[dict[str, JsonValue], AfterValidator(_sound)]
Name = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Small letters, digits and dashes, at most 63.",
        examples=["b0005"],
    ),
]
Number = Annotated[int, Path(ge=1, le=LARGEST, description="Its number.", examples=[1])]
Cursor = Annotated[
    str | None,
    Query(
        max_length=500,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="`next` of the page before; nothing for the first page.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many at once.")]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route's errors are documented: RFC 9457, one sentence each."""
    kind = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    every = sorted({400, 401, 403, 422, 429, *statuses})
    return {
        status: {"description": MISSING[status]} | ({"content": kind} if status >= 400 else {})
        for status in every
    }


def answer(
    request: Request,
    content: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The content as JSON with its version in `ETag`; 304 when the program has that version."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)
    tag = _tag(body)
    more = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    if status == 200 and request.method == "GET" and _among(request, "if-none-match", tag):
        return Response(status_code=304, headers=more)
    return Response(body, status, headers=more, media_type="application/json")


def tag_of(content: Any) -> str:
    """The version of what `answer` shows: the same content has the same tag."""
    return _tag(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain))


def hold(request: Request, content: Any) -> None:
    """Pass when the program has seen this very version, or does not ask; else 412.

    Under CHANGING, so that of two who have seen the same version one is refused.
    """
    if "if-match" in request.headers and not _among(request, "if-match", tag_of(content)):
        raise HTTPException(412, "it has changed since you read it; read it again")


def listed(request: Request, page: Page[T], show: Callable[[T], Any]) -> Response:
    """A page of a list: `items` and the cursor `next`, which the header `Link` has as well."""
    headers = {}
    if page.next is not None:
        kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
        asked = urlencode([*kept, ("cursor", page.next)])
        headers["Link"] = f'<{request.url.path}?{asked}>; rel="next"'
    content = {"items": [show(row) for row in page.rows], "next": page.next}
    return answer(request, content, headers=headers)


def iso(time_us: int | None) -> str | None:
    """A time (us since 1970) in ISO 8601, UTC.

    >>> iso(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return None if time_us is None else f"{np.datetime64(time_us, 'us')}Z"


def moment_us(text: str | None) -> int | None:
    """A time given as s since 1970 or in ISO 8601 (UTC where no zone is named), in us.

    >>> moment_us("1.5"), moment_us("1970-01-01T00:00:01Z")
    (1500000, 1000000)
    """
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = _written(text)
    if not abs(seconds) < 1e11:
        raise DataError("is no time; give seconds since 1970 or ISO 8601", value=text[:40])
    return round(seconds * 1e6)


def _written(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        wrong = "is no time; give seconds since 1970 or ISO 8601"
        raise DataError(wrong, value=text[:40]) from error


def seen(visitor: Visitor, role: str = "viewer") -> frozenset[str] | None:
    """The twins for which the visitor has the role; None is all of them."""
    if visitor.may(role):
        return None
    return frozenset(twin for twin in visitor.roles if visitor.may(role, twin))


def missing(what: str, which: object) -> HTTPException:
    """The error 404 for something that is not there."""
    return HTTPException(404, f"there is no {what} {which!r}; look at the list")


async def off_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function gives that waits for the database, while others are served."""
    return await run_in_threadpool(function, *args, **kwargs)


async def ask(
    request: Request, what: str, twin: str, detail: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The hub's answer to a question; 503 when it cannot be reached."""
    hub: Hub = request.app.state.hub
    try:
        return await hub.ask(what, twin, detail)
    except LiveError as error:
        if isinstance(error.__cause__, (TimeoutError, OSError)):
            raise away(str(error)) from error
        raise


def away(why: str) -> HTTPException:
    """The error 503 with the time to wait."""
    return HTTPException(503, why, {"Retry-After": RETRY})


async def changed(request: Request) -> None:
    """Tell the hub to read the records again; when it is away it does so as it starts."""
    telling = asyncio.ensure_future(_tell(request.app.state.hub))
    TELLING.add(telling)
    telling.add_done_callback(TELLING.discard)
    await asyncio.wait({telling}, timeout=PATIENCE)


async def _tell(hub: Hub) -> None:
    with contextlib.suppress(LiveError):
        await hub.changed()


def engine_of(request: Request) -> Engine:
    """The records."""
    engine: Engine = request.app.state.engine
    return engine


def _tag(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _among(request: Request, header: str, tag: str) -> bool:
    given = [part.strip() for part in request.headers.get(header, "").split(",")]
    if header == "if-none-match":
        given = [part.removeprefix("W/") for part in given]
    return "*" in given or tag in given


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError
