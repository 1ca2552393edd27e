"""songsinh start, live and serve: the centre's long-running parts."""

import asyncio
import contextlib
import fcntl
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from songsinh.cli.settings import Settings, read_settings
from songsinh.errors import SettingError

__all__ = ["follow_twins", "serve_pages", "start_centre"]

Home = Annotated[Path | None, typer.Option(help="Folder that holds all the centre knows.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on; loopback unless told.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]

STEADY: Final = 30.0  # s after which a part that ends is started again at once
PATIENCE: Final = 20.0  # s that a part is given to end by itself


def start_centre(
    home: Home = None,
    host: Host = None,
    port: Port = None,
    examples: Annotated[
        bool, typer.Option(help="Begin an empty centre with the example twins.")
    ] = True,
    together: Annotated[bool, typer.Option(help="All in one process.")] = False,
) -> None:
    """Start the centre: follow the twins, and serve pages and the API."""
    settings = read_settings({"home": home, "host": host, "port": port})
    _try_port(settings)
    _prepare(settings, examples)
    if together:
        asyncio.run(_together(settings))
        return
    words = ["--home", str(settings.home)]
    where = ["--host", settings.host, "--port", str(settings.port)]
    _supervise({"live": ["live", *words], "serve": ["serve", *words, *where]})


def follow_twins(home: Home = None) -> None:
    """Follow the twins: readings in, beliefs, forecasts and alerts out."""
    asyncio.run(_live(read_settings({"home": home})))


def serve_pages(home: Home = None, host: Host = None, port: Port = None) -> None:
    """Serve the pages and the API; what they ask of twins `songsinh live` answers."""
    asyncio.run(_serve(read_settings({"home": home, "host": host, "port": port})))


def _try_port(settings: Settings) -> None:
    """Pass, or SettingError when nobody can listen there: said once, before anything begins."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        raise SettingError(
            f"cannot listen on {settings.host}:{settings.port}; choose another port"
        ) from error


def _prepare(settings: Settings, examples: bool) -> None:
    """The home folder, the database, the example twins, and the way in for the first person."""
    from rich.console import Console

    from songsinh.database import open_database
    from songsinh.web import first_link

    say = Console(highlight=False, soft_wrap=True).print
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = open_database(settings.database_address)
    if examples:
        from songsinh.cli.examples import add_examples

        for title in add_examples(engine, settings.home):
            say(f"Example twin: {title}")
    say(f"[bold]Songsinh[/] is starting on {settings.address}")
    link = first_link(engine, settings.address)
    if link:
        say(f"Open this once to become its administrator: [bold]{link}[/]")
    engine.dispose()


def _supervise(parts: Mapping[str, Sequence[str]]) -> None:
    """Run each part in a process of its own; one that ends is started again, until Ctrl-C."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    since: dict[str, float] = {}
    pauses = dict.fromkeys(parts, 0.0)
    stop = _told_to_stop()
    while not stop:
        for name, words in parts.items():
            child = running.get(name)
            if child is not None and child.poll() is None:
                continue
            if child is not None:
                if child.returncode == 2:  # a wrong setting does not mend itself
                    stop.append(2)
                    break
                steady = time.monotonic() - since[name] > STEADY
                pauses[name] = 0.2 if steady else min(2 * pauses[name] + 0.2, 10.0)
                ended = f"songsinh {name} ended with {child.returncode}"
                print(f"{ended}; it is started again", flush=True)
                time.sleep(pauses[name])
            since[name] = time.monotonic()
            running[name] = subprocess.Popen([sys.executable, "-m", "songsinh.cli", *words])
        time.sleep(0.2)
    for child in running.values():
        child.terminate()
    for child in running.values():
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
    if stop[0] == 2:  # the part itself has said why
        raise typer.Exit(2)


def _told_to_stop() -> list[int]:
    """A list that is filled when the process is asked to end."""
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.append(0))
    return told


async def _live(settings: Settings) -> None:
    from songsinh.live import serve_hub, until_first

    async with (
        _centre(settings) as centre,
        _publishing(settings, centre),
        serve_hub(centre, settings.socket),
    ):
        # a failure that nobody foresaw ends the process, and a fresh one goes on from the log
        await until_first(_asked_to_end(), centre.failed())


async def _serve(settings: Settings) -> None:
    from songsinh.database import open_database
    from songsinh.live import History, RemoteHub
    from songsinh.web import create_app, serve

    engine = open_database(settings.database_address)
    history = History(settings.history_address, engine, storage=settings.storage)
    async with RemoteHub(settings.socket) as hub:
        web = _web_settings(settings)
        await serve(web, create_app(web, engine, hub, history))
    engine.dispose()


async def _together(settings: Settings) -> None:
    from songsinh.live import serve_hub, until_first
    from songsinh.web import create_app, serve

    async with (
        _centre(settings) as centre,
        _publishing(settings, centre),
        serve_hub(centre, settings.socket),
    ):
        web = _web_settings(settings)
        app = create_app(web, centre.engine, centre, centre.history)
        await until_first(serve(web, app), centre.failed())


@contextlib.asynccontextmanager
async def _centre(settings: Settings) -> Any:
    from songsinh.database import open_database
    from songsinh.live import Centre, History
    from songsinh.sectors import build

    with _alone(settings.home):
        engine = open_database(settings.database_address)
        history = History(settings.history_address, engine, storage=settings.storage)
        centre = Centre(
            engine, history, build, sealing=settings.sealing, recordings=settings.recording_folders
        )
        await centre.start()
        try:
            yield centre
        finally:
            await centre.stop()
            engine.dispose()


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """For as long as this is entered nobody else follows the twins of a home; a kill ends it."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "live.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingError(
                f"the twins of {str(home)!r} are followed already; stop that songsinh first"
            ) from error
        yield


@contextlib.asynccontextmanager
async def _publishing(settings: Settings, centre: Any) -> Any:
    """Forecasts and alerts told to an MQTT broker, when one is set."""
    if not settings.publish:
        yield
        return
    from songsinh.live import publish, read_publishing

    def note(what: str) -> None:
        print(f"publishing: {what}", flush=True)

    told = read_publishing(settings.publish)
    task = asyncio.create_task(publish(told, centre, note=note))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _web_settings(settings: Settings) -> Any:
    from songsinh.web import OpenId, WebSettings, read_secret

    try:
        openid = OpenId(**settings.openid) if settings.openid else None
    except TypeError as error:
        raise SettingError(
            f"the setting openid names {', '.join(settings.openid)}; it needs issuer, client_id "
            "and client_secret, and may have a name"
        ) from error
    return WebSettings(
        secret=read_secret(settings.home / "secret"),
        host=settings.host,
        port=settings.port,
        address=settings.address,
        allowed_hosts=settings.allowed_hosts,
        tls_certificate=settings.tls_certificate or None,
        tls_key=settings.tls_key or None,
        behind_proxy=settings.behind_proxy,
        openid=openid,
    )


async def _asked_to_end() -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
