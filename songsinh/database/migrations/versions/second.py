"""The audit log only grows: the database itself refuses to change or remove its rows."""

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"

SQLITE: Final = """
CREATE TRIGGER audit_no_{word} BEFORE {word} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
"""
FUNCTION: Final = """
CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$
"""
POSTGRES: Final = """
CREATE TRIGGER audit_no_{word} BEFORE {word} ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()
"""


def upgrade() -> None:
    """Put triggers before every way to change what is written."""
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(FUNCTION)
    for word in ("UPDATE", "DELETE", "TRUNCATE") if postgres else ("UPDATE", "DELETE"):
        op.execute((POSTGRES if postgres else SQLITE).format(word=word))
