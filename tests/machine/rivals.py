"""Two daemons on one state, which are frozen, cut off, killed and started again, and an IMSHOP that applies late."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from random import Random
from threading import Event, Lock, current_thread, main_thread
from typing import Literal, TypeAlias

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from syncd.errors import SourceError, StateError
from syncd.imshop.replies import REFUSED, SILENT
from syncd.model import Answer, Push
from syncd.pipeline.deliver import Clocks, Deliverer, Limits
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime.jobs import StopError
from syncd.runtime.leadership import Keeper, LeasedOutbox
from syncd.runtime.observer import Observer
from syncd.state import State, open_state
from syncd.state.lease import DURATION, RowLease
from syncd.state.store import Store
from tests.machine.shop import LOOKBACK, OLD, ModelShop
from tests.machine.world import SECONDS
from tests.made import NOON, check_counts
from tests.states import one_folder, put_empty_state

TIMEOUT = 10.0
"""Of a request. IMSHOP applies what it applies within this time from its arrival, whatever became of its sender."""
TICK = 1.0
ORDERS = OLD[:3]
TOKENS = "SELECT name, token FROM leases WHERE holder IS NOT NULL"
DONE = "SELECT (SELECT coalesce(sum(claim), 0) FROM changes), (SELECT coalesce(sum(revision), 0) FROM seen)"

Where: TypeAlias = Literal["before the last look", "after the last look"]
Mood: TypeAlias = Literal["well", "slow", "dead"]
"""IMSHOP answers soon; or it answers nobody, and applies everything at the last moment; or nothing at all. Requests of
senders that are frozen or dead are applied at the last moment in any case but the last."""
Reply: TypeAlias = Literal["taken", "silent", "refused"]


@dataclass(eq=False)
class Request:
    """`over_by`: it is applied until then, or never; None: it has not left yet. `reply` waits for its sender."""

    sender: Daemon
    push: Push
    over_by: float | None = None
    replies: SimpleQueue[Reply] = field(default_factory=SimpleQueue)
    waiting: Reply | None = None
    answered: bool = False

    @property
    def version(self) -> int:
        return int(self.push.message or "")


@dataclass
class LateImshop:
    """`knows` is what it applied last of each order. `broken` says which promises were broken, `late` of which orders a
    request left after its sender had been frozen between its last look and the sending: no sender can rule that out,
    so of these only the end counts. `unknowable`: and that sender died of it before it could tell anybody."""

    clock: Callable[[], float]
    requests: list[Request] = field(default_factory=list)
    knows: dict[str, str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    late: set[str] = field(default_factory=set)
    unknowable: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def push(self, sender: Daemon, push: Push) -> Answer:
        request = Request(sender, push)
        with self._lock:
            self.requests.append(request)
            if not sender.holds_after_look:
                self._arrives(request)
        reply = request.replies.get()
        if reply == "taken":
            return Answer(200, push.order_id, None, push.code, "processing", None)
        raise (SILENT if reply == "silent" else REFUSED).error(200, None, host="imshop", why="a test", quote="")

    def arrive_late(self, sender: Daemon) -> None:
        for request in self.of(sender):
            if request.over_by is None:
                self.late.add(request.push.order_id)
                self._arrives(request)

    def of(self, sender: Daemon) -> list[Request]:
        return [request for request in self.requests if request.sender is sender]

    def arrived(self) -> list[Request]:
        return [request for request in self.requests if request.over_by is not None]

    def apply(self, request: Request) -> None:
        self.knows[request.push.order_id] = request.push.status

    def answer(self, request: Request, reply: Reply) -> None:
        """What becomes of the request is settled with the answer; a sender that is frozen hears it when it is not."""
        if request not in self.requests:
            return
        if reply == "taken":
            self.apply(request)
        self.requests.remove(request)
        if request.answered:
            return
        request.answered = True
        if request.sender.frozen:
            request.sender.unheard.append((request, reply))
        else:
            request.replies.put(reply)

    def time_is_up(self, *, applied: bool) -> None:
        for request in self.arrived():
            if request.over_by is not None and request.over_by <= self.clock():
                if applied:
                    self.apply(request)
                self.answer(request, "silent")

    def sender_died(self, sender: Daemon) -> None:
        """What left goes on by itself."""
        for request in self.of(sender):
            if request.over_by is None:
                self.requests.remove(request)
            request.answered = True
            request.replies.put("silent")

    def _arrives(self, request: Request) -> None:
        order, now = request.push.order_id, self.clock()
        others = [one for one in self.arrived() if one.push.order_id == order and one is not request]
        request.over_by = now + TIMEOUT
        if order not in self.late:
            if others:
                self.broken.append(f"order {order} is in two requests at once: {request.push} beside {others[0].push}")
            if request.version < self.newest.get(order, 0):
                self.broken.append(f"order {order} is told something older: {request.push}")
        self.newest[order] = max(self.newest.get(order, 0), request.version)


@dataclass
class Gate:
    """Where workers of a frozen daemon wait; each is passed once, by all at once."""

    open: Event = field(default_factory=Event)
    waiting: int = 0


class Daemon:
    """One process after another on one machine. `rate`: of its clocks, against the database's; `skew`: what its wall
    clock is off. `frozen`: nothing of it runs. `cut`: the state cannot be reached."""

    def __init__(self, world: Rivals, number: int, rate: float, skew: timedelta) -> None:
        self._world = world
        self._opened = _opened(world.file, number)
        self._rate = rate
        self._skew = skew
        self.alive = self.frozen = self.cut = False
        self.holds_after_look = self._holds_before_look = False
        self.unheard: list[tuple[Request, Reply]] = []
        self._lock = Lock()
        event.listen(self._opened.store.engine, "begin", self._reach, insert=True)
        event.listen(self._opened.store.engine, "commit", self._wrote)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._world.at) + self._skew

    def boottime(self) -> float:
        return 1000.0 + self._world.at * self._rate

    @property
    def runs(self) -> bool:
        return self.alive and not self.frozen

    def start(self) -> None:
        world = self._world
        self.alive, self.frozen, self.unheard = True, False, []
        self.holds_after_look = self._holds_before_look = False
        self._gate = Gate()
        self._wants_poll = False
        self.state = State(Store(self._opened.store.engine, self._opened.place, str, SECONDS))
        self.delivering, self.polling = (
            RowLease(self.state.store, self._opened.store.engine, name, self.boottime) for name in ("deliver", "poll")
        )
        self.keeper = Keeper([self.delivering, self.polling], lead_with=self.delivering)
        self.keeper._gained = self._gained
        self._poller = Poller(
            world.shop, self.state.under(self.polling).polls, lambda _: "push", 0, LOOKBACK, progress=self._progress
        )
        self.deliverer = Deliverer(
            LeasedOutbox(self.state, self.delivering, Observer(None, Statuses)),
            self,
            lambda: self,
            Limits(2, 0, timedelta(days=9), timedelta(seconds=TIMEOUT)),
            Clocks(self.now, self.boottime, Random(1), self.boottime),
            may_send=self._last_look,
        )

    # What a daemon does by itself.

    def look_after_leases(self) -> None:
        self.keeper._round()
        self.note_leader()

    def note_leader(self) -> None:
        if self.delivering.held():
            self._world.note_leader(self)

    def poll(self) -> None:
        """As `syncd.runtime.jobs` polls."""
        self._wants_poll = False
        with suppress(SourceError, StateError, StopError):
            if self.delivering.held() and self.polling.acquire():
                try:
                    self._poller.poll(self.now())
                finally:
                    self.polling.release()

    def step(self) -> None:
        if self._wants_poll:
            self.poll()
        self.deliverer._try_turn()
        self.settle()
        self.deliverer._collect(0.0)

    def push(self, push: Push) -> Answer:
        if not self.alive:
            raise SILENT.error(host="imshop", why="the process is dead")
        return self._world.imshop.push(self, push)

    def code(self, status: str) -> str:
        return status

    def message(self, _status: str) -> str | None:
        raise AssertionError("every order of the shop has a message")

    # What happens to it.

    def freeze(self) -> None:
        self.frozen = True

    def take_and_freeze(self, where: Where) -> None:
        """It is frozen right after a turn, when its workers are about to look whether they may send, or have looked."""
        self.holds_after_look = where == "after the last look"
        self._holds_before_look = not self.holds_after_look
        self.step()
        self.freeze()

    def thaw(self) -> None:
        """All goes on as if nothing had been."""
        self.frozen = self.holds_after_look = self._holds_before_look = False
        self._world.imshop.arrive_late(self)
        self._gate.open.set()
        self._gate = Gate()
        for request, reply in self.unheard:
            request.replies.put(reply)
        self.unheard.clear()
        self.settle()

    def die(self) -> None:
        self._world.imshop.unknowable |= self._late_unreported()
        self.alive = self.frozen = False
        self.deliverer._stopping.set()
        self._world.imshop.sender_died(self)
        self._end_threads()

    def end(self) -> None:
        """In order."""
        self.deliverer.stop_sending()
        for request in self._world.imshop.of(self):
            self._world.imshop.answer(request, "taken")
        with suppress(StateError):
            self.deliverer.close(SECONDS)
        self._world.imshop.unknowable |= self._late_unreported()
        self.keeper._release()
        self.alive = False
        self.state.close()

    def settle(self) -> None:
        """Until each worker waits: for IMSHOP, at a gate, or for work."""
        ends_at = time.monotonic() + SECONDS
        while not self._settled():
            assert time.monotonic() < ends_at, "a worker is lost"
            time.sleep(0)

    def close(self) -> None:
        if self.alive:
            self.die()
        event.remove(self._opened.store.engine, "begin", self._reach)
        event.remove(self._opened.store.engine, "commit", self._wrote)

    def _settled(self) -> bool:
        asked = (
            sum(not request.answered for request in self._world.imshop.of(self))
            + len(self.unheard)
            + self._gate.waiting
        )
        return asked == 2 or asked + len(self.deliverer._finished._done) == self.deliverer._outstanding

    def _last_look(self) -> bool:
        if self._holds_before_look and current_thread() is not main_thread():  # in a worker
            gate = self._gate
            with self._lock:
                gate.waiting += 1
            gate.open.wait()
        return self.alive and self.delivering.held()

    def _late_unreported(self) -> set[str]:
        """Orders of late requests that nobody will hear of from this process."""
        mine = {request.push.order_id for request in self._world.imshop.of(self) if request.over_by is not None}
        mine |= {outcome.push.order_id for outcome in self.deliverer._unwritten}
        mine |= {request.push.order_id for request, _ in self.unheard}
        return mine & self._world.imshop.late

    def _end_threads(self) -> None:
        self._gate.open.set()
        for request, reply in self.unheard:
            request.replies.put(reply)
        for _ in range(2):
            self.deliverer._queue.put(None)
        self._world.shop.meanwhile.clear()
        self.state.close()

    def _gained(self) -> None:
        self._wants_poll = True

    def _progress(self, _rows: int) -> None:
        if not self.polling.held():
            raise StopError

    def _reach(self, _connection: Connection) -> None:
        if self.cut:
            raise OperationalError("BEGIN", None, sqlite3.OperationalError("cut"))

    def _wrote(self, connection: Connection) -> None:
        """Who takes changes, or puts on disk what was seen, has the right to at that moment."""
        if not connection.get_execution_options().get("writes"):
            return
        world = self._world
        tokens: dict[str, int] = dict(connection.exec_driver_sql(TOKENS).all())
        before, world.done = world.done, connection.exec_driver_sql(DONE).one()
        if world.done[0] > before[0] and tokens.get("deliver") != self.delivering.token:
            world.imshop.broken.append(f"a change is taken without the right to deliver at {world.at}")
        if world.done[1] > before[1] and tokens.get("poll") != self.polling.token:
            world.imshop.broken.append(f"an order is seen without the right to poll at {world.at}")


class Rivals:
    """Two daemons, one state, one shop. `at` is the true time in seconds, and that of the database."""

    def __init__(self, rates: Sequence[float] = (1.0, 1.0), skews: Sequence[float] = (0, 0)) -> None:
        self.at = 0.0
        self.file = one_folder() / "rivals.db"
        put_empty_state(self.file)
        _WORLD[:] = [self]
        self.shop = ModelShop(lambda: NOON + timedelta(seconds=self.at), page=3)
        for number, order_id in enumerate(OLD):
            self.shop.place(order_id, timedelta(days=2, minutes=-number))
        self.imshop = LateImshop(lambda: self.at)
        self.leaders: list[str] = []
        self.done: Sequence[int] = (0, 0)
        self.may_be_two = 0.0
        self.daemons = [
            Daemon(self, number, rate, timedelta(seconds=skew))
            for number, (rate, skew) in enumerate(zip(rates, skews, strict=True))
        ]
        for daemon in self.daemons:
            daemon.start()
            daemon.look_after_leases()
        self.daemons[0].poll()

    def running(self) -> list[Daemon]:
        return [daemon for daemon in self.daemons if daemon.runs]

    def advance(self, seconds: float, mood: Mood = "well") -> None:
        """Time passes, and whoever runs does what it does."""
        ends_at = self.at + seconds
        while self.at < ends_at:
            self.at = min(ends_at, self.at + TICK)
            self.imshop.time_is_up(applied=mood != "dead")
            for request in self.imshop.arrived() if mood == "well" else ():
                if request.sender.runs and not request.answered:
                    self.imshop.answer(request, "taken")
            for daemon in self.running():
                daemon.settle()
                daemon.look_after_leases()
                daemon.step()

    def expire(self) -> None:
        """The server's clock is set forward for a moment: a lease ends though its holder does not know. Until its own
        deadline two may believe that they lead, but only one can take anything."""
        self.may_be_two = self.at + DURATION.total_seconds()
        with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            connection.execute("UPDATE leases SET ends_at = 0")

    def note_leader(self, daemon: Daemon) -> None:
        others = [other for other in self.daemons if other is not daemon and other.alive and other.delivering.held()]
        if others and self.at > self.may_be_two:
            self.leaders.append(f"two daemons believe that they lead at {self.at}")

    def check(self) -> None:
        assert not self.imshop.broken, self.imshop.broken
        assert not self.leaders, self.leaders

    def come_to_rest(self) -> None:
        """Everything works again, and time passes. IMSHOP must know what the shop shows."""
        self.shop.meanwhile.clear()
        for daemon in self.daemons:
            daemon.cut = False
            if daemon.frozen:
                daemon.thaw()
            if not daemon.alive:
                daemon.start()
        for _ in range(3):
            for _ in range(6):
                for request in self.imshop.arrived():
                    self.imshop.answer(request, "taken")
                self.advance(3)
            self.at += 3600
            for daemon in self.daemons:
                daemon.look_after_leases()
                daemon.poll()

    def check_at_rest(self) -> None:
        self.check()
        state = self.daemons[0].state
        check_counts(state)
        assert state.reports.summary().changes["pending"] == 0, [*state.reports.changes(state="pending")]
        for order_id in self.shop.history:
            if order_id not in self.imshop.unknowable and order_id in self.imshop.knows:
                present = self.shop.present(order_id).status
                story = [*state.reports.changes(order_id=order_id)]
                assert self.imshop.knows[order_id] == present, f"{order_id} is {present}: {story}"

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.close()


_WORLD: list[Rivals] = []


def _database_time() -> datetime:
    return NOON + timedelta(seconds=_WORLD[0].at)


@cache
def _opened(file: Path, number: int) -> State:
    """An engine for each daemon, which outlives it; see `tests.machine.world`."""
    return open_state(f"sqlite:///{file}", redact=str, create=False, clock=_database_time)
