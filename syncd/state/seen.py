"""What was seen of orders, and the transaction that stages differences: seen, changes and cursor together.

`seen.told` is what IMSHOP knows of the order: NULL if that is the content as seen, `null` if it is unknown, otherwise
the content. While a change is being sent, it is what IMSHOP knew before.

A buyer's cancellation concerns the same rows: a poll puts an order off while it is being cancelled (`being_cancelled`),
and a decision is valid until the order gets another status (`invalidate_decisions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from syncd.model import Change, Decision, Seen
from syncd.state.identifiers import renumber
from syncd.state.schema import (
    UNKNOWN,
    UNSENT,
    WAITING,
    Instant,
    cancellations,
    changes,
    clean,
    in_state,
    seen,
    segments,
    told_column,
    told_of,
)
from syncd.state.store import add_to_fact, get_fact, in_chunks, put_fact
from syncd.state.transitions import end_changes

_DECIDED = cancellations.c.state.in_(["accepted", "refused"])
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_SEEN = select(seen).where(seen.c.order_id.in_(_IDS))
_IN_DOUBT = or_(changes.c.in_doubt, changes.c.claimed_at.is_not(None))
_WAITING = (
    select(
        changes.c.order_id,
        func.max(case((_IN_DOUBT, 1), else_=0)),
        func.max(case((changes.c.with_payment, 1), else_=0)),
    )
    .where(WAITING, changes.c.order_id.in_(_IDS))
    .group_by(changes.c.order_id)
)
_PAYMENT_IN_DOUBT = (
    select(changes.c.order_id)
    .join(seen, and_(seen.c.order_id == changes.c.order_id, seen.c.told == UNKNOWN))
    .where(changes.c.in_doubt, changes.c.with_payment, changes.c.order_id.in_(_IDS))
)
_TRACKED = select(seen.c.order_id, seen.c.missing_since, seen.c.segment).where(seen.c.order_id.in_(_IDS))
_KNOWN_BEFORE = and_(
    bindparam("known", type_=Text) == UNKNOWN,
    exists().where(changes.c.order_id == seen.c.order_id, WAITING, _IN_DOUBT),
)
"""If what IMSHOP knows is only unknown because a push is under way, the column keeps what IMSHOP knew before: if the
push certainly fails, that is still what it knows."""
_SEE_AGAIN = (
    update(seen)
    .where(seen.c.order_id == bindparam("order"))
    .values(
        content=bindparam("observed"),
        told=case(
            (_KNOWN_BEFORE, func.coalesce(seen.c.told, type_coerce(seen.c.content, Text))),
            else_=bindparam("known", type_=Text),
        ),
        imshop_uuid=bindparam("uuid"),
        shop_id=bindparam("key"),
        unpaid_since=bindparam("unpaid", type_=Instant),
        revision=bindparam("number"),
        changed_at=case(
            (seen.c.content == bindparam("observed"), seen.c.changed_at), else_=bindparam("at", type_=Instant)
        ),
        missing_since=None,
        segment=None,
        compared_in=bindparam("compare"),
    )
)


class StagingTransaction:
    """See `pipeline.staging.Staging`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]:
        return load(self._connection, order_ids)

    def being_cancelled(self, order_ids: Iterable[str], since: datetime) -> set[str]:
        return being_cancelled(self._connection, order_ids, since)

    def renumber(self, numbers: Mapping[str, str], now: datetime) -> None:
        renumber(self._connection, numbers, now)

    def set_cursor(self, cursor: str) -> None:
        put_fact(self._connection, "cursor", cursor)

    def mark_told_unknown(self, order_ids: Iterable[str]) -> None:
        """What IMSHOP knows of these orders is unknown from now on, whatever the result of a push under way."""
        for ids in in_chunks(map(clean, order_ids)):
            self._connection.execute(update(seen).where(seen.c.order_id.in_(ids)).values(told=UNKNOWN))

    def store(self, decisions: Sequence[Decision], now: datetime, *, counting: bool) -> None:
        if not decisions:
            return
        statuses = {clean(one.seen.order_id): str(one.seen.content["status"]) for one in decisions}
        invalidate_decisions(self._connection, statuses)
        store_seen(self._connection, [decision.seen for decision in decisions], now)
        stored = [decision.change for decision in decisions if decision.change is not None]
        if counting:
            stored = [replace(change, hold=change.hold or "counting") for change in stored]
        due = [change.order_id for change in stored if change.hold is None]
        voided = [decision.seen.order_id for decision in decisions if decision.void]
        for ids in in_chunks(map(clean, [*due, *voided])):
            end_changes(self._connection, "superseded", now, UNSENT, changes.c.order_id.in_(ids))
        for ids in in_chunks(clean(change.order_id) for change in stored if change.hold is not None):
            end_changes(self._connection, "superseded", now, WAITING, in_state("held"), changes.c.order_id.in_(ids))
        if stored:
            self._connection.execute(insert(changes), [_columns(change, now) for change in stored])


def load(connection: Connection, order_ids: Iterable[str]) -> dict[str, Seen]:
    """What was seen of the tracked ones of these orders, by the ids as given."""
    asked = {clean(order_id): order_id for order_id in order_ids}
    found = {}
    for ids in in_chunks(asked):
        waiting = {order_id: flags for order_id, *flags in connection.execute(_WAITING, {"ids": ids})}
        rows = connection.execute(_SEEN, {"ids": ids}).all()
        unknown = [row.order_id for row in rows if row.told == UNKNOWN]
        payments = set(connection.execute(_PAYMENT_IN_DOUBT, {"ids": unknown}).scalars()) if unknown else set()
        for row in rows:
            in_doubt, with_payment = waiting.get(row.order_id, (0, 0))
            order_id = asked[row.order_id]
            found[order_id] = Seen(
                order_id,
                row.content,
                told=None if in_doubt else told_of(row.content, row.told),
                imshop_uuid=row.imshop_uuid,
                revision=row.revision,
                missing=row.missing_since is not None,
                payment_in_doubt=bool(with_payment) or row.order_id in payments,
                shop_id=row.shop_id,
                unpaid_since=row.unpaid_since,
            )
    return found


def store_seen(connection: Connection, orders: Sequence[Seen], now: datetime) -> None:
    """Store what is seen of orders, and drop the digests of the segments that they were in.

    An order seen for the first time counts as seen by the newest compare: only the next one can miss it.
    """
    numbers = [clean(order.order_id) for order in orders]
    known = {row.order_id: row for ids in in_chunks(numbers) for row in connection.execute(_TRACKED, {"ids": ids})}
    for keys in in_chunks(row.segment for row in known.values() if row.segment is not None):
        connection.execute(update(segments).where(segments.c.segment.in_(keys)).values(digest=None))
    compare = get_fact(connection, "compare") or 0
    new = [order for order in orders if clean(order.order_id) not in known]
    again = [order for order in orders if clean(order.order_id) in known]
    if new:
        connection.execute(insert(seen), [_first_seen(order, now, compare) for order in new])
    if again:
        connection.execute(_SEE_AGAIN, [_seen_again(order, now, compare) for order in again])
    returned = sum(row.missing_since is not None for row in known.values())
    add_to_fact(connection, "tracked", len(new) + returned)


def _first_seen(order: Seen, now: datetime, compare: int) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "content": order.content,
        "told": told_column(order.told, order.content),
        "imshop_uuid": order.imshop_uuid,
        "shop_id": order.shop_id,
        "revision": order.revision,
        "first_seen_at": now,
        "changed_at": now,
        "compared_in": compare,
    }


def _seen_again(order: Seen, now: datetime, compare: int) -> dict[str, object]:
    return {
        "order": order.order_id,
        "observed": order.content,
        "known": told_column(order.told, order.content),
        "uuid": order.imshop_uuid,
        "key": order.shop_id,
        "unpaid": order.unpaid_since,
        "number": order.revision,
        "at": now,
        "compare": compare,
    }


def _columns(change: Change, now: datetime) -> dict[str, object]:
    return {
        "order_id": change.order_id,
        "revision": change.revision,
        "status": change.status,
        "previous_status": change.previous_status,
        "content": change.content,
        "message": change.message,
        "tracking_url": change.tracking_url,
        "user_id": change.user_id,
        "imshop_uuid": change.imshop_uuid,
        "with_payment": change.with_payment,
        "source_updated_at": change.source_updated_at,
        "detected_at": now,
        "found_by": change.found_by,
        "state": "held" if change.hold else "pending",
        "hold": change.hold,
        "next_attempt_at": now,
    }


def being_cancelled(connection: Connection, order_ids: Iterable[str], since: datetime) -> set[str]:
    """Those of the orders that are being cancelled, or were at any time since then: a row read since then may show the
    order as it was before the cancellation."""
    found: set[str] = set()
    asked = {clean(order_id): order_id for order_id in order_ids}
    under_way = (cancellations.c.state == "received") & (cancellations.c.claimed_until > since)
    accepted = (cancellations.c.state == "accepted") & (cancellations.c.decided_at >= since)
    for ids in in_chunks(asked):
        some = select(cancellations.c.order_id).where(cancellations.c.order_id.in_(ids), or_(under_way, accepted))
        found.update(asked[order_id] for order_id in connection.execute(some).scalars())
    return found


def invalidate_decisions(connection: Connection, statuses: Mapping[str, str]) -> None:
    """These orders are about to be stored as seen with these statuses: a decision made at another status is not valid
    any more. If the shop accepted a cancellation without naming a status, every status but the one before it counts as
    another: whether it is that of a cancelled order is unknown.
    """
    for row, status in _decisions(connection, statuses):
        if status not in (row.content and row.content["status"], row.order_status):
            _invalidate(connection, row)


def invalidate_decisions_told(connection: Connection, statuses: Mapping[str, str]) -> None:
    """IMSHOP was told these statuses: a decision made at another status is not what it knows any more."""
    for row, status in _decisions(connection, statuses):
        if row.order_status not in (None, status):
            _invalidate(connection, row)


def _decisions(connection: Connection, statuses: Mapping[str, str]) -> Iterator[tuple[Row[Any], str]]:
    """The valid decisions on these orders, each with the content of its order as last seen, and the given status."""
    columns = (cancellations.c.id, cancellations.c.order_id, cancellations.c.state, cancellations.c.order_status)
    known = select(*columns, seen.c.content).outerjoin(seen, seen.c.order_id == cancellations.c.order_id)
    for some in in_chunks(statuses):
        decided = (cancellations.c.order_id.in_(some), _DECIDED, cancellations.c.stands)
        rows: Sequence[Row[Any]] = connection.execute(known.where(*decided)).all()  # type: ignore[assignment]  # of columns
        yield from ((row, statuses[row.order_id]) for row in rows)


def _invalidate(connection: Connection, row: Row[Any]) -> None:
    connection.execute(update(cancellations).where(cancellations.c.id == row.id).values(stands=False))
