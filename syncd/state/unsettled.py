"""Orders whose rows are not to be believed for a moment: a cancellation of theirs is on its way through the shop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, or_, select

from syncd.state.store import in_chunks
from syncd.state.tables import cancellations, clean


def unsettled(connection: Connection, order_ids: Iterable[str], since: datetime) -> set[str]:
    """Those of the orders that are being cancelled, or were at some time since: a row that was read since then may
    show the order as it was before."""
    found: set[str] = set()
    asked = {clean(order_id): order_id for order_id in order_ids}
    being = (cancellations.c.state == "received") & (cancellations.c.claimed_until > since)
    were = (cancellations.c.state == "accepted") & (cancellations.c.decided_at >= since)
    for ids in in_chunks(asked):
        some = select(cancellations.c.order_id).where(cancellations.c.order_id.in_(ids), or_(being, were))
        found.update(asked[order_id] for order_id in connection.execute(some).scalars())
    return found
