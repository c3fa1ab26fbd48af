"""One order as the shop shows it now, for people who look: `syncd explain` and the status page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncd.cancel.service import OrderFinder
from syncd.deadline import BoundedCalls, BusyError, DeadlineError, ThreadError
from syncd.errors import SourceError
from syncd.model import Order
from syncd.state import Story

BUSY = "another look into the shop is under way; try again in a moment"
TOO_SLOW = "the shop does not answer in time; try again later"


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The order as the shop shows it now. None: the shop does not show it, or `fault` says why this is not known:
    BUSY, TOO_SLOW or the error."""

    order: Order | None
    fault: str | None = None


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
            return LookupResult(None, BUSY)
        except DeadlineError:
            return LookupResult(None, TOO_SLOW)
        except (SourceError, ThreadError) as error:  # the driver is not installed, or nobody is there to look
            return LookupResult(None, str(error))
