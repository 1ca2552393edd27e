"""Twins through the API: listed, shown, made, renamed, paused and put away."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from songsinh.errors import LiveError
from songsinh.web import records
from songsinh.web.api.common import (
    CHANGING,
    Cursor,
    Limit,
    Line,
    Model,
    Name,
    Settings,
    Written,
    answer,
    changed,
    engine_of,
    hold,
    iso,
    listed,
    missing,
    off_loop,
    problems,
    seen,
)
from songsinh.web.api.shapes import Listed, TwinShape
from songsinh.web.records import TwinRow
from songsinh.web.security import Visitor, needs

__all__ = ["ROUTER", "known_twin"]

ROUTER = APIRouter(prefix="/api/v1/twins", tags=["twins"])
State = Literal["running", "paused", "archived"]


class NewTwin(Model):
    """A twin to make: `recipe` says from what, see `/api/v1/recipes`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["b0005"])]
    title: Line | None = None
    recipe: Annotated[
        Settings,
        Field(examples=[{"kind": "pilot", "pilot": "battery-v1", "machine": "B0005"}]),
    ]


class TwinChange(Model):
    """What is to be different; what is left out stays."""

    title: Line | None = None
    state: State | None = None


def show(twin: TwinRow) -> dict[str, Any]:
    """A twin as programs see it; nothing in it changes by itself but what stands against it."""
    own = ("name", "title", "state", "recipe", "made_by", "worst", "alerts")
    return {key: getattr(twin, key) for key in own} | {"made": iso(twin.made_us)}


def known_twin(request: Request, name: str) -> TwinRow:
    """The twin of that name; 404 when there is none."""
    found = records.read_twin(engine_of(request), name)
    if found is None:
        raise missing("twin", name)
    return found


@ROUTER.get(
    "",
    summary="List twins, the worst first",
    operation_id="listTwins",
    response_model=Listed[TwinShape],
    responses=problems(304),
)
def list_twins(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("viewer"))],
    *,
    state: Annotated[State | None, Query(description="Only these; else all but archived.")] = None,
    search: Annotated[Written, Query(description="A part of name or title.")] = "",
    sort: Literal["worst", "name", "newest"] = "worst",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """The twins that the visitor may see. Pages follow each other by `next`."""
    page = records.list_twins(
        engine_of(request), names=seen(visitor), state=state, search=search, sort=sort,
        after=cursor, limit=limit,
    )  # fmt: skip
    return listed(request, page, show)


@ROUTER.post(
    "",
    summary="Make a twin from a recipe",
    operation_id="makeTwin",
    status_code=201,
    response_model=TwinShape,
    responses=problems(409),
)
async def make_twin(
    request: Request, visitor: Annotated[Visitor, Depends(needs("engineer"))], new: NewTwin
) -> Response:
    """The twin begins to follow its machine at once. Its name cannot be changed later."""
    twin = await off_loop(_make, request, visitor, new)
    await changed(request)
    at = {"Location": f"/api/v1/twins/{twin.name}"}
    return answer(request, show(twin), status=201, headers=at)


@ROUTER.get(
    "/{name}",
    summary="Show a twin",
    operation_id="getTwin",
    response_model=TwinShape,
    responses=problems(304, 404),
    dependencies=[Depends(needs("viewer", twin=True))],
)
def get_twin(request: Request, name: Name) -> Response:
    """The twin as the records have it; `/now` has what it believes."""
    return answer(request, show(known_twin(request, name)))


@ROUTER.patch(
    "/{name}",
    summary="Rename, pause or resume a twin",
    operation_id="changeTwin",
    response_model=TwinShape,
    responses=problems(404, 412),
)
async def change_twin(
    request: Request,
    name: Name,
    change: TwinChange,
    visitor: Annotated[Visitor, Depends(needs("engineer", twin=True))],
) -> Response:
    """A paused twin keeps its belief and follows on from there. `If-Match` guards the change."""
    twin = await off_loop(_change, request, name, change, visitor)
    await changed(request)
    return answer(request, show(twin))


@ROUTER.delete(
    "/{name}",
    summary="Put a twin away",
    operation_id="archiveTwin",
    status_code=204,
    responses=problems(404, 412),
)
async def archive_twin(
    request: Request, name: Name, visitor: Annotated[Visitor, Depends(needs("engineer", twin=True))]
) -> Response:
    """It stops and leaves the lists; its history stays, and PATCH `running` brings it back."""
    await off_loop(_change, request, name, TwinChange(state="archived"), visitor)
    await changed(request)
    return Response(status_code=204)


def _make(request: Request, visitor: Visitor, new: NewTwin) -> TwinRow:
    from songsinh.sectors import build

    engine, recipe = engine_of(request), {**new.recipe, "name": new.name}
    if new.title is not None:
        recipe["title"] = new.title
    twin = build(recipe)
    title = new.title or twin.title
    try:
        return records.add_twin(
            engine, new.name, title=title, recipe=recipe, signals=twin.read, by=visitor
        )
    except LiveError as error:
        raise HTTPException(409, str(error)) from error


def _change(request: Request, name: str, change: TwinChange, visitor: Visitor) -> TwinRow:
    engine = engine_of(request)
    with CHANGING:
        hold(request, show(known_twin(request, name)))
        return records.edit_twin(engine, name, by=visitor, title=change.title, state=change.state)
