"""The inbox of cancellations, and the way from IMSHOP's own UUID to its order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "cancellations"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "cancellations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("generation", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text),
        sa.Column("imshop_uuid", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("status", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("in_doubt", sa.Boolean, nullable=False),
        sa.Column("order_status", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("cancellations_by_order", "cancellations", ["order_id", "id"])
    op.create_index("cancellations_by_uuid", "cancellations", ["imshop_uuid", "id"])
    known = sa.text("acknowledged_uuid IS NOT NULL")
    op.create_index("seen_by_answered_uuid", "seen", ["acknowledged_uuid"], sqlite_where=known, postgresql_where=known)
