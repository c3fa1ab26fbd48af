"""Transactions are whole or nothing, and one writes at a time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.exc import StatementError

from syncd.errors import StateError
from syncd.model import Decision, Outcome, Push, Seen
from syncd.state import State
from syncd.state.seen import StagingTransaction
from syncd.state.store import WRITER_LOCK
from tests.made import NOON
from tests.servers import execute
from tests.state.made import adopted, another, decision, outcome, seen, stage, states, take, the, write_down

ADD_ONE = """
import sys
from datetime import UTC, datetime
from syncd.model import Decision
from syncd.state import open_state
state = open_state(sys.argv[1], redact=str)
for _ in range(20):
    with state.polls.staging() as staging:
        order = staging.load(["7"])["7"]
        staging.store([Decision(order._replace(revision=order.revision + 1))], datetime.now(UTC), counting=False)
"""


class PowerCutError(Exception):
    """The process dies here."""


def test_a_staging_that_dies_leaves_nothing(state: State) -> None:
    def die_midway() -> None:
        with state.polls.staging() as staging:
            staging.store([decision()], NOON, counting=False)
            staging.set_cursor("two")
            raise PowerCutError

    with pytest.raises(PowerCutError):
        die_midway()
    assert (state.polls.load(["7"]), list(state.reports.changes()), state.polls.cursor(), state.polls.tracked()) == (
        {},
        [],
        None,
        0,
    )


def dying_at(state: State, statement: int) -> Callable[[], int]:
    """The process dies at this statement of the next transactions. Returns a count of those that there were."""
    count = 0

    def die(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        nonlocal count
        count += not sql.startswith("BEGIN")
        if count == statement:
            raise PowerCutError

    event.listen(state.store.engine, "before_cursor_execute", die)

    def stop() -> int:
        event.remove(state.store.engine, "before_cursor_execute", die)
        return count

    return stop


def everything(state: State) -> Sequence[Any]:
    with state.store.read() as connection:
        tables = ("seen", "changes", "attempts", "facts", "segments")
        return [sorted(map(repr, connection.execute(text(f"SELECT * FROM {table}")))) for table in tables]


def each_step_dies(state: State, step: Callable[[], object]) -> int:
    """Let a step die at each of its statements; nothing of it may be left. Returns how many statements it has."""
    before = everything(state)
    for statement in range(1, 99):
        stop = dying_at(state, statement)
        try:
            step()
        except PowerCutError:
            stop()
            assert everything(state) == before
        else:
            return stop()
    return pytest.fail("a step that does not end")


def test_staging_that_dies_anywhere_leaves_nothing(state: State) -> None:
    stage(state, decision("1"), decision("2", hold="guard"), adopted("3"))
    news = [decision("1", "sent", 2), decision("2", "sent", 2, hold="status"), decision("4")]
    assert each_step_dies(state, lambda: stage(state, *news)) >= 8


def test_turn_that_dies_anywhere_is_repeated_whole(state: State) -> None:
    stage(state, *(decision(order_id, imshop_uuid="u") for order_id in "1234"))
    first, second = take(state, 2)
    results: list[Outcome] = [outcome(first), outcome(second, "dead")]
    pushes: list[Push] = []
    assert each_step_dies(state, lambda: pushes.extend(state.outbox.record_and_claim(results, 5, None, NOON))) >= 8
    assert states(state) == ["delivered", "dead", "pending", "pending"]
    assert [push.order_id for push in pushes] == ["3", "4"]


def test_settlement_that_dies_anywhere_leaves_nothing(state: State) -> None:
    stage(state, decision("1"))
    stage(state, decision("1", "sent", 2), counting=True)
    each_step_dies(state, lambda: state.polls.release_or_hold(5, NOON))
    assert states(state) == ["superseded", "pending"]


def test_two_threads_never_stage_at_once(state: State) -> None:
    stage(state, adopted("7"))
    start = Barrier(4)

    def add(_thread: int) -> None:
        start.wait()
        for _ in range(10):
            with state.polls.staging() as staging:
                stored(staging, staging.load(["7"])["7"].revision + 1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(4)))
    assert the(state).revision == 40


def stored(staging: StagingTransaction, revision: int) -> None:
    known: Seen = seen(revision=revision)
    staging.store([Decision(known)], NOON, counting=False)


def test_two_processes_never_stage_at_once(state: State, url: str) -> None:
    stage(state, adopted("7"))
    both = [subprocess.Popen([sys.executable, "-c", ADD_ONE, url]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert the(state).revision == 40


def test_who_reads_waits_for_no_writer(state: State, url: str) -> None:
    stage(state, adopted("7"))
    with another(url) as other, other.polls.staging() as staging:
        staging.store([decision()], NOON, counting=False)
        assert the(state).content == {"status": "new"}
    assert the(state).content == {"status": "packed"}


def test_a_state_that_another_process_locks_says_so(state: State, url: str) -> None:
    with state.polls.staging(), another(url) as other, pytest.raises(StateError, match="is locked by another process"):
        other.polls.set_cursor("two")
    assert state.polls.cursor() is None


def test_a_state_that_another_task_locks_says_so(state: State, url: str) -> None:
    with another(url) as other, other.polls.staging(), pytest.raises(StateError, match="is locked by another task"):
        other.polls.set_cursor("two")


def test_full_disk_is_reported_and_recovered_from(sqlite_state: str) -> None:
    with another(sqlite_state) as state:

        def limit(pages: int) -> None:
            with state.store.engine.connect() as connection:
                connection.execute(text(f"PRAGMA max_page_count = {pages}"))

        limit(1)
        lots = [adopted(f"{number:500}") for number in range(500)]
        with pytest.raises(StateError, match="the disk is full; free some space"):
            stage(state, *lots)
        assert state.polls.tracked() == 0
        limit(100_000)
        stage(state, *lots)
        assert state.polls.tracked() == 500


def test_cut_connection_rolls_back_and_is_replaced(postgresql_state: str, postgresql: str) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"

    def stage_while_it_is_cut(state: State) -> None:
        with state.polls.staging() as staging:
            staging.store([decision()], NOON, counting=False)
            execute(postgresql, f"{cut} AND datname = current_database()")
            staging.set_cursor("two")

    with another(postgresql_state) as state:
        with pytest.raises(StateError, match="cannot be reached"):
            stage_while_it_is_cut(state)
        assert (state.polls.tracked(), state.polls.cursor()) == (0, None)
        stage(state, decision())
        write_down(state, *map(outcome, take(state)))
        assert states(state) == ["delivered"]


def test_a_server_that_takes_too_long_is_named(postgresql_state: str) -> None:
    with (
        another(postgresql_state) as state,
        pytest.raises(StateError, match="took too long"),
        state.store.read() as connection,
    ):
        connection.execute(text("SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(5)"))


def test_too_many_readers_are_reported(url: str) -> None:
    with another(url) as state, ExitStack() as readers:
        for _ in range(15):
            readers.enter_context(state.store.read())
        with pytest.raises(StateError, match="is too busy"):
            state.polls.cursor()


def test_unexpected_database_error_is_reported(state: State) -> None:
    with pytest.raises(StateError, match=r"could not be read or written \("), state.store.read() as connection:
        connection.execute(text("SELECT 1 FRUM seen"))


def test_programming_error_is_no_state_error(state: State) -> None:
    with pytest.raises(StatementError) as caught, state.store.write() as connection:
        connection.execute(text("SELECT :unbound"))
    assert not isinstance(caught.value, StateError)


def test_silent_session_holding_writer_lock_is_ended(postgresql_state: str) -> None:
    """Its process is frozen, or its host is gone."""
    silent = create_engine(postgresql_state, poolclass=NullPool)
    with another(postgresql_state) as state, silent.connect() as connection:
        state.lease()
        connection.execute(WRITER_LOCK)
        assert state.end_silent_writers() == 0
        ends_at = time.monotonic() + 30
        while not state.end_silent_writers():
            assert time.monotonic() < ends_at
            time.sleep(0.2)
        stage(state, adopted("1"))
        connection.invalidate()


def test_on_sqlite_nobody_holds_a_lock_in_silence(sqlite_state: str) -> None:
    with another(sqlite_state) as state:
        state.lease()
        assert state.end_silent_writers() == 0


def test_connection_waiting_in_vain_can_be_cut(postgresql_state: str) -> None:
    def wait() -> None:
        with state.store.read() as connection:
            asking.wait()
            connection.execute(text("SELECT pg_sleep(60)"))

    asking = Barrier(2)
    with another(postgresql_state) as state, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(wait)
        asking.wait()
        while not waiting.done():
            state.cut_connections()
            time.sleep(0.05)
        with pytest.raises(StateError):
            waiting.result()
        stage(state, adopted("1"))


def test_on_sqlite_there_is_no_connection_to_cut(state: State) -> None:
    state.cut_connections()
    stage(state, adopted("1"))
