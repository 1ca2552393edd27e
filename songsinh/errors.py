"""Everything Songsinh raises on purpose: one tree.

    SongsinhError
    ├── SignalError     a signal is badly declared, or a name is not in the table
    ├── UnitError       a unit is unknown, or two units do not belong together
    ├── BoundsError     a value lies outside the bounds of its signal
    ├── ModelError      a model breaks the contract (a rate returns too few values)
    ├── DataError       a file or an array of readings is wrong (file, row, value)
    ├── SolverError     members of a run did not reach the end
    ├── CalibrationError  a fit cannot be posed or did not end
    ├── FilterError     a belief collapsed, or readings do not suit it
    ├── PilotError      a pilot is missing or incomplete
    ├── LiveError       a twin at work, a source or the history cannot do what was asked
    ├── AccessError     a person or a program may not do this
    └── SettingError    an option or an environment variable is wrong

Each message is one sentence: what was wrong, the value seen, what to do next.
"""

from typing import Any, final

__all__ = [
    "AccessError",
    "BoundsError",
    "CalibrationError",
    "DataError",
    "FilterError",
    "LiveError",
    "ModelError",
    "PilotError",
    "SettingError",
    "SignalError",
    "SolverError",
    "SongsinhError",
    "UnitError",
    "near",
]


class SongsinhError(Exception):
    """Any error that Songsinh raises on purpose."""


@final
class SignalError(SongsinhError):
    """A signal is badly declared, or a name is not in the table of signals."""


@final
class UnitError(SongsinhError):
    """A unit is unknown, or two units do not measure the same thing."""


@final
class BoundsError(SongsinhError):
    """A value lies outside the bounds of its signal."""


@final
class ModelError(SongsinhError):
    """A model breaks the contract."""


@final
class DataError(SongsinhError):
    """Readings are wrong; says in which file, row and column, and which value.

    Rows count from 1 and the header is row 1, as in a spreadsheet.

    >>> str(DataError("is not a number; correct it", file="a.csv", row=3, column="v", value="x"))
    "a.csv, row 3, column 'v': 'x' is not a number; correct it"
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        row: int | None = None,
        column: str = "",
        value: Any = None,
    ) -> None:
        self.file, self.row, self.column, self.value = file, row, column, value
        places = (file, row and f"row {row}", column and f"column {column!r}")
        place = ", ".join(str(part) for part in places if part)
        seen = f"{value!r} " if value is not None else ""
        # pickle rebuilds an exception from args, so args holds the finished sentence
        self.args = (f"{place}: {seen}{message}" if place else f"{seen}{message}",)


@final
class SolverError(SongsinhError):
    """Members of a run did not reach the end."""


@final
class CalibrationError(SongsinhError):
    """A fit cannot be posed, or did not come to an end."""


@final
class FilterError(SongsinhError):
    """A belief collapsed, or the readings do not suit it."""


@final
class PilotError(SongsinhError):
    """A pilot is missing or incomplete."""


@final
class LiveError(SongsinhError):
    """A twin at work, a source or the history cannot do what was asked."""


@final
class AccessError(SongsinhError):
    """A person or a program may not do this."""


@final
class SettingError(SongsinhError):
    """An option, argument or environment variable is wrong."""


def near(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A remedy clause that names the known words closest to a wrong one.

    >>> near("voltag", ("voltage", "current"))
    "did you mean 'voltage'?"
    >>> near("x", ("voltage", "current"))
    'known are voltage, current'
    """
    from difflib import get_close_matches

    folded = {name.lower(): name for name in reversed(known)}
    close = [folded[match] for match in get_close_matches(word.lower(), folded, n=3, cutoff=0.5)]
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    shown = ", ".join(repr(name)[1:-1][:40] for name in known[:12]) + (
        ", ..." if len(known) > 12 else ""
    )
    return f"known are {shown}" if known else "none is known"
