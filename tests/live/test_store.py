"""The history in an S3 store: the real protocol, spoken to a server on this machine."""

import urllib.request

import numpy as np
import pytest

from songsinh.database import open_database
from songsinh.errors import LiveError
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.sealing import SHELVES
from songsinh.live.shelves import Shelf
from tests.live._machines import DAY_US, START_US, make_twins, readings

ALL = (0, 1 << 60)


@pytest.fixture(scope="module")
def bucket(store_options):
    address = f"{store_options['AWS_ENDPOINT_URL']}/songsinh-history"
    urllib.request.urlopen(urllib.request.Request(address, method="PUT")).close()
    return "s3://songsinh-history"


def test_the_history_lives_in_a_store_as_in_a_folder(bucket, store_options, tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/centre.db")
    make_twins(engine)
    log = Log(engine)
    history = History(f"{bucket}/plant", engine, storage=store_options)
    times = np.arange(0, 7200, 5.0)
    for cut in (slice(0, 700), slice(500, 1000), slice(1000, None)):
        log.append(readings(1, times[cut], times[cut] / 7), 0)
        if cut.stop:
            history.seal()
    found = History(f"{bucket}/plant/", engine, storage=store_options).readings(1, *ALL)
    assert found.times.tolist() == (START_US + times * 1e6).astype(int).tolist()
    assert found.values.tolist() == (times / 7).tolist()
    assert history.seal().offset == 3
    done = history.keep(now_us=START_US + 2 * DAY_US)
    assert done.files_after == 1
    assert history.readings(1, *ALL).values.tolist() == (times / 7).tolist()
    log.close()
    engine.dispose()


def test_of_two_writers_the_store_lets_one_win(bucket, store_options):
    schema, order = SHELVES["readings"]
    one, other = (Shelf(f"{bucket}/race", schema, order, options=store_options) for _ in range(2))
    view, same = one.look(), other.look()
    one.commit(view, add=[], mark=1)
    with pytest.raises(LiveError, match="changed by another"):
        other.commit(same, add=[], mark=2)
    assert other.look().mark == 1
