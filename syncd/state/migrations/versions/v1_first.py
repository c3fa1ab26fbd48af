"""The first schema. It stays as it is: later ones change what it made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _seen()
    _segments()
    _changes()
    _attempts()
    _facts()


def _seen() -> None:
    op.create_table(
        "seen",
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("told", sa.Text),
        sa.Column("imshop_uuid", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("missing_since", sa.BigInteger),
        sa.Column("segment", sa.BigInteger),
        sa.Column("compared_in", sa.Integer, nullable=False),
        sa.Column("acknowledged_status", sa.Text),
        sa.Column("acknowledged_at", sa.BigInteger),
        sa.Column("acknowledged_uuid", sa.Text),
        sqlite_with_rowid=False,
    )
    _partial_index("seen_by_uuid", "seen", ["imshop_uuid"], "imshop_uuid IS NOT NULL")
    _partial_index("seen_missing", "seen", ["missing_since"], "missing_since IS NOT NULL")


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("segment", _ID, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("orders", sa.Integer, nullable=False),
        sa.Column("formed_in", sa.Integer, nullable=False),
        sa.Column("confirmed_in", sa.Integer, nullable=False),
    )


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("previous_status", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("tracking_url", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("imshop_uuid", sa.Text),
        sa.Column("with_payment", sa.Boolean, nullable=False),
        sa.Column("source_updated_at", sa.BigInteger),
        sa.Column("detected_at", sa.BigInteger, nullable=False),
        sa.Column("found_by", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("hold", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("in_doubt", sa.Boolean, nullable=False, server_default=sa.literal_column("false")),
        sa.Column("claimed_at", sa.BigInteger),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("answered_uuid", sa.Text),
        sa.Column("imshop_status", sa.Text),
        sa.CheckConstraint("(state IN ('pending', 'held')) = (ended_at IS NULL)", name="changes_wait_or_ended"),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_by_order", "changes", ["order_id"])
    _partial_index("changes_due", "changes", ["next_attempt_at", "id"], "state = 'pending' AND claimed_at IS NULL")
    _partial_index("changes_waiting", "changes", ["order_id"], "ended_at IS NULL")
    _partial_index("changes_pending", "changes", ["detected_at"], "state = 'pending'")
    _partial_index("changes_ended", "changes", ["state", "ended_at"], "ended_at IS NOT NULL")
    _partial_index("changes_held", "changes", ["hold", "status"], "state = 'held'")


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("change_id", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("detail", sa.Text),
    )
    op.create_index("attempts_by_change", "attempts", ["change_id", "id"])


def _facts() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
