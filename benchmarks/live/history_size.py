"""How large the history is on disk: bytes a reading, of 100 million real readings.

The days are put on the shelf by what the sealing uses. DuckDB counts them afterwards, and sums
a signal, from the files that Delta's log lists, without this package.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import report
from benchmarks.live._recordings import fill

COUNT = 100_000_000


def main(count: int = COUNT) -> None:
    """Fill a history in a temporary folder, weigh it, and remove it."""
    from songsinh.database import open_database

    folder = Path(tempfile.mkdtemp(prefix="history-size"))
    try:
        engine = open_database(f"sqlite:///{folder}/centre.db")
        before = time.process_time()
        days, numbers = fill(engine, folder / "history", count)
        spent = time.process_time() - before
        engine.dispose()
        size = sum(p.stat().st_size for p in (folder / "history").rglob("*") if p.is_file())
        counted, seconds = _counted(folder / "history" / "readings")
        report(
            f"history on disk, {count:.0e} readings".replace("e+0", "e"),
            size / count,
            None,
            4.0,
            better="less",
            unit="bytes/reading",
            note=f"{len(numbers)} signals, {days} days of NASA cells, La Haute Borne turbines and "
            f"NAB (see _recordings.py), Delta's log included; written in {spent:.0f} s of CPU; "
            f"DuckDB over the Parquet files counted and summed them in {seconds:.1f} s "
            "(its delta_scan has to be downloaded, so it was given the files Delta's log lists)",
            also={"DuckDB counts every reading without this package": counted == count},
        )
    finally:
        shutil.rmtree(folder)


def _counted(table: Path) -> tuple[int, float]:
    import duckdb
    from deltalake import DeltaTable

    before = time.process_time()
    with duckdb.connect() as tool:
        tool.execute("SET threads = 1")
        query = "SELECT count(*), sum(value) FROM read_parquet($files)"
        found = tool.execute(query, {"files": DeltaTable(str(table)).file_uris()}).fetchone()
    return int(found[0]), time.process_time() - before


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
