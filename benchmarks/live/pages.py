"""First views of the pages in Chromium: how many bytes come over the wire, and when usable.

Three twins with histories in a centre of one process; a fresh browser without a cache for each
visit. Usable is when the page has loaded and its chart is drawn.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.common import report
from benchmarks.live import _centres as centres
from songsinh.web.security.sessions import begin_session
from tests.web.desk import SETTINGS
from tests.web.serving import serving
from tests.web.town import town

VISITS = {"/": ".spark", "/twins/b5": "canvas", "/history": "canvas", "/alerts": ".alert"}
REPEATS = 5
LIGHTEST, SOONEST = 200.0, 1.0  # kB, s


async def visit(chromium: Any, place: str, secret: str, path: str) -> tuple[float, float]:
    """Bytes in kB and seconds of one first view."""
    context = await chromium.new_context(base_url=f"http://{place}")
    await context.add_cookies([{"name": "songsinh", "value": secret, "url": f"http://{place}"}])
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    taken: list[float] = []
    session.on("Network.loadingFinished", lambda told: taken.append(told["encodedDataLength"]))
    begun = time.perf_counter()
    await page.goto(path, wait_until="load")
    await page.locator(VISITS[path]).first.wait_for()
    spent = time.perf_counter() - begun
    await context.close()
    return sum(taken) / 1e3, spent


async def measure(desk: Any) -> dict[str, tuple[float, float]]:
    """The median of some first views of each page, after one that warms the centre up."""
    from playwright.async_api import async_playwright

    with desk.engine.begin() as connection:
        secret = begin_session(connection, desk.people["administrator"], SETTINGS)
    async with serving(desk.app) as place, async_playwright() as tools:
        path, words = shutil.which("chromium"), ["--no-sandbox"]
        chromium = await tools.chromium.launch(executable_path=path, args=words)
        found = {}
        for address in VISITS:
            seen = [await visit(chromium, place, secret, address) for _ in range(REPEATS + 1)]
            found[address] = (median(x for x, _ in seen[1:]), median(y for _, y in seen[1:]))
        await chromium.close()
    return found


def main() -> None:
    if shutil.which("chromium") is None:
        centres.lack("first view of a page", "chromium", unit="kB", bar=LIGHTEST)
        return
    with tempfile.TemporaryDirectory() as folder, town(folder) as desk:
        found = desk.loop.run(measure(desk))
    rows = [f"{path} {size:.0f} kB, {took:.2f} s" for path, (size, took) in found.items()]
    heaviest = max(size for size, _ in found.values())
    slowest = max(spent for _, spent in found.values())
    report(
        *("first view of a page", heaviest, None, LIGHTEST),
        better="less",
        unit="kB",
        note="; ".join(rows),
        also={"usable within 1 s": slowest <= SOONEST},
    )


if __name__ == "__main__":
    main()
