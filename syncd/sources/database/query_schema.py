"""The schema of the merchant's query: its columns and their types, and with it the statements that read orders.

Every command reads the schema again, so it reads as few rows as possible: without an index, finding the newest row
makes the database read all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from syncd.errors import SourceError
from syncd.sources.columns import KNOWN, REQUIRED, ColumnOptions, Layout
from syncd.sources.cursors import BEFORE_ALL
from syncd.sources.database.connection import Database
from syncd.sources.database.query import OrdersQuery, Statement
from syncd.sources.timestamps import Raw, moment


@dataclass(frozen=True, slots=True)
class QueryColumns:
    """The columns of the query: those used, those of them that are compared, and those ignored."""

    used: Sequence[str]
    compared: Sequence[str]
    ignored: Sequence[str]


@dataclass(frozen=True, slots=True)
class QuerySchema:
    """`before_all`: a value for `:since` before every order. `unordered`: columns that the database cannot sort.

    The statements give whole rows, in the columns of `layout.names`, unless said otherwise.
    """

    query: OrdersQuery
    layout: Layout
    columns: QueryColumns
    before_all: object
    unordered: Collection[str] = ()

    def all_orders(self, *, whole: bool) -> Statement:
        """All orders by id: whole, or only the compared columns."""
        names = self.layout.names if whole else self.layout.compared
        return self.query.all_orders(names, self._sorted_by_id(whole=whole), self.before_all)

    def statuses(self) -> Statement:
        """All orders by id, their status and, where the query gives it, its message."""
        names = [name for name in ("order_id", "status", "message") if name in self.columns.used]
        return self.query.all_orders(names, self._sorted_by_id(whole=True), self.before_all)

    def with_values(self, by: str, values: Sequence[Any]) -> Statement:
        """The orders with these raw values in the column `by`."""
        return self.query.with_values(self.layout.names, self._last_counts, by, values, self.before_all)

    def with_trimmed_values(self, by: str, texts: Sequence[str]) -> Statement:
        """The orders with these texts in the column `by`, without the blanks at its ends. The database reads all."""
        return self.query.with_values(self.layout.names, self._last_counts, by, texts, self.before_all, trimmed=True)

    def changed(self, since: object) -> Statement:
        """The rows at or after `since`: by time the oldest first, by number the newest first. None: all that have a
        time or number."""
        start = self.before_all if since is None else since
        return self.query.changed(self.layout.names, self._last_counts, start, bounded=since is not None)

    def newest(self, limit: int) -> Statement:
        """A few orders, those that changed last if that is known."""
        return self.query.newest(self.layout.names, self.layout.cursor or "order_id", limit, self.before_all)

    def any_value(self, name: str) -> Statement:
        """The column's value in any one order that has one."""
        return self.query.any_value(name, self.before_all)

    @property
    def _last_counts(self) -> Sequence[str]:
        """The columns to sort by, so that the last one of an order's rows counts: always the same row, else its status
        would change back and forth."""
        compared = (name for name in self.layout.compared if name not in self.unordered)
        return *((self.layout.cursor,) if self.layout.cursor else ()), *compared

    def _sorted_by_id(self, *, whole: bool) -> Sequence[str]:
        if whole:
            return tuple(dict.fromkeys(("order_id", *self._last_counts)))
        return ("order_id", "sequence") if self.layout.by_sequence else ("order_id",)


def read_query_schema(database: Database, query: str, options: ColumnOptions) -> QuerySchema:
    """SourceError: the query does not run, has no `order_id` or no `status`, or its `sequence` is text."""
    described = database.describe(OrdersQuery(query, database.grammar).no_rows())
    types = {name.lower(): code for name, code in described}
    _require_columns(REQUIRED, [name for name, _ in described])
    layout = Layout(tuple(types), options)
    known = {name.lower(): name for name, _ in described if name.lower() in KNOWN}
    orders = OrdersQuery(query, database.grammar, known)
    before_all: object = BEFORE_ALL
    if "sequence" not in types:
        before_all = database.dialect.before_all_of(types.get("updated_at"))
    elif not database.dialect.holds_numbers(types["sequence"]):
        _require_numbers(database, orders)
    columns = QueryColumns(layout.names, layout.compared, [name for name in types if name not in layout.names])
    unordered = [name for name, code in types.items() if not database.dialect.has_order(code)]
    return QuerySchema(orders, layout, columns, before_all, unordered)


def sample_time(database: Database, schema: QuerySchema) -> Raw | None:
    """An `updated_at` as the shop writes them now. None: there is none, or it cannot be read. SourceError.

    Of a column of dates any one will do. Of texts and numbers only the newest one shows how they are written now.
    """
    some = database.rows(schema.any_value("updated_at"))
    if some and not isinstance(some[0][0], date):
        some = database.rows(schema.query.newest(["updated_at"], "updated_at", 1, schema.before_all))
    with suppress(ValueError):  # 'infinity', for one
        moment(some[0][0] if some else None)
        return cast("Raw", some[0][0])
    return None


def _require_columns(names: Sequence[str], there: Sequence[str]) -> None:
    missing = [name for name in names if name not in map(str.lower, there)]
    if missing:
        raise SourceError(
            f"the query gives no column named {' and none named '.join(missing)}, only {', '.join(there)}. "
            "Name its columns in SYNCD_SOURCE__QUERY, e.g.: SELECT number AS order_id, state AS status, …"
        )


def _require_numbers(database: Database, orders: OrdersQuery) -> None:
    """Text sorts 10 before 9, so that the wrong row of an order would be its last."""
    found = database.rows(orders.newest(["sequence"], "sequence", 1, BEFORE_ALL))
    if found and isinstance(found[0][0], str):
        raise SourceError(
            "the query gives sequence as text, which does not sort as numbers do. "
            "Give it as an integer in SYNCD_SOURCE__QUERY, with CAST(… AS …)"
        )
