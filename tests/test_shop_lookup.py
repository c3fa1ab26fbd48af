"""A look into the shop for one order has an end, and there is one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event

from syncd.errors import SourceError
from syncd.model import Order, Page, Skipped
from syncd.shop_lookup import BUSY, TOO_SLOW, LookupResult, ShopLookup, in_the_shop
from syncd.state import Story

ORDER = Order("7", {"status": "packed"})
STORY = Story("7", None, [], [])


class Shop:
    """Answers when `answers` is set."""

    def __init__(self, page: Page | None = None) -> None:
        self.page = page
        self.answers = Event()
        self.answers.set()
        self.closed = Event()

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        self.answers.wait(10)
        if self.page is None:
            raise SourceError(f"the shop is gone, {order_ids}")
        return self.page

    def close(self) -> None:
        self.closed.set()


def test_order_is_shown_or_the_reason_why_not() -> None:
    skipped = Page([], [Skipped("no_status", "7", "status is NULL")])
    assert in_the_shop(Shop(Page([ORDER])), STORY) == LookupResult(ORDER)
    assert in_the_shop(Shop(Page([])), STORY) == LookupResult(None)
    assert in_the_shop(Shop(skipped), STORY).fault == "no_status: status is NULL"
    assert in_the_shop(gone := Shop(), STORY).fault == "the shop is gone, ['7']"
    assert gone.closed.is_set()


def test_look_times_out_and_blocks_the_next() -> None:
    """A look that has timed out keeps its place until it ends by itself."""
    shop = Shop(Page([ORDER]))
    shop.answers.clear()
    look = ShopLookup(lambda: shop, seconds=0.05)
    assert look(STORY).fault == TOO_SLOW
    assert look(STORY).fault == BUSY
    shop.answers.set()
    assert shop.closed.wait(5)
    patient = ShopLookup(lambda: shop, seconds=5)
    assert patient(STORY).order == ORDER
    assert patient(STORY).order == ORDER


def test_a_shop_that_cannot_be_opened_is_told() -> None:
    def no_driver() -> Shop:
        raise SourceError("the driver is not installed")

    assert ShopLookup(no_driver, seconds=5)(STORY).fault == "the driver is not installed"
