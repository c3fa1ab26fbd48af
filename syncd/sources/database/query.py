"""The statements that are built around the merchant's query: it stands unchanged in them, as a derived table.

SQLAlchemy Core builds them, so that each database gets its own syntax. Values are bound without a type: a cast would
make PostgreSQL refuse to compare them, or not use the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Subquery,
    TextClause,
    bindparam,
    column,
    false,
    func,
    literal_column,
    select,
)
from sqlalchemy import text as sql_text
from sqlalchemy.types import NullType

from syncd.sql import Grammar

_SINCE = "since"
_DERIVED = "orders_"
_BLANKS = ("\t", "\r", "\n", "\xa0", "\u200b", "\ufeff")
"""What, beside the space, gets into the numbers of orders when they are typed or imported."""

Statement = Select[tuple[Any, ...]]


class OrdersQuery:
    """The merchant's SELECT, `text`, read by the database's `grammar`. `names`: the known columns that it has -> their
    spelling in the database.

    Each method's `since` is the value of `:since` in the query, if it has that: a value before all orders, but for
    `changed`. `order_by`, `by`, `names`: names of known columns.
    """

    def __init__(self, text: str, grammar: Grammar, names: Mapping[str, str] | None = None) -> None:
        self.text = text
        self._names = names or {}
        self._query = grammar.for_sqlalchemy(text, {_SINCE})
        self.uses_since = _SINCE in grammar.parameters(text)

    def no_rows(self) -> Statement:
        """All columns and no rows."""
        return select(literal_column("*")).select_from(self._orders(None)).where(false())

    def changed(self, names: Sequence[str], order_by: Sequence[str], since: object, *, bounded: bool) -> Statement:
        """The rows whose cursor, the first of `order_by`, is at or after `since` (not `bounded`: is not NULL): times in
        ascending order, numbers in descending order."""
        orders = self._orders(since)
        cursor, *others = self._columns(orders, order_by)
        start = cursor >= _value(None, since) if bounded else cursor.is_not(None)
        order = [cursor.desc(), *(other.desc() for other in others)] if order_by[0] == "sequence" else [cursor, *others]
        return _select_few(self._columns(orders, names)).where(start).order_by(*order)

    def all_orders(self, names: Sequence[str], order_by: Sequence[str], since: object) -> Statement:
        orders = self._orders(since)
        return select(*self._columns(orders, names)).order_by(*self._order(orders, order_by))

    def with_values(
        self,
        names: Sequence[str],
        order_by: Sequence[str],
        by: str,
        values: Sequence[Any],
        since: object,
        *,
        trimmed: bool = False,
    ) -> Statement:
        """The orders with these values in the column `by`. `trimmed`: blanks at the ends of the column do not count;
        no index helps then."""
        orders = self._orders(since)
        (wanted,) = self._columns(orders, [by])
        if trimmed:
            for blank in _BLANKS:
                wanted = func.replace(wanted, blank, " ")
            wanted = func.trim(wanted)
        these = bindparam("ids", values, type_=NullType(), expanding=True)
        statement = _select_few(self._columns(orders, names)).where(wanted.in_(these))
        return statement.order_by(*self._order(orders, order_by))

    def any_value(self, name: str, since: object) -> Statement:
        """The column's value in any one order that has one."""
        orders = self._orders(since)
        (wanted,) = self._columns(orders, [name])
        return _select_few([wanted]).where(wanted.is_not(None)).limit(1)

    def newest(self, names: Sequence[str], by: str, limit: int, since: object) -> Statement:
        """The `limit` orders with the highest values in the column `by`; NULL does not count."""
        orders = self._orders(since)
        (last,) = self._columns(orders, [by])
        return _select_few(self._columns(orders, names)).where(last.is_not(None)).order_by(last.desc()).limit(limit)

    def _orders(self, since: object) -> Subquery:
        query = sql_text(self._query)
        if self.uses_since:
            query = query.bindparams(_value(_SINCE, since))
        return query.columns(*map(column, self._names.values())).subquery(_DERIVED)

    def _order(self, orders: Subquery, order_by: Sequence[str]) -> list[ColumnElement[Any]]:
        """A row without a sequence comes before those with one. Each database would decide that in its own way."""
        columns = self._columns(orders, order_by)
        return [
            func.coalesce(column, literal_column("-1")) if name == "sequence" else column
            for name, column in zip(order_by, columns, strict=True)
        ]

    def _columns(self, orders: Subquery, names: Iterable[str]) -> list[ColumnElement[Any]]:
        return [orders.c[self._names[name]] for name in names]


def _select_few(columns: Sequence[ColumnElement[Any]]) -> Statement:
    """A few rows of the derived table. MySQL makes a whole table of it first if the query has a subquery in its SELECT
    list, and so would read all orders to find one. MariaDB does not, and takes the hint for a comment."""
    return select(*columns).prefix_with(f"/*+ MERGE({_DERIVED}) */", dialect="mysql")


def as_written(query: str, grammar: Grammar) -> TextClause:
    """A query without parameters, which stands by itself."""
    return sql_text(grammar.for_sqlalchemy(query, ()))


def _value(name: str | None, value: object) -> BindParameter[Any]:
    return bindparam(name, value, type_=NullType(), unique=name is None)
