"""A poll of an API by number: a feed, which numbers its changes and shows an order once for each of them.

    events behind the cursor less the lookback ──► the last of each order ──► Pages of Orders; the last moves the cursor

An event that is not the last of its order tells what is over, so none is told before all have come. What lies behind
the cursor is read again, since numbers are given out before their transactions commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from syncd.model import Order, Page, Skipped
from syncd.sources.api.ahead import ahead
from syncd.sources.api.latest import Latest
from syncd.sources.api.shape import ApiLayout, Row, Rows, id_of
from syncd.sources.blocks import and_whether_last
from syncd.sources.counting import Counting, number

ALL_EVENTS = 0
"""What is asked for where all are wanted. No feed is known whose first event has this number."""


@dataclass(frozen=True, slots=True)
class Feed:
    """`events`: those behind a number, or from it on, as the API has it; no page is empty. Among them are such as say
    nothing of an order."""

    events: Callable[[int], Iterator[Rows]]
    layout: ApiLayout
    lookback_rows: int

    def changed(self, cursor: str) -> Iterator[Page]:
        """The orders with events since `cursor` less the lookback, once each, by the number of the last. Before them
        comes a page for each that was read, mostly empty: it tells that the reading goes on."""
        count = Counting(cursor)
        with Latest(self.layout) as latest:
            for part, _ in ahead(self._from(count.since(self.lookback_rows))):
                numbered, skipped = self._numbered(part, count)
                nameless = latest.keep(numbered)
                yield Page((), [*skipped, *self.layout.page(nameless).skipped], last=False)
            for rows, last in and_whether_last(latest.blocks("place")):
                orders, skipped = self._read(rows, count)
                yield Page(orders, skipped, count.cursor() if last else None, last)

    def _from(self, since: int | None) -> Iterator[Rows]:
        """The events numbered so and higher: of an API that gives those behind a number, one less is asked for. Where
        there are none, not even the one that is the cursor, the feed starts anew with lower numbers, or is empty."""
        behind = ALL_EVENTS if since is None else max(since - 1, ALL_EVENTS)
        found = self.events(behind)
        first = next(found, None)
        if first is None and behind > ALL_EVENTS:
            return self.events(ALL_EVENTS)
        return chain([first] if first else [], found)

    def _numbered(self, part: Rows, count: Counting) -> tuple[Rows, list[Skipped]]:
        """The events of orders. The cursor passes the others too, else they would be read again for ever."""
        rows: list[Row] = []
        skipped: list[Skipped] = []
        for row in part:
            is_order = self.layout.is_order(row)
            try:
                count.note(number(self.layout.value(row, "sequence")))
            except ValueError as error:
                order_id = id_of(row)
                detail = f"order {order_id or 'without an id'}: sequence {error}"
                skipped += [Skipped("bad_sequence", order_id, detail)] if is_order else []
            else:
                rows += [row] if is_order else []
        return rows, skipped

    def _read(self, rows: Rows, count: Counting) -> tuple[list[Order], list[Skipped]]:
        numbers = [number(self.layout.value(row, "sequence")) for row in rows]
        read = [self.layout.order(row, beyond_cursor=count.is_news(at)) for row, at in zip(rows, numbers, strict=True)]
        return [row for row in read if isinstance(row, Order)], [row for row in read if isinstance(row, Skipped)]
