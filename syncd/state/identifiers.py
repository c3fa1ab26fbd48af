"""An order's identifiers: its number, the shop's own key, IMSHOP's UUID; and what happens when the number changes.

The shop's key stays when an order gets another number, so the order stays the same one (`renumber`). A plug-in that
numbers orders late first shows an order under its key, then under its number, which may be the key of another order. So
an order whose number another order has now, and whose own new number is not read yet, is parked: it has no number for a
while, and nothing of it is pushed.

A cancellation names its order by number or UUID; `resolve_order` finds the other identifiers as far as they are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, false, func, insert, or_, select, update

from syncd.state import stored_segments
from syncd.state.schema import (
    DUE_SOMETIME,
    UNSENT,
    WAITING,
    cancellations,
    changes,
    clean,
    former_numbers,
    one_of,
    seen,
)
from syncd.state.store import get_fact
from syncd.state.transitions import end_changes
from syncd.text import without_blanks

SIMILAR = 3
"""So many orders are suggested for a number that none has."""
_ZEROS = ["0" * count for count in range(20)]
_MOVING = "\x1f"
"""The prefix of new numbers within the transaction: two orders may swap their numbers."""
_PARKED = "without a number, shop_id "
_TABLES_WITH_NUMBERS = (seen, changes, cancellations, former_numbers)


def current_number(connection: Connection, order_id: str) -> str:
    """The present number of the order with this number or former number; the same number if no order is known by it. If
    one order has the number now and another had it before, the first is meant."""
    order_id = without_blanks(order_id)  # a person, or IMSHOP, may have copied blanks with it
    number = clean(order_id)
    if connection.execute(select(seen.c.order_id).where(seen.c.order_id == number)).first():
        return order_id
    now: str | None = connection.execute(
        select(former_numbers.c.order_id).where(former_numbers.c.former == number)
    ).scalar()
    return now or order_id


def similar_numbers(connection: Connection, order_id: str) -> Sequence[str]:
    """At most SIMILAR tracked orders that a person may mean by a number that no order has, the likeliest first: with
    zeros before it, or without; without what stands around its digits; the order whose key or UUID it is; with more
    behind it. Each is looked up in an index, however many orders there are."""
    number = clean(without_blanks(order_id))
    if not number:
        return []
    longest_digits = max(re.findall("[0-9]+", number), key=len, default="")
    bare = [text.lstrip("0") for text in (number, longest_digits)]
    padded = [zeros + text for text in bare if text for zeros in _ZEROS if len(zeros) + len(text) <= len(_ZEROS)]
    likely = [text for text in dict.fromkeys([*padded, longest_digits]) if text and text != number]
    by_number = connection.execute(select(seen.c.order_id).where(one_of(seen.c.order_id, likely))).scalars()
    found = sorted(by_number, key=likely.index)
    for identifier in (seen.c.shop_id, seen.c.imshop_uuid, seen.c.acknowledged_uuid):
        found += connection.execute(select(seen.c.order_id).where(identifier == number).limit(SIMILAR)).scalars()
    next_ones = select(seen.c.order_id).where(seen.c.order_id > number).order_by(seen.c.order_id).limit(SIMILAR)
    found += [one for one in connection.execute(next_ones).scalars() if one.startswith(number)]
    return [one for one in dict.fromkeys(found) if not is_parked(one)][:SIMILAR]


def renumber(connection: Connection, numbers: Mapping[str, str], now: datetime) -> None:
    """Give tracked orders other numbers, former -> new, in all tables. Both numbers find them afterwards.

    An order that had one of the new numbers, and gets no other one here, is parked until the shop shows its new number.
    """
    moves = {clean(former): clean(new) for former, new in numbers.items()}
    parked = _parked(connection, moves)
    everything = {**moves, **parked}
    these = one_of(seen.c.order_id, everything)
    marks = connection.execute(select(seen.c.segment, seen.c.compared_in).where(these))
    stored_segments.leave(connection, ((segment, compared_in) for segment, compared_in in marks))
    connection.execute(update(seen).where(these).values(segment=None))
    compare = get_fact(connection, "compare") or 0
    connection.execute(update(seen).where(one_of(seen.c.order_id, moves)).values(compared_in=compare))
    _rename(connection, {former: _MOVING + new for former, new in everything.items()})
    _rename(connection, {_MOVING + new: new for new in everything.values()})
    _set_due(connection, parked.values(), None)
    # IMSHOP may have refused the former number, or there was none: the new number is tried at once.
    _set_due(connection, moves.values(), now)
    _keep_former(connection, moves)


def is_parked(order_id: str) -> bool:
    """Whether this stands for the number of a parked order."""
    return order_id.startswith(_PARKED)


def discard_parked(connection: Connection, now: datetime) -> None:
    """Discard what waits for orders that went missing while they were parked: they get no number any more."""
    gone = select(seen.c.order_id).where(seen.c.missing_since.is_not(None), seen.c.order_id.startswith(_PARKED))
    end_changes(connection, "discarded", now, UNSENT, changes.c.order_id.in_(gone))


def _parked(connection: Connection, moves: Mapping[str, str]) -> dict[str, str]:
    taken = [new for new in moves.values() if new not in moves]
    known = select(seen.c.order_id, seen.c.shop_id).where(one_of(seen.c.order_id, taken))
    return {order_id: f"{_PARKED}{shop_id}" for order_id, shop_id in connection.execute(known)}


def _rename(connection: Connection, numbers: Mapping[str, str]) -> None:
    rows = [{"number_before": former, "number_now": new} for former, new in numbers.items()]
    for table in _TABLES_WITH_NUMBERS:
        number = table.c.order_id
        connection.execute(
            update(table).where(number == bindparam("number_before")).values({number: bindparam("number_now")}), rows
        )


def _set_due(connection: Connection, order_ids: Iterable[str], until: datetime | None) -> None:
    """When the pending changes of these orders are due; None: not before the orders have a number again."""
    waiting = (WAITING, DUE_SOMETIME, one_of(changes.c.order_id, order_ids))
    connection.execute(update(changes).where(*waiting).values(next_attempt_at=until))


def _keep_former(connection: Connection, moves: Mapping[str, str]) -> None:
    connection.execute(delete(former_numbers).where(one_of(former_numbers.c.former, [*moves, *moves.values()])))
    taken = set(moves.values())
    former = [
        {"former": former, "order_id": new}
        for former, new in moves.items()
        if former not in taken and not former.startswith(_PARKED)
    ]
    if former:
        connection.execute(insert(former_numbers), former)


@dataclass(frozen=True, slots=True)
class OrderIdentifiers:
    """All known identifiers of an order: its present number, IMSHOP's UUID, the shop's own key. `by_former_number`: it
    was named by a number that it had before, which another order may have now."""

    order_id: str | None
    imshop_uuid: str | None
    shop_id: str | None = None
    by_former_number: bool = False


def resolve_order(connection: Connection, order_id: str | None, imshop_uuid: str | None) -> OrderIdentifiers:
    """The identifiers of the order that is named so. At least one is given; `order_id` may be a former number, or the
    UUID (docs/protocol.md, section 1)."""
    if order_id is None:
        known = _number_by_uuid(connection, str(imshop_uuid))
        return OrderIdentifiers(known, imshop_uuid, None if known is None else _shop_id(connection, known))
    number = current_number(connection, order_id)
    row = connection.execute(
        select(seen.c.imshop_uuid, seen.c.acknowledged_uuid, seen.c.shop_id).where(seen.c.order_id == number)
    ).first()
    if row is None and imshop_uuid is None and (known := _number_by_uuid(connection, order_id)):
        return OrderIdentifiers(known, order_id, _shop_id(connection, known))
    if row is None:
        return OrderIdentifiers(number, imshop_uuid)
    uuid = imshop_uuid or row.imshop_uuid or row.acknowledged_uuid
    return OrderIdentifiers(number, uuid, row.shop_id, by_former_number=clean(number) != clean(order_id))


def of_same_order(order: OrderIdentifiers) -> ColumnElement[bool]:
    """The condition for cancellations of this order: by number; by the shop's key, if only one order has it; and by
    UUID, if it was received before the number was known. A refusal of the last kind does not count: the shop may have
    refused only because it was not given the number."""
    nameless = and_(cancellations.c.order_id.is_(None), cancellations.c.imshop_uuid == order.imshop_uuid)
    by_uuid = or_(nameless, cancellations.c.order_id == order.imshop_uuid) if order.imshop_uuid else false()
    if order.order_id is None:
        return by_uuid
    by_key = of_shop_id(order.shop_id) if order.shop_id else false()
    by_uuid = and_(by_uuid, cancellations.c.state != "refused")
    return or_(cancellations.c.order_id == order.order_id, by_key, by_uuid)


def of_shop_id(shop_id: str) -> ColumnElement[bool]:
    """The condition for cancellations of the order with this key; it matches none if several orders have the key."""
    orders = select(func.count()).select_from(seen).where(seen.c.shop_id == clean(shop_id)).scalar_subquery()
    return and_(cancellations.c.shop_id == clean(shop_id), orders <= 1)


def _shop_id(connection: Connection, order_id: str) -> str | None:
    return connection.execute(select(seen.c.shop_id).where(seen.c.order_id == order_id)).scalar()


def _number_by_uuid(connection: Connection, uuid: str) -> str | None:
    """The number of the order with this UUID; None: it is unknown, or several orders have it."""
    by_shop = select(seen.c.order_id).where(seen.c.imshop_uuid == uuid).limit(2)
    by_imshop = select(seen.c.order_id).where(seen.c.acknowledged_uuid == uuid).limit(2)
    by_cancellation = (
        select(cancellations.c.order_id)
        .where(cancellations.c.imshop_uuid == uuid, cancellations.c.order_id.is_not(None))
        .distinct()
        .limit(2)
    )
    for known in (by_shop, by_imshop, by_cancellation):
        found = connection.execute(known).scalars().all()
        if found:
            return found[0] if len(found) == 1 else None
    return None
