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

_MARKS = select(seen.c.order_id, seen.c.segment, seen.c.compared_in).where(
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
    marks = connection.execute(_MARKS, {"orders": [*key_of]}).all() if key_of else []
    keys = [segment.key for segment in formed]
    formed_in = {**dict.fromkeys(keys, compare), **_complete(connection, keys, marks, key_of)}
    joining = [mark for mark in marks if mark[1:] != (key_of[mark[0]], formed_in[key_of[mark[0]]])]
    leave(connection, ((segment, compared_in) for _, segment, compared_in in joining))
    joined = {order_id: key_of[order_id] for order_id, _, _ in joining}
    for segment in formed:
        if formed_in[segment.key] != compare:  # else they have these marks already
            joined.update((clean(order_id), segment.key) for order_id in segment.first_seen)
    rows = [(order_id, key, formed_in[key]) for order_id, key in joined.items()]
    update_rows(connection, seen, ("order_id", "segment", "compared_in"), rows)
    orders = Counter(key_of[order_id] for order_id, _, _ in marks)
    orders.update({segment.key: len(segment.first_seen) for segment in formed})
    is_cancelled = {segment.key for segment in formed if cancelled and not cancelled.isdisjoint(segment.all)}
    connection.execute(delete(segments).where(one_of(segments.c.segment, keys)))
    stored = [
        (key, None if key in is_cancelled else segment.digest, orders[key], formed_in[key], compare)
        for key, segment in zip(keys, formed, strict=True)
    ]
    insert_rows(connection, segments, ("segment", "digest", "orders", "formed_in", "confirmed_in"), stored)


def drop_digests(connection: Connection) -> None:
    """The next compare looks at each order."""
    connection.execute(update(segments).where(segments.c.digest.is_not(None)).values(digest=None))


def drop_unmet(connection: Connection, compare: int) -> None:
    """Before the compare after this one: forget the segments without a digest that this one did not meet."""
    connection.execute(delete(segments).where(segments.c.digest.is_(None), segments.c.confirmed_in != compare))


def _complete(
    connection: Connection, keys: Sequence[int], marks: Iterable[tuple[str, int | None, int]], key_of: Mapping[str, int]
) -> Mapping[int, int]:
    """The stored ones of these segments none of whose orders is gone, with their `formed_in`."""
    stored = {key: (formed_in, orders) for key, formed_in, orders in connection.execute(_FORMED, {"keys": [*keys]})}
    present = Counter(
        segment
        for order_id, segment, compared_in in marks
        if segment == key_of[order_id] and segment in stored and stored[segment][0] == compared_in
    )
    return {key: formed_in for key, (formed_in, orders) in stored.items() if present[key] == orders > 0}
