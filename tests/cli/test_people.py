"""People and the audit log at the terminal."""

import json

import pytest
from sqlalchemy import text

from songsinh.cli.people import add_somebody, list_everybody, renew_link, verify_audit
from songsinh.database import open_database
from songsinh.errors import DataError, SettingError


@pytest.fixture
def home(tmp_path):
    open_database(f"sqlite:///{tmp_path / 'centre.db'}").dispose()
    return tmp_path


def change(home, *statements):
    engine = open_database(f"sqlite:///{home / 'centre.db'}")
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_somebody_is_added_and_gets_a_link(home, capsys):
    add_somebody("Ada@example.org", role="engineer", home=home)
    first = capsys.readouterr().out.strip()
    assert first.startswith("http://localhost:8642/link/")
    renew_link("ada@example.org", home=home)
    assert capsys.readouterr().out.strip() != first
    list_everybody(home=home, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == [{"email": "ada@example.org", "name": "ada", "roles": {"*": "engineer"}}]
    list_everybody(home=home)
    assert "engineer of * (invited)" in capsys.readouterr().out


def test_what_is_wrong_changes_nothing(home, capsys):
    with pytest.raises(SettingError, match="no role"):
        add_somebody("ada@example.org", role="king", home=home)
    with pytest.raises(SettingError, match="not an e-mail address"):
        add_somebody("ada", home=home)
    with pytest.raises(SettingError, match="there is nobody"):
        renew_link("ada@example.org", home=home)
    add_somebody("ada@example.org", home=home)
    with pytest.raises(SettingError, match="already"):
        add_somebody("ADA@example.org", home=home)
    capsys.readouterr()
    list_everybody(home=home, as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_the_audit_log_is_checked_and_the_first_broken_row_named(home, capsys):
    for name in ("ada", "omar"):
        add_somebody(f"{name}@example.org", home=home)
    capsys.readouterr()
    verify_audit(home=home)
    head = capsys.readouterr().out.rpartition(" ")[2].strip()
    verify_audit(expect=head, home=home)
    drop = [f"DROP TRIGGER audit_no_{word}" for word in ("UPDATE", "DELETE")]
    change(home, *drop, "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")
    verify_audit(home=home)
    with pytest.raises(DataError, match="cut off the end"):
        verify_audit(expect=head, home=home)
    change(home, "UPDATE audit SET who = 'eve' WHERE id = 2")
    with pytest.raises(DataError, match="row 2 does not fit"):
        verify_audit(home=home)


def test_a_home_without_a_centre_is_told(tmp_path):
    with pytest.raises(SettingError, match="there is no centre"):
        list_everybody(home=tmp_path)
    assert list(tmp_path.iterdir()) == []
