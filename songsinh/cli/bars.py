"""Progress on the terminal's error stream, so that standard output stays clean."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A callback (what is being done, share done from 0 to 1) that moves a bar.

    Without a terminal it prints one line whenever the work changes.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    last = ""

    def say(what: str, share: float) -> None:
        nonlocal last
        if what != last:
            print(what, file=sys.stderr, flush=True)
            last = what

    console = Console(stderr=True)
    if not console.is_terminal:
        yield say
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("Starting", total=1.0)
        yield lambda what, share: bars.update(task, description=what, completed=share)
