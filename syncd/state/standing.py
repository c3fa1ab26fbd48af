"""What cancellations mean for what is seen of their orders: which rows wait for them, and how long a decision holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from syncd.state.store import in_chunks
from syncd.state.tables import cancellations, clean, seen

_DECIDED = cancellations.c.state.in_(["accepted", "refused"])


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


def outdate(connection: Connection, statuses: Mapping[str, str]) -> None:
    """These orders are about to be seen with these statuses: a decision that another one made true holds no more.

    Where the shop accepted a cancellation and no status was named, that is any other than it had before: whether it is
    that of a cancelled order, nobody can tell.
    """
    for row, status in _decisions(connection, statuses):
        if status not in (row.content and row.content["status"], row.order_status):
            _end(connection, row)


def outdate_told(connection: Connection, statuses: Mapping[str, str]) -> None:
    """IMSHOP was told these statuses: what was decided while the order had another one is not what it knows."""
    for row, status in _decisions(connection, statuses):
        if row.order_status not in (None, status):
            _end(connection, row)


def _decisions(connection: Connection, statuses: Mapping[str, str]) -> Iterator[tuple[Row[Any], str]]:
    """The decisions on these orders that stand, with the order as it was seen, and its status here."""
    columns = (cancellations.c.id, cancellations.c.order_id, cancellations.c.state, cancellations.c.order_status)
    known = select(*columns, seen.c.content).outerjoin(seen, seen.c.order_id == cancellations.c.order_id)
    for some in in_chunks(statuses):
        decided = (cancellations.c.order_id.in_(some), _DECIDED, cancellations.c.stands)
        rows: Sequence[Row[Any]] = connection.execute(known.where(*decided)).all()  # type: ignore[assignment]  # of columns
        yield from ((row, statuses[row.order_id]) for row in rows)


def _end(connection: Connection, row: Row[Any]) -> None:
    connection.execute(update(cancellations).where(cancellations.c.id == row.id).values(stands=False))
