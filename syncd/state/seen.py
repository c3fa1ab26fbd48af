"""What was seen of orders, and the one transaction that stages differences: seen, changes and cursor together.

What is kept of an order in `told` is short: NULL where IMSHOP knows what was seen, `null` where nobody knows what it
knows, and the content it knows otherwise. While a change is being sent, it is what IMSHOP knew before.

What cancellations mean for what is seen of their orders: which rows wait for them, and how long a decision holds.
"""

from __future__ import annotations

import json
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

from syncd.model import Change, Content, Decision, Seen
from syncd.state.identifiers import renumber
from syncd.state.schema import (
    UNKNOWN,
    UNSENT,
    WAITING,
    Instant,
    cancellations,
    canonical,
    changes,
    clean,
    end,
    in_state,
    seen,
    segments,
)
from syncd.state.store import add_to_fact, get_fact, in_chunks, put_fact

_DECIDED = cancellations.c.state.in_(["accepted", "refused"])


def being_cancelled(connection: Connection, order_ids: Iterable[str], since: datetime) -> set[str]:
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
"""Nobody knows what IMSHOP knows just because a push is under way: if that fails for certain, it knows no more."""
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
        """Nobody knows what IMSHOP knows of these orders, whatever becomes of a push that is under way."""
        for ids in in_chunks(map(clean, order_ids)):
            self._connection.execute(update(seen).where(seen.c.order_id.in_(ids)).values(told=UNKNOWN))

    def store(self, decisions: Sequence[Decision], now: datetime, *, counting: bool) -> None:
        if not decisions:
            return
        outdate(self._connection, {clean(one.seen.order_id): str(one.seen.content["status"]) for one in decisions})
        see(self._connection, [decision.seen for decision in decisions], now)
        stored = [decision.change for decision in decisions if decision.change is not None]
        if counting:
            stored = [replace(change, hold=change.hold or "counting") for change in stored]
        going = [change.order_id for change in stored if change.hold is None]
        voided = [decision.seen.order_id for decision in decisions if decision.void]
        for ids in in_chunks(map(clean, [*going, *voided])):
            end(self._connection, "superseded", now, UNSENT, changes.c.order_id.in_(ids))
        for ids in in_chunks(clean(change.order_id) for change in stored if change.hold is not None):
            end(self._connection, "superseded", now, WAITING, in_state("held"), changes.c.order_id.in_(ids))
        if stored:
            self._connection.execute(insert(changes), [_columns(change, now) for change in stored])


def load(connection: Connection, order_ids: Iterable[str]) -> dict[str, Seen]:
    """What was seen of those orders that are tracked, by the ids as they were asked for."""
    asked = {clean(order_id): order_id for order_id in order_ids}
    found = {}
    for ids in in_chunks(asked):
        waiting = {order_id: flags for order_id, *flags in connection.execute(_WAITING, {"ids": ids})}
        rows = connection.execute(_SEEN, {"ids": ids}).all()
        unknown = [row.order_id for row in rows if row.told == UNKNOWN]
        payments = set(connection.execute(_PAYMENT_IN_DOUBT, {"ids": unknown}).scalars()) if unknown else set()
        for row in rows:
            in_doubt, with_payment = waiting.get(row.order_id, (0, 0))
            payment_in_doubt = bool(with_payment) or row.order_id in payments
            order = _seen(row, asked[row.order_id], in_doubt=bool(in_doubt), payment_in_doubt=payment_in_doubt)
            found[order.order_id] = order
    return found


def see(connection: Connection, orders: Sequence[Seen], now: datetime) -> None:
    """Write what is seen of orders from now on, and drop the digests that covered what was seen before.

    An order seen for the first time counts as found by the compare that runs or ran last: the next will look for it.
    """
    known = {row.order_id: row for ids in _ids(orders) for row in connection.execute(_TRACKED, {"ids": ids})}
    for keys in in_chunks(row.segment for row in known.values() if row.segment is not None):
        connection.execute(update(segments).where(segments.c.segment.in_(keys)).values(digest=None))
    compare = get_fact(connection, "compare") or 0
    new = [order for order in orders if clean(order.order_id) not in known]
    again = [order for order in orders if clean(order.order_id) in known]
    if new:
        connection.execute(insert(seen), [_first_seen(order, now, compare) for order in new])
    if again:
        connection.execute(_SEE_AGAIN, [_seen_again(order, now, compare) for order in again])
    missed = sum(row.missing_since is not None for row in known.values())
    add_to_fact(connection, "tracked", len(new) + missed)


def _ids(orders: Sequence[Seen]) -> Iterator[Sequence[str]]:
    return in_chunks(clean(order.order_id) for order in orders)


def _seen(row: Row[Any], order_id: str, *, in_doubt: bool, payment_in_doubt: bool) -> Seen:
    return Seen(
        order_id,
        row.content,
        None if in_doubt else told_of(row.content, row.told),
        row.imshop_uuid,
        row.revision,
        row.missing_since is not None,
        payment_in_doubt,
        row.shop_id,
        row.unpaid_since,
    )


def told_of(content: Content, told: str | None) -> Content | None:
    """What IMSHOP knows of an order, as these columns of `seen` say; None: nobody knows."""
    known: Content | None = content if told is None else json.loads(told)
    return known


def _told(order: Seen) -> str | None:
    if order.told is None:
        return UNKNOWN
    return None if order.told == order.content else canonical(order.told)


def _first_seen(order: Seen, now: datetime, compare: int) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "content": order.content,
        "told": _told(order),
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
        "known": _told(order),
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
