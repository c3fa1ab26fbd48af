"""A full compare: nothing is overlooked, whatever digests were kept, and nothing is forgotten lightly."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest

from syncd.errors import SourceError
from syncd.model import Page
from syncd.pipeline.full_compare import CONFIRMED_AT_ONCE, LOOKED_UP_AT_MOST, LOOKED_UP_AT_ONCE
from syncd.pipeline.poll import Poller
from syncd.pipeline.segments import CUT_EVERY
from syncd.sources.database.database_source import DatabaseSource
from syncd.state import State
from tests.fakes import LOOKBACK, FakeShop
from tests.made import NOON

ORDERS = 3000


@pytest.fixture
def shop() -> FakeShop:
    shop = FakeShop()
    for number in range(ORDERS):
        shop.put(f"{number:05d}", "new", shop.now - timedelta(hours=1))
    return shop


@pytest.fixture
def poller(shop: FakeShop, memory: State) -> Poller:
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    poller.poll(shop.now)
    return poller


def waiting(memory: State) -> set[tuple[str, str]]:
    return {(change.order_id, change.status) for change in memory.reports.changes(state="pending")}


def test_unchanged_orders_are_not_looked_up(poller: Poller, shop: FakeShop) -> None:
    result = poller.reconcile(shop.now)
    assert (result.rows, result.found, shop.looked_up) == (ORDERS, {}, [])


def test_only_what_differs_is_looked_up(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.silently("01234", "packed")
    poller.reconcile(shop.now)
    assert shop.looked_up == ["01234"]
    assert waiting(memory) == {("01234", "packed")}


def test_compare_finds_a_silent_return_after_a_poll(poller: Poller, shop: FakeShop, memory: State) -> None:
    """A poll saw the change, and the shop reverted it without a new timestamp."""
    shop.put("01234", "packed")
    poller.poll(shop.now)
    shop.silently("01234", "new")
    poller.reconcile(shop.now)
    assert memory.polls.load(["01234"])["01234"].content == {"status": "new"}


def test_compare_finds_what_is_reverted_between_compares(poller: Poller, shop: FakeShop, memory: State) -> None:
    for status in ("packed", "new", "packed"):
        shop.silently("01234", status)
        poller.reconcile(shop.now)
        assert memory.polls.load(["01234"])["01234"].content == {"status": status}


def test_compare_finds_new_orders_behind_the_cursor(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.put("99999", "new", shop.now - timedelta(minutes=50))
    poller.reconcile(shop.now)
    assert waiting(memory) == {("99999", "new")}


def test_another_uuid_is_noted(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.put("01234", "new", uuid="u-1")
    poller.reconcile(shop.now)
    assert memory.polls.load(["01234"])["01234"].imshop_uuid == "u-1"


def test_vanished_order_is_missing_and_returns_without_push(poller: Poller, shop: FakeShop, memory: State) -> None:
    gone = shop.rows.pop("01234")
    assert poller.reconcile(shop.now).missing == 1
    assert memory.polls.tracked() == ORDERS - 1
    shop.rows["01234"] = gone
    assert poller.reconcile(shop.now).missing == 0
    assert (memory.polls.tracked(), waiting(memory)) == (ORDERS, set())


def test_every_order_that_vanishes_is_counted_once(poller: Poller, shop: FakeShop, memory: State) -> None:
    for number in range(0, ORDERS, 20):
        del shop.rows[f"{number:05d}"]
    assert poller.reconcile(shop.now).missing == ORDERS // 20
    assert poller.reconcile(shop.now).missing == 0
    assert memory.polls.tracked() == ORDERS - ORDERS // 20


def test_orders_lost_by_a_scan_are_looked_up(poller: Poller, shop: FakeShop, memory: State) -> None:
    """Only those that the look-up does not find either are missing."""
    shop.slipped = {"00100", "01234", "02999"}
    shop.silently("01234", "packed")
    shop.unreadable = {"02999"}
    del shop.rows["00200"]
    heard: list[int] = []
    result = replace(poller, progress=heard.append).reconcile(shop.now)
    assert (result.missing, memory.polls.tracked()) == (1, ORDERS - 1)
    assert waiting(memory) == {("01234", "packed")}
    assert heard[-2:] == [ORDERS - 4] * 2, "a long search is heard of"
    shop.slipped.clear()
    shop.unreadable.clear()
    assert poller.reconcile(shop.now).found == {}
    assert memory.polls.tracked() == ORDERS - 1


def test_very_many_missing_orders_are_not_looked_up(
    poller: Poller, shop: FakeShop, memory: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.pipeline.full_compare.RECHECKED_AT_MOST", 2)
    shop.slipped = {"00100", "01234", "02999"}
    assert poller.reconcile(shop.now).missing == 3
    assert memory.polls.tracked() == ORDERS - 3


def test_source_with_whole_scans_needs_no_look_up(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.scans_whole = True
    shop.silently("01234", "packed")
    poller.reconcile(shop.now)
    assert shop.looked_up == []
    assert waiting(memory) == {("01234", "packed")}


def test_missing_order_back_with_another_status_is_pushed(poller: Poller, shop: FakeShop, memory: State) -> None:
    del shop.rows["01234"]
    poller.reconcile(shop.now)
    shop.put("01234", "packed", shop.now - timedelta(minutes=50))
    poller.reconcile(shop.now)
    assert waiting(memory) == {("01234", "packed")}


def test_far_fewer_orders_are_a_fault_forgetting_nothing(poller: Poller, shop: FakeShop, memory: State) -> None:
    for number in range(ORDERS // 10 + 1):
        del shop.rows[f"{number:05d}"]
    fault = poller.reconcile(shop.now).fault
    assert fault
    assert f"only {ORDERS - ORDERS // 10 - 1} of the {ORDERS} orders" in fault
    assert memory.polls.tracked() == ORDERS
    source = memory.reports.summary().source
    assert (source.last_error, source.consecutive_failures) == (fault, 1)


def test_changes_are_pushed_though_no_order_is_forgotten(poller: Poller, shop: FakeShop, memory: State) -> None:
    """In a shop without a cursor every poll is such a compare, so that nothing would ever be pushed again."""
    guarded = replace(poller, max_changes=5000)
    shop.follows = False
    for number in range(ORDERS // 2):
        del shop.rows[f"{number:05d}"]
    for order_id, status in (("01600", "packed"), ("01601", "sent")):
        shop.silently(order_id, status)
        result = guarded.poll(shop.now)
        assert (result.found, bool(result.fault)) == ({"full": 1}, True)
        assert (order_id, status) in waiting(memory)
    assert memory.reports.summary().held == {}
    assert memory.reports.summary().source.last_success_at == shop.now


def test_empty_shop_is_no_successful_poll(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.rows.clear()
    later = shop.now + timedelta(hours=1)
    assert poller.reconcile(later).fault
    source = memory.reports.summary().source
    assert (source.last_poll_at, source.last_success_at) == (later, shop.now)
    assert memory.reports.summary().missing_refused == memory.polls.tracked() == ORDERS


def test_failed_look_up_forgets_nothing_and_blocks_nothing(
    poller: Poller, shop: FakeShop, memory: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_order_ids: object) -> Iterator[Page]:
        raise SourceError("the shop's API answers 500")

    monkeypatch.setattr(shop, "still_shown", fails)
    del shop.rows["01234"]
    shop.silently("01600", "packed")
    result = poller.reconcile(shop.now)
    assert result.fault is not None
    assert "whether 1 orders are gone is not known" in result.fault
    assert (waiting(memory), memory.polls.tracked()) == ({("01600", "packed")}, ORDERS)


def test_orders_that_are_back_end_the_fault(poller: Poller, shop: FakeShop, memory: State) -> None:
    rows = dict(shop.rows)
    shop.rows.clear()
    poller.reconcile(shop.now)
    shop.rows.update(rows)
    assert poller.reconcile(shop.now).fault is None
    assert (memory.reports.summary().missing_refused, waiting(memory)) == (0, set())


def test_far_fewer_orders_are_accepted_after_release(poller: Poller, shop: FakeShop, memory: State) -> None:
    for number in range(ORDERS // 2):
        del shop.rows[f"{number:05d}"]
    assert poller.reconcile(shop.now).fault
    memory.operator.release(shop.now)
    assert poller.reconcile(shop.now).missing == ORDERS // 2


def test_unreadable_order_is_not_missing(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.unreadable = {"01234"}
    shop.silently("01234", "x")
    result = poller.reconcile(shop.now)
    assert (result.skipped, result.missing, memory.polls.tracked()) == ({"no_status": 1}, 0, ORDERS)


def test_unreadable_order_is_reported_each_time_until_readable(poller: Poller, shop: FakeShop, memory: State) -> None:
    """Once it can be read, its change is found."""
    shop.unreadable = {"01234"}
    shop.silently("01234", "packed")
    for _ in range(2):
        assert poller.reconcile(shop.now).skipped == {"no_status": 1}
    shop.unreadable = set()
    poller.reconcile(shop.now)
    assert waiting(memory) == {("01234", "packed")}


def test_missing_order_back_unreadable_hides_no_other(poller: Poller, shop: FakeShop, memory: State) -> None:
    """It is shown, and not tracked: counted among the orders that are seen, it would stand for one that is gone."""
    back = shop.rows.pop("01234")
    poller.reconcile(shop.now)
    shop.rows["01234"] = back
    shop.unreadable = {"01234"}
    del shop.rows["00200"]
    assert (poller.reconcile(shop.now).missing, memory.polls.tracked()) == (1, ORDERS - 2)


def test_number_of_a_missing_order_hides_no_other(memory: State) -> None:
    """Another order gets it, and was known already."""
    shop = FakeShop(scans_whole=True)
    for number in range(100):
        shop.put(f"{number:05d}", "new", shop.now - timedelta(hours=1), shop_id=f"k{number}")
    poller = Poller(shop, memory.polls, lambda _: "push", 0, LOOKBACK)
    poller.poll(shop.now)
    del shop.rows["00005"]
    poller.reconcile(shop.now)
    del shop.rows["00006"], shop.rows["00007"]
    shop.put("00005", "new", shop.now - timedelta(hours=1), shop_id="k6")
    assert (poller.reconcile(shop.now).missing, memory.polls.tracked()) == (1, 98)


def test_order_vanishing_during_a_compare_waits_for_another(poller: Poller, shop: FakeShop, memory: State) -> None:
    """It vanishes between the scan and the look-up, and is left to the next compare."""
    shop.silently("01234", "packed")
    look_up = shop.look_up

    def gone(ids: list[str]) -> object:
        shop.rows.pop("01234")
        return look_up(ids)

    shop.look_up = gone  # type: ignore[method-assign,assignment]  # the shop changes at just this moment
    assert poller.reconcile(shop.now).found == {}
    assert waiting(memory) == set()


def test_a_compare_that_breaks_off_misses_nobody(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.fail_after = 5
    with pytest.raises(SourceError):
        poller.reconcile(shop.now)
    assert memory.polls.tracked() == ORDERS
    shop.fail_after = None
    assert poller.reconcile(shop.now).missing == 0


def test_many_differences_are_read_by_a_whole_scan(memory: State) -> None:
    shop = FakeShop(page=2000)
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    for number in range(2 * LOOKED_UP_AT_MOST):
        shop.put(f"{number:05d}", "new")
    poller.poll(shop.now)
    for number in range(2 * LOOKED_UP_AT_MOST):
        shop.silently(f"{number:05d}", "packed")
    result = poller.reconcile(shop.now)
    assert (result.found, result.rows) == ({"full": 2 * LOOKED_UP_AT_MOST}, 2 * LOOKED_UP_AT_MOST)
    assert shop.whole_scans == 2
    assert len(shop.looked_up) < 2 * LOOKED_UP_AT_MOST
    assert poller.reconcile(shop.now).found == {}


def test_rows_that_are_read_again_are_counted_once(memory: State) -> None:
    """Those that cannot be read too, where too many orders differ to look each of them up."""
    shop = FakeShop(page=1000)
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    numbers = [f"{number:05d}" for number in range(2 * LOOKED_UP_AT_MOST)]
    for number in numbers:
        shop.put(number, "new")
    poller.poll(shop.now)
    shop.unreadable.add(numbers[0])
    for number in numbers:
        shop.silently(number, "packed")
    result = poller.reconcile(shop.now)
    assert shop.whole_scans == 2
    assert (result.rows, result.skipped) == (len(numbers), {"no_status": 1})


def test_early_confirmed_segments_lose_no_order(memory: State) -> None:
    """There are more segments than are confirmed at a time."""
    shop = FakeShop(page=1000)
    poller = Poller(shop, memory.polls, lambda _status: "push", max_changes=0, lookback=LOOKBACK)
    each_a_segment = [key for key in map(str, range(300_000)) if crc32(key.encode()) % CUT_EVERY == 0]
    assert len(each_a_segment) > CONFIRMED_AT_ONCE
    for order_id in each_a_segment:
        shop.put(order_id, "new")
    poller.poll(shop.now)
    del shop.rows[each_a_segment[0]]
    assert poller.reconcile(shop.now).missing == 1


def rows_of(tmp_path: Path, rows: Iterable[tuple[object, object]]) -> DatabaseSource:
    """A real shop with these ids and statuses, as its query happens to give them."""
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE orders (order_id, status)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)
    query = "SELECT order_id, status FROM orders"
    return DatabaseSource(
        url=f"sqlite:///{file}", query=query, timezone=UTC, lookback=LOOKBACK, lookback_rows=100, batch=500
    )


LAST = 2 * CUT_EVERY
"""An id that ends a segment."""


@pytest.mark.parametrize("statuses", [("new", None), (None, None)])
def test_segments_that_end_alike_are_compared(
    tmp_path: Path, memory: State, statuses: tuple[str | None, str | None]
) -> None:
    """A join shows the last order of a segment twice, and a row has no status."""
    ids = [*range(LAST - 9, LAST), LAST, LAST, *range(LAST + 1, LAST + 9)]
    states = [dict(enumerate(statuses)).get(at - 9, "new") for at in range(len(ids))]
    poller = Poller(rows_of(tmp_path, zip(ids, states, strict=True)), memory.polls, lambda _: "push", 0, LOOKBACK)
    result = poller.poll(NOON)
    assert (result.rows, result.skipped.total()) == (len(ids), statuses.count(None))
    assert memory.polls.tracked() == 18 - statuses.count(None) // 2


def test_baseline_tells_nobody_of_an_orders_further_rows(tmp_path: Path, memory: State) -> None:
    """A join shows each order with its former status and with the present one."""
    rows = [(number, status) for number in range(1000) for status in ("new", "packed")]
    poller = Poller(rows_of(tmp_path, rows), memory.polls, lambda _: "push", 0, LOOKBACK)
    assert (poller.poll(NOON).adopted, waiting(memory)) == (1000, set())
    assert memory.polls.load(["61"])["61"].content == {"status": "packed"}


def test_rows_without_an_id_end_segments_alike(tmp_path: Path, memory: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.pipeline.segments.LONGEST", 50)
    rows = [*[(None, "new")] * 5000, *((number, "new") for number in range(1, 100))]
    result = Poller(rows_of(tmp_path, rows), memory.polls, lambda _: "push", 0, LOOKBACK).poll(NOON)
    assert (result.rows, result.adopted) == (5099, 99)


def test_baseline_records_an_order_once_that_is_read_twice(
    tmp_path: Path, memory: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite sorts all texts behind all numbers, so that the second row comes long after the first."""
    monkeypatch.setattr("syncd.pipeline.full_compare.ROWS_AT_ONCE", 100)
    rows = [*((number, "new") for number in range(1000)), ("7", "new")]
    poller = Poller(rows_of(tmp_path, rows), memory.polls, lambda _: "push", 0, LOOKBACK)
    result = poller.poll(NOON)
    assert (result.rows, result.adopted, memory.polls.tracked()) == (1001, 1000, 1000)
    assert (poller.reconcile(NOON).found.total(), poller.reconcile(NOON).missing) == (0, 0)


@pytest.mark.parametrize("ids", [(7, "7"), (" 7", "7"), ("7", 7.0)])
def test_rows_of_one_number_apart_are_told_once(tmp_path: Path, memory: State, ids: tuple[object, object]) -> None:
    """A compare looks up all that stand for the number: else it would tell one after the other, each night anew."""
    rows = [*((number, "new") for number in range(1000, 9000)), *zip(ids, ("new", "packed"), strict=True)]
    poller = Poller(rows_of(tmp_path, rows), memory.polls, lambda _: "push", 0, LOOKBACK)
    assert (poller.poll(NOON).adopted, waiting(memory)) == (8001, set())
    assert [poller.reconcile(NOON).found.total() for _ in range(4)] == [0, 0, 0, 0]


def test_number_that_changes_hands_is_counted_once(memory: State) -> None:
    """A digest that covers an order too many would hide that another one is gone."""
    shop = FakeShop(scans_whole=True)
    for number in range(1000):
        shop.put(f"{number:05d}", "new", shop.now - timedelta(hours=1), shop_id=f"k{number}")
    poller = Poller(shop, memory.polls, lambda _: "push", 0, LOOKBACK)
    poller.poll(shop.now)
    shop.put("00005", "new", shop.now - timedelta(hours=1), shop_id="k50000")
    shop.put("05000", "new", shop.now - timedelta(hours=1), shop_id="k5")
    for _ in range(2):
        shop.now += timedelta(hours=1)
        poller.reconcile(shop.now)
    assert sum(orders for _, orders in memory.polls.digests().values()) == 1001
    del shop.rows["00999"]
    assert poller.reconcile(shop.now + timedelta(hours=1)).missing == 1


def test_later_row_of_an_api_supersedes_the_earlier(memory: State) -> None:
    """An order comes changed, and later as before, in a segment that is as it was."""
    ends = [name for number in range(9000) if crc32((name := f"{number:05d}").encode()) % CUT_EVERY == 0][:2]
    shop = FakeShop(scans_whole=True)
    for order_id in (*ends, f"{ends[1]}x"):
        shop.put(order_id, "new", shop.now - timedelta(hours=1))
    poller = Poller(shop, memory.polls, lambda _: "push", 0, LOOKBACK)
    poller.poll(shop.now)
    poller.reconcile(shop.now)
    shop.rows[""] = (ends[1], "packed", *shop.rows[ends[1]][2:])  # the scan goes by this key, so it comes first
    poller.reconcile(shop.now + timedelta(hours=1))
    assert waiting(memory) == set()
    assert memory.polls.load([ends[1]])[ends[1]].content == {"status": "new"}


def test_compare_goes_on_between_look_ups(shop: FakeShop, poller: Poller) -> None:
    """Each look-up may take minutes; if too many orders differ, few more of them are looked up."""
    for order_id in shop.rows:
        shop.silently(order_id, "packed")
    for number in range(ORDERS, 3 * ORDERS):
        shop.put(f"{number:05d}", "new", shop.now - timedelta(hours=1))
    looked_up = [0]
    replace(poller, progress=lambda _rows: looked_up.append(len(shop.looked_up))).reconcile(shop.now)
    assert looked_up[-1] <= LOOKED_UP_AT_MOST + LOOKED_UP_AT_ONCE
    assert max(after - before for before, after in pairwise(looked_up)) <= LOOKED_UP_AT_ONCE
