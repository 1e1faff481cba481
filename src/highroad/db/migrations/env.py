"""Alembic's entry: runs on the connection that `highroad.db.migrate` opened, in its transaction."""

from alembic import context

from highroad.db.engine import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the caller's transaction is the only one
)
context.run_migrations()
