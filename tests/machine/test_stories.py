"""Stories that the state machine found, each in its smallest form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from syncd.imshop.replies import BUSY, REFUSED
from syncd.model import Answer, Outcome
from tests.machine.imshop import REPLIES, TAKEN, UNPAID, Reply
from tests.machine.promises import check_always, check_at_rest, come_to_rest
from tests.machine.shop import OLD
from tests.machine.world import Fault, World
from tests.states import one_folder


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


def told(world: World, **differences: Any) -> None:
    """Order 0001 changes, and IMSHOP takes it."""
    details(world, "0001", **differences)
    met_with(world, "TAKEN")


def answered(world: World, reply: str) -> None:
    world.step()
    world.answer("0001", REPLIES[reply])
    world.step()


def met_with(world: World, reply: str) -> None:
    """Until nothing is pending any more."""
    world.imshop.auto = REPLIES[reply]
    world.deliver_all()
    world.imshop.auto = None


def changed(world: World, order_id: str, *statuses: str) -> None:
    """An order goes through these statuses, and a poll sees each."""
    for status in statuses:
        world.shop.change(order_id, status=status)
        world.poll()


def test_guard_counts_all_segments_of_a_compare() -> None:
    world = World(folder=one_folder(), push_first=True, max_changes=len(OLD) - 1)
    result = world.poll()
    assert result is not None
    assert (result.held, world.state.reports.summary().changes["pending"]) == (len(OLD), 0)
    world.die(applied=False)


def test_status_restored_during_its_push_is_pushed_once(world: World) -> None:
    """The status changes and changes back while it is being pushed."""
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
def test_status_restored_during_a_failed_push_stays_unpushed(world: World, reply: Reply) -> None:
    changed(world, "0001", "packed")
    world.step()
    changed(world, "0001", "new")
    world.answer("0001", reply)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == []


def test_restored_then_skipped_status_is_not_pushed(world: World) -> None:
    changed(world, "0001", "packed")
    world.step()
    changed(world, "0001", "new", "draft")
    world.answer("0001", Reply("BUSY", applied=False, meaning=BUSY))
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == []


def test_resync_during_a_failed_push_is_pushed(world: World) -> None:
    changed(world, "0001", "packed")
    world.step()
    world.shop.change("0001", status="new")
    world.imshop.of("0001").asked_again = 1
    world.state.operator.resync(world.shop.look_up(["0001"]).orders, world.now())
    world.answer("0001", Reply("BUSY", applied=False, meaning=BUSY))
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "new")]


def test_tracking_url_removed_during_push_adds_no_push(world: World) -> None:
    details(world, "0001", tracking="a")
    world.step()
    changed(world, "0001", "packed")
    details(world, "0001", status="new", tracking=None)
    world.answer("0001", TAKEN)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "new")]


def test_known_tracking_url_that_returns_adds_no_push(world: World) -> None:
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


def test_removed_payment_never_sent_adds_no_push(world: World) -> None:
    """A payment without an id cannot be pushed."""
    details(world, "0001", status="packed", paid=True)
    world.imshop.auto = TAKEN
    world.deliver_all()
    details(world, "0001", paid=False)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == [("0001", "packed")]


def test_pushed_payment_is_reverted_after_its_id(world: World) -> None:
    """The payment's id disappears first, and then the payment."""
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


def test_doubtful_payment_is_reverted_despite_a_discard(world: World) -> None:
    """An operator discards the push that would have taken the payment back."""
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


def test_payment_taken_back_is_told_though_the_push_that_told_so_was_refused(world: World) -> None:
    """What IMSHOP knew of the payment is not in doubt only because a push without one is."""
    told(world, status="packed", paid=True, payment_id="p")
    details(world, "0001", status="shipped")
    answered(world, "SILENT")
    details(world, "0001", status="closed", paid=False, payment_id=None)
    world.poll()
    met_with(world, "REFUSED")
    told(world, status="new")
    assert world.imshop.of("0001").payment == UNPAID


@pytest.mark.parametrize("passing", [{"status": "draft", "paid": False}, {"status": "draft", "paid": None}])
def test_payment_taken_back_in_a_skipped_status_is_told_with_the_next_one(
    world: World, passing: dict[str, Any]
) -> None:
    told(world, status="packed", paid=True, payment_id="p")
    details(world, "0001", status="shipped")
    world.step()
    details(world, "0001", payment_id=None, **passing)
    world.poll()
    details(world, "0001", status="new", paid=False)
    world.answer("0001", REPLIES["SILENT"])
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.of("0001").payment == UNPAID


@pytest.mark.parametrize("reply", ["REFUSED", "NOT_FOUND"])
def test_a_held_change_tells_its_payment_after_an_older_one_was_retried(world: World, reply: str) -> None:
    details(world, "0001", status="packed", paid=True, payment_id="p")
    met_with(world, reply)
    [older] = world.state.reports.changes(limit=1)
    details(world, "0001", status="draft", paid=False, payment_id=None)
    details(world, "0001", status="odd")
    world.imshop.of("0001").asked_again += 1
    world.state.operator.retry([older.id], now=world.now())
    met_with(world, "TAKEN")
    world.actions["odd"] = "push"
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.of("0001").payment == UNPAID


def test_a_held_change_tells_its_payment_after_a_kill_of_the_one_before(world: World) -> None:
    details(world, "0001", status="packed", paid=True, payment_id="p")
    details(world, "0001", status="odd", paid=False, payment_id=None)
    world.step()
    world.die(applied=True)
    world.restart()
    world.actions["odd"] = "push"
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.of("0001").payment == UNPAID


def test_payment_of_a_late_push_is_followed_by_the_present_one(world: World) -> None:
    """A process was frozen with its push, which arrives when the payment was taken back, and the next change waits."""
    details(world, "0001", status="packed", paid=True, payment_id="p")
    world.step()
    late = world.imshop.in_flight["0001"][0]
    world.die(applied=False)
    world.restart()
    world.at += timedelta(minutes=1)
    met_with(world, "TAKEN")
    details(world, "0001", status="shipped", paid=False, payment_id=None)
    world.at += timedelta(minutes=1)
    world.poll()
    met_with(world, "TAKEN")
    details(world, "0001", status="closed")
    answered(world, "SILENT")
    world.step()
    answer = Answer(200, "0001", None, "packed", None, None)
    arrived = Outcome(late, "delivered", "delivered", world.now(), world.now(), answer=answer)
    world.imshop.of("0001").payment = late.payment
    world.state.outbox.record([arrived])
    world.at += timedelta(hours=1)
    met_with(world, "TAKEN")
    assert world.imshop.of("0001").payment == UNPAID


def test_payment_is_not_repeated_by_the_next_attempt(world: World) -> None:
    told(world, status="packed", paid=True, payment_id="p")
    details(world, "0001", status="shipped", paid=False, payment_id=None)  # to be told once the next poll sees it too
    answered(world, "SILENT")
    met_with(world, "TAKEN")
    assert len(world.imshop.payments) == 1


def test_refused_change_of_an_order_that_went_back_is_not_retried(world: World) -> None:
    """The tracking number that IMSHOP knows is gone from the shop, which cannot be told."""
    told(world, status="packed", tracking="a")
    details(world, "0001", status="shipped")
    met_with(world, "REFUSED")
    [refused] = world.state.reports.changes(limit=1)
    details(world, "0001", status="packed", tracking=None)
    assert not world.state.operator.retry([refused.id], now=world.now()).done


def test_an_unpaid_order_in_doubt_is_told_without_a_payment(world: World) -> None:
    changed(world, "0001", "packed")
    answered(world, "SILENT")
    told(world, status="shipped")
    assert world.imshop.payments == []


def test_a_payment_that_was_told_to_nobody_is_not_taken_back(world: World) -> None:
    told(world, status="draft", paid=True, payment_id="p")
    told(world, status="shipped", paid=False, payment_id=None)
    assert world.imshop.payments == []


def test_what_is_in_doubt_is_not_taken_as_known(world: World) -> None:
    """Nor what the shop shows since."""
    told(world, status="packed", paid=True, payment_id="p")
    world.imshop.of("0001").asked_again += 1
    world.state.operator.resync(world.shop.look_up(["0001"]).orders, world.now())
    details(world, "0001", tracking="a")
    check_always(world)


@pytest.mark.parametrize("reply", ["TAKEN", "TAKEN_BUT_SILENT"])
@pytest.mark.parametrize("status", ["packed", "shipped", "draft"])
def test_payment_taken_back_is_told_though_it_was_hidden_first(world: World, reply: str, status: str) -> None:
    """The shop's column was empty, or could not be read, in a change that was told, or not."""
    details(world, "0001", status="packed", paid=True, payment_id="p")
    answered(world, reply)
    told(world, status=status, paid=None, payment_id=None)
    told(world, status="shipped", paid=False)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.of("0001").payment == UNPAID


def test_payment_taken_back_is_told_after_polls_of_one_moment() -> None:
    """It is told by a later poll, which reads all orders again, as each poll does until there is a cursor."""
    world = World(folder=one_folder())
    for order_id in OLD:
        world.shop.change(order_id, status="new", paid=True)
    world.poll()
    world.note_adopted()
    details(world, "0003", paid=False)
    world.poll(full=True)
    come_to_rest(world)
    check_at_rest(world)
    world.die(applied=False)


def test_a_change_without_news_is_not_sent_for_a_held_one_behind_it(world: World) -> None:
    details(world, "0001", tracking="a")
    world.step()
    details(world, "0001", tracking=None, status="packed")
    details(world, "0001", status="new")
    details(world, "0001", status="odd")
    world.answer("0001", TAKEN)
    met_with(world, "TAKEN")
    assert world.imshop.told == [("0001", "new")]


def test_order_reverted_after_lost_turn_is_not_pushed(world: World) -> None:
    """The connection was cut right at the turn's commit, so nobody got the change to send."""
    changed(world, "0001", "packed")
    world.on_commit = lambda: "cut"
    world.step()
    world.on_commit = lambda: None
    changed(world, "0001", "new")
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.told == []


def test_second_full_compare_pushes_a_removed_payment(world: World) -> None:
    """The first one must not take the order for seen as the shop shows it."""
    details(world, "0001", paid=True, payment_id="p")
    world.step()
    world.answer("0001", TAKEN)
    world.shop.change("0001", paid=False, payment_id=None)
    come_to_rest(world)
    check_at_rest(world)
    assert [told for told in world.imshop.told if told[0] == "0001"] == [("0001", "new")] * 2


def test_a_lost_answer_is_in_doubt_once_it_is_asked_for_again(world: World) -> None:
    """The order went on in the shop meanwhile, so the decision is made anew."""
    commits: Iterator[Fault | None] = iter([None, "cut"])
    world.on_commit = lambda: next(commits, None)
    world.cancel("0001", "applies")
    details(world, "0001", status="shipped")
    world.cancel("0001", "applies and is silent")
    check_always(world)
    come_to_rest(world)
    check_at_rest(world)
    assert world.imshop.of("0001").status == "cancelled"
