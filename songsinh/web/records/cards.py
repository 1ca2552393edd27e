"""Credibility cards of pilots, as `songsinh validate` made them."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from songsinh.twin import Card

__all__ = ["read_card"]


def read_card(recipe: Mapping[str, Any]) -> Card | None:
    """The card of the pilot that a recipe names; None when no pilot speaks for the twin."""
    kind = str(recipe.get("pilot", "")).partition("-v")[0]
    if recipe.get("kind") != "pilot" or not kind.isidentifier():
        return None
    file = files("songsinh.sectors") / kind / "card.json"
    return Card.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None
