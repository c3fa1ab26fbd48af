from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.sandbox import Sandbox
from tests.e2e.world import World
from tests.imshop.conftest import certificate, tls_stub
from tests.notify.conftest import receiver
from tests.servers import mariadb_database, postgresql_database

__all__ = ["certificate", "mariadb_database", "postgresql_database", "receiver", "tls_stub", "world"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Sandbox(key="test-key") as sandbox:
        world = World(tmp_path, sandbox)
        try:
            yield world
        finally:
            world.close()
