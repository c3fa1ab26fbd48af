"""A shop and an IMSHOP in memory, with the ways in which they fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.errors import PushError, SourceError
from syncd.model import Answer, Identified, Order, Page, Push, Skipped
from syncd.pipeline.segments import Row
from tests.made import NOON

LOOKBACK = timedelta(minutes=5)


@dataclass
class FakeShop:
    """Satisfies `pipeline.poll.Source`. `put` changes an order; `fail_after` so many pages or blocks were read."""

    now: datetime = NOON
    page: int = 100
    follows: bool = True
    fail_after: int | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    older: dict[str, Row] = field(default_factory=dict)
    """An older row of an order, which a scan that is not whole happens to show last."""
    looked_up: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    whole_scans: int = 0
    scans_whole: bool = False
    twins: list[Row] = field(default_factory=list)
    """Rows of other orders, beside those in `rows`, that have the number of one of them."""
    slipped: set[str] = field(default_factory=set)
    """Orders that a scan loses, and a second look finds."""

    def put(
        self,
        order_id: str,
        status: str,
        at: datetime | None = None,
        uuid: str | None = None,
        shop_id: str | None = None,
    ) -> None:
        self.rows[order_id] = (order_id, status, uuid, shop_id, at or self.now)

    def silently(self, order_id: str, status: str) -> None:
        """Change an order without its timestamp."""
        self.rows[order_id] = (order_id, status, *self.rows[order_id][2:])

    def has_cursor(self) -> bool:
        return self.follows

    def changed(self, cursor: str) -> Iterator[Page]:
        since = datetime.fromisoformat(cursor) - LOOKBACK
        rows = sorted((row for row in self._all() if row[4] >= since), key=lambda row: (row[4], row[0]))
        pages = [rows[start : start + self.page] for start in range(0, len(rows), self.page)] or [[]]
        for number, page in enumerate(pages, 1):
            self._maybe_fail(number - 1)
            past = [row[4] for row in page if row[4] <= self.now]
            moved = max([datetime.fromisoformat(cursor), *past]).isoformat()
            orders, skipped = self._read(page, cursor)
            yield Page(orders, skipped, moved, last=number == len(pages))

    def scan(self, *, whole: bool) -> FakeScan:
        self.whole_scans += whole
        return FakeScan(self, whole=whole)

    def look_up(self, ids: Sequence[Any]) -> Page:
        self.looked_up += ids
        return Page(*self._read([row for row in self._all() if row[0] in ids]))

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        """An order is found by its key, whatever number it has by now."""
        self.found += order_ids
        keys = {shop_ids[order_id] for order_id in order_ids if order_id in shop_ids}
        by_number = {order_id for order_id in order_ids if order_id not in shop_ids}
        return Page(*self._read([row for row in self._all() if row[0] in by_number or row[3] in keys]))

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        yield Page(())
        yield Page(*self._read([self.rows[order_id] for order_id in order_ids if order_id in self.slipped]))

    def _all(self) -> list[Row]:
        return [*self.rows.values(), *self.twins]

    def _read(self, rows: Sequence[Row], cursor: str | None = None) -> tuple[list[Order], list[Skipped]]:
        skipped = [Skipped("no_status", row[0], "no status") for row in rows if row[0] in self.unreadable]
        orders = [
            Order(
                order_id=row[0],
                content={"status": row[1]},
                updated_at=row[4],
                imshop_uuid=row[2],
                shop_id=row[3],
                beyond_cursor=cursor is None or row[4] > datetime.fromisoformat(cursor),
            )
            for row in rows
            if row[0] not in self.unreadable
        ]
        return orders, skipped

    def _maybe_fail(self, done: int) -> None:
        if self.fail_after is not None and done >= self.fail_after:
            raise SourceError("the shop's database went away")


@dataclass
class FakeScan:
    """Satisfies `pipeline.full_compare.Scan`."""

    shop: FakeShop
    whole: bool
    width: int = 4

    def blocks(self) -> Iterator[Sequence[Row]]:
        older = {} if self.whole else self.shop.older
        rows = [
            row
            for key in sorted(self.shop.rows.keys() - self.shop.slipped)
            for row in (self.shop.rows[key], *(twin for twin in self.shop.twins if twin[0] == key), older.get(key))
            if row
        ]
        for number, start in enumerate(range(0, len(rows), self.shop.page)):
            self.shop._maybe_fail(number)
            block = rows[start : start + self.shop.page]
            yield block if self.whole else [row[: self.width] for row in block]
        self.shop._maybe_fail(len(rows))

    def content(self, row: Row) -> Identified | Skipped:
        if row[0] in self.shop.unreadable:
            return Skipped("no_status", row[0], "no status")
        return Identified(row[0], {"status": row[1]}, row[2], row[3])

    def read(self, rows: Sequence[Row]) -> Page:
        assert self.whole
        return Page(*self.shop._read(rows))

    def newest(self) -> tuple[str, datetime] | None:
        stamps = [row[4] for row in self.shop.rows.values() if row[4] <= self.shop.now]
        return (max(stamps).isoformat(), max(stamps)) if stamps and self.whole and self.shop.follows else None


Behaviour = Callable[[Push], None]


class FakeImshop:
    """Satisfies `pipeline.deliver.Pusher`. `behave` may raise what a push raises; `told` is what it took, in order."""

    def __init__(self) -> None:
        self.behave: Behaviour = lambda _push: None
        self.asked: list[Push] = []
        self.told: list[tuple[str, str]] = []
        self.overlaps = 0
        self.most_at_once = 0
        self._now: list[str] = []
        self._lock = threading.Lock()

    def push(self, push: Push) -> Answer:
        with self._lock:
            self.asked.append(push)
            self.overlaps += push.order_id in self._now
            self._now.append(push.order_id)
            self.most_at_once = max(self.most_at_once, len(self._now))
        try:
            self.behave(push)
            with self._lock:
                self.told.append((push.order_id, push.code))
            return Answer(200, push.order_id, f"uuid-{push.order_id}", push.code, "processing", None)
        finally:
            with self._lock:
                self._now.remove(push.order_id)


def refused() -> PushError:
    return PushError("IMSHOP does not know the order", refused=True, answered=True, http_status=200)


def busy() -> PushError:
    return PushError("HTTP 503", answered=True, in_doubt=True, http_status=503)


def silent() -> PushError:
    return PushError("no answer within 10 s", in_doubt=True)


def unauthorized() -> PushError:
    return PushError("HTTP 401", answered=True, pauses_delivery="unauthorized", http_status=401)
