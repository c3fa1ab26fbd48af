"""Counts of the changes in each state, and when the oldest change of each status was held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from syncd.state.counts import begin_counting

revision = "counts"
down_revision = "unpaid"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change_counts",
        sa.Column("state", sa.Text, primary_key=True),
        sa.Column("hold", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    begin_counting(op.get_bind())
    op.drop_index("changes_held", "changes")
    held = sa.text("state = 'held'")
    op.create_index(
        "changes_held", "changes", ["hold", "status", "detected_at"], sqlite_where=held, postgresql_where=held
    )
