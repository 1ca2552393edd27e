"""Rules of retention: how long what is kept, and how finely."""

import re
from dataclasses import dataclass
from typing import Any, Final, final

from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.errors import SettingError

__all__ = ["Rule", "read_rules"]

DAY_US: Final = 86_400_000_000
UNITS: Final = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}


@final
@dataclass(frozen=True)
class Rule:
    """What stays of days older than so many: "all", "nothing", or means such as "1min mean".

    A rule for one twin goes before those for all ("*"); of several that apply, the one for the
    oldest. Means are of the readings that are not bad, and stand at the start of their span.
    """

    older_than_days: float
    keep: str
    twin: str = "*"

    def __post_init__(self) -> None:
        if self.older_than_days <= 0 or self.span_us < 0:
            raise SettingError(
                f"a rule to keep {self.keep!r} after {self.older_than_days:g} days cannot be "
                "followed; keep 'all', 'nothing' or, say, '1min mean' after more than 0 days"
            )

    @property
    def span_us(self) -> int:
        """The length of the spans that means are taken over (us); 0 if none, -1 if unreadable."""
        found = re.fullmatch(r"(\d+)(s|min|h) mean", self.keep)
        if found is None:
            return 0 if self.keep in ("all", "nothing") else -1
        span = int(found[1]) * UNITS[found[2]]
        return span if span and DAY_US % span == 0 else -1


def read_rules(engine: Engine) -> tuple[list[Rule], list[str]]:
    """The rules among the centre's settings, and what is wrong with those that cannot be read."""
    table = tables.settings
    with engine.connect() as connection:
        found = connection.scalar(select(table.c.value).where(table.c.name == "retention"))
    rules: list[Rule] = []
    problems: list[str] = []
    for row in found if isinstance(found, list) else [found] if found else []:
        try:
            rules.append(_rule(row))
        except SettingError as error:
            problems.append(str(error))
    return rules, problems


def _rule(row: Any) -> Rule:
    try:
        return Rule(float(row["older_than_days"]), str(row["keep"]), str(row.get("twin") or "*"))
    except (TypeError, ValueError, KeyError, AttributeError):
        raise SettingError(
            f"{row!r:.80} is no rule of retention; write its older_than_days, keep and twin"
        ) from None
