from __future__ import annotations

from tests.e2e.conftest import postgresql_database, world

__all__ = ["postgresql_database", "world"]
