"""What a hostile engineer tries against the process that follows twins: the others go on."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import insert

from songsinh.database import tables
from songsinh.errors import LiveError, SettingError
from songsinh.live.centre import Centre
from songsinh.live.history import History
from songsinh.live.sources import push, read_settings
from songsinh.sectors import build
from tests.live import centres, tanks

TEXT = """
name = "m"
[states]
a = {start = 1.0, rate = "-a"}
[twin]
start = {a = [1.0, 0.1]}
noise = {a = 0.01}
"""


def written(more):
    return build({"kind": "written", "name": "x", "text": TEXT + more})


@pytest.mark.parametrize("word", ["every", "window", "horizon"])
@pytest.mark.parametrize("value", ["1e299", "1e-299"])
def test_times_that_no_clock_can_count_are_refused(word, value):
    with pytest.raises(LiveError, match=f"{word} is 1e"):
        written(f"{word} = {value}")


def test_a_forecast_that_no_memory_holds_is_refused():
    outputs = "".join(f'[outputs.o{k}]\nvalue = "a"\n' for k in range(150))
    with pytest.raises(LiveError, match="numbers in a forecast"):
        written("members = 1000\nsamples = 1000\n" + outputs)


def test_a_twin_that_cannot_be_followed_keeps_no_other_from_it(tmp_path):
    engine = centres.prepared(tmp_path, "a")

    def make(recipe):
        twin = tanks.tank(recipe["name"])
        return replace(twin, every=1e299, members=13) if recipe["name"] == "bad" else twin

    async def main():
        centres.add(engine, "bad")
        centre = Centre(engine, History(f"{tmp_path}/history", engine), make)
        await centre.start()
        try:
            centres.add(engine, "later")
            await centre.changed()
            await centre.take("test", centres.rows("a", tanks.readings(5)))
            await centre.take("test", centres.rows("later", tanks.readings(5)))
            await centres.folded(centre)
            return (await centre.state())["twins"]
        finally:
            await centre.stop()

    twins = asyncio.run(main())
    assert twins["a"]["folded"] == twins["later"]["folded"] > 0
    assert "cannot be followed" in twins["bad"]["why"]
    engine.dispose()


def test_a_replay_reads_only_what_lies_among_the_recordings(tmp_path):
    home, other = tmp_path / "recordings", tmp_path / "more"
    home.mkdir()
    other.mkdir()
    for file in (home / "a.csv", other / "b.csv", tmp_path / "config.toml"):
        file.write_text("time,level\n0,1\n")
    (home / "link.csv").symlink_to(tmp_path / "config.toml")

    def path(given):
        read = read_settings("replay", "demo", {"path": str(given)}, folders=(home, other))
        return read.path

    assert path("a.csv") == path(home / "a.csv") == str(home / "a.csv")
    assert path("b.csv") == str(other / "b.csv")
    for wrong in ("/etc/passwd", "../config.toml", home / "link.csv", tmp_path / "config.toml",
                  home, "", "a\0b", "/proc/self/environ"):  # fmt: skip
        with pytest.raises(SettingError, match="in none of the folders"):
            path(wrong)


def test_a_centre_with_its_folder_of_recordings_plays_nothing_else(tmp_path):
    engine = centres.prepared(tmp_path, "a")
    (tmp_path / "secret").write_text("time,level\n0,1\n")
    row = {"name": "spy", "kind": "replay", "made_us": centres.MADE, "state": "running"}
    settings = {"path": str(tmp_path / "secret"), "twin": "a"}
    with engine.begin() as connection:
        connection.execute(insert(tables.sources).values(**row, settings=settings))

    async def main():
        folders = (tmp_path / "recordings",)
        async with centres.running(engine, tmp_path, recordings=folders) as centre:
            while not (told := (await centre.state())["sources"]["spy"]["note"]):
                await asyncio.sleep(0.01)
            return told

    assert "in none of the folders" in asyncio.run(main())
    engine.dispose()


def test_a_push_of_more_than_can_be_taken_apart_quickly_is_refused_whole():
    for body in (
        b'{"readings": [' + b"{}," * push.MOST_ROWS + b"{}]}",
        b'{"signals": ["a/b"], "value": [' + b"1," * push.MOST_VALUES + b"1]}",
        b'{"signals": [' + b'"",' * push.MOST_SIGNALS + b'"a/b"], "value": [1]}',
    ):
        found = push.parse(body)
        assert len(found) == 0
        assert [one.reason for one in found.refused] == ["too large"]
