"""The statements that are built around the merchant's query, which stays as it is, as a derived table.

Built with SQLAlchemy Core, so that each database gets its own way to write them. Values are bound untyped: a cast would
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
_BLANKS_OF_PEOPLE = ("\t", "\r", "\n", "\xa0", "\u200b", "\ufeff")
"""Those that, beside the space, get into numbers of orders by hand or by import."""

Statement = Select[tuple[Any, ...]]


class OrdersQuery:
    """The merchant's SELECT, `text`, read by the database's `grammar`; `names` maps the known columns that it has to
    their spelling in the database."""

    def __init__(self, text: str, grammar: Grammar, names: Mapping[str, str] | None = None) -> None:
        self.text = text
        self._names = names or {}
        self._query = grammar.for_sqlalchemy(text, {_SINCE})
        self.uses_since = _SINCE in grammar.parameters(text)

    def no_rows(self) -> Statement:
        """All columns and no rows."""
        return select(literal_column("*")).select_from(self._orders(None)).where(false())

    def changed(self, names: Sequence[str], order_by: Sequence[str], since: object, *, bounded: bool) -> Statement:
        """The rows whose cursor, the first of `order_by`, is not before `since`: times go up, numbers go down."""
        orders = self._orders(since)
        cursor, *others = self._columns(orders, order_by)
        start = cursor >= _value(None, since) if bounded else cursor.is_not(None)
        order = [cursor.desc(), *(other.desc() for other in others)] if order_by[0] == "sequence" else [cursor, *others]
        return select(*self._columns(orders, names)).where(start).order_by(*order)

    def everything(self, names: Sequence[str], order_by: Sequence[str], since: object) -> Statement:
        """All orders. Here and below, `since` is for a query that asks for it: a value before all of them."""
        return self._select(self._orders(since), names, order_by)

    def among(
        self,
        names: Sequence[str],
        order_by: Sequence[str],
        by: str,
        values: Sequence[Any],
        since: object,
        *,
        bare: bool = False,
    ) -> Statement:
        """The orders that have these values in that column; `bare`: without the usual blanks at its ends."""
        orders = self._orders(since)
        (wanted,) = self._columns(orders, [by])
        if bare:
            for blank in _BLANKS_OF_PEOPLE:
                wanted = func.replace(wanted, blank, " ")
            wanted = func.trim(wanted)
        these = bindparam("ids", values, type_=NullType(), expanding=True)
        return self._select(orders, names, order_by).where(wanted.in_(these))

    def any_value(self, name: str, since: object) -> Statement:
        """The column's value in some order that has one: whichever the database comes upon first."""
        orders = self._orders(since)
        (wanted,) = self._columns(orders, [name])
        return select(wanted).where(wanted.is_not(None)).limit(1)

    def newest(self, names: Sequence[str], by: str, limit: int, since: object) -> Statement:
        """The last few orders by that column, of those that have it."""
        orders = self._orders(since)
        (last,) = self._columns(orders, [by])
        return select(*self._columns(orders, names)).where(last.is_not(None)).order_by(last.desc()).limit(limit)

    def _select(self, orders: Subquery, names: Sequence[str], order_by: Sequence[str]) -> Statement:
        return select(*self._columns(orders, names)).order_by(*self._order(orders, order_by))

    def _orders(self, since: object) -> Subquery:
        query = sql_text(self._query)
        if self.uses_since:
            query = query.bindparams(_value(_SINCE, since))
        return query.columns(*map(column, self._names.values())).subquery("orders_")

    def _order(self, orders: Subquery, order_by: Sequence[str]) -> list[ColumnElement[Any]]:
        """A row without a number comes before those that have one; on its own, each database decides that."""
        columns = self._columns(orders, order_by)
        return [
            func.coalesce(column, literal_column("-1")) if name == "sequence" else column
            for name, column in zip(order_by, columns, strict=True)
        ]

    def _columns(self, orders: Subquery, names: Iterable[str]) -> list[ColumnElement[Any]]:
        return [orders.c[self._names[name]] for name in names]


def as_written(query: str, grammar: Grammar) -> TextClause:
    """A query that stands for itself. Nothing in it is a parameter."""
    return sql_text(grammar.for_sqlalchemy(query, ()))


def _value(name: str | None, value: object) -> BindParameter[Any]:
    return bindparam(name, value, type_=NullType(), unique=name is None)
