"""A plug-in numbers orders later: an order that is known by the shop's key is the same one under another number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.model import CancelDecision, CancelRequest
from syncd.pipeline.poll import Poller
from syncd.pipeline.staging import Stager
from syncd.state import State
from tests.fakes import LOOKBACK, FakeShop
from tests.state.made import deliver, the

SECOND = timedelta(seconds=1)


@pytest.fixture
def shop() -> FakeShop:
    shop = FakeShop()
    for number in range(348, 360):
        shop.put(str(number), "new", shop_id=str(number))
    return shop


@pytest.fixture
def poller(shop: FakeShop, memory: State) -> Poller:
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    poller.poll(shop.now)
    shop.now += SECOND
    return poller


def number(shop: FakeShop, key: int, new: str, status: str = "new") -> None:
    """The plug-in writes an order's number, and the shop its time."""
    former = next(order_id for order_id, row in shop.rows.items() if row[3] == str(key))
    del shop.rows[former]
    shop.put(new, status, shop_id=str(key))


def waiting(memory: State) -> list[tuple[str, str]]:
    return sorted((change.order_id, change.status) for change in memory.reports.changes(state="pending"))


Find = Callable[[Poller, FakeShop], object]
FINDS = {"poll": lambda poller, shop: poller.poll(shop.now), "compare": lambda poller, shop: poller.reconcile(shop.now)}


@pytest.fixture(params=FINDS)
def find(request: pytest.FixtureRequest) -> Find:
    found: Find = FINDS[request.param]
    return found


def test_another_number_alone_tells_nobody(poller: Poller, shop: FakeShop, memory: State, find: Find) -> None:
    number(shop, 348, "1348")
    find(poller, shop)
    assert (waiting(memory), memory.polls.tracked()) == ([], 12)
    poller.reconcile(shop.now)
    assert (memory.reports.summary().missing_refused, the(memory, "1348").missing) == (0, False)


def test_change_is_pushed_once_under_the_new_number(poller: Poller, shop: FakeShop, memory: State, find: Find) -> None:
    number(shop, 348, "1348", "packed")
    find(poller, shop)
    assert waiting(memory) == [("1348", "packed")]
    deliver(memory, shop.now)
    poller.reconcile(shop.now)
    assert waiting(memory) == []


def test_what_waits_is_told_under_the_new_number(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.put("348", "packed", shop_id="348")
    poller.poll(shop.now)
    shop.now += SECOND
    number(shop, 348, "1348", "packed")
    poller.poll(shop.now)
    assert waiting(memory) == [("1348", "packed")]


def test_numbers_equal_to_other_keys_push_nothing(poller: Poller, shop: FakeShop, memory: State, find: Find) -> None:
    for key in range(359, 347, -1):
        number(shop, key, str(key + 1))
    find(poller, shop)
    assert (waiting(memory), memory.polls.tracked()) == ([], 12)
    assert memory.polls.shop_ids(["349", "360"]) == {"349": "348", "360": "359"}


def test_number_read_before_its_holder_moves_pushes_nothing(poller: Poller, shop: FakeShop, memory: State) -> None:
    """The row with the number comes before the row of the order that had it."""
    shop.page = 1
    number(shop, 349, "350x")
    number(shop, 348, "349")
    poller.poll(shop.now)
    assert (waiting(memory), memory.polls.tracked()) == ([], 12)
    assert memory.polls.shop_ids(["349", "350x"]) == {"349": "348", "350x": "349"}


def test_one_key_with_two_numbers_is_two_orders(poller: Poller, shop: FakeShop, memory: State, find: Find) -> None:
    shop.put("1348", "new", shop_id="348")
    find(poller, shop)
    assert (waiting(memory), memory.polls.tracked()) == ([("1348", "new")], 13)
    shop.now += SECOND
    shop.put("348", "packed", shop_id="348")
    shop.put("1348", "sent", shop_id="348")
    find(poller, shop)
    assert waiting(memory) == [("1348", "sent"), ("348", "packed")]


def test_two_new_numbers_of_one_key_are_pushed(poller: Poller, shop: FakeShop, memory: State) -> None:
    del shop.rows["348"]
    shop.put("1348", "new", shop_id="348")
    shop.put("2348", "new", shop_id="348")
    poller.poll(shop.now)
    assert waiting(memory) == [("1348", "new"), ("2348", "new")]


def test_later_key_is_recorded_and_pushes_nothing(memory: State, find: Find) -> None:
    shop = FakeShop()
    shop.put("7", "new")
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    poller.poll(shop.now)
    shop.put("7", "new", shop.now, shop_id="348")
    find(poller, shop)
    assert (waiting(memory), the(memory, "7").shop_id) == ([], "348")


def test_renumbering_all_looks_up_some_and_pushes_nothing(
    poller: Poller, shop: FakeShop, memory: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All orders get other numbers at once; only a limited number of them is looked up."""
    monkeypatch.setattr(Stager, "LOOKED_UP_AT_MOST", 3)
    shop.page = 4
    for key in range(348, 360):
        number(shop, key, f"A{key}")
    poller.poll(shop.now)
    assert (waiting(memory), memory.polls.tracked(), len(shop.found)) == ([], 12, 4)
    poller.reconcile(shop.now)
    assert memory.reports.summary().missing_refused == 0


def test_repeated_cancellation_makes_the_next_poll_check(poller: Poller, shop: FakeShop, memory: State) -> None:
    """It was answered from memory, so the order is checked even if the shop shows no change of it."""
    request = CancelRequest("current", "348", None)
    shop.now += timedelta(days=1)
    shop.put("359", "packed", shop_id="359")
    poller.poll(shop.now)
    mine = memory.inbox.receive(request, "token", shop.now, shop.now + SECOND).cancellation
    memory.inbox.decide(mine, CancelDecision("accepted", "cancelled"), shop.now, answered=True)
    shop.now += SECOND
    poller.poll(shop.now)
    assert waiting(memory) == [("359", "packed")]
    assert not memory.inbox.receive(request, "token", shop.now, shop.now + SECOND).is_ours
    shop.now += SECOND
    poller.poll(shop.now)
    assert waiting(memory) == [("348", "new"), ("359", "packed")]
    assert memory.polls.orders_to_compare(shop.now) == []


def test_second_row_under_a_number_is_left_out(poller: Poller, shop: FakeShop, memory: State, find: Find) -> None:
    """A row with the number of another known order is skipped."""
    number(shop, 348, "1348")
    find(poller, shop)
    shop.now += SECOND
    shop.twins.append(("1348", "packed", None, "1348", shop.now))
    shop.page = 1
    find(poller, shop)
    assert (waiting(memory), memory.polls.shop_ids(["1348"])) == ([], {"1348": "348"})
    shop.now += SECOND
    shop.twins.clear()
    shop.put("1349", "packed", shop_id="1348")
    find(poller, shop)
    assert waiting(memory) == [("1349", "packed")]


def test_order_is_pushed_beside_another_under_its_number(
    poller: Poller, shop: FakeShop, memory: State, find: Find
) -> None:
    shop.put("348", "packed", shop_id="348")
    shop.twins.append(("348", "sent", None, "1348", shop.now))
    find(poller, shop)
    assert waiting(memory) == [("348", "packed")]


def test_reused_number_is_pushed_for_its_new_order(poller: Poller, shop: FakeShop, memory: State) -> None:
    """Its former order has another number, of which no row is read."""
    shop.put("348", "packed", shop_id="1348")
    shop.put("1348", "new", at=shop.now - 2 * LOOKBACK, shop_id="348")
    poller.poll(shop.now)
    assert waiting(memory) == [("348", "packed")]
    assert memory.polls.shop_ids(["348", "1348"]) == {"348": "1348", "1348": "348"}


def test_number_of_a_vanished_order_goes_to_another(poller: Poller, shop: FakeShop, memory: State, find: Find) -> None:
    shop.put("348", "packed", shop_id="1348")
    find(poller, shop)
    assert waiting(memory) == [("348", "packed")]


def test_number_claimed_by_two_orders_goes_to_one(poller: Poller, shop: FakeShop, memory: State) -> None:
    long_ago = shop.now - 2 * LOOKBACK
    shop.put("348", "packed", shop_id="1348")
    shop.put("349", "packed", shop_id="1349")
    shop.put("1000", "new", at=long_ago, shop_id="348")
    shop.twins.append(("1000", "new", None, "349", long_ago))
    result = poller.poll(shop.now)
    assert waiting(memory) == [("348", "packed")]
    assert memory.polls.shop_ids(["348", "349", "1000"]) == {"348": "1348", "349": "349", "1000": "348"}
    assert result.skipped == {"number_taken": 1}


def test_another_kind_of_key_renumbers_nothing(shop: FakeShop, memory: State) -> None:
    """The column that was taken for the key held numbers, so each order's key was the number of another."""
    for number in range(348, 360):
        shop.put(str(number), "sent" if number % 2 else "new", shop_id=str(number + 1))
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK, keys="numbers")
    poller.poll(shop.now)
    shop.now += SECOND
    for number in range(348, 360):
        shop.put(str(number), shop.rows[str(number)][1], shop_id=str(number))
    poller = replace(poller, keys="ids")
    poller.poll(shop.now)
    poller.reconcile(shop.now)
    assert (waiting(memory), memory.polls.tracked()) == ([], 12)
    assert memory.polls.shop_ids(["350"]) == {"350": "350"}


def test_keys_that_stay_what_they_are_are_kept(poller: Poller, shop: FakeShop, memory: State) -> None:
    poller = replace(poller, keys="ids")
    poller.poll(shop.now)
    replace(poller, keys="ids").poll(shop.now)
    assert memory.polls.shop_ids(["348"]) == {"348": "348"}
