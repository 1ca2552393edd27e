"""Snapshots: where a twin goes on from after a stop, as one row of the database.

One holds the oldest belief that a reading may still take the twin back to, and the readings
since. With it, no row of the log up to its offset is needed any more.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, update

from songsinh.database import tables
from songsinh.errors import DataError
from songsinh.twin import Belief

__all__ = ["Snapshot", "read_snapshots", "write_snapshots"]

MAGIC: Final = b"songsinh snapshot 1\n"
NUMBERS: Final = ("time", "watermark", "epoch", "begun")  # us
SHORTS: Final = ("kind", *NUMBERS, "counts", "settled", "more")
ARRAYS: Final = {"inputs": "<f8", "times": "<i8", "values": "<f8", "aside": "u1"}


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """A twin as it stood at an offset of the log.

    `time` (us) is that of the belief, `times` (us), `values` and `aside` are the rows of
    readings since; `inputs` end with the time they hold from. `more` is what does not touch
    the belief.
    """

    kind: str
    time: int
    watermark: int
    epoch: int
    begun: int
    counts: Mapping[str, int]
    settled: Sequence[int]
    belief: Belief | None
    inputs: NDArray[np.float64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    aside: NDArray[np.uint8]
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The snapshot as bytes."""
        head = {name: getattr(self, name) for name in SHORTS}
        belief = b"" if self.belief is None else self.belief.to_bytes()
        arrays = {name: getattr(self, name) for name in ARRAYS}
        head["belief"] = len(belief)
        head["shapes"] = {name: array.shape for name, array in arrays.items()}
        body = [np.ascontiguousarray(arrays[name], kind) for name, kind in ARRAYS.items()]
        line = orjson.dumps(head) + b"\n"
        return b"".join([MAGIC, line, belief, *(array.tobytes() for array in body)])

    @staticmethod
    def from_bytes(content: bytes) -> "Snapshot":
        """What `to_bytes` wrote; DataError for anything else."""
        if not content.startswith(MAGIC):
            raise DataError(
                f"these {len(content)} bytes are no snapshot of this version; "
                "let the twin begin anew"
            )
        line, _, body = content[len(MAGIC) :].partition(b"\n")
        head = orjson.loads(line)
        length, shapes = head.pop("belief"), head.pop("shapes")
        found: dict[str, Any] = dict(head)
        found["belief"] = Belief.from_bytes(body[:length]) if length else None
        place = length
        for name, kind in ARRAYS.items():
            count = int(np.prod(shapes[name]))
            array = np.frombuffer(body, kind, count, place)
            found[name] = array.reshape(shapes[name]).copy()
            place += array.nbytes
        return Snapshot(**found)


def read_snapshots(
    engine: Engine, twins: Collection[int]
) -> dict[int, tuple[int, Snapshot | None]]:
    """Of twins (twins.id) the last offset each knows and what it knew then, None if damaged."""
    table = tables.snapshots
    query = select(table.c.twin, table.c.offset, table.c.body).where(table.c.twin.in_(list(twins)))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found: dict[int, tuple[int, Snapshot | None]] = {}
    for twin, offset, body in rows:
        try:
            found[twin] = offset, Snapshot.from_bytes(body)
        except (DataError, ValueError, TypeError, KeyError):
            found[twin] = offset, None
    return found


def write_snapshots(
    connection: Connection,
    offset: int,
    snapshots: Mapping[int, Snapshot],
    *,
    same: Sequence[int] = (),
) -> None:
    """Store snapshots by twins.id as of an offset; those of `same` hold at that offset too."""
    table = tables.snapshots
    if same:
        move = update(table).where(table.c.twin.in_(list(same)), table.c.offset < offset)
        connection.execute(move.values(offset=offset))
    if snapshots:
        connection.execute(delete(table).where(table.c.twin.in_(list(snapshots))))
        rows = [
            {"twin": twin, "offset": offset, "time_us": one.time, "body": one.to_bytes()}
            for twin, one in snapshots.items()
        ]
        connection.execute(insert(table), rows)
