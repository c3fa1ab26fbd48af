"""The second half of the pipe: from the outbox to IMSHOP and back.

    outbox.record_and_claim ──► queue ──► a worker: imshop.push ──► Outcome ──► outbox.record_and_claim ──► observe
     takes due       │         one order at a time                   in one transaction with  (metrics, log)
     changes         └ at its pace, or not at all while paused       what is taken next

A change is marked as being sent before it is sent, so a crash knows which pushes are in doubt. One loop takes and
writes down; workers only send. Outcomes are written in groups: one fsync for many pushes.

Whether a push may still be sent is looked at right before it is: this process leads, and the change was taken so
recently that its request is over before anybody else may take it. Otherwise the change goes back as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from random import Random
from threading import Event, Thread
from typing import Protocol

from syncd.errors import PushError, StateError
from syncd.logs import fields
from syncd.model import Answer, Outcome, Pause, Push
from syncd.pipeline.backoff import after_failure
from syncd.pipeline.circuit_breaker import Gate, Pace

GROUP_AT_MOST = 100  # outcomes in one transaction: so many pushes at most does a crash repeat
GROUP_SECONDS = 0.01  # and so long at most does an outcome wait for company
AHEAD_SECONDS = 0.2  # work that is taken ahead of the workers, at the pace of the last pushes
AHEAD_AT_MOST = 64
IDLE_SECONDS = 1.0  # between two looks for changes that became due, or that an operator let go
STATE_RETRY_SECONDS = 1.0
SENT_WITHIN = timedelta(seconds=3)
"""A change that was taken longer ago is not sent any more."""
CLAIM_MARGIN = timedelta(seconds=1)
"""For the step from looking to sending, and for clocks that run unequally."""

log = logging.getLogger(__name__)


class Outbox(Protocol):
    """The little that delivery needs of the state. Every method may raise StateError."""

    def record_and_claim(
        self, outcomes: Sequence[Outcome], limit: int, pause: Pause | None, now: datetime, claim: timedelta
    ) -> list[Push]:
        """In one transaction: write down what became of pushes, and whether delivery is paused; then take up to
        `limit` changes that are due, the longest due first, none of an order that is being sent, and mark them as
        being sent for as long as `claim`. Within that time nobody takes them again, whatever becomes of this process;
        then whoever leads does, in doubt, unless a newer change of their order waits."""

    def claims_of_others(self) -> int | None:
        """How many changes that another process took may still be on their way; None: not known yet."""


class Pusher(Protocol):
    def push(self, push: Push) -> Answer:
        """Send one change. PushError says what went wrong. Called by many threads at once."""


class Words(Protocol):
    """How IMSHOP is to hear a status: the statuses file."""

    def code(self, status: str) -> str: ...

    def message(self, status: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`rate`: pushes a second, 0: no limit. `give_up_after`: from a change's first failure of its own. `timeout`: for
    as long as one request may take."""

    concurrency: int
    rate: float
    give_up_after: timedelta
    timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The only places that delivery has time and chance from. `boottime` runs on while the process is frozen."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    rng: Random
    boottime: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Errand:
    """A push on its way to a worker. `leave_at`: not before, on the monotonic clock. `leave_by`: before that, on the
    boottime clock, or not at all. `probe`: sent though paused."""

    push: Push
    leave_at: float
    leave_by: float
    probe: bool


class Deliverer:
    """Delivers what is due, several orders at a time, never two pushes of one order.

    `may_send`: whether this process leads; asked right before each push. `observe` is called with each outcome once it
    is on disk. `beat` is called whenever the loop turns.
    """

    def __init__(
        self,
        outbox: Outbox,
        pusher: Pusher,
        words: Callable[[], Words],
        limits: Limits,
        clocks: Clocks,
        *,
        may_send: Callable[[], bool] = lambda: True,
        observe: Callable[[Outcome], None] = lambda _outcome: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._pusher = pusher
        self._words = words
        self._limits = limits
        self._clocks = clocks
        self._claim = SENT_WITHIN + limits.timeout + CLAIM_MARGIN
        self._may_send = may_send
        self._observe = observe
        self._beat = beat
        self._gate = Gate(clocks.rng)
        self._pace = Pace(limits.rate)
        self._queue: SimpleQueue[_Errand | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Outcome, PushError | None] | None] = SimpleQueue()
        self._unwritten: list[Outcome] = []
        self._outstanding = 0
        self._push_seconds = AHEAD_SECONDS
        self._stopping = Event()
        self._workers = [
            Thread(target=self._work, name=f"push-{number}", daemon=True) for number in range(limits.concurrency)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def pause(self) -> Pause | None:
        return self._gate.pause

    def wake(self) -> None:
        """Something may have become due: look now. Any thread may call this."""
        self._done.put(None)

    def run(self, stop: Callable[[], bool]) -> None:
        """Deliver until `stop()`; then call `close`."""
        while not stop():
            if not self._try_turn():
                self._stopping.wait(STATE_RETRY_SECONDS)
            self._collect(IDLE_SECONDS)

    def drain(self, until: Callable[[], bool]) -> None:
        """Deliver until nothing is due or was left behind by another process, delivery is paused, or `until()`. Raises
        StateError."""
        while not until():
            self._turn()
            if not self._outstanding and (self._gate.pause or self._outbox.claims_of_others() == 0):
                return
            self._collect(IDLE_SECONDS)

    def close(self, seconds: float) -> None:
        """Send nothing more, give back what was taken ahead, wait up to `seconds` for the pushes in flight, and write
        down what became of them.

        What was still in flight then stays marked as being sent, until its time is over.
        """
        self.stop_sending()
        self._recall()
        if self._unwritten:  # if that fails now, it is tried once more at the end
            self._try_turn(0)
        for _ in self._workers:
            self._queue.put(None)
        ends_at = self._clocks.monotonic() + seconds
        while self._outstanding and (left := ends_at - self._clocks.monotonic()) > 0:
            self._collect(left)
        self._write(0)

    def stop_sending(self) -> None:
        """From now on no push leaves. Any thread may call this."""
        self._stopping.set()
        self.wake()

    def _recall(self) -> None:
        """What was taken ahead and no worker has begun goes back, so that whoever leads can have it at once."""
        with suppress(Empty):
            while errand := self._queue.get_nowait():
                self._note(self._unsent(errand), None)

    def _try_turn(self, limit: int | None = None) -> bool:
        """A turn that survives a state that cannot be written now: what was pushed is kept, nothing more is taken.
        `limit` 0: nothing is to be."""
        try:
            self._turn() if limit is None else self._write(limit)
        except StateError as error:
            log.warning("delivery_waits_for_state", extra=fields(error=str(error)))
            return False
        return True

    def _turn(self) -> None:
        """Write down what became of pushes, take what is due, and hand it to the workers."""
        self._beat()
        if not self._may_send():
            self._recall()
        leave_by = self._clocks.boottime() + SENT_WITHIN.total_seconds()
        pushes = self._write(self._room())
        leaves = self._pace.take(len(pushes), self._clocks.monotonic())
        probe = self._gate.pause is not None
        words = self._words()
        for push, leave_at in zip(pushes, leaves, strict=True):
            message = push.message or words.message(push.status)
            worded = replace(push, code=words.code(push.status), message=message)
            self._queue.put(_Errand(worded, leave_at, leave_by, probe))
        self._outstanding += len(pushes)

    def _write(self, limit: int) -> list[Push]:
        pushes = self._outbox.record_and_claim(
            self._unwritten, limit, self._gate.pause, self._clocks.now(), self._claim
        )
        written, self._unwritten = self._unwritten, []
        for outcome in written:
            self._observe(outcome)
        return pushes

    def _room(self) -> int:
        """How many changes to take now: one, if that is to probe a paused endpoint."""
        if self._gate.pause:
            return 1 if not self._outstanding and self._gate.may_probe(self._clocks.now()) else 0
        room = max(0, self._limits.concurrency + self._ahead() - self._outstanding)
        return self._pace.room(room, self._clocks.monotonic(), AHEAD_SECONDS)

    def _ahead(self) -> int:
        return min(AHEAD_AT_MOST, int(self._limits.concurrency * AHEAD_SECONDS / self._push_seconds))

    def _collect(self, seconds: float) -> None:
        """Wait for outcomes: a group of them, or until workers may run dry, or until the first has waited enough."""
        group = min(GROUP_AT_MOST, self._outstanding - self._limits.concurrency - self._ahead() // 2)
        before = len(self._unwritten)
        ends_at = self._clocks.monotonic() + seconds
        while len(self._unwritten) - before < max(1, group):
            try:
                done = self._done.get(timeout=max(0.0, ends_at - self._clocks.monotonic()))
            except Empty:
                return
            if done is None:
                return
            if len(self._unwritten) == before:
                ends_at = min(ends_at, self._clocks.monotonic() + GROUP_SECONDS)
            self._note(*done)

    def _note(self, outcome: Outcome, error: PushError | None) -> None:
        self._outstanding -= 1
        self._unwritten.append(outcome)
        if outcome.result == "unsent":
            return
        self._push_seconds += (max(outcome.seconds, 0.001) - self._push_seconds) / 8
        if error is None:
            self._gate.answered()
        else:
            self._gate.failed(outcome.push.order_id, error, outcome.ended_at)

    def _work(self) -> None:
        """A worker: sends one push after another until the queue says that it is over."""
        while (errand := self._queue.get()) is not None:
            self._done.put(self._run_errand(errand))

    def _run_errand(self, errand: _Errand) -> tuple[Outcome, PushError | None]:
        self._stopping.wait(max(0.0, errand.leave_at - self._clocks.monotonic()))
        started_at, started = self._clocks.now(), self._clocks.monotonic()
        if self._stopping.is_set() or (self._gate.pause and not errand.probe) or not self._is_in_time(errand):
            return self._unsent(errand), None
        answer, error = self._ask(errand.push)
        outcome = self._outcome(errand, answer, error, started_at)
        return replace(outcome, seconds=self._clocks.monotonic() - started), error

    def _is_in_time(self, errand: _Errand) -> bool:
        """The last look before a push leaves. What happens between it and the first byte no sender can rule out: see
        `syncd.state.outcomes` for what comes of that."""
        return self._may_send() and self._clocks.boottime() < errand.leave_by

    def _unsent(self, errand: _Errand) -> Outcome:
        now = self._clocks.now()
        return Outcome(errand.push, "unsent", "pending", now, now, in_doubt=errand.push.in_doubt)

    def _ask(self, push: Push) -> tuple[Answer | None, PushError | None]:
        try:
            return self._pusher.push(push), None
        except PushError as error:
            return None, error
        except Exception as error:  # the boundary: a worker must live on, and the change must not be lost
            log.exception("push_crashed", extra=fields(order_id=push.order_id))
            return None, PushError(f"unexpected: {type(error).__name__}", in_doubt=True)

    def _outcome(
        self, errand: _Errand, answer: Answer | None, error: PushError | None, started_at: datetime
    ) -> Outcome:
        push, now = errand.push, self._clocks.now()
        if error is None:
            return Outcome(push, "delivered", "delivered", started_at, now, answer=answer)
        then = after_failure(push, error, now, self._limits.give_up_after, self._clocks.rng, probe=errand.probe)
        return Outcome(
            push,
            then.result,
            then.state,
            started_at,
            now,
            next_attempt_at=then.at,
            in_doubt=push.in_doubt or error.in_doubt,
            error=str(error),
            refused=error.refused,
            http_status=error.http_status,
        )
