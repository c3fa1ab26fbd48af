"""Orders from a shop's database, by the merchant's own SELECT.

    query ──► columns schema once ──► changed: updated_at or sequence >= cursor less the lookback, in pages
                                  └─► scan: everything, only the compared columns, streamed as bare tuples

An incremental poll is one statement whose rows are cut into pages here. Pages that were each a statement of their own
would have to find the place again where the last one ended, which a tie, a NULL id, a collation or a timestamp finer
than the driver's can each make ambiguous: an order would be lost there, or a page come again for ever.

All rows but those of a scan that is not whole are put aside before the first is given, so that the shop does not wait
for what is done with them. While more than one page of them is read, empty ones come: the reading goes on. Of such a
scan, what differs is put aside by whoever takes it: reconcile.py.

A pass over all orders of a database, for a full compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Literal
from uuid import UUID

from syncd.errors import SourceError
from syncd.model import Identified, Order, Page, Skipped
from syncd.sources.columns import NO_KEYS, ColumnOptions, Layout, flag_of, text_or_none
from syncd.sources.cursors import FIRST, NumberCursor, TimeCursor, last_of_each, number, with_last_flag
from syncd.sources.database.connection import Database
from syncd.sources.database.dialects import Rows
from syncd.sources.database.query import Statement, as_written
from syncd.sources.database.query_schema import QueryColumns, QuerySchema, read_query_schema, sample_time
from syncd.sources.database.status_dictionary import statuses
from syncd.sources.status_counts import StatusCount
from syncd.sources.timestamps import Raw, moment


class DatabaseScan:
    """Satisfies `pipeline.full_compare.Scan`. `follow` and `count` note how far the orders reach; None: the scan is not
    whole, or the orders have no timestamp or number. `repeats`: of an order's many rows only the last is given."""

    def __init__(
        self,
        blocks: Iterator[Rows],
        layout: Layout,
        follow: TimeCursor | None,
        count: NumberCursor | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        self._blocks = last_of_each(blocks) if repeats else blocks
        self._layout = layout
        self._follow = follow
        self._count = count

    @property
    def width(self) -> int:
        return self._layout.width

    def blocks(self) -> Iterator[Rows]:
        for block in self._blocks:
            if self._follow:
                self._follow.note_all(self._layout.value(row, "updated_at") for row in block)
            if self._count:
                self._count.note_all(self._layout.value(row, "sequence") for row in block)
            yield block

    def content(self, row: Sequence[Any]) -> Identified | Skipped:
        return self._layout.content(row)

    def read(self, rows: Sequence[Sequence[Any]]) -> Page:
        return self._layout.page(rows)

    def newest(self) -> tuple[str, datetime | None] | None:
        newest = self._follow.newest() if self._follow else None
        return self._count.newest(newest) if self._count else newest


_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_BLOCK = 2000
_LOOK_UP = 500
"""Ids in one statement: Oracle takes 1,000, MSSQL 2,100."""


@dataclass(kw_only=True, eq=False, repr=False)
class DatabaseSource:
    """Satisfies `pipeline.poll.Source` and `pipeline.full_compare.ScannedSource`. Every method may raise SourceError.

    url, init_sql        as SYNCD_SOURCE__URL and SYNCD_SOURCE__INIT_SQL
    query                a SELECT; the names of its columns say what they mean
    query_when           a SELECT of one value, asked before each reading: where it is false, `query_else` is read
    statuses_query       a SELECT of the shop's dictionary: status, message
    timezone             of timestamps without an offset
    lookback             how far behind its cursor each poll reads again
    lookback_rows        the same for a cursor that is a number
    batch                rows a page
    tracking_template    a URL with `{tracking_number}` in it
    message_is_change    whether a different message alone is a change
    message_is_html      whether messages are escaped as HTML writes text
    redact               masks secrets in texts for people
    clock                the source's present; None: the database's own clock
    """

    url: InitVar[str]
    query: str
    timezone: tzinfo
    lookback: timedelta
    lookback_rows: int
    batch: int
    query_when: str | None = None
    query_else: str | None = None
    statuses_query: str | None = None
    tracking_template: InitVar[str | None] = None
    message_is_change: InitVar[bool] = False
    message_is_html: InitVar[bool] = False
    init_sql: InitVar[str | None] = None
    redact: InitVar[Callable[[str], str]] = str
    clock: Callable[[], datetime] | None = None
    scans_whole: ClassVar = False
    _schema: QuerySchema | None = field(default=None, init=False)
    _schema_of: str | None = field(default=None, init=False)
    _sampled: tuple[QuerySchema, Raw | None] | None = field(default=None, init=False)

    def __post_init__(
        self,
        url: str,
        tracking_template: str | None,
        message_is_change: bool,
        message_is_html: bool,
        init_sql: str | None,
        redact: Callable[[str], str],
    ) -> None:
        self.database = Database(url, init_sql, redact)
        self._options = ColumnOptions(self.timezone, tracking_template, message_is_change, message_is_html)

    def now(self) -> datetime:
        """The source's present, in UTC."""
        return self.clock() if self.clock else self.database.now()

    def columns(self) -> QueryColumns:
        return self.query_schema().columns

    def has_cursor(self) -> bool:
        return self.query_schema().layout.cursor is not None

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's rows the last counts.

        By time the oldest come first. Rows dated in the future are among them each time, but the cursor never passes
        the source's present. By number the newest come first, and an order once.
        """
        schema = self.query_schema()
        return self._counted(cursor, schema) if schema.layout.by_sequence else self._followed(cursor, schema)

    def _followed(self, cursor: str, schema: QuerySchema) -> Iterator[Page]:
        follow = TimeCursor(cursor, self.now(), self.timezone, self._sample_time(schema))
        blocks = self._blocks(schema.changed(follow.since(self.lookback)), self.batch)
        for rows, last in with_last_flag(blocks):
            page = _page(rows, partial(_in_time, schema.layout, follow), last=last)
            yield replace(page, cursor=follow.cursor(last=last)) if rows or last else page

    def _counted(self, cursor: str, schema: QuerySchema) -> Iterator[Page]:
        count = NumberCursor(cursor)
        since = max(FIRST, count.since(self.lookback_rows) or FIRST)
        blocks = self._blocks(schema.changed(since), self.batch)
        for rows, last in with_last_flag(blocks):
            page = _page(rows, partial(_by_number, schema.layout, count), last=last)
            if last and not count.has_read:  # the table starts anew, or was cut short: its numbers lie below the cursor
                count.note_all(schema.layout.value(row, "sequence") for row in self._rows(schema.newest(1)))
            yield replace(page, cursor=count.cursor() if last else None)

    def scan(self, *, whole: bool) -> DatabaseScan:
        """All orders, the compared columns alone or `whole`."""
        schema = self.query_schema()
        follow = TimeCursor(None, self.now(), self.timezone) if whole and "updated_at" in schema.columns.used else None
        count = NumberCursor(None) if whole and schema.layout.by_sequence else None
        everything = schema.everything(whole=whole)
        # To note each row's time takes eight times as long as to read the row: of whole rows, once they are put aside.
        read = self.database.blocks if whole else self.database.streamed
        blocks = self._watched(read(everything, _BLOCK))
        return DatabaseScan(blocks, schema.layout, follow, count, repeats=schema.layout.by_sequence)

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them; of one order's rows the last counts."""
        schema = self.query_schema()
        groups = [ids[start : start + _LOOK_UP] for start in range(0, len(ids), _LOOK_UP)]
        return schema.layout.page([row for group in groups for row in self._rows(schema.among(group))])

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """None: a statement loses no order."""
        return iter(())

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str] = NO_KEYS) -> Page:
        """The orders with these numbers, as a person types them, or with the shop's own keys that are known of some of
        them: those stand in an index where numbers may not. What is not there is left out."""
        keys = shop_ids if self.gives("shop_id") else NO_KEYS
        by_key = self._find("shop_id", [keys[order_id] for order_id in order_ids if order_id in keys])
        by_number = self._find("order_id", [order_id for order_id in order_ids if order_id not in keys])
        return Page([*by_key.orders, *by_number.orders], [*by_key.skipped, *by_number.skipped])

    def gives(self, column: str) -> bool:
        """Whether orders come with this column."""
        return column in self.query_schema().columns.used

    def sample(self, limit: int) -> Page:
        """A few orders, those that changed last where that is known."""
        schema = self.query_schema()
        return schema.layout.page(self._rows(schema.newest(limit)))

    def statuses(self, list_failed: Callable[[str], None] | None = None) -> list[StatusCount]:
        """Every status code that the shop has, with its name and how many orders are there. `list_failed` is told why
        the shop's own list cannot be read; None: that is a SourceError."""
        return statuses(self.database, self.query_schema(), self.statuses_query, list_failed)

    def status_codes(self) -> set[str]:
        """The codes that the shop lists or its orders have."""
        return {status.code for status in self.statuses(lambda _why: None)}

    def close(self) -> None:
        """Close all connections. The source may be used again."""
        self.database.close()

    def _find(self, column: Literal["order_id", "shop_id"], texts: Sequence[str]) -> Page:
        """The orders that have exactly these texts there; a database may hold others to be equal to them."""
        schema = self.query_schema()
        some = self._rows(schema.any_value(column)) if texts else []
        raw = [value for text in texts if some for value in _as_raw(text, some[0][0])]
        rows = self._exactly(texts, schema, column, raw, schema.among)
        if some and isinstance(some[0][0], str):
            there = {text_or_none(schema.layout.value(row, column)) for row in rows}
            # Not for every database is a text with blanks equal to the text, and no index knows it without them.
            absent = [text for text in texts if text not in there]
            rows += self._exactly(absent, schema, column, absent, schema.among_bare)
        return schema.layout.page(rows)

    def _exactly(
        self,
        texts: Collection[str],
        schema: QuerySchema,
        column: str,
        values: Sequence[Any],
        among: Callable[[Sequence[Any], str], Statement],
    ) -> list[tuple[Any, ...]]:
        some = (values[start : start + _LOOK_UP] for start in range(0, len(values), _LOOK_UP))
        rows = (row for part in some for row in self._rows(among(part, column)))
        return [row for row in rows if text_or_none(schema.layout.value(row, column)) in texts]

    def query_schema(self) -> QuerySchema:
        query = self._query_in_force()
        if self._schema is None or query != self._schema_of:
            self._schema, self._schema_of = read_query_schema(self.database, query, self._options), query
        return self._schema

    def _sample_time(self, schema: QuerySchema) -> Raw | None:
        """Looked for once, and only by a poll."""
        if self._sampled is None or self._sampled[0] is not schema:
            self._sampled = schema, sample_time(self.database, schema)
        return self._sampled[1]

    def _query_in_force(self) -> str:
        if self.query_when is None or self.query_else is None:
            return self.query
        found = self.database.rows(as_written(self.query_when, self.database.grammar))
        try:
            return self.query if found and flag_of(found[0][0]) else self.query_else
        except ValueError:
            raise SourceError("SYNCD_SOURCE__QUERY_WHEN gives neither yes nor no. Have it give 1 or 0") from None

    def _rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        return [row for block in self._blocks(statement, _BLOCK) for row in block]

    def _blocks(self, statement: Statement, size: int) -> Iterator[Rows]:
        return self._watched(self.database.blocks(statement, size))

    def _watched(self, blocks: Iterator[Rows]) -> Iterator[Rows]:
        try:
            yield from blocks
        except SourceError:
            self._schema = None  # the table may have been altered
            raise


_Read = Order | Skipped | None


def _page(rows: Rows, read: Callable[[Sequence[Any]], _Read], *, last: bool) -> Page:
    found = [read(row) for row in rows]
    return Page(
        [order for order in found if isinstance(order, Order)],
        [row for row in found if isinstance(row, Skipped)],
        last=last,
    )


def _in_time(layout: Layout, follow: TimeCursor, row: Sequence[Any]) -> _Read:
    """A row as an order, noted by the cursor. Without a timestamp it is left to the full compare."""
    raw = layout.value(row, "updated_at")
    try:
        when = moment(raw)
    except ValueError as error:
        order_id = text_or_none(layout.value(row, "order_id"))
        return Skipped("bad_timestamp", order_id, f"order {order_id or 'without an id'}: updated_at {error}")
    follow.note(raw, when)
    return layout.order(row, beyond_cursor=follow.is_beyond(when))


def _by_number(layout: Layout, count: NumberCursor, row: Sequence[Any]) -> _Read:
    """A row as an order, noted by the cursor. None: a later row of the order was read."""
    raw_id = layout.value(row, "order_id")
    try:
        reached = number(layout.value(row, "sequence"))
    except ValueError as error:
        order_id = text_or_none(raw_id)
        return Skipped("bad_sequence", order_id, f"order {order_id or 'without an id'}: sequence {error}")
    count.note(reached)
    return layout.order(row, beyond_cursor=count.is_beyond(reached)) if count.is_last(text_or_none(raw_id)) else None


def _as_raw(order_id: str, like: object) -> Sequence[object]:
    """What the id may be in a column of that value's type."""
    try:
        match like:
            case bool() | int():
                return [number] if _WHOLE.fullmatch(order_id) and (number := int(order_id)).bit_length() < 64 else []
            case float() | Decimal():
                return [Decimal(order_id)] if _WHOLE.fullmatch(order_id) or _DECIMAL.fullmatch(order_id) else []
            case UUID():
                return [UUID(order_id)]
            case bytes():  # BINARY(n) is filled up with NUL, and holds a UUID without its dashes
                text = order_id.encode()
                return [
                    text,
                    text.ljust(len(like), b"\0"),
                    *([bytes.fromhex(order_id)] if _HEX.fullmatch(order_id) else []),
                ]
    except (ValueError, ArithmeticError):
        return []
    return [order_id]
