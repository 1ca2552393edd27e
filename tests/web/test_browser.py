"""Laws of the pages in a real browser: accessible, by keyboard, on a phone, and light."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest

from songsinh.web.security.sessions import begin_session
from tests.web.desk import SETTINGS
from tests.web.serving import serving
from tests.web.town import town

PAGES = [
    "/", "/twins/b5", "/twins/b5/what-if?A.current=1&B.current=3", "/twins/b5/advice",
    "/twins/b5/card",
    "/alerts", "/alerts/1", "/history", "/twins/new", "/twins/new?way=machine",
    "/twins/new?way=record", "/twins/new?way=text", "/sources", "/sources/new", "/settings",
    "/people", "/audit", "/account",
]  # fmt: skip
LIGHTEST = 200_000  # bytes of a first view
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """Do a walk in a page of its own, the administrator signed in; one town for all walks."""
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium; install the package chromium")
    from playwright.async_api import async_playwright

    stack = contextlib.AsyncExitStack()

    async def open_all(desk):
        place = await stack.enter_async_context(serving(desk.app))
        tools = await stack.enter_async_context(async_playwright())
        path, words = shutil.which("chromium"), ["--no-sandbox"]
        chromium = await tools.chromium.launch(executable_path=path, args=words)
        stack.push_async_callback(chromium.close)
        return place, chromium

    async def go(walk, secret, **options):
        context = await chromium.new_context(base_url=f"http://{place}", **options)
        cookie = {"name": "songsinh", "value": secret, "url": f"http://{place}"}
        await context.add_cookies([cookie])
        try:
            return await walk(await context.new_page())
        finally:
            await context.close()

    with town(tmp_path_factory.mktemp("town")) as desk:
        with desk.engine.begin() as connection:
            secret = begin_session(connection, desk.people["administrator"], SETTINGS)
        place, chromium = desk.loop.run(open_all(desk))
        try:
            yield lambda walk, **options: desk.loop.run(go(walk, secret, **options))
        finally:
            desk.loop.run(stack.aclose())


def axe():
    """The text of axe-core, as axe-playwright-python brings it."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_grave_finding_of_axe(visit, scheme):
    # only the colours differ in the dark
    only = '{runOnly: {type: "rule", values: ["color-contrast"]}}'
    rules = "" if scheme == "light" else only

    async def walk(page):
        found = []
        for path in PAGES:
            await page.goto(path, wait_until="load")
            # the policy lets no foreign script in, so the tool is handed over from outside
            await page.evaluate(axe())
            told = await page.evaluate(f"axe.run({rules})")
            grave = [one for one in told["violations"] if one["impact"] in GRAVE]
            found += [(path, one["id"], one["nodes"][0]["html"]) for one in grave]
        return found

    assert visit(walk, color_scheme=scheme) == []


@pytest.mark.parametrize("language", ["en", "vi", "fr"])
def test_no_page_scrolls_sideways_on_a_phone(visit, language):
    async def walk(page):
        wide = []
        for path in PAGES:
            await page.goto(path, wait_until="load")
            over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            if await page.evaluate(over) > 0:
                wide.append(path)
        return wide

    phone = {"viewport": {"width": 390, "height": 800}, "locale": language}
    assert visit(walk, **phone) == []


def test_no_script_fails_and_the_policy_is_kept(visit):
    async def walk(page):
        said = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        for path in PAGES:
            await page.goto(path, wait_until="load")
        return said

    assert visit(walk) == []


def test_the_keyboard_alone_leads_from_the_list_to_an_alert_seen_to(visit):
    async def walk(page):
        await page.goto("/")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.goto("/alerts")
        await page.keyboard.press("j")
        focused = "document.activeElement.closest('.alert').id"
        assert await page.evaluate(focused) == "alert-1"
        await page.keyboard.press("j")
        assert await page.evaluate(focused) == "alert-2"
        await page.keyboard.press("k")
        async with page.expect_navigation():
            await page.keyboard.press("a")
        assert await page.locator("#alert-1 button[value=acknowledge]").count() == 0
        await page.keyboard.press("j")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        return page.url.rpartition("/")[2]

    assert visit(walk) == "1"


def test_what_if_draws_branches_beside_each_other(visit):
    async def walk(page):
        await page.goto("/twins/b5")
        await page.locator("[data-chart=voltage] canvas").wait_for()
        await page.fill("#B-1", "3")
        await page.keyboard.press("Tab")
        await page.locator("[data-branches] canvas").wait_for()
        rows = page.locator("#what-if tbody tr")
        assert await rows.count() == 2
        return await rows.nth(1).inner_text()

    assert "60%" in visit(walk)


def test_pages_inform_without_scripts(visit):
    async def walk(page):
        await page.goto("/twins/b5")
        assert await page.locator("[data-chart=voltage] svg").count() == 1
        await page.click("#what-if button.main")
        assert await page.locator("#what-if tbody tr").count() == 2
        await page.goto("/alerts/2")
        await page.click("button[value=acknowledge]")
        return await page.locator("button[value=acknowledge]").count()

    assert visit(walk, java_script_enabled=False) == 0


def test_a_first_view_is_light(visit):
    async def walk(page):
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        heavy = []
        for path in ("/", "/twins/b5", "/history", "/alerts"):
            taken = []
            session.on(
                "Network.loadingFinished", lambda told, t=taken: t.append(told["encodedDataLength"])
            )
            await session.send("Network.clearBrowserCache")
            await page.goto(path, wait_until="load")
            await asyncio.sleep(0.05)
            heavy += [(path, sum(taken))] if sum(taken) > LIGHTEST else []
        return heavy

    assert visit(walk) == []
