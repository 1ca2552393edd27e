"""What a twin believes and foretells, through the API, and how its forecasts did."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.exceptions import HTTPException

from songsinh.errors import LiveError
from songsinh.live import Outlook
from songsinh.web import records
from songsinh.web.api.common import (
    Cursor,
    Name,
    Written,
    answer,
    ask,
    engine_of,
    iso,
    listed,
    moment_us,
    off_loop,
    problems,
)
from songsinh.web.api.machines import known_twin
from songsinh.web.api.shapes import (
    BeliefShape,
    BeliefsShape,
    CardShape,
    ForecastShape,
    Listed,
    ScoreShape,
    SensorShape,
)
from songsinh.web.records import BeliefRow, ForecastRow, ScoreRow
from songsinh.web.security import needs

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1/twins", tags=["twins"])
DAY_US = 86_400_000_000
Viewer = Depends(needs("viewer", twin=True))
Span = Annotated[Written | None, Query(description="s since 1970 or ISO 8601")]


@ROUTER.get(
    "/{name}/belief",
    summary="Show what a twin believes now",
    operation_id="getBelief",
    response_model=BeliefShape,
    responses=problems(304, 404),
    dependencies=[Viewer],
)
async def get_belief(request: Request, name: Name) -> Response:
    """Fresh from memory; from the records while what follows the twins is away."""
    twin = await off_loop(known_twin, request, name)
    try:
        told = (await ask(request, "now", name, {}))["belief"]
    except (LiveError, HTTPException):
        told = None
    if told is not None:
        return answer(request, {**told, "at": iso(round(told["time"] * 1e6))})
    kept = await off_loop(records.newest_beliefs, engine_of(request), [twin.id])
    if twin.id not in kept:
        raise HTTPException(404, f"nothing was read of {name!r} yet; send readings")
    return answer(request, show_belief(kept[twin.id]))


@ROUTER.get(
    "/{name}/beliefs",
    summary="Show what a twin believed",
    operation_id="listBeliefs",
    response_model=BeliefsShape,
    responses=problems(304, 404),
    dependencies=[Viewer],
)
def list_beliefs(
    request: Request,
    name: Name,
    *,
    start: Span = None,
    end: Span = None,
    most: Annotated[int, Query(ge=1, le=100_000, description="Thin out to so many.")] = 1000,
) -> Response:
    """From start until before end, in order of event time; else over the last day believed."""
    engine, history = engine_of(request), request.app.state.history
    twin = known_twin(request, name)
    newest = records.newest_beliefs(engine, [twin.id])
    last = moment_us(end) or (newest[twin.id].time_us + 1 if newest else DAY_US)
    first = moment_us(start)
    times, mean, sd = history.beliefs(
        twin.id, last - DAY_US if first is None else first, last, most=most
    )
    return answer(request, {"times": times / 1e6, "mean": mean, "sd": sd})


@ROUTER.get(
    "/{name}/forecast",
    summary="Show a forecast",
    operation_id="getForecast",
    response_model=ForecastShape,
    responses=problems(304, 404),
    dependencies=[Viewer],
)
def get_forecast(
    request: Request,
    name: Name,
    made: Annotated[
        Written | None, Query(description="As it was at this time; else the newest.")
    ] = None,
) -> Response:
    """Quantiles of each signal at the times to come."""
    twin = known_twin(request, name)
    row = records.read_forecast(engine_of(request), twin.id, made_us=moment_us(made))
    if row is None:
        raise HTTPException(404, f"no forecast of {name!r} was made by then; send readings")
    return answer(request, show_forecast(row))


@ROUTER.get(
    "/{name}/forecasts",
    summary="List forecasts, the newest first",
    operation_id="listForecasts",
    response_model=Listed[ForecastShape],
    responses=problems(304, 404),
    dependencies=[Viewer],
)
def list_forecasts(
    request: Request,
    name: Name,
    *,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """As they were made, each with its quantiles; older ones are in the history's tables."""
    twin = known_twin(request, name)
    page = records.list_forecasts(engine_of(request), twin.id, after=cursor, limit=limit)
    return listed(request, page, show_forecast)


@ROUTER.get(
    "/{name}/scores",
    summary="Show how forecasts did",
    operation_id="listScores",
    response_model=Listed[ScoreShape],
    responses=problems(304, 404),
    dependencies=[Viewer],
)
def list_scores(
    request: Request,
    name: Name,
    days: Annotated[
        int, Query(ge=1, le=36_500, description="Over so many days until the last score.")
    ] = 30,
) -> Response:
    """By signal and lead: coverage of the bands, CRPS, and skill against "nothing changes"."""
    twin = known_twin(request, name)
    found = records.list_scores(engine_of(request), twin.id, days=days)
    return answer(request, {"items": [show_score(row) for row in found], "next": None})


@ROUTER.get(
    "/{name}/sensors",
    summary="Show how the sensors of a twin do",
    operation_id="listSensors",
    response_model=Listed[SensorShape],
    responses=problems(304, 404, 503),
    dependencies=[Viewer],
)
async def list_sensors(request: Request, name: Name) -> Response:
    """Last value, what was expected, health, and how many readings were used and set aside."""
    await off_loop(known_twin, request, name)
    now = await ask(request, "now", name, {})
    return answer(request, {"items": now["sensors"], "next": None})


@ROUTER.get(
    "/{name}/card",
    summary="Show the credibility card that speaks for a twin",
    operation_id="getCard",
    response_model=CardShape,
    responses=problems(304, 404),
    dependencies=[Viewer],
)
def get_card(request: Request, name: Name) -> Response:
    """The checks of the twin's kind on data that it had not seen."""
    card = records.read_card(known_twin(request, name).recipe)
    if card is None:
        raise HTTPException(404, f"no card speaks for {name!r}; its scores tell how it does")
    return answer(request, orjson.loads(card.to_json()))


def show_belief(row: BeliefRow) -> dict[str, Any]:
    """A belief from the records as programs see it."""
    at = {"time": row.time_us / 1e6, "at": iso(row.time_us)}
    return at | {"mean": row.mean, "sd": row.sd}


def show_forecast(row: ForecastRow) -> Mapping[str, Any]:
    """A forecast from the records as programs see it."""
    return {**Outlook.from_bytes(row.body).frame(), "at": iso(row.made_us)}


def show_score(row: ScoreRow) -> dict[str, Any]:
    """A score as programs see it."""
    own = ("signal", "lead_s", "count", "inside_50", "inside_90", "crps", "crps_walk", "skill")
    return {key: getattr(row, key) for key in own}
