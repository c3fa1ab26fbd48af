"""The shop's own key of each order, the numbers that an order had before, and when a cancellation's decision holds."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "shop_id"
down_revision = "cancellations"
branch_labels = None
depends_on = None

_TRUE: sa.ColumnElement[bool] = sa.literal_column("true")
_FALSE: sa.ColumnElement[bool] = sa.literal_column("false")


def upgrade() -> None:
    op.add_column("seen", sa.Column("shop_id", sa.Text))
    _partial_index("seen_by_shop_id", "seen", "shop_id", "shop_id IS NOT NULL")
    op.create_table(
        "former_numbers",
        sa.Column("former", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("former_numbers_by_order", "former_numbers", ["order_id"])
    op.add_column("cancellations", sa.Column("shop_id", sa.Text))
    op.add_column("cancellations", sa.Column("stands", sa.Boolean, nullable=False, server_default=_TRUE))
    op.add_column("cancellations", sa.Column("answered_again", sa.Boolean, nullable=False, server_default=_FALSE))
    _end_untrue_decisions()
    op.create_index("cancellations_by_shop_id", "cancellations", ["shop_id", "id"])
    _partial_index("cancellations_answered_again", "cancellations", "id", "answered_again")


def _end_untrue_decisions() -> None:
    """Of an accepted cancellation `order_status` was the status before; from now on it is that of the cancelled order.
    What was decided with another status than the order has by now held for ten minutes only, and holds no more."""
    op.execute("UPDATE cancellations SET order_status = status WHERE state = 'accepted'")
    connection = op.get_bind()
    decided = sa.text(
        "SELECT c.id, c.order_status, s.content FROM cancellations c JOIN seen s ON s.order_id = c.order_id "
        "WHERE c.state IN ('accepted', 'refused')"
    )
    untrue = [
        {"cancellation": row.id}
        for row in connection.execute(decided)
        if row.order_status is None or json.loads(row.content)["status"] != row.order_status
    ]
    if untrue:
        connection.execute(sa.text("UPDATE cancellations SET stands = false WHERE id = :cancellation"), untrue)


def _partial_index(name: str, table: str, column: str, condition: str) -> None:
    op.create_index(name, table, [column], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
