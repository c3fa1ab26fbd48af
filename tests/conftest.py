from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from syncd.state import State
from tests.made import check_counts
from tests.states import SqliteState

# CI tries the same examples each time: it judges a change, and must not fail for another's. Every other run looks for
# new ones; --hypothesis-profile=deep does for hours.
settings.register_profile("explore", settings.get_profile("default"), deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("explore"), derandomize=True)
settings.register_profile("deep", settings.get_profile("explore"), max_examples=100_000)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "explore")


gc.disable()
"""While tests are collected: what is made then stays, and to look for garbage in it takes half of the time."""
os.environ["SSL_CERT_FILE"] = os.devnull
"""PyMySQL has OpenSSL read the machine's certificates for each connection, in 23 ms. No test trusts one of them."""


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was() -> Iterator[None]:
    """A command that is run within a test sends all logs elsewhere, and the next test would hear nothing."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def shared_sqlite() -> SqliteState:
    return SqliteState()


@pytest.fixture
def memory(shared_sqlite: SqliteState) -> Iterator[State]:
    """A real state in SQLite, empty."""
    state = shared_sqlite.emptied()
    yield state
    check_counts(state)
    state.close()
