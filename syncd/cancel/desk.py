"""START HERE. Where cancellations are received: on disk first, then applied once, then answered.

asked ──► inbox.receive ──► mine? ──► shop.cancel ──► inbox.decide ──► answer
          on disk, one       │no      the shop's own    decision on disk
          may apply it       └──► wait for whoever applies it, or answer with what was decided
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from syncd.cancel.bounded import within
from syncd.errors import CancelError
from syncd.model import Asked, Cancellation, Ruling

MARGIN = timedelta(seconds=15)
"""After its time an attempt is over, but for writing down what came of it."""
LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """The shop's decision. `message` is for the buyer, where the shop gives its reason."""

    accepted: bool
    message: str | None = None


class Shop(Protocol):
    def cancel(self, cancellation: Cancellation, seconds: float) -> Verdict:
        """Have the shop cancel the order, within so many seconds. CancelError: it did not decide."""

    def close(self) -> None: ...


class Received(Protocol):
    """`mine`: whoever gets this must apply the cancellation, and nobody else will."""

    @property
    def cancellation(self) -> Cancellation: ...

    @property
    def mine(self) -> bool: ...


class Inbox(Protocol):
    """The little that the desk needs of the state. Every method may raise StateError."""

    def receive(self, asked: Asked, token: str, now: datetime, until: datetime) -> Received:
        """Put a request on disk, or find the same one there. `token` names it to the shop, if it is a new one.

        If nobody has decided it, nor is about to, it is the caller's to apply `until` then.
        """

    def take_again(self, cancellation_id: int, now: datetime, until: datetime) -> Received | None: ...

    def decide(self, mine: Cancellation, ruling: Ruling, now: datetime, *, answered: bool) -> Cancellation: ...

    def cancellation(self, cancellation_id: int) -> Cancellation | None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """`timeout`: for all of one request. `status`, `message`: what IMSHOP is answered when the shop accepts; `refusal`
    when it refuses without a reason. `observe` is told each decision, and `repeated` each request that is answered with
    an earlier one. `pause` sleeps so many seconds."""

    inbox: Inbox
    shop: Shop
    timeout: timedelta
    status: str | None
    message: str | None
    refusal: str
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    pause: Callable[[float], object]
    new_token: Callable[[], str]
    observe: Callable[[Cancellation], None]
    repeated: Callable[[Cancellation], None]

    def receive(self, asked: Asked) -> Cancellation:
        """The cancellation as decided now or before. Still `received`: another one applies it and is not done.

        StateError: it is not on disk, and nothing was tried; or the decision is not, and then it is in doubt.
        """
        ends_at = self.monotonic() + self.timeout.total_seconds()
        received = self.inbox.receive(asked, self.new_token(), self.now(), self._until())
        if received.mine:
            return self._apply(received.cancellation, ends_at, answered=True)
        decided = self._await(received.cancellation, ends_at)
        self.repeated(decided)
        return decided

    def retry(self, cancellation_id: int) -> Received | None:
        """An operator has one applied again; see `Inbox.take_again`. IMSHOP is told as of any change in the shop."""
        ends_at = self.monotonic() + self.timeout.total_seconds()
        taken = self.inbox.take_again(cancellation_id, self.now(), self._until())
        if taken is None or not taken.mine:
            return taken
        return _Retried(self._apply(taken.cancellation, ends_at, answered=False))

    def _until(self) -> datetime:
        return self.now() + self.timeout + MARGIN

    def _apply(self, mine: Cancellation, ends_at: float, *, answered: bool) -> Cancellation:
        ruling = self._ruling(mine, ends_at)
        decided = self.inbox.decide(mine, ruling, self.now(), answered=answered)
        self.observe(decided)
        return decided

    def _ruling(self, mine: Cancellation, ends_at: float) -> Ruling:
        seconds = max(0.0, ends_at - self.monotonic())
        try:
            verdict = within(seconds, lambda: self.shop.cancel(mine, seconds))
        except CancelError as error:
            return Ruling("failed", error=str(error), in_doubt=error.in_doubt)
        if verdict.accepted:
            return Ruling("accepted", self.status, self.message)
        return Ruling("refused", message=verdict.message or self.refusal)

    def _await(self, other: Cancellation, ends_at: float) -> Cancellation:
        """Whoever applies it writes down what comes of it; until then there is nothing to answer."""
        while other.state == "received" and self.monotonic() < ends_at:
            self.pause(LOOK_AGAIN_SECONDS)
            other = self.inbox.cancellation(other.id) or other
        return other


@dataclass(frozen=True, slots=True)
class _Retried:
    cancellation: Cancellation
    mine: bool = True
