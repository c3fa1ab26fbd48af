"""Orders from a shop's JSON API.

a poll:          incremental.py ──► page_fetcher.py ◄──► paginators.py ──► client.py ──► records.py ──► Orders
a full compare:  full_scan.py ────► the same
one order:       lookup.py ───────► client.py, or the same
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar

from syncd.http.addresses import authorization, join_path, without_login
from syncd.model import Order, Page
from syncd.sources.api.client import ApiClient, ClientClocks
from syncd.sources.api.deduplicate import Repeats, newest_of_each
from syncd.sources.api.full_scan import ApiScan
from syncd.sources.api.incremental import Incremental, SequenceIncremental, TimeIncremental
from syncd.sources.api.lookup import ApiOrderLookup
from syncd.sources.api.page_fetcher import PageFetcher, WarnOfPaging
from syncd.sources.api.paginators import PAGINATORS, Paging
from syncd.sources.api.records import RecordExtractor
from syncd.sources.api.request import PLACEHOLDERS, RequestTemplate
from syncd.sources.api.status_names import StatusList, StatusNames
from syncd.sources.columns import NO_KEYS, ColumnOptions, text_or_none
from syncd.sources.status_counts import StatusCount, StatusTally, list_or_empty
from syncd.templates import url_template


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ApiConfig:
    """How an API is asked and read. Each field is the setting SYNCD_SOURCE__… of its name; `headers` carry credentials
    too. `warn`: what is odd about the pages, but stops nothing."""

    url: str
    path: str = ""
    query_params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    paging: Paging
    first_page: int
    next: str | None = None
    items: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    find_path: str = ""
    find_number_path: str = ""
    find_items: str | None = None
    statuses: StatusList
    since_format: str
    rate: float
    retry_after_ms_header: str | None = None
    timeout_seconds: float
    warn: WarnOfPaging = lambda _what, _why: None


@dataclass(kw_only=True, eq=False, repr=False)
class ApiSource:
    """Satisfies `pipeline.poll.Source` and `pipeline.full_compare.ScannedSource`. Every method may raise SourceError,
    and so does making one where `api` cannot be used.

    timezone             of timestamps without an offset, and of `{since}`
    lookback             how far behind its cursor each poll reads again
    lookback_rows        the same for a cursor that is a number
    batch                orders a page, where the API lets one choose
    tracking_template    a URL with `{tracking_number}` in it
    message_is_change    whether a different message alone is a change
    message_is_html      whether messages are escaped as HTML writes text
    redact               masks secrets in texts for people
    """

    api: ApiConfig
    timezone: tzinfo
    lookback: timedelta
    lookback_rows: int
    batch: int
    tracking_template: InitVar[str | None] = None
    message_is_change: InitVar[bool] = False
    message_is_html: InitVar[bool] = False
    redact: InitVar[Callable[[str], str]] = str
    clocks: InitVar[ClientClocks | None] = None
    scans_whole: ClassVar = True

    def __post_init__(
        self,
        tracking_template: str | None,
        message_is_change: bool,
        message_is_html: bool,
        redact: Callable[[str], str],
        clocks: ClientClocks | None,
    ) -> None:
        api = self.api
        url, login = without_login(api.url)
        options = ColumnOptions(self.timezone, tracking_template, message_is_change, message_is_html)
        self.client = ApiClient(
            base_url=url,
            headers={**api.headers, **authorization(api.auth or login)},
            timeout=api.timeout_seconds,
            rate=api.rate,
            wait_in_milliseconds=api.retry_after_ms_header,
            redact=redact,
            clocks=clocks or ClientClocks(),
        )
        list_url = join_path(url, api.statuses.path, api.path) if api.statuses.path else None
        self.status_names = StatusNames(self.client, list_url, api.statuses, options.message)
        self.extractor = RecordExtractor(
            api.items, api.next, api.fields, options, where=api.where, name_of=self.status_names.of, redact=redact
        )
        self.layout = self.extractor.layout
        self.fetcher = PageFetcher(
            client=self.client,
            template=RequestTemplate(join_path(url, api.path), api.query_params),
            extractor=self.extractor,
            status_names=self.status_names,
            paginator=PAGINATORS[api.paging],
            first_page_number=api.first_page,
            limit=self.batch,
            since_format=api.since_format,
            timezone=self.timezone,
            warn=api.warn,
        )
        self._repeats = Repeats()
        self.incremental: Incremental = (
            SequenceIncremental(self.fetcher, self._repeats, self.lookback_rows)
            if self.layout.by_sequence
            else TimeIncremental(self.fetcher, self._repeats, self.lookback)
        )
        places = ("order_id", "shop_id", *PLACEHOLDERS)
        paths = [path for path in (api.find_path, api.find_number_path) if path]
        ways = [url_template(join_path(url, path, api.path), places) for path in paths]
        self._lookup = ApiOrderLookup(self.fetcher, ways, api.find_items)

    def now(self) -> datetime:
        """The source's present, in UTC, as its last response showed it."""
        return self.fetcher.now()

    def has_cursor(self) -> bool:
        """Whether the API can be asked for what changed, and says when an order did, or numbers its changes."""
        return self.fetcher.template.has("since") and self.layout.cursor is not None

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's records the last counts."""
        return self.incremental.changed(cursor)

    def scan(self, *, whole: bool) -> ApiScan:
        """All orders. An API shows them whole, so a scan always is, as `scans_whole` says: `whole` makes no
        difference."""
        return ApiScan(self.fetcher, self.incremental if self.has_cursor() else None, self._repeats)

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them. Costs as much as `find`."""
        return self.find([text for raw in ids if (text := text_or_none(raw)) is not None])

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str] = NO_KEYS) -> Page:
        """The orders with these numbers, as a person types them, or with the shop's own keys that are known of some of
        them; what is not there is left out.

        One request for each order where SYNCD_SOURCE__FIND_PATH or …FIND_NUMBER_PATH leads to each of them and they are
        20 at most. **Otherwise the whole API is read, even for one order.**
        """
        return self._lookup.find(order_ids, shop_ids)

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """Those of these orders that are there, though a scan did not show them, for it may miss some where pages
        shift: there **the whole API is read again**. SourceError also where the end that the scan came to may not be
        the end."""
        return self._lookup.still_shown(order_ids)

    def gives(self, column: str) -> bool:
        """Whether orders come with this field."""
        return column in self.layout.names

    def statuses(self, list_failed: Callable[[str], None] | None = None) -> list[StatusCount]:
        """Those of the platform's list, then those that only orders have; **the whole API is read**. If the list cannot
        be read, since the login may have no right to it, `list_failed` is called with the reason; None: that is a
        SourceError."""
        in_list = list_or_empty(self.status_names.read, list_failed)
        tally = StatusTally()
        for block in newest_of_each(self.fetcher.all_orders(), self.layout):
            for record in block:
                order = self.layout.order(record)
                if isinstance(order, Order):
                    tally.add(order.status, order.message)
        return tally.counts(in_list)

    def sample(self, _limit: int) -> Page:
        """Some orders: those of the first page."""
        return self.layout.page(self.fetcher.first_page().records)

    def status_codes(self) -> set[str]:
        """The codes that the platform lists or the orders of the first page have."""
        in_list = list_or_empty(self.status_names.read, lambda _why: None)
        return {*in_list, *(order.status for order in self.sample(0).orders)}

    def close(self) -> None:
        """Close all connections. The source may be used again."""
        self.client.close()
