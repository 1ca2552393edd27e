"""songsinh version"""

import json
from typing import Annotated

import typer

__all__ = ["show_version"]


def show_version(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which Songsinh, Python and engine this is."""
    import platform
    from importlib.metadata import version

    from songsinh import __version__

    known = {
        "songsinh": __version__,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
    }
    print(json.dumps(known) if as_json else "\n".join(f"{k} {v}" for k, v in known.items()))
