"""Routine statements find their rows by an index, however many there are, and whatever the database knows of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from syncd.model import Decision
from syncd.state import State, open_state
from syncd.state.schema import SQLITE_TIME
from syncd.state.seen import load
from syncd.state.store import Store
from syncd.state.transitions import release_held
from tests.made import NOON
from tests.state.made import adopted, change, decision, deliver, outcome, seen, stage, take, write_down

ENDED = 50
_SCANS = text("SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname IN ('seen', 'changes') ORDER BY 1")
"""How often PostgreSQL read a table from its beginning to its end."""
_FETCHED = text("SELECT sum(idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname = 'changes'")
"""How many rows PostgreSQL found by indexes."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "syncd.db"


@pytest.fixture
def state(file: Path) -> Iterator[State]:
    """Two orders, each with changes that ended."""
    with closing(open_state(f"sqlite:///{file}", redact=str)) as state:
        stage(state, adopted("7"), adopted("8"))
        for number in range(ENDED):
            stage(state, *(decision(order_id, f"s{number}", number + 1) for order_id in ("7", "8")))
            deliver(state)
        yield state


@contextmanager
def plans(state: State, file: Path) -> Iterator[dict[str, list[str]]]:
    """How SQLite goes about each statement that is run within."""
    found: dict[str, list[str]] = {}

    def explain(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if statement.split(maxsplit=1)[0] in ("SELECT", "UPDATE", "DELETE"):
            with closing(sqlite3.connect(file)) as other:
                other.create_function(SQLITE_TIME, 0, int)
                rows = other.execute(f"EXPLAIN QUERY PLAN {statement}", values[0] if many else values)
                found[statement] = [row[3] for row in rows]

    event.listen(state.store.engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(state.store.engine, "before_cursor_execute", explain)


def test_routine_statements_do_not_read_ended_changes(state: State, file: Path) -> None:
    with plans(state, file) as found:
        stage(state, decision("7", "a", 60))
        assert state.polls.load(["7", "8"]).keys() == {"7", "8"}
        pushes = take(state)
        stage(state, decision("7", "b", 61), decision("8", "held", 61, hold="status"))
        write_down(state, *(outcome(push) for push in pushes))
        write_down(state, *(outcome(push, "retry") for push in take(state)))
        state.polls.resolve_unlisted(lambda _status: "push", 0, NOON)
        take(state)
        successor = State(Store(state.store.engine, state.place, str, 1.0))
        assert successor.outbox.record_and_claim([], 1, None, NOON, claim=timedelta())
    by_order = {
        statement: [step.partition("(")[2] for step in plan if "changes_by_order" in step]
        for statement, plan in found.items()
    }
    assert sum(map(bool, by_order.values())) >= 7
    assert not [
        statement for statement, searches in by_order.items() for one in searches if "AND ended_at=?" not in one
    ]
    assert not [step for plan in found.values() for step in plan if step in ("SCAN changes", "SCAN seen")]


def test_no_plan_is_kept_from_small_tables(postgresql_state: str) -> None:
    """PostgreSQL keeps a plan until its statistics are renewed, which may be long after thousands of rows came."""
    ids = [str(number) for number in range(3000)]
    with closing(open_state(postgresql_state, redact=str)) as state:
        for order_id in ids[:10]:
            stage(state, adopted(order_id))
            state.polls.load([order_id])
        stage(state, *(decision(order_id) for order_id in ids))
        with state.store.read() as connection:
            before = connection.execute(_SCANS).all()
            load(connection, ids[:10])
            assert connection.execute(_SCANS).all() == before


def test_release_does_not_read_what_is_due_for_each(postgresql_state: str) -> None:
    """Before the database has statistics: while many changes wait, and many are held after them."""
    ids = [str(number) for number in range(3000)]
    held = [decision(order_id, "odd", 2, hold="status") for order_id in ids[:600]]
    with closing(open_state(postgresql_state, redact=str)) as state:
        stage(state, *(decision(order_id, "new", 1) for order_id in ids))
        stage(state, *held)
        with state.store.write() as connection:
            assert release_held(connection, NOON, "status") == len(held)
            assert connection.execute(_FETCHED).scalar_one() < 5 * len(ids)


def test_similar_numbers_are_looked_up_in_indexes(state: State, file: Path) -> None:
    with plans(state, file) as found:
        state.reports.similar_numbers("№ 70")
    steps = [step for plan in found.values() for step in plan if "seen" in step]
    assert len(steps) == len(found) == 5
    assert all(step.startswith("SEARCH seen USING") for step in steps)


def test_summary_and_recent_are_read_along_indexes(state: State, file: Path) -> None:
    """However many changes wait that were refused, or are held."""
    stage(state, decision("7", "a", 60, hold="status"), decision("8", "a", 60))
    with plans(state, file) as found:
        state.reports.summary()
        state.reports.recent()
        state.reports.waiting(1)
    steps = {step for statement, plan in found.items() if "changes.state =" in statement for step in plan}
    assert steps == {
        "SEARCH changes USING INDEX changes_pending (refusals>?)",
        "SEARCH changes USING INDEX changes_pending (refusals=?)",
        "SEARCH changes USING INDEX changes_due",
        "SEARCH changes USING INDEX changes_held (hold=? AND status>?)",
        "SEARCH changes USING INDEX changes_held (hold=? AND status=?)",
        *("CO-ROUTINE anon_1", "SCAN anon_1"),  # the few that are counted
    }


def stage_tracking(state: State, *numbers: int) -> None:
    """Order 7 keeps its status and gets a tracking number, one after the other."""
    for number in numbers:
        content = {"status": "s49", "tracking": f"T{number}"}
        told = change("7", "s49", number, content=content)._replace(previous_status="s49")
        stage(state, Decision(seen("7", content, content, revision=number), told))


def test_news_of_a_change_is_found_in_an_index(state: State, file: Path) -> None:
    """That of the oldest one in the list; that of the others stands in the list itself."""
    stage_tracking(state, 60, 61, 62, 63)
    with plans(state, file) as found:
        views = [*state.reports.changes(order_id="7", limit=3)]
    assert [view.besides for view in views] == [{"tracking": f"T{number}"} for number in (63, 62, 61)]
    [plan] = [plan for statement, plan in found.items() if "max(changes.id)" in statement]
    assert [step for step in plan if "SCALAR" not in step] == [
        "SEARCH changes USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH changes USING COVERING INDEX changes_by_order (order_id=?)",
    ]


def test_a_long_story_is_read_in_one_piece(state: State) -> None:
    """Not each change by itself, which is looked for among all changes of its order."""
    stage_tracking(state, *range(60, 90))
    looked_for = 0

    def count(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        nonlocal looked_for
        looked_for += "max(changes.id)" in statement

    event.listen(state.store.engine, "before_cursor_execute", count)
    assert len(state.reports.story("7").changes) == ENDED + 30
    assert looked_for <= 1
