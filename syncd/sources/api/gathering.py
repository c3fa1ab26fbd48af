"""A poll's rows, one an order: as they come or, where an API shows orders more than once, when all have come.

What is not the last row of its order tells what is over. Where it is known that an API shows such rows, as in a feed,
none is told before all have come. Else they go on at once, so that a page is put on disk while the next one is on its
way; should one turn out to have been an older one, the newer one that follows puts that right within the poll.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from syncd.model import Order, Page, Skipped
from syncd.sources.api.ahead import ahead
from syncd.sources.api.latest import Latest, Met, Repeats
from syncd.sources.api.shape import ApiLayout, Row, Rows, id_of
from syncd.sources.blocks import and_whether_last

_BAD: Mapping[str | None, str] = {"updated_at": "bad_timestamp", "sequence": "bad_sequence"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathering:
    """`note` lets the cursor pass a row, of whatever kind; ValueError: it does not say where it is. `is_news`: whether
    it lies beyond the cursor that the poll began with. `cursor`: where the next poll is to start behind all of them."""

    layout: ApiLayout
    note: Callable[[Row], None]
    is_news: Callable[[Row], bool]
    cursor: Callable[[], str | None]
    repeats: Repeats

    def pages(self, parts: Iterator[Rows]) -> Iterator[Page]:
        """The orders in these parts; the last page has the cursor."""
        return self._awaited(parts) if self.repeats.known else self._as_they_come(parts)

    def _as_they_come(self, parts: Iterator[Rows]) -> Iterator[Page]:
        with Met(self.layout, self.repeats) as met:
            for part, last in ahead(parts):
                rows, skipped = self._noted(part)
                yield self._page(met.not_older(rows), skipped, last=last)

    def _awaited(self, parts: Iterator[Rows]) -> Iterator[Page]:
        """Before the orders comes a page for each part, mostly empty: it tells that the reading goes on."""
        with Latest(self.layout) as latest:
            for part, _ in ahead(parts):
                rows, skipped = self._noted(part)
                yield self._page(latest.keep(rows), skipped, last=False)
            for rows, last in and_whether_last(latest.blocks("place")):
                yield self._page(rows, [], last=last)

    def _page(self, rows: Rows, skipped: list[Skipped], *, last: bool) -> Page:
        read = [self.layout.order(row, beyond_cursor=self.is_news(row)) for row in rows]
        orders = [row for row in read if isinstance(row, Order)]
        skipped = [*skipped, *(row for row in read if isinstance(row, Skipped))]
        return Page(orders, skipped, self.cursor() if last else None, last)

    def _noted(self, part: Rows) -> tuple[Rows, list[Skipped]]:
        """The rows of orders. One that does not say where it is is left to the full compare."""
        rows: list[Row] = []
        skipped: list[Skipped] = []
        for row in part:
            is_order = self.layout.is_order(row)
            try:
                self.note(row)
            except ValueError as error:
                order_id = id_of(row)
                detail = f"order {order_id or 'without an id'}: {self.layout.cursor} {error}"
                skipped += [Skipped(_BAD[self.layout.cursor], order_id, detail)] if is_order else []
            else:
                rows += [row] if is_order else []
        return rows, skipped
