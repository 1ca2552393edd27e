"""The inbox of alerts: what waits, why it was raised, and what people do about it."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.web import records
from songsinh.web.api.common import seen
from songsinh.web.pages.common import show
from songsinh.web.records import Action, AlertRow, Remark
from songsinh.web.security import Visitor, needs

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
SIZE: Final = 50
SHOWN: Final = {
    "waiting": ("open", "acknowledged"),
    "open": ("open",),
    "acknowledged": ("acknowledged",),
    "closed": ("closed",),
    "all": ("open", "acknowledged", "closed"),
}
Viewer = Annotated[Visitor, Depends(needs("viewer"))]
Operator = Annotated[Visitor, Depends(needs("operator", anywhere=True))]


@final
@dataclass(frozen=True)
class Filters:
    """Which alerts are shown: by state, severity and twin, and whether only one's own."""

    state: str = "waiting"
    severity: str = ""
    twin: str = ""
    mine: bool = False
    after: str = ""

    def at(self, **other: Any) -> str:
        """The address of the list with other filters."""
        named = {"state": self.state, "severity": self.severity, "twin": self.twin}
        named |= {"mine": "1" if self.mine else ""} | other
        return "/alerts?" + urlencode({key: value for key, value in named.items() if value})


@final
@dataclass(frozen=True)
class Inbox:
    """A page of alerts, the gravest first; `mayact` are the numbers the visitor may act on."""

    filters: Filters
    rows: tuple[AlertRow, ...]
    counts: dict[str, int]
    may_act: frozenset[int]
    next: str | None


@final
@dataclass(frozen=True)
class Case:
    """One alert, what was done about it, and who may be asked to see to it."""

    alert: AlertRow
    remarks: tuple[Remark, ...]
    people: tuple[tuple[int, str], ...]
    may_act: bool


@router.get("/alerts")
async def show_inbox(
    request: Request,
    visitor: Viewer,
    state: str = "waiting",
    severity: str = "",
    twin: str = "",
    mine: bool = False,
    after: str = "",
) -> Response:
    """The inbox."""
    filters = Filters(state if state in SHOWN else "waiting", severity, twin, mine, after)
    inbox = await asyncio.to_thread(_read_inbox, request.app.state.engine, visitor, filters)
    return show(request, "inbox.html", inbox)


@router.get("/alerts/{number}")
async def show_case(request: Request, visitor: Viewer, number: int) -> Response:
    """One alert."""
    case = await asyncio.to_thread(_read_case, request.app.state.engine, visitor, number)
    return show(request, "case.html", case)


@router.post("/alerts/{number}")
async def act(
    request: Request,
    visitor: Operator,
    number: int,
    action: Annotated[Literal["acknowledge", "assign", "comment", "close", "reopen"], Form()],
    text: Annotated[str, Form(max_length=4000)] = "",
    assign: Annotated[str, Form(max_length=20)] = "",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Acknowledge, assign, comment, close or reopen, then back to where one was."""
    await asyncio.to_thread(
        _act, request.app.state.engine, visitor, number, action, text.strip(), assign
    )
    there = back if back.startswith("/alerts") else f"/alerts/{number}"
    return RedirectResponse(there, 303)


def _read_inbox(engine: Engine, visitor: Visitor, filters: Filters) -> Inbox:
    page = records.list_alerts(
        engine,
        names=seen(visitor),
        twin=filters.twin or None,
        states=SHOWN[filters.state],
        severity=filters.severity or None,
        assigned=visitor.person_id if filters.mine else None,
        sort="newest" if filters.state in ("closed", "all") else "worst",
        after=filters.after or None,
        limit=SIZE,
    )
    return Inbox(
        filters=filters,
        rows=page.rows,
        counts=records.count_alerts(engine, names=seen(visitor)),
        may_act=frozenset(row.id for row in page.rows if visitor.may("operator", row.twin)),
        next=page.next,
    )


def _read_case(engine: Engine, visitor: Visitor, number: int) -> Case:
    alert = _find(engine, visitor, number, "viewer")
    may_act = visitor.may("operator", alert.twin)
    known = select(tables.people.c.id, tables.people.c.name).where(
        tables.people.c.disabled.is_(False)
    )
    with engine.connect() as connection:
        rows = connection.execute(known.order_by(tables.people.c.name)).all() if may_act else []
    return Case(
        alert=alert,
        remarks=records.read_remarks(engine, number),
        people=tuple((int(row[0]), str(row[1])) for row in rows),
        may_act=may_act,
    )


def _act(
    engine: Engine, visitor: Visitor, number: int, action: Action, text: str, assign: str
) -> None:
    _find(engine, visitor, number, "operator")
    if action == "comment" and not text:
        return
    person = min(int(assign), records.LARGEST) if assign.isdecimal() else None
    records.act_on_alert(engine, number, action, by=visitor, text=text, assign=person)


def _find(engine: Engine, visitor: Visitor, number: int, role: str) -> AlertRow:
    """The alert, if the visitor has the role for its twin; else it is as if it were not there."""
    alert = records.read_alert(engine, number) if 0 < number <= records.LARGEST else None
    if alert is None or not visitor.may(role, alert.twin):
        raise HTTPException(404, f"there is no alert {number} that you may see to")
    return alert
