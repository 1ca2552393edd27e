from dataclasses import fields
from pathlib import Path

import pytest

from songsinh.cli.settings import Settings, read_settings
from songsinh.errors import SettingError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_what_is_given_outranks_the_environment_and_that_the_file(tmp_path):
    (tmp_path / "config.toml").write_text('port = 1\nhost = "::1"\ndatabase = "sqlite:///a.db"\n')
    settings = read_settings(
        {"home": tmp_path, "port": 3}, {"SONGSINH_PORT": "2", "SONGSINH_HOST": "127.0.0.2"}
    )
    assert (settings.port, settings.host) == (3, "127.0.0.2")
    assert settings.database_address == "sqlite:///a.db"


def test_the_centre_listens_on_loopback_unless_told(tmp_path):
    settings = read_settings({"home": tmp_path}, {})
    assert settings.host == "127.0.0.1"
    assert settings.address == "http://localhost:8642"
    assert settings.database_address == f"sqlite:///{tmp_path / 'centre.db'}"


def test_each_kind_of_value_is_read_from_text(tmp_path):
    settings = read_settings(
        {"home": tmp_path},
        {
            "SONGSINH_BEHIND_PROXY": "yes",
            "SONGSINH_ALLOWED_HOSTS": "twins.example.org, other.example.org",
            "SONGSINH_OPENID": '{issuer = "https://id.example.org", client_id = "twins"}',
        },
    )
    assert settings.behind_proxy is True
    assert settings.allowed_hosts == ("twins.example.org", "other.example.org")
    assert settings.openid["client_id"] == "twins"


def test_secrets_do_not_show_in_print(tmp_path):
    openid = {"issuer": "x", "client_secret": "hunter2"}
    assert "hunter2" not in repr(read_settings({"home": tmp_path, "openid": openid}, {}))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SONGSINH_PROT": "1"}, "the environment sets 'prot', which is no setting; did you mean"),
        ({"SONGSINH_PORT": "http"}, "the setting port is 'http', which does not fit"),
        ({"SONGSINH_BEHIND_PROXY": "maybe"}, "behind_proxy is 'maybe'"),
        ({"SONGSINH_TLS_KEY": "key.pem"}, "TLS needs both"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(tmp_path, environment, message):
    with pytest.raises(SettingError, match=message):
        read_settings({"home": tmp_path}, environment)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "config.toml").write_text("port = = 1\n")
    with pytest.raises(SettingError, match=r"config\.toml cannot be read"):
        read_settings({"home": tmp_path}, {})


def test_each_setting_has_its_place_in_the_reference():
    reference = REFERENCE.read_text()
    assert not [row.name for row in fields(Settings) if f"`{row.name}`" not in reference]
