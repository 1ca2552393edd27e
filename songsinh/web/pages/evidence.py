"""The credibility card of a twin's kind: what was checked, on data it had not seen."""

from dataclasses import dataclass
from typing import Annotated, Final, final

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from songsinh.twin import Card
from songsinh.web.api.machines import known_twin
from songsinh.web.pages.common import show
from songsinh.web.records import read_card
from songsinh.web.security import Visitor, needs

__all__ = ["router"]

router: Final = APIRouter(include_in_schema=False)
Viewer = Annotated[Visitor, Depends(needs("viewer", twin=True))]


@final
@dataclass(frozen=True)
class Evidence:
    """A twin and the card that speaks for it."""

    name: str
    title: str
    card: Card


@router.get("/twins/{name}/card")
def show_card(request: Request, visitor: Viewer, name: str) -> Response:
    """Each check of the card, with what was asked and the simplest rules beside it."""
    twin = known_twin(request, name)
    card = read_card(twin.recipe)
    if card is None:
        raise HTTPException(404, f"no card speaks for {name!r}; its own scores tell how it does")
    return show(request, "evidence.html", Evidence(name, twin.title, card))
