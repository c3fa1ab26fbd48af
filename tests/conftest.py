from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from syncd.state import State, open_state

# Hypothesis's own "ci" would try the same examples each time. deep: --hypothesis-profile=deep, for hours.
settings.register_profile("ci", settings.get_profile("default"), deadline=None, print_blob=True)
settings.register_profile("deep", settings.get_profile("ci"), max_examples=100_000)
settings.load_profile("ci")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[State]:
    """A real state in SQLite."""
    state = open_state(f"sqlite:///{tmp_path}/state.db", redact=str)
    yield state
    state.close()
