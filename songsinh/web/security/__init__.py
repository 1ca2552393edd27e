"""Who may do what: the door for the API and the pages.

Every route declares its rule: `Depends(needs("operator", twin=True))` or `Depends(public())`.
"""

from songsinh.web.security import audit
from songsinh.web.security.guards import Needs, Public, needs, public
from songsinh.web.security.links import first_link
from songsinh.web.security.roles import ROLES, SCOPES, Role, Scope, Visitor

__all__ = [
    "ROLES",
    "SCOPES",
    "Needs",
    "Public",
    "Role",
    "Scope",
    "Visitor",
    "audit",
    "first_link",
    "needs",
    "public",
]
