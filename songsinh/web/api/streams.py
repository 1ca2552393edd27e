"""Streams: what changes as it changes, over a WebSocket or as server-sent events.

A stream begins with the present belief of each twin, and listens before it asks for them, so
that nothing falls between. The visitor is looked at again every minute: who was signed out, or
whose roles have changed, is told no more, and may come again with the roles there are now.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from songsinh.live import Frame, until_first
from songsinh.web.api.beginnings import frames_from_now
from songsinh.web.api.common import problems, seen
from songsinh.web.api.pushing import take
from songsinh.web.security import Visitor, needs
from songsinh.web.security.limits import stream_of

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1", tags=["streams"])
LOOK: Final = 60.0  # s between two looks at the visitor
BEAT: Final = 15.0  # s of silence after which a line shows that the stream is alive
GONE: Final = 4401  # the code with which a socket ends when its visitor may no more
PROTOCOL: Final = "songsinh"  # offered beside `bearer.TOKEN` by browsers of other programs
VIEWER: Final = needs("viewer")
PUSHER: Final = needs("operator", anywhere=True, scope="push")
Twins = Annotated[
    list[str], Query(alias="twin", max_length=500, description="Only these; all when none.")
]


@ROUTER.get(
    "/stream/events",
    summary="Listen to twins as server-sent events",
    operation_id="listenEvents",
    response_class=StreamingResponse,
    responses={
        **problems(),
        200: {"description": "Events, one frame each.", "content": {"text/event-stream": {}}},
    },
)
async def listen_events(
    request: Request,
    visitor: Annotated[Visitor, Depends(VIEWER)],
    twin: Twins = [],  # noqa: B006 (FastAPI makes a new one each time)
) -> StreamingResponse:
    """`event` is the kind of a frame: belief, forecast, alert or state; `data` is the frame.

    Each connection begins with the present belief of every twin, so none is missed.
    """
    with stream_of(request.app.state.limits, visitor.person_id):
        events = _events(request, visitor, _wanted(visitor, twin))
    still = {"X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=still)


@ROUTER.websocket("/stream")
async def listen_socket(
    socket: WebSocket,
    visitor: Annotated[Visitor, Depends(VIEWER)],
    twin: Twins = [],  # noqa: B006
) -> None:
    """Batches of frames as JSON text, `{"frames": [...]}`; what the client sends is not read."""
    async with _counted(socket, visitor):
        await socket.accept(_protocol(socket))
        wanted = _wanted(visitor, twin)
        await _until_first(_tell(socket, wanted), _leave(socket), _watch(socket, visitor, VIEWER))


@ROUTER.websocket("/push")
async def push_socket(socket: WebSocket, visitor: Annotated[Visitor, Depends(PUSHER)]) -> None:
    """Each message is a push body, each answer its receipt, or a problem when it failed.

    The next message is read when the one before is durable: a sender that waits is never ahead.
    """
    async with _counted(socket, visitor):
        await socket.accept(_protocol(socket))
        await _until_first(_take_all(socket, visitor), _watch(socket, visitor, PUSHER))


@contextlib.asynccontextmanager
async def _counted(connection: HTTPConnection, visitor: Visitor) -> AsyncIterator[None]:
    """One of the streams that a person may have open."""
    with stream_of(connection.app.state.limits, visitor.person_id):
        yield


async def _take_all(socket: WebSocket, visitor: Visitor) -> None:
    limit = socket.app.state.settings.body_limit
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        body: bytes = message.get("bytes") or (message.get("text") or "").encode()
        try:
            if len(body) > limit:
                raise HTTPException(413, f"this is more than {limit} bytes; send smaller parts")
            told: dict[str, Any] = await take(socket.app, visitor, body)
        except HTTPException as error:
            told = {"status": error.status_code, "detail": error.detail}
        await socket.send_text(orjson.dumps(told).decode())


async def _tell(socket: WebSocket, wanted: frozenset[str] | None) -> None:
    async with contextlib.aclosing(frames_from_now(socket.app, wanted)) as batches:
        async for frames in batches:
            await socket.send_text(_written({"frames": frames}).decode())


async def _leave(socket: WebSocket) -> None:
    """Ends when the client does."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _watch(socket: WebSocket, visitor: Visitor, rule: Any) -> None:
    """Ends the socket when its visitor may no more, or not the same."""
    while True:
        await asyncio.sleep(LOOK)
        if not await _may_still(socket, visitor, rule):
            await socket.close(GONE, "sign in again")
            return


async def _may_still(connection: HTTPConnection, visitor: Visitor, rule: Any) -> bool:
    try:
        async for now in rule(connection):
            if now.roles != visitor.roles:
                return False
    except HTTPException as error:
        return error.status_code == 429  # too busy just now is no reason
    return True


async def _until_first(*coming: Coroutine[Any, Any, None]) -> None:
    """Run together until one ends; a client that left while it was told something is no error."""
    with contextlib.suppress(OSError, RuntimeError):
        await until_first(*coming)


async def _events(
    request: Request, visitor: Visitor, wanted: frozenset[str] | None
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    looked = clock()
    yield b"retry: 2000\n\n"
    async with (
        _counted(request, visitor),
        contextlib.aclosing(frames_from_now(request.app, wanted)) as batches,
        contextlib.aclosing(_beating(batches)) as beating,
    ):
        async for frames in beating:
            if clock() - looked > LOOK:
                looked = clock()
                if not await _may_still(request, visitor, VIEWER):
                    return
            yield b"".join(map(_event, frames)) or b": alive\n\n"


async def _beating(
    batches: AsyncGenerator[Sequence[Frame], None],
) -> AsyncGenerator[Sequence[Frame], None]:
    """The batches, and an empty one after each silence."""
    while True:
        coming = asyncio.ensure_future(anext(batches, None))
        try:
            while not (await asyncio.wait({coming}, timeout=BEAT))[0]:
                yield ()
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        frames = coming.result()
        if frames is None:
            return
        yield frames


def _event(frame: Frame) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(frame["kind"]).encode(), _written(frame))


def _written(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY, default=dict)


def _wanted(visitor: Visitor, twins: Sequence[str]) -> frozenset[str] | None:
    """The twins to listen to: those asked for, as far as the visitor may see them."""
    mine = seen(visitor)
    if not twins:
        return mine
    return frozenset(twins) if mine is None else frozenset(twins) & mine


def _protocol(socket: WebSocket) -> str | None:
    offered = socket.headers.get("sec-websocket-protocol", "").split(",")
    return PROTOCOL if PROTOCOL in (one.strip() for one in offered) else None
