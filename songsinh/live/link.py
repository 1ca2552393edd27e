"""The link: the hub across a Unix socket, for a process that does not follow twins itself.

A message is its length and its head's length (4 bytes each, big-endian), a head in JSON, and
for readings their columns. Many requests are under way at once. All of them may be asked twice,
so what was not answered when the link broke is asked again over the next.
"""

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, final

import orjson

from songsinh import errors
from songsinh.errors import LiveError, SongsinhError
from songsinh.live.columns import Columns, spread
from songsinh.live.hub import Frame, Hub
from songsinh.live.mailboxes import Mailbox
from songsinh.live.readings import Receipt, Row

__all__ = ["RemoteHub", "serve_hub"]

LENGTHS: Final = struct.Struct(">II")
LARGEST: Final = 64 << 20  # bytes of a message
UNDER_WAY: Final = 256  # requests of one connection; more wait in the socket
TAKEN: Final = 64  # of which readings, so that those who ask get through when they are many
PATIENCE: Final = 15.0  # s without a link until those who ask are told
SLOWEST: Final = 120.0  # s for any answer


class _Message(NamedTuple):
    head: dict[str, Any]
    body: bytes = b""

    def packed(self) -> bytes:
        head = orjson.dumps(self.head, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)
        return LENGTHS.pack(len(head) + len(self.body), len(head)) + head + self.body


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


async def _read(reader: asyncio.StreamReader) -> _Message:
    length, split = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
    if split > length or length > LARGEST:
        raise LiveError(f"a message of {length} bytes came over the link; send at most {LARGEST}")
    content = await reader.readexactly(length)
    return _Message(orjson.loads(content[:split]), content[split:])


# -- the side that follows twins


@contextlib.asynccontextmanager
async def serve_hub(hub: Hub, path: Path | str) -> AsyncIterator[None]:
    """The hub at a Unix socket, for as long as this is entered; only its owner may connect."""
    busy: set[asyncio.Task[None]] = set()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            busy.add(task)
            task.add_done_callback(busy.discard)
        with contextlib.suppress(OSError, EOFError, LiveError, ValueError, asyncio.CancelledError):
            await _Served(hub, reader, writer).run()
        writer.close()

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)  # of a process that was killed
    server = await asyncio.start_unix_server(welcome, path, limit=1 << 20)
    Path(path).chmod(0o600)
    try:
        yield
    finally:
        server.close()
        for task in tuple(busy):
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await server.wait_closed()
        Path(path).unlink(missing_ok=True)


@final
class _Served:
    """One connection: its requests, each in a task of its own, and what it listens to."""

    def __init__(
        self, hub: Hub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._hub, self._reader, self._writer = hub, reader, writer
        self._room = asyncio.Semaphore(UNDER_WAY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            while True:
                message = await _read(self._reader)
                if message.head["do"] == "listen":
                    self._listen(message.head["twins"])
                    continue
                await self._room.acquire()
                task = asyncio.create_task(self._answer(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._listen([])
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _listen(self, twins: list[str] | None) -> None:
        if self._listening is not None:
            self._listening.cancel()
        self._listening = None
        if twins is None or twins:
            self._listening = asyncio.create_task(self._tell(twins))

    async def _tell(self, twins: list[str] | None) -> None:
        with contextlib.suppress(OSError):
            async for frames in self._hub.listen(twins):
                # a slow reader holds this up, and the hub keeps only what is newest
                await self._send(_Message({"frames": frames}))

    async def _answer(self, message: _Message) -> None:
        head = message.head
        try:
            answer: dict[str, Any] = {"is": await self._asked(message)}
        except SongsinhError as error:
            answer = {"error": [type(error).__name__, str(error)]}
        except Exception as error:  # whatever it is, the one who asked must hear of it
            answer = {"error": ["LiveError", f"{head['do']} failed: {error!r}"]}
        finally:
            self._room.release()
        with contextlib.suppress(OSError):
            await self._send(_Message({"id": head["id"], **answer}))

    async def _asked(self, message: _Message) -> Any:
        head = message.head
        if head["do"] == "take":
            # columns are rows that were spread out before
            rows: Any = Columns.from_bytes(message.body)
            return asdict(await self._hub.take(head["source"], rows))
        if head["do"] == "ask":
            return await self._hub.ask(head["what"], head["twin"], head["detail"])
        if head["do"] == "changed":
            return await self._hub.changed()
        return await self._hub.state()

    async def _send(self, message: _Message) -> None:
        self._writer.write(message.packed())
        await self._writer.drain()


# -- the side that asks


@final
class RemoteHub:
    """The hub behind a Unix socket: `async with RemoteHub(path) as hub`.

    It connects when it can and again when the link breaks. Who asks meanwhile waits `patience`
    s, then hears LiveError.
    """

    def __init__(self, path: Path | str, *, patience: float = PATIENCE) -> None:
        self._path, self._patience = Path(path), patience
        self._waiting: dict[int, tuple[bytes, asyncio.Future[Any]]] = {}
        self._mailboxes: dict[Mailbox, frozenset[str] | None] = {}
        self._numbers = itertools.count()
        self._taking = asyncio.Semaphore(TAKEN)
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._linked = asyncio.Event()
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, waiting in self._waiting.values():
            waiting.cancel()

    async def take(self, source: str, rows: Sequence[Row] | Columns) -> Receipt:
        """See Hub."""
        columns = rows if isinstance(rows, Columns) else spread(rows)
        head = {"do": "take", "source": source}
        async with self._taking:
            return Receipt(**await self._ask(head, columns.to_bytes()))

    async def ask(self, what: str, twin: str, detail: Mapping[str, Any]) -> Mapping[str, Any]:
        """See Hub."""
        head = {"do": "ask", "what": what, "twin": twin, "detail": detail}
        answer: Mapping[str, Any] = await self._ask(head)
        return answer

    async def changed(self) -> None:
        """See Hub."""
        await self._ask({"do": "changed"})

    async def state(self) -> Mapping[str, Any]:
        """See Hub."""
        answer: Mapping[str, Any] = await self._ask({"do": "state"})
        return answer

    async def listen(self, twins: Iterable[str] | None = None) -> AsyncIterator[Sequence[Frame]]:
        """See Hub; goes on over the next link when one breaks."""
        wanted = None if twins is None else frozenset(twins)
        mailbox = Mailbox(wanted)
        self._mailboxes[mailbox] = wanted
        self._subscribe()
        try:
            while True:
                yield await mailbox.fetch()
        finally:
            del self._mailboxes[mailbox]
            self._subscribe()

    async def _ask(self, head: dict[str, Any], body: bytes = b"") -> Any:
        number = next(self._numbers)
        packed = _Message(head | {"id": number}, body).packed()
        if len(packed) > LARGEST:
            raise LiveError(f"{len(packed)} bytes are too much at once; send at most {LARGEST}")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = packed, future
        try:
            if self._writer is not None:
                self._writer.write(packed)
                with contextlib.suppress(OSError):
                    await self._writer.drain()
            return await self._answer(future)
        finally:
            del self._waiting[number]

    async def _answer(self, future: asyncio.Future[Any]) -> Any:
        """The answer, unless there is no link for too long."""
        clock = asyncio.get_running_loop().time
        begun = without = clock()
        while True:
            done, _ = await asyncio.wait([future], timeout=self._patience / 4)
            if done:
                return future.result()
            now = clock()
            without = now if self._linked.is_set() else without
            if now - without > self._patience or now - begun > SLOWEST:
                future.cancel()
                raise LiveError(
                    "the process that follows the twins does not answer; "
                    "see that `songsinh live` runs, then ask again"
                ) from TimeoutError()

    def _subscribe(self) -> None:
        """Ask for the frames that any listener here wants: one stream serves them all."""
        if self._writer is None:
            return
        wanted = tuple(self._mailboxes.values())
        everything = None in wanted
        names = sorted(frozenset[str]().union(*(one for one in wanted if one is not None)))
        head = {"do": "listen", "twins": None if everything else names}
        self._writer.write(_Message(head).packed())

    async def _keep(self) -> None:
        pause = 0.02
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=1 << 20)
            except OSError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)
                continue
            pause = 0.02
            try:
                await self._linked_to(reader, writer)
            except (OSError, EOFError, LiveError, ValueError):
                pass
            finally:
                self._writer = None
                self._linked.clear()
                writer.close()
            await asyncio.sleep(pause)

    async def _linked_to(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._linked.set()
        if self._mailboxes:
            self._subscribe()
        for packed, _ in tuple(self._waiting.values()):
            writer.write(packed)
        while True:
            head = (await _read(reader)).head
            if "frames" in head:
                for mailbox in tuple(self._mailboxes):
                    mailbox.put({}, head["frames"])
                continue
            _, future = self._waiting.get(head["id"], (b"", None))
            if future is None or future.done():
                continue
            if "error" in head:
                future.set_exception(_error(*head["error"]))
            else:
                future.set_result(head["is"])


def _error(kind: str, text: str) -> SongsinhError:
    found = getattr(errors, kind, LiveError)
    error: SongsinhError = found(text)
    return error
