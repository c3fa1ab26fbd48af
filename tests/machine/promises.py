"""What must hold of a world at any time, and once it has come to rest."""

from __future__ import annotations

from datetime import timedelta

from syncd.model import Content, Seen
from tests.machine.imshop import TAKEN, Knowledge, agrees
from tests.machine.shop import ORDERS
from tests.machine.world import World
from tests.made import check_counts

POLLS_AT_MOST = 3
"""A full compare may refuse to forget orders; the next, once that is released, forgets them."""


def check_always(world: World) -> None:
    """No push broke a promise, and what the state takes IMSHOP to know is what IMSHOP knows."""
    assert not world.imshop.broken, world.imshop.broken
    for order_id, seen in world.state.polls.load(ORDERS).items():
        known = world.imshop.of(order_id)
        # Who was cancelled, and whose answer was lost, is known to IMSHOP once it asks again.
        is_known = seen.told is None or order_id in world.unanswered or _agrees(known, seen.told)
        assert is_known, f"order {order_id}: {seen}, but IMSHOP knows {known}"


def come_to_rest(world: World, *, full: bool = True) -> None:
    """The shop can be read, IMSHOP is well, operators did their work, time passes. Nothing may be left to do."""
    shop, imshop = world.shop, world.imshop
    shop.dark, shop.fails_after, world.skew, world.on_commit = False, None, timedelta(), lambda: None
    shop.meanwhile.clear()
    if world.actions["odd"] == "hold":
        world.actions["odd"] = "push"
    imshop.auto = TAKEN
    for order_id in list(imshop.in_flight):
        world.answer(order_id, TAKEN)
    for order_id in sorted(world.unanswered - shop.gone):
        world.cancel(order_id, "applies")
    world.at += timedelta(days=1)
    for _ in range(POLLS_AT_MOST):
        polled = world.poll(full=full)
        world.note_adopted()
        world.state.operator.release(world.now())
        if polled:
            break
    world.at += timedelta(minutes=1)
    world.poll(full=full)  # that a payment was taken back is told by the poll after the one that saw it
    world.note_adopted()
    world.deliver_all()
    failed = [change.id for state in ("dead", "refused") for change in world.state.reports.changes(state=state)]
    world.state.operator.retry(failed, now=world.now())
    world.deliver_all()


def check_at_rest(world: World) -> None:
    """What IMSHOP heard last of each order is how it is in the shop, unless an operator did not want that."""
    check_always(world)
    check_counts(world.state)
    summary = world.state.reports.summary()
    assert (summary.changes["pending"], summary.changes["held"]) == (0, 0)
    for order_id, seen in world.state.polls.load(ORDERS).items():
        if order_id not in world.shop.gone:
            assert seen.content == world.shop.present(order_id).content, f"order {order_id}: {seen} is out of date"
        _check_told(world, order_id, seen)
    assert world.shop.history.keys() - world.shop.gone <= world.state.polls.load(ORDERS).keys()


def _check_told(world: World, order_id: str, seen: Seen) -> None:
    if world.action(str(seen.content["status"])) == "skip" or world.unwanted.get(order_id) == seen.revision:
        return
    known = world.imshop.of(order_id)
    assert _agrees(known, seen.content), f"order {order_id}: {seen}, but IMSHOP knows {known}"


def check_everything_moves(world: World) -> None:
    """Whatever happened before, the next change of every order is found by the next poll, and told."""
    for order_id in world.shop.history:
        world.shop.gone.discard(order_id)
        world.shop.change(order_id, status="archived")
    world.shop.undated.clear()
    come_to_rest(world, full=False)
    check_at_rest(world)
    assert world.state.reports.summary().pause is None
    for order_id in world.shop.history:
        assert world.imshop.of(order_id).status == "archived", f"order {order_id} is not told any more"


def _agrees(known: Knowledge, content: Content) -> bool:
    """What else was to be told of an order may have been dropped when its buyer cancelled it."""
    return content["status"] in (None, known.status) if known.cancelled else agrees(known, content)
