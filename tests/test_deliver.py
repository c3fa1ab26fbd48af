"""Delivery: what is due reaches IMSHOP, once, in order, whatever IMSHOP and the state do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest

from syncd.errors import StateError
from syncd.model import Order, Outcome, Pause, Push
from syncd.pipeline.deliver import SENT_WITHIN, Clocks, Deliverer, Limits, Outbox
from syncd.pipeline.diff import Policy, diff
from syncd.pipeline.statuses_file import Status, Statuses
from syncd.state import ChangeView, State
from tests.fakes import FakeImshop, busy, refused, silent, unauthorized
from tests.made import NOON
from tests.state.made import take

SECONDS = 10.0  # for whatever a test waits for


@dataclass
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Bench:
    """A deliverer on a real state, with a fake IMSHOP and a clock of its own."""

    memory: State
    imshop: FakeImshop = field(default_factory=FakeImshop)
    clock: Clock = field(default_factory=Clock)
    statuses: Statuses = field(default_factory=Statuses)
    limits: Limits = field(default_factory=lambda: Limits(4, 0, timedelta(hours=24), timedelta(seconds=10)))
    outcomes: list[Outcome] = field(default_factory=list)
    beats: int = 0
    leads: bool = True
    boottime: Callable[[], float] = time.monotonic

    def stage(self, status: str, orders: Iterable[str]) -> None:
        """What a poll does that finds these orders in this status."""
        found = [Order(order_id, {"status": status}) for order_id in orders]
        with self.memory.polls.staging() as staging:
            seen = staging.load(order.order_id for order in found)
            staging.store(diff(found, seen, Policy(lambda _: "push")), self.clock(), counting=False)

    @contextmanager
    def deliverer(self, outbox: Outbox | None = None) -> Iterator[Deliverer]:
        deliverer = Deliverer(
            outbox or self.memory.outbox,
            self.imshop,
            lambda: self.statuses,
            self.limits,
            Clocks(self.clock, time.monotonic, Random(1), self._boottime),
            may_send=lambda: self.leads,
            observe=self.outcomes.append,
            beat=self._beat,
        )
        try:
            yield deliverer
        finally:
            deliverer.close(SECONDS)

    @contextmanager
    def running(self, outbox: Outbox | None = None) -> Iterator[Deliverer]:
        stop = threading.Event()
        with self.deliverer(outbox) as deliverer:
            thread = threading.Thread(target=deliverer.run, args=[stop.is_set])
            thread.start()
            try:
                yield deliverer
            finally:
                stop.set()
                deliverer.wake()
                thread.join(SECONDS)

    def drain(self) -> None:
        ends_at = time.monotonic() + SECONDS
        with self.deliverer() as deliverer:
            deliverer.drain(lambda: time.monotonic() > ends_at)

    def change(self, order_id: str = "1") -> ChangeView:
        return next(iter(self.memory.reports.changes(order_id=order_id)))

    def _boottime(self) -> float:
        return self.boottime()

    def _beat(self) -> None:
        self.beats += 1


@pytest.fixture
def bench(memory: State) -> Bench:
    return Bench(memory)


def wait_for(condition: Callable[[], object], what: str) -> None:
    ends_at = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends_at, what
        time.sleep(0.002)


def numbers(count: int) -> Sequence[str]:
    return [f"{number:03d}" for number in range(count)]


def test_what_is_due_is_delivered_and_acknowledged(bench: Bench) -> None:
    bench.stage("packed", ["1"])
    bench.drain()
    assert bench.imshop.told == [("1", "packed")]
    change = bench.change()
    assert (change.state, change.attempts, change.delivered_at) == ("delivered", 1, NOON)
    seen = bench.memory.reports.story("1").seen
    assert seen is not None
    assert (seen.acknowledged_status, seen.told) == ("packed", {"status": "packed"})


def test_what_was_delivered_is_not_sent_again(bench: Bench) -> None:
    bench.stage("packed", ["1"])
    bench.drain()
    bench.drain()
    assert len(bench.imshop.asked) == 1


def test_a_backlog_is_delivered_the_oldest_first(bench: Bench) -> None:
    bench.limits = Limits(1, 0, timedelta(hours=24), timedelta(seconds=10))
    for order_id in numbers(10):
        bench.stage("packed", [order_id])
        bench.clock.move(seconds=1)
    bench.drain()
    assert [order_id for order_id, _ in bench.imshop.told] == numbers(10)


def test_orders_are_pushed_in_parallel_within_the_limit(bench: Bench) -> None:
    together = threading.Barrier(4)
    bench.imshop.behave = lambda _: void(together.wait(SECONDS))
    bench.stage("packed", numbers(40))
    bench.drain()
    assert (bench.imshop.most_at_once, len(bench.imshop.told)) == (4, 40)


def test_pushes_of_one_order_never_overlap_newest_last(bench: Bench) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(push: Push) -> None:
        if push.status == "packed":
            entered.set()
            assert leave.wait(SECONDS)

    bench.imshop.behave = slow
    bench.stage("packed", ["1"])
    with bench.running() as deliverer:
        assert entered.wait(SECONDS)
        bench.stage("shipped", ["1"])
        bench.stage("shipped", ["2"])
        deliverer.wake()
        wait_for(lambda: ("2", "shipped") in bench.imshop.told, "another order is not held up")
        leave.set()
        wait_for(lambda: ("1", "shipped") in bench.imshop.told, "the newer change follows")
    assert bench.imshop.overlaps == 0
    assert [told for told in bench.imshop.told if told[0] == "1"] == [("1", "packed"), ("1", "shipped")]


def test_failed_push_is_superseded_by_a_newer_change(bench: Bench) -> None:
    def fail_the_first(push: Push) -> None:
        if push.status == "packed":
            bench.stage("shipped", ["1"])
            raise silent()

    bench.imshop.behave = fail_the_first
    bench.stage("packed", ["1"])
    bench.drain()
    assert bench.imshop.told == [("1", "shipped")]
    assert [change.state for change in bench.memory.reports.changes()] == ["delivered", "superseded"]


def test_return_to_an_uncertain_status_is_pushed(bench: Bench) -> None:
    """IMSHOP may have applied the push in between, though it did not answer."""
    bench.stage("new", ["1"])
    bench.drain()

    def applied_but_silent(push: Push) -> None:
        bench.imshop.told.append((push.order_id, push.code))
        raise silent()

    bench.imshop.behave = applied_but_silent
    bench.stage("packed", ["1"])
    bench.drain()
    bench.imshop.behave = void
    bench.stage("new", ["1"])
    bench.drain()
    assert bench.imshop.told == [("1", "new"), ("1", "packed"), ("1", "new")]


def test_ambiguous_failure_is_retried_when_it_is_due(bench: Bench) -> None:
    bench.imshop.behave = raising(silent)
    bench.stage("packed", ["1"])
    bench.drain()
    change = bench.change()
    assert (change.state, change.attempts, change.last_error) == ("pending", 1, "no answer within 10 s")
    assert change.next_attempt_at is not None
    bench.imshop.behave = void
    bench.clock.move(seconds=3)
    bench.drain()
    assert (bench.change().state, bench.change().attempts) == ("delivered", 2)


def test_one_refused_order_holds_up_no_other(bench: Bench) -> None:
    def refuse_one(push: Push) -> None:
        if push.order_id == "000":
            raise refused()

    bench.imshop.behave = refuse_one
    bench.stage("packed", numbers(20))
    bench.drain()
    assert len(bench.imshop.told) == 19
    assert bench.change("000").state == "pending"


def test_refusal_is_retried_three_times_and_then_final(bench: Bench) -> None:
    bench.imshop.behave = raising(refused)
    bench.stage("packed", ["1"])
    for _ in range(6):
        bench.drain()
        bench.clock.move(minutes=41)
    assert (bench.change().state, bench.change().attempts, len(bench.imshop.asked)) == ("refused", 4, 4)


def test_change_after_a_final_refusal_is_pushed(bench: Bench) -> None:
    bench.imshop.behave = raising(refused)
    bench.stage("packed", ["1"])
    for _ in range(4):
        bench.drain()
        bench.clock.move(minutes=41)
    bench.imshop.behave = void
    bench.stage("shipped", ["1"])
    bench.drain()
    assert bench.imshop.told == [("1", "shipped")]


def test_change_that_fails_too_long_is_dead(bench: Bench) -> None:
    bench.imshop.behave = raising(busy)
    bench.stage("packed", ["1"])
    bench.drain()
    for _ in range(300):
        bench.clock.move(minutes=10)
        bench.drain()
    assert (bench.change().state, bench.change().last_error) == ("dead", "HTTP 503")
    assert bench.change().attempts < 200


def test_a_night_when_nobody_ran_kills_no_change(bench: Bench) -> None:
    bench.imshop.behave = raising(busy)
    bench.stage("packed", ["1"])
    bench.drain()
    bench.clock.move(hours=24)
    bench.drain()
    assert bench.change().state == "pending"


def test_wrong_key_pauses_delivery_and_uses_no_attempt(bench: Bench) -> None:
    bench.imshop.behave = raising(unauthorized)
    bench.stage("packed", numbers(50))
    bench.drain()
    pause = bench.memory.reports.summary().pause
    assert pause is not None
    assert (pause.reason, len(bench.imshop.asked) <= 8) == ("unauthorized", True)
    assert {change.attempts for change in bench.memory.reports.changes()} == {0}


def test_pause_kills_no_change_however_long_it_lasts(bench: Bench) -> None:
    bench.imshop.behave = raising(unauthorized)
    bench.stage("packed", numbers(3))
    bench.drain()
    bench.clock.move(days=30)
    bench.drain()
    assert bench.memory.reports.summary().changes["pending"] == 3
    bench.imshop.behave = void
    bench.drain()
    assert bench.memory.reports.summary().changes["delivered"] == 3


def test_paused_endpoint_is_probed_singly_and_delivery_resumes(bench: Bench) -> None:
    bench.limits = Limits(1, 0, timedelta(hours=24), timedelta(seconds=10))
    bench.imshop.behave = raising(unauthorized)
    bench.stage("packed", numbers(5))
    with bench.running() as deliverer:
        wait_for(lambda: deliverer.pause and not deliverer._outstanding, "delivery pauses")
        asked = len(bench.imshop.asked)
        deliverer.wake()
        deliverer.wake()
        assert len(bench.imshop.asked) == asked
        bench.clock.move(seconds=2)
        deliverer.wake()
        wait_for(lambda: len(bench.imshop.asked) == asked + 1, "one probe")
        bench.imshop.behave = void
        bench.clock.move(seconds=30)
        deliverer.wake()
        wait_for(lambda: len(bench.imshop.told) == 5, "everything flows")
        wait_for(lambda: bench.memory.reports.summary().pause is None, "the pause is over")


def test_an_endpoint_that_answers_nobody_is_paused(bench: Bench) -> None:
    bench.imshop.behave = raising(silent)
    bench.stage("packed", numbers(50))
    bench.drain()
    pause = bench.memory.reports.summary().pause
    assert pause is not None
    assert (pause.reason, len(bench.imshop.asked) < 20) == ("no_answer", True)


def test_unexpected_error_costs_no_worker_and_no_change(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def crash(push: Push) -> None:
        if push.attempts == 0:
            raise ZeroDivisionError

    bench.imshop.behave = crash
    bench.stage("packed", numbers(8))
    bench.drain()
    assert "push_crashed" in caplog.text
    for _ in range(8):  # five without an answer pause delivery, and then each probe may be a first attempt
        bench.clock.move(minutes=10)
        bench.drain()
    assert bench.memory.reports.summary().changes["delivered"] == 8


def test_pushes_leave_no_faster_than_the_rate(bench: Bench) -> None:
    bench.limits = Limits(4, 50, timedelta(hours=24), timedelta(seconds=10))
    bench.stage("packed", numbers(20))
    started = time.monotonic()
    bench.drain()
    assert len(bench.imshop.told) == 20
    assert time.monotonic() - started >= 19 / 50


def test_the_statuses_file_gives_code_and_missing_message(bench: Bench) -> None:
    bench.statuses = Statuses(listed={"packed": Status(message="Готов к выдаче", code="ready")})
    bench.stage("packed", ["1"])
    bench.stage("odd", ["2"])
    bench.drain()
    assert {(push.code, push.message) for push in bench.imshop.asked} == {("ready", "Готов к выдаче"), ("odd", None)}


def test_outcome_is_on_disk_before_it_is_observed(bench: Bench) -> None:
    states = []
    bench.stage("packed", ["1"])
    ends_at = time.monotonic() + SECONDS
    deliverer = Deliverer(
        bench.memory.outbox,
        bench.imshop,
        lambda: bench.statuses,
        bench.limits,
        Clocks(bench.clock, time.monotonic, Random(1), time.monotonic),
        observe=lambda _outcome: states.append(bench.change().state),
    )
    deliverer.drain(lambda: time.monotonic() > ends_at)
    deliverer.close(SECONDS)
    assert states == ["delivered"]


def test_loop_reports_to_the_watchdog_while_idle(bench: Bench) -> None:
    with bench.running():
        wait_for(lambda: bench.beats >= 2, "it beats")


@dataclass
class Failing:
    """A state that cannot be written for a while."""

    memory: State
    fails: Callable[[Sequence[Outcome]], bool]

    def record_and_claim(
        self, outcomes: Sequence[Outcome], limit: int, pause: Pause | None, now: datetime, claim: timedelta
    ) -> list[Push]:
        if self.fails(outcomes):
            raise StateError("the disk is full")
        return self.memory.outbox.record_and_claim(outcomes, limit, pause, now, claim)

    def claims_of_others(self) -> int | None:
        return self.memory.outbox.claims_of_others()


def test_unwritable_outcomes_are_kept_and_not_pushed_twice(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    full = threading.Event()
    full.set()
    caplog.set_level(logging.INFO)
    bench.stage("packed", ["1"])
    failed = []

    def fails(outcomes: Sequence[Outcome]) -> bool:
        if outcomes and full.is_set():
            failed.append(outcomes)
            return True
        return False

    with bench.running(Failing(bench.memory, fails)):
        wait_for(lambda: len(failed) == 2, "it is tried again")
        full.clear()
        wait_for(lambda: bench.change().state == "delivered", "the outcome is written")
        wait_for(lambda: "delivery_goes_on" in caplog.text, "that is told too")
    assert len(bench.imshop.asked) == 1
    assert caplog.text.count("delivery_waits_for_state") == 1


def test_draining_on_a_state_that_fails_says_so(bench: Bench) -> None:
    bench.stage("packed", ["1"])
    failing = [True]
    with bench.deliverer(Failing(bench.memory, lambda _: failing[0])) as deliverer:
        with pytest.raises(StateError, match="full"):
            deliverer.drain(lambda: False)
        failing[0] = False


def test_draining_ends_when_its_time_is_up(bench: Bench) -> None:
    bench.stage("packed", numbers(4))
    with bench.deliverer() as deliverer:
        deliverer.drain(lambda: True)
    assert bench.imshop.asked == []


def test_claimed_but_unsent_changes_are_returned_at_shutdown(bench: Bench) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(_push: Push) -> None:
        entered.set()
        assert leave.wait(SECONDS)

    bench.limits = Limits(1, 0, timedelta(hours=24), timedelta(seconds=10))
    bench.imshop.behave = slow
    bench.stage("packed", numbers(5))
    stop = threading.Event()
    with bench.deliverer() as deliverer:
        thread = threading.Thread(target=deliverer.run, args=[stop.is_set])
        thread.start()
        assert entered.wait(SECONDS)
        stop.set()
        deliverer.wake()
        thread.join(SECONDS)
        closing = threading.Thread(target=deliverer.close, args=[SECONDS])
        closing.start()
        leave.set()
        closing.join(SECONDS)
    changes = bench.memory.reports.summary().changes
    assert (changes["delivered"], changes["pending"], len(bench.imshop.asked)) == (1, 4, 1)
    assert len(take(bench.memory)) == 4


def test_lost_leadership_returns_claimed_changes_unsent(bench: Bench) -> None:
    bench.stage("packed", numbers(3))
    bench.leads = False
    with bench.running():
        wait_for(lambda: len(bench.outcomes) >= 3, "it goes back")
        bench.leads = True
        wait_for(lambda: len(bench.imshop.told) == 3, "it is sent when it leads again")
    assert {outcome.result for outcome in bench.outcomes[:3]} == {"unsent"}


def test_claim_older_than_its_limit_is_not_sent(bench: Bench) -> None:
    """The process was frozen in between: its clock ran on, and another may have taken the change."""
    bench.stage("packed", ["1"])
    times = iter([0.0, SENT_WITHIN.total_seconds()])
    bench.boottime = lambda: next(times, 0.0)
    bench.drain()
    assert [outcome.result for outcome in bench.outcomes] == ["unsent", "delivered"]


def test_prefetched_changes_go_back_when_the_lease_ends(bench: Bench) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(_push: Push) -> None:
        entered.set()
        assert leave.wait(SECONDS)

    bench.limits = Limits(1, 0, timedelta(hours=24), timedelta(seconds=10))
    bench.imshop.behave = slow
    bench.stage("packed", numbers(5))
    with bench.running() as deliverer:
        assert entered.wait(SECONDS)
        bench.leads = False
        deliverer.wake()
        wait_for(lambda: deliverer._outstanding == 1, "only what is under way is left")
        deliverer.wake()
        wait_for(lambda: bench.outcomes, "the others are written down")
        assert {outcome.result for outcome in bench.outcomes} == {"unsent"}
        leave.set()


def test_shutdown_waits_for_and_records_pushes_in_flight(bench: Bench) -> None:
    leave = [threading.Event() for _ in range(4)]

    def slow(push: Push) -> None:
        assert leave[int(push.order_id)].wait(SECONDS)

    bench.imshop.behave = slow
    bench.stage("packed", numbers(4))
    stop = threading.Event()
    with bench.deliverer() as deliverer:
        thread = threading.Thread(target=deliverer.run, args=[stop.is_set])
        thread.start()
        wait_for(lambda: bench.imshop.most_at_once == 4, "all are in flight")
        stop.set()
        deliverer.wake()
        thread.join(SECONDS)
        closing = threading.Thread(target=deliverer.close, args=[SECONDS])
        closing.start()
        for number, event in enumerate(leave, 1):
            event.set()
            wait_for(lambda: len(bench.imshop.told) == number, "one ends")  # noqa: B023 - called before it changes
        started = time.monotonic()
        closing.join(SECONDS)
        assert time.monotonic() - started < 1
    assert bench.memory.reports.summary().changes["delivered"] == 4


def test_push_unfinished_at_shutdown_is_in_doubt_afterwards(bench: Bench) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck(_push: Push) -> None:
        entered.set()
        assert leave.wait(SECONDS)

    bench.imshop.behave = stuck
    bench.stage("packed", ["1"])
    stop = threading.Event()
    with bench.deliverer() as deliverer:
        thread = threading.Thread(target=deliverer.run, args=[stop.is_set])
        thread.start()
        assert entered.wait(SECONDS)
        stop.set()
        deliverer.wake()
        thread.join(SECONDS)
        deliverer.close(0.01)
        assert bench.memory.outbox.is_delivering(NOON - timedelta(days=1))
        assert bench.memory.polls.load(["1"])["1"].told is None
        leave.set()


def test_close_leaves_no_worker_behind(bench: Bench) -> None:
    before = set(threading.enumerate())
    bench.stage("packed", numbers(20))
    bench.drain()
    assert set(threading.enumerate()) == before


def void(_anything: object = None) -> None:
    """Do nothing: IMSHOP takes the push."""


def raising(error: Callable[[], Exception]) -> Callable[[Push], None]:
    def behave(_push: Push) -> None:
        raise error()

    return behave
