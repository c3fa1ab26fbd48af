"""What the login of the source may do to the shop besides reading. syncd never writes there; a login that cannot is a
second lock on that door."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import text

from syncd.sources.connection import Database
from syncd.sources.dialects import Dialect, MariaDB, PostgreSQL, SQLite

_MERELY_READS = {"SELECT", "USAGE", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "EXECUTE", "REPLICATION CLIENT"}
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<what>.+?) TO ", re.DOTALL)

_WRITABLE = text("""
    SELECT c.oid::regclass::text AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'
      AND has_schema_privilege(n.oid, 'USAGE')
      AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    ORDER BY 1 LIMIT 3
""")
_SUPERUSER = text("SELECT rolsuper AS yes FROM pg_roles WHERE rolname = current_user")


def may_write(database: Database) -> Sequence[str] | None:
    """What the login may do besides reading, a few examples; empty: nothing. None: it is not known how to ask this
    database. SourceError."""
    asker = _ASKERS.get(type(database.dialect))
    return asker(database) if asker else None


def _sqlite(database: Database) -> Sequence[str]:
    """A file has no logins, only permissions. In WAL mode readers need them too, so there nothing could be mended."""
    (journal,) = database.ask(text("PRAGMA journal_mode"))
    files = [str(row["file"]) for row in database.ask(text("PRAGMA database_list")) if row["file"]]
    if journal["journal_mode"] == "wal":
        return []
    return [f"write the file {file}" for file in files if os.access(file, os.W_OK)]


def _mariadb(database: Database) -> Sequence[str]:
    grants = [_GRANT.match(str(value)) for row in database.ask(text("SHOW GRANTS")) for value in row.values()]
    return [
        f"{', '.join(rights)} on {grant['what']}"
        for grant in grants
        if grant and (rights := _beyond_reading(grant["rights"]))
    ]


def _beyond_reading(rights: str) -> list[str]:
    without_columns = re.sub(r"\s*\([^)]*\)", "", rights)
    return [right for right in without_columns.split(", ") if right.upper() not in _MERELY_READS]


def _postgresql(database: Database) -> Sequence[str]:
    if any(row["yes"] for row in database.ask(_SUPERUSER)):
        return ["everything, as a superuser"]
    return [f"write {row['name']}" for row in database.ask(_WRITABLE)]


_ASKERS: Mapping[type[Dialect], Callable[[Database], Sequence[str]]] = {
    SQLite: _sqlite,
    MariaDB: _mariadb,
    PostgreSQL: _postgresql,
}
