"""A new twin, step by step: from a pilot's machine, from a record, or from a model as text."""

import asyncio
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData, UploadFile

from songsinh.errors import DataError, LiveError, SongsinhError
from songsinh.live import Twin
from songsinh.web import records
from songsinh.web.api.common import changed
from songsinh.web.pages.common import show
from songsinh.web.pages.drafts import Drafts, Preview, fit_draft, look_at
from songsinh.web.security import Visitor, needs

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Engineer = Annotated[Visitor, Depends(needs("engineer"))]
Uploader = Annotated[Visitor, Depends(needs("engineer", uploads=True))]
WAYS: Final = ("machine", "record", "text")
SIZES: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
EXAMPLE: Final = """\
name = "tank"
meaning = "a tank that fills and drains"

[parameters]
hole = {unit = "m2", start = 0.001, lower = 0, meaning = "area of the outlet"}

[inputs]
inflow = {unit = "m3/s", start = 0.002, meaning = "what comes in"}

[states]
level = {unit = "m", start = 1.0, lower = 0, rate = "(inflow - outflow) / 2.0"}

[terms]
outflow = "hole * sqrt(2 * 9.81 * maximum(level, 0))"

[twin]
start = {level = [1.0, 0.1], hole = [0.001, 0.0002]}
noise = {level = 0.01}
horizon = 3600
every = 60
alarms = [{name = "nearly empty", signal = "level", below = 0.2, lead = 1800.0}]
levers = [{name = "inflow", low = 0.0, high = 0.01}]
"""


@final
@dataclass(frozen=True)
class Summary:
    """A twin that could start: what it reads and warns of, and how it did where it was fitted."""

    read: tuple[tuple[str, str, str], ...]  # name, unit, meaning
    horizon: float
    alarms: tuple[Mapping[str, Any], ...]
    levers: tuple[str, ...]
    figures: tuple[Mapping[str, Any], ...] = ()


@final
@dataclass(frozen=True)
class Making:
    """Where one is on the way to a twin: step 1 to 4, what was given and what is wrong."""

    step: int
    way: str
    given: Mapping[str, Any] = field(default_factory=dict)
    pilots: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    preview: Preview | None = None
    summary: Summary | None = None
    recipe: str = ""
    problem: str = ""


@router.get("/twins/new")
async def show_making(
    request: Request, visitor: Engineer, way: str = "", draft: str = ""
) -> Response:
    """The step that the address tells."""
    return await _shown(request, visitor, {"way": way, "draft": draft})


@router.post("/twins/new")
async def go_on(request: Request, visitor: Uploader) -> Response:
    """The next step; the last one makes the twin, and nothing before it does."""
    form = await request.form()
    given = {key: value for key, value in form.items() if isinstance(value, str)}
    try:
        if given.get("action") == "bring":
            word = await _bring(request, visitor, form)
            return RedirectResponse(f"/twins/new?way=record&draft={word}", 303)
        if given.get("action") == "start":
            return await _start(request, visitor, given)
        recipe, figures = await _recipe(request, visitor, form, given)
        summary = await asyncio.to_thread(_summary, request, recipe, figures)
        ready = Making(4, given.get("way", ""), given, summary=summary, recipe=json.dumps(recipe))
        return show(request, "making.html", ready)
    except SongsinhError as error:
        return await _shown(request, visitor, given, problem=str(error))


async def _shown(
    request: Request, visitor: Visitor, given: Mapping[str, Any], *, problem: str = ""
) -> Response:
    way, preview, step = str(given.get("way") or ""), None, 2
    pilots: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    if way not in WAYS:
        step, way = 1, ""
    elif way == "machine":
        pilots = await asyncio.to_thread(_pilots)
    elif way == "record" and given.get("draft"):
        try:
            found = _drafts(request).find(visitor.person_id, str(given["draft"]))
            preview, step = await asyncio.to_thread(look_at, found.path), 3
        except SongsinhError as error:
            problem, given = problem or str(error), {**given, "draft": ""}
    given = {"text": EXAMPLE, **given}
    page = Making(step, way, given, pilots, preview, problem=problem)
    return show(request, "making.html", page, status=422 if problem else 200)


def _drafts(request: Request) -> Drafts:
    state = request.app.state
    if not hasattr(state, "drafts"):
        state.drafts = Drafts()
    found: Drafts = state.drafts
    return found


async def _bring(request: Request, visitor: Visitor, form: FormData) -> str:
    """Keep the file, once it is seen to be a table."""
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise DataError("no file was chosen; choose a CSV or Parquet file")
    if not file.filename.lower().endswith((".csv", ".parquet")):
        raise DataError("is no CSV or Parquet file; its name ends otherwise", value=file.filename)
    drafts = _drafts(request)
    word = drafts.keep(visitor.person_id, file.filename, await file.read())
    try:
        await asyncio.to_thread(look_at, drafts.find(visitor.person_id, word).path)
    except SongsinhError:
        drafts.drop(word)
        raise
    return word


async def _recipe(
    request: Request, visitor: Visitor, form: FormData, given: Mapping[str, str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The recipe that was asked for, and the figures of its card if it was fitted."""
    name, way = given.get("name", "").strip(), given.get("way", "")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) or name == "new":
        raise LiveError(f"a twin cannot be called {name!r}; use small letters, digits and dashes")
    if records.read_twin(request.app.state.engine, name) is not None:
        raise LiveError(f"there is a twin {name!r} already; choose another name")
    titled = {"title": given["title"].strip()} if given.get("title", "").strip() else {}
    if way == "machine":
        pilot, _, machine = given.get("machine", "").partition("/")
        return {"kind": "pilot", "pilot": pilot, "machine": machine, "name": name, **titled}, []
    if way == "text":
        return {"kind": "written", "name": name, "text": given.get("text", ""), **titled}, []
    draft = _drafts(request).find(visitor.person_id, given.get("draft", ""))
    columns = [str(value) for value in form.getlist("column")]
    return await fit_draft(
        draft.path,
        name=name,
        title=titled.get("title", name),
        time=given.get("time", ""),
        columns=columns,
        limits={column: _limits(given, column) for column in columns},
        horizon=_horizon(given),
    )


def _limits(given: Mapping[str, str], column: str) -> tuple[float | None, float | None]:
    low, high = (_number(given.get(f"{side}.{column}", "")) for side in ("low", "high"))
    return low, high


def _horizon(given: Mapping[str, str]) -> float | None:
    length = _number(given.get("horizon", ""))
    return None if length is None else length * SIZES.get(given.get("unit", "s"), 1.0)


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError("is no number; correct it or leave it empty", value=text[:40])
    return value


def _summary(request: Request, recipe: Mapping[str, Any], figures: list[dict[str, Any]]) -> Summary:
    twin = _built(recipe)
    signals = twin.model.signals
    known = [(name, signals[name.partition("[")[0]]) for name in twin.read]
    return Summary(
        read=tuple((name, one.unit, one.meaning) for name, one in known),
        horizon=twin.horizon,
        alarms=tuple(
            {
                "name": one.name,
                "signal": one.signal,
                "unit": signals[one.signal.partition("[")[0]].unit,
                "direction": "below" if one.below is not None else "above",
                "threshold": one.below if one.below is not None else one.above,
                "lead": one.lead,
                "severity": one.severity,
            }
            for one in twin.alarms
        ),
        levers=tuple(lever.name for lever in twin.levers),
        figures=tuple(figures),
    )


def _built(recipe: Mapping[str, Any]) -> Twin:
    from songsinh.sectors import build

    return build(recipe)


async def _start(request: Request, visitor: Visitor, given: Mapping[str, str]) -> Response:
    """Make the twin of a recipe that was shown, and let it follow its machine."""
    try:
        recipe = json.loads(given.get("recipe", ""))
        name = str(recipe["name"])
    except (ValueError, KeyError, TypeError) as error:
        raise LiveError("the recipe is not whole; begin again") from error
    twin = await asyncio.to_thread(_built, recipe)
    await asyncio.to_thread(
        records.add_twin,
        request.app.state.engine,
        name,
        title=twin.title,
        recipe=recipe,
        signals=twin.read,
        by=visitor,
    )
    if given.get("draft"):
        _drafts(request).drop(given["draft"])
    await changed(request)
    return RedirectResponse(f"/twins/{name}", 303)


def _pilots() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Name, title and machines of each pilot that has twins."""
    from songsinh.sectors import load, pilot_names

    found = (load(name) for name in pilot_names())
    return tuple((one.name, one.title, one.machines) for one in found if one.twin is not None)
