"""The command line: one file per command, and one place where errors become sentences."""

import os
import sys
from typing import Final

import typer

from songsinh.cli.backup import restore_backup, write_backup
from songsinh.cli.centre import follow_twins, serve_pages, start_centre
from songsinh.cli.data import get_data
from songsinh.cli.demo import run_demo
from songsinh.cli.people import add_somebody, list_everybody, renew_link, verify_audit
from songsinh.cli.pilots import list_pilots
from songsinh.cli.validate import write_card
from songsinh.cli.version import show_version
from songsinh.errors import SongsinhError

__all__ = ["app", "main"]

app: Final = typer.Typer(
    help="Build digital twins, and know how far to trust them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_group: Final = typer.Typer(
    help="Get the recordings that pilots learn from.", no_args_is_help=True
)
people_group: Final = typer.Typer(help="Let people into the centre.", no_args_is_help=True)
audit_group: Final = typer.Typer(help="Check who did what.", no_args_is_help=True)

app.command("start")(start_centre)
app.command("live")(follow_twins)
app.command("serve")(serve_pages)
app.add_typer(people_group, name="people")
people_group.command("add")(add_somebody)
people_group.command("link")(renew_link)
people_group.command("list")(list_everybody)
app.add_typer(audit_group, name="audit")
audit_group.command("verify")(verify_audit)
app.command("backup")(write_backup)
app.command("restore")(restore_backup)
app.command("demo")(run_demo)
app.command("validate")(write_card)
app.command("pilots")(list_pilots)
app.add_typer(data_group, name="data")
data_group.command("get")(get_data)
app.command("version")(show_version)


@data_group.callback()
def _keep_as_group() -> None:
    """Get the recordings that pilots learn from."""


@audit_group.callback()
def _keep_as_group_too() -> None:
    """Check who did what."""


def main() -> None:
    """Run the command line; exit 2 on a wrong input, 130 on Ctrl-C."""
    # many small matrices: more threads of linear algebra only wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except SongsinhError as error:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, soft_wrap=True).print(Text(str(error), style="red"))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
