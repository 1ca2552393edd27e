"""Readings as files that people take away: CSV or Parquet, in parts while they are made."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from songsinh.live.parquet import stream_parquet
from songsinh.live.shelves import STAMP
from songsinh.live.thinning import Points

__all__ = ["FORMS", "named"]


def named(twin: str, signal: str, points: Points) -> pa.Table:
    """Readings of one signal as a table: twin, signal, time, value, quality."""
    codes = pa.array(np.zeros(len(points.times), np.int32))
    words = [pa.DictionaryArray.from_arrays(codes, pa.array([word])) for word in (twin, signal)]
    times = pa.array(points.times).cast(STAMP)
    columns = [*words, times, pa.array(points.values), pa.array(points.quality)]
    return pa.table(columns, names=["twin", "signal", "time", "value", "quality"])


def _csv(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    yield b"twin,signal,time,value,quality\n"
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    for table in tables:
        sink = io.BytesIO()
        pyarrow.csv.write_csv(_plain(table), sink, options)
        yield sink.getvalue()


def _plain(table: pa.Table) -> pa.Table:
    """Words as text, and times as 2026-01-31T23:59:59.000000Z."""
    for i, name in enumerate(table.column_names[:2]):
        table = table.set_column(i, name, table[name].cast(pa.string()))
    text = pc.strftime(table["time"], "%Y-%m-%dT%H:%M:%SZ")
    return table.set_column(2, "time", text)


def _parquet(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    given = iter(tables)
    nothing = Points(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8))
    first = next(given, named("", "", nothing))
    yield from stream_parquet(chain([first], given))


FORMS: Final[Mapping[str, Callable[[Iterable[pa.Table]], Iterator[bytes]]]] = {
    "csv": _csv,
    "parquet": _parquet,
}
