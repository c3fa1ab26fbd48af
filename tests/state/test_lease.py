"""One daemon a state, whatever becomes of the one before."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, make_url

from syncd.errors import StateError
from syncd.state import State
from tests.servers import execute, postgresql_url, throw_away_database
from tests.state.made import another

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
    assert (lease.is_taken(), lease.held(), lease.holder()) == (False, False, None)


def test_a_lease_is_taken_by_one(state: State, url: str) -> None:
    mine = state.lease()
    assert mine.acquire()
    with another(url) as other:
        theirs = other.lease()
        assert not theirs.acquire()
        assert (theirs.held(), theirs.is_taken(), mine.held(), mine.is_taken()) == (False, True, True, True)
    mine.release()


def test_taking_a_lease_again_changes_nothing(state: State) -> None:
    lease = state.lease()
    assert (lease.acquire(), lease.acquire(), lease.held()) == (True, True, True)
    lease.release()
    assert not lease.is_taken()


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


def test_the_right_to_poll_is_another_than_the_right_to_deliver(state: State, url: str) -> None:
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


def test_a_lease_whose_file_was_removed_is_lost(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state:
        lease = state.lease()
        lease.acquire()
        (tmp_path / "syncd.db.lock").unlink()
        assert not lease.held()
        assert lease.acquire()
        lease.release()


def test_the_holder_is_named_though_one_before_had_a_longer_name(sqlite_state: str, tmp_path: Path) -> None:
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
    (tmp_path / "syncd.db.lock").mkdir()
    with another(sqlite_state) as state, pytest.raises(StateError, match=r"syncd\.db\.lock cannot be opened"):
        state.lease().acquire()


def test_a_lease_is_lost_with_its_connection(postgresql_state: str, postgresql: str) -> None:
    with another(postgresql_state) as state:
        lease = state.lease()
        assert lease.acquire()
        execute(
            postgresql,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE application_name LIKE 'syncd process {os.getpid()} %'",
        )
        assert not lease.held()
        assert lease.acquire()
        lease.release()


def test_a_connection_that_is_cut_while_the_lease_is_taken_leaves_it_untaken(
    postgresql_state: str, postgresql: str
) -> None:
    with another(postgresql_state) as state:
        cuts = 0

        def cut(*cursor_and_statement: object) -> None:
            nonlocal cuts
            if "pg_try_advisory_lock" in str(cursor_and_statement[2]) and not cuts:
                cuts += 1
                execute(
                    postgresql,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE application_name LIKE 'syncd process {os.getpid()} %'",
                )

        event.listen(state.engine, "before_cursor_execute", cut)
        lease = state.lease()
        with pytest.raises(StateError):
            lease.acquire()
        assert not lease.held()
        assert lease.acquire()
        lease.release()


def test_a_lease_in_a_database_that_is_gone_says_so() -> None:
    drop = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
    with throw_away_database(postgresql_url(), drop) as url, another(url) as state:
        lease = state.lease()
        execute(postgresql_url(), drop.format(make_url(url).database))
        with pytest.raises(StateError, match="create the database"):
            lease.acquire()


def test_states_in_two_schemas_do_not_share_a_lease(state: State, request: pytest.FixtureRequest, url: str) -> None:
    lease = state.lease()
    lease.acquire()
    elsewhere = url.replace("syncd.db", "other.db")
    if elsewhere == url:
        schema = "other_schema"
        execute(str(request.getfixturevalue("postgresql")), f"CREATE SCHEMA {schema}")
        elsewhere = url.rpartition("%3D")[0] + f"%3D{schema}"
    with another(elsewhere) as other:
        theirs = other.lease()
        assert (theirs.is_taken(), theirs.acquire()) == (False, True)
        theirs.release()
    lease.release()
