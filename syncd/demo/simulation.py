"""The demo's shop: orders in SQLite, written as a shop's software writes them, without any knowledge of syncd.

An order is placed, moves on along its route, and now and then is cancelled: `place` and `move_on` decide that and are
pure, with a Random in and the next order out. `DemoShop` writes the orders.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Lock

from syncd.errors import SyncdError

STATUSES = {
    "new": "Принят",
    "processing": "Собирается",
    "assembled": "Собран",
    "shipped": "В пути",
    "delivered": "Доставлен",
    "packed": "К выдаче",
    "done": "Выдан",
    "cancelled": "Отменён",
}
"""The shop's codes, and the text that buyers read. The words are short, so that a line fits into 80 columns."""
COURIER = ("new", "processing", "assembled", "shipped", "delivered")
PICKUP = ("new", "processing", "packed", "done")
PAID_ONLINE = 0.5
CANCELLED = 0.06


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """An order as the shop has it. `route`: the statuses it goes through unless it is cancelled."""

    number: str
    route: tuple[str, ...]
    phone: str
    status: str = "new"
    track: str | None = None
    payment_id: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status in (self.route[-1], "cancelled")


def place(number: int, random: Random) -> ShopOrder:
    """A new order. Its number has leading zeros, as shops have them."""
    route = random.choice((COURIER, PICKUP))
    return ShopOrder(f"{number:08d}", route, phone=f"+7 900 000-{random.randrange(10000):04d}")


def move_on(order: ShopOrder, random: Random) -> ShopOrder:
    """The order after its next change; it must not be over. It may get a tracking number, be paid or be refunded."""
    if order.status in ("new", "processing") and random.random() < CANCELLED:
        return replace(order, status="cancelled", payment_id=None)
    moved = replace(order, status=order.route[order.route.index(order.status) + 1])
    if moved.status == "shipped":
        moved = replace(moved, track=str(random.randrange(10_000_000_000, 10_100_000_000)))
    pays = moved.is_over or (moved.status == "processing" and random.random() < PAID_ONLINE)
    return replace(moved, payment_id=f"pay-{random.randrange(16**6):06x}") if pays and not moved.payment_id else moved


SCHEMA = """
CREATE TABLE statuses (code TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (
    number TEXT PRIMARY KEY,
    status TEXT NOT NULL REFERENCES statuses (code),
    phone TEXT NOT NULL,
    track TEXT,
    payment_id TEXT,
    changed_at TEXT NOT NULL
);
CREATE INDEX orders_changed_at ON orders (changed_at);
"""
QUERY = """
SELECT orders.number AS order_id, orders.status, statuses.name AS message, orders.track AS tracking_number,
       orders.phone, orders.payment_id IS NOT NULL AS paid, orders.payment_id, orders.changed_at AS updated_at
FROM orders JOIN statuses ON statuses.code = orders.status
"""
"""What a merchant with such tables would write into SYNCD_SOURCE__QUERY."""
FIRST_NUMBER = 5_671_863
ORDERS_AT_FIRST = 40
FEWEST_ALIVE = 20
PLACED = 0.25
BURST = 0.06
BURST_ORDERS = 6
REST = timedelta(seconds=6)
"""How long an order stays in a status at least, so that most statuses are pushed before the next one replaces them."""


class DemoShop:
    """Thread-safe. `clock` gives aware UTC time. `open` and `step` may raise SyncdError."""

    def __init__(self, path: Path, random: Random, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._random = random
        self._clock = clock
        self._lock = Lock()
        self._orders: dict[str, ShopOrder] = {}
        self._changed: dict[tuple[str, str], datetime] = {}
        self.changes = 0
        """How often an order was placed or moved on since the shop opened."""

    def open(self) -> None:
        """Create the tables, with orders in every status."""
        with self._database() as database:
            database.execute("PRAGMA journal_mode=WAL")  # a reader does not block the writer
            database.executescript(SCHEMA)
            database.executemany("INSERT INTO statuses VALUES (?, ?)", STATUSES.items())
        opened_at = self._clock()
        for age in range(ORDERS_AT_FIRST, 0, -1):
            self._write([self._aged(self._next())], opened_at - timedelta(minutes=age))

    def step(self) -> None:
        """Make one thing happen: an order is placed, one moves on, or several move on at once."""
        now = self._clock()
        alive = [order for order in self.orders() if not order.is_over]
        rested = [order for order in alive if now - self._changed[order.number, order.status] > REST]
        if not rested or len(alive) < FEWEST_ALIVE or self._random.random() < PLACED:
            moved = [self._next()]
        else:
            wanted = BURST_ORDERS if self._random.random() < BURST else 1
            chosen = self._random.sample(rested, min(wanted, len(rested)))
            moved = [move_on(order, self._random) for order in chosen]
        self._write(moved, now)
        self.changes += len(moved)

    def orders(self) -> list[ShopOrder]:
        with self._lock:
            return list(self._orders.values())

    def changed_at(self, number: str, status: str) -> datetime | None:
        """When the order came into the status; None: it never did."""
        with self._lock:
            return self._changed.get((number, status))

    def _next(self) -> ShopOrder:
        return place(FIRST_NUMBER + len(self._orders), self._random)

    def _aged(self, order: ShopOrder) -> ShopOrder:
        for _ in range(self._random.randrange(len(order.route))):
            if not order.is_over:
                order = move_on(order, self._random)
        return order

    def _write(self, orders: Iterable[ShopOrder], at: datetime) -> None:
        written = f"{at:%Y-%m-%d %H:%M:%S.%f}"  # in UTC, without an offset
        rows = [(order.number, order.status, order.phone, order.track, order.payment_id, written) for order in orders]
        with self._lock:  # before the commit: an order may be pushed as soon as it is committed
            self._orders |= {order.number: order for order in orders}
            self._changed |= {(order.number, order.status): at for order in orders}
        with self._database() as database:
            database.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end. SyncdError: it cannot be written."""
        try:
            with closing(sqlite3.connect(self._path)) as database, database:
                database.execute("PRAGMA synchronous=OFF")  # nothing here outlives the demo
                yield database
        except sqlite3.Error as error:
            raise SyncdError(f"The demo's shop {self._path} cannot be written: {error}. Is the disk full?") from error
