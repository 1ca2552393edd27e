"""What a person or a script meets on the command line."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = "from songsinh.cli import main; main()"


def call(*arguments, cwd, **environment):
    """One call of the command line in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SONGSINH_")}
    return subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=clean | {"PYTHONPATH": str(ROOT)} | environment,
    )


def test_the_version_is_told_as_text_and_as_json(tmp_path):
    plain, script = call("version", cwd=tmp_path), call("version", "--json", cwd=tmp_path)
    assert plain.stdout.startswith("songsinh 0.2.0\n")
    assert json.loads(script.stdout)["songsinh"] == "0.2.0"


def test_a_known_error_is_one_sentence_and_exit_code_2(tmp_path):
    done = call("data", "get", "nasa_batery", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "there is no data set 'nasa_batery'; did you mean 'nasa_battery'?\n"


def test_a_long_sentence_is_not_broken_into_lines(tmp_path):
    done = call("data", "get", "nasa_battery", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "SONGSINH_DATA" in done.stderr


def test_a_wrong_option_is_exit_code_2(tmp_path):
    assert call("version", "--jsn", cwd=tmp_path).returncode == 2


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A small data set of two files in a folder, and the table that knows it."""
    from songsinh.cli import data

    folder = tmp_path / "store" / "small"
    folder.mkdir(parents=True)
    contents = {"a.csv": b"time,v\n0,1\n", "b.csv": b"time,v\n0,2\n"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    prints = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    table = {"small": data.DataSet("small", "here", "free", prints)}
    monkeypatch.setattr(data, "_known", lambda: table)
    return folder


def test_data_is_found_in_the_folder_of_the_setting(dataset, tmp_path, monkeypatch, capsys):
    from songsinh.cli.data import get_data

    monkeypatch.setenv("SONGSINH_DATA", str(dataset.parent))
    get_data("small", out=tmp_path / "out", origin="", as_json=True)
    assert json.loads(capsys.readouterr().out)["files"] == ["a.csv", "b.csv"]
    assert (tmp_path / "out" / "small" / "b.csv").read_bytes() == b"time,v\n0,2\n"


def test_data_is_fetched_over_the_network(dataset, tmp_path):
    from functools import partial
    from http.server import HTTPServer, SimpleHTTPRequestHandler
    from threading import Thread

    from songsinh.cli.data import get_data

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(dataset))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        get_data("small", out=tmp_path / "out", origin=address, as_json=False)
        server.shutdown()
        thread.join()
    assert len(list((tmp_path / "out" / "small").iterdir())) == 2


def test_nothing_is_written_when_one_file_is_not_the_known_one(dataset, tmp_path):
    from songsinh.cli.data import get_data
    from songsinh.errors import DataError

    (dataset / "b.csv").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"b\.csv: its SHA-256 begins .* get an unchanged copy"):
        get_data("small", out=tmp_path / "out", origin=str(dataset), as_json=False)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_is_exit_code_130_without_a_trace(tmp_path):
    """The process waits in a pipe that nobody fills, and is interrupted there."""
    folder = tmp_path / "slow"
    folder.mkdir()
    os.mkfifo(folder / "README.md")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", CODE, "data", "get", "nasa_battery", "--from", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert "Getting README.md" in child.stderr.readline()
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "Traceback" not in errors
    assert not (tmp_path / "data").exists()
