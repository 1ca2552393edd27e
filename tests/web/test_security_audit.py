"""The audit log: a chain that shows what was changed, and that the database itself guards."""

import threading

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError

from songsinh.database import tables
from songsinh.web.security import audit

table = tables.audit


def fill(engine, count=5):
    for number in range(count):
        with engine.begin() as connection:
            detail = {"n": number, "x": 0.1, "word": "Việt", "none": None}
            audit.write(connection, "ada@example.org", "twin made", f"b{number}", detail)


def check(engine):
    with engine.connect() as connection:
        return audit.verify(connection)


def forge(engine, statement):
    """What somebody with the file in hand can do: the triggers first."""
    with engine.begin() as connection:
        here = " ON audit" if engine.dialect.name == "postgresql" else ""
        for word in ("UPDATE", "DELETE"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{word}{here}"))
        connection.execute(statement)


def test_an_untouched_chain_holds(engine):
    assert check(engine) == audit.Verdict(0, "0" * 64, None)
    fill(engine)
    verdict = check(engine)
    assert (verdict.rows, verdict.broken) == (5, None)


@pytest.mark.parametrize(
    "values",
    [
        {"who": "eve@example.org"},
        {"what": "nothing"},
        {"about": "b9"},
        {"detail": {"n": 9}},
        {"at_us": 0},
        {"hash": "f" * 64},
    ],
)
def test_a_row_that_was_changed_is_named(engine, values):
    fill(engine)
    forge(engine, update(table).where(table.c.id == 3).values(**values))
    assert check(engine).broken == 3


def test_a_row_that_was_taken_away_or_slipped_in_is_found(engine):
    fill(engine)
    forge(engine, delete(table).where(table.c.id == 2))
    assert check(engine).broken == 3
    fill(engine, 1)
    row = {"at_us": 1, "who": "eve", "what": "x", "about": "", "detail": {}, "hash": "0" * 64}
    forge(engine, insert(table).values(id=2, **row))
    assert check(engine).broken == 2


def test_the_database_itself_refuses_to_change_what_is_written(engine):
    fill(engine)
    everything = [text("TRUNCATE audit")] if engine.dialect.name == "postgresql" else []
    for statement in (update(table).values(who="eve"), delete(table), *everything):
        with engine.begin() as connection, pytest.raises(DatabaseError, match="only grows"):
            connection.execute(statement)
    assert check(engine).rows == 5


def test_writers_at_once_make_one_chain(engine):
    writers = [threading.Thread(target=fill, args=(engine, 10)) for _ in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert check(engine).rows == 40
    assert check(engine).broken is None


def test_a_change_that_fails_leaves_no_row(engine):
    with engine.connect() as connection:
        audit.write(connection, "ada@example.org", "twin made", "b5")
        connection.rollback()
    assert check(engine).rows == 0


def test_long_words_are_cut_so_that_every_database_keeps_them(engine):
    with engine.begin() as connection:
        audit.write(connection, "w" * 999, "x" * 999, "y" * 999)
    with engine.connect() as connection:
        row = connection.execute(select(table)).mappings().one()
    assert [len(row[name]) for name in ("who", "what", "about")] == [254, 64, 200]
    assert check(engine).broken is None
