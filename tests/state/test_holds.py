"""The guard counts a poll's changes, statuses wait to be listed, and an operator lets go."""

from __future__ import annotations

import pytest

from syncd.model import Hold
from syncd.state import Released, State
from tests.made import NOON
from tests.state.made import MINUTE, decision, deliver, log, outcome, stage, states, take, the, write_down


def counted(state: State, *order_ids: str, status: str = "packed", revision: int = 1) -> None:
    stage(state, *(decision(order_id, status, revision) for order_id in order_ids), counting=True)


def holds(state: State) -> dict[Hold, int]:
    return dict(state.reports.summary().held)


def test_nothing_counted_is_nothing_to_settle(state: State) -> None:
    stage(state, decision(hold="guard"))
    assert state.polls.settle(1, NOON) == 0
    assert holds(state) == {"guard": 1}


def test_changes_of_a_poll_that_is_not_over_wait(state: State) -> None:
    counted(state, "1", "2")
    assert holds(state) == {"counting": 2}


@pytest.mark.parametrize("max_changes", [2, 3, 0])
def test_as_many_changes_as_the_guard_allows_are_let_go(state: State, max_changes: int) -> None:
    counted(state, "1", "2")
    assert state.polls.settle(max_changes, NOON + MINUTE) == 0
    assert [(change.state, change.hold, change.next_attempt_at) for change in log(state)] == [
        ("pending", None, NOON + MINUTE)
    ] * 2


def test_more_changes_than_the_guard_allows_are_held_all(state: State) -> None:
    counted(state, "1", "2", "3")
    assert state.polls.settle(2, NOON) == 3
    assert holds(state) == {"guard": 3}


def test_changes_of_a_poll_that_was_interrupted_count_too(state: State) -> None:
    counted(state, "1", "2")
    counted(state, "3")
    assert state.polls.settle(2, NOON) == 3


def test_a_status_that_is_not_listed_is_no_matter_of_the_guard(state: State) -> None:
    stage(state, decision("1", hold="status"), decision("2"), counting=True)
    assert holds(state) == {"status": 1, "counting": 1}
    state.polls.settle(0, NOON)
    assert holds(state) == {"status": 1}


def test_changes_that_are_let_go_supersede_older_ones_of_their_orders(state: State) -> None:
    stage(state, decision("1"), decision("2"))
    counted(state, "1", status="sent", revision=2)
    state.polls.settle(5, NOON)
    assert states(state, "1") == ["superseded", "pending"]
    assert states(state, "2") == ["pending"]


def test_a_change_that_is_being_sent_outlives_the_one_that_is_let_go(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    counted(state, "7", status="sent", revision=2)
    state.polls.settle(5, NOON)
    assert states(state) == ["pending", "pending"]
    assert take(state) == []
    write_down(state, outcome(push))
    assert deliver(state) == ["sent"]


def test_letting_go_past_a_change_in_doubt_leaves_nobody_knowing(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", in_doubt=True) for push in take(state)))
    counted(state, "7", status="sent", revision=2)
    state.polls.settle(5, NOON)
    assert states(state) == ["superseded", "pending"]
    assert the(state).told is None


def test_release_lets_the_guards_changes_go(state: State) -> None:
    stage(state, decision("1", hold="guard"), decision("2", hold="status"), decision("3"))
    assert state.operator.release(NOON) == Released(changes=1, missing=0)
    assert [states(state, order_id) for order_id in "123"] == [["pending"], ["held"], ["pending"]]


def test_release_supersedes_older_changes_of_the_same_orders(state: State) -> None:
    stage(state, decision("1", "packed"))
    stage(state, decision("1", "sent", revision=2, hold="guard"))
    state.operator.release(NOON)
    assert deliver(state) == ["sent"]


def test_a_status_that_is_listed_now_lets_its_changes_go(state: State) -> None:
    stage(state, decision("1", "packed", hold="status"), decision("2", "odd", hold="status"))
    state.polls.resolve_unlisted(lambda status: "push" if status == "packed" else "hold", 5, NOON)
    assert (states(state, "1"), states(state, "2")) == (["pending"], ["held"])


def test_a_status_that_is_skipped_now_discards_its_changes(state: State) -> None:
    stage(state, decision("1", "packed", hold="status"), decision("2", "odd", hold="status"))
    state.polls.resolve_unlisted(lambda status: "skip" if status == "packed" else "hold", 5, NOON)
    assert (states(state, "1"), states(state, "2")) == (["discarded"], ["held"])


def test_statuses_that_let_go_more_than_the_guard_allows_are_held_by_it(state: State) -> None:
    stage(state, *(decision(order_id, hold="status") for order_id in "123"), decision("4", "odd", hold="status"))
    state.polls.resolve_unlisted(lambda status: "push" if status == "packed" else "hold", 2, NOON)
    assert holds(state) == {"guard": 3, "status": 1}


def test_a_guard_that_is_off_lets_any_number_go(state: State) -> None:
    stage(state, *(decision(order_id, hold="status") for order_id in "123"))
    state.polls.resolve_unlisted(lambda _status: "push", 0, NOON)
    assert holds(state) == {}


def test_changes_that_no_status_holds_are_left_alone(state: State) -> None:
    stage(state, decision("1", hold="guard"), decision("2"))
    state.polls.resolve_unlisted(lambda _status: "push", 5, NOON)
    assert (states(state, "1"), states(state, "2")) == (["held"], ["pending"])


def test_while_no_status_is_listed_all_wait(state: State) -> None:
    stage(state, decision("1", hold="status"))
    state.polls.resolve_unlisted(lambda _status: "hold", 5, NOON)
    assert holds(state) == {"status": 1}
