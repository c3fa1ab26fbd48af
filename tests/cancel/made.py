"""A service on a real state, with a clock of its own."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from syncd.cancel import CancelService, OrderLookup
from syncd.model import Cancellation
from syncd.state import State
from tests.cancel.shops import FakeOrders, FakeShop
from tests.made import NOON


@dataclass
class Office:
    """`observed`, `repeated`: what the service told of. Time passes only while the service waits."""

    state: State
    shop: FakeShop = field(default_factory=FakeShop)
    orders: FakeOrders = field(default_factory=FakeOrders)
    passed: float = 0.0
    observed: list[Cancellation] = field(default_factory=list)
    repeated: list[Cancellation] = field(default_factory=list)

    def service(self, allowed: Collection[str] | None = None, **given: Any) -> CancelService:
        tokens = itertools.count(1)
        defaults: dict[str, Any] = {
            "inbox": self.state.inbox,
            "canceller": self.shop,
            "lookup": OrderLookup(lambda: self.orders, allowed, "cancelled"),
            "timeout": timedelta(seconds=5),
            "status": "cancelled",
            "message": "Отменён",
            "refusal": "Нельзя",
            "confirms": False,
            "now": lambda: NOON + timedelta(seconds=self.passed),
            "monotonic": lambda: self.passed,
            "pause": self._pass,
            "new_token": lambda: f"token-{next(tokens)}",
            "observe": self.observed.append,
            "repeated": self.repeated.append,
            "reason_limit": 1000,
        }
        return CancelService(**{**defaults, **given})

    def _pass(self, seconds: float) -> None:
        self.passed += seconds
