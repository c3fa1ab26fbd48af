"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `migrate` gives."""

from __future__ import annotations

from alembic import context

from syncd.state.indexes import SCHEMA

context.configure(connection=context.config.attributes["connection"], target_metadata=SCHEMA)
with context.begin_transaction():
    context.run_migrations()
