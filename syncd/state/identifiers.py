"""The numbers of orders that the shop knows by a key of its own: one order may get another number, and stays one order.

A plug-in that numbers orders later first shows an order under its key, then under its number, which may be the key of
another order. So an order whose number another one has now, and whose own new number was not read yet, is parked: it
has no number for a while, and nothing is told of it.

Which order a cancellation means: IMSHOP names it by either identifier, and the other is known here or not yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, false, func, insert, or_, select, update

from syncd.state.schema import (
    DUE_SOMETIME,
    UNSENT,
    WAITING,
    cancellations,
    changes,
    clean,
    end,
    former_numbers,
    seen,
    segments,
)
from syncd.state.store import get_fact, in_chunks
from syncd.text import without_blanks

_ON_THE_WAY = "\x1f"
"""Begins a number while several change places in one transaction."""
_PARKED = "without a number, shop_id "
_OF_ORDERS = (seen, changes, cancellations, former_numbers)


def current_number(connection: Connection, order_id: str) -> str:
    """See NumbersPart. A number that an order has now is that order's, whoever had it before."""
    order_id = without_blanks(order_id)  # a person, or IMSHOP, may have copied some along
    number = clean(order_id)
    if connection.execute(select(seen.c.order_id).where(seen.c.order_id == number)).first():
        return order_id
    now: str | None = connection.execute(
        select(former_numbers.c.order_id).where(former_numbers.c.former == number)
    ).scalar()
    return now or order_id


def renumber(connection: Connection, numbers: Mapping[str, str], now: datetime) -> None:
    """Give tracked orders other numbers, former -> new, with all that is kept of them. Both numbers find them then.

    What had such a number, and gets none of these, is parked until it shows up under another one.
    """
    moves = {clean(former): clean(new) for former, new in numbers.items()}
    parked = _parked(connection, moves)
    everything = {**moves, **parked}
    for some in in_chunks(everything):
        left = select(seen.c.segment).where(seen.c.order_id.in_(some), seen.c.segment.is_not(None))
        connection.execute(update(segments).where(segments.c.segment.in_(left)).values(digest=None))
        connection.execute(update(seen).where(seen.c.order_id.in_(some)).values(segment=None))
    compare = get_fact(connection, "compare") or 0
    for some in in_chunks(moves):
        connection.execute(update(seen).where(seen.c.order_id.in_(some)).values(compared_in=compare))
    _rename(connection, {former: _ON_THE_WAY + new for former, new in everything.items()})
    _rename(connection, {_ON_THE_WAY + new: new for new in everything.values()})
    _wait(connection, parked.values(), None)
    # IMSHOP may have refused the former number, or there was none; the new one need not wait for that.
    _wait(connection, moves.values(), now)
    _remember(connection, moves)


def is_parked(order_id: str) -> bool:
    """Whether an order with this number has none just now."""
    return order_id.startswith(_PARKED)


def discard_parked(connection: Connection, now: datetime) -> None:
    """Orders that went missing while they were parked get no number any more: nobody can be told of them."""
    gone = select(seen.c.order_id).where(seen.c.missing_since.is_not(None), seen.c.order_id.startswith(_PARKED))
    end(connection, "discarded", now, UNSENT, changes.c.order_id.in_(gone))


def _parked(connection: Connection, moves: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in in_chunks(new for new in moves.values() if new not in moves):
        known = select(seen.c.order_id, seen.c.shop_id).where(seen.c.order_id.in_(some))
        found |= {order_id: f"{_PARKED}{shop_id}" for order_id, shop_id in connection.execute(known)}
    return found


def _rename(connection: Connection, numbers: Mapping[str, str]) -> None:
    rows = [{"number_before": former, "number_now": new} for former, new in numbers.items()]
    for table in _OF_ORDERS:
        number = table.c.order_id
        connection.execute(
            update(table).where(number == bindparam("number_before")).values({number: bindparam("number_now")}), rows
        )


def _wait(connection: Connection, order_ids: Iterable[str], until: datetime | None) -> None:
    """What is to be told of these orders waits until then; None: until they have a number again."""
    for some in in_chunks(order_ids):
        waiting = (WAITING, DUE_SOMETIME, changes.c.order_id.in_(some))
        connection.execute(update(changes).where(*waiting).values(next_attempt_at=until))


def _remember(connection: Connection, moves: Mapping[str, str]) -> None:
    for some in in_chunks([*moves, *moves.values()]):
        connection.execute(delete(former_numbers).where(former_numbers.c.former.in_(some)))
    taken = set(moves.values())
    former = [
        {"former": former, "order_id": new}
        for former, new in moves.items()
        if former not in taken and not former.startswith(_PARKED)
    ]
    if former:
        connection.execute(insert(former_numbers), former)


@dataclass(frozen=True, slots=True)
class Meant:
    """An order, by all of its identifiers that are known: the number that it has now, IMSHOP's UUID, and the shop's
    own key. `formerly`: it was named by a number that it had before, which may be another order's by now."""

    order_id: str | None
    imshop_uuid: str | None
    shop_id: str | None = None
    formerly: bool = False


def meant(connection: Connection, order_id: str | None, imshop_uuid: str | None) -> Meant:
    """The order that is named so. At least one identifier is given; an `order_id` may be the UUID (PROTOCOL section 1),
    or a number that the order had before."""
    if order_id is None:
        known = _order_of(connection, str(imshop_uuid))
        return Meant(known, imshop_uuid, None if known is None else _shop_id(connection, known))
    number = current_number(connection, order_id)
    row = connection.execute(
        select(seen.c.imshop_uuid, seen.c.acknowledged_uuid, seen.c.shop_id).where(seen.c.order_id == number)
    ).first()
    if row is None and imshop_uuid is None and (known := _order_of(connection, order_id)):
        return Meant(known, order_id, _shop_id(connection, known))
    if row is None:
        return Meant(number, imshop_uuid)
    uuid = imshop_uuid or row.imshop_uuid or row.acknowledged_uuid
    return Meant(number, uuid, row.shop_id, formerly=clean(number) != clean(order_id))


def of_the_same_order(order: Meant) -> ColumnElement[bool]:
    """The cancellations of this order, also those under another number by the shop's key if one order only has it, and
    by UUID from before its number was known. Not a refusal of the latter: the shop may have refused only because it was
    not told the number."""
    nameless = and_(cancellations.c.order_id.is_(None), cancellations.c.imshop_uuid == order.imshop_uuid)
    by_uuid = or_(nameless, cancellations.c.order_id == order.imshop_uuid) if order.imshop_uuid else false()
    if order.order_id is None:
        return by_uuid
    by_key = is_of_key(order.shop_id) if order.shop_id else false()
    by_uuid = and_(by_uuid, cancellations.c.state != "refused")
    return or_(cancellations.c.order_id == order.order_id, by_key, by_uuid)


def is_of_key(shop_id: str) -> ColumnElement[bool]:
    """The cancellations of the order with this key; of none if several orders have it."""
    orders = select(func.count()).select_from(seen).where(seen.c.shop_id == clean(shop_id)).scalar_subquery()
    return and_(cancellations.c.shop_id == clean(shop_id), orders <= 1)


def _shop_id(connection: Connection, order_id: str) -> str | None:
    return connection.execute(select(seen.c.shop_id).where(seen.c.order_id == order_id)).scalar()


def _order_of(connection: Connection, uuid: str) -> str | None:
    """The order with this UUID; None: nobody knows it, or it is that of several."""
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
