"""Settings of the whole centre: how long readings are kept, and its language."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine, delete, insert, select

from songsinh.database import tables
from songsinh.errors import SettingError, SongsinhError
from songsinh.live import Rule
from songsinh.web.api.common import changed
from songsinh.web.pages.common import Notice, forget_language, read_wording, show
from songsinh.web.security import Visitor, audit, needs
from songsinh.web.wording import LANGUAGES

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Administrator = Annotated[Visitor, Depends(needs("administrator"))]
Texts = Annotated[list[str] | None, Form()]
KEEP: Final = ("all", "1s mean", "10s mean", "1min mean", "10min mean", "1h mean", "nothing")


@final
@dataclass(frozen=True)
class Choices:
    """The rules of retention, and what may be chosen."""

    rules: tuple[Rule, ...]
    keep: tuple[str, ...]
    twins: tuple[str, ...]
    language: str
    problem: str = ""


@router.get("/settings")
async def show_choices(request: Request, visitor: Administrator, saved: bool = False) -> Response:
    """The settings."""
    choices = await asyncio.to_thread(_read, request.app.state.engine)
    told = Notice(read_wording(request).gettext("Saved."))
    return show(request, "choices.html", choices, notices=(told,) if saved else ())


@router.post("/settings")
async def save_choices(
    request: Request,
    visitor: Administrator,
    language: Annotated[str, Form()] = "en",
    days: Texts = None,
    keep: Texts = None,
    twin: Texts = None,
) -> Response:
    """Save all of them, or none and say what is wrong."""
    engine = request.app.state.engine
    try:
        rows = zip(days or (), keep or (), twin or (), strict=False)
        rules = tuple(_rule(*row) for row in rows if row[0].strip())
        if language not in dict(LANGUAGES):
            raise SettingError(f"there is no language {language[:8]!r}; choose one of the list")
    except SongsinhError as error:
        now = await asyncio.to_thread(_read, engine)
        again = Choices(now.rules, now.keep, now.twins, language, str(error))
        return show(request, "choices.html", again, status=422)
    await asyncio.to_thread(
        _save, engine, visitor, {"retention": [asdict(r) for r in rules], "language": language}
    )
    forget_language(request)
    await changed(request)
    return RedirectResponse("/settings?saved=1", 303)


def _read(engine: Engine) -> Choices:
    table, twins = tables.settings, tables.twins
    with engine.connect() as connection:
        found = {row.name: row.value for row in connection.execute(select(table))}
        names = connection.execute(select(twins.c.name).order_by(twins.c.name).limit(1000))
        known = tuple(str(row[0]) for row in names)
    rules = tuple(Rule(**row) for row in found.get("retention") or ())
    return Choices(rules, KEEP, known, str(found.get("language") or "en"))


def _rule(days: str, keep: str, twin: str) -> Rule:
    try:
        number = float(days.replace(",", "."))
    except ValueError:
        number = math.nan
    if not 0 < number < 1e6:
        raise SettingError(f"{days[:20]!r} is no number of days; write one above 0")
    return Rule(number, keep, twin.strip() or "*")


def _save(engine: Engine, visitor: Visitor, values: Mapping[str, Any]) -> None:
    table = tables.settings
    with engine.begin() as connection:
        connection.execute(delete(table).where(table.c.name.in_(sorted(values))))
        rows = [{"name": name, "value": value} for name, value in values.items()]
        connection.execute(insert(table), rows)
        audit.write(connection, visitor.email, "settings changed", "centre", values)
