"""An API that shows an order more than once: its newest row counts, and nobody is told what is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from syncd.pipeline.poll import Poller
from syncd.state import State
from tests.sources.api.server import STYLE, ApiShop
from tests.sources.history import changes_found, waiting
from tests.sources.shop import NOON

MINUTE = timedelta(minutes=1)
ORDERS = 600
"""Some segments of them."""
SHOWN = [STYLE["none"], STYLE["page"], STYLE["keyset"]]
"""One page, pages that may shift, and pages that cannot: how they are gone through makes no other difference here."""


@pytest.fixture(params=SHOWN, ids=str)
def shop(request: pytest.FixtureRequest) -> Iterator[ApiShop]:
    with closing(ApiShop(request.param)) as api_shop:
        api_shop.add(*((f"{number:04}", "new", NOON - 600 * MINUTE) for number in range(ORDERS)))
        yield api_shop


unsorted = pytest.mark.parametrize("shop", SHOWN[:2], ids=str, indirect=True)
"""keyset wants a time, and the oldest order first."""


def repeat(shop: ApiShop, status: str = "packed") -> None:
    """A second, newer row of each fiftieth order."""
    shop.add(*((f"{number:04}", status, NOON - 9 * MINUTE) for number in range(0, ORDERS, 50)))


def newest_first(shop: ApiShop) -> None:
    shown = shop._since
    shop._since = lambda since, from_id: shown(since, from_id)[::-1]  # type: ignore[method-assign] # another sort order


def polling(shop: ApiShop, state: State, *, max_changes: int = 5000, **changes: Any) -> Poller:
    source = shop.source(batch=200, lookback=5 * MINUTE, **changes)
    return Poller(source, state.polls, lambda _status: "push", max_changes=max_changes, lookback=5 * MINUTE)


def test_known_repeats_are_not_found_again(shop: ApiShop, state: State) -> None:
    """A change staged anew at each poll would lose its attempts and slip past the guard."""
    poller = polling(shop, state)
    poller.poll(NOON)
    repeat(shop)
    poller.poll(NOON)
    poller.reconcile(NOON)
    found = changes_found(state)
    for _ in range(3):
        assert (poller.poll(NOON).found, poller.reconcile(NOON).found) == ({}, {})
    assert changes_found(state) == found


def test_gone_orders_are_missing_despite_repeats(shop: ApiShop, state: State) -> None:
    repeat(shop)
    poller = polling(shop, state)
    poller.poll(NOON)
    shop.remove("0001", "0002", "0003")
    assert poller.reconcile(NOON).missing == 3


def test_find_returns_an_orders_newest_row(shop: ApiShop) -> None:
    repeat(shop)
    (order,) = shop.source(batch=200).find(["0050"]).orders
    assert order.status == "packed"


def test_a_baseline_with_repeated_orders_tells_nobody(shop: ApiShop, state: State) -> None:
    repeat(shop)
    poller = polling(shop, state)
    for _ in range(2):
        poller.poll(NOON)
        poller.reconcile(NOON)
    assert waiting(state) == []
    assert state.polls.load(["0050"])["0050"].content["status"] == "packed"


@pytest.mark.parametrize("max_changes", [0, 5000])
def test_newer_row_is_found_once_older_never(shop: ApiShop, state: State, max_changes: int) -> None:
    poller = polling(shop, state, max_changes=max_changes)
    poller.poll(NOON)
    repeat(shop)
    for _ in range(3):
        poller.poll(NOON)
        poller.reconcile(NOON)
    assert sorted(waiting(state)) == [(f"{number:04}", "packed") for number in range(0, ORDERS, 50)]


@unsorted
def test_it_is_so_in_whatever_order_they_come(shop: ApiShop, state: State) -> None:
    newest_first(shop)
    poller = polling(shop, state)
    poller.poll(NOON)
    repeat(shop)
    for _ in range(3):
        poller.poll(NOON)
        poller.reconcile(NOON)
    assert sorted(waiting(state)) == [(f"{number:04}", "packed") for number in range(0, ORDERS, 50)]


@unsorted
def test_it_is_so_where_every_poll_compares_all(shop: ApiShop, state: State) -> None:
    params = {name: text for name, text in shop.api().query_params.items() if name != "since"}
    poller = polling(shop, state, query_params=params)
    poller.poll(NOON)
    repeat(shop)
    for number in range(3):
        shop.change(f"{number + 1:04}", "done", NOON)
        poller.poll(NOON)
    done = [(f"{number + 1:04}", "done") for number in range(3)]
    assert sorted(waiting(state)) == sorted(done + [(f"{number:04}", "packed") for number in range(0, ORDERS, 50)])


def test_order_missed_by_baseline_is_not_pushed(shop: ApiShop, state: State) -> None:
    """Rereading the lookback finds it."""
    shop.rows.clear()
    shop.add(*((f"{number:04}", "new", NOON - 3 * MINUTE + timedelta(seconds=number)) for number in range(150)))
    moved = iter([lambda: shop.change("0007", "new", NOON - MINUTE)])
    shop.meanwhile = lambda _served: next(moved, lambda: None)()
    poller = polling(shop, state)
    poller.poll(NOON)
    poller.poll(NOON)
    poller.reconcile(NOON)
    assert (waiting(state), state.polls.tracked()) == ([], 150)


@unsorted
def test_last_row_counts_without_updated_at(shop: ApiShop, state: State) -> None:
    shop.add(("0007", "packed", NOON))
    poller = polling(shop, state, query_params={}, paging="none", fields={"order_id": "id", "status": "status"})
    shop._page = lambda target: {"body": {"orders": shop._shown(shop.rows) if target else []}}  # type: ignore[method-assign] # all at once
    poller.poll(NOON)
    shop.rows[-1][2] = "sent"
    for _ in range(3):
        result = poller.poll(NOON)
    assert (result.rows, waiting(state)) == (ORDERS, [("0007", "sent")])
