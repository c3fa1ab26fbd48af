"""What a push can tell IMSHOP of an order, what of it would be news, and what IMSHOP knows afterwards. Pure.

PROTOCOL section 1 has no words for a tracking URL that went away, nor for a payment without its id. Such a thing can
neither be told nor be news, and IMSHOP goes on knowing what it was told before.
"""

from __future__ import annotations

from syncd.model import Content, Payment, Seen


def payment_of(content: Content) -> Payment | None:
    """The payment as it goes out: whole or not at all. None: it cannot be told."""
    paid, payment_id = content.get("paid"), content.get("payment_id")
    if paid is False:
        return Payment(paid=False, payment_id=None)
    return Payment(paid=True, payment_id=str(payment_id)) if paid is True and payment_id else None


def is_news(content: Content, told: Content) -> bool:
    """Whether a push of `content` would tell anything to one who knows `told`; if not, it would only repeat the
    buyer's notification."""
    if content["status"] != told["status"] or content.get("message") != told.get("message"):
        return True
    tracking = content.get("tracking")
    return (tracking is not None and tracking != told.get("tracking")) or is_payment_news(content, told)


def is_payment_news(content: Content, told: Content | None) -> bool:
    """Unpaid is what IMSHOP assumes unless told."""
    return payment_of(content) is not None and _payment(content) != _payment(told or {})


def is_known_as_paid(seen: Seen) -> bool:
    """Whether IMSHOP knows the payment that was seen, beyond doubt."""
    return seen.told is not None and _payment(seen.told) == _payment(seen.content) != _payment({})


def is_payment_in_question(content: Content, before: Seen | None) -> bool:
    """Whether the payment is told along where nobody knows what IMSHOP knows: one that was made, and that there is none
    if it may have been told as made. `before`: the order as it was seen."""
    if content.get("paid") is True or before is None:
        return is_payment_news(content, None)
    may_be_told = (
        before.payment_in_doubt or before.content.get("paid") is True or (before.told or {}).get("paid") is True
    )
    return payment_of(content) is not None and may_be_told


def known_after(content: Content, told: Content | None) -> Content:
    """What IMSHOP knows once `content` is told to one who knew `told`; None: nobody knows what it knew."""
    if told is None:
        return content
    untold = {"tracking"} if content.get("tracking") is None else set()
    untold |= {"paid", "payment_id"} if payment_of(content) is None else set()
    return {column: told.get(column) if column in untold else value for column, value in content.items()}


def _payment(content: Content) -> tuple[bool, str | bool | None]:
    paid = content.get("paid") is True
    return paid, content.get("payment_id") if paid else None
