"""A state in a file that is deleted, and one that is made where another was lost."""

from __future__ import annotations

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
        state.operator.accept_baseline()
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
        with pytest.raises(StateError, match="there is no state yet"):
            opened(url, create=False)


def test_file_that_was_replaced_is_noticed(tmp_path: Path, url: str) -> None:
    with closing(opened(url)) as state:
        copy = tmp_path / "copy"
        copy.write_bytes((tmp_path / "syncd.db").read_bytes())
        copy.rename(tmp_path / "syncd.db")
        assert "was deleted or replaced" in (state.file_fault() or "")


def test_state_in_postgresql_has_no_file(postgresql_state: str) -> None:
    with closing(opened(postgresql_state)) as state:
        assert state.file_fault() is None
        state.try_writing()


def test_mark_of_the_settings_is_kept(memory: State) -> None:
    assert memory.settings_mark() is None
    memory.note_settings({"salt": "a", "digest": "b"})
    assert memory.settings_mark() == {"salt": "a", "digest": "b"}
