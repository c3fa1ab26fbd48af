from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.installation import Installation
from tests.e2e.conftest import world
from tests.imshop.conftest import _no_proxy, certificate, stub, tls_stub
from tests.servers import DATABASES, mariadb_database, postgresql_database

__all__ = ["_no_proxy", "certificate", "mariadb_database", "postgresql_database", "stub", "tls_stub", "world"]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A shop in SQLite."""
    return Installation(tmp_path)


@pytest.fixture(params=DATABASES)
def each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """A shop in each of the databases."""
    if request.param == "sqlite":
        return Installation(tmp_path)
    return Installation(tmp_path, {"SYNCD_SOURCE__URL": request.getfixturevalue(f"{request.param}_database")})
