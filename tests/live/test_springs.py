"""Sources run each for itself: one that fails ends no other."""

import asyncio

from sqlalchemy import delete, insert, update

from songsinh.database import tables
from tests.live import centres, tanks


def test_sources_begin_change_and_end_while_twins_are_followed(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    table = tables.sources
    file = tmp_path / "level.csv"
    lines = [f"{time},{value}" for time, name, value in tanks.readings(20) if name == "level"]
    file.write_text("time,level\n" + "\n".join(lines) + "\n")
    given = {"path": str(file), "twin": "a", "speed": 0.0, "begin": "own"}
    rows = [
        {"name": "good", "kind": "replay", "settings": given},
        {"name": "gone", "kind": "replay", "settings": given | {"path": str(tmp_path / "x.csv")}},
        {"name": "odd", "kind": "replay", "settings": {"colour": "red"}},
        {"name": "idle", "kind": "replay", "settings": given, "state": "paused"},
    ]

    async def until(centre, name, word):
        while word not in (await centre.state())["sources"][name]["note"]:
            await asyncio.sleep(0.01)

    async def main():
        with engine.begin() as connection:
            for row in rows:
                connection.execute(insert(table).values(made_us=centres.MADE, **row))
        async with centres.running(engine, tmp_path) as centre:
            await until(centre, "good", "ended")
            await until(centre, "gone", "there is no such recording")
            await until(centre, "odd", "has no setting 'colour'")
            await until(centre, "idle", "paused")
            await centres.folded(centre)
            assert (await centre.state())["twins"]["a"]["folded"] == 20
            with engine.begin() as connection:
                connection.execute(delete(table).where(table.c.name == "odd"))
                change = update(table).where(table.c.name == "gone")
                connection.execute(change.values(settings=given))
            await centre.changed()
            await until(centre, "gone", "ended")
            await centres.folded(centre)
            return await centre.state()

    state = asyncio.run(main())
    assert set(state["sources"]) == {"good", "gone", "idle"}
    assert state["sources"]["good"]["accepted"] == 20
    told = state["twins"]["a"]
    assert told["repeated"] + told["late"] == 20
    engine.dispose()
