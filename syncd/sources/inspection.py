"""Questions about a shop's database that no poll asks, for the doctor: each reads little and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement

from syncd.model import Dropped, Order, Skipped
from syncd.sources.columns import Layout
from syncd.sources.connection import Database
from syncd.sources.learning import Learnt
from syncd.sources.login import may_write
from syncd.sources.planner import Plan, Polls, plan
from syncd.sources.query import Statement
from syncd.sources.replication import Replication, replication
from syncd.sources.timestamps import instant, is_zero_date, like, moment

LOOKED_AT = 1000
NEWEST = 200
FEW = 100


@dataclass(frozen=True, slots=True)
class Look:
    """Some rows, in no particular order: how many, those that are no orders, fields of orders that cannot be read, and
    what is written as their `updated_at` where that cannot be."""

    rows: int
    skipped: Sequence[Skipped]
    dropped: Sequence[Dropped]
    unreadable_times: Sequence[str]


@dataclass(frozen=True, slots=True)
class Newest:
    """The rows that changed last, newest first, or some rows if that is not known, and those of their `updated_at` that
    can be read, in UTC. `wall_clock`: these are written without an offset, so that the source's time zone decides what
    they mean. `whole_seconds`: none of them has a fraction."""

    rows: Sequence[Order | Skipped]
    times: Sequence[datetime]
    wall_clock: bool
    whole_seconds: bool


@dataclass(frozen=True, slots=True)
class Untimed:
    """Orders whose `updated_at` is NULL, by their ids; and those in which the shop writes that there was no change, as
    0000-00-00 or the beginning of 1970: what is written -> their ids."""

    nulls: Sequence[str]
    written: Mapping[str, Sequence[str]]


class Inspection:
    """Each method reads a bounded number of rows, though finding them may take a while, and may raise SourceError."""

    def __init__(self, database: Database, learnt: Learnt, zone: tzinfo) -> None:
        self._database = database
        self._learnt = learnt
        self._zone = zone

    @property
    def database(self) -> str:
        """The database for a person, without user or password."""
        return self._database.name

    def look(self) -> Look:
        """Without zero dates, which `untimed` tells."""
        rows = self._database.rows(self._learnt.everything(whole=True).order_by(None).limit(LOOKED_AT))
        found = look_at(rows, self._learnt.layout, dated=self.goes_by_time)
        return replace(found, unreadable_times=[one for one in found.unreadable_times if not is_zero_date(one)])

    def newest(self) -> Newest:
        rows = self._newest_rows(NEWEST)
        return newest_of(rows, self._learnt.layout, self._zone)

    def plan(self) -> Plan | None:
        """How the database would run a poll that finds nothing. None: it is not known how to ask this database."""
        learnt = self._learnt
        one, another = map(learnt.changed, self._ahead())
        polls = Polls(one, another, learnt.everything(whole=True), learnt.query.uses_since)
        return plan(self._database, polls, learnt.query.text, learnt.layout.cursor or "")

    def is_small(self) -> bool:
        """Whether there are so few orders that a database may well read them all though it has an index."""
        few = self._learnt.everything(whole=False).order_by(None).limit(FEW)
        return len(self._database.rows(few)) < FEW

    def may_write(self) -> Sequence[str] | None:
        """What the login may do besides reading, a few examples. None: it is not known how to ask this database."""
        return may_write(self._database)

    @property
    def goes_by_time(self) -> bool:
        """Whether polls follow `updated_at`: not a sequence, nor nothing."""
        return self._learnt.layout.cursor == "updated_at"

    def untimed(self, limit: int) -> Untimed:
        """Some orders that do not say when they changed. To MariaDB a zero date is NULL, in a column that has none."""
        statement = self._learnt.everything(whole=True).order_by(None)
        column, dialect = self._updated_at_of(statement), self._database.dialect
        conditions = (column.is_(None), dialect.is_never(column, self._learnt.before_all))
        rows = [row for where in conditions for row in self._database.rows(statement.where(where).limit(limit))]
        by_value: dict[Any, list[str]] = {}
        for row in rows:
            by_value.setdefault(self._updated_at(row), []).append(str(self._learnt.layout.value(row, "order_id")))
        nulls = by_value.pop(None, [])
        return Untimed(nulls, {str(value): [*dict.fromkeys(ids)][:limit] for value, ids in by_value.items()})

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
        value: Any = self._learnt.before_all
        if newest is not None:
            value = self._learnt.layout.value(newest, self._learnt.layout.cursor or "")
        if isinstance(value, int | Decimal) and not self.goes_by_time:
            return value + 1, value + 2
        try:
            last = max(instant(moment(value), self._zone), self._database.now())
            return like(value, last + timedelta(days=1), self._zone), like(value, last + timedelta(days=3), self._zone)
        except ValueError:
            return value, value

    def _newest_rows(self, limit: int) -> Sequence[Sequence[Any]]:
        """Those that changed last and say when. In a descending order PostgreSQL would give NULL first."""
        statement = self._learnt.newest(limit)
        if self.goes_by_time:
            statement = statement.where(self._updated_at_of(statement).is_not(None))
        return self._database.rows(statement)

    def _updated_at_of(self, statement: Statement) -> ColumnElement[Any]:
        column: ColumnElement[Any] = [*statement.selected_columns][self._learnt.layout.names.index("updated_at")]
        return column

    def _updated_at(self, row: Sequence[Any]) -> Any:
        return self._learnt.layout.value(row, "updated_at")


def newest_of(rows: Sequence[Sequence[Any]], layout: Layout, zone: tzinfo) -> Newest:
    """What these rows tell, given as they are to be told."""
    moments = [when for row in rows if (when := _moment(layout.value(row, "updated_at")))]
    return Newest(
        rows=[layout.order(row) for row in rows],
        times=sorted((instant(when, zone) for when in moments), reverse=True),
        wall_clock=any(when.tzinfo is None for when in moments),
        whole_seconds=not any(when.microsecond for when in moments),
    )


def look_at(rows: Sequence[Sequence[Any]], layout: Layout, *, dated: bool) -> Look:
    """What these rows tell. `dated`: also of their updated_at."""
    times = [layout.value(row, "updated_at") for row in rows] if dated else []
    page = layout.page(rows)
    return Look(
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
