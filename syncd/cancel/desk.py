"""START HERE. Where cancellations are received: on disk first, then applied once, then answered.

request ──► inbox.receive ──► mine? ──► present.py: may it be? ──► shop.cancel ──► inbox.decide ──► answer
            on disk, one       │no      one look into the shop     the shop's own    decision on disk
            may apply it       └──► wait for whoever applies it, or answer with what was decided
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from syncd.cancel.present import Present
from syncd.cancel.protocol import LONGEST_REASON
from syncd.cancel.shop import Shop, within
from syncd.errors import CancelError
from syncd.model import CancelDecision, Cancellation, CancelRequest, Order, Received

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

    def take_again(self, cancellation_id: int, now: datetime, until: datetime) -> Received | None: ...

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
    reason_limit: int = LONGEST_REASON

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
        """An operator has one applied again; see `Inbox.take_again`. IMSHOP is told as of any change in the shop."""
        ends_at = self.monotonic() + self.timeout.total_seconds()
        taken = self.inbox.take_again(cancellation_id, self.now(), self._until())
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
