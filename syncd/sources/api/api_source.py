"""Orders from a shop's JSON API.

    URL and parameters ──► pages, each fetched while the last is put on disk ──► rows by JMESPath ──► Pages of Orders

A poll goes by time (dated.py) or, where the API numbers its changes, by number (feed.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import chain
from typing import Any, ClassVar

from syncd.errors import SourceError
from syncd.http.addresses import authorization, without_login
from syncd.model import Order, Page
from syncd.sources.api.client import GAPS, Client, Clocks, Template, behind, since_text
from syncd.sources.api.deduplicate import Repeats, last_of_each
from syncd.sources.api.full_scan import ApiScan
from syncd.sources.api.incremental import ALL_EVENTS, Dated, Feed
from syncd.sources.api.page_fetcher import Asking, Complain, Oddity
from syncd.sources.api.paginators import MAY_SHIFT, Paging, rows
from syncd.sources.api.records import Row, Rows, Shape, id_of
from syncd.sources.api.status_names import StatusList, StatusNames
from syncd.sources.columns import NO_KEYS, Meaning, readable
from syncd.sources.cursors import NumberCursor, TimeCursor, dump_number, dump_time, number
from syncd.sources.database.status_dictionary import StatusCount, Tally, listed
from syncd.sources.timestamps import EPOCH, instant, moment
from syncd.templates import Template as OneOrder
from syncd.templates import url_template

ONE_BY_ONE_AT_MOST = 20
CONFIRMED_FOR = 3600.0
"""Seconds."""
PLACES = ("order_id", "shop_id", *GAPS)
_DIGITS = re.compile(r"\s*\d+(\.\d+)?\s*")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Api:
    """How an API is asked and read, as the settings of these names say; `headers` carry the credentials too. `complain`
    is told, once, what is odd about its pages but stops nothing."""

    url: str
    path: str = ""
    query_params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    paging: Paging = "none"
    first_page: int = 1
    next: str | None = None
    items: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    find_path: str = ""
    find_number_path: str = ""
    find_items: str | None = None
    statuses: StatusList = field(default_factory=StatusList)
    since_format: str = "iso"
    rate: float = 0.0
    retry_after_ms_header: str | None = None
    timeout_seconds: float = 30.0
    complain: Complain = lambda _what, _why: None


@dataclass(frozen=True, slots=True)
class FirstPage:
    """`item`: the first order as it came, or None."""

    rows: Rows
    item: Any


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

    api: Api
    timezone: tzinfo
    lookback: timedelta
    lookback_rows: int = 1000
    batch: int = 1000
    tracking_template: InitVar[str | None] = None
    message_is_change: InitVar[bool] = False
    message_is_html: InitVar[bool] = False
    redact: InitVar[Callable[[str], str]] = str
    clocks: InitVar[Clocks | None] = None
    scans_whole: ClassVar = True
    _complaints: set[Oddity] = field(default_factory=set, init=False)
    _has_read: bool = field(default=False, init=False)
    _early_end: str | None = field(default=None, init=False)
    _confirmed_until: float = field(default=0.0, init=False)
    _repeats: Repeats = field(default_factory=Repeats, init=False)

    def __post_init__(
        self,
        tracking_template: str | None,
        message_is_change: bool,
        message_is_html: bool,
        redact: Callable[[str], str],
        clocks: Clocks | None,
    ) -> None:
        api = self.api
        url, login = without_login(api.url)
        self._template = Template(behind(url, api.path), api.query_params)
        to_one = [path for path in (api.find_path, api.find_number_path) if path]
        self._to_one = [url_template(behind(url, path, api.path), PLACES) for path in to_one]
        self.client = Client(
            base_url=url,
            headers={**api.headers, **authorization(api.auth or login)},
            timeout=api.timeout_seconds,
            rate=api.rate,
            wait_in_milliseconds=api.retry_after_ms_header,
            redact=redact,
            clocks=clocks or Clocks(),
        )
        listed = behind(url, api.statuses.path, api.path) if api.statuses.path else None
        meaning = Meaning(self.timezone, tracking_template, message_is_change, message_is_html)
        self.status_names = StatusNames(self.client, listed, api.statuses, meaning.message)
        self.shape = Shape(
            api.items, api.next, api.fields, meaning, where=api.where, name_of=self.status_names.of, redact=redact
        )
        self.layout = self.shape.layout

    def now(self) -> datetime:
        """The source's present, in UTC, as its last answer showed it."""
        return self.client.present()

    def has_cursor(self) -> bool:
        """Whether the API can be asked for what changed, and says when an order did, or numbers its changes."""
        return self._template.has("since") and self.layout.cursor is not None

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's rows the last counts."""
        if self.layout.counts:
            return self._feed.changed(cursor)
        return self._dated.changed(cursor)

    def scan(self, *, whole: bool) -> ApiScan:
        """All orders, always whole."""
        polled = self.has_cursor()
        count = NumberCursor(None) if polled and self.layout.counts else None
        again = self._read_again if self._may_shift else lambda _cursor: iter(())
        follow = self._following_all if polled else None
        return ApiScan(self.every_page(), self.shape, follow, count, again, self._repeats)

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them."""
        return self.find([text for raw in ids if (text := readable(raw)) is not None])

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str] = NO_KEYS) -> Page:
        """The orders with these numbers, as a person types them, or with the shop's own keys that are known of some of
        them; what is not there is left out. Each is asked for by itself where the API can be asked so and they are few;
        else the whole API is read."""
        few = len(order_ids) <= ONE_BY_ONE_AT_MOST
        if few and all(self._way_to(order_id, shop_ids) for order_id in order_ids):
            return self.layout.page([row for order_id in order_ids for row in self._asked_for(order_id, shop_ids)])
        found = dict(chain.from_iterable(self._among(order_ids, {*shop_ids.values()})))
        return self.layout.page([*found.values()])

    def gives(self, column: str) -> bool:
        """Whether orders come with this field."""
        return column in self.layout.names

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """Those of these orders that are there, though a scan did not show them: it may lose some where pages shift.
        SourceError too where the end that the scan found may be none."""
        if self._early_end:
            raise SourceError(self._early_end)
        for part in self._among(order_ids, ()) if self._may_shift else ():
            yield self.layout.page([row for _, row in part])

    def statuses(self, unlisted: Callable[[str], None] | None = None) -> list[StatusCount]:
        """Those of the platform's list, then those that only orders have. `unlisted` is told why the list cannot be
        read: the login may have no right to it; None: that is a SourceError."""
        known = listed(self.status_names.read, unlisted)
        tally = Tally()
        for part in last_of_each(self.every_page(), self.layout):
            for row in part:
                order = self.layout.order(row)
                if isinstance(order, Order):
                    tally.note(order.status, order.message)
        return tally.beside(known)

    def sample(self, _limit: int) -> Page:
        """Some orders: those of the first page."""
        return self.layout.page(self.first_page().rows)

    def status_codes(self) -> set[str]:
        """The codes that the platform lists or the orders of the first page have."""
        listed_there = listed(self.status_names.read, lambda _why: None)
        return {*listed_there, *(order.status for order in self.sample(0).orders)}

    def pages(self, since: datetime) -> Iterator[Rows]:
        """The rows changed since then, page by page; no page is empty."""
        return self._of_orders(self._rows(self._since_text(since)))

    def every_page(self) -> Iterator[Rows]:
        """All rows, page by page; a feed shows an order once for each of its changes."""
        return self._of_orders(self._rows(self._everything))

    def first_page(self) -> FirstPage:
        """What the API shows first of all its orders."""
        asking, pages = self._opened(self._everything)
        return FirstPage(next(pages, []), next(iter(asking.first_items), None))

    def first_page_and_more(self) -> tuple[FirstPage, str | None]:
        """The same, and why there seem to be more orders, if there do though no further page is found."""
        asking, pages = self._opened(self._everything)
        first = FirstPage(next(pages, []), next(iter(asking.first_items), None))
        why = asking.more() or ("it is as long as a page may be" if self.is_full(first.rows) else None)
        match self.api.paging:
            case "keyset":
                goes_on = True
            case "cursor" | "link":
                part = asking.first_part
                goes_on = bool(part and (part.following if self.api.paging == "cursor" else part.link))
            case "page" | "offset":
                goes_on = why is not None and next(pages, None) is not None
            case "none":
                goes_on = False
        return first, None if goes_on else why

    def total(self) -> int | None:
        """How many orders there are on all pages, as the API itself says; None: it does not."""
        first = {"page": str(self.api.first_page), "offset": "0", "limit": "1"}
        return self.client.get(self._template.filled({"since": self._everything, **first})).total

    def is_full(self, page: Rows) -> bool:
        """Whether it holds as many orders as were asked for, so that there may be more."""
        return self._template.has("limit") and len(page) >= self.batch

    def since_from(self, row: Row) -> str:
        """What `{since}` is in a poll whose cursor came from this row. ValueError: none comes from it."""
        raw = self.layout.value(row, self.layout.cursor or "")
        if self.layout.counts:
            return str(self._feed.behind(NumberCursor(dump_number(number(raw)))))
        moment(raw)
        return self._since_text(self._dated.since(dump_time(raw)))

    def asked_with(self, since: str) -> Iterator[Rows]:
        """The orders that come where `{since}` is this."""
        return self._of_orders(self._rows(since))

    def asks_by(self, gap: str) -> bool:
        """Whether this name stands in braces in what it is asked."""
        return self._template.has(gap)

    def close(self) -> None:
        """Close all connections. The source may be used again."""
        self.client.close()

    def _way_to(self, order_id: str, shop_ids: Mapping[str, str]) -> OneOrder | None:
        """How one order is asked for: by a key that is known, or by its number; None: it cannot be."""
        return next((way for way in self._to_one if "shop_id" not in way.placeholders or order_id in shop_ids), None)

    def _asked_for(self, order_id: str, shop_ids: Mapping[str, str]) -> Rows:
        """The rows of one order, to which there is a way."""
        way = self._way_to(order_id, shop_ids)
        assert way is not None
        self.status_names.refresh()
        known = {"order_id": order_id, "shop_id": shop_ids.get(order_id, "")}
        try:
            address = way.filled(known)
        except ValueError as error:
            raise SourceError(f"order {order_id} cannot be asked for: {error}") from None
        answer = self.client.get(address)
        items = [] if answer.status == 404 else self.shape.found(self.api.find_items, answer.content())
        rows = [row for item in items if self.layout.is_order(row := self.shape.row(item))]
        return [row for row in rows if self._is_wanted(row, {order_id}, {known["shop_id"]})]

    def _is_wanted(self, row: Row, order_ids: Collection[str], shop_ids: Collection[str]) -> bool:
        return id_of(row) in order_ids or self.layout.shop_id(row) in shop_ids

    def _among(self, order_ids: Collection[str], shop_ids: Collection[str]) -> Iterator[list[tuple[str, Row]]]:
        """Of each block the rows of these orders; the API is read to its end, for the last row of each counts."""
        wanted, keys = frozenset(order_ids), frozenset(shop_ids)
        for part in last_of_each(self.every_page(), self.layout):
            ids = [(id_of(row), row) for row in part]
            yield [(order_id, row) for order_id, row in ids if order_id and self._is_wanted(row, wanted, keys)]

    def _of_orders(self, parts: Iterator[Rows]) -> Iterator[Rows]:
        return (orders for part in parts if (orders := [row for row in part if self.layout.is_order(row)]))

    def _read_again(self, cursor: str) -> Iterator[Rows]:
        return self._of_orders(self._dated.again(cursor))

    def _events(self, behind: int) -> Iterator[Rows]:
        return self._rows(str(behind))

    def _rows(self, since: str) -> Iterator[Rows]:
        _, pages = self._opened(since)
        yield from pages

    def _opened(self, since: str) -> tuple[Asking, Iterator[Rows]]:
        """What asks, and the pages it gets; none of them is empty."""
        self.status_names.refresh()
        asking = self._asking(since)
        return asking, self._noted(asking)

    def _noted(self, asking: Asking) -> Iterator[Rows]:
        for part in rows(asking, self.api.paging):
            self._has_read = True
            yield part
        if asking.confirm is None:
            self._early_end = asking.early_end

    def _is_read_now(self) -> bool:
        """Whether the API shows orders if all are asked for. It is asked no oftener than once an hour."""
        now = self.client.clocks.monotonic()
        if now >= self._confirmed_until:
            try:
                if not self.first_page().rows:
                    return False
            except SourceError:
                return False
            self._confirmed_until = now + CONFIRMED_FOR
        return True

    def _asking(self, since: str) -> Asking:
        whole = since == self._everything
        return Asking(
            client=self.client,
            template=self._template,
            shape=self.shape,
            write_since=self._written,
            since=since,
            limit=self.batch,
            first_page=self.api.first_page,
            keyset=self.api.paging == "keyset",
            complain=self._complain,
            settled=self._has_read or not whole,
            confirm=None if whole else self._is_read_now,
        )

    def _complain(self, what: Oddity, why: str) -> None:
        if what not in self._complaints:
            self._complaints.add(what)
            self.api.complain(what, why)

    @property
    def _may_shift(self) -> bool:
        return self.api.paging in MAY_SHIFT

    @property
    def _feed(self) -> Feed:
        return Feed(self._events, self.layout, self.lookback_rows)

    @property
    def _dated(self) -> Dated:
        return Dated(
            pages=lambda since: self._rows(self._since_text(since)),
            is_full=lambda page: not self.asks_by("limit") or self.is_full(page),
            now=self.now,
            layout=self.layout,
            lookback=self.lookback,
            repeats=self._repeats,
            may_shift=self._may_shift,
        )

    @property
    def _everything(self) -> str:
        """What `{since}` is where everything is asked for."""
        return str(ALL_EVENTS) if self.layout.counts else self._since_text(EPOCH)

    def _since_text(self, when: datetime) -> str:
        return since_text(when, self.api.since_format, self.timezone)

    def _written(self, raw: Any) -> str:
        """A raw cursor as `{since}`, to go on right behind it: text stays as it came, unless it is a number."""
        if self.layout.counts:
            return str(number(raw))
        if isinstance(raw, str) and self.api.since_format == "iso" and not _DIGITS.fullmatch(raw):
            return raw
        return self._since_text(instant(moment(raw), self.timezone))

    def _following_all(self) -> TimeCursor:
        return TimeCursor(None, self.now(), self.timezone)
