"""Putting rows on a shelf: each once, in order, in files that stay few."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from songsinh.live.shelves import DAY_US, File, Shelf, View, Words

__all__ = ["Keys", "arrange", "coded", "merge", "put", "words_of"]

Keys = list[tuple[str, ...]]
CROWD: Final = 8  # files of about one size in a day before they are made one
FULL: Final = 1_000_000  # rows of files that are left alone until their day is over
PORTION: Final = 2_000_000  # rows held in memory while files are merged
MOST: Final = 10_000_000  # pairs of words that are counted in a table rather than sorted


def put(shelf: Shelf, view: View, rows: pa.Table) -> tuple[list[File], list[File], int]:
    """Files to add and to remove so that these rows are on the shelf, and how many were new.

    Of rows alike in key and time the first stays: one on the shelf before any that comes.
    """
    add: list[File] = []
    remove: list[File] = []
    arranged, new = arrange([rows], shelf.order), 0
    days = _times(arranged, shelf.order) // DAY_US
    for day in np.unique(days).tolist():
        files = [file for file in view.files if file.day == day]
        fresh = _unknown(shelf, files, arranged.filter(pa.array(days == day)))
        written = shelf.write(day, [fresh])
        if written is None:
            continue
        new += written.rows
        crowd = _crowd([*files, written])
        if written in crowd:
            add.append(merge(shelf, day, crowd))
            remove += [file for file in crowd if file is not written]
            shelf.discard(written)
        else:
            add.append(written)
    return add, remove, new


def arrange(tables: Sequence[pa.Table], order: Sequence[str]) -> pa.Table:
    """The rows of tables by key, then time; of rows alike in both the first stays."""
    table = pa.concat_tables(tables).unify_dictionaries()
    codes, _ = coded(table, order)
    times = _times(table, order)
    sequence = np.lexsort((times, codes))
    codes, times = codes[sequence], times[sequence]
    first = np.ones(len(codes), bool)
    first[1:] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1])
    return table.take(pa.array(sequence[first]))


def coded(table: pa.Table, order: Sequence[str]) -> tuple[NDArray[np.int64], Keys]:
    """For each row the place of its key, and the keys there are in their order."""
    total, sizes, texts = np.zeros(table.num_rows, np.int64), [], []
    for name in order[:-1]:
        column = table[name].unify_dictionaries()
        words = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
        codes = [chunk.indices.to_numpy() for chunk in column.chunks]
        total = total * max(len(words), 1) + (np.concatenate(codes) if codes else 0)
        sizes.append(max(len(words), 1))
        texts.append(words)
    found, places = _distinct(total, math.prod(sizes))
    digits = np.unravel_index(found, sizes)
    keys = [tuple(texts[i][d] for i, d in enumerate(each)) for each in zip(*digits, strict=True)]
    ranked = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), np.int64)
    rank[ranked] = np.arange(len(keys))
    return rank[places], [keys[i] for i in ranked]


def _distinct(values: NDArray[Any], limit: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The different values below a limit, and the place of each value among them."""
    if limit > MOST:
        return np.unique(values, return_inverse=True)
    present = np.zeros(limit, bool)
    present[values] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[values]


def merge(shelf: Shelf, day: int, files: Sequence[File], tag: str = "raw") -> File:
    """One file written from several of a day; they share no row."""
    written = shelf.write(day, merged(shelf, files), tag)
    if written is None:
        raise ValueError("files on a shelf have rows")
    return written


def merged(shelf: Shelf, files: Sequence[File]) -> Iterator[pa.Table]:
    """The rows of several files in order, in portions of whole twins."""
    columns = shelf.schema.names
    for low, high in _portions(shelf, files):
        words = {shelf.order[0]: (low, high)}
        parts = [shelf.read(file, columns, words=words) for file in files if file.may_hold(words)]
        yield arrange(parts, shelf.order)


def _portions(shelf: Shelf, files: Sequence[File]) -> Iterator[tuple[str, str]]:
    """First and last twin of runs of twins that are small enough to be held at once."""
    counts: dict[str, int] = {}
    first = shelf.order[0]
    if sum(file.rows for file in files) <= PORTION:
        yield min(f.spans[first][0] for f in files), max(f.spans[first][1] for f in files)
        return
    for file in files:
        codes, keys = coded(shelf.read(file, [first]), [first, ""])
        for key, count in zip(keys, np.bincount(codes).tolist(), strict=True):
            counts[key[0]] = counts.get(key[0], 0) + count
    held, low = 0, ""
    twins = sorted(counts)
    for i, twin in enumerate(twins):
        low, held = low or twin, held + counts[twin]
        if i + 1 == len(twins) or held + counts[twins[i + 1]] > PORTION:
            yield low, twin
            held, low = 0, ""


def words_of(table: pa.Table, order: Sequence[str]) -> Words:
    """The least and greatest word in each column of text."""
    found: dict[str, tuple[str, str]] = {}
    for name in order[:-1]:
        used = table[name].combine_chunks().unique().to_pylist()
        found[name] = (min(used), max(used))
    return found


def _times(table: pa.Table, order: Sequence[str]) -> NDArray[np.int64]:
    return table[order[-1]].cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def _unknown(shelf: Shelf, files: Sequence[File], rows: pa.Table) -> pa.Table:
    """The rows, arranged, whose key and time no file has."""
    times = _times(rows, shelf.order)
    start, end = int(times.min()), int(times.max()) + 1
    words = words_of(rows, shelf.order)
    met = [f for f in files if f.last_us >= start and f.first_us < end and f.may_hold(words)]
    if not met:
        return rows
    known = [shelf.read(file, shelf.order, words=words, start_us=start, end_us=end) for file in met]
    before = pa.concat_tables(known)
    both = pa.concat_tables([before, rows.select(list(shelf.order))]).unify_dictionaries()
    codes, _ = coded(both, shelf.order)
    pairs = codes * DAY_US + _times(both, shelf.order) % DAY_US
    return rows.filter(pa.array(~np.isin(pairs[before.num_rows :], pairs[: before.num_rows])))


def _crowd(files: Sequence[File]) -> list[File]:
    """Files of about one size, if there are too many of them."""
    sizes: dict[int, list[File]] = {}
    for file in files:
        if file.rows < FULL:
            sizes.setdefault(int(math.log(file.rows, CROWD)), []).append(file)
    crowds: Mapping[int, list[File]] = {k: v for k, v in sizes.items() if len(v) >= CROWD}
    return crowds[min(crowds)] if crowds else []
