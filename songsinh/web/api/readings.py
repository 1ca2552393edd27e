"""Readings through the API: pushed in, and read back as JSON, CSV or Parquet."""

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from songsinh.web import records
from songsinh.web.api.common import (
    Name,
    Written,
    answer,
    engine_of,
    iso,
    missing,
    moment_us,
    problems,
)
from songsinh.web.api.machines import known_twin
from songsinh.web.api.pushing import take
from songsinh.web.api.shapes import Listed, ReceiptShape, SignalShape, ValuesShape
from songsinh.web.security import Visitor, needs

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1", tags=["readings"])
Format = Literal["json", "csv", "parquet"]
KINDS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
LARGEST = 1_000_000  # readings in a JSON
FIRST, LAST = 0, 7_258_118_400_000_000  # us: 1970 to 2200
PUSHED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"$ref": "#/components/schemas/PushedRows"},
                        {"$ref": "#/components/schemas/PushedColumns"},
                    ]
                },
                "examples": {
                    "rows": {
                        "value": {
                            "readings": [
                                {"twin": "b0005", "signal": "voltage", "time": None, "value": 3.9}
                            ]
                        }
                    },
                    "columns": {
                        "value": {
                            "signals": ["b0005/voltage", "b0005/current"],
                            "index": [0, 1],
                            "time": [1769860800.0, "2026-01-31T12:00:00Z"],
                            "value": [3.9, 2.0],
                        }
                    },
                },
            }
        },
    }
}


@ROUTER.post(
    "/readings",
    summary="Push readings",
    operation_id="pushReadings",
    response_model=ReceiptShape,
    responses=problems(413, 503),
    openapi_extra=PUSHED,
)
async def push_readings(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("operator", anywhere=True, scope="push"))],
) -> Response:
    """When this answers, what was accepted is durable. The same reading sent twice counts once.

    Rows or columns; times in s since 1970 or ISO 8601, null for now. Answers 200 also when some
    were refused: the receipt counts them by reason. After 503, send all of it again.
    """
    receipt = await take(request.app, visitor, await request.body())
    return answer(request, receipt)


@ROUTER.get(
    "/twins/{name}/signals",
    summary="List the signals of a twin that can be read",
    operation_id="listSignals",
    response_model=Listed[SignalShape],
    responses=problems(304, 404),
    dependencies=[Depends(needs("viewer", twin=True))],
)
def list_signals(request: Request, name: Name) -> Response:
    """By name; all on one page."""
    found = records.twin_signals(engine_of(request), known_twin(request, name).id)
    rows = [{"id": one.id, "name": one.name} for one in found]
    return answer(request, {"items": rows, "next": None})


@ROUTER.get(
    "/twins/{name}/readings/{signal}",
    summary="Read the history of a signal",
    operation_id="readHistory",
    response_model=ValuesShape,
    responses={
        **problems(304, 404),
        200: {"content": {"text/csv": {}, "application/vnd.apache.parquet": {}}},
    },
    dependencies=[Depends(needs("viewer", twin=True))],
)
def read_history(
    request: Request,
    name: Name,
    signal: Annotated[str, Path(max_length=64, pattern=r"^[^\x00-\x1f/]+$", examples=["voltage"])],
    *,
    start: Annotated[Written | None, Query(description="s since 1970 or ISO 8601")] = None,
    end: Annotated[Written | None, Query(description="The first time that is left out.")] = None,
    most: Annotated[
        int | None,
        Query(ge=1, le=100_000, description="JSON only: at most so many buckets of equal width."),
    ] = None,
    format: Annotated[Format | None, Query(description="Comes before `Accept`.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Each reading once, in order of event time.

    With `most`, a bucket's time is its first reading's, `values` are means, and `least` and
    `greatest` are given as well. Files have every reading, a line or row each.
    """
    asked = (moment_us(start), moment_us(end))
    span = (asked[0] if asked[0] is not None else FIRST, asked[1] if asked[1] is not None else LAST)
    number = _signal(request, name, signal)
    history = request.app.state.history
    kind = format or _wanted(accept)
    if kind == "json":
        points = history.readings(number, *span, most=most)
        if len(points.times) > LARGEST:
            raise HTTPException(
                422,
                f"{len(points.times)} readings are too many for JSON, at most {LARGEST}; "
                "give `most`, a shorter span, or ask for CSV or Parquet",
            )
        told = {"signal": signal, "start": iso(asked[0]), "end": iso(asked[1]), **_told(points)}
        return answer(request, told)
    file = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    parts = history.export([number], span, form=kind)
    return StreamingResponse(parts, media_type=KINDS[kind], headers=file)


def _wanted(accept: str) -> Format:
    if "text/csv" in accept:
        return "csv"
    return "parquet" if "parquet" in accept else "json"


def _signal(request: Request, name: str, signal: str) -> int:
    known = records.twin_signals(engine_of(request), known_twin(request, name).id)
    for one in known:
        if one.name == signal:
            return one.id
    raise missing("signal", signal)


def _told(points: Any) -> dict[str, Any]:
    times, quality = points.times / 1e6, points.quality.tolist()
    if points.values.ndim == 1:
        return {"times": times, "values": points.values, "quality": quality}
    least, mean, greatest = (np.ascontiguousarray(column) for column in points.values.T)
    more = {"least": least, "greatest": greatest}
    return {"times": times, "values": mean, **more, "quality": quality}
