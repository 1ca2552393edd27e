"""The hub: what the following of twins offers to pages and programs, here or across a socket.

`live` holds the real one; `serve` speaks to it through `link.py`. What the hub tells is
already durable, so nothing is lost when either side is killed.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Protocol

from songsinh.live.columns import Columns
from songsinh.live.readings import Receipt, Row

__all__ = ["Frame", "Hub"]

# {"kind": "belief" | "forecast" | "alert" | "state", "twin": name, "time": s since 1970, ...}
Frame = Mapping[str, Any]


class Hub(Protocol):
    """What can be asked of the process that follows twins."""

    async def take(self, source: str, rows: Sequence[Row] | Columns) -> Receipt:
        """Take readings in; when this returns, those accepted are durable.

        Waits while the runner is too far behind (back-pressure).
        """
        ...

    def listen(self, twins: Iterable[str] | None = None) -> AsyncIterator[Sequence[Frame]]:
        """What changes from now on, of these twins or all, in batches.

        A listener that is slow is told only the newest belief of each twin, never nothing.
        """
        ...

    async def ask(self, what: str, twin: str, detail: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put a question to a twin: `now`, `what_if`, `decide`; LiveError if it has no answer."""
        ...

    async def changed(self) -> None:
        """Twins or sources in the database have changed: read them again."""
        ...

    async def state(self) -> Mapping[str, Any]:
        """How the runner does: each twin's lag, pace and counts, and each source's."""
        ...
