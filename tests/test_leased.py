"""Delivery by a daemon that loses its lease, and takes it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from syncd.leased import LeasedOutbox
from syncd.model import Outcome, Push
from syncd.observe import Observer
from syncd.state import State
from syncd.statuses import Statuses
from tests.made import NOON
from tests.state.made import decision, outcome, stage, states, take

PATIENCE = timedelta(seconds=10)


@dataclass
class Bench:
    """An outbox on a real state, on which a lost lease can be another daemon's."""

    state: State
    leading: bool = True
    now: float = 0.0

    def __post_init__(self) -> None:
        observer = Observer(None, Statuses)
        self.outbox = LeasedOutbox(self.state, lambda: self.leading, observer, PATIENCE, lambda: self.now)

    def turn(self, *outcomes: Outcome) -> list[str]:
        return [push.order_id for push in self.pushes(*outcomes)]

    def pushes(self, *outcomes: Outcome) -> list[Push]:
        return self.outbox.turn(outcomes, 8, None, NOON)

    def lose(self) -> None:
        self.leading = False
        self.outbox.lost()

    def regain(self) -> None:
        self.outbox.lost()
        self.leading = True

    def wait(self) -> None:
        self.now += PATIENCE.total_seconds()


@pytest.fixture
def bench(memory: State) -> Bench:
    stage(memory, decision("1"))
    return Bench(memory)


def test_without_the_lease_outcomes_are_written_down_and_nothing_is_taken(bench: Bench) -> None:
    [push] = bench.pushes()
    bench.lose()
    stage(bench.state, decision("2"))
    assert bench.turn(outcome(push)) == []
    assert states(bench.state) == ["delivered", "pending"]


def test_after_a_loss_nothing_is_taken_until_what_another_may_have_in_flight_has_ended(bench: Bench) -> None:
    bench.lose()
    bench.regain()
    assert bench.turn() == []
    bench.wait()
    assert bench.turn() == ["1"]


def test_what_another_left_behind_is_taken_over(bench: Bench) -> None:
    bench.lose()
    take(bench.state)
    bench.regain()
    bench.wait()
    [push] = bench.pushes()
    assert (push.order_id, push.in_doubt) == ("1", True)


def test_what_is_in_flight_here_is_not_taken_a_second_time(bench: Bench) -> None:
    [push] = bench.pushes()
    bench.lose()
    bench.regain()
    bench.wait()
    stage(bench.state, decision("2"))
    assert bench.turn() == []
    assert bench.turn(outcome(push)) == []
    assert bench.turn() == ["2"]


def test_each_loss_is_waited_out_anew(bench: Bench) -> None:
    for _ in range(2):
        bench.lose()
        bench.regain()
        assert bench.turn() == []
        bench.wait()
    assert bench.turn() == ["1"]
