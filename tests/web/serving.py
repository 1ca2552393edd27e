"""The app on a real port, for tests of streams."""

import asyncio
import socket
from contextlib import asynccontextmanager

import uvicorn


@asynccontextmanager
async def serving(app):
    """Its host and port, while it is served in this loop."""
    # asyncio sends small answers at once only where the socket says that it is TCP
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="error", lifespan="off", ws="websockets-sansio",
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.005)
            yield f"127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task


def bearer(desk, who, *, scope="read", twin="*"):
    """The header of a new token."""
    program = desk.program(who, scope=scope, twin=twin)
    return {"Authorization": program.inside.headers["authorization"]}
