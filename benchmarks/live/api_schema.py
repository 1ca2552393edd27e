"""Requests made at random from the API's own document, that fit it and that do not.

Every answer must be one that the document names, in the shape that it says, and none a 5xx. Also
counted: how many operations were reached beyond their checks of input (2xx).
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks import common
from tests.web.hammering import hammer, hammered

EXAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 200  # of each operation, twice


def main() -> None:
    """Hammer every operation; what breaks the document is told, and counted as a failure."""
    begun = time.perf_counter()
    total: Counter[int] = Counter()
    broken, reached = [], 0
    with tempfile.TemporaryDirectory() as folder, hammered(Path(folder)) as (operations, headers):
        for operation in operations:
            found: Counter[int] = Counter()
            for fits in (True, False):
                try:
                    found += hammer(operation, headers, fits=fits, examples=EXAMPLES)
                except Exception as error:  # a failure with what was sent
                    broken.append(operation.label)
                    print(f"{operation.label}: {error}")
            print(f"{operation.label}: {dict(sorted(found.items()))}", flush=True)
            reached += any(200 <= status < 300 for status in found)
            total += found
    spent = time.perf_counter() - begun
    common.report(
        "API against its own document: operations that broke it", len(broken), None, 0.0,
        better="less", unit="operations",
        note=f"{sum(total.values())} requests to {len(operations)} operations in {spent:.0f} s: "
        f"{dict(sorted(total.items()))}; {reached} operations reached with success",
        also={"no answer is a 5xx": not any(status >= 500 for status in total)},
    )  # fmt: skip


if __name__ == "__main__":
    main()
