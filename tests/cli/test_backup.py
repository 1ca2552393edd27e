"""Backup and restore: while the centre runs, whole or not at all, and exactly as it was."""

import shutil
import tarfile
import threading

import numpy as np
import pytest
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.engine import make_url

from songsinh.cli.backup import restore_backup, write_backup
from songsinh.cli.copies import _run, copy_records, history_pieces
from songsinh.database import METADATA, open_database, tables
from songsinh.errors import DataError, LiveError, SettingError
from songsinh.live.history import History
from songsinh.live.log import Log
from songsinh.live.readings import READING
from songsinh.web import read_secret

COUNT = 20  # readings of a batch


def batch(number):
    """Batch by number: readings that no other batch has."""
    rows = np.zeros(COUNT, READING)
    rows["time"] = (number * COUNT + np.arange(COUNT)) * 1_000_000
    rows["value"] = number
    rows["signal"] = 1
    return rows


def begin(home, address=None):
    """A home with a twin that has one signal; its engine."""
    home.mkdir(parents=True, exist_ok=True)
    read_secret(home / "secret")
    engine = open_database(address or f"sqlite:///{home / 'centre.db'}")
    with engine.begin() as connection:
        twin = {"name": "b5", "title": "B5", "recipe": {}, "made_us": 0}
        connection.execute(insert(tables.twins).values(**twin))
        connection.execute(insert(tables.signals).values(twin=1, name="voltage"))
        kept = {"twin": 1, "offset": 0, "time_us": 0, "body": bytes(range(256)) * 9}
        connection.execute(insert(tables.snapshots).values(**kept))
    return engine


def numbers(engine, folder):
    """The batches whose readings are all there, each once."""
    history = History(folder, engine)
    times, values, _ = history.readings(1, 0, 10**15)
    assert np.array_equal(np.unique(times), times), "each reading once"
    found, counts = np.unique(values, return_counts=True)
    assert set(counts.tolist()) <= {COUNT}
    return found.astype(int).tolist()


def contents(engine):
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(table)).all() for table in METADATA.sorted_tables
        }


def test_all_is_there_again_bit_for_bit(tmp_path, capsys):
    home, copy = tmp_path / "home", tmp_path / "copy"
    engine = begin(home)
    (home / "config.toml").write_text("port = 9999\n")
    log = Log(engine)
    for number in range(6):
        log.append(batch(number), number)
    History(home / "history", engine).seal(before_offset=4)
    before = contents(engine)
    write_backup(tmp_path / "a.tar.gz", home)
    restore_backup(tmp_path / "a.tar.gz", copy)
    engine.dispose()
    again = open_database(f"sqlite:///{copy / 'centre.db'}")
    assert contents(again) == before
    assert numbers(again, copy / "history") == list(range(6))
    again.dispose()
    assert (copy / "config.toml").read_text() == "port = 9999\n"
    assert read_secret(copy / "secret") == read_secret(home / "secret")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tar.gz", "copy", "home"]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.zst"])
def test_every_kind_of_archive_goes_both_ways(tmp_path, ending):
    begin(tmp_path / "home").dispose()
    file = tmp_path / f"a{ending}"
    write_backup(file, tmp_path / "home")
    assert file.stat().st_mode & 0o077 == 0, "it holds secrets"
    restore_backup(file, tmp_path / "copy")
    assert (tmp_path / "copy" / "centre.db").exists()
    assert (tmp_path / "copy" / "secret").stat().st_mode & 0o077 == 0


def test_a_backup_of_a_centre_at_work_is_one_moment_of_it(tmp_path):
    """Readings come and are sealed all the while: none is lost, none is there twice."""
    home = tmp_path / "home"
    engine = begin(home)
    log, history, stop = Log(engine), History(home / "history", engine), threading.Event()
    done, wrong = [], []

    def write():
        try:
            while not stop.is_set():
                log.append(batch(len(done)), len(done))
                done.append(None)
        except Exception as error:
            wrong.append(error)

    def seal():
        try:
            while not stop.is_set():
                history.seal(before_offset=max(1, len(done)))
        except Exception as error:
            wrong.append(error)

    workers = [threading.Thread(target=work) for work in (write, seal)]
    for each in workers:
        each.start()
    try:
        for number in range(3):
            acknowledged = len(done)
            write_backup(tmp_path / f"{number}.tar", home)
            copy = tmp_path / str(number)
            restore_backup(tmp_path / f"{number}.tar", copy)
            check_goes_on(copy, acknowledged)
    finally:
        stop.set()
        for each in workers:
            each.join()
        engine.dispose()
    assert not wrong


def check_goes_on(copy, acknowledged):
    """What was acknowledged is there, and what comes from now on is kept too."""
    engine = open_database(f"sqlite:///{copy / 'centre.db'}")
    found = numbers(engine, copy / "history")
    assert found == list(range(len(found)))
    assert len(found) >= acknowledged
    log, history = Log(engine), History(copy / "history", engine)
    for number in range(len(found), len(found) + 3):
        offset = log.append(batch(number), number)
    history.seal(before_offset=offset + 1)
    assert numbers(engine, copy / "history") == list(range(len(found) + 3))
    engine.dispose()


def test_a_home_that_is_not_empty_is_refused_unless_told(tmp_path):
    begin(tmp_path / "home").dispose()
    write_backup(tmp_path / "a.tar", tmp_path / "home")
    (tmp_path / "home" / "mine.txt").write_text("mine")
    with pytest.raises(SettingError, match="not empty"):
        restore_backup(tmp_path / "a.tar", tmp_path / "home")
    restore_backup(tmp_path / "a.tar", tmp_path / "home", replace=True)
    assert not (tmp_path / "home" / "mine.txt").exists()
    assert (tmp_path / "home.before" / "mine.txt").read_text() == "mine"
    with pytest.raises(SettingError, match=r"home\.before"):
        restore_backup(tmp_path / "a.tar", tmp_path / "home", replace=True)


def test_a_backup_that_is_not_whole_restores_nothing(tmp_path):
    begin(tmp_path / "home").dispose()
    file = tmp_path / "a.tar"
    write_backup(file, tmp_path / "home")
    whole = file.read_bytes()
    middle = whole.index(b"SQLite format 3") + 5000
    wrong = {
        "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "other": b"not a tar file at all" * 100,
    }
    for name, content in wrong.items():
        (tmp_path / f"{name}.tar").write_bytes(content)
        with pytest.raises(DataError):
            restore_backup(tmp_path / f"{name}.tar", tmp_path / "copy")
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == ["a.tar", "changed.tar", "cut.tar", "empty.tar", "home", "other.tar"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "link"])
def test_an_archive_cannot_write_outside_of_the_home(tmp_path, name):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        entry = tarfile.TarInfo(name)
        if name == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(entry)
    with pytest.raises(DataError, match="no plain file"):
        restore_backup(tmp_path / "a.tar", tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_a_backup_that_fails_leaves_the_one_before(tmp_path):
    begin(tmp_path / "home").dispose()
    (tmp_path / "a.tar").write_bytes(b"before")
    (tmp_path / "home" / "centre.db").write_bytes(b"SQLite format 3\0" + b"broken" * 1000)
    with pytest.raises(LiveError, match="damaged"):
        write_backup(tmp_path / "a.tar", tmp_path / "home")
    assert (tmp_path / "a.tar").read_bytes() == b"before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tar", "home"]


def test_a_wrong_ending_or_an_empty_home_is_told(tmp_path):
    with pytest.raises(SettingError, match=r"\.tar\.gz"):
        write_backup(tmp_path / "a.zip", tmp_path)
    with pytest.raises(SettingError, match="no database"):
        write_backup(tmp_path / "a.tar", tmp_path / "home")


def test_on_postgresql_too(tmp_path, postgres_address, monkeypatch):
    if shutil.which("pg_dump") is None:
        pytest.skip("needs pg_dump; install the package postgresql-client of your system")
    administer = create_engine(
        (postgres_address + "postgres").replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with administer.connect() as connection:
        for name in ("backup_from", "backup_to"):
            connection.execute(text(f"CREATE DATABASE {name}"))
    administer.dispose()
    home, file = tmp_path / "home", tmp_path / "a.tar.gz"
    engine = begin(home, postgres_address + "backup_from")
    log = Log(engine)
    for number in range(6):
        log.append(batch(number), number)
    History(home / "history", engine).seal(before_offset=4)
    log.close()
    before = contents(engine)
    monkeypatch.setenv("SONGSINH_DATABASE", postgres_address + "backup_from")
    write_backup(file, home)
    with pytest.raises(SettingError, match="not empty"):
        restore_backup(file, tmp_path / "copy")
    monkeypatch.setenv("SONGSINH_DATABASE", f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(SettingError, match="of its kind"):
        restore_backup(file, tmp_path / "copy")
    monkeypatch.setenv("SONGSINH_DATABASE", postgres_address + "backup_to")
    restore_backup(file, tmp_path / "copy")
    engine.dispose()
    again = open_database(postgres_address + "backup_to")
    assert contents(again) == before
    assert numbers(again, tmp_path / "copy" / "history") == list(range(6))
    again.dispose()


def test_without_the_tools_of_postgresql_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match="needs PostgreSQL's tool pg_dump"):
        _run(make_url("postgresql://nobody@localhost/none"), ["pg_dump"])


def test_what_is_sealed_after_the_records_were_copied_is_left_out(tmp_path):
    """Else the numbers that the copy's log gives next would count as sealed already."""
    engine, home = begin(tmp_path / "home"), tmp_path / "home"
    log, history = Log(engine), History(home / "history", engine)
    for number in range(3):
        log.append(batch(number), number)
    _, last = copy_records(f"sqlite:///{home / 'centre.db'}", tmp_path)
    log.append(batch(3), 3)
    history.seal(before_offset=5)

    def sealed(most):
        pieces = history_pieces(str(home / "history"), "readings", options={}, most=most)
        return [each.path for each in pieces if each.path.endswith(".parquet")]

    assert last == 3
    assert sealed(last) == []
    assert len(sealed(4)) == 1
    engine.dispose()
