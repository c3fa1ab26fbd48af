"""Every place that writes state or sends: the process dies right before it and right after it, and nothing is lost.

A tour passes all of them. It is taken again and again, with the process dying at each place and each time that the
tour comes by, and gone on with by the next process. At the end IMSHOP knows what the shop shows.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import FrameType

import pytest

from syncd.imshop.replies import REFUSED, SILENT
from syncd.model import CancelDecision, CancelRequest, Order
from syncd.state import State
from tests.machine.imshop import TAKEN, Reply
from tests.machine.promises import check_always, check_at_rest, check_everything_moves, come_to_rest
from tests.machine.shop import OLD
from tests.machine.world import RETENTION, Death, Fault, Killed, World
from tests.states import one_folder

PLACES = frozenset(
    {
        "clear_refused_missing",
        "set_column_sources",
        "confirm_segments",
        "date_back_cancellations",
        "decide",
        "discard",
        "fail_unfinished",
        "make_all_due",
        "identify",
        "leadership_gained",
        "set_key_definition",
        "resolve_unlisted",
        "orders_compared",
        "mark_missing",
        "record_poll",
        "prune",
        "receive",
        "release",
        "replace_segments",
        "resync",
        "retry",
        "set_cursor",
        "release_or_hold",
        "staging",
        "start_compare",
        "claim_again",
        "set_baseline",
        "record_and_claim",
    }
)
"""The methods of the state that write. Everything that a daemon or an operator changes goes through one of them."""
EXCUSED = {
    "accept_baseline": "that the loss of a state was seen, which no push depends on: tests/state/test_lost_state.py",
    "bring_up_to_date": "makes the tables before anything else can happen: tests/state/test_open.py",
    "_forget_some_keys": "is how set_key_definition writes",
    "record": "writes what a turn writes of outcomes, for a daemon that leads no more: tests/machine/test_rivals.py",
    "keep": "what people were told of troubles, which no push depends on: tests/state/test_notice_record.py",
    "set_told_troubles": "the same, for runs from cron: tests/e2e/test_cron.py",
    "open_state": "that an earlier state was lost, before anything else can happen: tests/state/test_lost_state.py",
    "note_certificate": "when IMSHOP's certificate ends, which no push depends on: tests/test_certificate.py",
    "note_settings": "a mark of the settings, which no push depends on: tests/state/test_lost_state.py",
}
SENDING = "push"
TIMES = 3
"""The process dies at a place the first times that the tour comes by; so many are enough."""

Act = Callable[[World], object]
no = Reply("NO", applied=False, meaning=REFUSED)
lost = Reply("LOST", applied=True, meaning=SILENT)


def poll(world: World) -> object:
    return world.poll()


def compare(world: World) -> object:
    return world.poll(full=True)


def step(world: World) -> None:
    world.step()


def change(status: str, *order_ids: str) -> Act:
    def act(world: World) -> None:
        for order_id in order_ids:
            world.shop.change(order_id, status=status)

    return act


def answer(reply: Reply) -> Act:
    def act(world: World) -> None:
        for order_id in list(world.imshop.in_flight):
            world.answer(order_id, reply)
        world.step()

    return act


def vanish(*order_ids: str) -> Act:
    return lambda world: world.shop.gone.update(order_ids)


def come_back(world: World) -> None:
    world.shop.gone.clear()


def wait(hours: float) -> Act:
    def act(world: World) -> None:
        world.at += timedelta(hours=hours)

    return act


def clock(hours: float) -> Act:
    """The clock of this host goes wrong by so much."""

    def act(world: World) -> None:
        world.skew = timedelta(hours=hours)

    return act


def listed(world: World) -> None:
    world.actions["odd"] = "push"


def newest(world: World) -> list[int]:
    return [change.id for change in world.state.reports.changes(limit=1)]


def asked_again(world: World, order_id: str) -> None:
    world.imshop.of(order_id).asked_again += 1
    world.state.operator.resync(world.shop.look_up([order_id]).orders, world.now())


def cancelled(world: World) -> None:
    """A buyer cancels. IMSHOP asks until it is answered, and so knows; what an earlier process began is given up."""
    order_id, soon = OLD[5], world.now() + timedelta(minutes=1)
    world.state.inbox.fail_unfinished(soon, world.now())
    received = world.state.inbox.receive(CancelRequest("current", order_id, None), "token", world.now(), soon)
    if received.is_ours:
        found = Order(order_id, {"status": "new"}, shop_id="the shop's key")
        received = world.state.inbox.identify(received.cancellation, found, world.now(), world.now())
        if world.shop.present(order_id).status != "cancelled":
            world.shop.change(order_id, status="cancelled")
        decision = CancelDecision("accepted", "cancelled", str(len(world.shop.history[order_id]) - 1))
        world.state.inbox.decide(received.cancellation, decision, world.now(), answered=True)
    known = world.imshop.of(order_id)
    known.status, known.version = "cancelled", len(world.shop.history[order_id]) - 1


def refused_twice(world: World) -> None:
    """A buyer's wish that the shop refuses, and refuses again when an operator has it asked again."""
    asked, soon = CancelRequest("first", OLD[6], None), world.now() + timedelta(minutes=1)
    mine = world.state.inbox.receive(asked, "other", world.now(), soon).cancellation
    world.state.inbox.decide(mine, CancelDecision("refused", message="no"), world.now(), answered=True)
    again = world.state.inbox.claim_again(mine.id, world.now(), soon)
    assert again
    world.state.inbox.decide(again.cancellation, CancelDecision("refused", message="no"), world.now(), answered=False)


def set_key_definition(definition: str) -> Act:
    return lambda world: world.state.polls.set_key_definition(definition)


def kill(world: World) -> None:
    world.die(applied=False)
    world.restart()


def set_column_sources(world: World) -> None:
    world.state.polls.set_column_sources({"status": "a column"})


TOUR: list[Act] = [
    set_key_definition("of one kind"),
    poll,
    poll,
    change("packed", *OLD[:3]),
    poll,
    step,
    answer(TAKEN),
    step,
    answer(lost),
    change("odd", OLD[3]),
    poll,
    listed,
    poll,
    step,
    answer(no),
    lambda world: world.state.operator.retry(newest(world), now=world.now()),
    step,
    answer(TAKEN),
    change("shipped", *OLD),
    poll,
    lambda world: world.state.operator.release(world.now()),
    change("done", OLD[0]),
    compare,
    step,
    answer(TAKEN),
    wait(1),
    lambda world: world.state.outbox.make_all_due(world.now()),
    change("returned", OLD[4]),
    poll,
    lambda world: world.state.operator.discard(newest(world), now=world.now()),
    lambda world: asked_again(world, OLD[1]),
    vanish(*OLD),
    compare,
    come_back,
    compare,
    vanish(OLD[9]),
    compare,
    step,
    change("packed", OLD[7]),
    poll,
    clock(-1),
    lambda world: world.state.outbox.leadership_gained(world.now()),
    clock(0),
    cancelled,
    cancelled,
    cancelled,
    refused_twice,
    clock(-1),
    poll,
    clock(0),
    set_key_definition("of another kind"),
    set_column_sources,
    poll,
    kill,
    wait(24),
    lambda world: world.state.prune(world.now(), RETENTION),
]
"""Each act is done once, and not done again if the process dies of it: the next poll, or nobody, makes up for it."""


class Journey:
    """One tour in which the process dies at a place, the given time that it comes by."""

    def __init__(self, place: str = "", time: int = 0, death: Death = "before") -> None:
        self.passed: Counter[str] = Counter()
        self.died = False
        self._plan = (place, time)
        self._death = death
        self._sent = 0
        self._world = World(folder=one_folder(), max_changes=5, page=3, on_commit=self._on_commit)

    def take(self) -> None:
        for act in TOUR:
            try:
                act(self._world)
            except Killed:
                self._go_on(applied=False)
            if self._sends() and self._is_time(SENDING):
                self._go_on(applied=self._death == "after")
            self._world.note_adopted()
            self._world.note_discarded()

    def arrive(self) -> None:
        check_always(self._world)
        come_to_rest(self._world)
        check_at_rest(self._world)
        check_everything_moves(self._world)
        self._world.die(applied=False)

    def _go_on(self, *, applied: bool) -> None:
        self._world.die(applied=applied)
        self._world.restart()

    def _sends(self) -> bool:
        """Whether a push is on its way that was not before."""
        before, self._sent = self._sent, self._world.imshop.asked
        return self._sent > before and bool(self._world.imshop.in_flight)

    def _on_commit(self) -> Fault | None:
        return self._death if self._is_time(_writing()) else None

    def _is_time(self, place: str) -> bool:
        self.passed[place] += 1
        is_time = (place, self.passed[place]) == self._plan
        self.died |= is_time
        return is_time


def _writing() -> str:
    """Which function of the state the commit under way belongs to: the outermost, for some use each other."""
    frame: FrameType | None = sys._getframe()
    place = ""
    while frame is not None:
        is_of_the_state = frame.f_globals["__name__"].startswith("syncd.state.")
        if is_of_the_state and frame.f_code.co_name in PLACES:
            place = frame.f_code.co_name
        frame = frame.f_back
    return place


@cache
def _passes() -> Counter[str]:
    """How often the tour comes by each place if nobody dies."""
    journey = Journey()
    journey.take()
    journey.arrive()
    return journey.passed


def test_the_tour_passes_every_place() -> None:
    assert _passes().keys() == {*PLACES, SENDING}


@pytest.mark.parametrize("death", ["before", "after"])
@pytest.mark.parametrize("place", sorted({*PLACES, SENDING}))
def test_death_at_a_fault_point_loses_nothing(place: str, death: Death) -> None:
    """Nothing is repeated but what was in flight."""
    for time in range(1, min(TIMES, _passes()[place]) + 1):
        journey = Journey(place, time, death)
        journey.take()
        journey.arrive()
        assert journey.died


def _users_of(*names: str) -> set[str]:
    """The functions of the state that call a method of one of these names."""
    trees = [ast.parse(path.read_text()) for path in Path(inspect.getfile(State)).parent.glob("*.py")]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {function.name for function in functions for call in ast.walk(function) if _is_call(call, names)}


def _is_call(node: ast.AST, names: Collection[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def test_the_places_are_all_that_there_are() -> None:
    assert _users_of("write", "staging") == PLACES | EXCUSED.keys()
    assert _users_of("begin") == {"read", "write", "_ask"}  # of the lease: it is no part of what is told
