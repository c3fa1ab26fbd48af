"""Everything that can happen to a daemon, in any order: the promises of the outbox hold all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncd.pipeline.diff import StatusAction
from syncd.state.operator_actions import OperatorActions
from tests.machine.buyer import MANNERS, Manner
from tests.machine.driving import Driver, Happening
from tests.machine.imshop import REPLIES, TAKEN
from tests.machine.promises import check_always, check_at_rest, check_everything_moves, come_to_rest
from tests.machine.shop import LOOKBACK, OLD, ORDERS
from tests.machine.world import Fault, World
from tests.states import one_folder

few_orders = st.sampled_from(ORDERS[:3])
"""What goes wrong takes several things to happen to one order, so they happen to few."""
statuses = st.sampled_from(["new", "packed", "shipped"]) | st.sampled_from(["new", "packed", "draft", "odd"])
trackings = st.sampled_from([None, "a", "b"])
payment_ids = st.sampled_from([None, "p", "q"])
late = st.sampled_from([timedelta(), timedelta(minutes=1), LOOKBACK, timedelta(hours=1), -timedelta(days=1), None])
follows = st.sampled_from(["nothing", "a poll", "a poll and a step", "a poll and a step", "a full compare"])
"""What comes after a change. A step of delivery leaves its pushes in flight."""
meanwhile = st.lists(st.none() | st.tuples(few_orders, statuses), max_size=3)
replies = st.just(TAKEN.name) | st.sampled_from(sorted(REPLIES))
places = st.integers(0, len(ORDERS))
"""Which of those that there are, counted round."""
faults = st.none() | st.none() | st.tuples(st.integers(1, 4), st.sampled_from(["before", "after", "full", "cut"]))


class Daemon(RuleBasedStateMachine):
    @initialize(
        has_cursor=st.sampled_from([True, True, False]),
        push_first=st.sampled_from([False, False, True]),
        max_changes=st.sampled_from([0, 0, 4]),
        concurrency=st.integers(1, 3),
        page=st.sampled_from([3, 100]),
        baseline=st.sampled_from([True, True, False]),
    )
    def open(
        self, has_cursor: bool, push_first: bool, max_changes: int, concurrency: int, page: int, baseline: bool
    ) -> None:
        self.world = World(
            folder=one_folder(),
            follows=has_cursor,
            push_first=push_first,
            max_changes=max_changes,
            concurrency=concurrency,
            page=page,
        )
        self.driver = Driver(self.world)
        if baseline:
            self.driver.poll()

    # The shop, and the daemon that looks.

    @rule(order_id=few_orders, status=statuses, late=late, flaps=st.booleans(), then=follows, fault=faults)
    def status_changes(
        self,
        order_id: str,
        status: str,
        late: timedelta | None,
        flaps: bool,
        then: str,
        fault: tuple[int, Fault] | None,
    ) -> None:
        other = status if status != self.world.shop.status(order_id) else "closed"
        self.driver.change(order_id, late, flaps=flaps, status=other)
        self._then(then, fault)

    @rule(order_id=few_orders, tracking=trackings, paid=st.booleans(), by=payment_ids, then=follows)
    def details_change(self, order_id: str, tracking: str | None, paid: bool, by: str | None, then: str) -> None:
        self.driver.change(order_id, timedelta(), tracking=tracking, paid=paid, payment_id=by)
        self._then(then)

    @rule(status=statuses, then=follows, fault=faults)
    def all_orders_change(self, status: str, then: str, fault: tuple[int, Fault] | None) -> None:
        for order_id in OLD:
            self.driver.change(order_id, timedelta(), status=status)
        self._then(then, fault)

    @rule(order_id=st.sampled_from(ORDERS[-3:]), then=follows)
    def order_is_placed_or_vanishes_or_comes_back(self, order_id: str, then: str) -> None:
        if order_id in self.world.shop.history:
            self.world.shop.gone ^= {order_id}
        else:
            self.world.place(order_id)
        self._then(then)

    @rule(order_ids=st.sets(few_orders, max_size=2))
    def timestamps_are_lost_or_found(self, order_ids: set[str]) -> None:
        self.world.shop.undated ^= order_ids

    @rule(full=st.booleans(), meanwhile=meanwhile)
    def poll(self, full: bool, meanwhile: list[Happening]) -> None:
        self.driver.poll(meanwhile, full=full)

    @rule(full=st.booleans(), pages=st.none() | st.integers(0, 2))
    def shop_is_in_trouble(self, full: bool, pages: int | None) -> None:
        """It breaks off after so many pages, or shows nothing."""
        self.world.shop.fails_after, self.world.shop.dark = pages, pages is None
        self.driver.poll(full=full)
        self.world.shop.fails_after, self.world.shop.dark = None, False

    # Delivery, and IMSHOP.

    @rule(steps=st.integers(1, 3), fault=faults)
    def deliver(self, steps: int, fault: tuple[int, Fault] | None) -> None:
        self.driver.fault = fault or self.driver.fault
        self.driver.deliver(steps)

    @precondition(lambda self: self.world.imshop.in_flight)
    @rule(place=places, reply=replies, steps=st.integers(0, 2), fault=faults)
    def imshop_answers(self, place: int, reply: str, steps: int, fault: tuple[int, Fault] | None) -> None:
        asked = sorted(self.world.imshop.in_flight)
        self.world.answer(asked[place % len(asked)], REPLIES[reply])
        self.deliver(steps, fault)

    @rule(reply=replies)
    def everything_is_answered(self, reply: str) -> None:
        self.driver.deliver()
        for order_id in sorted(self.world.imshop.in_flight):
            self.world.answer(order_id, REPLIES[reply])
        self.driver.deliver(2)

    # Buyers who cancel in the app.

    @rule(order_id=few_orders, manner=st.sampled_from(MANNERS), then=follows, fault=faults)
    def a_buyer_cancels(self, order_id: str, manner: Manner, then: str, fault: tuple[int, Fault] | None) -> None:
        self.driver.fault = fault or self.driver.fault
        self.driver.cancel(order_id, manner)
        self._then(then)

    @precondition(lambda self: self.world.unanswered)
    @rule(manner=st.sampled_from(MANNERS))
    def imshop_asks_again(self, manner: Manner) -> None:
        self.driver.cancel(min(self.world.unanswered), manner)

    @rule(manner=st.sampled_from(MANNERS), fault=faults)
    def a_cancellation_is_retried(self, manner: Manner, fault: tuple[int, Fault] | None) -> None:
        self.driver.fault = fault or self.driver.fault
        self.driver.operate_on_cancellations(manner)

    # Time, and what ends a process.

    @rule(hours=st.sampled_from([0.001, 0.01, 0.2, 1, 5]), skew=st.sampled_from([-2, 0, 0, 0, 2]))
    def time_passes_and_the_clock_jumps(self, hours: float, skew: int) -> None:
        self.driver.move_clock(timedelta(hours=hours), timedelta(hours=skew))
        if hours > 1:
            self.driver.housekeep()

    @rule(death=st.sampled_from(["in order", "pushes are lost", "pushes arrive"]), fault=faults)
    def restarted(
        self, death: Literal["in order", "pushes are lost", "pushes arrive"], fault: tuple[int, Fault] | None
    ) -> None:
        self.driver.fault = fault
        if death == "in order":
            self.driver.stop()
        else:
            self.world.die(applied=death == "pushes arrive")
        self.world.restart()

    # Operators.

    @rule(discarded=st.booleans())
    def held_changes_are_released_or_discarded(self, discarded: bool) -> None:
        if discarded:
            self.driver.operate(lambda state: state.operator.discard(held=True, now=self.world.now()))
        else:
            self.driver.operate(lambda state: state.operator.release(self.world.now()))

    @rule(place=places, discarded=st.booleans())
    def a_change_is_retried_or_discarded(self, place: int, discarded: bool) -> None:
        left = [
            change for change in self.world.state.reports.changes() if change.state not in ("delivered", "superseded")
        ]
        if left:
            chosen = left[place % len(left)]
            self.world.imshop.of(chosen.order_id).asked_again += not discarded
            act = OperatorActions.discard if discarded else OperatorActions.retry
            self.driver.operate(lambda state: act(state.operator, [chosen.id], now=self.world.now()))

    @rule(order_id=few_orders)
    def an_order_is_resynced(self, order_id: str) -> None:
        orders = self.world.shop.look_up([order_id]).orders
        if (
            orders
            and self.world.action(orders[0].status) == "push"
            and order_id in self.world.state.polls.load([order_id])
        ):
            self.world.imshop.of(order_id).asked_again += 1
            self.driver.operate(lambda state: state.operator.resync(orders, self.world.now()))

    @precondition(lambda self: self.world.actions["odd"] == "hold")
    @rule(action=st.sampled_from(["push", "skip"]))
    def a_status_is_listed(self, action: StatusAction) -> None:
        self.world.actions["odd"] = action

    @invariant()
    def promises_hold(self) -> None:
        check_always(self.world)

    def teardown(self) -> None:
        try:
            come_to_rest(self.world)
            check_at_rest(self.world)
            check_everything_moves(self.world)
        finally:
            self.world.die(applied=False)

    def _then(self, what: str, fault: tuple[int, Fault] | None = None) -> None:
        self.driver.fault = fault or self.driver.fault
        if what != "nothing":
            self.driver.poll(full=what == "a full compare")
        if what == "a poll and a step":
            self.driver.deliver()


TestDaemon = Daemon.TestCase
TestDaemon.settings = settings(
    max_examples=2 * settings().max_examples, stateful_step_count=20, suppress_health_check=list(HealthCheck)
)
