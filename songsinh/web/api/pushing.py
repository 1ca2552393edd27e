"""Pushed readings on their way to the hub: whose they are, and what is said when it is away."""

from dataclasses import asdict
from typing import Any, Final

from starlette.exceptions import HTTPException

from songsinh.errors import LiveError
from songsinh.live import Hub, parse_push
from songsinh.web.api.common import away, off_loop
from songsinh.web.security import Visitor

__all__ = ["take"]

BIG: Final = 100_000  # bytes, from which parsing would keep others waiting


async def take(app: Any, visitor: Visitor, body: bytes) -> dict[str, Any]:
    """The receipt for a push body; when this returns, what was accepted is durable.

    403 when one of the twins is not the visitor's to push for: then nothing is taken.
    """
    big = len(body) > BIG
    columns = await off_loop(parse_push, body) if big else parse_push(body)
    for twin in {str(pair[0]) for pair in columns.signals}:
        if not visitor.may("operator", twin):
            raise HTTPException(
                403, f"pushing for {twin[:64]!r} needs the role operator there; nothing was taken"
            )
    hub: Hub = app.state.hub
    try:
        receipt = await hub.take("push", columns)
    except LiveError as error:
        raise away(f"{error}; readings count once, so all may be sent again") from error
    if not len(columns) and columns.refused:
        raise HTTPException(422, f"no reading could be read ({receipt.example}); correct the body")
    return asdict(receipt)
