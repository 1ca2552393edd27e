"""Settings for every test."""

import os

# many small matrices: more threads of linear algebra only wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import itertools

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text

from tests import servers

# the first call of a test may load a package or compile a kernel, so no call has a deadline;
# the same cases every time, so that a red test is red for everybody
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

_counter = itertools.count()


@pytest.fixture(scope="session")
def postgres_address():
    """Where a real PostgreSQL server listens; end it with the name of a database."""
    with servers.postgresql() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def database_address(request, tmp_path):
    """The address of an empty database of each kind; a test that takes it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/centre.db"
    server, name = request.getfixturevalue("postgres_address"), f"test{next(_counter)}"
    engine = create_engine(
        (server + "postgres").replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server + name


@pytest.fixture
def engine(database_address):
    """The centre's database, its tables made, on SQLite and on PostgreSQL."""
    from songsinh.database import open_database

    opened = open_database(database_address)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def store_options():
    """What reaches a real S3 server: storage options."""
    with servers.store() as options:
        yield options
