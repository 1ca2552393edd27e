"""Alembic's door: migrate the connection that `open_database` hands over."""

from alembic import context

from songsinh.database.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
