"""Leases with an end, and claims that say by when their request is over.

Daemons of the version before lead by a lock of their session, which later ones neither see nor keep: two would lead
at once. So while one of them leads, the state is not brought up to date.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from syncd.errors import StateError

revision = "leases"
down_revision = "waiting_by_order"
branch_labels = None
depends_on = None

_LEADER = sa.text(
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND classid = cast(1398361668 AS oid) AND objid = hashtext(current_schema())::oid"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_REQUEST = 14_000_000  # microseconds: one that was on its way when the old daemon ended is over by then


def upgrade() -> None:
    _refuse_beside_an_older_daemon()
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("changes", sa.Column("claim", sa.Integer, nullable=False, server_default="0"))
    op.add_column("changes", sa.Column("claim_ends_at", sa.BigInteger))
    claimed = sa.text("UPDATE changes SET claim_ends_at = claimed_at + :length WHERE claimed_at IS NOT NULL")
    op.execute(claimed.bindparams(length=_REQUEST))


def _refuse_beside_an_older_daemon() -> None:
    connection = op.get_bind()
    leader = connection.execute(_LEADER).scalar() if connection.dialect.name == "postgresql" else None
    if leader is not None:
        raise StateError(
            f"an older version still leads on this state ({leader}), and would not see that this one leads too; "
            "end all daemons of the older version first, then start this one"
        )
