"""News: whether a push of an order's content would tell IMSHOP anything new, and what IMSHOP knows afterwards. Pure.

The protocol (docs/protocol.md, section 1) cannot express that a tracking URL was removed, or a payment without its id.
Neither can be pushed or is news, and IMSHOP still knows what it was told before.
"""

from __future__ import annotations

from syncd.model import Content, Payment, Seen


def payment_of(content: Content) -> Payment | None:
    """The payment as it is pushed, which is complete. None: it cannot be pushed."""
    paid, payment_id = content.get("paid"), content.get("payment_id")
    if paid is False:
        return Payment(paid=False, payment_id=None)
    return Payment(paid=True, payment_id=str(payment_id)) if paid is True and payment_id else None


def is_news(content: Content, told: Content) -> bool:
    """Whether a push of `content` tells IMSHOP anything new if it knows `told`. If not, a push would only notify the
    buyer again."""
    if content["status"] != told["status"] or content.get("message") != told.get("message"):
        return True
    tracking = content.get("tracking")
    return (tracking is not None and tracking != told.get("tracking")) or is_payment_news(content, told)


def is_payment_news(content: Content, told: Content | None) -> bool:
    """Whether the payment is news. IMSHOP assumes that an order is unpaid until it is told otherwise."""
    return payment_of(content) is not None and _payment(content) != _payment(told or {})


def is_known_as_paid(seen: Seen) -> bool:
    """Whether IMSHOP certainly knows the payment that was seen last, and that it was made."""
    return seen.told is not None and _payment(seen.told) == _payment(seen.content) != _payment({})


def must_send_payment(content: Content, before: Seen | None) -> bool:
    """Whether a push contains the payment if it is unknown what IMSHOP knows: yes if the order is paid, and if it is
    unpaid but IMSHOP may have been told that it is paid. `before`: the order as it was seen last."""
    if content.get("paid") is True or before is None:
        return is_payment_news(content, None)
    may_know_as_paid = (
        before.payment_in_doubt or before.content.get("paid") is True or (before.told or {}).get("paid") is True
    )
    return payment_of(content) is not None and may_know_as_paid


def known_after(content: Content, told: Content | None, *, maybe_paid: bool = False) -> Content:
    """What IMSHOP knows after a push of `content` if it knew `told`; None: what it knew is unknown, but for
    `maybe_paid`, that it may have been told of a payment."""
    if told is None:
        if not maybe_paid:
            return content
        told = {"paid": True}
    not_pushed = {"tracking"} if content.get("tracking") is None else set()
    not_pushed |= {"paid", "payment_id"} if payment_of(content) is None else set()
    return {column: told.get(column) if column in not_pushed else value for column, value in content.items()}


def besides_status(content: Content, before: Content | None, *, with_payment: bool) -> Content:
    """What a change tells whose status is the one before: the columns that differ from the content before it.

    `before` None: that is not known. Then it is the payment if the push tells one, else the tracking.
    """
    if before is None:
        columns = ("paid", "payment_id") if with_payment else ("tracking",)
        return {column: content[column] for column in columns if content.get(column) is not None}
    return {column: value for column, value in content.items() if value is not None and value != before.get(column)}


def _payment(content: Content) -> tuple[bool, str | bool | None]:
    paid = content.get("paid") is True
    return paid, content.get("payment_id") if paid else None
