"""Which order a cancellation means: IMSHOP names it by either identifier, and the other is known here or not yet."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, and_, false, or_, select

from syncd.model import Asked
from syncd.state.tables import cancellations, seen


def completed(connection: Connection, asked: Asked) -> Asked:
    """With the identifier that was not given, if it is known here. An `id` may be the UUID (PROTOCOL section 1)."""
    if asked.order_id is None:
        return replace(asked, order_id=_order_of(connection, str(asked.imshop_uuid)))
    row = connection.execute(
        select(seen.c.imshop_uuid, seen.c.acknowledged_uuid).where(seen.c.order_id == asked.order_id)
    ).first()
    if row is None and asked.imshop_uuid is None and (order_id := _order_of(connection, asked.order_id)):
        return replace(asked, order_id=order_id, imshop_uuid=asked.order_id)
    uuid = asked.imshop_uuid or (row and (row.imshop_uuid or row.acknowledged_uuid))
    return replace(asked, imshop_uuid=uuid)


def of_the_same_order(known: Asked) -> ColumnElement[bool]:
    """The cancellations of this order, also those by UUID from before its number was known. Not a refusal of those:
    the shop may have refused only because it was not told the number."""
    nameless = and_(cancellations.c.order_id.is_(None), cancellations.c.imshop_uuid == known.imshop_uuid)
    by_uuid = or_(nameless, cancellations.c.order_id == known.imshop_uuid) if known.imshop_uuid else false()
    if known.order_id is None:
        return by_uuid
    return or_(cancellations.c.order_id == known.order_id, and_(by_uuid, cancellations.c.state != "refused"))


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
