"""The audit log through the API."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from songsinh.web import records
from songsinh.web.api.common import Cursor, Limit, Written, engine_of, iso, listed, problems
from songsinh.web.api.shapes import AuditShape, Listed
from songsinh.web.records import AuditRow
from songsinh.web.security import needs

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1", tags=["people"])


@ROUTER.get(
    "/audit",
    summary="Read the audit log, the newest first",
    operation_id="listAudit",
    response_model=Listed[AuditShape],
    responses=problems(304),
    dependencies=[Depends(needs("administrator"))],
)
def list_audit(
    request: Request,
    *,
    who: Annotated[Written | None, Query(description="Only by this e-mail address.")] = None,
    about: Annotated[Written | None, Query(description="Only about this thing.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Who changed what; rows are never changed, and each hash covers the row before."""
    page = records.list_audit(engine_of(request), who=who, about=about, after=cursor, limit=limit)
    return listed(request, page, show)


def show(row: AuditRow) -> dict[str, Any]:
    """A row as programs see it."""
    own = ("id", "who", "what", "about", "detail", "hash")
    return {key: getattr(row, key) for key in own} | {"at": iso(row.at_us)}
