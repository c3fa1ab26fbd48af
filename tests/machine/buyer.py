"""A buyer who cancels in the app: the real service on the world's state, before a shop that acts as it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from syncd.cancel import CancelService, OrderLookup
from syncd.errors import CancelError
from syncd.model import CancelDecision, Cancellation
from syncd.state import State
from tests.machine.shop import ModelShop

Manner: TypeAlias = Literal["applies", "refuses", "fails", "applies and is silent"]
MANNERS: tuple[Manner, ...] = ("applies", "applies", "refuses", "fails", "applies and is silent")
ALLOWED = ("new", "packed", "shipped")


@dataclass
class CancellingShop:
    """Satisfies `syncd.cancel.Canceller`. It cancels at most what is not cancelled yet."""

    shop: ModelShop
    manner: Manner
    wants_shop_id: bool = False

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        order_id = str(cancellation.order_id)
        if self.manner == "refuses":
            return CancelDecision("refused", message="no")
        if self.manner == "fails":
            raise CancelError("the shop is away")
        assert self.shop.status(order_id) in ALLOWED, "the shop was asked to cancel what may not be cancelled"
        self.shop.change(order_id, status="cancelled")
        if self.manner == "applies and is silent":
            raise CancelError("no answer", in_doubt=True)
        return CancelDecision("accepted")

    def close(self) -> None: ...


def cancel_service(
    state: State, shop: ModelShop, order_id: str, manner: Manner, now: Callable[[], datetime]
) -> CancelService:
    """Its message names the version that the order has once it is cancelled, as that of each push does."""
    version = len(shop.history[order_id]) - (shop.status(order_id) == "cancelled")
    waited: list[float] = []
    return CancelService(
        inbox=state.inbox,
        canceller=CancellingShop(shop, manner),
        lookup=OrderLookup(lambda: shop, ALLOWED, "cancelled"),
        timeout=timedelta(seconds=10),
        status="cancelled",
        message=str(version),
        refusal="no",
        confirms=False,
        now=now,
        monotonic=lambda: sum(waited),
        pause=waited.append,
        new_token=lambda: "token",
        observe=lambda _cancellation: None,
        repeated=lambda _cancellation: None,
        reason_limit=1000,
    )
