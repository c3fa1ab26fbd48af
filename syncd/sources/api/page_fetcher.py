"""The pages of an API, from the first to the last.

    position ──► RequestTemplate ──► ApiClient.get ──► RecordExtractor ──► FetchedPage ──► Paginator: which one is next?

A PageFetcher is made once for an API and remembers what it learns of it. A Reading is one pass over the API's pages,
with the Paginator that SYNCD_SOURCE__PAGING names (paginators.py).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, ClassVar, Literal, TypeAlias

from syncd.errors import SourceError
from syncd.sources.api.client import ApiClient
from syncd.sources.api.records import RecordExtractor, Records
from syncd.sources.api.request import RequestTemplate, since_text
from syncd.sources.api.responses import NO_CONTENT, ApiResponse, quoted
from syncd.sources.api.signs import PAGE_SIZES, Signs, is_beyond, is_real_error, none_found, signs_of
from syncd.sources.api.status_names import StatusNames
from syncd.sources.cursors import parse_sequence
from syncd.sources.timestamps import EPOCH, instant, moment

PAGES_AT_MOST = 100_000
ALL_EVENTS = 0
"""`{since}` of a feed where all events are asked for. No feed is known whose first event has this number."""
SHOWS_ORDERS_FOR = 3600.0
"""Seconds for which it need not be asked again whether the API shows orders."""
_FIRST: Mapping[str, str | None] = {}
_DIGITS = re.compile(r"\s*\d+(\.\d+)?\s*")

PagingWarning: TypeAlias = Literal["page_names_itself", "more_pages"]
WarnOfPaging: TypeAlias = Callable[[PagingWarning, str], None]
"""Is called with what is odd about the pages, and with the words for a person. It stops nothing."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """`keys`: one for each record; two records with the same key are the same one, if it has an id. `next`: what
    SYNCD_SOURCE__NEXT finds in the response; for a paginator with `next_in_items`, what it finds in each item. `link`:
    the target of the header Link. `refused`: the API answered with an error that most likely means that the page lies
    behind the last one."""

    url: str
    records: Records
    keys: Sequence[Hashable]
    next: Any
    link: str | None
    refused: bool

    def without(self, known: Container[Hashable]) -> Records:
        """Its records other than those with these keys."""
        return [record for record, key in zip(self.records, self.keys, strict=True) if key not in known]


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The first records of an API, and the first order as it came, None: there is none."""

    records: Records
    item: Any


@dataclass(kw_only=True, eq=False, repr=False)
class PageFetcher:
    """Fetches the pages of one API.

    status_names        are refreshed, if that is due, before each reading
    paginator           how to get from one page to the next
    first_page_number   `{page}` of the first page
    limit               records a page, where the API lets one choose
    since_format        as SYNCD_SOURCE__SINCE_FORMAT
    timezone            that of `{since}`
    warn                is called once for each kind of PagingWarning
    """

    client: ApiClient
    template: RequestTemplate
    extractor: RecordExtractor
    status_names: StatusNames
    paginator: type[Paginator]
    first_page_number: int
    limit: int
    since_format: str
    timezone: tzinfo
    warn: WarnOfPaging
    has_read: bool = field(default=False, init=False)
    """Records were read before, so the settings are right: an empty response may be taken for an empty list."""
    doubtful_end: str | None = field(default=None, init=False)
    """Why the end that the last reading of all orders came to may not be the end; None: it is."""
    _warned: set[PagingWarning] = field(default_factory=set, init=False)
    _shows_orders_until: float = field(default=0.0, init=False)

    @property
    def may_shift(self) -> bool:
        """Whether an order can slip through between two pages."""
        return self.paginator.may_shift

    def now(self) -> datetime:
        """The API's present, in UTC, as its last response showed it."""
        return self.client.present()

    def pages(self, since: str) -> Iterator[Records]:
        """The records of each page, orders or not, where `{since}` is this; no page is empty. SourceError, also between
        pages."""
        yield from self._open(since).pages()

    def orders(self, since: str) -> Iterator[Records]:
        """The same, without the records that are no orders."""
        is_order = self.extractor.layout.is_order
        for page in self.pages(since):
            if records := [record for record in page if is_order(record)]:
                yield records

    def all_orders(self) -> Iterator[Records]:
        """All of the API; a feed shows an order once for each of its changes."""
        return self.orders(self.since_all)

    def first_page(self) -> FirstPage:
        """What the API shows first of all its orders."""
        reading = self._open(self.since_all)
        return FirstPage(next(reading.pages(), []), next(iter(reading.first_items), None))

    def first_page_and_more(self) -> tuple[FirstPage, str | None]:
        """The first page, and a warning if the API shows signs of more orders and yet no next page is found."""
        reading = self._open(self.since_all)
        pages = reading.pages()
        first = FirstPage(next(pages, []), next(iter(reading.first_items), None))
        full = "it is as long as a page may be" if self.reaches_limit(len(first.records)) else None
        more = reading.signs_of_more() or full
        return first, None if more and reading.paginator.finds_next(reading.first, pages) else more

    def total(self) -> int | None:
        """How many orders there are on all pages, as the API itself says; None: it does not."""
        first = {"page": str(self.first_page_number), "offset": "0", "limit": "1"}
        return self.client.get(self.template.filled({"since": self.since_all, **first})).total

    def reaches_limit(self, size: int) -> bool:
        """Whether a page with so many records has all that `{limit}` asks for. Without `{limit}`, no page has."""
        return self.template.has("limit") and size >= self.limit

    @property
    def since_all(self) -> str:
        """`{since}` where everything is asked for."""
        return str(ALL_EVENTS) if self.extractor.layout.by_sequence else self.since(EPOCH)

    def since(self, when: datetime) -> str:
        """`{since}` for what changed from this instant on."""
        return since_text(when, self.since_format, self.timezone)

    def since_raw(self, raw: Any) -> str:
        """`{since}` to continue behind a record with this raw `updated_at` or `sequence`: text stays as it came, unless
        it is a number. ValueError: it cannot be read."""
        if self.extractor.layout.by_sequence:
            return str(parse_sequence(raw))
        if isinstance(raw, str) and self.since_format == "iso" and not _DIGITS.fullmatch(raw):
            return raw
        return self.since(instant(moment(raw), self.timezone))

    def shows_orders(self) -> bool:
        """Whether the API shows orders if all are asked for. It is asked once an hour at most."""
        now = self.client.clocks.monotonic()
        if now >= self._shows_orders_until:
            try:
                if not self.first_page().records:
                    return False
            except SourceError:
                return False
            self._shows_orders_until = now + SHOWS_ORDERS_FOR
        return True

    def warn_once(self, what: PagingWarning, why: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            self.warn(what, why)

    def _open(self, since: str) -> Reading:
        self.status_names.refresh()
        return Reading(self, since)


class Reading:
    """One pass over an API's pages, PAGES_AT_MOST at most, where `{since}` is this text. Its paginator asks it for one
    page after the other."""

    def __init__(self, fetcher: PageFetcher, since: str) -> None:
        self.fetcher = fetcher
        self.since = since
        self.paginator = fetcher.paginator(self)
        self.first: FetchedPage | None = None
        self.first_items: Sequence[Any] = ()
        self._reads_all = since == fetcher.since_all
        self._settled = fetcher.has_read or not self._reads_all
        self._signs: Signs | None = None
        self._requested = 0  # pages
        self._shown = 0  # records
        self._refusal: ApiResponse | None = None  # the first one behind the last page with records
        self._size = 0  # of the last page with records
        self._fullest = 0  # the size of the fullest page before that one

    def pages(self) -> Iterator[Records]:
        """The records of each page that has any. SourceError, also between pages."""
        for records in self.paginator.pages():
            if records:
                self._shown += len(records)
                self.fetcher.has_read = True
                yield records
        doubt = self._doubt_of_end() if self.paginator.may_end_early else None
        if doubt:
            advice = "check SYNCD_SOURCE__PAGING, SYNCD_SOURCE__NEXT and SYNCD_SOURCE__QUERY_PARAMS"
            self.fetcher.warn_once("more_pages", f"{doubt}: {advice}")
        if self._reads_all:
            self.fetcher.doubtful_end = doubt

    def fetch(self, position: Mapping[str, str | None] = _FIRST, *, may_be_missing: bool = False) -> FetchedPage:
        """The page at this position: values of placeholders. `may_be_missing`: a page that the API does not have counts
        as an empty one."""
        filled = {"since": self.since, "limit": str(self.fetcher.limit), **position}
        return self.fetch_url(self.fetcher.template.filled(filled), may_be_missing=may_be_missing)

    def fetch_url(self, url: str, *, may_be_missing: bool = False) -> FetchedPage:
        """The page there."""
        extractor = self.fetcher.extractor
        self._requested += 1
        if self._requested > PAGES_AT_MOST:
            raise SourceError(
                f"the API has shown {PAGES_AT_MOST:,} pages and no end. Check SYNCD_SOURCE__PAGING, and that "
                "SYNCD_SOURCE__QUERY_PARAMS ask for pages in the way it wants"
            )
        response = self.fetcher.client.get(url)
        items = self._items(response, may_be_missing=may_be_missing)
        records = [extractor.record(item) for item in items]
        page = FetchedPage(
            url=response.url,
            records=records,
            keys=[record if record[0] is not None else repr(item) for record, item in zip(records, items, strict=True)],
            next=[*map(extractor.next_in, items)] if self.paginator.next_in_items else extractor.next_in(response.body),
            link=response.link,
            refused=response.refusal is not None,
        )
        if self.first is None:
            self.first, self.first_items = page, items[:1]
            self._signs = signs_of(response, extractor.at_items(response.body))
        if records:
            self._refusal, self._size, self._fullest = None, len(records), max(self._size, self._fullest)
        return page

    def is_full(self, page: FetchedPage, fullest: int) -> bool:
        """Whether there may be more than fits this page: it has as many records as `{limit}` asks for, or as
        `fullest`, the size of the largest page before it."""
        return self.fetcher.reaches_limit(len(page.records)) or 0 < fullest <= len(page.records)

    def signs_of_more(self) -> str | None:
        """Why there seem to be more orders than were shown: by the first response, or because one response to a request
        for all orders has just as many as a page of many APIs."""
        if self._signs is None or not self._shown:
            return None
        if self._reads_all and self._requested == 1 and self._shown in PAGE_SIZES:
            round_number = f"it shows just {self._shown} orders, as if that were a page of them"
        else:
            round_number = None
        return self._signs.more_than(self._shown) or round_number

    def _items(self, response: ApiResponse, *, may_be_missing: bool) -> Sequence[Any]:
        is_first = self.first is None
        if response.status in NO_CONTENT:
            return []
        if response.refusal is None:
            return self.fetcher.extractor.items(response.body, first=is_first, settled=self._settled)
        if may_be_missing and not is_real_error(response.said):
            self._refusal = self._refusal or response
            return []
        # A 404 may mean that nothing changed, and not that the address is wrong: by its own words, else because the
        # same address shows orders if all are asked for.
        may_be_none = is_first and response.status == 404 and not self._reads_all
        if may_be_none and (none_found(response.said) or self.fetcher.shows_orders()):
            return []
        raise response.refusal

    def _doubt_of_end(self) -> str | None:
        """Why the page at which the reading ended may not be the last one."""
        counted = self._signs.counted_above(self._shown) if self._signs and self._reads_all else None
        refusal = self._refusal if self._refusal and self._refusal.status != 404 else None
        if refusal and (why := counted or self._full_page_before(refusal)):
            said = quoted(refusal.said, self.fetcher.client.redact)
            return (
                f"the API refuses a page (HTTP {refusal.status}{said}). That is taken for the end, after "
                f"{self._shown} orders, but {why}"
            )
        if counted and self._signs and self._signs.counted_above(self._shown * 10 // 9):  # a few may be gone meanwhile
            return f"the API's pages end after {self._shown} orders, but {counted}"
        return None

    def _full_page_before(self, refusal: ApiResponse) -> str | None:
        if is_beyond(refusal.said) or not self._size:
            return None
        has_limit = self.fetcher.template.has("limit")
        usual = self.fetcher.reaches_limit(self._size) if has_limit else self._size in PAGE_SIZES
        return "the page before it was full" if usual or 0 < self._fullest <= self._size else None


class Paginator(ABC):
    """Gets from one page of a reading to the next. The subclasses are in paginators.py; a new kind of paging is a
    subclass, and its name in PAGINATORS and in the settings.

    may_shift       pages may be cut by position: an order can slip through between two of them
    may_end_early   the page that is taken for the last one may not be: it is compared with what the API says of more
    next_in_items   SYNCD_SOURCE__NEXT leads to a value in each item, and not to one in the response
    """

    may_shift: ClassVar[bool]
    may_end_early: ClassVar[bool] = True
    next_in_items: ClassVar[bool] = False

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.fetcher = reading.fetcher

    @abstractmethod
    def pages(self) -> Iterator[Records]:
        """The new records of each page, or none. SourceError: the pages lead to no end, or orders would be lost."""

    @abstractmethod
    def finds_next(self, first: FetchedPage | None, rest: Iterator[Records]) -> bool:
        """Whether a further page follows the first one. `rest`: the pages behind it, of which one may be asked for."""
