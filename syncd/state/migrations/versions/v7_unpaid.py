"""When a poll saw that the payment of a paid order was taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "unpaid"
down_revision = "blanks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("seen", sa.Column("unpaid_since", sa.BigInteger))
    there = sa.text("unpaid_since IS NOT NULL")
    op.create_index("seen_unpaid", "seen", ["unpaid_since"], sqlite_where=there, postgresql_where=there)
