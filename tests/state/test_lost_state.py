"""A state in a file that is deleted, and one that is made where another was lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncd.errors import StateError
from syncd.state import State, open_state
from tests.made import NOON
from tests.state.made import decision, stage, states


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/syncd.db"


def opened(url: str, *, create: bool = True) -> State:
    return open_state(url, redact=str, create=create, clock=lambda: NOON)


def lose(tmp_path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"syncd.db{suffix}").unlink(missing_ok=True)


def test_state_made_where_one_was_lost_says_so(tmp_path: Path, url: str) -> None:
    """Until an operator accepts it, which releases nothing."""
    with closing(opened(url)) as state:
        assert state.reports.summary().lost_at is None
        lease = state.lease()
        assert lease.acquire()
        lease.release()
    lose(tmp_path)
    with closing(opened(url)) as state:
        assert state.reports.summary().lost_at == NOON
        stage(state, decision("1", hold="guard"))
        assert [state.operator.accept_baseline() for _ in range(2)] == [True, False]
        assert states(state) == ["held"]
    with closing(opened(url)) as state:
        assert state.reports.summary().lost_at is None


def test_file_deleted_under_a_daemon_is_noticed(tmp_path: Path, url: str) -> None:
    with closing(opened(url)) as state:
        lease = state.lease()
        assert lease.acquire()
        assert state.file_fault() is None
        lose(tmp_path)
        assert "was deleted or replaced" in (state.file_fault() or "")
        with pytest.raises(StateError, match=r"was deleted or moved away while a daemon works with it \(process "):
            opened(url, create=False)
        state.store.engine.dispose()
        with pytest.raises(StateError, match="was deleted while syncd works with it"):
            state.reports.summary()
        assert not (tmp_path / "syncd.db").exists()
        lease.release()
        with pytest.raises(StateError, match=r"was lost: its lock .* restore it first. Starting the daemon"):
            opened(url, create=False)


def test_no_second_state_beside_a_daemon_whose_file_is_gone(tmp_path: Path, url: str) -> None:
    with closing(opened(url)) as state:
        lease = state.lease()
        assert lease.acquire()
        lose(tmp_path)
        with pytest.raises(StateError, match="was deleted or moved away while a daemon works with it"):
            opened(url)
        assert not (tmp_path / "syncd.db").exists()
        lease.release()


def replace(tmp_path: Path) -> None:
    """By a backup."""
    copy, file = tmp_path / "copy", tmp_path / "syncd.db"
    with closing(sqlite3.connect(file)) as state, closing(sqlite3.connect(copy)) as backup:
        state.backup(backup)
    copy.rename(file)


def test_file_that_was_replaced_is_noticed(tmp_path: Path, url: str) -> None:
    with closing(opened(url)) as state:
        replace(tmp_path)
        assert "was deleted or replaced" in (state.file_fault() or "")
        state.store.engine.dispose()
        with pytest.raises(StateError, match="was replaced while syncd works with it; restart syncd"):
            state.reports.summary()


def test_replaced_file_is_not_written_beside_the_daemon(tmp_path: Path, url: str) -> None:
    with closing(opened(url)) as state:
        lease = state.lease()
        assert lease.acquire()
        replace(tmp_path)
        with closing(opened(url, create=False)) as others:
            assert "works with the one that was there before: restart syncd" in (others.file_fault() or "")
            assert others.reports.summary().lost_at is None
            with pytest.raises(StateError, match="restart syncd, then try again"):
                others.operator.release(NOON)
        lease.release()
    with closing(opened(url)) as state:
        assert state.file_fault() is None
        state.operator.release(NOON)


def test_whatever_fails_in_a_replaced_file_says_so(tmp_path: Path, url: str) -> None:
    """SQLite may take it for damaged."""
    with closing(opened(url)) as state:
        lease = state.lease()
        assert lease.acquire()
        lose(tmp_path)
        (tmp_path / "syncd.db").write_bytes(b"no database" * 1000)
        with pytest.raises(StateError, match="restart syncd, then try again"):
            opened(url, create=False)
        lease.release()


def test_state_in_postgresql_has_no_file(postgresql_state: str) -> None:
    with closing(opened(postgresql_state)) as state:
        assert state.file_fault() is None


def test_mark_of_the_settings_is_kept(memory: State) -> None:
    assert memory.settings_mark() is None
    memory.note_settings({"salt": "a", "digest": "b"})
    assert memory.settings_mark() == {"salt": "a", "digest": "b"}
