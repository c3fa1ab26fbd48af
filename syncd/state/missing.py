"""Orders that the shop no longer shows, and the guard against forgetting too many of them.

An order is missing if a full compare did not see it: neither row by row, nor in a segment that it belongs to
(stored_segments.py) and that the compare confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select, update

from syncd.state.identifiers import discard_parked
from syncd.state.schema import seen, segments
from syncd.state.store import add_to_fact, all_facts, get_fact, put_fact

MISSING_AT_MOST = 10
"""One in ten tracked orders may go missing in one compare. More are taken for a fault of the shop, until an operator
accepts that."""
FEW_MISSING = 9
"""As many may go missing whatever part they are: two archived orders of a small shop's nine are no sign of a fault."""


def unseen_in(compare: int) -> ColumnElement[bool]:
    """The tracked orders that this compare did not see, itself or in a segment that it confirmed."""
    covered = exists().where(
        segments.c.segment == seen.c.segment,
        segments.c.formed_in == seen.c.compared_in,
        segments.c.confirmed_in == compare,
    )
    return and_(seen.c.missing_since.is_(None), seen.c.compared_in != compare, ~covered)


def mark_unseen(connection: Connection, compare: int, now: datetime) -> int | None:
    """Mark the orders that this compare did not see as missing; returns how many. None: they are too many, so none is
    marked, and how many they are is noted for an operator."""
    unseen = unseen_in(compare)
    missing = connection.execute(select(func.count()).select_from(seen).where(unseen)).scalar_one()
    tracked, accepted = (get_fact(connection, name) or 0 for name in ("tracked", "accepted_missing"))
    allowed = accepted + max(tracked / MISSING_AT_MOST, FEW_MISSING)
    if missing > accepted and (missing == tracked or missing > allowed):
        put_fact(connection, "refused_missing", {"compare": compare, "orders": missing})
        return None
    clear_refusal(connection)
    connection.execute(update(seen).where(unseen).values(missing_since=now))
    discard_parked(connection, now)
    unconfirmed = (segments.c.formed_in != compare) & (segments.c.confirmed_in != compare)
    connection.execute(delete(segments).where(unconfirmed))
    add_to_fact(connection, "tracked", -missing)
    return missing


def refused(facts: Mapping[str, Any]) -> int:
    """How many orders the last finished compare refused to mark as missing."""
    fact = facts.get("refused_missing")
    return int(fact["orders"]) if fact else 0


def accept_refused(connection: Connection) -> int:
    """Allow the next compare to mark as many orders as the last one refused to; returns how many those are."""
    if orders := refused(all_facts(connection)):
        put_fact(connection, "accepted_missing", orders)
    return orders


def clear_refusal(connection: Connection) -> None:
    """Neither a refusal nor an operator's acceptance of one holds any more."""
    for name, nothing in (("refused_missing", None), ("accepted_missing", 0)):
        if get_fact(connection, name):
            put_fact(connection, name, nothing)
