"""The shop's API: whether it can be read, and how polls would read its orders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any

from syncd.doctor.clock_checks import (
    HOUR,
    SLACK,
    WIDEST_OFFSET,
    PollHistory,
    clock_difference,
    time_precision,
    zone_findings,
)
from syncd.doctor.findings import Check, Finding, ok, warning
from syncd.doctor.order_checks import (
    SAMPLES,
    SET_THE_TIME,
    newest_rows,
    push_preview,
    row_findings,
    row_problems,
    shared_keys,
)
from syncd.errors import SourceError
from syncd.http.addresses import is_insecure_remote
from syncd.model import Order, Push
from syncd.pipeline.statuses_file import Statuses
from syncd.sources.api import ApiSource
from syncd.sources.api.deduplicate import newest_of_each, version_of
from syncd.sources.api.page_fetcher import FirstPage
from syncd.sources.api.records import Record, Records, id_of
from syncd.sources.columns import CURSORS, KNOWN
from syncd.sources.cursors import BEFORE_ALL, parse_sequence
from syncd.sources.timestamps import EPOCH, instant, moment

PAGES_SEARCHED = 2
"""An order that must be on the first page is searched for on so many."""
RECENT = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1), timedelta(days=7))
A_DAY = timedelta(days=1)
TIME_LIMIT = 40
TEXT_LIMIT = 1500
_PERSONAL = re.compile(r"phone|tel|mobile|mail", re.IGNORECASE)
_SECRET = re.compile(r"key|token|secret|pass|hash", re.IGNORECASE)
_PHONE = re.compile(r"\+?\d[\d ()-]{8,}\d")


class ApiChecks:
    """Each method is a check of its own and may raise SourceError. `body` writes the body of a push; `now` is this
    machine's clock; `history` is what polls found lately."""

    def __init__(
        self,
        source: ApiSource,
        statuses: Statuses,
        body: Callable[[Push], bytes],
        now: Callable[[], datetime],
        history: Callable[[], PollHistory] = PollHistory,
    ) -> None:
        self._source = source
        self._statuses = statuses
        self._body = body
        self._now = now
        self._history = history
        self._fetcher = source.fetcher
        self._layout = source.layout

    def checks(self) -> Sequence[Check]:
        # Each request may take the API's own timeout, after it waited for the rate limiter.
        api = self._source.api
        seconds = api.timeout_seconds + (1 / api.rate if api.rate else 0) + 1
        check = partial(Check, "source", seconds=seconds, progress=lambda: self._source.client.requests)
        return (
            check("Can the API be read?", self.fields),
            check("Can its orders be read?", self.rows),
            check("Which orders changed last?", self.samples),
            check("Do polls find what changed?", self.polled),
            check("Do its statuses have names?", self.statuses),
            check("What time is it there?", self.clock),
        )

    def fields(self) -> Iterator[Finding]:
        """Does it answer, and which fields are read from it?"""
        first, _ = self._first
        rows = first.records
        yield ok("source", f"the API at {self._source.client.host} gives {', '.join(self._layout.names)}")
        yield from self._missing_settings()
        if rows:
            yield ok("source", f"the first order as the API gave it: {self._masked_text(first.item)}")
            self._source.extractor.require_fields(rows)
            yield from self._fields_without_values(rows)

    def rows(self) -> Iterator[Finding]:
        """Can its orders be read?"""
        first, why = self._first
        rows = first.records
        if why:
            advice = (
                "If the shop has more, they are never seen: check SYNCD_SOURCE__PAGING, SYNCD_SOURCE__NEXT, and that "
                "SYNCD_SOURCE__QUERY_PARAMS ask for pages in the way it wants"
            )
            yield warning("source", f"the API shows one page of {len(rows)} orders, but {why}", advice)
        if not rows:
            advice = "Check that SYNCD_SOURCE__QUERY_PARAMS exclude no orders. In an empty shop this is right"
            yield warning("source", "the API shows no orders", advice)
            return
        cursor = self._layout.cursor
        findings = [*row_findings(row_problems(rows, self._layout, with_times=cursor == "updated_at"))]
        if cursor and (without := sum(self._layout.value(row, cursor) is None for row in rows)):
            text = f"of {len(rows)} rows read, {without} have NULL as {cursor}"
            findings.append(warning("source", text, SET_THE_TIME))
        if self._layout.by_sequence:
            errors = []
            for row in rows:
                try:
                    if (raw := self._layout.value(row, "sequence")) is not None:
                        parse_sequence(raw)
                except ValueError as error:
                    errors.append(str(error))
            if errors:
                text = f"of {len(rows)} rows read, {len(errors)} have a sequence that is not a number: {errors[0]}"
                findings.append(warning("source", text, SET_THE_TIME))
        yield from findings or [ok("source", f"all of the {len(rows)} orders read can be used")]

    def samples(self) -> Iterator[Finding]:
        """Which orders changed last, and how would they be pushed?"""
        newest = newest_rows(self._newest_rows, self._layout, self._source.timezone)
        for row in newest.rows[-SAMPLES:]:
            yield push_preview(row, self._statuses, self._body, self._now())
        if newest.times and not self._layout.by_sequence:
            yield time_precision(newest)
            yield from zone_findings(newest, self._source.now(), self._source.timezone, self._history())
        orders = [row for row in newest.rows if isinstance(row, Order)]
        yield from shared_keys(orders)
        yield from self._single_order(orders)

    def polled(self) -> Iterator[Finding]:
        """Would a poll from just before the newest order find it?"""
        row = self._newest() if self._source.has_cursor() else None
        if row is None:
            return
        since, order_id = self._source.incremental.since_from(row), id_of(row)
        place = str(self._layout.value(row, self._layout.cursor or ""))[:TIME_LIMIT]
        what = f"order {order_id} ({self._layout.cursor} {place})"
        pages = self._fetcher.orders(since)
        shown, is_found = _search(pages, order_id)
        if not is_found:
            if next(pages, None):  # what changed since then fills more pages, in an unknown order
                return
            yield self._newest_not_found(row, f"a poll does not find {what}, though its {{since}} is {since}")
            return
        yield ok("source", f"a poll from just before {what} finds it: its {{since}} is {since}")
        old = self._changed_at(row) - self._source.lookback - A_DAY
        if not self._layout.by_sequence and any(at and at < old for at in map(self._changed_at_or_none, shown)):
            advice = "Find out which parameter of the API means that, and set it in SYNCD_SOURCE__QUERY_PARAMS"
            yield warning("source", "the API ignores {since}: polls get orders that changed long before it", advice)

    def _newest_not_found(self, row: Record, text: str) -> Finding:
        waits = "Until then every change waits for the full compare (SYNCD_POLL__RECONCILE)"
        if self._layout.by_sequence:
            advice = "Check that the API gives what comes after the number in {since}"
            return warning("source", text, f"{advice}. {waits}")
        earlier = self._changed_at(row) - self._source.lookback - WIDEST_OFFSET
        _, is_found = _search(self._fetcher.orders(self._fetcher.since(earlier)), id_of(row))
        if is_found:
            hours = f"{WIDEST_OFFSET / HOUR:.0f} h"
            text += f". It is found with a {{since}} {hours} earlier: the API reads it in another time zone"
            advice = "Set SYNCD_SOURCE__TIMEZONE, or a SYNCD_SOURCE__SINCE_FORMAT with an offset, as the API reads it"
        else:
            advice = "Set SYNCD_SOURCE__SINCE_FORMAT as the API reads {since}, and check which parameter takes it"
        return warning("source", text, f"{advice}. {waits}")

    def _newest(self) -> Record | None:
        """Of the orders that were read, the one that changed last; those dated in the future do not count."""
        first, _ = self._first
        rows = [*first.records, *self._recent]
        if self._layout.by_sequence:
            placed = [row for row in rows if version_of(row, self._layout) > BEFORE_ALL]
        else:
            present = self._source.now() + SLACK
            placed = [row for row in rows if (at := self._changed_at_or_none(row)) and EPOCH < at <= present]
        named = [row for row in placed if id_of(row)]
        return max(named, key=lambda row: version_of(row, self._layout), default=None)

    def _changed_at(self, row: Record) -> datetime:
        return instant(moment(self._layout.value(row, "updated_at")), self._source.timezone)

    def _changed_at_or_none(self, row: Record) -> datetime | None:
        try:
            return self._changed_at(row)
        except ValueError:
            return None

    def _single_order(self, orders: Sequence[Order]) -> Iterator[Finding]:
        """Can an order be fetched by SYNCD_SOURCE__FIND_PATH?"""
        if not self._source.api.find_path or not orders:
            return
        order = orders[-1]
        found = self._source.find([order.order_id], {order.order_id: order.shop_id} if order.shop_id else {})
        if any(one.order_id == order.order_id for one in found.orders):
            yield ok("source", f"order {order.order_id} can be fetched by itself")
        else:
            advice = "Correct SYNCD_SOURCE__FIND_PATH or …FIND_ITEMS: explain, resync and SYNCD_CANCEL__FROM use it"
            yield warning("source", f"order {order.order_id} is not found at SYNCD_SOURCE__FIND_PATH", advice)

    def statuses(self) -> Iterator[Finding]:
        """Can the list of statuses be read, if there is one?"""
        try:
            listed = self._source.status_names.read()
        except SourceError as error:
            advice = "Polls go on without it: an order that has no status text of its own is pushed without one"
            yield warning("source", str(error), advice)
            return
        if listed:
            code, name = next(iter(listed.items()))
            yield ok("source", f"the API lists {len(listed)} statuses, such as {code}: {name}")
            yield from self._missing_statuses()

    def _missing_statuses(self) -> Iterator[Finding]:
        """Has the list of orders those of every status?"""
        counted = self._source.status_names.counted()
        total = None if counted is None else self._fetcher.total()
        if counted is None or total is None:
            return
        if counted <= total:
            yield ok("source", f"the list of orders has as many as the list of statuses counts: {counted}")
            return
        text = (
            f"the list of statuses counts {counted} orders, but the list of orders has {total}: it leaves a status out"
        )
        advice = (
            "Compare with the shop: `syncd statuses` counts the orders of the list, and `syncd presets NAME` says "
            "what the preset leaves out. If such a status must be pushed, read the shop's database"
        )
        yield warning("source", text, advice)

    def clock(self) -> Iterator[Finding]:
        """What time is it there? An API gives it in whole seconds."""
        yield clock_difference(self._source.now() - self._now())

    def close(self) -> None:
        self._source.close()

    def _fields_without_values(self, rows: Records) -> Iterator[Finding]:
        """A new order has no parcel and no payment yet, but it changed at some time."""
        paths = self._source.extractor.fields
        empty = [name for name in self._layout.names if all(self._layout.value(row, name) is None for row in rows)]
        variables = {name: f"SYNCD_SOURCE__FIELDS__{name.upper()} ({paths[name]})" for name in empty}
        if self._layout.cursor in variables:
            advice = "Write the JMESPath that leads to it; the first order is shown above"
            text = f"{variables[self._layout.cursor]} finds nothing in any of the {len(rows)} orders of the first page"
            yield warning("source", f"{text}. If no order has it, every poll reads all orders", advice)
        elif variables:
            text = f"these find nothing in the {len(rows)} orders of the first page: {', '.join(variables.values())}"
            yield ok("source", text)

    @cached_property
    def _first(self) -> tuple[FirstPage, str | None]:
        return self._fetcher.first_page_and_more()

    @cached_property
    def _recent(self) -> Records:
        """A page of what changed last, if the API can be asked for that: in the shortest of some spans in which
        anything changed, since a page begins with the oldest."""
        if self._layout.by_sequence or not self._source.has_cursor():
            return []
        pages = (next(self._fetcher.orders(self._fetcher.since(self._source.now() - span)), []) for span in RECENT)
        return next(filter(None, pages), [])

    @property
    def _newest_rows(self) -> Records:
        """Oldest first. Of a feed, the first page: its end is not read, since that may be far."""
        first, _ = self._first
        rows = chain.from_iterable(newest_of_each([self._recent or first.records], self._layout))
        return sorted(rows, key=lambda row: version_of(row, self._layout))

    def _missing_settings(self) -> Iterator[Finding]:
        names = self._source.extractor.fields
        given = {*names, *(["message"] if self._source.status_names.has_list else [])}
        given |= {*CURSORS} if self._layout.cursor else {"sequence"}
        unused = [name for name in KNOWN if name not in given]
        if unused:
            yield ok("source", f"SYNCD_SOURCE__FIELDS__… may also lead to {', '.join(unused)}")
        if "tracking_number" in names and not {"tracking_number", "tracking_url"} & {*self._layout.names}:
            advice = "Set SYNCD_SOURCE__TRACKING_TEMPLATE, or give the whole URL as tracking_url"
            yield warning("source", "tracking_number is not used: no setting says how to make a URL of it", advice)
        if "paid" in names and "payment_id" not in names:
            advice = "Set SYNCD_SOURCE__FIELDS__PAYMENT_ID: paid without one is not sent"
            yield warning("source", "payments cannot be pushed: there is paid, but no payment_id", advice)
        if self._source.api.paging == "keyset" and not (
            self._layout.by_sequence or self._fetcher.template.has("last_id")
        ):
            advice = "If the API can continue after an order's id, set {last_id} in a parameter"
            text = "pages continue by {since} alone: orders of the same moment as the last one of a page may be lost"
            yield warning("source", text, advice)
        if not self._source.has_cursor():
            advice = (
                "If the API can be asked for what changed, set {since} in a parameter, and "
                f"SYNCD_SOURCE__FIELDS__{(self._layout.cursor or 'updated_at').upper()}"
            )
            yield warning("source", "every poll reads and compares all orders", advice)
        if is_insecure_remote(self._source.client.base_url):
            advice = "Write https:// in SYNCD_SOURCE__URL, unless it is reached through your own network"
            yield warning("source", "orders and credentials travel unencrypted", advice)

    def _masked_text(self, item: Any) -> str:
        try:
            text = self._source.client.redact(json.dumps(_masked(item), ensure_ascii=False))
        except RecursionError:
            return "too deeply nested to be shown"
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"


def _search(pages: Iterator[Records], order_id: str | None) -> tuple[list[Record], bool]:
    """The records up to the end of the page that has the order, of at most PAGES_SEARCHED pages; and whether one has
    it."""
    records: list[Record] = []
    for page in islice(pages, PAGES_SEARCHED):
        records += page
        if any(id_of(record) == order_id for record in page):
            return records, True
    return records, False


def _masked(value: Any, key: str = "") -> Any:
    """Without secrets, and without phones and addresses of buyers."""
    match value:
        case dict():
            return {name: _masked(one, str(name)) for name, one in value.items()}
        case list():
            return [_masked(one, key) for one in value]
        case str() | int() if _SECRET.search(key) and not isinstance(value, bool):
            return "***"
        case str() | int() if _PERSONAL.search(key) and not isinstance(value, bool):
            return _tail(str(value))
        case str():
            return _PHONE.sub(lambda found: _tail(found[0]) if _is_phone(found[0]) else found[0], value)
    return value


def _tail(text: str) -> str:
    return "*" * len(text[:-2]) + text[-2:]


def _is_phone(text: str) -> bool:
    """Ten to fifteen digits; a date or a time has fewer."""
    return not re.match(r"\d{4}-\d\d-\d\d", text) and 10 <= len(re.sub(r"\D", "", text)) <= 15
