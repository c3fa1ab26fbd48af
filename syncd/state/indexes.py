"""The state's indexes beside those that belong to one table's declaration in schema.py.

They stand apart because SQLAlchemy loads all that it has for SQLite and for PostgreSQL where a partial index is
declared: 30 ms and 3 MB, which only the making of a new state is to cost.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Index

from syncd.state.schema import DUE_SOMETIME, WAITING, cancellations, changes, in_state, metadata, seen

SCHEMA = metadata
"""The tables with all their indexes."""


def _partial(name: str, condition: ColumnElement[bool], *columns: Column[Any]) -> Index:
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


Index("changes_by_order", changes.c.order_id)
_partial("seen_by_uuid", seen.c.imshop_uuid.is_not(None), seen.c.imshop_uuid)
_partial("seen_by_answered_uuid", seen.c.acknowledged_uuid.is_not(None), seen.c.acknowledged_uuid)
_partial("seen_by_shop_id", seen.c.shop_id.is_not(None), seen.c.shop_id)
_partial("seen_unpaid", seen.c.unpaid_since.is_not(None), seen.c.unpaid_since)
_partial("cancellations_answered_again", cancellations.c.answered_again, cancellations.c.id)
_partial("seen_missing", seen.c.missing_since.is_not(None), seen.c.missing_since)
_partial("changes_due", DUE_SOMETIME, changes.c.next_attempt_at, changes.c.id)
# `ended_at` is NULL in every row of this index. Without that column SQLite rates the index of all changes of an order
# just as good, and reads every ended change of the order to find the one that waits.
_partial("changes_waiting", WAITING, changes.c.order_id, changes.c.ended_at)
_partial("changes_pending", in_state("pending"), changes.c.detected_at)
_partial("changes_ended", changes.c.ended_at.is_not(None), changes.c.state, changes.c.ended_at)
_partial("changes_held", in_state("held"), changes.c.hold, changes.c.status)
