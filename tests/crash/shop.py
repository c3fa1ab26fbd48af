"""A shop whose orders move by chance, and that remembers what it showed and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import create_engine, text

QUERY = "SELECT number AS order_id, state AS status, changed AS updated_at, track AS tracking_url FROM orders"
BUSY_ORDERS = 12
LATEST_COMMIT = timedelta(seconds=5)

_COLUMNS = "number VARCHAR(20) PRIMARY KEY, state VARCHAR(40) NOT NULL, changed VARCHAR(40) NOT NULL, track VARCHAR(80)"
_PUT = text("REPLACE INTO orders (number, state, changed, track) VALUES (:number, :state, :changed, :track)")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the shop showed of an order from `at` on."""

    at: datetime
    status: str
    track: str | None


class MovingShop:
    """`history` has every order's contents in the order in which they were committed, the first at the baseline or when
    it was placed. Nearly every status is one that the order never had before, so an old one told late stands out."""

    def __init__(self, url: str, rng: Random, orders: int) -> None:
        self.history: dict[str, list[Shown]] = {}
        self._rng = rng
        self._number = 0
        self._engine = create_engine(url)
        self._moves: list[tuple[float, Callable[[], None]]] = [
            (10, self._change),
            (4, self._flap),
            (3, self._track),
            (4, self._late),
            (2, self._place),
            (0.3, self._burst),
        ]
        with self._engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE orders ({_COLUMNS})"))
            connection.execute(text("CREATE INDEX changed ON orders (changed, number)"))
        self._put([(str(number), "new", None) for number in range(orders)])

    def move(self) -> None:
        """One thing happens."""
        weights, moves = zip(*self._moves, strict=True)
        self._rng.choices(moves, weights)[0]()

    def close(self) -> None:
        self._engine.dispose()

    def _change(self, late_by: timedelta = timedelta(0)) -> None:
        number = self._some_order()
        self._put([(number, self._new_status(), self.history[number][-1].track)], late_by)

    def _late(self) -> None:
        """A commit that arrives after those that are dated later, as a long transaction's does."""
        self._change(LATEST_COMMIT * self._rng.random())

    def _flap(self) -> None:
        """Back to what was before the last change; of a pair of flaps a poll may see nothing, half or all."""
        number = self._some_order()
        last = self.history[number][-2:][0]
        self._put([(number, last.status, self.history[number][-1].track)])

    def _track(self) -> None:
        number = self._some_order()
        self._put([(number, self.history[number][-1].status, f"https://track.example/{self._new_status()}")])

    def _place(self) -> None:
        self._put([(str(len(self.history)), "new", None)])

    def _burst(self) -> None:
        """Many orders at the same instant, more than a page holds."""
        status = self._new_status()
        self._put([(number, status, None) for number in self._rng.sample(sorted(self.history), 45)])

    def _some_order(self) -> str:
        """Half of what happens, happens to a few orders: they change while they are being pushed."""
        orders = list(self.history)
        return self._rng.choice(orders[:BUSY_ORDERS] if self._rng.random() < 0.5 else orders)

    def _new_status(self) -> str:
        self._number += 1
        return f"s{self._number}"

    def _put(self, orders: Sequence[tuple[str, str, str | None]], late_by: timedelta = timedelta(0)) -> None:
        now = datetime.now(UTC)
        changed = (now - late_by).strftime("%Y-%m-%d %H:%M:%S.%f")
        rows = [
            {"number": number, "state": state, "track": track, "changed": changed} for number, state, track in orders
        ]
        with self._engine.begin() as connection:
            connection.execute(_PUT, rows)
        for number, state, track in orders:
            self.history.setdefault(number, []).append(Shown(now, state, track))
