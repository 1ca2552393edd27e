"""songsinh pilots"""

import json
from typing import Annotated

import typer

__all__ = ["list_pilots"]


def list_pilots(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the pilots that are installed, here and in other packages."""
    from songsinh.sectors import load, pilot_names

    found = [load(name) for name in pilot_names()]
    if as_json:
        rows = [{"name": p.name, "title": p.title, "meaning": p.meaning} for p in found]
        print(json.dumps(rows, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Pilot", "Title", "Meaning", box=None, pad_edge=False)
    for pilot in found:
        table.add_row(pilot.name, pilot.title, pilot.meaning)
    Console().print(table)
