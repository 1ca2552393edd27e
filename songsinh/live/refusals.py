"""Refusals: what was not taken in, for which reason, how often, with the last example."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from threading import Lock
from typing import Any, Final, NamedTuple, final

from sqlalchemy import Engine, and_, insert, update

from songsinh.database import tables

__all__ = ["Reason", "Refused", "Tally", "tidy"]

LONGEST: Final = 200  # characters of an example
UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


class Reason(StrEnum):
    """Why a reading or a message was refused; the list is closed."""

    UNREADABLE = "unreadable"  # not what the format asks for
    ENCODING = "not utf-8"
    TOO_LARGE = "too large"
    TOO_DEEP = "too deep"
    NO_TEMPLATE = "topic fits no template"
    UNKNOWN_ALIAS = "unknown alias"
    UNKNOWN_TWIN = "unknown twin"
    UNKNOWN_SIGNAL = "unknown signal"
    NO_VALUE = "no value"
    NOT_A_NUMBER = "not a number"
    NOT_FINITE = "not finite"
    ABSURD = "absurd value"
    TIME_UNREADABLE = "time unreadable"
    FUTURE = "time in the future"
    PAST = "time too far back"
    TOO_FAST = "faster than taken in"


class Refused(NamedTuple):
    """Something that a source could not turn into readings; stands among rows, to be counted."""

    reason: Reason
    example: str = ""
    number: int = 1


def tidy(text: Any) -> str:
    """A text fit for a page and a table: one line, no control characters, 200 characters.

    >>> tidy("a\\x00b\\nc")
    'a b c'
    """
    line = UNFIT.sub(" ", str(text)[: 4 * LONGEST]).encode("utf-8", "replace").decode("utf-8")
    return line[:LONGEST]


@final
class Tally:
    """Counts refusals by source and reason until they are flushed to the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._flushing = Lock()
        self._counts: dict[tuple[str, str], _Count] = {}

    def add(self, source: str, refused: Iterable[Refused], at_us: int) -> None:
        """Count these."""
        with self._lock:
            for reason, example, more in refused:
                key = (source[:64], str(reason))
                old = self._counts.get(key)
                number, first = (old.number, old.first_us) if old else (0, at_us)
                shown = tidy(example) or (old.example if old else "")
                self._counts[key] = _Count(number + more, first, at_us, shown)

    def has(self, source: str, reason: Reason) -> bool:
        """Whether such a refusal already waits, so that its example need not be worked out."""
        return (source[:64], str(reason)) in self._counts

    def flush(self) -> int:
        """Write what was counted since the last time; how many rows of the table changed."""
        with self._flushing:
            with self._lock:
                counts, self._counts = self._counts, {}
            try:
                self._write(counts)
            except BaseException:
                self._restore(counts)
                raise
            return len(counts)

    def _write(self, counts: Mapping[tuple[str, str], "_Count"]) -> None:
        if not counts:
            return
        table = tables.refusals
        with self._engine.begin() as connection:
            for (source, reason), new in counts.items():
                here = and_(table.c.source == source, table.c.reason == reason)
                changed = {"last_us": new.last_us, "example": new.example}
                more = update(table).where(here)
                more = more.values(count=table.c.count + new.number, **changed)
                if connection.execute(more).rowcount == 0:
                    row = {"source": source, "reason": reason, "first_us": new.first_us} | changed
                    connection.execute(insert(table).values(count=new.number, **row))

    def _restore(self, counts: Mapping[tuple[str, str], "_Count"]) -> None:
        """Nothing counted is lost when the database is away for a while."""
        with self._lock:
            for key, old in counts.items():
                new = self._counts.get(key)
                if new is not None:
                    kept = new.example or old.example
                    old = _Count(old.number + new.number, old.first_us, new.last_us, kept)
                self._counts[key] = old


class _Count(NamedTuple):
    number: int
    first_us: int
    last_us: int
    example: str
