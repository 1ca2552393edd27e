"""Sources through the API, what was refused of them, and what twins can be made from."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from songsinh.errors import LiveError
from songsinh.web import records
from songsinh.web.api.common import (
    CHANGING,
    Model,
    Settings,
    Written,
    answer,
    changed,
    engine_of,
    hold,
    iso,
    missing,
    off_loop,
    problems,
)
from songsinh.web.api.shapes import Listed, PilotShape, RefusalShape, SourceShape
from songsinh.web.records import RefusalRow, SourceRow
from songsinh.web.security import Visitor, needs

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1", tags=["sources"])
SourceName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", examples=["plant-broker"])
]
Engineer = Annotated[Visitor, Depends(needs("engineer"))]


class NewSource(Model):
    """A source to read from; what its settings are depends on its kind."""

    name: SourceName
    kind: Annotated[str, Field(pattern=r"^[a-z]{1,16}$", examples=["mqtt"])]
    settings: Annotated[Settings, Field(examples=[{"broker": {"host": "broker.example.org"}}])]


class SourceChange(Model):
    """What is to be different; a secret that is sent back masked stays as it is."""

    settings: Settings | None = None
    state: Literal["running", "paused"] | None = None


def show(source: SourceRow) -> dict[str, Any]:
    """A source as programs see it, without secrets."""
    own = ("name", "kind", "state", "settings")
    return {key: getattr(source, key) for key in own} | {"made": iso(source.made_us)}


def show_refusal(row: RefusalRow) -> dict[str, Any]:
    """What was refused as programs see it."""
    own = ("source", "reason", "count", "example")
    times = {"first": iso(row.first_us), "last": iso(row.last_us)}
    return {key: getattr(row, key) for key in own} | times


@ROUTER.get(
    "/sources",
    summary="List sources",
    operation_id="listSources",
    response_model=Listed[SourceShape],
    responses=problems(304),
)
def list_sources(request: Request, visitor: Engineer) -> Response:
    """Where readings come from, by name; all on one page, secrets masked."""
    rows = [show(source) for source in records.list_sources(engine_of(request))]
    return answer(request, {"items": rows, "next": None})


@ROUTER.post(
    "/sources",
    summary="Add a source",
    operation_id="addSource",
    status_code=201,
    response_model=SourceShape,
    responses=problems(409),
)
async def add_source(request: Request, visitor: Engineer, new: NewSource) -> Response:
    """It is read from at once."""
    source = await off_loop(_add, request, visitor, new)
    await changed(request)
    at = {"Location": f"/api/v1/sources/{source.name}"}
    return answer(request, show(source), status=201, headers=at)


@ROUTER.get(
    "/sources/{source}",
    summary="Show a source",
    operation_id="getSource",
    response_model=SourceShape,
    responses=problems(304, 404),
)
def get_source(request: Request, source: SourceName, visitor: Engineer) -> Response:
    """The source, secrets masked."""
    return answer(request, show(_known(request, source)))


@ROUTER.patch(
    "/sources/{source}",
    summary="Change, pause or resume a source",
    operation_id="changeSource",
    response_model=SourceShape,
    responses=problems(404, 412),
)
async def change_source(
    request: Request, source: SourceName, change: SourceChange, visitor: Engineer
) -> Response:
    """Settings are replaced as a whole. `If-Match` guards the change."""
    row = await off_loop(_change, request, source, change, visitor)
    await changed(request)
    return answer(request, show(row))


@ROUTER.get(
    "/refusals",
    summary="List what was refused",
    operation_id="listRefusals",
    response_model=Listed[RefusalShape],
    responses=problems(304),
)
def list_refusals(
    request: Request,
    visitor: Engineer,
    source: Annotated[Written | None, Query(description="Only of this source.")] = None,
) -> Response:
    """What was not taken in, by source and reason, the latest first; all on one page."""
    rows = records.list_refusals(engine_of(request), source=source)
    return answer(request, {"items": [show_refusal(row) for row in rows], "next": None})


@ROUTER.get(
    "/recipes",
    summary="List what twins can be made from",
    operation_id="listRecipes",
    tags=["twins"],
    response_model=Listed[PilotShape],
    responses=problems(304),
    dependencies=[Depends(needs("viewer"))],
)
def list_recipes(request: Request) -> Response:
    """The pilots that have twins, with the machines each knows."""
    from songsinh.sectors import load, pilot_names

    pilots = [pilot for pilot in map(load, pilot_names()) if pilot.twin is not None]
    rows = [
        {
            "name": pilot.name,
            "title": pilot.title,
            "meaning": pilot.meaning,
            "machines": list(pilot.machines),
        }
        for pilot in pilots
    ]
    return answer(request, {"items": rows, "next": None})


def _known(request: Request, name: str) -> SourceRow:
    found = records.read_source(engine_of(request), name)
    if found is None:
        raise missing("source", name)
    return found


def _add(request: Request, visitor: Visitor, new: NewSource) -> SourceRow:
    try:
        return records.add_source(
            engine_of(request), new.name, kind=new.kind, settings=new.settings, by=visitor
        )
    except LiveError as error:
        raise HTTPException(409, str(error)) from error


def _change(request: Request, name: str, change: SourceChange, visitor: Visitor) -> SourceRow:
    with CHANGING:
        hold(request, show(_known(request, name)))
        return records.edit_source(
            engine_of(request), name, by=visitor, settings=change.settings, state=change.state
        )
