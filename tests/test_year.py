"""A year of a shop's life, in weeks: the state's size stays bounded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from syncd.model import Outcome
from syncd.pipeline.poll import Poller
from syncd.state import State
from tests.fakes import LOOKBACK, FakeShop

RETENTION = timedelta(days=90)
ORDERS_A_WEEK = 140
WEEKS_SHOWN = 12  # the shop's query shows only recent orders, as many do


def test_the_state_stays_as_large_as_its_retention(memory: State) -> None:
    shop = FakeShop(page=1000)
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    sizes = []
    for week in range(52):
        live_through(week, shop, poller, memory)
        memory.prune(shop.now, RETENTION)
        sizes.append(Path(memory.place).stat().st_size)
        shop.now += timedelta(days=7)
    assert sizes[-1] <= 1.1 * sizes[25]
    assert memory.polls.tracked() <= ORDERS_A_WEEK * (WEEKS_SHOWN + 1)


def live_through(week: int, shop: FakeShop, poller: Poller, memory: State) -> None:
    numbers = [f"{week:02d}-{number:04d}" for number in range(ORDERS_A_WEEK)]
    for status in ("new", "packed", "done"):
        for number in numbers:
            shop.put(number, status)
        poller.poll(shop.now)
        deliver_all(memory, shop)
        shop.now += timedelta(hours=1)
    for number in [number for number in shop.rows if int(number[:2]) <= week - WEEKS_SHOWN]:
        del shop.rows[number]
    poller.reconcile(shop.now)


def deliver_all(memory: State, shop: FakeShop) -> None:
    outcomes: list[Outcome] = []
    while pushes := memory.outbox.record_and_claim(outcomes, 100, None, shop.now):
        outcomes = [Outcome(push, "delivered", "delivered", shop.now, shop.now) for push in pushes]
    memory.outbox.record_and_claim(outcomes, 0, None, shop.now)
