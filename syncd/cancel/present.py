"""The order as the shop has it right before it is cancelled: its present status, and the shop's own key of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from threading import Lock
from typing import Protocol

from syncd.bounded import Bounded
from syncd.cancel.shop import NO_SUCH_ORDER, within
from syncd.errors import CancelError, SourceError
from syncd.model import CancelDecision, Cancellation, Order, Page


class OrdersOfShop(Protocol):
    """The interface that looking an order up requires of a source. Every method may raise SourceError."""

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page: ...

    def close(self) -> None: ...


LOOKS_AT_ONCE = 4
"""A look may read a whole API, and goes on when nobody waits for it any more: IMSHOP's next requests wait for those."""


class Present:
    """Looks orders up. `allowed`: the statuses from which an order may be cancelled; None: from any, and the shop is
    only looked into for a key that is not known. `cancelled`: the status of a cancelled order, if there is one.
    `open_shop` opens a source at the first look-up: a shop that is never asked is never connected to. Thread-safe."""

    def __init__(
        self, open_shop: Callable[[], OrdersOfShop], allowed: Collection[str] | None, cancelled: str | None
    ) -> None:
        self.allowed = allowed
        self._cancelled = cancelled
        self._open_shop = open_shop
        self._opening = Lock()
        self._opened: OrdersOfShop | None = None
        self._bounded = Bounded(0, at_most=LOOKS_AT_ONCE, patience=inf, name="look-up")

    def order(self, mine: Cancellation, seconds: float, former: str | None = None) -> Order | None:
        """The order as the shop shows it now; None: it shows no such order. `former`: the request named it by this
        number, which it had before. CancelError: which order is meant cannot be told, and nothing was applied."""
        if mine.order_id is None:
            return None
        order_id, keys = mine.order_id, {mine.order_id: mine.shop_id} if mine.shop_id else {}
        try:
            page = within(seconds, lambda: self._found(order_id, keys, former), self._bounded)
        except CancelError as error:
            what = f"the order could not be looked up, so the shop was not asked to cancel it: {error}"
            raise CancelError(what) from None
        if page.skipped:
            raise CancelError(f"the shop's row of the order cannot be read: {page.skipped[-1].detail}")
        if len({order.shop_id for order in page.orders}) > 1:
            raise CancelError(
                f"several orders of the shop have, or had, the number {former or order_id}, and nobody can tell which "
                f"is meant: shop_id {', '.join(sorted(str(order.shop_id) for order in page.orders))}"
            )
        return page.orders[-1] if page.orders else None

    def against(self, order: Order | None, mine: Cancellation) -> CancelDecision | None:
        """What follows for the cancellation without asking the shop; None: it may be asked."""
        if order is None:
            return NO_SUCH_ORDER
        if self.allowed is None or order.status in self.allowed:
            return None
        if mine.in_doubt and order.status == self._cancelled:
            return CancelDecision("accepted")  # by an earlier attempt, whose answer was lost
        error = f"the order is {order.status} in the shop, which is none of SYNCD_CANCEL__FROM"
        return CancelDecision("refused", error=error, lasts=False)

    def close(self) -> None:
        """Looks that are under way fail."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()

    def _shop(self) -> OrdersOfShop:
        with self._opening:
            if self._opened is None:
                self._opened = self._open_shop()
            return self._opened

    def _found(self, order_id: str, keys: Mapping[str, str], former: str | None) -> Page:
        """By the key that is known, if one is. An order that has another number by now is the same one; but then the
        number may be another order's."""
        try:
            shop = self._shop()
            page = shop.find([order_id], keys)
            if former is None and (not keys or all(order.order_id == order_id for order in page.orders)):
                return page
            other = shop.find([former or order_id], {})
        except SourceError as error:
            raise CancelError(str(error)) from None
        return Page([*page.orders, *other.orders], [*page.skipped, *other.skipped])
