"""Retention: rules of how long what is kept, followed; and days that are over made one file."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from songsinh.live.rules import Rule
from songsinh.live.shelves import DAY_US, File, Shelf, View
from songsinh.live.shelving import coded, merge, merged

__all__ = ["Kept", "keep"]


@final
@dataclass(frozen=True)
class Kept:
    """What an upkeep did: files before and after on all shelves, rows dropped, files deleted."""

    files_before: int
    files_after: int
    dropped: int
    deleted: int


def keep(shelves: Mapping[str, Shelf], rules: Sequence[Rule], now_us: int | None) -> Kept:
    """Apply rules to all days that are over, and leave each with one file where it can be."""
    today = (now_us if now_us is not None else time.time_ns() // 1000) // DAY_US
    before, after, dropped, deleted = 0, 0, 0, 0
    for name, shelf in shelves.items():
        view = shelf.look()
        before += len(view.files)
        rows = sum(file.rows for file in view.files)
        for day in sorted({file.day for file in view.files if file.day < today}):
            applied = _applied(rules, today - day, thins=name == "readings")
            _keep_day(shelf, shelf.look(), day, applied)
        view = shelf.look()
        after += len(view.files)
        dropped += rows - sum(file.rows for file in view.files)
        deleted += shelf.sweep()
    return Kept(before, after, dropped, deleted)


def _applied(rules: Sequence[Rule], age: int, thins: bool) -> dict[str, Rule]:
    """By twin or "*" the rule for days of an age; only readings are made into means."""
    found: dict[str, Rule] = {}
    for rule in sorted(rules, key=lambda rule: rule.older_than_days):
        # a day is as old as its last moment
        if rule.older_than_days <= age - 1 and (thins or not rule.span_us):
            found[rule.twin] = rule
    return {twin: rule for twin, rule in found.items() if rule.keep != "all" or twin != "*"}


def _keep_day(shelf: Shelf, view: View, day: int, rules: Mapping[str, Rule]) -> None:
    files = [file for file in view.files if file.day == day]
    tag = _tag(rules)
    if len(files) == 1 and files[0].path.partition("/")[2].startswith(f"{tag}-"):
        return
    if set(rules) == {"*"} and rules["*"].keep == "nothing":
        shelf.commit(view, add=[], remove=files)
        return
    if not rules:
        if len(files) > 1:
            shelf.commit(view, add=[merge(shelf, day, files, tag)], remove=files)
        return
    written = shelf.write(day, _ruled(shelf, files, rules), tag)
    shelf.commit(view, add=[written] if written else [], remove=files)


def _tag(rules: Mapping[str, Rule]) -> str:
    """The name of files to which these rules were applied."""
    if not rules:
        return "raw"
    words = repr(sorted((twin, rule.keep) for twin, rule in rules.items()))
    return "kept" + blake2b(words.encode(), digest_size=4).hexdigest()


def _ruled(shelf: Shelf, files: Sequence[File], rules: Mapping[str, Rule]) -> Iterator[pa.Table]:
    """The rows of files that rules leave."""
    for table in merged(shelf, files):
        codes, keys = coded(table, ("twin", ""))
        kinds = [rules.get(key[0], rules.get("*")) for key in keys]
        spans = np.array([_span(rule) for rule in kinds], np.int64)[codes]
        kept = table.filter(pa.array(spans >= 0))
        yield _means(kept, spans[spans >= 0], shelf.order) if (spans > 0).any() else kept


def _span(rule: Rule | None) -> int:
    if rule is None:
        return 0
    return -1 if rule.keep == "nothing" else rule.span_us


def _means(table: pa.Table, spans: NDArray[np.int64], order: Sequence[str]) -> pa.Table:
    """The means of readings over spans (us); readings whose span is 0 stay as they are."""
    codes, _ = coded(table, order)
    times = table["time"].cast(pa.int64()).to_numpy()
    values, quality = table["value"].to_numpy(), table["quality"].to_numpy()
    times = np.where(spans > 0, times - times % np.maximum(spans, 1), times)
    starts = np.flatnonzero(np.r_[True, (np.diff(codes) != 0) | (np.diff(times) != 0)])
    ends = np.r_[starts[1:], len(times)]
    best = np.repeat(np.minimum.reduceat(quality, starts), ends - starts)
    used = (quality < 2) | (best == 2)  # bad ones only where there is nothing else
    count = np.add.reduceat(used.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(used, values, 0.0), starts)
    kept = table.take(pa.array(starts))
    columns: dict[str, Any] = {
        "time": pa.array(times[starts]).cast(table.schema.field("time").type),
        "value": pa.array(sums / count),
        "quality": pa.array(np.maximum.reduceat(np.where(used, quality, 0), starts)),
    }
    for name, column in columns.items():
        place = kept.schema.get_field_index(name)
        kept = kept.set_column(place, name, column.cast(kept.schema.field(name).type))
    return kept
