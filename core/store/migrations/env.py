"""What Alembic runs: the steps, on the connection that `upgrade` hands over."""

from alembic import context

from core.store.tables import metadata

# SQLite can roll back a schema change, which Alembic does not expect of it by itself.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
