"""What the state forgets, so that its size stays bounded."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, select

from syncd.state.read_models import Pruned
from syncd.state.schema import WAITING, attempts, cancellations, changes, former_numbers, in_state, seen
from syncd.state.store import Store

FORGOTTEN_AT_ONCE = 500
_FINAL = in_state("delivered", "superseded", "refused", "dead", "discarded")
_WAITS = exists().where(changes.c.order_id == seen.c.order_id, WAITING)


def prune(store: Store, now: datetime, retention: timedelta) -> Pruned:
    """See `State.prune`. It goes in small transactions, so that nobody waits long."""
    before, pruned = now - retention, Pruned(0, 0)
    while True:
        with store.write() as connection:
            some = Pruned(_forget_changes(connection, before), _forget_orders(connection, before))
            cancelled = _forget_cancellations(connection, before)
        pruned = Pruned(pruned.changes + some.changes, pruned.orders + some.orders)
        if max(some.changes, some.orders, cancelled) < FORGOTTEN_AT_ONCE:
            return pruned


def _forget_changes(connection: Connection, before: datetime) -> int:
    old = select(changes.c.id).where(_FINAL, changes.c.ended_at < before).limit(FORGOTTEN_AT_ONCE)
    ids = connection.execute(old).scalars().all()
    connection.execute(delete(attempts).where(attempts.c.change_id.in_(ids)))
    connection.execute(delete(changes).where(changes.c.id.in_(ids)))
    return len(ids)


def _forget_orders(connection: Connection, before: datetime) -> int:
    """Missing orders are counted neither as tracked nor in any segment, so nothing else changes with them."""
    gone = select(seen.c.order_id).where(seen.c.missing_since < before, ~_WAITS).limit(FORGOTTEN_AT_ONCE)
    ids = connection.execute(gone).scalars().all()
    connection.execute(delete(former_numbers).where(former_numbers.c.order_id.in_(ids)))
    connection.execute(delete(seen).where(seen.c.order_id.in_(ids)))
    return len(ids)


def _forget_cancellations(connection: Connection, before: datetime) -> int:
    decided = (cancellations.c.state != "received", cancellations.c.decided_at < before)
    old = select(cancellations.c.id).where(*decided).limit(FORGOTTEN_AT_ONCE)
    ids = connection.execute(old).scalars().all()
    connection.execute(delete(cancellations).where(cancellations.c.id.in_(ids)))
    return len(ids)
