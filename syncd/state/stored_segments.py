"""Segments of orders: the digests by which a full compare knows that nothing changed, and which orders belong to them.

An order belongs to the segment that it is marked with only if its `compared_in` is the segment's `formed_in`. So an
order that vanishes from a segment, or leaves it, needs no mark of its own. `orders` is how many belong to the segment:
if so many of them are still there, all are, and only those that join are written.

A segment that lost its digest stays as long as compares meet it: the present compare may have confirmed it, and then
its other orders are not missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, case, delete, select, type_coerce, update
from sqlalchemy.types import LargeBinary

from syncd.model import FormedSegment
from syncd.state.bulk import insert_rows, update_rows
from syncd.state.schema import clean, is_listed, list_parameter, one_of, seen, segments

_BELONGING = select(seen.c.order_id, seen.c.segment, seen.c.compared_in).where(
    is_listed(seen.c.order_id, list_parameter("orders"))
)
_FORMED = select(segments.c.segment, segments.c.formed_in, segments.c.orders).where(
    is_listed(segments.c.segment, list_parameter("keys"))
)
_DIGESTS = select(segments.c.segment, type_coerce(segments.c.digest, LargeBinary), segments.c.orders).where(
    segments.c.digest.is_not(None)
)
_LEAVE = (
    update(segments)
    .where(segments.c.segment == bindparam("left"))
    .values(
        digest=None,
        orders=segments.c.orders - case((segments.c.formed_in == bindparam("compared"), bindparam("members")), else_=0),
    )
)


def leave(connection: Connection, marks: Iterable[tuple[int | None, int]]) -> None:
    """Orders with these marks, `segment` and `compared_in`, leave their segments. Those lose their digests."""
    left = [
        {"left": segment, "compared": compared_in, "members": members}
        for (segment, compared_in), members in Counter(marks).items()
        if segment is not None
    ]
    if left:
        connection.execute(_LEAVE, left)


def digests(connection: Connection, keys: Sequence[int] | None) -> Mapping[int, tuple[bytes, int]]:
    """See `pipeline.full_compare.ScannedState`."""
    known = _DIGESTS if keys is None else _DIGESTS.where(one_of(segments.c.segment, keys))
    return {key: (digest, orders) for key, digest, orders in connection.execute(known)}


def confirm(connection: Connection, keys: Sequence[int], compare: int) -> None:
    connection.execute(update(segments).where(one_of(segments.c.segment, keys)).values(confirmed_in=compare))


def replace(connection: Connection, formed: Sequence[FormedSegment], compare: int, cancelled: set[str]) -> None:
    """Store these segments, in which no order is twice, and which orders belong to them. `cancelled`: orders that may
    be recorded differently from what the segment shows, so that it keeps no digest."""
    key_of = {clean(order_id): segment.key for segment in formed for order_id in segment.order_ids}
    marks = connection.execute(_BELONGING, {"orders": [*key_of]}).all() if key_of else []
    kept = _kept(connection, [segment.key for segment in formed], marks, key_of)
    rows, left = [], []
    for order_id, segment, compared_in in marks:
        key = key_of[order_id]
        formed_in = kept.get(key, compare)
        if (segment, compared_in) != (key, formed_in):
            rows.append((order_id, key, formed_in))
            left.append((segment, compared_in))
    for segment in formed:
        if segment.key in kept:
            rows += [(clean(order_id), segment.key, kept[segment.key]) for order_id in segment.first_seen]
    leave(connection, left)
    update_rows(connection, seen, ("order_id", "segment", "compared_in"), rows)
    orders = Counter(key_of[order_id] for order_id, _, _ in marks)
    connection.execute(delete(segments).where(one_of(segments.c.segment, [segment.key for segment in formed])))
    rows_of_segments = []
    for segment in formed:
        digest = None if cancelled and not cancelled.isdisjoint(segment.all) else segment.digest
        members = orders[segment.key] + len(segment.first_seen)
        rows_of_segments.append((segment.key, digest, members, kept.get(segment.key, compare), compare))
    columns = ("segment", "digest", "orders", "formed_in", "confirmed_in")
    insert_rows(connection, segments, columns, rows_of_segments)


def drop_digests(connection: Connection) -> None:
    """The next compare looks at each order."""
    connection.execute(update(segments).where(segments.c.digest.is_not(None)).values(digest=None))


def drop_unmet(connection: Connection, compare: int) -> None:
    """Before the compare after this one: forget the segments without a digest that this one did not meet."""
    connection.execute(delete(segments).where(segments.c.digest.is_(None), segments.c.confirmed_in != compare))


def _kept(
    connection: Connection, keys: Sequence[int], marks: Iterable[tuple[str, int | None, int]], key_of: Mapping[str, int]
) -> Mapping[int, int]:
    """The segments none of whose orders is gone, with their `formed_in`."""
    stored = {key: (formed_in, orders) for key, formed_in, orders in connection.execute(_FORMED, {"keys": [*keys]})}
    present = Counter(
        segment
        for order_id, segment, compared_in in marks
        if segment == key_of[order_id] and segment in stored and stored[segment][0] == compared_in
    )
    return {key: formed_in for key, (formed_in, orders) in stored.items() if present[key] == orders > 0}
