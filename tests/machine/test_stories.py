"""Stories that the state machine found, each in its smallest form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.imshop.meanings import BUSY, REFUSED
from tests.machine.imshop import TAKEN, UNPAID, Reply
from tests.machine.promises import check_at_rest, come_to_rest
from tests.machine.shop import OLD
from tests.machine.world import World, one_folder


@pytest.fixture
def world() -> Iterator[World]:
    """The baseline is taken, and everything is quiet."""
    world = World(folder=one_folder())
    world.poll()
    world.note_adopted()
    yield world
    world.die(applied=False)


def details(world: World, order_id: str, **differences: Any) -> None:
    world.shop.change(order_id, **differences)
    world.poll()


def changed(world: World, order_id: str, *statuses: str) -> None:
    """An order goes through these statuses, and a poll sees each."""
    for status in statuses:
        world.shop.change(order_id, status=status)
        world.poll()


def test_the_guard_counts_a_full_compare_over_all_its_segments() -> None:
    world = World(folder=one_folder(), push_first=True, max_changes=len(OLD) - 1)
    result = world.poll()
    assert result is not None
    assert (result.held, world.state.reports.summary().changes["pending"]) == (len(OLD), 0)
    world.die(applied=False)


def test_an_order_that_goes_away_and_comes_back_while_it_is_told_is_told_once(world: World) -> None:
    changed(world, "0001", "packed")
    world.step()
    changed(world, "0001", "shipped", "packed")
    world.answer("0001", TAKEN)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "packed")]


@pytest.mark.parametrize(
    "reply", [Reply("BUSY", applied=False, meaning=BUSY), Reply("REFUSED", applied=False, meaning=REFUSED)]
)
def test_an_order_that_comes_back_while_another_status_is_not_taken_is_not_told(world: World, reply: Reply) -> None:
    changed(world, "0001", "packed")
    world.step()
    changed(world, "0001", "new")
    world.answer("0001", reply)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == []


def test_an_order_that_comes_back_and_goes_on_to_a_skipped_status_is_not_told(world: World) -> None:
    changed(world, "0001", "packed")
    world.step()
    changed(world, "0001", "new", "draft")
    world.answer("0001", Reply("BUSY", applied=False, meaning=BUSY))
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == []


def test_an_operator_who_asks_for_a_push_while_another_is_not_taken_is_obeyed(world: World) -> None:
    changed(world, "0001", "packed")
    world.step()
    world.shop.change("0001", status="new")
    world.imshop.of("0001").asked_again = 1
    world.state.operator.resync(world.shop.look_up(["0001"]).orders, world.now())
    world.answer("0001", Reply("BUSY", applied=False, meaning=BUSY))
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "new")]


def test_a_tracking_url_that_goes_away_while_it_is_told_is_no_news(world: World) -> None:
    details(world, "0001", tracking="a")
    world.step()
    changed(world, "0001", "packed")
    details(world, "0001", status="new", tracking=None)
    world.answer("0001", TAKEN)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "new")]


def test_a_tracking_url_that_was_told_is_no_news_when_it_comes_back(world: World) -> None:
    details(world, "0001", tracking="a")
    world.imshop.auto = TAKEN
    world.deliver_all()
    details(world, "0001", status="packed", tracking=None)
    world.imshop.auto = TAKEN
    world.deliver_all()
    details(world, "0001", tracking="a")
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "new"), ("0001", "packed")]


def test_a_payment_that_could_not_be_told_is_no_news_when_it_goes_away(world: World) -> None:
    details(world, "0001", status="packed", paid=True)
    world.imshop.auto = TAKEN
    world.deliver_all()
    details(world, "0001", paid=False)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "packed")]


def test_a_payment_that_was_told_is_taken_back_though_its_id_went_first(world: World) -> None:
    details(world, "0001", status="packed", paid=True, payment_id="p")
    world.imshop.auto = TAKEN
    world.deliver_all()
    details(world, "0001", status="shipped", payment_id=None)
    world.imshop.auto = TAKEN
    world.deliver_all()
    details(world, "0001", paid=False)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "packed"), ("0001", "shipped"), ("0001", "shipped")]


def test_a_payment_that_may_have_been_told_is_taken_back_though_an_operator_gave_that_push_up(world: World) -> None:
    details(world, "0001", status="packed", paid=True, payment_id="p")
    world.imshop.auto = TAKEN
    world.deliver_all()
    world.imshop.auto = None
    details(world, "0001", status="shipped", paid=False, payment_id=None)
    world.step()
    world.answer("0001", Reply("CRASH", applied=False, crash=True))
    world.step()
    world.step()
    world.state.operator.discard([change.id for change in world.state.reports.changes(limit=1)], now=world.now())
    details(world, "0001", status="done")
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.of("0001").payment == UNPAID


def test_an_order_that_goes_back_after_a_turn_whose_end_was_lost_is_not_told(world: World) -> None:
    """The turn took the change, but the connection was cut right at its commit, so nobody was handed it."""
    changed(world, "0001", "packed")
    world.on_commit = lambda: "cut"
    world.step()
    world.on_commit = lambda: None
    changed(world, "0001", "new")
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == []


def test_a_payment_that_is_gone_is_told_by_the_second_whole_compare(world: World) -> None:
    """The first one is not to take the order for seen as the shop shows it."""
    details(world, "0001", paid=True, payment_id="p")
    world.step()
    world.answer("0001", TAKEN)
    world.shop.change("0001", paid=False, payment_id=None)
    come_to_rest(world)
    check_at_rest(world)
    assert [told for told in world.imshop.told if told[0] == "0001"] == [("0001", "new")] * 2
