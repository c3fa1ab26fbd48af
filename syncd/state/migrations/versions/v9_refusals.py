"""Pending changes by how often IMSHOP refused them: the oldest one that was never refused is found at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "refusals"
down_revision = "counts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("changes_pending", "changes")
    pending = sa.text("state = 'pending'")
    op.create_index(
        "changes_pending", "changes", ["refusals", "detected_at"], sqlite_where=pending, postgresql_where=pending
    )
