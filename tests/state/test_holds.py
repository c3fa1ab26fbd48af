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
    assert state.polls.release_or_hold(1, NOON) == 0
    assert holds(state) == {"guard": 1}


def test_changes_wait_until_their_poll_ends(state: State) -> None:
    counted(state, "1", "2")
    assert holds(state) == {"counting": 2}


@pytest.mark.parametrize("max_changes", [2, 3, 0])
def test_guard_releases_as_many_changes_as_allowed(state: State, max_changes: int) -> None:
    counted(state, "1", "2")
    assert state.polls.release_or_hold(max_changes, NOON + MINUTE) == 0
    assert [(change.state, change.hold, change.next_attempt_at) for change in log(state)] == [
        ("pending", None, NOON + MINUTE)
    ] * 2


def test_guard_holds_all_when_too_many(state: State) -> None:
    counted(state, "1", "2", "3")
    assert state.polls.release_or_hold(2, NOON) == 3
    assert holds(state) == {"guard": 3}


def test_changes_of_an_interrupted_poll_count_too(state: State) -> None:
    counted(state, "1", "2")
    counted(state, "3")
    assert state.polls.release_or_hold(2, NOON) == 3


def test_guard_leaves_changes_of_unlisted_statuses_held(state: State) -> None:
    stage(state, decision("1", hold="status"), decision("2"), counting=True)
    assert holds(state) == {"status": 1, "counting": 1}
    state.polls.release_or_hold(0, NOON)
    assert holds(state) == {"status": 1}


def test_released_changes_supersede_older_ones(state: State) -> None:
    stage(state, decision("1"), decision("2"))
    counted(state, "1", status="sent", revision=2)
    state.polls.release_or_hold(5, NOON)
    assert states(state, "1") == ["superseded", "pending"]
    assert states(state, "2") == ["pending"]


def test_released_change_waits_for_the_one_under_way(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    counted(state, "7", status="sent", revision=2)
    state.polls.release_or_hold(5, NOON)
    assert states(state) == ["pending", "pending"]
    assert take(state) == []
    write_down(state, outcome(push))
    assert deliver(state) == ["sent"]


def test_released_change_supersedes_one_in_doubt(state: State) -> None:
    """What IMSHOP knows of the order is then unknown."""
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", in_doubt=True) for push in take(state)))
    counted(state, "7", status="sent", revision=2)
    state.polls.release_or_hold(5, NOON)
    assert states(state) == ["superseded", "pending"]
    assert the(state).told is None


def test_release_lets_the_guards_changes_go(state: State) -> None:
    stage(state, decision("1", hold="guard"), decision("2", hold="status"), decision("3"))
    assert state.operator.release(NOON) == Released(changes=1, missing=0, unlisted={"packed": 1})
    assert [states(state, order_id) for order_id in "123"] == [["pending"], ["held"], ["pending"]]


def test_release_supersedes_older_changes_of_the_same_orders(state: State) -> None:
    stage(state, decision("1", "packed"))
    stage(state, decision("1", "sent", revision=2, hold="guard"))
    state.operator.release(NOON)
    assert deliver(state) == ["sent"]


def test_newly_listed_status_releases_its_changes(state: State) -> None:
    stage(state, decision("1", "packed", hold="status"), decision("2", "odd", hold="status"))
    state.polls.resolve_unlisted(lambda status: "push" if status == "packed" else "hold", 5, NOON)
    assert (states(state, "1"), states(state, "2")) == (["pending"], ["held"])


def test_newly_skipped_status_discards_its_changes(state: State) -> None:
    stage(state, decision("1", "packed", hold="status"), decision("2", "odd", hold="status"))
    state.polls.resolve_unlisted(lambda status: "skip" if status == "packed" else "hold", 5, NOON)
    assert (states(state, "1"), states(state, "2")) == (["discarded"], ["held"])


def test_guard_holds_too_many_changes_of_listed_statuses(state: State) -> None:
    stage(state, *(decision(order_id, hold="status") for order_id in "123"), decision("4", "odd", hold="status"))
    state.polls.resolve_unlisted(lambda status: "push" if status == "packed" else "hold", 2, NOON)
    assert holds(state) == {"guard": 3, "status": 1}


def test_switched_off_guard_releases_any_number(state: State) -> None:
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
