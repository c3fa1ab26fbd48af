"""No echo: IMSHOP is not told back what its buyer cancelled, whenever a poll comes by. What the shop says is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from syncd.model import CancelDecision, CancelRequest, Page
from syncd.pipeline.poll import Poller
from syncd.pipeline.segments import Row
from syncd.state import State
from tests.fakes import LOOKBACK, FakeScan, FakeShop

SECOND = timedelta(seconds=1)
ACCEPTED = CancelDecision("accepted", "cancelled", "Отменён")
REFUSED = CancelDecision("refused", message="Уже в пути")


@dataclass
class BusyShop(FakeShop):
    """`meanwhile` happens right after rows were read, and before they are looked at."""

    meanwhile: Callable[[], None] = lambda: None

    def changed(self, cursor: str) -> Iterator[Page]:
        for page in super().changed(cursor):
            self.meanwhile()
            yield page

    def scan(self, *, whole: bool) -> FakeScan:
        return BusyScan(self, whole=whole)


@dataclass
class BusyScan(FakeScan):
    shop: BusyShop

    def blocks(self) -> Iterator[Sequence[Row]]:
        yield from super().blocks()
        self.shop.meanwhile()


@pytest.fixture
def shop() -> BusyShop:
    shop = BusyShop()
    for number in range(20):
        shop.put(f"{number:02d}", "new")
    return shop


@pytest.fixture
def poller(shop: BusyShop, memory: State) -> Poller:
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=5, lookback=LOOKBACK)
    poller.poll(shop.now)
    shop.now += SECOND
    return poller


def cancel(shop: FakeShop, memory: State, decision: CancelDecision = ACCEPTED, order_id: str = "07") -> None:
    received = memory.inbox.receive(CancelRequest("current", order_id, None), "token", shop.now, shop.now + SECOND)
    memory.inbox.decide(received.cancellation, decision, shop.now, answered=True)


def waiting(memory: State) -> list[tuple[str, str]]:
    return [(change.order_id, change.status) for change in memory.reports.changes(state="pending")]


def later(poller: Poller, shop: FakeShop, by: timedelta = SECOND) -> None:
    shop.now += by
    poller.poll(shop.now)


def test_poll_does_not_push_back_a_cancellation(poller: Poller, shop: BusyShop, memory: State) -> None:
    cancel(shop, memory)
    shop.put("07", "cancelled")
    later(poller, shop)
    shop.now += SECOND
    poller.reconcile(shop.now)
    assert waiting(memory) == []


def test_what_the_shop_says_instead_is_told(poller: Poller, shop: BusyShop, memory: State) -> None:
    cancel(shop, memory)
    later(poller, shop)
    assert waiting(memory) == [("07", "new")]


def test_row_read_before_the_cancellation_is_ignored(poller: Poller, shop: BusyShop, memory: State) -> None:
    shop.put("07", "packed")
    shop.meanwhile = lambda: cancel(shop, memory)
    poller.poll(shop.now)
    assert waiting(memory) == []
    shop.meanwhile = lambda: None
    shop.put("07", "cancelled")
    later(poller, shop)
    assert waiting(memory) == []


def test_deferred_order_is_reread_beyond_the_lookback(poller: Poller, shop: BusyShop, memory: State) -> None:
    shop.put("07", "packed")
    shop.now += 2 * LOOKBACK
    shop.put("08", "packed")
    shop.meanwhile = lambda: cancel(shop, memory)
    poller.poll(shop.now)
    shop.meanwhile = lambda: None
    assert waiting(memory) == [("08", "packed")]
    later(poller, shop)
    assert sorted(waiting(memory)) == [("07", "packed"), ("08", "packed")]


@pytest.mark.parametrize(("decision", "told"), [(ACCEPTED, []), (REFUSED, [("07", "cancelled")])])
def test_row_waits_for_the_running_decision(
    poller: Poller, shop: BusyShop, memory: State, decision: CancelDecision, told: list[tuple[str, str]]
) -> None:
    mine = memory.inbox.receive(
        CancelRequest("current", "07", None), "token", shop.now, shop.now + 10 * SECOND
    ).cancellation
    shop.put("07", "cancelled")
    later(poller, shop)
    assert waiting(memory) == []
    memory.inbox.decide(mine, decision, shop.now, answered=True)
    later(poller, shop)
    assert waiting(memory) == told


def test_next_full_compare_finds_the_deferred_order(shop: BusyShop, memory: State) -> None:
    shop.meanwhile = lambda: cancel(shop, memory)
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=5, lookback=LOOKBACK)
    poller.poll(shop.now)
    shop.meanwhile = lambda: None
    assert (memory.polls.load(["07"])["07"].content, waiting(memory)) == ({"status": "cancelled"}, [])
    shop.now += SECOND
    poller.reconcile(shop.now)
    assert waiting(memory) == [("07", "new")]


def test_order_cancelled_during_full_compare_is_deferred(poller: Poller, shop: BusyShop, memory: State) -> None:
    """The next full compare looks at it."""
    shop.scans_whole = True
    shop.silently("03", "packed")
    shop.meanwhile = lambda: cancel(shop, memory)
    poller.reconcile(shop.now)
    shop.meanwhile = lambda: None
    assert waiting(memory) == [("03", "packed")]
    shop.now += SECOND
    poller.reconcile(shop.now)
    assert sorted(waiting(memory)) == [("03", "packed"), ("07", "new")]


def test_unseen_cancelled_order_is_not_pushed_back(poller: Poller, shop: BusyShop, memory: State) -> None:
    cancel(shop, memory, order_id="20")
    shop.put("20", "cancelled")
    later(poller, shop)
    assert waiting(memory) == []
