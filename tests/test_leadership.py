"""A daemon that loses its lease, and takes it again: the keeper of leases, and delivery under one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import LeaseLostError, StateError
from syncd.model import Outcome, Pause, Push
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime.leadership import Keeper, LeasedOutbox, kept
from syncd.runtime.observer import Observer
from syncd.state import State, open_state
from syncd.state.lease import DURATION, RowLease
from tests.made import NOON
from tests.state.made import decision, end_claims, outcome, stage, states

CLAIM = timedelta(seconds=14)
SECONDS = 10.0


@dataclass
class Clock:
    """The database's and the daemons'."""

    at: float = 0.0

    def database(self) -> datetime:
        return NOON + timedelta(seconds=self.at)

    def machine(self) -> float:
        return self.at


@dataclass
class Bench:
    """Two daemons on one state; time passes as the test says."""

    state: State
    clock: Clock
    observer: Observer = field(default_factory=lambda: Observer(None, Statuses))

    def __post_init__(self) -> None:
        engine, boottime = self.state.store.engine, self.clock.machine
        self.mine, self.theirs = (RowLease(self.state.store, engine, "deliver", boottime) for _ in range(2))
        self.outbox = LeasedOutbox(self.state, self.mine, self.observer)
        self.others = LeasedOutbox(self.state, self.theirs, self.observer)

    def turn(self, *outcomes: Outcome) -> list[str]:
        return [push.order_id for push in self.pushes(*outcomes)]

    def pushes(self, *outcomes: Outcome) -> list[Push]:
        return self.outbox.record_and_claim(outcomes, 8, None, NOON, CLAIM)

    def another_leads(self) -> None:
        self.clock.at += DURATION.total_seconds()
        assert self.theirs.acquire()

    def it_ends(self) -> None:
        self.theirs.release()
        assert self.mine.acquire()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with closing(open_state(f"sqlite:///{tmp_path}/state.db", redact=str, clock=clock.database)) as state:
        bench = Bench(state, clock)
        assert bench.mine.acquire()
        stage(state, decision("1"))
        yield bench


def test_outcomes_without_the_lease_are_written_down_only(bench: Bench) -> None:
    """No further change is claimed."""
    [push] = bench.pushes()
    bench.clock.at += DURATION.total_seconds()
    stage(bench.state, decision("2"))
    assert bench.turn(outcome(push)) == []
    assert states(bench.state) == ["delivered", "pending"]


def test_lost_lease_that_seems_held_claims_nothing(bench: Bench) -> None:
    """The server's clock was set forward, for example: only the token shows that another leads."""
    [push] = bench.pushes()
    stage(bench.state, decision("2"))
    before = bench.clock.at
    bench.another_leads()
    bench.clock.at = before
    assert bench.mine.held()
    assert bench.turn(outcome(push)) == []
    assert states(bench.state) == ["delivered", "pending"]


def test_daemon_without_the_lead_keeps_the_pause(bench: Bench) -> None:
    bench.another_leads()
    bench.others.record_and_claim([], 0, Pause("tls", NOON, "its certificate ended"), NOON, CLAIM)
    assert bench.turn() == []
    assert bench.state.reports.summary().pause is not None


def test_new_leader_waits_only_for_claimed_changes(bench: Bench) -> None:
    """Claimed changes may still be in flight; all others are pushed at once."""
    bench.pushes()
    stage(bench.state, decision("2"))
    bench.another_leads()
    assert [push.order_id for push in bench.others.record_and_claim([], 8, None, NOON, CLAIM)] == ["2"]
    assert bench.others.claims_of_others() == 1
    bench.clock.at += CLAIM.total_seconds()
    assert bench.theirs.renew()
    [push] = bench.others.record_and_claim([], 8, None, NOON, CLAIM)
    assert (push.order_id, push.in_doubt) == ("1", True)


def test_what_another_left_behind_is_taken_over(bench: Bench) -> None:
    bench.another_leads()
    bench.others.record_and_claim([], 8, None, NOON, CLAIM)
    bench.it_ends()
    assert bench.turn() == []
    bench.clock.at += CLAIM.total_seconds()
    assert bench.mine.renew()
    [push] = bench.pushes()
    assert (push.order_id, push.in_doubt) == ("1", True)


def test_push_in_flight_here_is_not_claimed_twice(bench: Bench) -> None:
    [push] = bench.pushes()
    bench.another_leads()
    bench.it_ends()
    end_claims(bench.state)
    stage(bench.state, decision("2"))
    assert bench.turn() == ["2"]
    assert bench.turn(outcome(push)) == []
    assert states(bench.state) == ["delivered", "pending"]


def test_lost_lease_is_no_fault_of_the_state(bench: Bench) -> None:
    with pytest.raises(LeaseLostError), bench.observer.writing("delivery"):
        raise LeaseLostError("another leads")
    assert bench.observer.state_fault is None


def fail(bench: Bench) -> None:
    with pytest.raises(StateError), bench.observer.writing("delivery"):
        raise StateError("the disk is full")


def test_fault_of_delivery_ends_with_its_write(bench: Bench) -> None:
    """A turn that takes nothing writes nothing."""
    fail(bench)
    bench.outbox.record_and_claim([], 0, None, NOON, CLAIM)
    faults = [bench.observer.state_fault]
    assert bench.turn() == ["1"]
    assert [*faults, bench.observer.state_fault] == ["the disk is full", None]


def test_fault_of_delivery_ends_with_the_lease(bench: Bench) -> None:
    fail(bench)
    bench.another_leads()
    assert bench.turn() == []
    assert bench.observer.state_fault is None


@dataclass
class FakeLease:
    """A lease as a test wants it. `away`: the database does not answer."""

    name: str = "deliver"
    free: bool = True
    mine: bool = False
    away: bool = False
    other: str | None = None
    renewed: int = 0
    released: int = 0

    def acquire(self) -> bool:
        self._ask()
        self.mine = self.mine or self.free
        return self.mine

    def renew(self) -> bool:
        self._ask()
        self.renewed += 1
        return self.mine

    def held(self) -> bool:
        return self.mine

    @property
    def token(self) -> int | None:
        return 1 if self.mine else None

    def check(self, connection: object) -> None:
        raise NotImplementedError

    def release(self) -> None:
        self._ask()
        self.released += 1
        self.mine = False

    def holder(self) -> str | None:
        raise NotImplementedError

    def last_holder(self) -> str | None:
        return self.other

    def note_fault(self, fault: str | None) -> None:
        raise NotImplementedError

    def holders_fault(self) -> str | None:
        raise NotImplementedError

    def _ask(self) -> None:
        if self.away:
            raise StateError("the state cannot be reached")


@dataclass
class Heard:
    """What a keeper called."""

    gained: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    lost: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def lease() -> FakeLease:
    return FakeLease()


@pytest.fixture
def keeper(lease: FakeLease, heard: Heard, caplog: pytest.LogCaptureFixture) -> Iterator[Keeper]:
    caplog.set_level(logging.INFO)
    keeper = Keeper([lease], lead_with=lease)
    yield keeper
    lease.away = False
    keeper.close()


def begin(keeper: Keeper, heard: Heard) -> None:
    keeper.start(heard.gained.release, heard.lost.release)


def wait_for(condition: Callable[[], object], what: str) -> None:
    ends_at = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends_at, what
        time.sleep(0.01)


def test_a_lease_that_is_free_is_taken(keeper: Keeper, heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    begin(keeper, heard)
    assert heard.gained.acquire(timeout=SECONDS)
    assert caplog.messages == ["leading"]


def test_each_leader_is_logged_once_while_standing_by(
    keeper: Keeper, heard: Heard, lease: FakeLease, caplog: pytest.LogCaptureFixture
) -> None:
    lease.free, lease.other = False, "process 1 on a"
    begin(keeper, heard)
    wait_for(lambda: caplog.messages, "it is told")
    lease.other = "process 2 on b"
    wait_for(lambda: len(caplog.messages) > 1, "the next one is told too")
    assert caplog.messages == ["standing_by", "standing_by"]
    lease.free, lease.other = True, None
    assert heard.gained.acquire(timeout=SECONDS)


def test_lost_lease_is_logged_once_with_the_leader(
    keeper: Keeper, heard: Heard, lease: FakeLease, caplog: pytest.LogCaptureFixture
) -> None:
    lease.acquire()
    begin(keeper, heard)
    lease.mine, lease.free, lease.other = False, False, "process 1 on a"
    assert heard.lost.acquire(timeout=SECONDS)
    assert (caplog.messages, caplog.records[0].__dict__["fields"]["holder"]) == (["lease_lost"], "process 1 on a")
    lease.free = True
    assert heard.gained.acquire(timeout=SECONDS)
    assert caplog.messages == ["lease_lost", "lease_regained"]


def test_a_database_that_is_away_is_told_once(
    keeper: Keeper, heard: Heard, lease: FakeLease, caplog: pytest.LogCaptureFixture
) -> None:
    lease.acquire()
    lease.away = True
    begin(keeper, heard)
    wait_for(lambda: "lease_unknown" in caplog.messages, "it is told")
    lease.mine = False
    assert heard.lost.acquire(timeout=SECONDS)
    lease.away = False
    assert heard.gained.acquire(timeout=SECONDS)
    assert caplog.messages == ["lease_unknown", "lease_lost", "lease_regained"]


def test_what_is_kept_is_renewed_and_given_back(lease: FakeLease, caplog: pytest.LogCaptureFixture) -> None:
    other = FakeLease("poll")
    lease.acquire()
    with kept(lease, other):
        wait_for(lambda: lease.renewed > 1, "it is renewed")
    assert (lease.released, other.renewed, other.mine, caplog.messages) == (1, 0, False, [])


def test_lease_that_cannot_be_released_is_logged(lease: FakeLease, caplog: pytest.LogCaptureFixture) -> None:
    with kept(lease):
        lease.away = True
    assert caplog.messages == ["lease_not_released"]


def test_keeper_releases_its_lease_though_never_started(keeper: Keeper, lease: FakeLease) -> None:
    lease.acquire()
    keeper.close()
    assert lease.released == 1


def test_keeper_survives_an_unexpected_error(
    keeper: Keeper, heard: Heard, lease: FakeLease, caplog: pytest.LogCaptureFixture
) -> None:
    def crash() -> None:
        if not heard.gained.acquire(blocking=False):
            heard.gained.release()
            raise ZeroDivisionError

    keeper.start(crash, heard.lost.release)
    wait_for(lambda: "lease_crashed" in caplog.messages, "it is told")
    lease.mine, lease.free = False, False
    assert heard.lost.acquire(timeout=SECONDS)
