"""Language and colours as this browser wants them, kept in two cookies."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse

from songsinh.web.security import Visitor, public
from songsinh.web.wording import LANGUAGES

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
YEAR: Final = 365 * 86400


@router.post("/appearance")
async def change_appearance(
    visitor: Annotated[Visitor, Depends(public())],
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Keep the choice, and go back to the page it was made on."""
    # only a path of ours: //host and /\host lead elsewhere
    ours = back.startswith("/") and not back.startswith(("//", "/\\"))
    answer = RedirectResponse(back if ours else "/", 303)
    kept: dict[str, Any] = {"max_age": YEAR, "samesite": "lax", "path": "/"}
    if language in dict(LANGUAGES):
        answer.set_cookie("language", language, **kept)
    if theme in ("light", "dark"):
        answer.set_cookie("theme", theme, **kept)
    elif theme:
        answer.delete_cookie("theme", path="/")
    return answer
