"""A state of each kind, empty, for every test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from syncd.state import State
from tests.made import check_counts
from tests.servers import DROP_POSTGRESQL, execute, postgresql_url, throw_away_database
from tests.states import PostgresqlState


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL database for all tests of the state."""
    with throw_away_database(postgresql_url(), drop=DROP_POSTGRESQL) as url:
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


@pytest.fixture(scope="session")
def shared_postgresql(postgresql: str) -> Iterator[PostgresqlState]:
    with closing(PostgresqlState(postgresql)) as shared:
        yield shared


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str) -> str:
    """Where there is no state yet, in each kind of database; where a test asks for `state` too, the URL of that."""
    if "state" in request.fixturenames:
        return str(request.getfixturevalue(f"shared_{kind}").url)
    return str(request.getfixturevalue(f"{kind}_state"))


@pytest.fixture
def state(request: pytest.FixtureRequest, kind: str) -> Iterator[State]:
    """After each test its changes are counted anew."""
    state: State = request.getfixturevalue(f"shared_{kind}").emptied()
    yield state
    check_counts(state)
    state.close()
