"""Orders from a shop's database, by the merchant's own SELECT. How a poll reads them:

    DatabaseSource.changed   here: pages of orders, and the cursor
      ├─► QuerySchema        query_schema.py: the columns of the query; builds statements by query.py
      └─► Database.blocks    connection.py: runs them, spools the rows; dialects.py: how each database streams

An incremental poll is one statement, whose rows are cut into pages here. If each page were a statement, it would have
to find the place where the last page ended; a tie, a NULL id, a collation or a timestamp finer than the driver's make
that ambiguous, so that an order would be lost, or the same page come again and again.

Rows are spooled before the first page is given, so that the shop does not wait for what is done with them. Meanwhile
empty pages come, which show that reading goes on. Only a scan of the compared columns is not spooled: the full compare
reads it as fast as it comes, and spools what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar, Literal

from syncd.errors import SourceError
from syncd.model import Identified, Order, Page, Skipped
from syncd.sources.columns import NO_KEYS, ColumnOptions, Layout, flag_of, text_or_none
from syncd.sources.cursors import FIRST, SequenceCursor, TimeCursor, last_of_each, parse_sequence, with_last_flag
from syncd.sources.database.connection import Database
from syncd.sources.database.query import Statement, as_written
from syncd.sources.database.query_schema import QueryColumns, QuerySchema, read_query_schema, sample_time
from syncd.sources.database.status_dictionary import count_statuses
from syncd.sources.status_counts import StatusCount
from syncd.sources.timestamps import Raw, moment
from syncd.spool import Rows


class DatabaseScan:
    """Satisfies `pipeline.full_compare.Scan`. `times` and `numbers` note the newest order; None: the scan is not whole,
    or the orders have no timestamp or number. `repeats`: an order may have several rows; only its last one is given."""

    def __init__(
        self,
        blocks: Iterator[Rows],
        layout: Layout,
        times: TimeCursor | None,
        numbers: SequenceCursor | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        self._blocks = last_of_each(blocks) if repeats else blocks
        self._layout = layout
        self._times = times
        self._numbers = numbers

    @property
    def width(self) -> int:
        return self._layout.width

    def blocks(self) -> Iterator[Rows]:
        for block in self._blocks:
            if self._times:
                self._times.note_all(self._layout.value(row, "updated_at") for row in block)
            if self._numbers:
                self._numbers.note_all(self._layout.value(row, "sequence") for row in block)
            yield block

    def content(self, row: Sequence[Any]) -> Identified | Skipped:
        return self._layout.content(row)

    def read(self, rows: Sequence[Sequence[Any]]) -> Page:
        return self._layout.page(rows)

    def newest(self) -> tuple[str, datetime | None] | None:
        newest = self._times.newest() if self._times else None
        return self._numbers.newest(newest) if self._numbers else newest


_BLOCK = 2000
_IDS_AT_ONCE = 500
"""In one statement: Oracle takes 1,000 values, MSSQL 2,100."""


@dataclass(kw_only=True, eq=False, repr=False)
class DatabaseSource:
    """Satisfies `pipeline.poll.Source` and `pipeline.full_compare.ScannedSource`. Every method may raise SourceError.

    url, init_sql        as SYNCD_SOURCE__URL and SYNCD_SOURCE__INIT_SQL
    query                a SELECT whose columns have the names of columns.py
    query_when           a SELECT of one value, asked before each reading: where it is false, `query_else` is read
    statuses_query       a SELECT of the shop's dictionary: status, message
    timezone             of timestamps without an offset
    lookback             how far behind its cursor each poll reads again
    lookback_rows        the same if the cursor is a number
    batch                rows a page
    tracking_template    a URL with `{tracking_number}` in it
    message_is_change    whether a different message alone is a change
    message_is_html      whether messages have the escapes of HTML, such as &amp;, which are undone
    redact               masks secrets in texts for people
    clock                the present, in UTC; None: the database's own clock
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
        """The source's own clock, in UTC."""
        return self.clock() if self.clock else self.database.now()

    def has_cursor(self) -> bool:
        return self.query_schema().layout.cursor is not None

    def gives(self, column: str) -> bool:
        """Whether the query has this column."""
        return column in self.query_schema().columns.used

    def columns(self) -> QueryColumns:
        return self.query_schema().columns

    def query_schema(self) -> QuerySchema:
        """Of the query in force. It is read once, and again after a fault, since the table may have been altered."""
        query = self.query
        if self.query_when is not None and self.query_else is not None:
            found = self.database.rows(as_written(self.query_when, self.database.grammar))
            try:
                query = self.query if found and flag_of(found[0][0]) else self.query_else
            except ValueError:
                raise SourceError("SYNCD_SOURCE__QUERY_WHEN gives neither yes nor no. Have it give 1 or 0") from None
        if self._schema is None or query != self._schema_of:
            self._schema, self._schema_of = read_query_schema(self.database, query, self._options), query
        return self._schema

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's rows the last counts.

        By time the oldest come first. Rows dated in the future are among them each time, but the cursor never passes
        the source's own clock. By number the newest come first, and an order once.
        """
        schema = self.query_schema()
        by_cursor = self._changed_by_number if schema.layout.by_sequence else self._changed_by_time
        return by_cursor(cursor, schema)

    def _changed_by_time(self, cursor: str, schema: QuerySchema) -> Iterator[Page]:
        if self._sampled is None or self._sampled[0] is not schema:  # once for a schema, and only for a poll
            self._sampled = schema, sample_time(self.database, schema)
        times = TimeCursor(cursor, self.now(), self.timezone, self._sampled[1])
        for rows, last in with_last_flag(self._blocks(schema.changed(times.since(self.lookback)), self.batch)):
            page = _page([_order_by_time(row, schema.layout, times) for row in rows], last=last)
            yield replace(page, cursor=times.cursor(last=last)) if rows or last else page

    def _changed_by_number(self, cursor: str, schema: QuerySchema) -> Iterator[Page]:
        numbers = SequenceCursor(cursor)
        since = max(FIRST, numbers.since(self.lookback_rows) or FIRST)
        for rows, last in with_last_flag(self._blocks(schema.changed(since), self.batch)):
            page = _page([_order_by_number(row, schema.layout, numbers) for row in rows], last=last)
            if last and not numbers.has_read:  # the table was emptied: its numbers begin anew, below the cursor
                numbers.note_all(schema.layout.value(row, "sequence") for row in self._rows(schema.newest(1)))
            yield replace(page, cursor=numbers.cursor() if last else None)

    def scan(self, *, whole: bool) -> DatabaseScan:
        """All orders: only the compared columns, or `whole`."""
        schema = self.query_schema()
        times = TimeCursor(None, self.now(), self.timezone) if whole and "updated_at" in schema.columns.used else None
        numbers = SequenceCursor(None) if whole and schema.layout.by_sequence else None
        # Noting each row's time takes eight times as long as reading the row, so whole rows are spooled first.
        read = self.database.blocks if whole else self.database.streamed
        blocks = self._forgetting_schema(read(schema.all_orders(whole=whole), _BLOCK))
        return DatabaseScan(blocks, schema.layout, times, numbers, repeats=schema.layout.by_sequence)

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them; of one order's rows the last counts, also if they write
        its number differently."""
        schema = self.query_schema()
        parts: list[list[Any]] = [[]]
        for raw in ids:
            same = self._spellings(raw)  # in one statement, so that their rows come in the order of a scan
            if len(parts[-1]) + len(same) > _IDS_AT_ONCE:
                parts.append([])
            parts[-1] += same
        return schema.layout.page([row for part in parts for row in self._rows(schema.with_values("order_id", part))])

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """No page: unlike an API's pages, a statement misses no order."""
        return iter(())

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str] = NO_KEYS) -> Page:
        """The orders with these numbers, as a person types them. `shop_ids`: the shop's own keys known of some of them;
        those orders are searched by key, which has an index where numbers may not. Orders that are not there are left
        out."""
        keys = shop_ids if self.gives("shop_id") else NO_KEYS
        by_key = self._find("shop_id", [keys[order_id] for order_id in order_ids if order_id in keys])
        by_number = self._find("order_id", [order_id for order_id in order_ids if order_id not in keys])
        return Page([*by_key.orders, *by_number.orders], [*by_key.skipped, *by_number.skipped])

    def sample(self, limit: int) -> Page:
        """A few orders, those that changed last if that is known."""
        schema = self.query_schema()
        return schema.layout.page(self._rows(schema.newest(limit)))

    def statuses(self, list_failed: Callable[[str], None] | None = None) -> list[StatusCount]:
        """Every status code that the shop has, with its name and how many orders are there. `list_failed` is told why
        the shop's own list cannot be read; None: that is a SourceError."""
        return count_statuses(self.database, self.query_schema(), self.statuses_query, list_failed)

    def status_codes(self) -> set[str]:
        """The codes that the shop lists or its orders have."""
        return {status.code for status in self.statuses(lambda _why: None)}

    def close(self) -> None:
        """Close all connections. The source may be used again."""
        self.database.close()

    def _find(self, column: Literal["order_id", "shop_id"], texts: Sequence[str]) -> Page:
        """The orders that have exactly these texts in the column: a database may take others to be equal to them."""
        schema = self.query_schema()
        example = self._rows(schema.any_value(column)) if texts else []
        if not example:
            return schema.layout.page([])

        def text(row: Sequence[Any]) -> str | None:
            return text_or_none(schema.layout.value(row, column))

        values = [value for one in texts for value in self.database.dialect.raw_values(one, example[0][0])]
        rows = self._rows_with(values, lambda part: schema.with_values(column, part))
        rows = [row for row in rows if text(row) in texts]
        if isinstance(example[0][0], str):
            # Some databases tell a text with blanks at its ends from the one without, and no index helps to find it.
            found = {text(row) for row in rows}
            absent = [one for one in texts if one not in found]
            trimmed = self._rows_with(absent, lambda part: schema.with_trimmed_values(column, part))
            rows += [row for row in trimmed if text(row) in absent]
        return schema.layout.page(rows)

    def _spellings(self, raw: Any) -> list[Any]:
        """The id, and the other values that a row of the same order may have as its id: those with the same text."""
        text = text_or_none(raw)
        same = [] if text is None else self.database.dialect.raw_values(text, raw)
        return [*dict.fromkeys([raw, *same])]

    def _rows_with(
        self, values: Sequence[Any], statement: Callable[[Sequence[Any]], Statement]
    ) -> list[tuple[Any, ...]]:
        parts = (values[start : start + _IDS_AT_ONCE] for start in range(0, len(values), _IDS_AT_ONCE))
        return [row for part in parts for row in self._rows(statement(part))]

    def _rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        return [row for block in self._blocks(statement, _BLOCK) for row in block]

    def _blocks(self, statement: Statement, size: int) -> Iterator[Rows]:
        return self._forgetting_schema(self.database.blocks(statement, size))

    def _forgetting_schema(self, blocks: Iterator[Rows]) -> Iterator[Rows]:
        """The blocks; on a fault the schema is forgotten, since the table may have been altered."""
        try:
            yield from blocks
        except SourceError:
            self._schema = None
            raise


def _page(found: Sequence[Order | Skipped | None], *, last: bool) -> Page:
    orders = [order for order in found if isinstance(order, Order)]
    return Page(orders, [row for row in found if isinstance(row, Skipped)], last=last)


def _order_by_time(row: Sequence[Any], layout: Layout, times: TimeCursor) -> Order | Skipped:
    """The row as an order; its time is noted. One without a timestamp is left to the full compare."""
    raw = layout.value(row, "updated_at")
    try:
        when = moment(raw)
    except ValueError as error:
        order_id = text_or_none(layout.value(row, "order_id"))
        return Skipped("bad_timestamp", order_id, f"order {order_id or 'without an id'}: updated_at {error}")
    times.note(raw, when)
    return layout.order(row, beyond_cursor=times.is_beyond(when), changed=when)


def _order_by_number(row: Sequence[Any], layout: Layout, numbers: SequenceCursor) -> Order | Skipped | None:
    """The row as an order; its number is noted. None: a later row of the order was read."""
    raw_id = layout.value(row, "order_id")
    try:
        reached = parse_sequence(layout.value(row, "sequence"))
    except ValueError as error:
        order_id = text_or_none(raw_id)
        return Skipped("bad_sequence", order_id, f"order {order_id or 'without an id'}: sequence {error}")
    numbers.note(reached)
    is_last = numbers.is_last(text_or_none(raw_id))
    return layout.order(row, beyond_cursor=numbers.is_beyond(reached)) if is_last else None
