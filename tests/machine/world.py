"""The whole pipe on a real state, between a model of the shop and one of IMSHOP, in a process that can die."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from sqlite3 import OperationalError as DriverError
from typing import Literal, TypeAlias

from sqlalchemy import Connection, event, select
from sqlalchemy.exc import OperationalError

from syncd.errors import SourceError, StateError
from syncd.model import CancelRequest
from syncd.pipeline.deliver import Clocks, Deliverer, Limits
from syncd.pipeline.diff import StatusAction
from syncd.pipeline.poll import Poller
from syncd.pipeline.staging import PollResult
from syncd.state import State, open_state
from syncd.state.schema import CLAIMED, changes
from syncd.state.store import Store
from tests.machine.buyer import Manner, cancel_service
from tests.machine.imshop import TAKEN, Line, ModelImshop, Reply
from tests.machine.shop import LOOKBACK, OLD, ModelShop
from tests.made import NOON
from tests.states import put_empty_state

GIVE_UP_AFTER = timedelta(hours=2)
RETENTION = timedelta(hours=8)
SECONDS = 10.0  # for a worker to get somewhere
STEPS_AT_MOST = 200

Death: TypeAlias = Literal["before", "after"]
Fault: TypeAlias = Literal["before", "after", "full", "cut"]
"""What happens to a commit: the process dies right before or right after it, the disk is full, or the connection is
cut so late that the commit is done."""


class Killed(BaseException):
    """The process is dead from here on."""


@dataclass(kw_only=True)
class World:
    """`skew`: how far the daemon's clock is off. `actions`: of statuses that are not simply pushed.

    `on_commit` is called at each commit of a transaction that writes, and says what happens to it. `old` are the
    orders that may be adopted untold: they were there before the baseline was complete, or were forgotten.
    """

    folder: Path
    follows: bool = True
    push_first: bool = False
    max_changes: int = 0
    concurrency: int = 2
    page: int = 2
    at: datetime = NOON
    skew: timedelta = timedelta()
    actions: dict[str, StatusAction] = field(default_factory=lambda: {"draft": "skip", "odd": "hold"})
    on_commit: Callable[[], Fault | None] = lambda: None
    old: set[str] = field(default_factory=lambda: set(OLD))
    adopted: set[str] = field(default_factory=set)
    unwanted: dict[str, int] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    """Orders whose cancellation IMSHOP has no answer to, so that it asks again."""
    _discarded: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.shop = ModelShop(lambda: self.at, self.page, self.follows)
        for number, order_id in enumerate(OLD):
            self.shop.place(order_id, timedelta(days=2, minutes=-number))
        self.imshop = ModelImshop(self.shop, self.action)
        put_empty_state(self.folder / "state.db")
        self._opened = _opened(self.folder / "state.db")
        _DATABASE_TIME[:] = [self.now]
        self.restart()

    def now(self) -> datetime:
        return self.at + self.skew

    def monotonic(self) -> float:
        return self.at.timestamp()

    def action(self, status: str) -> StatusAction:
        return self.actions.get(status, "push")

    def start(self) -> None:
        """What the daemon does when it starts. It is not the moment of the last claim any more."""
        self.at += timedelta(microseconds=1)
        self.state = State(Store(self._opened.store.engine, self._opened.place, str, SECONDS))
        event.listen(self.state.store.engine, "commit", self._commit)
        self.state.inbox.fail_unfinished(self.now() + timedelta(minutes=1), self.now())
        self.poller = Poller(
            self.shop, self.state.polls, self.action, self.max_changes, LOOKBACK, push_first=self.push_first
        )
        self.line = Line(self.imshop)
        self.deliverer = Deliverer(
            self.state.outbox,
            self.line,
            lambda: self,
            Limits(self.concurrency, 0, GIVE_UP_AFTER, timedelta(seconds=10)),
            Clocks(self.now, self.monotonic, Random(1), self.monotonic),
        )

    def code(self, status: str) -> str:
        return status

    def message(self, status: str) -> str | None:
        raise AssertionError("every order of the shop has a message")

    def die(self, *, applied: bool) -> None:
        """kill -9. `applied`: the pushes in flight reach IMSHOP all the same."""
        self.line.dead = True
        self.imshop.caller_died(self.claimed(), applied=applied)
        for _ in range(self.concurrency):
            self.deliverer._queue.put(None)
        self.shop.meanwhile.clear()
        self.close()

    def restart(self) -> None:
        """Start, as often as it takes: a process can die of its start, or find that the state cannot be written."""
        while True:
            try:
                self.start()
            except (StateError, Killed):
                self.close()
            else:
                self.note_adopted()
                return

    def stop(self) -> None:
        """SIGTERM: the pushes in flight are waited for."""
        self.deliverer._stopping.set()
        for order_id in list(self.imshop.in_flight):
            self.imshop.answer(order_id, TAKEN)
        self.deliverer.close(SECONDS)
        self.close()

    def close(self) -> None:
        """Only the connections: no transaction is open, and nothing is written."""
        event.remove(self.state.store.engine, "commit", self._commit)
        self.state.close()

    def cancel(self, order_id: str, manner: Manner) -> None:
        """IMSHOP asks for a cancellation. Without an answer, or with one that says nothing, it asks again some time."""
        self.unanswered.add(order_id)
        self.imshop.of(order_id).cancelled = True
        try:
            request = CancelRequest("current", order_id, None)
            decided = cancel_service(self.state, self.shop, order_id, manner, self.now).receive(request)
        except StateError:
            return
        if decided.state != "received":
            self.unanswered.discard(order_id)
        if decided.state == "accepted":
            self.imshop.hear_of_cancellation(order_id, int(str(decided.message)))
            # Nobody can tell whether a push that is on its way arrives before the answer, so the status follows it.
            known, on_its_way = self.imshop.of(order_id), self.claimed().get(order_id)
            known.repeatable |= on_its_way is not None
            known.overtaken = on_its_way

    def claimed(self) -> dict[str, int]:
        """The orders of which a push may be on its way, as far as the state knows, and of which version."""
        with self.state.store.read() as connection:
            found = connection.execute(select(changes.c.order_id, changes.c.message).where(CLAIMED))
            return {order_id: int(str(message)) for order_id, message in found}

    def place(self, order_id: str) -> None:
        if self.state.polls.baseline() is None:
            self.old.add(order_id)
        self.shop.place(order_id)

    def poll(self, *, full: bool = False) -> PollResult | None:
        """None: the source or the state failed. What must be noted of orders seen for the first time is noted."""
        try:
            return (self.poller.reconcile if full else self.poller.poll)(self.now())
        except (SourceError, StateError):
            return None

    def step(self) -> None:
        """One turn of the delivery loop: `Deliverer.run` without its waiting."""
        self.deliverer._try_turn()
        self.settle()
        self.deliverer._collect(0.0)

    def answer(self, order_id: str, reply: Reply) -> None:
        self.imshop.answer(order_id, reply)
        self.settle()

    def settle(self) -> None:
        """Wait until each worker waits: for IMSHOP, or for work."""
        ends_at = time.monotonic() + SECONDS
        while not self._settled():
            assert time.monotonic() < ends_at, "a worker is lost"
            time.sleep(0)

    def deliver_all(self) -> None:
        """Deliver until nothing waits, however long that takes; IMSHOP must be well."""
        for _ in range(STEPS_AT_MOST):
            self.step()
            while len(self.deliverer._finished._done):
                self.deliverer._collect(0.0)
            if not (self.deliverer._outstanding or self.deliverer._unwritten):
                if not self.state.reports.summary().changes["pending"]:
                    return
                self.at += timedelta(hours=1)
        raise AssertionError("a change waits for ever")

    def note_adopted(self) -> None:
        """Take what was adopted at the baseline as what IMSHOP knows; only orders that are old may be."""
        new = self.old - self.adopted
        for order_id, seen in self.state.polls.load(new).items() if new else ():
            if seen.told is not None:
                self.imshop.adopt(order_id, seen.told)
            self.adopted.add(order_id)

    def note_discarded(self) -> None:
        """Operators do not want these orders told, until they change again."""
        discarded = {change.id: change.order_id for change in self.state.reports.changes(state="discarded")}
        new = {order_id for change_id, order_id in discarded.items() if change_id not in self._discarded}
        self.unwanted |= {order_id: seen.revision for order_id, seen in self.state.polls.load(new).items()}
        self._discarded |= discarded.keys()

    def forgotten(self, order_id: str) -> None:
        """The state has forgotten the order, so it may be adopted, or told again, when it comes back."""
        self.adopted.discard(order_id)
        self.old.add(order_id)
        self.imshop.of(order_id).repeatable = True

    def _commit(self, connection: Connection) -> None:
        if not connection.get_execution_options().get("writes"):
            return
        fault = self.on_commit()
        if fault in ("after", "cut"):
            connection.exec_driver_sql("COMMIT")
        if fault in ("before", "after"):
            raise Killed
        if fault is not None:
            raise OperationalError("COMMIT", None, DriverError(f"disk I/O error: {fault}"))

    def _settled(self) -> bool:
        asked = len(self.imshop.in_flight)
        return asked == self.concurrency or asked + len(self.deliverer._finished._done) == self.deliverer._outstanding


_DATABASE_TIME: list[Callable[[], datetime]] = []
"""The clock of the world that there is just now: the engine below outlives each."""


def _database_time() -> datetime:
    return _DATABASE_TIME[0]()


@cache
def _opened(file: Path) -> State:
    """One engine a file, as in `tests.states`."""
    return open_state(f"sqlite:///{file}", redact=str, create=False, clock=_database_time)
