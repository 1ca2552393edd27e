"""How long one signal over one day takes to read from a history of 100 million readings.

Days and signals are drawn by chance from those with a reading a second; the first read of a
process, which opens the table, is told apart. Fresh readings lie in the log meanwhile.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.common import report
from benchmarks.live._recordings import START, fill

COUNT, FRESH, READS = 100_000_000, 200_000, 60
DAY_US = 86_400_000_000


def main(count: int = COUNT) -> None:
    """Fill a history in a temporary folder, read from it, and remove it."""
    from songsinh.database import open_database
    from songsinh.live.history import History

    folder = Path(tempfile.mkdtemp(prefix="history-read"))
    try:
        engine = open_database(f"sqlite:///{folder}/centre.db")
        days, numbers = fill(engine, folder / "history", count)
        full = [number for (twin, _), number in numbers.items() if twin.startswith("scada")]
        _append(engine, full, days)
        history, chance = History(folder / "history", engine), np.random.default_rng(5)
        first = _timed(history, full[0], 0)[0]
        picks = [(int(chance.choice(full)), int(chance.integers(days - 1))) for _ in range(READS)]
        reads = [_timed(history, *pick) for pick in picks]
        year = _year(history, full[0], days)
        today = _timed(history, full[0], days)
        engine.dispose()
        report(
            f"one signal, one day, from {count:.0e} readings".replace("e+0", "e"),
            1000 * median(cpu for cpu, _, _ in reads),
            None,
            50.0,
            better="less",
            unit="ms",
            note=f"CPU of {READS} reads of a signal with a reading a second; the clock says "
            f"{1000 * median(wall for _, wall, _ in reads):.1f} ms; the first {1000 * first:.0f} "
            f"ms; a day of the log's {FRESH:,} fresh readings {1000 * today[0]:.1f} ms; "
            f"all {days} days as 1000 points {1000 * year:.0f} ms",
            also={"every read gives the whole day": min(n for *_, n in reads) > 80_000},
        )
    finally:
        shutil.rmtree(folder)


def _timed(history, signal: int, day: int) -> tuple[float, float, int]:
    """CPU and clock time in s of reading a day of a signal, and how many readings it has."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = history.readings(signal, START + day * DAY_US, START + (day + 1) * DAY_US)
    return time.process_time() - cpu, time.perf_counter() - wall, len(found.times)


def _year(history, signal: int, days: int) -> float:
    before = time.process_time()
    found = history.readings(signal, START, START + days * DAY_US, most=1000)
    if not 900 <= len(found.times) <= 1000:
        raise SystemExit(f"{len(found.times)} points instead of a thousand")
    return time.process_time() - before


def _append(engine, signals: list[int], days: int) -> None:
    """Fresh readings of the day after, in batches of 500."""
    from songsinh.live import READING
    from songsinh.live.log import Log

    log = Log(engine)
    for start in range(0, FRESH, 500):
        batch = np.zeros(500, READING)
        batch["time"] = START + days * DAY_US + (start + np.arange(500)) * 10_000
        batch["signal"] = np.resize(signals, 500)
        log.append(batch, 0)
    log.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
