"""What the doctor asks of a shop's database and no poll does. Each question reads little and changes nothing.

Rows         which of them cannot be read, which changed last, which do not say when they changed
Index        how the database would run a poll: planner.py
Privileges   what the login may do besides reading. syncd never writes to the shop; a login that cannot is a second
             safeguard
Replication  whether the database is a replica, and how far behind its primary: what a poll reads is that old
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import ColumnElement, text

from syncd.doctor.order_checks import NewestRows, RowProblems, newest_rows, row_problems
from syncd.doctor.planner import IndexUse, PollStatements, index_use
from syncd.errors import SourceError
from syncd.sources.database import DatabaseSource
from syncd.sources.database.connection import Database
from syncd.sources.database.dialects import MariaDB, PostgreSQL, SQLite
from syncd.sources.database.query import Statement
from syncd.sources.database.query_schema import QuerySchema
from syncd.sources.timestamps import instant, is_zero_date, moment, written_in_two_ways, written_like

ROWS_READ = 1000
NEWEST_READ = 200
FEW = 100


@dataclass(frozen=True, slots=True)
class RowsWithoutTime:
    """The ids of orders whose `updated_at` is NULL; and of those where the shop writes a value that means "never", such
    as 0000-00-00 or the beginning of 1970: value -> ids."""

    nulls: Sequence[str]
    never: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Replication:
    """`behind` None: it is not replicating now, or does not say how far behind it is."""

    is_replica: bool
    behind: timedelta | None = None


class DatabaseInspection:
    """Each method reads a bounded number of rows, though finding them may take a while, and may raise SourceError."""

    @classmethod
    def of(cls, source: DatabaseSource) -> Self:
        return cls(source.database, source.query_schema(), source.timezone)

    def __init__(self, database: Database, schema: QuerySchema, zone: tzinfo) -> None:
        self._database = database
        self._schema = schema
        self._zone = zone

    @property
    def database(self) -> str:
        """The database for a person, without user or password."""
        return self._database.name

    @property
    def goes_by_time(self) -> bool:
        """Whether the cursor is `updated_at`: neither a sequence nor nothing."""
        return self._schema.layout.cursor == "updated_at"

    def row_problems(self) -> RowProblems:
        """What is wrong with some rows. Zero dates are left to `rows_without_time`."""
        rows = self._database.rows(self._schema.all_orders(whole=True).order_by(None).limit(ROWS_READ))
        found = row_problems(rows, self._schema.layout, with_times=self.goes_by_time)
        return replace(found, unreadable_times=[one for one in found.unreadable_times if not is_zero_date(one)])

    def newest(self) -> NewestRows:
        return newest_rows(self._newest_rows(NEWEST_READ), self._schema.layout, self._zone)

    def rows_without_time(self, limit: int) -> RowsWithoutTime:
        """Some orders that do not say when they changed. In MariaDB a zero date `IS NULL` if the column is NOT NULL, so
        the values that come decide, not the condition."""
        layout, dialect = self._schema.layout, self._database.dialect
        statement = self._schema.all_orders(whole=True).order_by(None)
        column = self._updated_at_of(statement)
        conditions = (column.is_(None), dialect.is_never(column, self._schema.before_all))
        rows = [row for where in conditions for row in self._database.rows(statement.where(where).limit(limit))]
        by_value: dict[Any, list[str]] = {}
        for row in rows:
            by_value.setdefault(layout.value(row, "updated_at"), []).append(str(layout.value(row, "order_id")))
        nulls = by_value.pop(None, [])
        return RowsWithoutTime(nulls, {str(value): [*dict.fromkeys(ids)][:limit] for value, ids in by_value.items()})

    def times_written_in_two_ways(self) -> tuple[object, object] | None:
        """Two `updated_at` that the database does not sort as times, among some rows and those that sort last."""
        some = self._database.rows(self._schema.all_orders(whole=True).order_by(None).limit(ROWS_READ))
        rows = [*some, *self._newest_rows(NEWEST_READ)]
        return written_in_two_ways(self._schema.layout.value(row, "updated_at") for row in rows)

    def as_time(self, form: str) -> str | None:
        """How the query converts an `updated_at` of a form that `looks_like` knows into a time. None: not known."""
        expression = self._database.dialect.times.get(form)
        return expression and f"{expression.format('…')} AS updated_at"

    def is_small(self) -> bool:
        """Whether there are so few orders that a database may well read them all though it has an index."""
        few = self._schema.all_orders(whole=False).order_by(None).limit(FEW)
        return len(self._database.rows(few)) < FEW

    def index_use(self) -> IndexUse | None:
        """How the database would run a poll that finds nothing. None: it is not known how to ask this database."""
        schema = self._schema
        one, another = map(schema.changed, self._beyond_all())
        polls = PollStatements(one, another, schema.all_orders(whole=True), schema.query.uses_since)
        return index_use(self._database, polls, schema.query.text, schema.layout.cursor or "")

    def write_privileges(self) -> Sequence[str] | None:
        return write_privileges(self._database)

    def replication(self) -> Replication | None:
        return replication(self._database)

    def _beyond_all(self) -> tuple[Any, Any]:
        """Two values of the cursor that no order has reached, as the shop would write them."""
        newest = next(iter(self._newest_rows(1)), None)
        value: Any = self._schema.before_all
        if newest is not None:
            value = self._schema.layout.value(newest, self._schema.layout.cursor or "")
        if isinstance(value, int | Decimal) and not self.goes_by_time:
            return value + 1, value + 2
        try:
            last = max(instant(moment(value), self._zone), self._database.now())
            return written_like(value, last + timedelta(days=1), self._zone), written_like(
                value, last + timedelta(days=3), self._zone
            )
        except ValueError:
            return value, value

    def _newest_rows(self, limit: int) -> Sequence[Sequence[Any]]:
        """Those that changed last and say when. In a descending order PostgreSQL would give NULL first."""
        statement = self._schema.newest(limit)
        if self.goes_by_time:
            statement = statement.where(self._updated_at_of(statement).is_not(None))
        return self._database.rows(statement)

    def _updated_at_of(self, statement: Statement) -> ColumnElement[Any]:
        column: ColumnElement[Any] = [*statement.selected_columns][self._schema.layout.names.index("updated_at")]
        return column


_READ_ONLY = {"SELECT", "USAGE", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "EXECUTE", "REPLICATION CLIENT"}
_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<what>.+?) TO ", re.DOTALL)
_WRITABLE_TABLES = text("""
    SELECT c.oid::regclass::text AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'
      AND has_schema_privilege(n.oid, 'USAGE')
      AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    ORDER BY 1 LIMIT 3
""")
_SUPERUSER = text("SELECT rolsuper AS yes FROM pg_roles WHERE rolname = current_user")


def write_privileges(database: Database) -> Sequence[str] | None:
    """What the login may do besides reading, a few examples, each a predicate of "the login"; empty: nothing. None: it
    is not known how to ask this kind of database. SourceError."""
    if isinstance(database.dialect, SQLite):  # a file has no logins, only permissions
        (journal,) = database.named_rows(text("PRAGMA journal_mode"))
        if journal["journal_mode"] == "wal":  # there readers must be able to write the file too
            return []
        files = [str(row["file"]) for row in database.named_rows(text("PRAGMA database_list")) if row["file"]]
        return [f"can write the file {file}" for file in files if os.access(file, os.W_OK)]
    if isinstance(database.dialect, MariaDB):
        lines = [str(value) for row in database.named_rows(text("SHOW GRANTS")) for value in row.values()]
        found = []
        for grant in filter(None, map(_GRANT.match, lines)):
            without_columns = re.sub(r"\s*\([^)]*\)", "", grant["privileges"])
            writing = [one for one in without_columns.split(", ") if one.upper() not in _READ_ONLY]
            if writing:
                found.append(f"has {', '.join(writing)} on {grant['what']}")
        return found
    if isinstance(database.dialect, PostgreSQL):
        if any(row["yes"] for row in database.named_rows(_SUPERUSER)):
            return ["is a superuser"]
        return [f"can write {row['name']}" for row in database.named_rows(_WRITABLE_TABLES)]
    return None


_STANDBY = text("""
    SELECT pg_is_in_recovery() AS replica,
        CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
             ELSE EXTRACT(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS behind
""")


def replication(database: Database) -> Replication | None:
    """None: it cannot be asked, since it is another kind of database or the login lacks the privilege. SourceError."""
    if isinstance(database.dialect, PostgreSQL):
        (row,) = database.named_rows(_STANDBY)
        return Replication(bool(row["replica"]), _seconds(row["behind"]))
    if isinstance(database.dialect, MariaDB):
        for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):  # as newer servers call it, and older ones
            try:
                rows = database.named_rows(text(statement))
            except SourceError:  # unknown to this version, or not allowed for this login
                continue
            behind = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in rows]
            return Replication(bool(rows), None if None in behind else _seconds(max(behind, default=None)))
    return None


def _seconds(count: object) -> timedelta | None:
    return None if count is None else timedelta(seconds=float(str(count)))
