"""How Alembic reaches the database: through the connection, or the URL, that `migrate` hands over."""

from alembic import context
from sqlalchemy import Connection, text

from comfyfleet.server.models import Base

LOCK_TIMEOUT = "5s"
"""A migration that waits for a table longer than this gives up, so that it never stops a busy control plane."""


def run(connection: Connection) -> None:
    """Run migrations in one transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        context.run_migrations()


run(context.config.attributes["connection"])
