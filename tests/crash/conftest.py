from __future__ import annotations

from tests.servers import mariadb_database, postgresql_database

__all__ = ["mariadb_database", "postgresql_database"]
