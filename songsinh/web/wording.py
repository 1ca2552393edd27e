"""Words, numbers and times the way their reader writes them, in the reader's own zone."""

import gettext as gettexts
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, dates, numbers, units
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

__all__ = ["LANGUAGES", "Wording", "chosen_language", "known_zone"]

# each in its own words, so that its readers find it; English is what the code is written in
LANGUAGES: Final = (("en", "English"), ("vi", "Tiếng Việt"), ("fr", "Français"))
CATALOGUES: Final = Path(__file__).with_name("languages")
SPANS: Final = (("second", 1.0, 60.0), ("minute", 60.0, 3600.0), ("hour", 3600.0, 86400.0))
DAY: Final = 86400.0
MINUTE: Final = 60.0
TINY: Final = 1e-15  # what rounding leaves of nothing
# units of signals that are read better on another scale: name, offset
SHOWN_AS: Final = {"K": ("°C", -273.15)}
ABSOLUTE: Final = 150.0  # K; what lies above is a temperature, what lies below a difference


@final
@dataclass(frozen=True)
class Wording:
    """What a reader of a language in a time zone is told; all times are in s since 1970."""

    language: str = "en"
    zone: str = "UTC"

    def gettext(self, text: str) -> str:
        """The text in the reader's language."""
        return _catalogue(self.language).gettext(text)

    def ngettext(self, one: str, more: str, count: int) -> str:
        """The text that fits a count."""
        return _catalogue(self.language).ngettext(one, more, count)

    def number(self, value: float | None, digits: int = 3) -> str:
        """A figure with three digits that count, or a dash."""
        if value is None or not math.isfinite(value):
            return "–"
        if abs(value) < TINY:
            return "0"
        size = math.floor(math.log10(abs(value)))
        if size < -4 or size > 8:
            text = numbers.format_scientific(value, format="0.##E0", locale=self.language)
        else:
            places = max(0, digits - 1 - size)
            text = numbers.format_decimal(
                round(value, places), format="#,##0." + "#" * places, locale=self.language
            )
        return text.replace("-", "−")

    def count(self, value: int) -> str:
        """A whole number."""
        return str(numbers.format_decimal(value, locale=self.language))

    def quantity(self, value: float | None, unit: str = "1", digits: int = 3) -> str:
        """A figure with its unit; kelvins of a temperature are read as degrees Celsius."""
        if value is not None and unit in SHOWN_AS and value > ABSOLUTE:
            unit, offset = SHOWN_AS[unit]
            return f"{self.number(value + offset, digits)}\xa0{unit}"
        bare = unit in ("", "1") or value is None or not math.isfinite(value)
        return self.number(value, digits) + ("" if bare else f"\xa0{unit}")

    def scale(self, unit: str, sample: float | None) -> tuple[str, float]:
        """The unit that values like the sample are read in, and what is added to them."""
        if sample is not None and unit in SHOWN_AS and sample > ABSOLUTE:
            return SHOWN_AS[unit]
        return unit, 0.0

    def about(self, mean: float | None, sd: float | None, unit: str = "1") -> str:
        """A mean and its standard deviation, to the digits that the deviation leaves."""
        if mean is None or not math.isfinite(mean):
            return "–"
        if sd is None or not math.isfinite(sd) or sd == 0:
            return self.quantity(mean, unit)
        if unit in SHOWN_AS and mean > ABSOLUTE:
            unit, offset = SHOWN_AS[unit]
            mean += offset
        places = min(max(0, 1 - math.floor(math.log10(sd))), 9)
        told = " ± ".join(self._fixed(value, places) for value in (mean, sd))
        return told if unit in ("", "1") else f"{told}\xa0{unit}"

    def _fixed(self, value: float, places: int) -> str:
        pattern = "#,##0" + ("." + "0" * places if places else "")
        shown = numbers.format_decimal(round(value, places), format=pattern, locale=self.language)
        return str(shown).replace("-", "−")

    def percent(self, share: float | None) -> str:
        """A share (0 to 1) in percent."""
        if share is None or not math.isfinite(share):
            return "–"
        # what is nearly certain is not called certain
        if 0 < share < 0.01 or 0.99 < share < 1:
            bound, sign = (0.01, "<") if share < 0.5 else (0.99, ">")
            return f"{sign}\xa0{numbers.format_percent(bound, locale=self.language)}"
        return str(numbers.format_percent(share, locale=self.language))

    def span(self, seconds: float | None) -> str:
        """A stretch of time, short: 12 min."""
        if seconds is None or not math.isfinite(seconds):
            return "–"
        for name, size, most in SPANS:
            # 59.9 s is a minute by the time it is rounded
            if round(abs(seconds) / size, 1 if abs(seconds) < 10 * size else 0) * size < most:
                return self._unit(seconds / size, f"duration-{name}")
        return self._unit(seconds / DAY, "duration-day")

    def _unit(self, value: float, name: str) -> str:
        shown = round(value) if abs(value) >= 10 else round(value, 1)
        return str(units.format_unit(shown, name, length="short", locale=self.language))

    def ago(self, time: float | None, now: float) -> str:
        """How long ago something was: 3 minutes ago."""
        if time is None:
            return "–"
        gap = time - now
        if gap > MINUTE:  # a replay runs ahead of the clock
            return self.when(time)
        if abs(gap) < 1.0:
            gap = -1.0
        return str(
            dates.format_timedelta(
                timedelta(seconds=gap), add_direction=True, threshold=1.2, locale=self.language
            )
        )

    def when(self, time: float | None, *, seconds: bool = False) -> str:
        """A date and time in the reader's zone."""
        if time is None:
            return "–"
        moment = datetime.fromtimestamp(time, UTC)
        day = dates.format_date(moment.astimezone(ZoneInfo(self.zone)), "medium", self.language)
        return f"{day}, {self.clock(time, seconds=seconds)}"

    def clock(self, time: float, *, seconds: bool = False) -> str:
        """The time of day in the reader's zone."""
        return str(
            dates.format_time(
                datetime.fromtimestamp(time, UTC),
                "HH:mm:ss" if seconds else "HH:mm",
                tzinfo=ZoneInfo(self.zone),
                locale=self.language,
            )
        )

    def listed(self, words: Iterable[str]) -> str:
        """Words in a row: a, b and c."""
        from babel.lists import format_list

        return str(format_list(list(words), locale=self.language))


def chosen_language(wishes: Iterable[str]) -> str:
    """The first wish that can be met; a wish is a code or a browser's Accept-Language."""
    known = [code for code, _ in LANGUAGES]
    for wish in wishes:
        ranked = sorted((_rank(part) for part in wish.split(",")), reverse=True)
        for weight, code in ranked:
            if weight > 0 and code in known:
                return code
    return "en"


def _rank(part: str) -> tuple[float, str]:
    tag, _, quality = part.strip().partition(";q=")
    try:
        return float(quality or 1), tag.partition("-")[0].lower()
    except ValueError:
        return 0.0, ""


def known_zone(wishes: Iterable[str]) -> str:
    """The first name of a time zone that is one, else UTC."""
    for wish in wishes:
        try:
            if wish:
                return ZoneInfo(wish).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


@lru_cache
def _catalogue(language: str) -> gettexts.NullTranslations:
    path = CATALOGUES / f"{language}.po"
    if language not in dict(LANGUAGES) or not path.exists():
        return gettexts.NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=Locale(language)))
    compiled.seek(0)
    return gettexts.GNUTranslations(compiled)
