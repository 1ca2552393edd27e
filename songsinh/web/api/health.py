"""Whether the centre is alive and ready, for those who watch over it; and what the API offers."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Engine, select

from songsinh.web.api.common import answer, engine_of, off_loop, problems
from songsinh.web.api.shapes import HealthShape
from songsinh.web.security import Visitor, needs, public

__all__ = ["ROUTER"]

ROUTER = APIRouter(tags=["health"])
SOON = 2.0  # s in which the hub has to answer


@ROUTER.get(
    "/health/live",
    summary="Say that the process answers",
    operation_id="isAlive",
    response_model=dict[str, str],
    responses=problems(),
    dependencies=[Depends(public())],
)
async def is_alive(request: Request) -> Response:
    """Answers as long as the process can; asks nothing of anything else."""
    return answer(request, {"status": "ok"})


@ROUTER.get(
    "/health/ready",
    summary="Say whether the centre can do its work",
    operation_id="isReady",
    response_model=HealthShape,
    responses={503: {"model": HealthShape, "description": "Something does not answer."}},
)
async def is_ready(request: Request, visitor: Annotated[Visitor, Depends(public())]) -> Response:
    """Ready when the database and what follows the twins both answer."""
    database = await off_loop(_answers, engine_of(request))
    live = await _follows(request.app.state.hub)
    ready = database and live
    content = {"status": "ok" if ready else "unwell", "database": database, "live": live}
    return answer(request, content, status=200 if ready else 503)


@ROUTER.get(
    "/api/v1/openapi.json",
    summary="Describe this API",
    operation_id="describeApi",
    tags=["health"],
    response_model=dict[str, Any],
    responses=problems(304),
    dependencies=[Depends(needs("viewer"))],
)
def describe_api(request: Request) -> Response:
    """This document, in OpenAPI 3.1."""
    return answer(request, request.app.openapi())


def _answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(select(1))
    except Exception:  # whatever it is: the database does not answer
        return False
    return True


async def _follows(hub: Any) -> bool:
    try:
        await asyncio.wait_for(hub.state(), SOON)
    except Exception:  # whatever it is: it does not answer
        return False
    return True
