"""songsinh validate PILOT"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from songsinh.cli.bars import progress

if TYPE_CHECKING:
    from songsinh.twin import Card, Check

__all__ = ["headline", "show_card", "write_card"]


def write_card(
    name: Annotated[str, typer.Argument(metavar="PILOT", help="As `songsinh pilots` lists it.")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="More files after --cells.")
    ] = None,
    cells: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Recordings the pilot has never seen, instead of its own."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the card.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Run a pilot's held-out checks and write its credibility card as HTML and JSON."""
    from songsinh.reports import write_report
    from songsinh.sectors import load

    pilot = load(name)
    with progress() as tell:
        found = pilot.validate((*(cells or ()), *(more or ())), tell)
        page = out / f"{pilot.name}.html"
        write_report(found.card, found.pictures, page, summary=found.summary)
    if as_json:
        print(found.card.to_json())
        return
    show_card(found.card)
    print(headline(found.card))
    print(f"The card is in {page} and {page.with_suffix('.json')}.")


def show_card(card: "Card") -> None:
    """Print the checks of a card, those that fall short first."""
    from rich.console import Console
    from rich.table import Table

    table = Table("Check", "Where", "Twin", "Asked", "Baselines", "", box=None, pad_edge=False)
    for check in sorted(card.checks, key=lambda check: check.holds is not False):
        beside = ", ".join(f"{name} {value:.3g}" for name, value in check.baselines.items())
        verdict = {True: "holds", False: "[red]falls short[/]", None: ""}[check.holds]
        table.add_row(
            *(check.what, check.where, f"{check.ours:.3g} {check.unit}".removesuffix(" 1")),
            *(asked(check), beside, verdict),
        )
    for band in card.coverages:
        if band.bars is not None:
            verdict = "holds" if band.holds else "[red]falls short[/]"
            bars = f"{band.bars[0]:.0%} to {band.bars[1]:.0%}"
            share = f"{band.covered:.1%}"
            table.add_row(
                f"inside the {band.nominal:.0%} band, {band.what}", band.where, share, bars, "",
                verdict,
            )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file needs no narrow columns
    console.print(table)


def headline(card: "Card") -> str:
    """How many checks hold, in a sentence."""
    held = len(card.judged) - len(card.fallen)
    return f"{held} of {len(card.judged)} checks hold; the simplest baselines stand beside each."


def asked(check: "Check") -> str:
    """The bar of a check in words."""
    if check.bar is None:
        return ""
    if isinstance(check.bar, tuple):
        return f"{check.bar[0]:g} to {check.bar[1]:g}"
    return f"{'at most' if check.better == 'less' else 'at least'} {check.bar:g}"
