"""Questions to a twin through the API: what it believes now, what if, what to do."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from songsinh.web.api.common import Model, Name, answer, ask, off_loop, problems
from songsinh.web.api.machines import known_twin
from songsinh.web.security import needs

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1/twins", tags=["questions"])
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e30, le=1e30)]
Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]


class Branch(Model):
    """One way to go on: the levers that are turned, in the units of their signals (SI)."""

    name: Label = Field(examples=["half the current"])
    levers: dict[Label, Finite] = Field(
        default_factory=dict, max_length=32, examples=[{"current": 1.0}]
    )


class WhatIf(Model):
    """Up to eight branches, simulated side by side from the present belief."""

    branches: Annotated[list[Branch], Field(min_length=1, max_length=8)]
    horizon: Annotated[float, Field(gt=0.0, le=3.2e9, examples=[3600.0])] | None = None


class Decide(Model):
    """The number of one of the twin's questions, from 0; `/now` lists them."""

    question: Annotated[int, Field(ge=0, le=999)] = 0


class Answered(BaseModel):
    """The answer; its fields depend on the twin."""

    model_config = ConfigDict(extra="allow")


class NowShape(Answered):
    """All that a twin knows at this moment; times in s since 1970."""

    belief: dict[str, Any] | None
    forecast: dict[str, Any] | None
    levers: list[dict[str, Any]]
    questions: list[Any]
    sensors: list[dict[str, Any]]


class WhatIfShape(Answered):
    """Each branch with quantiles of its signals at the times (s since 1970), and its alarms."""

    times: list[float]
    branches: list[dict[str, Any]]


class DecideShape(Answered):
    """The options with what is to be expected of each, and the best that keeps the limits."""

    title: str
    options: list[dict[str, Any]]
    sentence: str


@ROUTER.get(
    "/{name}/now",
    summary="Ask a twin what it knows now",
    operation_id="askNow",
    response_model=NowShape,
    responses=problems(304, 404, 503),
    dependencies=[Depends(needs("viewer", twin=True))],
)
async def ask_now(request: Request, name: Name) -> Response:
    """Belief, forecast, levers, questions, sensors and scores, as of one moment."""
    await off_loop(known_twin, request, name)
    return answer(request, await ask(request, "now", name, {}))


@ROUTER.post(
    "/{name}/what-if",
    summary="Ask a twin what would happen",
    operation_id="askWhatIf",
    response_model=WhatIfShape,
    responses=problems(404, 503),
    dependencies=[Depends(needs("operator", twin=True, scope="read"))],
)
async def ask_what_if(request: Request, name: Name, asked: WhatIf) -> Response:
    """Nothing is changed: the branches are simulated and forgotten."""
    await off_loop(known_twin, request, name)
    detail: dict[str, Any] = {"branches": [branch.model_dump() for branch in asked.branches]}
    if asked.horizon is not None:
        detail["horizon"] = asked.horizon
    return answer(request, await ask(request, "what_if", name, detail))


@ROUTER.post(
    "/{name}/decide",
    summary="Ask a twin what to do",
    operation_id="askDecide",
    response_model=DecideShape,
    responses=problems(404, 503),
    dependencies=[Depends(needs("operator", twin=True, scope="read"))],
)
async def ask_decide(request: Request, name: Name, asked: Decide) -> Response:
    """The value of a lever that keeps the limits and does best by the goal."""
    await off_loop(known_twin, request, name)
    return answer(request, await ask(request, "decide", name, asked.model_dump()))
