"""Serving the application until the process is told to end."""

import asyncio
import contextlib
import os
import secrets
import signal
from pathlib import Path
from typing import Any, Final

import uvicorn

from songsinh.errors import SettingError
from songsinh.web.security.secrecy import keep_secrets
from songsinh.web.settings import WebSettings
from songsinh.web.wire import limited_http

__all__ = ["read_secret", "serve"]

GRACE: Final = 10  # s for answers under way when told to end
MOST_AT_ONCE: Final = 2000  # connections and answers


async def serve(settings: WebSettings, app: Any, *, stop: asyncio.Event | None = None) -> None:
    """Serve the app until SIGTERM, Ctrl-C or `stop`; answers under way are finished.

    Raises SettingError when it cannot listen, or the certificate cannot be read.
    """
    keep_secrets()
    stop = stop or _told_to_stop()
    try:
        server = uvicorn.Server(_config(settings, app))
        server.config.load()
    except (OSError, ValueError) as error:
        raise SettingError(f"the certificate cannot be used ({error}); check the files") from error
    # the caller has more to put away than the server, so the signals are not the server's
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    told = asyncio.create_task(_end(server, stop))
    try:
        await server.serve()
    except SystemExit as error:
        raise SettingError(
            f"cannot listen on {settings.host}:{settings.port}; choose another port"
        ) from error
    finally:
        told.cancel()


def read_secret(file: Path) -> bytes:
    """The secret of the centre, 32 bytes, made at the first start; only its owner may read it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "w", encoding="ascii") as out:
                out.write(secrets.token_hex(32))
        return bytes.fromhex(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise SettingError(
            f"the secret {str(file)!r} cannot be read ({error}); remove it, and all sign in again"
        ) from error


async def _end(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


def _told_to_stop() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def _config(settings: WebSettings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=limited_http,  # type: ignore[arg-type]
        ws="websockets-sansio",
        ws_max_size=settings.body_limit,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=list(settings.proxies),
        # addresses of links are secrets, so requests are not logged one by one
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
