"""What the sandbox keeps: which statuses were applied, and how requests met."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Applied:
    """A status that took effect: `code` is the order's status from `at` on."""

    at: datetime
    id: str
    code: str
    body: Mapping[str, object]


class Visit(Protocol):
    """A request that is being answered, as far as the ledger needs to know."""

    order_id: str

    def gone(self) -> bool:
        """Whether the client has hung up."""


class Ledger:
    """Thread-safe. With `keep`, only so many orders and so many applied statuses are kept, the latest."""

    def __init__(self, keep: int | None = None) -> None:
        self._lock = threading.Lock()
        self._keep = keep
        self._orders: dict[str, str] = {}
        self._applied: deque[Applied] = deque(maxlen=keep)
        self._visits: list[Visit] = []
        self.max_in_flight = 0
        self.overlaps = 0

    @property
    def orders(self) -> dict[str, str]:
        with self._lock:
            return dict(self._orders)

    @property
    def applied(self) -> list[Applied]:
        with self._lock:
            return list(self._applied)

    @property
    def in_flight(self) -> int:
        with self._lock:
            return len(self._visits)

    def enter(self, visit: Visit) -> None:
        """Count a request in. It overlaps each other one for its order whose client still waits."""
        with self._lock:
            self._visits.append(visit)
            if len(self._visits) > self.max_in_flight or self._companions(visit):
                # A client that gave up may be back before the thread that served it has noticed.
                self._visits = [other for other in self._visits if other is visit or not other.gone()]
            self.max_in_flight = max(self.max_in_flight, len(self._visits))
            self.overlaps += self._companions(visit)

    def leave(self, visit: Visit) -> None:
        """Count a request out, before its client can know that it is over; a second time does nothing."""
        with self._lock:
            self._visits = [other for other in self._visits if other is not visit]

    def apply(self, applied: Applied) -> None:
        with self._lock:
            self._applied.append(applied)
            self._orders.pop(applied.id, None)
            self._orders[applied.id] = applied.code
            if self._keep is not None and len(self._orders) > self._keep:
                del self._orders[next(iter(self._orders))]

    def _companions(self, visit: Visit) -> int:
        if not visit.order_id:
            return 0
        return sum(other.order_id == visit.order_id for other in self._visits) - 1
