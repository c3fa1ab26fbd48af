"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `migrate` gives."""

from __future__ import annotations

from alembic import context

from syncd.state.schema import whole_schema

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=whole_schema(connection.dialect.name))
with context.begin_transaction():
    context.run_migrations()
