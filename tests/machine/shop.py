"""A shop in memory that remembers every version of its orders, and misleads a poll in the ways in which shops do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from syncd.errors import SourceError
from syncd.model import Content, Identified, Order, Page
from syncd.pipeline.segments import Row

LOOKBACK = timedelta(minutes=5)
OLD = ("0001", "0002", "0003", "0038", "0070", "0072", "0073", "0074", "0500", "0501")
"""Orders that are there from the first day: so many that one of them may vanish. 0038 ends a segment, so a full compare
has two."""
NEW = ("0502", "0503")
ORDERS = (*OLD, *NEW)
WIDTH = 5


@dataclass(frozen=True, slots=True)
class Version:
    """An order as it was in the shop for a time. `number` travels as its message, so each push names its version."""

    number: int
    status: str
    tracking: str | None = None
    paid: bool = False
    payment_id: str | None = None

    @property
    def content(self) -> Content:
        return {
            "status": self.status,
            "tracking": self.tracking,
            "paid": self.paid,
            "payment_id": self.payment_id,
        }


@dataclass
class ModelShop:
    """Satisfies `pipeline.poll.Source`. `clock`: the shop's own. `page`: rows in a page or a block.

    `undated`: orders without a timestamp. `gone`: orders that are not shown. `dark`: nothing is shown.
    `fails_after`: so many pages. `meanwhile`: what happens between two pages, each once.
    """

    clock: Callable[[], datetime]
    page: int = 2
    scans_whole: bool = False
    follows: bool = True
    history: dict[str, list[Version]] = field(default_factory=dict)
    stamps: dict[str, datetime] = field(default_factory=dict)
    undated: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    dark: bool = False
    fails_after: int | None = None
    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def place(self, order_id: str, late: timedelta = timedelta()) -> None:
        self.history[order_id] = [Version(0, "new")]
        self._stamp(order_id, late)

    def change(self, order_id: str, late: timedelta | None = timedelta(), **differences: str | bool | None) -> None:
        """`late`: how long ago the row says that it changed, never before it changed last; None: it does not say."""
        version = self.present(order_id)
        self.history[order_id].append(replace(version, number=version.number + 1, **differences))  # type: ignore[arg-type] # the fields of Version
        if late is not None:
            self._stamp(order_id, late)

    def present(self, order_id: str) -> Version:
        return self.history[order_id][-1]

    def status(self, order_id: str) -> str:
        return self.present(order_id).status

    def shown(self) -> list[str]:
        return [] if self.dark else sorted(self.history.keys() - self.gone)

    def has_cursor(self) -> bool:
        return self.follows

    def changed(self, cursor: str) -> Iterator[Page]:
        start = datetime.fromisoformat(cursor)
        dated = [row for row in self._rows() if row[5] is not None and row[5] >= start - LOOKBACK]
        rows = sorted(dated, key=lambda row: (row[5], row[0]))
        pages = list(self._pages(rows)) or [[]]
        reached = start
        for number, page in enumerate(pages, 1):
            self._between(number - 1)
            reached = max(reached, *(row[5] for row in page if row[5] <= self.clock()), start)
            orders = [_order(row, beyond_cursor=row[5] > start) for row in page]
            yield Page(orders, cursor=reached.isoformat(), last=number == len(pages))

    def scan(self, *, whole: bool) -> ModelScan:
        return ModelScan(self, whole=whole)

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        return iter(())

    def look_up(self, ids: Sequence[str]) -> Page:
        return Page([_order(row) for row in self._rows() if row[0] in ids])

    def find(self, order_ids: Sequence[str], _shop_ids: Mapping[str, str]) -> Page:
        return self.look_up(order_ids)

    def close(self) -> None: ...

    def _rows(self) -> list[Row]:
        return [
            (
                order_id,
                *self.present(order_id).content.values(),
                None if order_id in self.undated else self.stamps[order_id],
                self.present(order_id).number,
            )
            for order_id in self.shown()
        ]

    def _pages(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        for start in range(0, len(rows), self.page):
            yield rows[start : start + self.page]

    def _between(self, pages: int) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if self.fails_after is not None and pages >= self.fails_after:
            raise SourceError("the shop's database went away")

    def _stamp(self, order_id: str, late: timedelta) -> None:
        now = self.clock().replace(microsecond=0)
        self.stamps[order_id] = max(self.stamps.get(order_id, now - late), now - late)


@dataclass
class ModelScan:
    """Satisfies `pipeline.full_compare.Scan`."""

    shop: ModelShop
    whole: bool
    width: int = WIDTH

    def blocks(self) -> Iterator[Sequence[Row]]:
        rows = self.shop._rows()
        self._newest = max((row[5] for row in rows if row[5] and row[5] <= self.shop.clock()), default=None)
        blocks = list(self.shop._pages(rows))
        for number, block in enumerate(blocks):
            self.shop._between(number)
            yield block if self.whole else [row[: self.width] for row in block]
        self.shop._between(len(blocks))

    def content(self, row: Row) -> Identified:
        _, status, tracking, paid, payment_id = row[:WIDTH]
        return Identified(row[0], Version(0, status, tracking, paid, payment_id).content, None, None)

    def read(self, rows: Sequence[Row]) -> Page:
        return Page([_order(row) for row in rows])

    def newest(self) -> tuple[str, datetime] | None:
        known = self._newest if self.whole and self.shop.follows else None
        return None if known is None else (known.isoformat(), known)


def _order(row: Row, *, beyond_cursor: bool = True) -> Order:
    order_id, status, tracking, paid, payment_id, stamp, number = row
    return Order(
        order_id,
        Version(number, status, tracking, paid, payment_id).content,
        updated_at=stamp,
        message=str(number),
        tracking_url=tracking,
        beyond_cursor=beyond_cursor,
    )
