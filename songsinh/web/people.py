"""People and the audit log, for those outside the web part: the terminal."""

from songsinh.web.security.accounts import add_person, give_role, list_people, person_by_email
from songsinh.web.security.audit import verify
from songsinh.web.security.links import make_link

__all__ = ["add_person", "give_role", "list_people", "make_link", "person_by_email", "verify"]
