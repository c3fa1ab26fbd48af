"""What the doctor says of the shop's login, and of databases that it cannot ask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from sqlalchemy import make_url, select

from syncd.doctor.database_checks import DatabaseChecks
from syncd.doctor.database_inspection import DatabaseInspection, write_privileges
from syncd.doctor.planner import IndexUse, PollStatements, index_use
from syncd.pipeline.statuses_file import Statuses
from syncd.sources.database import DatabaseSource
from syncd.sources.database.connection import Database
from syncd.sources.database.dialects import MSSQL
from tests.doctor.installation import OLD, Installation
from tests.made import NOON
from tests.servers import execute, new_login


def test_a_login_that_write_privileges_is_told(each_database: Installation) -> None:
    each_database.has_orders(OLD)
    assert re.search("warning: the login (can|has|is) ", each_database.found("source"))


def test_a_mariadb_login_that_only_reads_is_well(mariadb_database: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": mariadb_database})
    installation.has_orders(OLD)
    database = make_url(mariadb_database).database
    with new_login(mariadb_database, f"SELECT, SHOW VIEW ON {database}.*") as (name, mine):
        assert "ok: the login may only read" in installation.found("source", SYNCD_SOURCE__URL=mine)
        execute(mariadb_database, f"GRANT SELECT, UPDATE (state) ON {database}.orders TO {name}")
        assert f"warning: the login has UPDATE on `{database}`.`orders`" in installation.found(
            "source", SYNCD_SOURCE__URL=mine
        )


def test_a_postgresql_login_that_only_reads_is_well(postgresql_database: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": postgresql_database})
    installation.has_orders(OLD)
    with new_login(postgresql_database, "SELECT ON orders") as (name, mine):
        assert "ok: the login may only read" in installation.found("source", SYNCD_SOURCE__URL=mine)
        execute(postgresql_database, f"GRANT DELETE ON orders TO {name}")
        assert "warning: the login can write orders syncd never writes there" in installation.found(
            "source", SYNCD_SOURCE__URL=mine
        )


def test_writable_sqlite_shop_in_wal_mode_is_ok(installation: Installation) -> None:
    """A reader in WAL mode must be able to write the file."""
    installation.has_orders(OLD)
    execute(installation.shop, "PRAGMA journal_mode = WAL")
    assert "ok: the login may only read" in installation.found("source")


class OtherSource:
    """A shop on a kind of database that there is no way to ask."""

    dialect = MSSQL(None)

    def has_cursor(self) -> bool:
        return True

    def index_use(self) -> IndexUse | None:
        return index_use(cast("Database", self), PollStatements(select(), select(), select(), uses_since=False), "", "")

    def write_privileges(self) -> Sequence[str] | None:
        return write_privileges(cast("Database", self))


def test_other_databases_report_what_is_unknown() -> None:
    source = OtherSource()
    shop = DatabaseChecks(
        cast("DatabaseSource", source),
        Statuses(),
        lambda _push: b"{}",
        lambda: NOON,
        inspect=lambda _: cast("DatabaseInspection", source),
    )
    for finding in (*shop.index(), *shop.login()):
        assert finding.level == "ok"
        assert finding.text.startswith("cannot tell on this kind of database whether ")
