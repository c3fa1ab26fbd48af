"""An incremental poll of an API: what changed since the cursor.

    cursor less the lookback ──► PageFetcher ──► prefetch ──► deduplicate ──► Pages of Orders; the last moves the cursor

TimeIncremental goes by `updated_at`, SequenceIncremental by the numbers that an API gives its changes.

Most APIs show the present state of an order in one record: a page is staged while the next one is requested. If a
record turns out to be an older one of its order, the newer one that follows corrects it within the poll. An API that is
known to show several records of an order, such as a feed of events, is read to its end first, since only the newest
record of an order is current.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from syncd.model import Order, Page, Skipped
from syncd.sources.api.deduplicate import Deduplicator, NewestRecords, Repeats
from syncd.sources.api.page_fetcher import ALL_EVENTS, PageFetcher
from syncd.sources.api.prefetch import prefetch
from syncd.sources.api.records import ApiLayout, Record, Records, id_of
from syncd.sources.cursors import (
    SequenceCursor,
    TimeCursor,
    dump_sequence,
    dump_time,
    load_time,
    parse_sequence,
    with_last_flag,
)
from syncd.sources.timestamps import EPOCH, Raw, instant, lookback_start, moment

_UNREADABLE: Mapping[str | None, str] = {"updated_at": "bad_timestamp", "sequence": "bad_sequence"}
_ONE_SECOND = timedelta(seconds=1)
"""Some APIs show what changed after `{since}`, others from then on; some know whole seconds only."""


class Incremental(ABC):
    """Polls an API for what changed. It has its own PageFetcher; `repeats` is shared with full scans."""

    def __init__(self, fetcher: PageFetcher, repeats: Repeats) -> None:
        self._fetcher = fetcher
        self._layout = fetcher.extractor.layout
        self._repeats = repeats

    @abstractmethod
    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's records the last counts. The last Page has
        the cursor for the next poll. SourceError, also between pages."""

    @abstractmethod
    def since_from(self, record: Record) -> str:
        """`{since}` of a poll whose cursor came from this record. ValueError: none comes from it."""

    @abstractmethod
    def reread(self, cursor: str) -> Iterator[Records]:
        """What a full scan that reached this cursor reads once more, for an order may have been missed between two of
        its pages; nothing where no order can be."""


class TimeIncremental(Incremental):
    """Polls by time; `lookback`: how far behind its cursor a poll reads again.

    An API promises little: its pages may shift while they are read, and it need not sort them. So the cursor moves when
    a poll is over and not before. After a poll of several pages that may have shifted, the next poll starts where that
    one started: an order that was missed between two pages is found one poll later at most.
    """

    def __init__(self, fetcher: PageFetcher, repeats: Repeats, lookback: timedelta) -> None:
        super().__init__(fetcher, repeats)
        self._lookback = lookback

    def changed(self, cursor: str) -> Iterator[Page]:
        stored = ApiCursor.of(cursor)
        start = self._start(stored)
        pages = self._fetcher.pages(self._fetcher.since(start))
        first = next(pages, [])
        # The first response has just shown the API's clock: if it is behind the cursor, the poll starts earlier.
        if (earlier := self._start(stored)) < start:
            pages = self._fetcher.pages(self._fetcher.since(earlier))
            first = next(pages, [])
        # Behind a full page another is requested, and orders may shift between the two: such a poll counts as one of
        # several pages. If `{limit}` is not used, any page may be full.
        may_be_full = not self._fetcher.template.has("limit") or self._fetcher.reaches_limit(len(first))
        poll = _TimePoll(self._fetcher, stored, first_page_may_be_full=may_be_full)
        yield from poll.orders(chain([first], pages), self._repeats)

    def since_from(self, record: Record) -> str:
        raw = self._layout.value(record, "updated_at")
        moment(raw)
        return self._fetcher.since(self._start(ApiCursor.of(dump_time(raw))))

    def reread(self, cursor: str) -> Iterator[Records]:
        if not self._fetcher.may_shift:
            return iter(())
        return self._fetcher.orders(self._fetcher.since(self._start(ApiCursor.of(cursor))))

    def _start(self, cursor: ApiCursor) -> datetime:
        """From when on a poll with this cursor reads."""
        raw: Raw | None = load_time(cursor.since)
        if raw is None:
            return EPOCH
        start, zone = moment(raw), self._layout.options.zone
        begin = lookback_start(start, self._lookback, self._fetcher.now(), zone, start)
        return max(instant(moment(begin), zone) - _ONE_SECOND, EPOCH)


class SequenceIncremental(Incremental):
    """Polls by number: a feed, which numbers its changes and shows an order once for each of them. What lies up to
    `lookback` numbers behind the cursor is read again, for numbers are given out before their transactions commit."""

    def __init__(self, fetcher: PageFetcher, repeats: Repeats, lookback: int) -> None:
        super().__init__(fetcher, repeats)
        self._lookback = lookback

    def changed(self, cursor: str) -> Iterator[Page]:
        count = SequenceCursor(cursor)
        poll = _SequencePoll(self._layout, count)
        return poll.orders(self._events(self._behind(count)), Repeats(known=True))

    def since_from(self, record: Record) -> str:
        reached = parse_sequence(self._layout.value(record, "sequence"))
        return str(self._behind(SequenceCursor(dump_sequence(reached))))

    def reread(self, cursor: str) -> Iterator[Records]:
        return iter(())

    def _behind(self, count: SequenceCursor) -> int:
        """`{since}`. One less than the number to read from: some APIs give what is behind a number, others begin with
        it."""
        since = count.since(self._lookback)
        return ALL_EVENTS if since is None else max(since - 1, ALL_EVENTS)

    def _events(self, behind: int) -> Iterator[Records]:
        """The events from there on. Where there are none, not even the one that is the cursor, the feed starts anew
        with lower numbers, or is empty."""
        pages = self._fetcher.pages(str(behind))
        first = next(pages, None)
        if first is None and behind > ALL_EVENTS:
            pages = self._fetcher.pages(str(ALL_EVENTS))
        yield from chain([first] if first else [], pages)


class _Poll(ABC):
    """One poll: makes orders of records, and notes how far they reach."""

    def __init__(self, layout: ApiLayout) -> None:
        self._layout = layout
        self._pages = 0

    @abstractmethod
    def _note(self, record: Record) -> None:
        """Let the cursor pass a record, of an order or not. ValueError: it does not say where it is."""

    @abstractmethod
    def _is_beyond(self, record: Record) -> bool:
        """Whether it lies beyond the cursor that the poll began with."""

    @abstractmethod
    def _cursor(self) -> str | None:
        """Where the next poll is to start behind all of them."""

    def orders(self, pages: Iterator[Records], repeats: Repeats) -> Iterator[Page]:
        """The orders in these pages; the last Page has the cursor."""
        if not repeats.known:
            with Deduplicator(self._layout, repeats) as met:
                for page, last in prefetch(pages):
                    records, skipped = self._noted(page)
                    yield self._page(met.not_older(records), skipped, last=last)
            return
        with NewestRecords(self._layout) as newest:
            for page, _ in prefetch(pages):
                records, skipped = self._noted(page)
                # Records without an id, mostly none: an empty Page tells that the reading goes on.
                yield self._page(newest.keep(records), skipped, last=False)
            for records, last in with_last_flag(newest.blocks("version")):
                yield self._page(records, [], last=last)

    def _noted(self, page: Records) -> tuple[Records, list[Skipped]]:
        """The records of orders. One that does not say where it is, is left to the full compare.

        The cursor passes records that are no orders too, such as unrelated events: else they would be read again for
        ever."""
        self._pages += 1
        records: list[Record] = []
        skipped: list[Skipped] = []
        for record in page:
            is_order = self._layout.is_order(record)
            try:
                self._note(record)
            except ValueError as error:
                order_id = id_of(record)
                detail = f"order {order_id or 'without an id'}: {self._layout.cursor} {error}"
                skipped += [Skipped(_UNREADABLE[self._layout.cursor], order_id, detail)] if is_order else []
            else:
                records += [record] if is_order else []
        return records, skipped

    def _page(self, records: Records, skipped: list[Skipped], *, last: bool) -> Page:
        read = [self._layout.order(record, beyond_cursor=self._is_beyond(record)) for record in records]
        orders = [order for order in read if isinstance(order, Order)]
        skipped = [*skipped, *(order for order in read if isinstance(order, Skipped))]
        return Page(orders, skipped, self._cursor() if last else None, last)


class _TimePoll(_Poll):
    def __init__(self, fetcher: PageFetcher, stored: ApiCursor, *, first_page_may_be_full: bool) -> None:
        super().__init__(fetcher.extractor.layout)
        self._stored = stored
        self._times = TimeCursor(stored.reached, fetcher.now(), self._layout.options.zone)
        self._may_shift = fetcher.may_shift
        self._first_page_may_be_full = first_page_may_be_full

    def _note(self, record: Record) -> None:
        raw = self._layout.value(record, "updated_at")
        self._times.note(raw, moment(raw))

    def _is_beyond(self, record: Record) -> bool:
        return self._times.is_beyond(moment(self._layout.value(record, "updated_at")))

    def _cursor(self) -> str | None:
        reached = self._times.cursor(last=True)
        several = self._pages > 1 or self._first_page_may_be_full
        again = several and self._may_shift and load_time(self._stored.reached) is not None
        return str(ApiCursor(self._stored.reached, reached)) if reached and again else reached


class _SequencePoll(_Poll):
    def __init__(self, layout: ApiLayout, count: SequenceCursor) -> None:
        super().__init__(layout)
        self._count = count

    def _note(self, record: Record) -> None:
        self._count.note(self._number(record))

    def _is_beyond(self, record: Record) -> bool:
        return self._count.is_beyond(self._number(record))

    def _cursor(self) -> str | None:
        return self._count.cursor()

    def _number(self, record: Record) -> int:
        return parse_sequence(self._layout.value(record, "sequence"))


class ApiCursor(NamedTuple):
    """The cursor of an API polled by time, as the state keeps it: `since` is where the next poll starts, `reached` how
    far the last one came. Only where they differ is it more than the plain cursor."""

    since: str
    reached: str

    @classmethod
    def of(cls, cursor: str) -> ApiCursor:
        with suppress(ValueError, TypeError):
            kind, since, reached = json.loads(cursor)
            if kind == "again":
                return cls(str(since), str(reached))
        return cls(cursor, cursor)

    def __str__(self) -> str:
        return self.reached if self.since == self.reached else json.dumps(["again", *self], ensure_ascii=False)
