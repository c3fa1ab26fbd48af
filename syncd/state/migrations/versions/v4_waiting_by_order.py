"""The index of the changes that wait, as SQLite's planner prefers it to that of all changes of an order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "waiting_by_order"
down_revision = "shop_id"
branch_labels = None
depends_on = None


def upgrade() -> None:
    waits = sa.text("ended_at IS NULL")
    op.drop_index("changes_waiting", "changes")
    op.create_index("changes_waiting", "changes", ["order_id", "ended_at"], sqlite_where=waits, postgresql_where=waits)
