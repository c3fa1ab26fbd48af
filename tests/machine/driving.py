"""How the state machine makes things happen to a world: whatever dies of it is started again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeAlias, TypeVar

from syncd.errors import StateError
from syncd.pipeline.staging import PollResult
from syncd.state import State
from tests.machine.buyer import Manner, cancel_service
from tests.machine.shop import ORDERS
from tests.machine.world import RETENTION, Fault, Killed, World

T = TypeVar("T")
Happening: TypeAlias = tuple[str, str] | None
"""What happens between the pages of a poll: an order changes to a status, or delivery takes a step."""


class Driver:
    """Drives one world. `fault`: what happens to which of the next commits; 1 is the very next."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fault: tuple[int, Fault] | None = None
        world.on_commit = self._on_commit

    def change(
        self, order_id: str, late: timedelta | None, *, flaps: bool = False, **differences: str | bool | None
    ) -> None:
        shop = self.world.shop
        if order_id not in shop.history:
            return
        before = shop.present(order_id)
        shop.change(order_id, late, **differences)
        if flaps:
            shop.change(order_id, late, status=before.status)

    def poll(self, meanwhile: Sequence[Happening] = (), *, full: bool = False) -> PollResult | None:
        self.world.shop.meanwhile = [self._happening(what) for what in meanwhile]
        before = self._going() if self.world.max_changes else set()
        result = self.alive(lambda: self.world.poll(full=full))
        if result is not None and self.world.max_changes:
            assert len(self._going() - before) <= self.world.max_changes, "the guard let too many go"
        return result

    def deliver(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.alive(self.world.step)

    def operate(self, action: Callable[[State], object]) -> None:
        def tried() -> None:
            with suppress(StateError):
                action(self.world.state)

        self.alive(tried)
        self.world.note_discarded()

    def cancel(self, order_id: str, manner: Manner) -> None:
        """Of an order that is tracked: before a baseline there is nothing that IMSHOP is taken to know."""
        world = self.world
        if (
            world.state.polls.baseline()
            and order_id in world.state.polls.load([order_id])
            and order_id not in world.shop.gone
        ):
            self.alive(lambda: world.cancel(order_id, manner))

    def operate_on_cancellations(self, manner: Manner) -> None:
        """An operator has the last cancellation that failed applied again."""
        world = self.world
        failed = next((one for one in world.state.reports.cancellations() if one.state == "failed"), None)
        if failed is not None and failed.order_id not in world.shop.gone:
            again = cancel_service(world.state, world.shop, str(failed.order_id), manner, world.now)
            self.operate(lambda _state: again.retry(failed.id))

    def housekeep(self) -> None:
        self.operate(lambda state: state.prune(self.world.now(), RETENTION))
        for order_id in self.world.adopted - self.world.state.polls.load(ORDERS).keys():
            self.world.forgotten(order_id)

    def move_clock(self, by: timedelta, skew: timedelta) -> None:
        before = self.world.now()
        self.world.at += by
        self.world.skew = skew
        if self.world.now() < before:
            self.operate(lambda state: state.outbox.make_all_due(self.world.now()))

    def stop(self) -> None:
        """In order, if the state lets it."""
        try:
            self.world.stop()
        except (StateError, Killed):
            self.world.die(applied=False)

    def alive(self, action: Callable[[], T]) -> T | None:
        """Do it; if the process dies of it, it is started again."""
        try:
            return action()
        except Killed:
            self.world.die(applied=False)
            self.world.restart()
            return None
        finally:
            self.world.note_adopted()

    def _on_commit(self) -> Fault | None:
        if self.fault is None:
            return None
        left, fault = self.fault
        self.fault = (left - 1, fault) if left > 1 else None
        return None if left > 1 else fault

    def _happening(self, what: Happening) -> Callable[[], None]:
        if what is None:
            return self.world.step
        return lambda: self.change(what[0], timedelta(), status=what[1])

    def _going(self) -> set[int]:
        return {change.id for change in self.world.state.reports.changes(state="pending")}
