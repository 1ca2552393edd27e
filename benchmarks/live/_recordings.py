"""A day of real recordings, and a history of many such days, for both rows of the history.

Values are real and as their sensors rounded them: NASA's ageing cells (five signals each, with
the times of the recording, whole milliseconds apart unevenly), three wind turbines of La Haute
Borne (seven signals; recorded each 10 minutes, here one a second) and the series of NAB (recorded
each 5 minutes, here one each 5 seconds). The last two are given 20 ms of jitter in whole
milliseconds, drawn anew each day. Within a day, that is within a file, nothing comes twice.
"""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
DAY = 86_400.0
START = 19_000 * 86_400_000_000
Line = tuple[str, str, Any, Any, bool]  # twin, signal, times in s, values, whether to jitter


def folder() -> Path:
    """Where the recordings are: SONGSINH_DATA, or beside the repository."""
    return Path(os.environ.get("SONGSINH_DATA") or ROOT.parent / "shared" / "data")


def day() -> list[Line]:
    """One day of every signal: [(twin, signal, times, values, jitter)]."""
    lines = [*_cells(), *_turbines(), *_series()]
    if not lines:
        raise SystemExit(f"no recordings in {folder()}; set SONGSINH_DATA to their folder")
    return lines


def _cells() -> Iterator[Line]:
    """Discharges end to end; each stretch of a day's length is a twin of its own."""
    import pyarrow.csv as pc

    for path in sorted(folder().glob("nasa_battery/discharge_*.csv.gz")):
        table = pc.read_csv(path)
        times = table["Time"].to_numpy()
        fresh = np.r_[True, np.diff(table["cycle_num"].to_numpy()) != 0]
        ends = np.r_[0.0, times[:-1]] * fresh
        whole = np.round(times + np.cumsum(ends + 20.0 * fresh), 3)
        part = (whole // DAY).astype(int)
        for name in table.column_names[3:]:
            values = table[name].to_numpy().astype(float)
            for number in np.unique(part):
                here = part == number
                twin = f"{path.name[10:15].lower()}-{number}"
                yield twin, name, whole[here] - number * DAY, values[here], False


def _turbines() -> Iterator[Line]:
    import pyarrow.parquet as pq

    for path in sorted(folder().glob("la_haute_borne/scada_*.parquet")):
        table = pq.read_table(path)
        for name in table.column_names[1:]:
            values = table[name].to_numpy().astype(float)
            values = values[~np.isnan(values)][: int(DAY)]
            yield path.stem.lower().replace("_", "-"), name, np.arange(len(values)), values, True


def _series() -> Iterator[Line]:
    for path in sorted(folder().glob("nab/real*/*.csv.gz")):
        rows = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
        values = np.array([float(row.rsplit(",", 1)[1]) for row in rows])
        yield (
            path.name[:-7].lower().replace("_", "-"),
            "value",
            5.0 * np.arange(len(values)),
            values,
            True,
        )


def fill(engine: Any, history: Path, count: int) -> tuple[int, dict[tuple[str, str], int]]:
    """Put days on the shelf of readings until there are so many; days, and signals' numbers."""
    from songsinh.live.names import Names
    from songsinh.live.sealing import SHELVES, tabled
    from songsinh.live.shelves import Shelf
    from songsinh.live.shelving import put

    lines = day()
    numbers = _signals(engine, lines)
    names, shelf = Names(engine), Shelf(str(history / "readings"), *SHELVES["readings"])
    batch = _batch(lines, numbers)
    chance, jittered = np.random.default_rng(1), _jittered(lines)
    held = days = 0
    while held < count:
        shifted = batch[: count - held].copy()
        jitter = chance.integers(0, 20, len(shifted)) * 1000
        shifted["time"] += days * 86_400_000_000 + jitter * jittered[: len(shifted)]
        view = shelf.look()
        add, remove, new = put(shelf, view, tabled(shifted, names))
        shelf.commit(view, add=add, remove=remove)
        held, days = held + new, days + 1
    return days, numbers


def _signals(engine: Any, lines: list[Line]) -> dict[tuple[str, str], int]:
    from sqlalchemy import insert

    from songsinh.database import tables

    with engine.begin() as connection:
        twins: dict[str, int] = {}
        numbers: dict[tuple[str, str], int] = {}
        for twin, name, *_ in lines:
            if twin not in twins:
                row = {"name": twin, "title": twin, "recipe": {}, "state": "running", "made_us": 0}
                made = connection.execute(insert(tables.twins).values(row))
                twins[twin] = made.inserted_primary_key[0]
            made = connection.execute(insert(tables.signals).values(twin=twins[twin], name=name))
            numbers[twin, name] = made.inserted_primary_key[0]
    return numbers


def _batch(lines: list[Line], numbers: dict[tuple[str, str], int]) -> Any:
    from songsinh.live import READING

    parts = []
    for twin, name, times, values, _ in lines:
        part = np.zeros(len(times), READING)
        part["time"] = START + np.round(times * 1000).astype(np.int64) * 1000
        part["value"], part["signal"] = values, numbers[twin, name]
        parts.append(part)
    return np.concatenate(parts)


def _jittered(lines: list[Line]) -> Any:
    return np.concatenate([np.full(len(times), jitter) for _, _, times, _, jitter in lines])
