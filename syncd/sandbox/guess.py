"""IMSHOP's own status for a shop's code.

IMSHOP keeps such a table for every merchant; the sandbox has one for the codes that are common.
"""

from __future__ import annotations

# Shop platforms as they come out of the box (Bitrix, RetailCRM, InSales, WooCommerce, CS-Cart, Magento), and the
# words that shops with a software of their own use. Where two platforms disagree on a letter, Bitrix wins.
_CODES = {
    "placed": ("n", "a", "new", "placed", "pending", "created", "open", "received", "новый", "принят"),
    "processing": (
        *("p", "o", "dn", "processing", "accepted", "approved", "confirmed", "client-confirmed", "paid", "prepayed"),
        *("assembling", "on-hold", "holded", "в обработке", "оплачен", "подтвержден", "собирается"),
    ),
    "ready_to_dispatch": (
        *("assembled", "assembling-complete", "ready_to_dispatch", "ready-to-ship", "send-to-delivery"),
        *("комплектация завершена", "передан в доставку", "собран"),
    ),
    "dispatched": (
        *("df", "s", "shipped", "dispatched", "sent", "delivering", "in_transit", "on_the_way", "отправлен"),
        *("доставляется", "в пути"),
    ),
    "ready_for_pickup": ("h", "packed", "ready", "ready_for_pickup", "at_pickup_point", "готов к выдаче"),
    "delivered": ("d", "delivered", "доставлен"),
    "done": ("f", "c", "done", "complete", "completed", "finished", "bought", "выполнен", "завершен", "выдан"),
    "closed": ("closed", "returned", "refunded", "возврат", "закрыт"),
    "canceled": (
        *("r", "cancelled", "canceled", "cancel", "cancel-other", "declined", "failed", "no-call", "no-product"),
        *("отменен", "отмена", "отказ"),
    ),
}
_IMSHOP_STATUS = {code: status for status, codes in _CODES.items() for code in codes}


def imshop_status(code: str) -> str:
    """What IMSHOP would probably map `code` to; a code nobody knows is being processed."""
    return _IMSHOP_STATUS.get(code.lower().removeprefix("wc-").replace("ё", "е"), "processing")
