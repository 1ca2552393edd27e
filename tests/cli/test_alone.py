"""One process alone follows the twins of a home."""

import fcntl

import pytest

from songsinh.cli.centre import follow_twins
from songsinh.errors import SettingError


def test_the_twins_of_a_home_are_followed_once(tmp_path):
    with (tmp_path / "live.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SettingError, match="followed already; stop that songsinh first"):
            follow_twins(home=tmp_path)
    assert not (tmp_path / "centre.db").exists()
