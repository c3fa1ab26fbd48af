"""A poll of an API by time.

    rows changed since the cursor less the lookback ──► gathering.py ──► Pages of Orders; the last moves the cursor

An API promises little: its pages shift while they are read, and it need not sort them. So the cursor moves when a poll
is over and not before. After a poll of several pages that may have shifted, the next one starts where that one had
started: an order that slipped through between two pages is there, at most one poll late.

A poll's rows, one an order: as they come or, where an API shows orders more than once, when all have come.

What is not the last row of its order tells what is over. Where it is known that an API shows such rows, as in a feed,
none is told before all have come. Else they go on at once, so that a page is put on disk while the next one is on its
way; should one turn out to have been an older one, the newer one that follows puts that right within the poll.

How far an API was read, as the state keeps it.

A poll of an API by number: a feed, which numbers its changes and shows an order once for each of them.

    events behind the cursor less the lookback ──► gathering.py ──► Pages of Orders; the last moves the cursor

What lies behind the cursor is read again, since numbers are given out before their transactions commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from syncd.model import Order, Page, Skipped
from syncd.sources.api.deduplicate import Latest, Met, Repeats
from syncd.sources.api.page_fetcher import ahead
from syncd.sources.api.records import ApiLayout, Row, Rows, id_of
from syncd.sources.cursors import NumberCursor, TimeCursor, and_whether_last, load_time, number
from syncd.sources.timestamps import EPOCH, Raw, bound, instant, moment

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


class Span(NamedTuple):
    """The cursor of an API: `since` is where the next poll starts, `reached` how far the last one came."""

    since: str
    reached: str

    @classmethod
    def of(cls, cursor: str) -> Span:
        with suppress(ValueError, TypeError):
            kind, since, reached = json.loads(cursor)
            if kind == "again":
                return cls(str(since), str(reached))
        return cls(cursor, cursor)

    def __str__(self) -> str:
        return self.reached if self.since == self.reached else json.dumps(["again", *self], ensure_ascii=False)


_A_LITTLE = timedelta(seconds=1)
"""Some APIs show what changed after `{since}`, others from then on; some know whole seconds alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dated:
    """An API polled by time. `pages`: the rows changed since then, orders or not; `is_full`: whether there may be more
    than fits such a page; `now`: the API's clock, as its last answer showed it; `may_shift`: whether an order may slip
    through between two pages."""

    pages: Callable[[datetime], Iterator[Rows]]
    is_full: Callable[[Rows], bool]
    now: Callable[[], datetime]
    layout: ApiLayout
    lookback: timedelta
    repeats: Repeats
    may_shift: bool

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback: in the API's order, or where it repeats orders, once each
        and oldest first."""
        span = Span.of(cursor)
        since = self._since(span)
        asked = self.pages(since)
        first = next(asked, [])
        if (earlier := self._since(span)) < since:  # its clock, seen only now, is behind the cursor
            asked = self.pages(earlier)
            first = next(asked, [])
        follow = TimeCursor(span.reached, self.now(), self.layout.meaning.zone)
        pages = 0

        def counted() -> Iterator[Rows]:
            nonlocal pages
            for part in chain([first], asked):
                pages += 1
                yield part

        def note(row: Row) -> None:
            raw = self.layout.value(row, "updated_at")
            follow.note(raw, moment(raw))

        gathering = Gathering(
            layout=self.layout,
            note=note,
            is_news=lambda row: follow.is_news(moment(self.layout.value(row, "updated_at"))),
            # Behind a full page another was asked for, though there may have been none any more.
            cursor=lambda: self._cursor(span, follow, several=pages > 1 or self.is_full(first)),
            repeats=self.repeats,
        )
        yield from gathering.pages(counted())

    def again(self, cursor: str) -> Iterator[Rows]:
        """What a poll from there would read."""
        return self.pages(self.since(cursor))

    def since(self, cursor: str) -> datetime:
        """From when on a poll asks that has this cursor."""
        return self._since(Span.of(cursor))

    def _since(self, span: Span) -> datetime:
        raw: Raw | None = load_time(span.since)
        if raw is None:
            return EPOCH
        start, zone = moment(raw), self.layout.meaning.zone
        begin = bound(start, self.lookback, self.now(), zone, start)
        return max(instant(moment(begin), zone) - _A_LITTLE, EPOCH)

    def _cursor(self, span: Span, follow: TimeCursor, *, several: bool) -> str | None:
        reached = follow.cursor(last=True)
        again = several and self.may_shift and load_time(span.reached) is not None
        return str(Span(span.reached, reached)) if reached and again else reached


ALL_EVENTS = 0
"""What is asked for where all are wanted. No feed is known whose first event has this number."""


@dataclass(frozen=True, slots=True)
class Feed:
    """`events`: those behind a number, or from it on, as the API has it; no page is empty. Among them are such as say
    nothing of an order: the cursor passes them too, else they would be read again for ever."""

    events: Callable[[int], Iterator[Rows]]
    layout: ApiLayout
    lookback_rows: int

    def changed(self, cursor: str) -> Iterator[Page]:
        """The orders with events since `cursor` less the lookback, once each, by the number of the last."""
        count = NumberCursor(cursor)

        def place(row: Row) -> int:
            return number(self.layout.value(row, "sequence"))

        gathering = Gathering(
            layout=self.layout,
            note=lambda row: count.note(place(row)),
            is_news=lambda row: count.is_news(place(row)),
            cursor=count.cursor,
            repeats=Repeats(known=True),
        )
        return gathering.pages(self._from(self.behind(count)))

    def behind(self, count: NumberCursor) -> int:
        """Behind which number a poll asks: of an API that gives those behind a number, one less is asked for."""
        since = count.since(self.lookback_rows)
        return ALL_EVENTS if since is None else max(since - 1, ALL_EVENTS)

    def _from(self, behind: int) -> Iterator[Rows]:
        """The events from there on. Where there are none, not even the one that is the cursor, the feed starts anew
        with lower numbers, or is empty."""
        found = self.events(behind)
        first = next(found, None)
        if first is None and behind > ALL_EVENTS:
            found = self.events(ALL_EVENTS)
        yield from chain([first] if first else [], found)
