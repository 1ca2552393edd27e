"""The wire under the application: HTTP with an end to patience, for headers that never end."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LARGEST_HEAD", "LONGEST_HEAD", "limited_http"]

LARGEST_HEAD: Final = 64 << 10  # bytes of a request before its body
LONGEST_HEAD: Final = 20.0  # s for them to come
TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def limited_http(*args: Any, **named: Any) -> asyncio.Protocol:
    """Uvicorn's protocol, which gives up a connection whose headers are too long or too slow."""
    wire = HttpToolsProtocol(*args, **named)
    take, meet = wire.data_received, wire.connection_made
    waited, timer = 0, None

    def is_waiting() -> bool:
        if wire.transport.is_closing() or wire.transport.get_protocol() is not wire:
            return False  # gone, or a WebSocket by now
        return wire.cycle is None or wire.cycle.response_complete

    def give_up() -> None:
        if is_waiting():
            wire.transport.close()

    def arm() -> None:
        nonlocal timer
        if timer is not None:
            timer.cancel()
        timer = asyncio.get_running_loop().call_later(LONGEST_HEAD, give_up)

    def connection_made(transport: Any) -> None:
        meet(transport)
        arm()

    def data_received(data: bytes) -> None:
        nonlocal waited
        if waited == 0:
            arm()
        take(data)
        waited = waited + len(data) if is_waiting() else 0
        if waited > LARGEST_HEAD:
            wire.transport.write(TOO_LARGE)
            wire.transport.close()

    # not a class below theirs: only these two of its doors are watched
    wire.data_received = data_received  # type: ignore[method-assign]
    wire.connection_made = connection_made  # type: ignore[method-assign]
    return wire
