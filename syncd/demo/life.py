"""What happens to an order of the demo's shop: it is placed, it moves on, now and then it is cancelled.

Pure: the order and a Random in, the next order out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

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
    """The order's next moment; it must not be over. A parcel gets its tracking number, the money comes or goes back."""
    if order.status in ("new", "processing") and random.random() < CANCELLED:
        return replace(order, status="cancelled", payment_id=None)
    moved = replace(order, status=order.route[order.route.index(order.status) + 1])
    if moved.status == "shipped":
        moved = replace(moved, track=str(random.randrange(10_000_000_000, 10_100_000_000)))
    pays = moved.is_over or (moved.status == "processing" and random.random() < PAID_ONLINE)
    return replace(moved, payment_id=f"pay-{random.randrange(16**6):06x}") if pays and not moved.payment_id else moved
