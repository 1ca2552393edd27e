"""What tests of the live part share: twins and signals in a database, readings that count up."""

import numpy as np
from sqlalchemy import insert

from songsinh.database import tables
from songsinh.live.readings import READING

DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US  # a midnight


def make_twins(engine, twins=("anvil", "bellows"), signals=("current", "voltage")):
    """The numbers of signals by twin and name; the twins' own numbers are 1, 2, ..."""
    found = {}
    with engine.begin() as connection:
        for twin in twins:
            row = {"name": twin, "title": twin, "recipe": {}, "state": "running", "made_us": 0}
            number = connection.execute(insert(tables.twins).values(row)).inserted_primary_key[0]
            for name in signals:
                row = {"twin": number, "name": name}
                made = connection.execute(insert(tables.signals).values(row))
                found[twin, name] = made.inserted_primary_key[0]
    return found


def readings(signal, times_s, values, quality=0):
    """Readings of one signal at times in s after the start."""
    batch = np.zeros(len(times_s), READING)
    batch["time"] = START_US + np.round(np.asarray(times_s) * 1e6).astype(np.int64)
    batch["value"], batch["signal"], batch["quality"] = values, signal, quality
    return batch
