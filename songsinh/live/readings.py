"""Readings on their way in: what sources bring, and what the log keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["READING", "Quality", "Readings", "Receipt", "Row"]

# one reading in the log; time is whole microseconds since 1970 (UTC), signal is signals.id
READING: Final = np.dtype([("time", "<i8"), ("value", "<f8"), ("signal", "<u4"), ("quality", "u1")])
Readings = NDArray[Any]  # of READING


class Quality(IntEnum):
    """How far a source trusts a reading; bad ones are kept but not believed."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Row(NamedTuple):
    """A reading as a source brings it: unchecked. Time in s since 1970 (UTC), None for now."""

    twin: Any
    signal: Any
    time: Any
    value: Any
    quality: int = 0


@final
@dataclass(frozen=True)
class Receipt:
    """What became of rows that were brought: all `accepted` are durable."""

    accepted: int
    refused: Mapping[str, int] = field(default_factory=dict)  # by reason
    example: str = ""  # the first refusal in words
