"""`syncd status` beside a daemon: it writes nothing, and waits for nobody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from syncd.cli.commands import syncd
from syncd.state import Lease, State, open_state
from tests.made import NOON


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """Its last poll was long ago."""
    with closing(open_state(f"sqlite:///{tmp_path}/syncd.db", redact=str)) as state:
        state.polls.record_poll(NOON, None)
        yield state


@pytest.fixture
def lease(state: State) -> Iterator[Lease]:
    """A daemon's."""
    lease = state.lease()
    assert lease.acquire()
    yield lease
    lease.release()


def reasons(url: str) -> dict[str, dict[str, Any]]:
    env = {
        "SYNCD_STATE__URL": url,
        "SYNCD_SOURCE__URL": "sqlite:///shop.db",
        "SYNCD_SOURCE__QUERY": "SELECT order_id, status, updated_at FROM orders",
        "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/orders",
    }
    ran = CliRunner().invoke(syncd, ["status", "--json"], env=env, catch_exceptions=False)
    return {reason["kind"]: reason for reason in json.loads(ran.stdout)["verdict"]["reasons"]}


@pytest.mark.usefixtures("lease")
def test_other_writers_are_no_fault_of_the_state(state: State) -> None:
    with closing(sqlite3.connect(state.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = other.execute("PRAGMA data_version").fetchall()
        assert "state" not in reasons(f"sqlite:///{state.place}")
        assert other.execute("PRAGMA data_version").fetchall() == before


def test_fault_of_the_daemon_shows_while_it_runs(state: State, lease: Lease) -> None:
    url = f"sqlite:///{state.place}"
    lease.note_fault("the disk is full")
    assert reasons(url)["state"]["detail"] == "the disk is full"
    lease.note_fault(None)
    assert "state" not in reasons(url)
    lease.note_fault("the disk is full")
    lease.release()
    assert "state" not in reasons(url)


def test_replaced_file_shows(state: State, lease: Lease, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with closing(sqlite3.connect(state.place)) as now, closing(sqlite3.connect(copy)) as backup:
        now.backup(backup)
    copy.rename(state.place)
    assert "restart syncd" in reasons(f"sqlite:///{state.place}")["state"]["detail"]


def test_login_that_only_reads_finds_no_fault(postgresql_state: str) -> None:
    with closing(open_state(postgresql_state, redact=str)) as state:
        state.polls.record_poll(NOON, None)
        lease = state.lease()
        assert lease.acquire()
        found = reasons(f"{postgresql_state}%20-cdefault_transaction_read_only%3Don")
        lease.release()
    assert "late" in found
    assert "state" not in found
