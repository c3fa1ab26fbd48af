"""Whatever happens to two daemons on one state, IMSHOP knows the newest in the end, and hears nothing older before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncd.state.lease import DURATION
from tests.machine.rivals import ORDERS, TIMEOUT, Daemon, Mood, Reply, Rivals, Where

LEASE = DURATION.total_seconds()
STANDBY_LEADS_WITHIN = LEASE + 1

either = st.integers(0, 1)
orders = st.sampled_from(ORDERS)
statuses = st.sampled_from(["packed", "shipped", "done"])
places: st.SearchStrategy[Where] = st.sampled_from(["before the last look", "after the last look"])
replies: st.SearchStrategy[Reply] = st.sampled_from(["taken", "taken", "silent", "refused"])
moods: st.SearchStrategy[Mood] = st.sampled_from(["well", "well", "slow", "dead"])
times = st.sampled_from([0.5, 2.0, 4.0, LEASE - 0.5, LEASE + 1.0, TIMEOUT + 5.0])


class TwoDaemons(RuleBasedStateMachine):
    @initialize(rates=st.tuples(*[st.sampled_from([0.99, 1.0, 1.01])] * 2), skew=st.sampled_from([-20, 0, 20]))
    def open(self, rates: tuple[float, float], skew: int) -> None:
        self.world = Rivals(rates, (0, skew))

    @rule(order_id=orders, status=statuses, polled=st.booleans())
    def an_order_changes(self, order_id: str, status: str, polled: bool) -> None:
        if self.world.shop.status(order_id) != status:
            self.world.shop.change(order_id, status=status)
        if polled:
            for daemon in self.world.running():
                daemon.poll()

    @rule(seconds=times, mood=moods)
    def time_passes(self, seconds: float, mood: Mood) -> None:
        self.world.advance(seconds, mood)

    @rule(number=either)
    def it_delivers(self, number: int) -> None:
        if self.daemon(number).runs:
            self.daemon(number).step()

    @rule(number=either)
    def it_looks_after_its_leases(self, number: int) -> None:
        if self.daemon(number).runs:
            self.daemon(number).look_after_leases()

    @precondition(lambda self: self.world.imshop.arrived())
    @rule(place=st.integers(0, 5), reply=replies)
    def imshop_answers(self, place: int, reply: Reply) -> None:
        arrived = self.world.imshop.arrived()
        request = arrived[place % len(arrived)]
        self.world.imshop.answer(request, reply)
        if request.sender.runs:
            request.sender.settle()

    @precondition(lambda self: self.world.imshop.arrived())
    @rule(place=st.integers(0, 5))
    def imshop_applies_and_works_on(self, place: int) -> None:
        arrived = self.world.imshop.arrived()
        self.world.imshop.apply(arrived[place % len(arrived)])

    @rule(number=either)
    def it_is_frozen(self, number: int) -> None:
        if self.daemon(number).runs:
            self.daemon(number).freeze()

    @rule(number=either, where=places, order_id=orders, status=statuses)
    def it_is_frozen_as_it_sends(self, number: int, where: Where, order_id: str, status: str) -> None:
        if self.daemon(number).runs:
            self.an_order_changes(order_id, status, True)
            self.daemon(number).take_and_freeze(where)

    @rule(number=either, seconds=times)
    def it_is_frozen_as_it_polls(self, number: int, seconds: float) -> None:
        daemon, world = self.daemon(number), self.world

        def frozen_for_a_while() -> None:
            daemon.freeze()
            world.advance(seconds)
            for other in world.running():
                other.poll()
            daemon.thaw()

        if daemon.runs:
            world.shop.meanwhile = [frozen_for_a_while]
            daemon.poll()
            world.shop.meanwhile = []

    @rule(number=either)
    def it_is_thawed(self, number: int) -> None:
        if self.daemon(number).frozen:
            self.daemon(number).thaw()

    @rule(number=either)
    def its_way_to_the_state_is_cut_or_mended(self, number: int) -> None:
        self.daemon(number).cut ^= True

    @rule(number=either, in_order=st.booleans())
    def it_ends_or_starts(self, number: int, in_order: bool) -> None:
        daemon = self.daemon(number)
        if not daemon.alive:
            daemon.start()
        elif in_order and not daemon.frozen:
            daemon.end()
        else:
            daemon.die()

    @rule()
    def the_leases_expire(self) -> None:
        self.world.expire()

    @invariant()
    def promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.come_to_rest()
            self.world.check_at_rest()
        finally:
            self.world.close()

    def daemon(self, number: int) -> Daemon:
        return self.world.daemons[number]


TestTwoDaemons = TwoDaemons.TestCase
TestTwoDaemons.settings = settings(
    max_examples=settings().max_examples, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def world() -> Iterator[Rivals]:
    world = Rivals()
    yield world
    world.close()


def change(world: Rivals, order_id: str, status: str) -> None:
    world.shop.change(order_id, status=status)
    for daemon in world.running():
        daemon.poll()


def rest(world: Rivals) -> None:
    world.come_to_rest()
    world.check_at_rest()


def test_standby_leads_soon_after_a_kill(world: Rivals) -> None:
    one, other = world.daemons
    one.die()
    world.advance(STANDBY_LEADS_WITHIN)
    assert other.delivering.held()
    rest(world)


def test_standby_leads_at_once_after_orderly_end(world: Rivals) -> None:
    world.daemons[0].end()
    world.advance(1.0)
    assert world.daemons[1].delivering.held()
    rest(world)


def test_standby_waits_only_for_pushes_under_way(world: Rivals) -> None:
    one, _ = world.daemons
    change(world, ORDERS[0], "packed")
    one.step()
    one.die()
    world.shop.change(ORDERS[0], status="shipped")
    world.shop.change(ORDERS[1], status="shipped")
    world.advance(STANDBY_LEADS_WITHIN)
    assert world.imshop.knows == {ORDERS[1]: "shipped"}
    world.advance(TIMEOUT)
    assert world.imshop.knows == {ORDERS[0]: "shipped", ORDERS[1]: "shipped"}
    rest(world)
    assert not world.imshop.late


@pytest.mark.parametrize("where", ["before the last look", "after the last look"])
def test_newest_status_arrives_last_after_frozen_leader(world: Rivals, where: Where) -> None:
    """Also where the frozen leader sends an older status once it goes on."""
    one, _ = world.daemons
    change(world, ORDERS[0], "packed")
    one.take_and_freeze(where)
    world.shop.change(ORDERS[0], status="shipped")
    world.advance(30)
    assert world.imshop.knows[ORDERS[0]] == "shipped"
    one.thaw()
    assert bool(world.imshop.late) == (where == "after the last look")
    rest(world)


def test_leader_resumes_after_a_network_cut(world: Rivals) -> None:
    one, other = world.daemons
    other.die()
    one.cut = True
    world.advance(75)
    assert not one.delivering.held()
    one.cut = False
    world.advance(1.0)
    assert one.delivering.held()
    rest(world)


def test_a_change_taken_over_and_left_is_sent(world: Rivals) -> None:
    """The one that is thawed still has the change from its own turn; the claim on it is that of the one that died."""
    one, other = world.daemons
    world.shop.change(ORDERS[0], status="packed")
    one.poll()
    one.take_and_freeze("before the last look")
    world.advance(15, "slow")
    world.expire()
    other.die()
    rest(world)
    assert world.imshop.knows[ORDERS[0]] == "packed"
