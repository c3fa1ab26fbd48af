"""Takes cancellations in: on disk first, then applied once, then answered.

    request ──► inbox.receive ──► ours? ──► look the order up ──► canceller.cancel ──► inbox.decide ──► answer
                on disk; one      │no       its status and key    the shop's own       decision on disk
                thread applies it └──► wait for the thread that applies it, or answer with the earlier decision

What a decision is: `syncd.model.CancelDecision`. A CancelError on the way means that the shop did not decide; then
IMSHOP hears 503 and asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from threading import Lock
from typing import Protocol

from syncd.cancel.interface import NO_SUCH_ORDER, Canceller, shop_answer
from syncd.deadline import BoundedCalls
from syncd.errors import CancelError, SourceError
from syncd.model import CancelDecision, Cancellation, CancelRequest, InboxEntry, Order, Page

MARGIN = timedelta(seconds=15)
"""After its time-out an attempt is over, but for writing its decision down."""
LOOK_AGAIN_SECONDS = 0.05
LOOKUPS_AT_ONCE = 4
"""A look-up may read a whole API, and goes on after its time-out: further requests of IMSHOP's wait for those."""


class Inbox(Protocol):
    """The interface that the service requires of the state. Every method may raise StateError."""

    def receive(self, request: CancelRequest, token: str, now: datetime, until: datetime) -> InboxEntry:
        """Put a request on disk, or find the same one there. `token` names it to the shop, if it is a new one.

        If it is not decided, and nobody applies it at the moment, it is the caller's to apply, and nobody else's until
        `until`.
        """

    def identify(self, cancellation: Cancellation, found: Order, since: datetime, now: datetime) -> InboxEntry:
        """Note the order, with its key, as a look-up that began at `since` found it. Not `is_ours`: another
        cancellation is of the same order, and this one was merged into it."""

    def claim_again(self, cancellation_id: int, now: datetime, until: datetime) -> InboxEntry | None: ...

    def decide(
        self,
        cancellation: Cancellation,
        decision: CancelDecision,
        now: datetime,
        *,
        answered: bool,
        shown: str | None = None,
    ) -> Cancellation: ...

    def cancellation(self, cancellation_id: int) -> Cancellation | None: ...


class OrderFinder(Protocol):
    """The interface that a look-up of one order requires of a source. Every method may raise SourceError."""

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CancelService:
    """Receives IMSHOP's requests, from many threads at once.

    canceller        the shop's means to cancel
    lookup           looks the order up right before
    timeout          for all of one request
    status, message  what IMSHOP is answered when the shop accepts
    refusal          what it is answered when the shop refuses without a reason
    confirms         the shop's yes counts only if the order has that status afterwards
    pause            sleeps so many seconds
    observe          is told each decision
    repeated         is told each request that is answered with an earlier decision
    reason_limit     how many characters of the buyer's reason the shop is given
    """

    inbox: Inbox
    canceller: Canceller
    lookup: OrderLookup
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
        """The cancellation as decided now or before. Still `received`: another thread applies it and is not done.

        StateError: it is not on disk, and nothing was tried; or the decision is not, and then it is in doubt.
        """
        ends_at = self.monotonic() + self.timeout.total_seconds()
        received = self.inbox.receive(request, self.new_token(), self.now(), self._claimed_until())
        if received.is_ours:
            cancellation = received.cancellation
            is_renamed = request.order_id not in (None, cancellation.order_id, cancellation.imshop_uuid)
            received = self._apply(cancellation, ends_at, request.order_id if is_renamed else None, answered=True)
        if received.is_ours:
            return received.cancellation
        earlier = received.cancellation
        while earlier.state == "received" and self.monotonic() < ends_at:  # until then there is nothing to answer
            self.pause(LOOK_AGAIN_SECONDS)
            earlier = self.inbox.cancellation(earlier.id) or earlier
        self.repeated(earlier)
        return earlier

    def retry(self, cancellation_id: int) -> InboxEntry | None:
        """Apply one again on an operator's behalf; see `Inbox.claim_again`. IMSHOP hears of it as of any change in the
        shop."""
        ends_at = self.monotonic() + self.timeout.total_seconds()
        claimed = self.inbox.claim_again(cancellation_id, self.now(), self._claimed_until())
        if claimed is None or not claimed.is_ours:
            return claimed
        return self._apply(claimed.cancellation, ends_at, answered=False)

    def close(self) -> None:
        self.lookup.close()
        self.canceller.close()

    def _claimed_until(self) -> datetime:
        return self.now() + self.timeout + MARGIN

    def _apply(
        self, cancellation: Cancellation, ends_at: float, former: str | None = None, *, answered: bool
    ) -> InboxEntry:
        """Have it decided. `former`: the number by which the request names the order, if the order has another one
        now. `answered`: IMSHOP waits for the decision. Not `is_ours`: another cancellation is of the same order."""
        order: Order | None = None
        try:
            has_names = cancellation.shop_id or not self.canceller.wants_shop_id
            if former is None and self.lookup.allowed is None and has_names:
                decision = self._ask_shop(cancellation, ends_at)
            else:
                began_at = self.now()
                order = self.lookup.order(cancellation, self._seconds_left(ends_at), former)
                if order and order.shop_id:
                    identified = self.inbox.identify(cancellation, order, began_at, self.now())
                    if not identified.is_ours:
                        return identified
                decision = self._decide_by(order, cancellation, ends_at)
        except CancelError as error:
            decision = CancelDecision("failed", error=str(error), in_doubt=error.in_doubt)
        if decision.state == "accepted":
            decision = replace(decision, status=self.status, message=self.message)
        elif decision.state == "refused":
            decision = replace(decision, message=decision.message or self.refusal)
        shown = None if order is None else order.status
        decided = self.inbox.decide(cancellation, decision, self.now(), answered=answered, shown=shown)
        self.observe(decided)
        return InboxEntry(decided, is_ours=True)

    def _decide_by(self, order: Order | None, cancellation: Cancellation, ends_at: float) -> CancelDecision:
        """The decision on an order as it was looked up; the shop is asked if its status allows it. CancelError."""
        if order is None:
            return NO_SUCH_ORDER
        allowed = self.lookup.allowed
        if allowed is not None and order.status not in allowed:
            if cancellation.in_doubt and order.status == self.lookup.cancelled:
                return CancelDecision("accepted")  # by an earlier attempt, whose answer was lost
            error = f"the order is {order.status} in the shop, which is none of SYNCD_CANCEL__FROM"
            return CancelDecision("refused", error=error, lasts=False)
        if self.canceller.wants_shop_id and not order.shop_id:
            raise CancelError(
                f"the shop shows no shop_id of order {order.order_id} yet, and its way of cancelling asks for it. "
                "If no order has one: see shop_id in SYNCD_SOURCE__QUERY or SYNCD_SOURCE__FIELDS__SHOP_ID"
            )
        return self._ask_shop(replace(cancellation, order_id=order.order_id, shop_id=order.shop_id), ends_at)

    def _ask_shop(self, cancellation: Cancellation, ends_at: float) -> CancelDecision:
        """The shop's decision. CancelError."""
        seconds = self._seconds_left(ends_at)
        shortened = replace(cancellation, reason=(cancellation.reason or "")[: self.reason_limit] or None)
        decision = shop_answer(lambda: self.canceller.cancel(shortened, seconds), seconds)
        if decision.state != "accepted" or not self.confirms:
            return decision
        # On this platform a yes means nothing: see whether the order is cancelled now.
        try:
            order = self.lookup.order(cancellation, self._seconds_left(ends_at))
        except CancelError as error:
            raise CancelError(f"the shop said yes, but: {error}", in_doubt=True) from None
        if order is not None and order.status == self.status:
            return decision
        shown = "is not there" if order is None else f"is {order.status}"
        return CancelDecision("refused", error=f"the shop said yes, but the order {shown} afterwards")

    def _seconds_left(self, ends_at: float) -> float:
        return max(0.0, ends_at - self.monotonic())


class OrderLookup:
    """Looks orders up in the shop right before they are cancelled. Thread-safe.

    open_shop   opens a source at the first look-up, so that a shop that is never asked is never connected to
    allowed     the statuses from which an order may be cancelled; None: from any, and an order is only looked up to
                learn its key
    cancelled   the status of a cancelled order, if there is one
    """

    def __init__(
        self, open_shop: Callable[[], OrderFinder], allowed: Collection[str] | None, cancelled: str | None
    ) -> None:
        self.allowed = allowed
        self.cancelled = cancelled
        self._open_shop = open_shop
        self._opening = Lock()
        self._opened: OrderFinder | None = None
        self._calls = BoundedCalls(0, at_most=LOOKUPS_AT_ONCE, patience=inf, name="look-up")

    def order(self, cancellation: Cancellation, seconds: float, former: str | None = None) -> Order | None:
        """The order as the shop shows it now; None: it shows no such order. `former`: the request names it by this
        number, which it had before. CancelError: the order could not be looked up, or is ambiguous; nothing was
        applied."""
        if cancellation.order_id is None:
            return None
        order_id, keys = (
            cancellation.order_id,
            {cancellation.order_id: cancellation.shop_id} if cancellation.shop_id else {},
        )
        try:
            page = shop_answer(lambda: self._found(order_id, keys, former), seconds, self._calls)
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

    def close(self) -> None:
        """Look-ups that are under way fail."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()

    def _found(self, order_id: str, keys: Mapping[str, str], former: str | None) -> Page:
        """By its key, if that is known: an order keeps it when its number changes. But then the number may be another
        order's by now, so that is looked up too."""
        try:
            with self._opening:
                if self._opened is None:
                    self._opened = self._open_shop()
                shop = self._opened
            page = shop.find([order_id], keys)
            if former is None and (not keys or all(order.order_id == order_id for order in page.orders)):
                return page
            other = shop.find([former or order_id], {})
        except SourceError as error:
            raise CancelError(str(error)) from None
        return Page([*page.orders, *other.orders], [*page.skipped, *other.skipped])
