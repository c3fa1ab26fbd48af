"""Orders from a shop's JSON API.

    URL and parameters ──► pages, each fetched while the last is put on disk ──► rows by JMESPath ──► Pages of Orders

An API promises little: its pages shift while they are read, and it need not sort them. So the cursor moves when a poll
is over and not before. After a poll of several pages that may have shifted, the next one starts where that one had
started: an order that slipped through between two pages is there, at most one poll late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import chain
from typing import Any

from syncd.model import Order, Page, Skipped
from syncd.sources.api.ahead import ahead
from syncd.sources.api.asking import Asking
from syncd.sources.api.client import Client, Clocks
from syncd.sources.api.login import authorization, without_login
from syncd.sources.api.paging import MAY_SHIFT, Paging, rows
from syncd.sources.api.request import Template, since_text
from syncd.sources.api.scanning import ApiScan
from syncd.sources.api.shape import ApiLayout, Row, Rows, Shape
from syncd.sources.api.span import Span
from syncd.sources.columns import Meaning, text_of
from syncd.sources.dictionary import StatusCount
from syncd.sources.following import EPOCH, Following, load
from syncd.sources.timestamps import Raw, bound, instant, moment

_A_LITTLE = timedelta(seconds=1)
"""Some APIs show what changed after `{since}`, others from then on; some know whole seconds alone."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Api:
    """How an API is asked and read, as the settings of these names say; `headers` carry the credentials too."""

    url: str
    query_params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    paging: Paging = "none"
    first_page: int = 1
    next: str | None = None
    items: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    since_format: str = "iso"
    rate: float = 0.0
    retry_after_ms_header: str | None = None
    timeout_seconds: float = 30.0


class ApiSource:
    """Satisfies `syncd.poll.Source` and `syncd.reconcile.ScannedSource`. Every method may raise SourceError, and so
    does making one where `api` cannot be used.

    timezone             of timestamps without an offset, and of `{since}`
    lookback             how far behind its cursor each poll reads again
    batch                orders a page, where the API lets one choose
    tracking_template    a URL with `{tracking_number}` in it
    message_is_change    whether a different message alone is a change
    redact               masks secrets in texts for people
    """

    scans_whole = True

    def __init__(
        self,
        api: Api,
        *,
        timezone: tzinfo,
        lookback: timedelta,
        batch: int = 1000,
        tracking_template: str | None = None,
        message_is_change: bool = False,
        redact: Callable[[str], str] = str,
        clocks: Clocks | None = None,
    ) -> None:
        self._api = api
        self.timezone = timezone
        self._lookback = lookback
        self._batch = batch
        url, login = without_login(api.url)
        self._template = Template(url, api.query_params)
        self.shape = Shape(api.items, api.next, api.fields, Meaning(timezone, tracking_template, message_is_change))
        self.client = Client(
            base_url=url,
            headers={**api.headers, **authorization(api.auth or login)},
            timeout=api.timeout_seconds,
            rate=api.rate,
            wait_in_milliseconds=api.retry_after_ms_header,
            redact=redact,
            clocks=clocks or Clocks(),
        )

    def now(self) -> datetime:
        """The source's present, in UTC, as its last answer showed it."""
        return self.client.present()

    def has_cursor(self) -> bool:
        """Whether the API can be asked for what changed, and says when an order did."""
        return self._template.has("since") and "updated_at" in self.shape.fields

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback, in the API's order; of one order's rows the last counts."""
        span = Span.of(cursor)
        since = self._since(span)
        asked = self.pages(since)
        first = next(asked, [])
        if (earlier := self._since(span)) < since:  # its clock, seen only now, is behind the cursor
            asked = self.pages(earlier)
            first = next(asked, [])
        follow = Following(span.reached, self.now(), self.timezone)
        for number, (part, last) in enumerate(ahead(chain([first], asked))):
            orders, skipped = _read(part, self.shape.layout, follow)
            yield Page(orders, skipped, self._cursor(span, follow, pages=number + 1) if last else None, last)

    def scan(self, *, whole: bool) -> ApiScan:
        """All orders, always whole."""
        return ApiScan(self.every_page(), self.shape, self._following_all if self.has_cursor() else None)

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them."""
        return self.find([text for raw in ids if (text := text_of(raw)) is not None])

    def find(self, order_ids: Collection[str]) -> Page:
        """The orders with these ids, as a person types them; those that there are not are left out. The API shows its
        pages until all are found."""
        found = dict(chain.from_iterable(self._among(order_ids)))
        return self.shape.layout.page([*found.values()])

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """Those of these orders that are there, though a scan did not show them: it may lose some where pages shift."""
        for part in self._among(order_ids) if self._api.paging in MAY_SHIFT else ():
            yield self.shape.layout.page([row for _, row in part])

    def statuses(self) -> list[StatusCount]:
        """Every status that orders have, and the name that the last of them gives it."""
        counts: Counter[str] = Counter()
        names: dict[str, str | None] = {}
        for part in self.every_page():
            for row in part:
                order = self.shape.layout.order(row)
                if isinstance(order, Order):
                    counts[order.status] += 1
                    names[order.status] = order.message or names.get(order.status)
        return [StatusCount(code, names[code], counts[code]) for code in sorted(counts)]

    def pages(self, since: datetime) -> Iterator[Rows]:
        """The rows changed since then, page by page; no page is empty."""
        return rows(self._asking(since), self._api.paging)

    def every_page(self) -> Iterator[Rows]:
        return self.pages(EPOCH)

    def first_item(self) -> tuple[Any, Rows]:
        """The first order as it came, or None, and the first page's rows."""
        asking = self._asking(EPOCH)
        first = next(rows(asking, self._api.paging), [])
        return next(iter(asking.first_items), None), first

    def close(self) -> None:
        """Close all connections. The source may be used again."""
        self.client.close()

    def _among(self, order_ids: Collection[str]) -> Iterator[list[tuple[str, Row]]]:
        """Of each page the rows of these orders, until all are found."""
        wanted = frozenset(order_ids)
        left = {*wanted}
        for part in self.every_page():
            ids = [(text_of(row[0]), row) for row in part]
            found = [(order_id, row) for order_id, row in ids if order_id is not None and order_id in wanted]
            yield found
            left -= {order_id for order_id, _ in found}
            if not left:
                return

    def _asking(self, since: datetime) -> Asking:
        return Asking(
            self.client,
            self._template,
            self.shape,
            self._written,
            since=since_text(since, self._api.since_format, self.timezone),
            limit=self._batch,
            first_page=self._api.first_page,
            keyset=self._api.paging == "keyset",
        )

    def _written(self, raw: Any) -> str:
        """A raw timestamp as `{since}`, to go on right behind it: text stays as it came."""
        if isinstance(raw, str) and self._api.since_format == "iso":
            return raw
        return since_text(instant(moment(raw), self.timezone), self._api.since_format, self.timezone)

    def _since(self, span: Span) -> datetime:
        raw: Raw | None = load(span.since)
        if raw is None:
            return EPOCH
        start = moment(raw)
        begin = bound(start, self._lookback, self.now(), self.timezone, start)
        return max(instant(moment(begin), self.timezone) - _A_LITTLE, EPOCH)

    def _cursor(self, span: Span, follow: Following, *, pages: int) -> str | None:
        reached = follow.cursor(last=True)
        again = pages > 1 and self._api.paging in MAY_SHIFT and load(span.reached) is not None
        return str(Span(span.reached, reached)) if reached and again else reached

    def _following_all(self) -> Following:
        return Following(None, self.now(), self.timezone)


def _read(part: Rows, layout: ApiLayout, follow: Following) -> tuple[list[Order], list[Skipped]]:
    """Rows as orders, noted by the cursor. What has no timestamp that can be read is left to the full compare."""
    orders: list[Order] = []
    skipped: list[Skipped] = []
    for row in part:
        raw = layout.value(row, "updated_at")
        try:
            when = moment(raw)
        except ValueError as error:
            order_id = text_of(row[0])
            skipped.append(
                Skipped("bad_timestamp", order_id, f"order {order_id or 'without an id'}: updated_at {error}")
            )
            continue
        follow.note(raw, when)
        order = layout.order(row, beyond_cursor=follow.is_news(when))
        orders.append(order) if isinstance(order, Order) else skipped.append(order)
    return orders, skipped
