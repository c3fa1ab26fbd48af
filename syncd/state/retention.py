"""Deletes old rows, so that the size of the state stays bounded."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, select

from syncd.state.read_models import Pruned
from syncd.state.schema import WAITING, attempts, cancellations, changes, former_numbers, in_state, seen
from syncd.state.store import Store

DELETED_AT_ONCE = 500
_FINAL = in_state("delivered", "superseded", "refused", "dead", "discarded")
_WAITS = exists().where(changes.c.order_id == seen.c.order_id, WAITING)


def prune(store: Store, now: datetime, retention: timedelta) -> Pruned:
    """See `State.prune`. It deletes in small transactions, so that other writers do not wait long."""
    before, pruned = now - retention, Pruned(0, 0)
    while True:
        with store.write() as connection:
            some = Pruned(_delete_changes(connection, before), _delete_orders(connection, before))
            cancelled = _delete_cancellations(connection, before)
        pruned = Pruned(pruned.changes + some.changes, pruned.orders + some.orders)
        if max(some.changes, some.orders, cancelled) < DELETED_AT_ONCE:
            return pruned


def _delete_changes(connection: Connection, before: datetime) -> int:
    old = select(changes.c.id).where(_FINAL, changes.c.ended_at < before).limit(DELETED_AT_ONCE)
    ids = connection.execute(old).scalars().all()
    connection.execute(delete(attempts).where(attempts.c.change_id.in_(ids)))
    connection.execute(delete(changes).where(changes.c.id.in_(ids)))
    return len(ids)


def _delete_orders(connection: Connection, before: datetime) -> int:
    """Missing orders count neither as tracked nor in a segment, so nothing else has to be updated."""
    gone = select(seen.c.order_id).where(seen.c.missing_since < before, ~_WAITS).limit(DELETED_AT_ONCE)
    ids = connection.execute(gone).scalars().all()
    connection.execute(delete(former_numbers).where(former_numbers.c.order_id.in_(ids)))
    connection.execute(delete(seen).where(seen.c.order_id.in_(ids)))
    return len(ids)


def _delete_cancellations(connection: Connection, before: datetime) -> int:
    decided = (cancellations.c.state != "received", cancellations.c.decided_at < before)
    old = select(cancellations.c.id).where(*decided).limit(DELETED_AT_ONCE)
    ids = connection.execute(old).scalars().all()
    connection.execute(delete(cancellations).where(cancellations.c.id.in_(ids)))
    return len(ids)
