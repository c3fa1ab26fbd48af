"""Which order a cancellation means: IMSHOP names it by either identifier, and the other is known here or not yet."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select

from syncd.state.numbers import current_number
from syncd.state.tables import cancellations, clean, seen


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
