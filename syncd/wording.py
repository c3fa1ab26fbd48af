"""Orders and changes in words, for the commands and the status page. Pure. `translate` is given the program's own
words; the shop's codes and texts stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from syncd.model import COMPARED, Content, Order
from syncd.state import ChangeView, Story

NOT_SHOWN = "the shop shows no such order"
UNKNOWN = "not known: never pushed, or it is not clear whether a push arrived"


def order_facts(order: Order) -> dict[str, Any]:
    """The order's fields, by the names that a query or an API's settings give them."""
    return {
        "order_id": order.order_id,
        **order.content,
        "updated_at": order.updated_at,
        "message": order.message,
        "tracking_url": order.tracking_url,
        "imshop_uuid": order.imshop_uuid,
        "shop_id": order.shop_id,
    }


def seen_facts(story: Story) -> dict[str, object]:
    """What the state knows of the order, by names for people; empty if it was never seen. What the order showed is a
    Content: `in_words` says it."""
    seen = story.seen
    if seen is None:
        return {}
    return {
        "number before": ", ".join(story.former_numbers) or None,
        "shop's own key": seen.shop_id,
        "last seen as": seen.content,
        "IMSHOP knows": UNKNOWN if seen.told is None else seen.told,
        "acknowledged status": seen.acknowledged_status,
        "acknowledged at": seen.acknowledged_at,
        "IMSHOP's UUID": seen.acknowledged_uuid or seen.imshop_uuid,
        "first seen": seen.first_seen_at,
        "last changed": seen.changed_at,
        "missing since": seen.missing_since,
    }


def in_words(content: Content, translate: Callable[[str], str] = str) -> str:
    """`status packed, paid, payment p1`. `translate` is given the words `status`, `paid`, `not paid`, …"""
    return ", ".join(" ".join(filter(None, pair)) for pair in _words(content, translate))


def steps(change: ChangeView, translate: Callable[[str], str] = str) -> Sequence[tuple[str, str]]:
    """What a change tells, each as a pair to be shown as `new → packed`, `tracking → TRK777`; `("", "paid")` is no
    step. A change whose content was told before has one pair: its status, and that it is told again."""
    if change.besides is None:
        return [(translate("new order") if change.previous_status is None else change.previous_status, change.status)]
    told_again = (change.status, translate("told again"))
    return _words(change.besides, translate) or [told_again]


def in_steps(change: ChangeView, translate: Callable[[str], str] = str) -> str:
    """`new → packed`, or `tracking → TRK777, paid`."""
    return ", ".join(f"{was} → {now}" if was else now for was, now in steps(change, translate))


def _words(content: Content, translate: Callable[[str], str]) -> list[tuple[str, str]]:
    words = []
    for column in COMPARED:
        value = content.get(column)
        if column == "paid" and value is not None:
            words.append(("", translate("paid" if value else "not paid")))
        elif value is not None:
            words.append((translate("payment" if column == "payment_id" else column), str(value)))
    return words
