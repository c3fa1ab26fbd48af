"""From one page of an API to the next: a class for each value of SYNCD_SOURCE__PAGING, found in PAGINATORS.

by position   `page` and `offset`. They go on until two pages in a row bring nothing new, so that an empty page in the
              middle ends nothing. Where an order that was read moves away between two pages, the one behind it is
              missed. By offset, the last record of the page before is read once more, and where it is gone, the reading
              rewinds one page. Pages by number cannot overlap: for these, see ApiScan and ApiOrderLookup.still_shown.
by name       `cursor` in the response, or `link` in its headers, names the next page. An empty page that names another
              one ends nothing.
by key        `keyset` always asks for the first page, but from the last record on: its `updated_at` or `sequence`, as
              it came, and its id. Nothing can shift.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from syncd.errors import SourceError
from syncd.sources.api.page_fetcher import FetchedPage, Paginator, Reading
from syncd.sources.api.records import ApiLayout, Record, Records
from syncd.sources.cursors import parse_sequence
from syncd.sources.timestamps import moment

EMPTY_AT_MOST = 2
RESTARTS_AT_MOST = 3
_HOUR = timedelta(hours=1)

Paging: TypeAlias = Literal["none", "page", "offset", "cursor", "link", "keyset"]
"""The values of SYNCD_SOURCE__PAGING."""


class SinglePagePaginator(Paginator):
    """`none`: the one response has all orders."""

    may_shift = False
    may_end_early = False

    def pages(self) -> Iterator[Records]:
        yield self.reading.fetch().records
        if why := self.reading.signs_of_more():
            self.fetcher.warn_once(
                "more_pages",
                f"there seem to be more orders than the API's one answer shows: {why}. Those are never seen. Set "
                "SYNCD_SOURCE__PAGING, or have the API give all orders at once",
            )

    def finds_next(self, _first: FetchedPage | None, _rest: Iterator[Records]) -> bool:
        return False


class PageNumberPaginator(Paginator):
    """`page`: `{page}` is 1, 2, 3…"""

    may_shift = True

    def pages(self) -> Iterator[Records]:
        first_number = self.fetcher.first_page_number
        before: Records = []
        empty, page_number = 0, first_number
        while empty < EMPTY_AT_MOST:
            page = self.reading.fetch({"page": str(page_number)}, may_be_missing=page_number > first_number)
            page_number += 1
            if page.records and page.records != before:  # some APIs show the last page for every higher number
                empty, before = 0, page.records
                yield page.records
            else:
                empty += 1
            if self.fetcher.extractor.has_next and not page.next:
                return

    def finds_next(self, _first: FetchedPage | None, rest: Iterator[Records]) -> bool:
        return next(rest, None) is not None


class OffsetPaginator(Paginator):
    """`offset`: `{offset}` is how many orders come before the page. One record of the page before is asked for at the
    head of each page, to see that nothing moved away."""

    may_shift = True

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._offset = 0  # of the next page, without the overlap
        self._overlap = 1
        self._known: Sequence[Hashable] = ()  # keys of the page before
        self._shown: Sequence[Hashable] = ()  # of the last page with new records: some APIs show it again, for ever
        self._size = 0  # of the largest page
        self._restarts = 0

    def pages(self) -> Iterator[Records]:
        empty = 0
        while empty < EMPTY_AT_MOST:
            start = max(0, self._offset - self._overlap) if self._known else self._offset
            page = self._fetch(start)
            if page.refused and start < self._offset and not (aligned := self._fetch(self._offset)).refused:
                self._overlap, start, page = 0, self._offset, aligned  # this API takes offsets of whole pages only
            moved = bool(self._known and self._overlap) and not self._overlaps(page)
            if moved:
                start, page = self._rewind(start)
            new = self._new_records(page)
            if new:
                empty, self._known, self._offset = 0, page.keys, start + len(page.records)
                self._shown = page.keys
                yield new
            elif self._overlap and page.records and len(page.records) >= self._size and not moved:
                self._overlap = 0  # this API rounds an offset down to whole pages
            else:
                empty += 1
                self._offset += self._size or self.fetcher.limit
                self._known = ()
            if self.fetcher.extractor.has_next and not page.next:
                return

    def finds_next(self, _first: FetchedPage | None, rest: Iterator[Records]) -> bool:
        return next(rest, None) is not None

    def _fetch(self, start: int) -> FetchedPage:
        page = self.reading.fetch({"offset": str(start)}, may_be_missing=start > 0)
        self._size = max(self._size, len(page.records))
        return page

    def _new_records(self, page: FetchedPage) -> Records:
        """Those that were not on the page before. If nothing moved, only its last record was, and other records may
        look the same as one that was."""
        overlaps = self._overlap and self._known and [*page.keys[:1]] == [*self._known[-1:]]
        if overlaps and [*page.keys] != [*self._known]:
            return page.records[1:]
        return page.without({*(self._known or self._shown)})

    def _overlaps(self, page: FetchedPage) -> bool:
        """Whether it has an order of the page before; one that changed where it stands is still the same order."""
        return not {_id_of(key) for key in self._known}.isdisjoint(map(_id_of, page.keys))

    def _rewind(self, start: int) -> tuple[int, FetchedPage]:
        """Orders that were read moved away, and others moved into their place: go back one page, else to the first."""
        start = max(0, start - self._size)
        page = self._fetch(start)
        if self._overlaps(page):
            return start, page
        self._restarts += 1
        if self._restarts > RESTARTS_AT_MOST:
            raise SourceError("the shop's orders change places faster than the API's pages can be read")
        self._known = ()
        return 0, self._fetch(0)


def _id_of(key: Hashable) -> Hashable:
    return key[0] if isinstance(key, tuple) else key


class KeysetPaginator(Paginator):
    """`keyset`: `{since}` and `{last_id}` are those of the last record of the page before."""

    may_shift = False
    may_end_early = False
    next_in_items = True

    def pages(self) -> Iterator[Records]:
        position: dict[str, str | None] = {}
        known: frozenset[Hashable] = frozenset()
        fullest, reached = 0, None
        while True:
            page = self.reading.fetch(position)
            new = page.without(known)
            if not new:
                if page.records and self.reading.is_full(page, fullest):
                    raise self._stuck("the page behind its last row is the same page again")
                return
            yield new
            fullest, known = max(fullest, len(known)), frozenset(page.keys)
            behind = self._behind(page, reached)
            if behind is None:
                if self.reading.is_full(page, fullest):
                    raise self._stuck(f"no {self._layout.cursor} in a full page can be read")
                return
            position, reached = behind

    def finds_next(self, _first: FetchedPage | None, _rest: Iterator[Records]) -> bool:
        return True

    @property
    def _layout(self) -> ApiLayout:
        return self.fetcher.extractor.layout

    def _behind(self, page: FetchedPage, reached: Any) -> tuple[dict[str, str | None], Any] | None:
        """What to ask for behind a page, and the sort key of its last record that has one. None: none has. `reached`:
        the sort key with which the page before ended, if any."""
        keyed = [(key, at) for at, record in enumerate(page.records) if (key := self._sort_key(record)) is not None]
        if not keyed:
            return None
        here, at = keyed[-1]
        if any(_is_before(here, key) for key in (keyed[0][0], reached) if key is not None):
            raise self._stuck(f"the orders are not sorted by {self._layout.cursor}, oldest first")
        last_id = page.records[at][0] if page.next[at] is None else page.next[at]
        raw = self._layout.value(page.records[at], self._layout.cursor or "")
        since = self.fetcher.since_raw(raw)
        return {"since": since, "last_id": None if last_id is None else str(last_id)}, here

    def _sort_key(self, record: Record) -> int | datetime | None:
        """What the records are sorted by. None: this one does not say, or one cannot ask from there on."""
        raw = self._layout.value(record, self._layout.cursor or "")
        with suppress(ValueError):
            self.fetcher.since_raw(raw)
            return parse_sequence(raw) if self._layout.by_sequence else moment(raw)
        return None

    def _stuck(self, why: str) -> SourceError:
        return SourceError(
            f"the API cannot be read by SYNCD_SOURCE__PAGING=keyset: {why}. See that it sorts by updated_at and then "
            "by id, or by sequence, and that SYNCD_SOURCE__QUERY_PARAMS use {since} and {last_id}"
        )


def _is_before(one: Any, other: Any) -> bool:
    """Of two numbers or two times; a wall clock may have run back an hour."""
    if isinstance(one, int):
        return bool(one < other)
    return one.tzinfo == other.tzinfo and bool(other - one > (timedelta() if one.tzinfo else _HOUR))


class _NextPagePaginator(Paginator):
    """A page names the next one, by a token or a URL.

    A page that names itself is the last one, as some shops write it; if it is full, that is warned of. It is an error
    where it is full and the way to it led nowhere new, or where all its orders changed at one time, from which the shop
    does not get away: the orders behind it would be lost. So it is where the names lead round in a circle.
    """

    may_shift = True

    def pages(self) -> Iterator[Records]:
        page = self.reading.fetch()
        name, fullest = page.url, 0
        circle = _CircleDetector(name)
        while True:
            yield page.records
            following = self._next_of(page)
            if following is None:
                return
            if following == name:
                self._end_at_itself(page, fullest)
                return
            if circle.closes_at(following):
                raise _endless("its pages lead round in a circle")
            by_token = self.fetcher.template.has("cursor")
            next_page = self.reading.fetch({"cursor": following}) if by_token else self.reading.fetch_url(following)
            if next_page.records != page.records:
                fullest = max(fullest, len(page.records))
            page, name = next_page, following

    @abstractmethod
    def _next_of(self, page: FetchedPage) -> str | None:
        """The token or the URL of the page that follows; None: it is the last."""

    def _end_at_itself(self, page: FetchedPage, fullest: int) -> None:
        if not self.reading.is_full(page, fullest):
            return
        extractor = self.fetcher.extractor
        times = {str(extractor.layout.value(record, "updated_at")) for record in page.records}
        at_one_time = len(page.records) > 1 and len(times) == 1 and "updated_at" in extractor.fields
        if not fullest or at_one_time:
            raise _endless("a full page names itself as the next one")
        self.fetcher.warn_once(
            "page_names_itself",
            "a full page of the API names itself as the next one. It is taken for the last: if the shop has "
            "orders that syncd does not know, check SYNCD_SOURCE__PAGING and SYNCD_SOURCE__NEXT",
        )


class CursorPaginator(_NextPagePaginator):
    """`cursor`: SYNCD_SOURCE__NEXT finds in each response what goes into `{cursor}`, or else the URL of the next
    page."""

    def finds_next(self, first: FetchedPage | None, _rest: Iterator[Records]) -> bool:
        return bool(first and first.next)

    def _next_of(self, page: FetchedPage) -> str | None:
        found = page.next
        if found is None or found is False or found == "":
            return None
        if isinstance(found, dict | list):
            raise SourceError("SYNCD_SOURCE__NEXT finds no text or number. Let it lead to the cursor of the next page")
        fetcher = self.fetcher
        return str(found) if fetcher.template.has("cursor") else fetcher.client.joined(page.url, str(found))


class LinkPaginator(_NextPagePaginator):
    """`link`: the header Link has the URL of the next page."""

    def finds_next(self, first: FetchedPage | None, _rest: Iterator[Records]) -> bool:
        return bool(first and first.link)

    def _next_of(self, page: FetchedPage) -> str | None:
        return page.link and self.fetcher.client.joined(page.url, page.link)


class _CircleDetector:
    """Detects a circle of names in little memory: each name is compared with one name before it, which is replaced at
    each power of two (Brent's algorithm)."""

    def __init__(self, start: str) -> None:
        self._passed, self._steps, self._power = start, 0, 1

    def closes_at(self, name: str) -> bool:
        if name == self._passed:
            return True
        self._steps += 1
        if self._steps == self._power:
            self._passed, self._steps, self._power = name, 0, self._power * 2
        return False


def _endless(how: str) -> SourceError:
    return SourceError(
        f"the API does not come to an end: {how}, so orders behind it cannot be read. "
        "Check SYNCD_SOURCE__PAGING and SYNCD_SOURCE__NEXT"
    )


PAGINATORS: Mapping[Paging, type[Paginator]] = {
    "none": SinglePagePaginator,
    "page": PageNumberPaginator,
    "offset": OffsetPaginator,
    "cursor": CursorPaginator,
    "link": LinkPaginator,
    "keyset": KeysetPaginator,
}
