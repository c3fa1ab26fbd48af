"""A state of each kind, empty, for every test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from syncd.state import State, open_state
from tests.made import check_counts
from tests.servers import execute, postgresql_url, throw_away_database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL database for all tests of the state."""
    with throw_away_database(postgresql_url(), drop="DROP DATABASE {} WITH (FORCE)") as url:
        yield url


@pytest.fixture
def postgresql_state(postgresql: str) -> str:
    """The URL of an empty schema."""
    schema = f"s{uuid4().hex}"
    execute(postgresql, f"CREATE SCHEMA {schema}")
    return f"{postgresql}?options=-c%20search_path%3D{schema}"


@pytest.fixture
def sqlite_state(tmp_path: Path) -> str:
    """The URL of a file that does not exist yet."""
    return f"sqlite:///{tmp_path}/syncd.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Where there is no state yet, in each kind of database."""
    return str(request.getfixturevalue(f"{request.param}_state"))


@pytest.fixture
def state(url: str) -> Iterator[State]:
    """After each test its changes are counted anew."""
    state = open_state(url, redact=str, wait_seconds=5)
    yield state
    check_counts(state)
    state.close()
