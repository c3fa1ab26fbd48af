"""What IMSHOP hears, next to what the shop knows; and how IMSHOP fails a request now and then."""

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

FIRST_MISHAP = 8
MISHAPS = (Failure("http", status=503, retry_after=1), Failure("timeout", seconds=5))


@dataclass(frozen=True, slots=True)
class RecordedPush:
    """One request that came to IMSHOP.

    `previous` and `status` are the shop's texts, `previous` None for an order that IMSHOP did not know; `track` and
    `paid` are given where they are new. `lag`: seconds from the shop's change until IMSHOP heard of it. `failure`: how
    the request failed, in a person's words; None: the status took effect.
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
    """Listens at the sandbox. Thread-safe."""

    def __init__(self, shop: DemoShop) -> None:
        self._shop = shop
        self._lock = Lock()
        self._told = {order.number: order.status for order in shop.orders()}
        self._tracks = {order.track for order in shop.orders()}
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._heard: SimpleQueue[RecordedPush] = SimpleQueue()
        self._reached: set[tuple[str, str]] = set()
        self.lags: list[float] = []
        """Of every change that reached IMSHOP, when it did so first: one whose answer comes too late is told again."""
        self.failed = 0

    def waiting(self) -> int:
        """How many orders IMSHOP does not know as the shop has them."""
        with self._lock:
            return sum(self._told.get(order.number) != order.status for order in self._shop.orders())

    def heard(self, within: float) -> Iterator[RecordedPush]:
        """What was heard since last asked; waits up to `within` seconds for the first of it."""
        try:
            yield self._heard.get(timeout=within)
            while True:
                yield self._heard.get_nowait()
        except Empty:
            return

    def listen(self, received: PushReceived, judgement: Judgement) -> None:
        """The sandbox's `on_request`."""
        with self._lock:
            heard = self._understood(received, judgement)
            if heard.failure:
                self.failed += 1
            else:
                pushed = received.order_id, str(received.body)
                self.lags += [heard.lag] if pushed not in self._reached else []
                self._reached.add(pushed)
                self._told[received.order_id] = received.code
                self._tracks.add(heard.track)
        self._heard.put(heard)

    def _understood(self, received: PushReceived, judgement: Judgement) -> RecordedPush:
        change = received.order_id, received.code
        body = received.body or {}
        previous = self._told.get(received.order_id)
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
    """The sandbox's `behave`: now and then a request fails, in turns with 503 and with silence. Thread-safe."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._lock = Lock()
        self._left = FIRST_MISHAP
        self._met = 0
        self._unlucky: set[str] = set()
        self.over = False
        """From now on every request is answered as the protocol has it."""

    def __call__(self, received: PushReceived) -> Failure | None:
        with self._lock:
            self._left -= 1
            if self._left > 0 or self.over or received.order_id in self._unlucky:
                self._unlucky.discard(received.order_id)
                return None
            self._left = self._random.randint(FIRST_MISHAP, 3 * FIRST_MISHAP)
            self._met += 1
            self._unlucky.add(received.order_id)
            return MISHAPS[(self._met - 1) % len(MISHAPS)]
