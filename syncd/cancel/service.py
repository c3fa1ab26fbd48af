"""START HERE. Where cancellations are received: on disk first, then applied once, then answered.

request ──► inbox.receive ──► mine? ──► present.py: may it be? ──► shop.cancel ──► inbox.decide ──► answer
            on disk, one       │no      one look into the shop     the shop's own    decision on disk
            may apply it       └──► wait for whoever applies it, or answer with what was decided

The order as the shop has it right before it is cancelled: its present status, and the shop's own key of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from threading import Lock
from typing import Protocol

from syncd.cancel.shop import NO_SUCH_ORDER, Shop, within
from syncd.deadline import Bounded
from syncd.errors import CancelError, SourceError
from syncd.model import CancelDecision, Cancellation, CancelRequest, Order, Page, Received


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


MARGIN = timedelta(seconds=15)
"""After its time an attempt is over, but for writing down what came of it."""
LOOK_AGAIN_SECONDS = 0.05


class Inbox(Protocol):
    """The interface that the desk requires of the state. Every method may raise StateError."""

    def receive(self, request: CancelRequest, token: str, now: datetime, until: datetime) -> Received:
        """Put a request on disk, or find the same one there. `token` names it to the shop, if it is a new one.

        If nobody has decided it, nor is about to, the caller must apply it, and nobody else does until `until`.
        """

    def identify(self, mine: Cancellation, found: Order, since: datetime, now: datetime) -> Received:
        """The order, with its key, as a look into the shop since then found it. Not `mine`: another cancellation is
        that of the same order, and this one is no more."""

    def claim_again(self, cancellation_id: int, now: datetime, until: datetime) -> Received | None: ...

    def decide(
        self, mine: Cancellation, decision: CancelDecision, now: datetime, *, answered: bool, shown: str | None = None
    ) -> Cancellation: ...

    def cancellation(self, cancellation_id: int) -> Cancellation | None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """`timeout`: for all of one request. `present` looks the order up. `status`, `message`: what IMSHOP is answered
    when the shop accepts; `refusal` when it refuses without a reason. `confirms`: the shop's yes counts only if the
    order then has that status. Of a buyer's reason the shop is given `reason_limit` characters. `observe` is told each
    decision, and `repeated` each request that is answered with an earlier one. `pause` sleeps so many seconds."""

    inbox: Inbox
    shop: Shop
    present: Present
    timeout: timedelta
    status: str | None
    message: str | None
    refusal: str
    confirms: bool
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    pause: Callable[[float], object]
    new_token: Callable[[], str]
    observe: Callable[[Cancellation], None]
    repeated: Callable[[Cancellation], None]
    reason_limit: int

    def receive(self, request: CancelRequest) -> Cancellation:
        """The cancellation as decided now or before. Still `received`: another one applies it and is not done.

        StateError: it is not on disk, and nothing was tried; or the decision is not, and then it is in doubt.
        """
        ends_at = self.monotonic() + self.timeout.total_seconds()
        received = self.inbox.receive(request, self.new_token(), self.now(), self._until())
        if received.mine:
            former = _former(request, received.cancellation)
            received = self._apply(received.cancellation, ends_at, former, answered=True)
        if received.mine:
            return received.cancellation
        decided = self._await(received.cancellation, ends_at)
        self.repeated(decided)
        return decided

    def retry(self, cancellation_id: int) -> Received | None:
        """An operator has one applied again; see `Inbox.claim_again`. IMSHOP is told as of any change in the shop."""
        ends_at = self.monotonic() + self.timeout.total_seconds()
        taken = self.inbox.claim_again(cancellation_id, self.now(), self._until())
        if taken is None or not taken.mine:
            return taken
        return self._apply(taken.cancellation, ends_at, answered=False)

    def close(self) -> None:
        self.present.close()
        self.shop.close()

    def _until(self) -> datetime:
        return self.now() + self.timeout + MARGIN

    def _apply(self, mine: Cancellation, ends_at: float, former: str | None = None, *, answered: bool) -> Received:
        """Have it decided. Not `mine`: its order turned out to be that of another cancellation."""
        order: Order | None = None
        try:
            if former is None and self.present.allowed is None and (mine.shop_id or not self.shop.wants_shop_id):
                decision = self._asked(mine, ends_at)
            else:
                began_at = self.now()
                order = self.present.order(mine, self._left(ends_at), former)
                if order and order.shop_id:
                    identified = self.inbox.identify(mine, order, began_at, self.now())
                    if not identified.mine:
                        return identified
                decision = self.present.against(order, mine) or self._asked(self._named(mine, order), ends_at)
        except CancelError as error:
            decision = CancelDecision("failed", error=str(error), in_doubt=error.in_doubt)
        worded, shown = self._worded(decision), None if order is None else order.status
        decided = self.inbox.decide(mine, worded, self.now(), answered=answered, shown=shown)
        self.observe(decided)
        return Received(decided, mine=True)

    def _named(self, mine: Cancellation, order: Order | None) -> Cancellation:
        """The cancellation with the names that the order has in the shop. CancelError: the shop's way of cancelling
        asks for one that it has not."""
        assert order is not None
        if self.shop.wants_shop_id and not order.shop_id:
            raise CancelError(
                f"the shop shows no shop_id of order {order.order_id} yet, and its way of cancelling asks for it. "
                "If no order has one: see shop_id in SYNCD_SOURCE__QUERY or SYNCD_SOURCE__FIELDS__SHOP_ID"
            )
        return replace(mine, order_id=order.order_id, shop_id=order.shop_id)

    def _asked(self, mine: Cancellation, ends_at: float) -> CancelDecision:
        """The shop's decision. CancelError."""
        seconds = self._left(ends_at)
        told = replace(mine, reason=(mine.reason or "")[: self.reason_limit] or None)
        decision = within(seconds, lambda: self.shop.cancel(told, seconds))
        return self._confirmed(mine, ends_at) if decision.state == "accepted" and self.confirms else decision

    def _confirmed(self, mine: Cancellation, ends_at: float) -> CancelDecision:
        """The shop said yes, which means nothing on this platform: whether the order is cancelled now."""
        try:
            order = self.present.order(mine, self._left(ends_at))
        except CancelError as error:
            raise CancelError(f"the shop said yes, but: {error}", in_doubt=True) from None
        if order is not None and order.status == self.status:
            return CancelDecision("accepted")
        shown = "is not there" if order is None else f"is {order.status}"
        return CancelDecision("refused", error=f"the shop said yes, but the order {shown} afterwards")

    def _worded(self, decision: CancelDecision) -> CancelDecision:
        if decision.state == "accepted":
            return replace(decision, status=self.status, message=self.message)
        if decision.state == "refused":
            return replace(decision, message=decision.message or self.refusal)
        return decision

    def _left(self, ends_at: float) -> float:
        return max(0.0, ends_at - self.monotonic())

    def _await(self, other: Cancellation, ends_at: float) -> Cancellation:
        """Whoever applies it writes down what comes of it; until then there is nothing to answer."""
        while other.state == "received" and self.monotonic() < ends_at:
            self.pause(LOOK_AGAIN_SECONDS)
            other = self.inbox.cancellation(other.id) or other
        return other


def _former(request: CancelRequest, mine: Cancellation) -> str | None:
    """The number by which the request names its order, if the order has another one now."""
    return None if request.order_id in (None, mine.order_id, mine.imshop_uuid) else request.order_id
