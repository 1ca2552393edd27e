"""Alerts through the API: the inbox, and what people do about it."""

from collections.abc import Mapping
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
    Model,
    Number,
    Words,
    answer,
    engine_of,
    hold,
    iso,
    listed,
    missing,
    problems,
    seen,
)
from songsinh.web.api.shapes import AlertShape, Listed, RemarkShape
from songsinh.web.records import LARGEST, AlertRow
from songsinh.web.security import Visitor, needs

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])
State = Literal["open", "acknowledged", "closed"]
STATES: Mapping[str, tuple[str, ...]] = {
    "unclosed": ("open", "acknowledged"),
    "any": ("open", "acknowledged", "closed"),
}


class Said(Model):
    """Words that go with what is done; they stay on record."""

    text: Words = Field("", examples=["fan replaced"])


class Assigned(Model):
    """Who is to see to it: the number of a person, null for nobody."""

    person: Annotated[int, Field(ge=1, le=LARGEST)] | None
    text: Words = ""


def show(alert: AlertRow) -> dict[str, Any]:
    """An alert as programs see it, times in ISO 8601."""
    own = ("id", "twin", "title", "rule", "signal", "severity", "state", "probability",
           "sentence", "detail", "assigned", "assignee")  # fmt: skip
    times = {key: iso(getattr(alert, f"{key}_us")) for key in ("opened", "last", "cleared")}
    return {key: getattr(alert, key) for key in own} | times


@ROUTER.get(
    "",
    summary="List alerts, the worst first",
    operation_id="listAlerts",
    response_model=Listed[AlertShape],
    responses=problems(304),
)
def list_alerts(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("viewer"))],
    *,
    state: State | Literal["unclosed", "any"] = "unclosed",
    twin: Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,63}$")] = None,
    severity: Literal["notice", "warning", "danger"] | None = None,
    assigned: Annotated[int | None, Query(ge=1, le=LARGEST, description="A person.")] = None,
    standing: Annotated[bool | None, Query(description="Whether its reason stands.")] = None,
    sort: Literal["worst", "newest"] = "worst",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """The alerts of the twins that the visitor may see; closed ones only when asked for."""
    page = records.list_alerts(
        engine_of(request), names=seen(visitor), twin=twin, states=STATES.get(state, (state,)),
        severity=severity, assigned=assigned, standing=standing, sort=sort, after=cursor,
        limit=limit,
    )  # fmt: skip
    return listed(request, page, show)


@ROUTER.get(
    "/{number}",
    summary="Show an alert",
    operation_id="getAlert",
    response_model=AlertShape,
    responses=problems(304, 404),
)
def get_alert(
    request: Request, number: Number, visitor: Annotated[Visitor, Depends(needs("viewer"))]
) -> Response:
    """The alert with why it was raised."""
    return answer(request, show(_known(request, number, visitor)))


@ROUTER.get(
    "/{number}/remarks",
    summary="List what was done about an alert",
    operation_id="listRemarks",
    response_model=Listed[RemarkShape],
    responses=problems(304, 404),
)
def list_remarks(
    request: Request, number: Number, visitor: Annotated[Visitor, Depends(needs("viewer"))]
) -> Response:
    """Comments and changes of state, the first first; all on one page."""
    _known(request, number, visitor)
    found = records.read_remarks(engine_of(request), number)
    rows = [
        {"id": one.id, "at": iso(one.at_us), "who": one.who, "kind": one.kind, "text": one.text}
        for one in found
    ]
    return answer(request, {"items": rows, "next": None})


Operator = Annotated[Visitor, Depends(needs("operator", anywhere=True))]
AFTER: dict[str, Any] = {"response_model": AlertShape, "responses": problems(404, 409, 412)}


@ROUTER.post(
    "/{number}/acknowledge",
    summary="Say that an alert was seen",
    operation_id="acknowledgeAlert",
    **AFTER,
)
def acknowledge_alert(
    request: Request, number: Number, visitor: Operator, said: Said | None = None
) -> Response:
    """Open alerts become acknowledged; they stand until their reason is over."""
    return _act(request, number, visitor, "acknowledge", text=said.text if said else "")


@ROUTER.post(
    "/{number}/assign", summary="Say who sees to an alert", operation_id="assignAlert", **AFTER
)
def assign_alert(request: Request, number: Number, visitor: Operator, to: Assigned) -> Response:
    """The alert is on that person's list; null takes it off."""
    return _act(request, number, visitor, "assign", text=to.text, assign=to.person)


@ROUTER.post(
    "/{number}/comment", summary="Remark on an alert", operation_id="commentAlert", **AFTER
)
def comment_alert(request: Request, number: Number, visitor: Operator, said: Said) -> Response:
    """The words stay on record and are not changed later."""
    if not said.text.strip():
        raise HTTPException(422, "the comment is empty; write some words")
    return _act(request, number, visitor, "comment", text=said.text)


@ROUTER.post("/{number}/close", summary="Close an alert", operation_id="closeAlert", **AFTER)
def close_alert(
    request: Request, number: Number, visitor: Operator, said: Said | None = None
) -> Response:
    """It leaves the inbox, even if its reason stands."""
    return _act(request, number, visitor, "close", text=said.text if said else "")


@ROUTER.post("/{number}/reopen", summary="Open an alert again", operation_id="reopenAlert", **AFTER)
def reopen_alert(
    request: Request, number: Number, visitor: Operator, said: Said | None = None
) -> Response:
    """A closed or acknowledged alert is back in the inbox."""
    return _act(request, number, visitor, "reopen", text=said.text if said else "")


def _known(request: Request, number: int, visitor: Visitor, role: str = "viewer") -> AlertRow:
    """The alert, if the visitor may see its twin; who may see and not act is told so."""
    found = records.read_alert(engine_of(request), number)
    if found is None or not visitor.may("viewer", found.twin):
        raise missing("alert", number)
    if not visitor.may(role, found.twin):
        raise HTTPException(
            403, f"this needs the role {role} at {found.twin!r}; ask an administrator for it"
        )
    return found


def _act(
    request: Request, number: int, visitor: Visitor, action: records.Action, **more: Any
) -> Response:
    try:
        with CHANGING:
            hold(request, show(_known(request, number, visitor, "operator")))
            done = records.act_on_alert(engine_of(request), number, action, by=visitor, **more)
    except LiveError as error:
        raise HTTPException(409, str(error)) from error
    return answer(request, show(done))
