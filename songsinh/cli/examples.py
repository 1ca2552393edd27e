"""The example twins that an empty centre begins with."""

import time
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, func, insert, select

from songsinh.database import tables
from songsinh.files import write_whole

__all__ = ["add_examples"]

README: Final = """Recordings of lithium-ion cells by NASA Ames (public domain), for replay.
The hours between discharges are shortened. Source and citation: see Songsinh's battery pilot.
"""


def add_examples(engine: Engine, home: Path) -> tuple[str, ...]:
    """Add the example twins and the replays that feed them; the titles added, none if any twin is.

    The recordings are written into the home first: a twin never stands there without its readings.
    """
    with engine.connect() as connection:
        if connection.execute(select(func.count()).select_from(tables.twins)).scalar_one():
            return ()
    # only now: a centre that has its own twins need not load the pilots
    from songsinh.sectors import build
    from songsinh.sectors.battery import examples, write_recording

    recordings = home / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    now = time.time_ns() // 1000
    rows = []
    for example in examples():
        file = recordings / example["file"]
        write_recording(example["machine"], file, example["first"])
        rows.append((build(example["recipe"]), example, file))
    with engine.begin() as connection:
        for twin, example, file in rows:
            made = {"name": twin.name, "title": twin.title, "recipe": example["recipe"]}
            query = insert(tables.twins).values(**made, state="running", made_us=now)
            number = connection.execute(query.returning(tables.twins.c.id)).scalar_one()
            connection.execute(
                insert(tables.signals), [{"twin": number, "name": name} for name in twin.read]
            )
            replay = {**example["replay"], "path": str(file)}
            connection.execute(
                insert(tables.sources).values(
                    name=f"{twin.name}-replay",
                    kind="replay",
                    settings=replay,
                    state="running",
                    made_us=now,
                )
            )
    write_whole(recordings / "README.txt", README.encode())
    return tuple(twin.title for twin, _, _ in rows)
