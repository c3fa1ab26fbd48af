"""One order's story for `syncd explain` and the status page: what the shop says now, and what the state knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.cancel.service import OrderFinder
from syncd.deadline import BoundedCalls, BusyError, DeadlineError, ThreadError
from syncd.errors import SourceError
from syncd.model import Cancellation, Content, Order
from syncd.state import Story

NOT_SHOWN = "the shop shows no such order"
UNKNOWN = "not known: never pushed, or it is not clear whether a push arrived"


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The order as the shop shows it now. None: the shop does not show it, or `fault` says why this is not known."""

    order: Order | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the state and the shop know of one order. `cancellations` came from the app, the newest first."""

    story: Story
    in_shop: LookupResult
    cancellations: Sequence[Cancellation] = ()

    @property
    def is_known(self) -> bool:
        return bool(self.in_shop.order or self.story.seen or self.story.changes or self.cancellations)


def in_the_shop(shop: OrderFinder, story: Story) -> LookupResult:
    """Ask the shop for the order, by its key if that is known; it is closed then."""
    key = story.seen.shop_id if story.seen else None
    try:
        page = shop.find([story.order_id], {story.order_id: key} if key else {})
    except SourceError as error:
        return LookupResult(None, str(error))
    finally:
        shop.close()
    if page.orders:
        return LookupResult(page.orders[-1])
    return LookupResult(None, "; ".join(f"{row.reason}: {row.detail}" for row in page.skipped) or None)


class ShopLookup:
    """Looks orders up in the shop for people who wait: one at a time, and for `seconds` at most."""

    def __init__(self, open_shop: Callable[[], OrderFinder], seconds: float) -> None:
        self._open_shop = open_shop
        self._calls = BoundedCalls(seconds, at_most=1, patience=0, name="look")

    def __call__(self, story: Story) -> LookupResult:
        try:
            return self._calls(lambda: in_the_shop(self._open_shop(), story))
        except BusyError:
            return LookupResult(None, "another look into the shop is under way; try again in a moment")
        except DeadlineError:
            return LookupResult(None, f"the shop did not answer within {self._calls.seconds:g} s; try again later")
        except (SourceError, ThreadError) as error:  # the driver is not installed, or nobody is there to look
            return LookupResult(None, str(error))


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
    words = []
    for field, value in content.items():
        if field == "paid" and value is not None:
            words.append(translate("paid" if value else "not paid"))
        elif value is not None:
            words.append(f"{translate('payment' if field == 'payment_id' else field)} {value}")
    return ", ".join(words)
