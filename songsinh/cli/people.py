"""songsinh people and songsinh audit: what an administrator does at the terminal"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from songsinh.cli.settings import Settings, read_settings
from songsinh.errors import DataError, SettingError

__all__ = ["add_somebody", "list_everybody", "renew_link", "verify_audit"]

Home = Annotated[Path | None, typer.Option(help="Folder that holds all the centre knows.")]
Email = Annotated[str, typer.Argument(help="E-mail address of the person.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WHO = "the terminal"


def add_somebody(
    email: Email,
    role: Annotated[
        str, typer.Option(help="viewer, operator, engineer or administrator.")
    ] = "viewer",
    twin: Annotated[str, typer.Option(help="Name of one twin; * is the whole centre.")] = "*",
    name: Annotated[str, typer.Option(help="What to call them.")] = "",
    home: Home = None,
) -> None:
    """Add a person, and print the link by which they choose a password."""
    from songsinh.web import people

    with _records(home) as (connection, settings):
        person = people.add_person(connection, email, name, by=WHO)
        people.give_role(connection, person, role, twin=twin, by=WHO)
        link = people.make_link(connection, person, by=WHO)
    print(f"{settings.address}/link/{link}")


def renew_link(email: Email, home: Home = None) -> None:
    """Print a link by which a person chooses a new password; it works once, for 3 days."""
    from songsinh.web import people

    with _records(home) as (connection, settings):
        person = people.person_by_email(connection, email)
        if person is None:
            raise SettingError(f"there is nobody {email!r}; see songsinh people list")
        link = people.make_link(connection, person, by=WHO)
    print(f"{settings.address}/link/{link}")


def list_everybody(home: Home = None, as_json: Json = False) -> None:
    """List people and their roles."""
    from songsinh.web import people

    with _records(home) as (connection, _):
        rows = people.list_people(connection)
    if as_json:
        print(json.dumps([{"email": r.email, "name": r.name, "roles": r.roles} for r in rows]))
        return
    for row in rows:
        roles = ", ".join(f"{role} of {twin}" for twin, role in sorted(row.roles.items()))
        note = " (kept out)" if row.disabled else " (invited)" if row.invited else ""
        print(f"{row.email}  {row.name}  {roles or 'no role'}{note}")


def verify_audit(
    expect: Annotated[
        str, typer.Option(help="A hash noted earlier, which must still be in the chain.")
    ] = "",
    home: Home = None,
) -> None:
    """Check the chain of the audit log; exit 2 and name the first broken row."""
    from songsinh.web import people

    with _records(home) as (connection, _):
        verdict = people.verify(connection, expect=expect)
    if verdict.broken is not None:
        raise DataError(
            f"row {verdict.broken} does not fit: it, or one before it, was changed or taken away; "
            "compare with a backup",
            file="the audit log",
        )
    if verdict.missing:
        raise DataError(
            "its rows fit, but the hash noted earlier is not among them: rows were cut off the "
            "end; compare with a backup",
            file="the audit log",
        )
    print(f"{verdict.rows} rows fit. Note the last hash: {verdict.head}")


@contextmanager
def _records(home: Path | None) -> Iterator[tuple[Any, Settings]]:
    """A transaction on the records of a centre that was started before."""
    from songsinh.database import open_database

    settings = read_settings({"home": home})
    if not settings.database and not (settings.home / "centre.db").exists():
        raise SettingError(f"there is no centre in {str(settings.home)!r}; see songsinh start")
    engine = open_database(settings.database_address)
    try:
        with engine.begin() as connection:
            yield connection, settings
    finally:
        engine.dispose()
