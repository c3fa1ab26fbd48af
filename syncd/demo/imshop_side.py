"""The demo at the sandbox: records each push beside what the shop did, and fails a request now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from random import Random
from threading import Lock

from syncd.demo.simulation import STATUSES, DemoShop
from syncd.sandbox import Failure, Judgement, PushReceived

FIRST_FAILURE = 8
FAILURES = (Failure("http", status=503, retry_after=1), Failure("timeout", seconds=5))


@dataclass(frozen=True, slots=True)
class RecordedPush:
    """One push that reached the sandbox.

    `previous` and `status` are the shop's texts; `previous` is None for an order that is new to IMSHOP. `track` and
    `paid` are given where they are new. `lag`: seconds from the change in the shop to the push. `failure`: how the
    request failed, in words; None: the status took effect.
    """

    at: datetime
    order_id: str
    previous: str | None
    status: str
    imshop_status: str
    track: str | None
    paid: bool | None
    attempt: int
    lag: float
    failure: str | None


class PushRecorder:
    """Records what reaches the sandbox, and compares it with the shop. Thread-safe."""

    def __init__(self, shop: DemoShop) -> None:
        self._shop = shop
        self._lock = Lock()
        self._pushed_status = {order.number: order.status for order in shop.orders()}
        self._tracks = {order.track for order in shop.orders()}
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._queue: SimpleQueue[RecordedPush] = SimpleQueue()
        self._reached: set[tuple[str, str]] = set()
        self.lags: list[float] = []
        """One for each change, of its first successful push: one whose answer comes too late is repeated, a refund is
        told only after a second poll."""
        self.failed = 0

    def waiting(self) -> int:
        """How many orders have another status in the shop than was pushed last."""
        with self._lock:
            return sum(self._pushed_status.get(order.number) != order.status for order in self._shop.orders())

    def pushes(self, within: float) -> Iterator[RecordedPush]:
        """The pushes since the last call; waits up to `within` seconds for the first one."""
        try:
            yield self._queue.get(timeout=within)
            while True:
                yield self._queue.get_nowait()
        except Empty:
            return

    def record(self, received: PushReceived, judgement: Judgement) -> None:
        """The sandbox's `on_request`."""
        with self._lock:
            push = self._recorded(received, judgement)
            if push.failure:
                self.failed += 1
            else:
                change = received.order_id, received.code
                self.lags += [push.lag] if change not in self._reached else []
                self._reached.add(change)
                self._pushed_status[received.order_id] = received.code
                self._tracks.add(push.track)
        self._queue.put(push)

    def _recorded(self, received: PushReceived, judgement: Judgement) -> RecordedPush:
        change = received.order_id, received.code
        body = received.body or {}
        previous = self._pushed_status.get(received.order_id)
        self._attempts[change] += 1
        changed_at = self._shop.changed_at(*change) or received.at
        return RecordedPush(
            at=received.at,
            order_id=received.order_id,
            previous=STATUSES[previous] if previous else None,
            status=str(body.get("message", received.code)),
            imshop_status=str(judgement.answer.get("imshopStatus", "")),
            track=self._new_track(body),
            paid=_paid(body),
            attempt=self._attempts[change],
            lag=max(0.0, (received.at - changed_at).total_seconds()),
            failure=_failure(judgement),
        )

    def _new_track(self, body: Mapping[str, object]) -> str | None:
        track = str(body.get("trackingUrl", "")).rpartition("=")[2]
        return track if track and track not in self._tracks else None


def _paid(body: Mapping[str, object]) -> bool | None:
    payment = body.get("payment")
    return bool(payment.get("paid")) if isinstance(payment, Mapping) else None


def _failure(judgement: Judgement) -> str | None:
    if judgement.faults:
        return "; ".join(judgement.faults)
    if judgement.failure is None:
        return None
    return "no answer" if judgement.failure.kind == "timeout" else str(judgement.failure)


class RandomFailures:
    """The sandbox's `behave`: now and then a request fails, alternately with 503 and with no answer; never two in a row
    for one order. Thread-safe."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._lock = Lock()
        self._until_next = FIRST_FAILURE
        self._count = 0
        self._just_failed: set[str] = set()
        self.over = False
        """Set: no request fails any more."""

    def __call__(self, received: PushReceived) -> Failure | None:
        with self._lock:
            self._until_next -= 1
            if self._until_next > 0 or self.over or received.order_id in self._just_failed:
                self._just_failed.discard(received.order_id)
                return None
            self._until_next = self._random.randint(FIRST_FAILURE, 3 * FIRST_FAILURE)
            self._count += 1
            self._just_failed.add(received.order_id)
            return FAILURES[(self._count - 1) % len(FAILURES)]
