"""Of which orders IMSHOP may have been told a payment stands in `told`: before, it was looked for in their changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "payments"
down_revision = "by_order"
branch_labels = None
depends_on = None

_seen = sa.table("seen", sa.column("order_id", sa.Text), sa.column("told", sa.Text))
_changes = sa.table(
    "changes",
    sa.column("order_id", sa.Text),
    sa.column("in_doubt", sa.Boolean),
    sa.column("with_payment", sa.Boolean),
)


def upgrade() -> None:
    payment_in_doubt = sa.exists().where(
        _changes.c.order_id == _seen.c.order_id, _changes.c.in_doubt, _changes.c.with_payment
    )
    unknown = sa.update(_seen).where(_seen.c.told == "null", payment_in_doubt)
    op.execute(unknown.values(told='{"paid":true,"status":null}'))
