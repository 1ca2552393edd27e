"""People and their tokens through the API."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from songsinh.web.api.common import (
    Model,
    Number,
    Written,
    answer,
    engine_of,
    iso,
    missing,
    problems,
)
from songsinh.web.api.shapes import Listed, MadeTokenShape, PersonShape, TokenShape
from songsinh.web.security import Visitor, audit, needs
from songsinh.web.security.accounts import (
    PersonRow,
    add_person,
    give_role,
    list_people,
    set_enabled,
)
from songsinh.web.security.tokens import TokenRow, end_token, list_tokens, make_token

__all__ = ["ROUTER"]

ROUTER = APIRouter(prefix="/api/v1", tags=["people"])
Administrator = Annotated[Visitor, Depends(needs("administrator"))]
Place = Annotated[str, Field(pattern=r"^(\*|[a-z0-9][a-z0-9-]{0,62})$", examples=["*", "b0005"])]
Role = Literal["viewer", "operator", "engineer", "administrator"]


class NewPerson(Model):
    """Somebody who may enter; they choose a password by a link that the page of people makes."""

    email: Annotated[
        str,
        Field(
            max_length=254, pattern=r"^[^@\s]{1,64}@[^@\s]{1,189}$", examples=["ada@example.org"]
        ),
    ]
    name: Written = ""
    role: Role | None = None


class PersonChange(Model):
    """Whether they may enter at all, and their role somewhere: null takes it away."""

    enabled: bool | None = None
    roles: dict[Place, Role | None] = Field(default_factory=dict, max_length=100)


class NewToken(Model):
    """A token for a program: it may at most what its maker may, and only what its scope says."""

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")
    ]
    scope: Literal["read", "push", "write"]
    twin: Place = "*"
    days: Annotated[float, Field(gt=0.0, le=366.0)] = 90.0


@ROUTER.get(
    "/people",
    summary="List people",
    operation_id="listPeople",
    response_model=Listed[PersonShape],
    responses=problems(304),
)
def show_people(request: Request, visitor: Administrator) -> Response:
    """Everybody by e-mail address, with their roles; all on one page."""
    with engine_of(request).connect() as connection:
        rows = list_people(connection)
    return answer(request, {"items": [_person(row) for row in rows], "next": None})


@ROUTER.post(
    "/people",
    summary="Add somebody",
    operation_id="addPerson",
    status_code=201,
    response_model=PersonShape,
    responses=problems(),
)
def make_person(request: Request, visitor: Administrator, new: NewPerson) -> Response:
    """They have no password yet, and no way in until they chose one."""
    with engine_of(request).begin() as connection:
        number = add_person(connection, new.email, new.name, role=new.role or "", by=visitor.email)
        rows = list_people(connection)
    return answer(request, _one(rows, number), status=201)


@ROUTER.patch(
    "/people/{number}",
    summary="Change what somebody may do",
    operation_id="changePerson",
    response_model=PersonShape,
    responses=problems(404),
)
def change_person(
    request: Request, number: Number, visitor: Administrator, change: PersonChange
) -> Response:
    """Who is kept out loses every session and token at once. One administrator always stays."""
    with engine_of(request).begin() as connection:
        _one(list_people(connection), number)
        for twin, role in change.roles.items():
            give_role(connection, number, role or "", twin=twin, by=visitor.email)
        if change.enabled is not None:
            set_enabled(connection, number, change.enabled, by=visitor.email)
        rows = list_people(connection)
    return answer(request, _one(rows, number))


@ROUTER.get(
    "/tokens",
    summary="List tokens",
    operation_id="listTokens",
    response_model=Listed[TokenShape],
    responses=problems(304),
)
def show_tokens(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("viewer"))],
    whose: Annotated[
        Literal["mine", "all"], Query(description="`all` is for administrators.")
    ] = "mine",
) -> Response:
    """One's own tokens, the newest first, without their secrets; all on one page."""
    everybody = whose == "all" and visitor.may("administrator")
    with engine_of(request).connect() as connection:
        rows = list_tokens(connection, None if everybody else visitor.person_id)
    return answer(request, {"items": [_token(row) for row in rows], "next": None})


@ROUTER.post(
    "/tokens",
    summary="Make a token",
    operation_id="makeToken",
    status_code=201,
    response_model=MadeTokenShape,
    responses=problems(),
)
def add_token(
    request: Request,
    visitor: Annotated[Visitor, Depends(needs("viewer", person=True))],
    new: NewToken,
) -> Response:
    """The secret is in this answer only. Tokens cannot make tokens: sign in as a person."""
    with engine_of(request).begin() as connection:
        secret = make_token(
            connection, _number(visitor), new.name, scope=new.scope, twin=new.twin, days=new.days
        )
        told = {"name": new.name, "scope": new.scope, "twin": new.twin}
        audit.write(connection, visitor.email, "token made", visitor.email, told)
    return answer(
        request, {"token": secret, **told}, status=201, headers={"Cache-Control": "no-store"}
    )


@ROUTER.delete(
    "/tokens/{number}",
    summary="Withdraw a token",
    operation_id="endToken",
    status_code=204,
    responses=problems(404),
)
def drop_token(
    request: Request, number: Number, visitor: Annotated[Visitor, Depends(needs("viewer"))]
) -> Response:
    """It stops working at once. Administrators may withdraw anybody's."""
    owner = None if visitor.may("administrator") else _number(visitor)
    with engine_of(request).begin() as connection:
        found = {row.id for row in list_tokens(connection, owner)}
        if number not in found:
            raise missing("token", number)
        name = end_token(connection, number, person=owner)
        audit.write(connection, visitor.email, "token ended", str(number), {"name": name})
    return Response(status_code=204)


def _number(visitor: Visitor) -> int:
    if visitor.person_id is None:
        raise missing("person", "?")
    return visitor.person_id


def _one(rows: Sequence[PersonRow], number: int) -> dict[str, Any]:
    for row in rows:
        if row.id == number:
            return _person(row)
    raise missing("person", number)


def _person(row: PersonRow) -> dict[str, Any]:
    own = ("id", "email", "name", "roles", "disabled", "invited")
    return {key: getattr(row, key) for key in own}


def _token(row: TokenRow) -> dict[str, Any]:
    own = {key: getattr(row, key) for key in ("id", "name", "email", "scope", "twin")}
    times = {"made": iso(row.made_us), "ends": iso(row.ends_us)}
    return own | times | {"used": iso(row.used_us) if row.used_us else None}
