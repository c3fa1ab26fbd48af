"""START HERE, after poll.py. Delivery: from the outbox to IMSHOP and back.

    outbox.record_and_claim ──► queue ──► a worker: imshop.push ──► Outcome ──► outbox.record_and_claim ──► observe
     takes due       │         one order at a time                   writes it in the   (metrics, log)
     changes         └ spaced by the rate, or not                    transaction that
                       at all while delivery is paused               takes what is next

A change is marked as being sent before it is sent, so that after a crash it is known which pushes are in doubt. One
loop takes changes and writes outcomes; the workers only send. Outcomes are written in groups: one fsync for many
pushes.

Whether a push may still be sent is checked right before it is: this process leads, and it took the change so recently
that the request is over before another process may take it. Otherwise the change goes back as it was.

Whether a push that failed is sent again, and when, is decided in backoff.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from random import Random
from threading import Condition, Event, Lock, Thread
from typing import ClassVar, NamedTuple, Protocol

from syncd.errors import PushError, StateError
from syncd.logs import fields
from syncd.model import Answer, Outcome, Pause, Push
from syncd.pipeline.backoff import after_failure
from syncd.pipeline.circuit_breaker import CircuitBreaker
from syncd.rate_limiter import RateLimiter

GROUP_AT_MOST = 100
"""Outcomes in one transaction. A crash repeats the pushes whose outcomes are not written: these, and those in
flight."""
GROUP_SECONDS = 0.01
"""An outcome waits so long at most for others to be written with it."""
PREFETCH_SECONDS = 0.2
"""Changes are taken ahead for so many seconds of work. It is also the first estimate of how long a push takes."""
PREFETCH_AT_MOST = 200
"""Enough for whole groups of outcomes where IMSHOP answers at once: while one is written, the workers send the rest."""
IDLE_SECONDS = 1.0
"""Between two looks for changes that became due or were released by an operator."""
STATE_RETRY_SECONDS = 1.0
SENT_WITHIN = timedelta(seconds=3)
"""A change that was taken longer ago is not sent."""
CLAIM_MARGIN = timedelta(seconds=1)
"""For the time between the last check and the first byte, and for clocks that run at different speeds."""

log = logging.getLogger(__name__)


class Outbox(Protocol):
    """The interface that delivery requires of the state: implemented by `runtime.leadership.LeasedOutbox`, over
    `state.outbox`. Every method may raise StateError."""

    def record_and_claim(
        self, outcomes: Sequence[Outcome], limit: int, pause: Pause | None, now: datetime, claim: timedelta
    ) -> list[Push]:
        """In one transaction: write the outcomes of pushes and whether delivery is paused; then take up to `limit`
        due changes, those that have been due longest first and none of an order that is being sent, and mark them as
        being sent. Until `claim` has passed no process takes them again; then the leader does, as in doubt, unless a
        newer change of their order waits."""

    def claims_of_others(self) -> int | None:
        """How many changes that another process took may still be in flight; None: not known yet."""


class Pusher(Protocol):
    """Implemented by `imshop.push.ImshopClient`."""

    def push(self, push: Push) -> Answer:
        """Send one change. PushError says what went wrong. Called by many threads at once."""


class StatusTexts(Protocol):
    """The code and the message that IMSHOP gets for a status of the shop: the statuses file."""

    def code(self, status: str) -> str: ...

    def message(self, status: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`rate`: pushes a second, 0: no limit. `give_up_after`: counted from a change's first failure, where those by
    which delivery was paused do not count. `timeout`: of one request."""

    concurrency: int
    rate: float
    give_up_after: timedelta
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where delivery gets time and randomness from. `boottime` runs on while the machine is suspended."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    rng: Random
    boottime: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _QueuedPush:
    """A push that waits for a worker. It is sent not before `send_at` (monotonic clock) and only before `send_by`
    (boottime clock). `probe`: it is sent although delivery is paused."""

    push: Push
    send_at: float
    send_by: float
    probe: bool


class _Done(NamedTuple):
    """A push that was sent, or given back unsent."""

    outcome: Outcome
    error: PushError | None = None


class _Finished:
    """What the workers have done, taken by the loop in groups. The loop is woken for the first of a group and for the
    last: to wake it for each would take more CPU than to record it."""

    _NEVER: ClassVar[int] = 1 << 30

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._done: list[_Done] = []
        self._wanted = self._NEVER
        self._is_woken = False

    def put(self, done: _Done) -> None:
        with self._changed:
            self._done.append(done)
            if len(self._done) >= self._wanted:
                self._changed.notify()

    def wake(self) -> None:
        """Whoever waits in `take`, or comes next, waits no longer."""
        with self._changed:
            self._is_woken = True
            self._changed.notify()

    def take(self, enough: int, seconds: float) -> list[_Done]:
        """Wait up to `seconds` for the first, then up to GROUP_SECONDS for enough. Returns at most GROUP_AT_MOST."""
        with self._changed:
            if self._wait_for(1, seconds):
                self._wait_for(enough, min(seconds, GROUP_SECONDS))
            self._is_woken = False
            taken = self._done[:GROUP_AT_MOST]
            del self._done[:GROUP_AT_MOST]
            return taken

    def _wait_for(self, wanted: int, seconds: float) -> bool:
        self._wanted = wanted
        is_there = self._changed.wait_for(lambda: self._is_woken or len(self._done) >= wanted, seconds)
        self._wanted = self._NEVER
        return is_there


class Deliverer:
    """Delivers what is due, several orders at a time, never two pushes of one order.

    `may_send`: whether this process leads; asked right before each push. `observe` is called with each outcome once it
    is written. `beat` is called in each turn of the loop.
    """

    def __init__(
        self,
        outbox: Outbox,
        pusher: Pusher,
        texts: Callable[[], StatusTexts],
        limits: Limits,
        clocks: Clocks,
        *,
        may_send: Callable[[], bool] = lambda: True,
        observe: Callable[[Outcome], None] = lambda _outcome: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._pusher = pusher
        self._texts = texts
        self._limits = limits
        self._clocks = clocks
        self._claim_for = SENT_WITHIN + limits.timeout + CLAIM_MARGIN
        self._may_send = may_send
        self._observe = observe
        self._beat = beat
        self._circuit = CircuitBreaker(clocks.rng)
        self._rate = RateLimiter(limits.rate)
        self._queue: SimpleQueue[_QueuedPush | None] = SimpleQueue()
        self._finished = _Finished()
        self._unwritten: list[Outcome] = []
        self._outstanding = 0
        self._waits_for_state = False
        self._average_seconds = PREFETCH_SECONDS
        self._stopping = Event()
        self._workers = [
            Thread(target=self._work, name=f"push-{number}", daemon=True) for number in range(limits.concurrency)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def pause(self) -> Pause | None:
        return self._circuit.pause

    def wake(self) -> None:
        """Look for due changes now. Any thread may call this."""
        self._finished.wake()

    def run(self, stop: Callable[[], bool]) -> None:
        """Deliver until `stop()`; then call `close`."""
        while not stop():
            if not self._try_turn():
                self._stopping.wait(STATE_RETRY_SECONDS)
            self._collect(IDLE_SECONDS)

    def drain(self, until: Callable[[], bool]) -> None:
        """Deliver until nothing is due and nothing of another process is in flight, or delivery is paused, or
        `until()`. StateError."""
        while not until():
            self._turn()
            if not self._outstanding and (self._circuit.pause or self._outbox.claims_of_others() == 0):
                return
            self._collect(IDLE_SECONDS)

    def close(self, seconds: float) -> None:
        """Send nothing more, give back what was taken ahead, wait up to `seconds` for the pushes in flight, and write
        their outcomes. What is in flight even then stays marked as being sent, until its claim has passed."""
        self.stop_sending()
        self._recall()
        if self._unwritten:  # should that fail, it is tried once more below
            self._try_turn(0)
        for _ in self._workers:
            self._queue.put(None)
        ends_at = self._clocks.monotonic() + seconds
        while self._outstanding and (left := ends_at - self._clocks.monotonic()) > 0:
            self._collect(left)
        for worker in self._workers:
            # Whoever drops a connection pool last runs its finalizer, and a thread must not do that while Python exits.
            worker.join(max(0.0, ends_at - self._clocks.monotonic()) if self._outstanding else None)
        self._write_and_claim(0)

    def stop_sending(self) -> None:
        """From now on no push is sent. Any thread may call this."""
        self._stopping.set()
        self.wake()

    def _recall(self) -> None:
        """Give back what was taken ahead and no worker has begun, so that the leader can send it at once."""
        with suppress(Empty):
            while queued := self._queue.get_nowait():
                self._note(self._unsent(queued))

    def _try_turn(self, limit: int | None = None) -> bool:
        """A turn that survives a state that cannot be written now: the outcomes are kept, and nothing more is taken.
        `limit` 0: outcomes are written and nothing is taken."""
        try:
            if limit is None:
                self._turn()
            else:
                self._write_and_claim(limit)
        except StateError as error:
            if not self._waits_for_state:
                log.warning("delivery_waits_for_state", extra=fields(error=str(error)))
            self._waits_for_state = True
            return False
        if self._waits_for_state:
            log.info("delivery_goes_on")
            self._waits_for_state = False
        return True

    def _turn(self) -> None:
        """Write the outcomes of pushes, take what is due, and hand it to the workers."""
        self._beat()
        if not self._may_send():
            self._recall()
        send_by = self._clocks.boottime() + SENT_WITHIN.total_seconds()
        pushes = self._write_and_claim(self._room())
        now = self._clocks.monotonic()
        send_times = [self._rate.reserve(now) for _ in pushes]
        probe = self._circuit.pause is not None
        texts = self._texts()
        for push, send_at in zip(pushes, send_times, strict=True):
            code, message = texts.code(push.status), push.message or texts.message(push.status)
            if (code, message) != (push.code, push.message):
                push = replace(push, code=code, message=message)  # noqa: PLW2901 - a copy costs as much as the rest
            self._queue.put(_QueuedPush(push, send_at, send_by, probe))
        self._outstanding += len(pushes)

    def _write_and_claim(self, limit: int) -> list[Push]:
        pushes = self._outbox.record_and_claim(
            self._unwritten, limit, self._circuit.pause, self._clocks.now(), self._claim_for
        )
        written, self._unwritten = self._unwritten, []
        for outcome in written:
            self._observe(outcome)
        return pushes

    def _room(self) -> int:
        """How many changes to take now: one, if it probes whether delivery is still to be paused."""
        if self._circuit.pause:
            return 1 if not self._outstanding and self._circuit.may_probe(self._clocks.now()) else 0
        room = max(0, self._limits.concurrency + self._prefetch() - self._outstanding)
        return self._rate.room(room, self._clocks.monotonic(), PREFETCH_SECONDS)

    def _prefetch(self) -> int:
        return min(PREFETCH_AT_MOST, int(self._limits.concurrency * PREFETCH_SECONDS / self._average_seconds))

    def _collect(self, seconds: float) -> None:
        """Wait up to `seconds` for outcomes. It ends GROUP_SECONDS after the first one, or earlier, when the workers
        may soon have nothing left to send."""
        enough = min(GROUP_AT_MOST, self._outstanding - self._limits.concurrency - self._prefetch() // 2)
        for done in self._finished.take(max(1, enough), seconds):
            self._note(done)

    def _note(self, done: _Done) -> None:
        outcome, error = done
        self._outstanding -= 1
        self._unwritten.append(outcome)
        if outcome.result == "unsent":
            return
        # A moving average, in which the newest push counts for an eighth.
        self._average_seconds += (max(outcome.seconds, 0.001) - self._average_seconds) / 8
        if error is None:
            self._circuit.answered()
        else:
            self._circuit.failed(outcome.push.order_id, error, outcome.ended_at)

    def _work(self) -> None:
        """A worker: sends one push after another until it takes None from the queue."""
        while (queued := self._queue.get()) is not None:
            self._finished.put(self._send(queued))

    def _send(self, queued: _QueuedPush) -> _Done:
        if (early := queued.send_at - self._clocks.monotonic()) > 0:
            self._stopping.wait(early)
        started_at, started = self._clocks.now(), self._clocks.monotonic()
        paused = self._circuit.pause is not None and not queued.probe
        # The last check before a push leaves. What happens between it and the first byte no sender can rule out:
        # `syncd.state.outcomes` says what comes of that.
        in_time = self._may_send() and self._clocks.boottime() < queued.send_by
        if self._stopping.is_set() or paused or not in_time:
            return self._unsent(queued)
        answer: Answer | None = None
        error: PushError | None = None
        try:
            answer = self._pusher.push(queued.push)
        except PushError as failed:
            error = failed
        except Exception as unexpected:  # the boundary: a worker must live on, and the change must not be lost
            log.exception("push_crashed", extra=fields(order_id=queued.push.order_id))
            error = PushError(f"unexpected: {type(unexpected).__name__}", in_doubt=True)
        seconds = self._clocks.monotonic() - started
        return _Done(self._outcome(queued, answer, error, started_at, seconds), error)

    def _unsent(self, queued: _QueuedPush) -> _Done:
        now = self._clocks.now()
        return _Done(Outcome(queued.push, "unsent", "pending", now, now, in_doubt=queued.push.in_doubt))

    def _outcome(
        self,
        queued: _QueuedPush,
        answer: Answer | None,
        error: PushError | None,
        started_at: datetime,
        seconds: float,
    ) -> Outcome:
        push, now = queued.push, self._clocks.now()
        if error is None:
            return Outcome(push, "delivered", "delivered", started_at, now, seconds, answer=answer)
        then = after_failure(push, error, now, self._limits.give_up_after, self._clocks.rng, probe=queued.probe)
        return Outcome(
            push,
            then.result,
            then.state,
            started_at,
            now,
            seconds,
            next_attempt_at=then.at,
            in_doubt=push.in_doubt or error.in_doubt,
            error=str(error),
            refused=error.refused,
            http_status=error.http_status,
        )
