"""A centre's database with two twins in it, for the tests of the door and the sources."""

from contextlib import contextmanager

from sqlalchemy import insert, select

from songsinh.database import METADATA, open_database
from songsinh.live.door import Door
from songsinh.live.twins import Twin
from songsinh.models import Equations
from songsinh.signals import input_, output, state
from songsinh.twin import Noise

CELL = Equations(
    "cell",
    (
        state("charge", "1", 0.5, lower=0.0, upper=1.0),
        input_("current", "A", lower=-10.0, upper=10.0),
        output("voltage", "V"),
    ),
    rate=lambda t, s, u, p: -u.current / 7200.0,
    output=lambda t, s, u, p: 3.0 + s.charge,
)
NOISE = Noise(readings={"voltage": 0.01, "charge": 0.02})
NOW = 1_800_000_000.0


def cell(name):
    return Twin(name, name, CELL, {"charge": (0.5, 0.1)}, NOISE)


@contextmanager
def database(folder, *names):
    """An engine whose tables hold these twins."""
    engine = open_database(f"sqlite:///{folder}/centre.db")
    twins = METADATA.tables["twins"]
    try:
        with engine.begin() as connection:
            for name in names:
                row = {"name": name, "title": name, "recipe": {}, "state": "running", "made_us": 0}
                connection.execute(insert(twins).values(**row))
        yield engine
    finally:
        engine.dispose()


@contextmanager
def desk(folder, *names, **settings):
    """A door to twins of these names, whose clock stands at NOW."""
    names = names or ("b5", "b6")
    with database(folder, *names) as engine:
        settings = {"clock": lambda: NOW} | settings
        yield Door(engine, {name: cell(name) for name in names}, **settings), engine


def counted(engine):
    """The table of refusals: {(source, reason): (count, example)}."""
    with engine.connect() as connection:
        rows = connection.execute(select(METADATA.tables["refusals"])).all()
    return {(row.source, row.reason): (row.count, row.example) for row in rows}
