"""A centre with tanks in it, for the tests of the runner's side of live."""

import asyncio
from contextlib import asynccontextmanager

from sqlalchemy import insert, select

from songsinh.database import open_database, tables
from songsinh.live import Row
from songsinh.live.centre import Centre
from songsinh.live.history import History
from tests.live import tanks

MADE = tanks.START * 1_000_000


def build(recipe):
    """Twins of these tests: a tank by its name, and what is special about it."""
    if recipe.get("broken"):
        raise ValueError("no such tank")
    more = {key: value for key, value in recipe.items() if key not in ("name", "gap")}
    if "gap" in recipe:
        more["episode"] = tanks.runs_dry(recipe["gap"])
    return tanks.tank(recipe["name"], **more)


def prepared(folder, *names, **more):
    """An engine whose database holds twins of these names."""
    engine = open_database(f"sqlite:///{folder}/centre.db")
    add(engine, *names, **more)
    return engine


def add(engine, *names, **more):
    rows = [
        {"name": name, "title": name, "recipe": {"name": name, **more}, "state": "running",
         "made_us": MADE}
        for name in names
    ]  # fmt: skip
    with engine.begin() as connection:
        if rows:
            connection.execute(insert(tables.twins), rows)


@asynccontextmanager
async def running(engine, folder, *, keep=True, **more):
    """A centre that follows; with keep=False it ends as if it were killed."""
    centre = Centre(engine, History(f"{folder}/history", engine), build, **more)
    await centre.start()
    await centre.ready()
    try:
        yield centre
    finally:
        await centre.stop(keep=keep)


def rows(name, readings):
    """Readings of a tank as a source brings them."""
    return [Row(name, signal, time, value) for time, signal, value in readings]


async def folded(centre):
    """Wait until all that is durable is folded."""
    while centre._held:
        await asyncio.sleep(0.002)


def bits(centre):
    """What every twin believes, to the last bit, and its counts."""
    found = {}
    for name, (ward, row) in centre._crew.places.items():
        runner = centre._crew.wards[ward].runner
        counts = [int(getattr(runner.windows, one)[row]) for one in ("accepted", "late")]
        aside, inputs = runner.aside(row), runner.crowd.inputs[row].tobytes()
        found[name] = runner.belief(row).to_bytes(), inputs, counts, aside
    return found


def stored(engine, table):
    """All rows of a table."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]
