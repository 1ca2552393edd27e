"""The document of the API: OpenAPI with what FastAPI cannot know, such as who may what."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from songsinh.web.api.shapes import Problem

__all__ = ["describe", "rule_of"]

TAGS: Final = {
    "twins": "What is followed, what each twin believes and foretells, and how well.",
    "questions": "What if, and what to do: answered by simulation, nothing is changed.",
    "readings": "Pushed in, and read back.",
    "streams": (
        "What changes as it changes. WebSockets are not part of OpenAPI: `/api/v1/stream` tells "
        '`{"frames": [...]}`, `/api/v1/push` takes bodies as `POST /api/v1/readings` does and '
        "answers each with its receipt. Programs send their token in the header "
        "`Authorization`, browsers offer the protocols `songsinh` and `bearer.TOKEN`."
    ),
    "alerts": "The inbox, and what people do about it.",
    "sources": "Where readings come from, and what was refused.",
    "people": "People, tokens and the audit log.",
    "health": "Whether the centre is well, for those who watch over it.",
}
ABOUT: Final = """\
Programs send a token as `Authorization: Bearer ...`; its scope is `read`, `push` or `write`.
Errors are RFC 9457 problems whose `detail` is one sentence. Times are ISO 8601 in UTC, and
numbers where charts need them: seconds since 1970. Quantities are in SI units. What is shown has
a version in `ETag`: `If-None-Match` saves the way, `If-Match` guards a change. Lists go on at
`next`, which the header `Link` has as well.
"""


class PushedRow(BaseModel):
    """A reading: time in s since 1970 or ISO 8601, null for now; quality 0 is good, 2 is bad."""

    twin: str
    signal: str
    time: float | str | None = None
    value: float | None
    quality: int = 0


class PushedRows(BaseModel):
    """Readings one by one."""

    readings: list[PushedRow]


class PushedColumns(BaseModel):
    """Many readings at once: `index` says which of the signals (twin/signal) each is of."""

    model_config = ConfigDict(extra="allow")
    signals: list[str]
    index: list[int] | None = None
    time: list[float | str | None] | None = None
    value: list[float | None]
    quality: list[int] | None = None


SCHEMAS: Final = (Problem, PushedRow, PushedRows, PushedColumns)


def describe(app: FastAPI) -> None:
    """Let `app.openapi()` give the whole document of the API, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def rule_of(route: Any) -> str | None:
    """Who may use a route, as its rule says; None when it has none."""
    dependant = getattr(route, "dependant", None)
    found = [getattr(part.call, "rule", None) for part in getattr(dependant, "dependencies", ())]
    return next((rule for rule in found if rule), None)


def _document(app: FastAPI) -> dict[str, Any]:
    routes = [
        route
        for route in app.routes
        if isinstance(route, APIRoute) and route.path.startswith(("/api/", "/health/", "/metrics"))
    ]
    document = get_openapi(
        title="Songsinh",
        version="1",
        description=ABOUT,
        routes=routes,
        tags=[{"name": name, "description": about} for name, about in TAGS.items()],
    )
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for model in SCHEMAS:
        schemas[model.__name__] = model.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        schemas[model.__name__].pop("$defs", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for route in routes:
        rule = rule_of(route)
        for method in route.methods or ():
            told = document["paths"][route.path].get(method.lower())
            if told is not None:
                told["x-rule"] = rule
                told["security"] = [] if rule == "public" else [{"token": []}]
    return document
