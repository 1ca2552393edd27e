"""Roles, and the visitor who has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, final

__all__ = ["ROLES", "SCOPES", "Role", "Scope", "Visitor"]

Role = Literal["viewer", "operator", "engineer", "administrator"]
Scope = Literal["read", "push", "write"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "engineer", "administrator")
SCOPES: Final[tuple[Scope, ...]] = ("read", "push", "write")


@final
@dataclass(frozen=True)
class Visitor:
    """Who is asking: a person, by a session or a token, or nobody known (no `person_id`).

    `roles` maps twins' names, and `*` for the whole centre, to roles; each includes those below.
    """

    person_id: int | None = None
    email: str = ""
    name: str = ""
    language: str = ""
    zone: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    token_scope: str | None = None
    session: str | None = None  # the hash of the session it came by

    def may(self, role: str, twin: str = "*") -> bool:
        """Whether the role, or one above, is theirs for a twin; `*` is the whole centre."""
        least = ROLES.index(role)
        return any(_rank(self.roles.get(place, "")) >= least for place in {"*", twin})

    def best_role(self, twin: str) -> str:
        """The strongest role that is theirs for a twin; empty for none."""
        return next((role for role in reversed(ROLES) if self.may(role, twin)), "")

    def may_somewhere(self, role: str) -> bool:
        """Whether the role, or one above, is theirs for any twin at all."""
        return any(self.may(role, twin) for twin in self.roles)


def _rank(role: str) -> int:
    return ROLES.index(role) if role in ROLES else -1
