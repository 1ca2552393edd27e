"""Pages of a list: rows after a cursor, so that nothing is shown twice while the list grows."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, final

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, or_

from songsinh.errors import DataError

__all__ = ["LARGEST", "MOST", "Page", "turn"]

T = TypeVar("T")
Key = tuple[ColumnElement[Any], Literal["up", "down"]]

MOST = 500  # rows of one page
LARGEST = 2**63 - 1  # what a whole number in the database can be


@final
@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows in order; `next` is the cursor of the rows that follow, None after the last."""

    rows: tuple[T, ...]
    next: str | None = None


def turn(
    connection: Connection,
    query: Select[Any],
    *,
    by: Sequence[Key],
    after: str | None = None,
    limit: int = 100,
) -> tuple[list[dict[str, Any]], str | None]:
    """The rows after the cursor, at most `limit`, in the order `by`; and the next cursor.

    The keys of the order together tell every row apart.
    """
    query = query.add_columns(*(column.label(f"key_{i}") for i, (column, _) in enumerate(by)))
    if after is not None:
        query = query.where(_past(by, _read(after, len(by))))
    order = [column.asc() if way == "up" else column.desc() for column, way in by]
    size = min(max(limit, 1), MOST)
    rows = connection.execute(query.order_by(*order).limit(size + 1)).all()
    cursor = _write(list(rows[size - 1][-len(by) :])) if len(rows) > size else None
    names = [str(column.key) for column in query.selected_columns][: -len(by)]
    return [dict(zip(names, row, strict=False)) for row in rows[:size]], cursor


def _past(by: Sequence[Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """Row by row, the first key that differs decides."""
    cases = []
    for i, ((column, way), value) in enumerate(zip(by, values, strict=True)):
        same = [key == seen for (key, _), seen in zip(by[:i], values[:i], strict=True)]
        cases.append(and_(*same, column > value if way == "up" else column < value))
    return or_(*cases)


def _write(values: Sequence[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def _read(cursor: str, count: int) -> list[Any]:
    wrong = DataError("is no cursor of this list; take it from `next`", value=cursor[:80])
    try:
        raw = cursor.encode("ascii")
        values = orjson.loads(urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
    except ValueError as error:
        raise wrong from error
    if not isinstance(values, list) or len(values) != count:
        raise wrong
    for value in values:
        number = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
        if not (number or (isinstance(value, str) and "\0" not in value)):
            raise wrong
    return values
