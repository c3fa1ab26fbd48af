"""What a look at the merchant's query tells: its columns, and how the shop writes a timestamp.

Each command looks anew, so a look reads no more rows than it must: where only the newest one tells, and no index leads
to it, the database reads them all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    """What the query gives: the columns that are used, those of them that are compared, and those ignored."""

    used: Sequence[str]
    compared: Sequence[str]
    ignored: Sequence[str]


@dataclass(frozen=True, slots=True)
class QuerySchema:
    """What was schema. `before_all` is a value for `:since` that lies before every order. `unordered`: columns that the
    database cannot sort."""

    query: OrdersQuery
    layout: Layout
    columns: QueryColumns
    before_all: object
    unordered: Collection[str] = ()

    def everything(self, *, whole: bool) -> Statement:
        """All orders, whole or only what is compared, by id."""
        names = self.layout.names if whole else self.layout.compared
        return self.query.everything(names, self._by_id(whole=whole), self.before_all)

    def statuses(self) -> Statement:
        """All orders by id, their status and, where the query gives it, its message."""
        names = [name for name in ("order_id", "status", "message") if name in self.columns.used]
        return self.query.everything(names, self._by_id(whole=True), self.before_all)

    def among(self, ids: Sequence[Any], by: str = "order_id") -> Statement:
        """The orders with these raw values in that column, whole."""
        return self.query.among(self.layout.names, self._last_counts, by, ids, self.before_all)

    def among_bare(self, texts: Sequence[str], by: str) -> Statement:
        """The orders with these texts in that column, blanks at its ends aside, whole. It reads all orders."""
        return self.query.among(self.layout.names, self._last_counts, by, texts, self.before_all, bare=True)

    def changed(self, since: object) -> Statement:
        """The rows since then, whole: by time the oldest first, by number the newest. None: all that have one."""
        start = self.before_all if since is None else since
        return self.query.changed(self.layout.names, self._last_counts, start, bounded=since is not None)

    def newest(self, limit: int) -> Statement:
        """A few orders, whole, those that changed last where that is known."""
        return self.query.newest(self.layout.names, self.layout.cursor or "order_id", limit, self.before_all)

    def any_value(self, name: str) -> Statement:
        """The column's value in some order that has one."""
        return self.query.any_value(name, self.before_all)

    @property
    def _last_counts(self) -> Sequence[str]:
        """An order in which, of one order's rows, the last counts: always the same one, else its status would flap."""
        compared = (name for name in self.layout.compared if name not in self.unordered)
        return *((self.layout.cursor,) if self.layout.cursor else ()), *compared

    def _by_id(self, *, whole: bool) -> Sequence[str]:
        if whole:
            return tuple(dict.fromkeys(("order_id", *self._last_counts)))
        return ("order_id", "sequence") if self.layout.by_sequence else ("order_id",)


def read_query_schema(database: Database, query: str, options: ColumnOptions) -> QuerySchema:
    """Look at the query. SourceError: it does not run, has no `order_id` or no `status`, or a `sequence` of text."""
    described = database.describe(OrdersQuery(query, database.grammar).no_rows())
    types = {name.lower(): code for name, code in described}
    _require(REQUIRED, [name for name, _ in described])
    layout = Layout(tuple(types), options)
    known = {name.lower(): name for name, _ in described if name.lower() in KNOWN}
    orders = OrdersQuery(query, database.grammar, known)
    unordered = [name for name, code in types.items() if not database.dialect.has_order(code)]
    if "sequence" in types:
        if not database.dialect.holds_numbers(types["sequence"]):
            _require_numbers(database, orders)
        return QuerySchema(orders, layout, _columns(types, layout), BEFORE_ALL, unordered)
    before_all = database.dialect.before_all_of(types.get("updated_at"))
    return QuerySchema(orders, layout, _columns(types, layout), before_all, unordered)


def sample_time(database: Database, schema: QuerySchema) -> Raw | None:
    """An `updated_at` as the shop writes them now. None: there is none, or it cannot be read. SourceError.

    A column of dates writes all of them alike. How texts and numbers are written now only the newest one tells.
    """
    some = database.rows(schema.any_value("updated_at"))
    if some and not isinstance(some[0][0], date):
        some = database.rows(schema.query.newest(["updated_at"], "updated_at", 1, schema.before_all))
    with suppress(ValueError):  # an 'infinity' tells nothing
        moment(some[0][0] if some else None)
        return cast("Raw", some[0][0])
    return None


def _require(names: Sequence[str], there: Sequence[str]) -> None:
    missing = [name for name in names if name not in map(str.lower, there)]
    if missing:
        raise SourceError(
            f"the query gives no column named {' and none named '.join(missing)}, only {', '.join(there)}. "
            "Name its columns in SYNCD_SOURCE__QUERY, e.g.: SELECT number AS order_id, state AS status, …"
        )


def _require_numbers(database: Database, orders: OrdersQuery) -> None:
    """Text that looks like numbers sorts 10 before 9: the last row of an order would be another one."""
    found = database.rows(orders.newest(["sequence"], "sequence", 1, BEFORE_ALL))
    if found and isinstance(found[0][0], str):
        raise SourceError(
            "the query gives sequence as text, which does not sort as numbers do. "
            "Give it as an integer in SYNCD_SOURCE__QUERY, with CAST(… AS …)"
        )


def _columns(names: Mapping[str, object], layout: Layout) -> QueryColumns:
    return QueryColumns(layout.names, layout.compared, [name for name in names if name not in layout.names])
