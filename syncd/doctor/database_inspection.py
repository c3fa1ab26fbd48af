"""Questions about a shop's database that no poll asks, for the doctor: each reads little and changes nothing.

What the login of the source may do to the shop besides reading. syncd never writes there; a login that cannot is a
second lock on that door.

Whether the shop's database is a replica, and how far behind its primary: what a poll reads is that old.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import ColumnElement, text

from syncd.doctor.planner import IndexUse, PollStatements, index_use
from syncd.errors import SourceError
from syncd.model import Dropped, Order, Skipped
from syncd.sources import DatabaseSource
from syncd.sources.columns import Layout
from syncd.sources.database.connection import Database
from syncd.sources.database.dialects import Dialect, MariaDB, PostgreSQL, SQLite
from syncd.sources.database.query import Statement
from syncd.sources.database.query_schema import QuerySchema
from syncd.sources.timestamps import instant, is_zero_date, moment, written_like

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
    asker = _PRIVILEGES.get(type(database.dialect))
    return asker(database) if asker else None


def _privileges_in_sqlite(database: Database) -> Sequence[str]:
    """A file has no logins, only permissions. In WAL mode readers need them too, so there nothing could be mended."""
    (journal,) = database.named_rows(text("PRAGMA journal_mode"))
    files = [str(row["file"]) for row in database.named_rows(text("PRAGMA database_list")) if row["file"]]
    if journal["journal_mode"] == "wal":
        return []
    return [f"write the file {file}" for file in files if os.access(file, os.W_OK)]


def _privileges_in_mariadb(database: Database) -> Sequence[str]:
    grants = [_GRANT.match(str(value)) for row in database.named_rows(text("SHOW GRANTS")) for value in row.values()]
    return [
        f"{', '.join(rights)} on {grant['what']}"
        for grant in grants
        if grant and (rights := _beyond_reading(grant["rights"]))
    ]


def _beyond_reading(rights: str) -> list[str]:
    without_columns = re.sub(r"\s*\([^)]*\)", "", rights)
    return [right for right in without_columns.split(", ") if right.upper() not in _MERELY_READS]


def _privileges_in_postgresql(database: Database) -> Sequence[str]:
    if any(row["yes"] for row in database.named_rows(_SUPERUSER)):
        return ["everything, as a superuser"]
    return [f"write {row['name']}" for row in database.named_rows(_WRITABLE)]


_PRIVILEGES: Mapping[type[Dialect], Callable[[Database], Sequence[str]]] = {
    SQLite: _privileges_in_sqlite,
    MariaDB: _privileges_in_mariadb,
    PostgreSQL: _privileges_in_postgresql,
}


_STANDBY = text("""
    SELECT pg_is_in_recovery() AS replica,
        CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
             ELSE EXTRACT(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS behind
""")
_REPLICA = ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
"""As newer servers call it, and as older ones do."""


@dataclass(frozen=True, slots=True)
class Replication:
    """`behind` None: it does not follow its primary now, or does not say how far."""

    is_replica: bool
    behind: timedelta | None = None


def replication(database: Database) -> Replication | None:
    """None: it cannot be asked, since the kind of database is another one or the login may not know. SourceError."""
    asker = _REPLICATIONS.get(type(database.dialect))
    return asker(database) if asker else None


def _replication_in_postgresql(database: Database) -> Replication:
    (row,) = database.named_rows(_STANDBY)
    return Replication(bool(row["replica"]), _span(row["behind"]))


def _replication_in_mariadb(database: Database) -> Replication | None:
    for statement in _REPLICA:
        try:
            rows = database.named_rows(text(statement))
        except SourceError:  # a word of another version, or a right that the login does not have
            continue
        behind = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in rows]
        return Replication(bool(rows), None if None in behind else _span(max(behind, default=None)))
    return None


def _span(seconds: object) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=float(str(seconds)))


_REPLICATIONS: Mapping[type[Dialect], Callable[[Database], Replication | None]] = {
    MariaDB: _replication_in_mariadb,
    PostgreSQL: _replication_in_postgresql,
}


LOOKED_AT = 1000
NEWEST = 200
FEW = 100


@dataclass(frozen=True, slots=True)
class RowProblems:
    """Some rows, in no particular order: how many, those that are no orders, fields of orders that cannot be read, and
    what is written as their `updated_at` where that cannot be."""

    rows: int
    skipped: Sequence[Skipped]
    dropped: Sequence[Dropped]
    unreadable_times: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewestRows:
    """The rows that changed last, newest first, or some rows if that is not known, and those of their `updated_at` that
    can be read, in UTC. `wall_clock`: these are written without an offset, so that the source's time zone decides what
    they mean. `whole_seconds`: none of them has a fraction."""

    rows: Sequence[Order | Skipped]
    times: Sequence[datetime]
    wall_clock: bool
    whole_seconds: bool


@dataclass(frozen=True, slots=True)
class RowsWithoutTime:
    """Orders whose `updated_at` is NULL, by their ids; and those in which the shop writes that there was no change, as
    0000-00-00 or the beginning of 1970: what is written -> their ids."""

    nulls: Sequence[str]
    written: Mapping[str, Sequence[str]]


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

    def row_problems(self) -> RowProblems:
        """Without zero dates, which `untimed` tells."""
        rows = self._database.rows(self._schema.everything(whole=True).order_by(None).limit(LOOKED_AT))
        found = row_problems(rows, self._schema.layout, with_times=self.goes_by_time)
        return replace(found, unreadable_times=[one for one in found.unreadable_times if not is_zero_date(one)])

    def newest(self) -> NewestRows:
        rows = self._newest_rows(NEWEST)
        return newest_rows(rows, self._schema.layout, self._zone)

    def index_use(self) -> IndexUse | None:
        """How the database would run a poll that finds nothing. None: it is not known how to ask this database."""
        schema = self._schema
        one, another = map(schema.changed, self._ahead())
        polls = PollStatements(one, another, schema.everything(whole=True), schema.query.uses_since)
        return index_use(self._database, polls, schema.query.text, schema.layout.cursor or "")

    def is_small(self) -> bool:
        """Whether there are so few orders that a database may well read them all though it has an index."""
        few = self._schema.everything(whole=False).order_by(None).limit(FEW)
        return len(self._database.rows(few)) < FEW

    def may_write(self) -> Sequence[str] | None:
        """What the login may do besides reading, a few examples. None: it is not known how to ask this database."""
        return may_write(self._database)

    @property
    def goes_by_time(self) -> bool:
        """Whether polls follow `updated_at`: not a sequence, nor nothing."""
        return self._schema.layout.cursor == "updated_at"

    def rows_without_time(self, limit: int) -> RowsWithoutTime:
        """Some orders that do not say when they changed. To MariaDB a zero date is NULL, in a column that has none."""
        statement = self._schema.everything(whole=True).order_by(None)
        column, dialect = self._updated_at_of(statement), self._database.dialect
        conditions = (column.is_(None), dialect.is_never(column, self._schema.before_all))
        rows = [row for where in conditions for row in self._database.rows(statement.where(where).limit(limit))]
        by_value: dict[Any, list[str]] = {}
        for row in rows:
            by_value.setdefault(self._updated_at(row), []).append(str(self._schema.layout.value(row, "order_id")))
        nulls = by_value.pop(None, [])
        return RowsWithoutTime(nulls, {str(value): [*dict.fromkeys(ids)][:limit] for value, ids in by_value.items()})

    def as_time(self, form: str) -> str | None:
        """How the query would make a time of an `updated_at` of a form that `looks_like` knows."""
        written = self._database.dialect.times.get(form)
        return written and f"{written.format('…')} AS updated_at"

    def replication(self) -> Replication | None:
        """Whether the database is a replica. None: it cannot be asked."""
        return replication(self._database)

    def _ahead(self) -> tuple[Any, Any]:
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

    def _updated_at(self, row: Sequence[Any]) -> Any:
        return self._schema.layout.value(row, "updated_at")


def newest_rows(rows: Sequence[Sequence[Any]], layout: Layout, zone: tzinfo) -> NewestRows:
    """What these rows tell, given as they are to be told."""
    moments = [when for row in rows if (when := _moment(layout.value(row, "updated_at")))]
    return NewestRows(
        rows=[layout.order(row) for row in rows],
        times=sorted((instant(when, zone) for when in moments), reverse=True),
        wall_clock=any(when.tzinfo is None for when in moments),
        whole_seconds=not any(when.microsecond for when in moments),
    )


def row_problems(rows: Sequence[Sequence[Any]], layout: Layout, *, with_times: bool) -> RowProblems:
    """What these rows tell. `with_times`: also of their updated_at."""
    times = [layout.value(row, "updated_at") for row in rows] if with_times else []
    page = layout.page(rows)
    return RowProblems(
        rows=len(rows),
        skipped=page.skipped,
        dropped=[one for order in page.orders for one in order.dropped],
        unreadable_times=[str(time)[:40] for time in times if time is not None and _moment(time) is None],
    )


def _moment(raw: object) -> datetime | None:
    try:
        when = moment(raw)
        instant(when, UTC)  # a wall clock at the ends of the calendar has none
    except ValueError:
        return None
    return when
