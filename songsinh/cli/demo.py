"""songsinh demo"""

from pathlib import Path
from typing import Annotated

import typer

from songsinh.cli.bars import progress

__all__ = ["run_demo"]


def run_demo(
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("reports"),
) -> None:
    """Fit, follow and forecast real battery cells, warn of their end, and draw a report."""
    from rich.console import Console

    from songsinh.cli.validate import headline
    from songsinh.reports import write_report
    from songsinh.sectors import load
    from songsinh.sectors.battery import QUICK_PICKS, fit_shared

    say = Console(highlight=False, soft_wrap=True).print
    say("[bold]Songsinh[/] on lithium-ion cells that NASA ran until they wore out.")
    with progress() as tell:
        fit = fit_shared(
            picks=QUICK_PICKS, progress=lambda what, share: tell(f"Fitting: {what}", share)
        )
        errors = sorted(fit.curves_mv.values())
        say(
            f"[bold]Fit.[/] One cell model fitted to {len(errors)} discharges in their early life; "
            f"it is {errors[len(errors) // 2]:.0f} mV off in the median."
        )
        pilot = load("battery")
        found = pilot.validate((), tell)
        page = out / f"{pilot.name}.html"
        write_report(found.card, found.pictures, page, summary=found.summary)
    say("[bold]Follow, forecast, warn.[/] Cells that no fit has seen, one discharge at a time:")
    for line in found.story:
        say(f"  {line}")
    say(f"[bold]Trust.[/] {headline(found.card)}")
    say(f"The report is in {page}. Open it in a browser.")
