"""One daemon leads a state, whatever becomes of the one before, and whoever does not can write nothing."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, make_url

from syncd.errors import LeaseLostError, StateError
from syncd.state import State, open_state
from syncd.state.file_lease import NOTE_BYTES, FileLease
from syncd.state.lease import DURATION, MARGIN, RowLease, boottime
from tests.made import NOON
from tests.servers import execute, postgresql_url, throw_away_database
from tests.state.made import another, decision, log, outcome, stage, take

HOLD = """
import sys
from syncd.state import open_state
lease = open_state(sys.argv[1], redact=str).lease()
print(lease.acquire(), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_daemon(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lease."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def test_nobody_has_the_lease_of_a_new_state(state: State) -> None:
    lease = state.lease()
    assert (lease.held(), lease.token, lease.holder(), lease.renew()) == (False, None, None, False)


def test_a_lease_is_taken_by_one(state: State, url: str) -> None:
    mine = state.lease()
    assert mine.acquire()
    with another(url) as other:
        theirs = other.lease()
        assert not theirs.acquire()
        assert (theirs.held(), theirs.token, mine.held()) == (False, None, True)
        assert str(os.getpid()) in str(theirs.last_holder())
    mine.release()


def test_taking_a_lease_again_changes_nothing(state: State) -> None:
    lease = state.lease()
    assert lease.acquire()
    token = lease.token
    assert (lease.acquire(), lease.renew(), lease.held(), lease.token) == (True, True, True, token)
    lease.release()
    assert lease.holder() is None


def test_a_lease_that_was_given_back_is_free(state: State, url: str) -> None:
    lease = state.lease()
    lease.acquire()
    lease.release()
    lease.release()
    assert not lease.held()
    with another(url) as other:
        theirs = other.lease()
        assert theirs.acquire()
        theirs.release()


def test_many_threads_may_ask_who_leads(state: State) -> None:
    lease = state.lease()
    lease.acquire()
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda _: lease.held(), range(200)))
    lease.release()


def test_the_holder_is_named(state: State, url: str) -> None:
    with another_daemon(url) as daemon:
        assert f"process {daemon.pid}" in str(state.lease().holder())
        assert not state.lease().acquire()


def test_poll_and_delivery_leases_are_separate(state: State, url: str) -> None:
    delivering, polling = state.lease(), state.poll_lease()
    assert delivering.acquire()
    assert polling.acquire()
    with another(url) as other:
        assert not other.poll_lease().acquire()
        polling.release()
        theirs = other.poll_lease()
        assert theirs.acquire()
        theirs.release()
    delivering.release()


def test_a_daemon_that_was_killed_leaves_no_lease(state: State, url: str) -> None:
    with another_daemon(url) as daemon:
        daemon.kill()
        daemon.wait()
    lease = state.lease()
    ends_at = time.monotonic() + 20  # PostgreSQL's own process takes a moment to see that its client is gone
    while not lease.acquire():
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    assert str(os.getpid()) in str(lease.holder())
    lease.release()


def test_lease_released_during_the_look_is_not_held(sqlite_state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.fstat
    with another(sqlite_state) as state:
        lease = state.lease()
        assert lease.acquire()

        def released_first(descriptor: int) -> os.stat_result:
            monkeypatch.undo()
            lease.release()
            return look(descriptor)

        monkeypatch.setattr(os, "fstat", released_first)
        assert not lease.held()


def test_a_lease_whose_file_was_removed_is_lost(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state:
        lease = state.lease()
        lease.acquire()
        (tmp_path / "syncd.db.lock").unlink()
        assert not lease.held()
        assert lease.acquire()
        lease.release()


def test_whoever_lost_the_file_can_write_nothing(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state, another(sqlite_state) as other:
        lease, theirs = state.lease(), other.lease()
        lease.acquire()
        stage(state.under(lease), decision("1"))
        (tmp_path / "syncd.db.lock").unlink()
        theirs.acquire()
        with pytest.raises(LeaseLostError, match=f"held by process {os.getpid()}"):
            stage(state.under(lease), decision("2"))
        assert (lease.token, lease.last_holder()) == (None, f"process {os.getpid()}")
        theirs.release()
        lease.release()


def test_holder_name_replaces_a_longer_one(sqlite_state: str, tmp_path: Path) -> None:
    (tmp_path / "syncd.db.lock").write_text("9" * 20)
    with another(sqlite_state) as state:
        lease = state.lease()
        lease.acquire()
        assert lease.holder() == f"process {os.getpid()}"
        lease.release()


def test_the_lock_file_is_its_owners_alone(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state:
        lease = state.lease()
        lease.acquire()
        lease.release()
    assert (tmp_path / "syncd.db.lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_cannot_be_opened_says_so(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state:
        (tmp_path / "syncd.db.lock").mkdir()
        with pytest.raises(StateError, match=r"syncd\.db\.lock cannot be opened"):
            state.lease().acquire()


def end_sessions(postgresql: str) -> None:
    execute(
        postgresql,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE application_name LIKE 'syncd process {os.getpid()} %' AND pid <> pg_backend_pid()",
    )


def test_a_lease_outlives_the_connection_that_took_it(postgresql_state: str, postgresql: str) -> None:
    with another(postgresql_state) as state:
        lease = state.lease()
        assert lease.acquire()
        end_sessions(postgresql)
        assert lease.held()
        assert lease.renew()
        lease.release()


def test_connection_cut_during_acquire_leaves_lease_free(postgresql_state: str, postgresql: str) -> None:
    with another(postgresql_state) as state:
        lease = state.lease()
        assert isinstance(lease, RowLease)
        cuts = 0

        def cut(*cursor_and_statement: object) -> None:
            nonlocal cuts
            if "INSERT INTO leases" in str(cursor_and_statement[2]) and not cuts:
                cuts += 1
                end_sessions(postgresql)

        event.listen(lease._engine, "before_cursor_execute", cut)
        with pytest.raises(StateError):
            lease.acquire()
        assert not lease.held()
        assert lease.acquire()
        lease.release()


def test_one_of_many_simultaneous_takers_gets_it(postgresql_state: str) -> None:
    with another(postgresql_state, wait_seconds=5) as state:
        rivals = [state.lease() for _ in range(6)]
        for _ in range(3):
            with ThreadPoolExecutor(6) as threads:
                taken = [*threads.map(lambda one: one.acquire(), rivals)]
            assert sum(taken) == 1
            rivals[taken.index(True)].release()


def test_lease_reports_a_database_that_is_gone() -> None:
    drop = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
    with throw_away_database(postgresql_url(), drop) as url, another(url) as state:
        lease = state.lease()
        execute(postgresql_url(), drop.format(make_url(url).database))
        with pytest.raises(StateError, match="create the database"):
            lease.acquire()


def test_states_in_two_schemas_have_separate_leases(state: State, request: pytest.FixtureRequest, url: str) -> None:
    lease = state.lease()
    lease.acquire()
    elsewhere = url.replace("syncd.db", "other.db")
    if elsewhere == url:
        schema = "other_schema"
        execute(str(request.getfixturevalue("postgresql")), f"CREATE SCHEMA {schema}")
        elsewhere = url.rpartition("%3D")[0] + f"%3D{schema}"
    with another(elsewhere) as other:
        theirs = other.lease()
        assert (theirs.holder(), theirs.acquire()) == (None, True)
        theirs.release()
    lease.release()


@dataclass
class Clocks:
    """The database's clock, and that of a daemon."""

    database: datetime = NOON
    machine: float = 0.0

    def pass_(self, by: timedelta) -> None:
        self.database += by
        self.machine += by.total_seconds()


@dataclass
class Rivals:
    """Two daemons that compete for a row, while time passes as the test says."""

    state: State
    clocks: Clocks
    one: RowLease = field(init=False)
    other: RowLease = field(init=False)

    def __post_init__(self) -> None:
        self.one, self.other = (
            RowLease(self.state.store, self.state.store.engine, "deliver", lambda: self.clocks.machine)
            for _ in range(2)
        )


@pytest.fixture
def rivals(sqlite_state: str) -> Iterator[Rivals]:
    clocks = Clocks()
    state = open_state(sqlite_state, redact=str, clock=lambda: clocks.database)
    yield Rivals(state, clocks)
    state.close()


INSTANT = timedelta(milliseconds=1)


def test_the_holder_stops_before_another_may_begin(rivals: Rivals) -> None:
    assert rivals.one.acquire()
    rivals.clocks.pass_(DURATION - MARGIN - INSTANT)
    assert (rivals.one.held(), rivals.other.acquire()) == (True, False)
    rivals.clocks.pass_(INSTANT)
    assert (rivals.one.held(), rivals.other.acquire()) == (False, False)
    rivals.clocks.pass_(MARGIN)
    assert rivals.other.acquire()


def test_a_lease_that_is_renewed_goes_on(rivals: Rivals) -> None:
    rivals.one.acquire()
    for _ in range(5):
        rivals.clocks.pass_(DURATION / 2)
        assert (rivals.one.renew(), rivals.one.held(), rivals.other.acquire()) == (True, True, False)


def test_the_token_grows_with_each_holder(rivals: Rivals) -> None:
    tokens = []
    for lease in (rivals.one, rivals.other, rivals.one):
        assert lease.acquire()
        tokens.append(lease.token)
        lease.release()
    assert tokens == [1, 2, 3]


def test_frozen_leader_cannot_write_after_takeover(rivals: Rivals) -> None:
    frozen, next_one = rivals.state.under(rivals.one), rivals.state.under(rivals.other)
    rivals.one.acquire()
    stage(frozen, decision("1"))
    rivals.clocks.pass_(DURATION)
    rivals.other.acquire()
    with pytest.raises(LeaseLostError, match="the right to deliver is now held by process"):
        stage(frozen, decision("2"))
    stage(next_one, decision("3"))
    assert [change.order_id for change in log(rivals.state)] == ["1", "3"]


def test_frozen_leader_may_still_report_its_outcomes(rivals: Rivals) -> None:
    frozen = rivals.state.under(rivals.one)
    rivals.one.acquire()
    stage(frozen, decision())
    (push,) = take(frozen)
    rivals.clocks.pass_(DURATION)
    rivals.other.acquire()
    frozen.outbox.record([outcome(push)])
    assert [change.state for change in log(rivals.state)] == ["delivered"]


def test_whoever_gave_it_back_can_write_nothing(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.one.release()
    with pytest.raises(LeaseLostError, match="held by nobody"):
        stage(rivals.state.under(rivals.one), decision())


def test_expired_lease_is_renewed_if_still_free(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.clocks.pass_(10 * DURATION)
    assert not rivals.one.held()
    assert (rivals.one.acquire(), rivals.one.held(), rivals.one.token) == (True, True, 1)


def test_a_lease_that_another_took_is_lost(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.clocks.pass_(DURATION)
    rivals.other.acquire()
    assert (rivals.one.renew(), rivals.one.held(), rivals.one.token) == (False, False, None)
    assert f"process {os.getpid()}" in str(rivals.one.last_holder())
    assert not rivals.one.acquire()


def test_released_lease_is_not_renewed(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.one.release()
    assert not rivals.one.renew()
    assert rivals.other.acquire()


def test_a_machine_that_sleeps_wakes_without_the_lease(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.clocks.machine += 60
    assert not rivals.one.held()


def test_lease_does_not_depend_on_wall_clocks(rivals: Rivals) -> None:
    rivals.clocks.database += timedelta(days=400)
    rivals.one.acquire()
    assert (rivals.one.held(), rivals.other.acquire()) == (True, False)


def test_server_clock_set_back_locks_nobody_out(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.clocks.database -= timedelta(hours=1)
    assert not rivals.other.acquire()
    rivals.clocks.pass_(DURATION + MARGIN)
    assert not rivals.other.acquire()
    rivals.clocks.pass_(INSTANT)
    assert rivals.other.acquire()


def test_live_holder_keeps_lease_when_clock_steps_back(rivals: Rivals) -> None:
    rivals.one.acquire()
    rivals.clocks.database -= timedelta(hours=1)
    for _ in range(5):
        assert not rivals.other.acquire()
        rivals.clocks.pass_(DURATION / 2)
        assert rivals.one.renew()


def test_lease_clock_never_runs_back() -> None:
    before = boottime()
    assert boottime() >= before > 0


def test_two_threads_may_release_one_lease(tmp_path: Path) -> None:
    """A job ends while the daemon stops."""
    lease = FileLease(tmp_path / "lock", "poll")
    with ThreadPoolExecutor(2) as threads:
        for _ in range(500):
            assert lease.acquire()
            for released in [threads.submit(lease.release) for _ in range(2)]:
                released.result()


def test_fault_of_the_holder_is_read_by_others(sqlite_state: str) -> None:
    with another(sqlite_state) as state, another(sqlite_state) as other:
        lease, theirs = state.lease(), other.lease()
        lease.acquire()
        faults = [theirs.holders_fault()]
        for fault in ("the disk\nis full", None, "the disk fails"):
            lease.note_fault(fault)
            faults.append(theirs.holders_fault())
        assert faults == [None, "the disk is full", None, "the disk fails"]
        lease.release()
        assert theirs.holders_fault() is None


def test_who_holds_no_lease_leaves_no_fault(tmp_path: Path) -> None:
    lease = FileLease(tmp_path / "lock", "deliver")
    lease.note_fault("the disk fails")
    assert not (tmp_path / "lock").exists()


def test_lock_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StateError, match="lock cannot be opened: Is a directory; let syncd's user write it"):
        FileLease(tmp_path / "lock", "deliver").holder()


def test_fault_outlasts_a_lock_that_was_removed(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state, another(sqlite_state) as other:
        lease = state.lease()
        lease.acquire()
        lease.note_fault("the disk fails")
        (tmp_path / "syncd.db.lock").unlink()
        lease.acquire()
        assert other.lease().holders_fault() == "the disk fails"
        lease.release()


def test_note_has_always_the_same_length(sqlite_state: str, tmp_path: Path) -> None:
    """A disk that is full takes no byte more."""
    with another(sqlite_state) as state, another(sqlite_state) as other:
        lease, lock = state.lease(), tmp_path / "syncd.db.lock"
        lease.acquire()
        sizes = [lock.stat().st_size]
        for fault in ("я" * 5000, None):
            lease.note_fault(fault)
            assert other.lease().holder() == f"process {os.getpid()}"
            sizes.append(lock.stat().st_size)
        assert sizes == [NOTE_BYTES] * 3
        lease.release()


def test_lease_needs_no_room_on_the_disk() -> None:
    lease = FileLease(Path("/dev/full"), "deliver")
    assert lease.acquire()
    lease.note_fault("the disk is full")
    lease.release()


def test_note_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("123")
        file.flush()
        lease = FileLease(tmp_path / "lock", "deliver")
        assert (lease.holder(), lease.holders_file(), lease.holders_fault()) == ("process 123", None, None)
