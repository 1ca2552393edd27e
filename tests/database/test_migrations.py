"""Migrations: whatever a database was, opening it makes its tables those of METADATA."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

import songsinh.database
from songsinh.database import METADATA, open_database
from songsinh.errors import SettingError

VERSIONS = Path(songsinh.database.__file__).parent / "migrations" / "versions"


def differences(engine):
    """What sets the tables of a database apart from METADATA, types and indices included."""
    options = {"compare_type": True, "compare_server_default": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, METADATA)


def layout(engine):
    """The tables of a database as it tells them itself, but the one of migrations."""
    found = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted(map(str, found.get_foreign_keys(name))),
            sorted(map(str, found.get_unique_constraints(name))),
            sorted(map(str, found.get_indexes(name))),
        )
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def test_migrated_tables_are_those_of_metadata(engine):
    assert differences(engine) == []
    assert set(layout(engine)) == set(METADATA.tables)


def test_migrated_tables_are_those_that_metadata_makes(engine):
    migrated = layout(engine)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
    assert layout(engine) == migrated


def test_sqlite_counts_the_log_up_for_ever(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path}/centre.db")
    with opened.connect() as connection:
        query = "SELECT sql FROM sqlite_master WHERE name = 'log'"
        assert "AUTOINCREMENT" in connection.execute(text(query)).scalar()
    opened.dispose()


def test_opening_again_changes_nothing(engine, database_address):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO settings (name, value) VALUES ('colour', '\"red\"')"))
    again = open_database(database_address)
    with again.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM settings")).scalar() == 1
    again.dispose()


def test_migrations_stand_by_themselves():
    """A migration that reads today's tables would make other tables tomorrow."""
    for path in VERSIONS.glob("*.py"):
        assert not re.search(r"songsinh|METADATA", path.read_text()), path.name


def test_of_processes_that_open_together_one_makes_the_tables(database_address):
    command = [sys.executable, "-c", OPENING, database_address]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in started] == [""] * 2
    opened = open_database(database_address)
    assert differences(opened) == []
    opened.dispose()


OPENING = """
import sys
from songsinh.database import open_database
open_database(sys.argv[1]).dispose()
"""


def test_a_database_in_a_folder_that_is_not_there_yet_is_made(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path}/new/folder/centre.db")
    assert (tmp_path / "new" / "folder" / "centre.db").exists()
    opened.dispose()


def test_sqlite_is_durable_and_lets_readers_read(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path}/centre.db")
    with opened.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    opened.dispose()


def test_postgresql_waits_for_the_disk(postgres_address):
    engine = create_engine((postgres_address + "postgres").replace("://", "+psycopg://"))
    with engine.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
    engine.dispose()


def test_an_address_that_cannot_be_read_is_refused_without_its_secret():
    with pytest.raises(SettingError, match="write sqlite:///FILE or postgresql") as caught:
        open_database("postgresql//tester:hidden@example.org/centre")
    assert "hidden" not in str(caught.value)
    with pytest.raises(SettingError, match="cannot be of the kind 'mysql'") as caught:
        open_database("mysql://tester:hidden@example.org/centre")
    assert "hidden" not in str(caught.value)
