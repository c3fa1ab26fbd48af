"""A newer change of an order takes the place of those that wait; one that is being sent goes its way."""

from __future__ import annotations

import pytest

from syncd.model import Hold
from syncd.state import State
from tests.made import NOON
from tests.state.made import MINUTE, decision, deliver, log, outcome, stage, states, take, the, write_down

HOLDS: list[Hold] = ["guard", "status", "counting"]


def test_a_change_is_pending_and_due_at_once(state: State) -> None:
    stage(state, decision(message="Готов"))
    (change,) = log(state)
    assert (change.state, change.detected_at, change.next_attempt_at) == ("pending", NOON, NOON)
    assert (change.status, change.previous_status, change.message) == ("packed", "new", "Готов")
    assert change.source_updated_at == NOON - MINUTE


@pytest.mark.parametrize("hold", HOLDS)
def test_a_held_change_is_not_due(state: State, hold: Hold) -> None:
    stage(state, decision(hold=hold))
    assert take(state) == []
    assert (log(state)[0].state, log(state)[0].hold, log(state)[0].next_attempt_at) == ("held", hold, None)


def test_a_newer_change_supersedes_one_that_waits(state: State) -> None:
    stage(state, decision(status="packed"), decision("8"))
    stage(state, decision(status="sent", revision=2), now=NOON + MINUTE)
    assert states(state, "7") == ["superseded", "pending"]
    assert states(state, "8") == ["pending"]


@pytest.mark.parametrize("hold", HOLDS)
def test_a_newer_change_supersedes_one_that_is_held(state: State, hold: Hold) -> None:
    stage(state, decision(hold=hold))
    stage(state, decision(revision=2))
    assert states(state) == ["superseded", "pending"]


def test_change_being_sent_is_not_superseded(state: State) -> None:
    stage(state, decision(status="packed"))
    (push,) = take(state)
    stage(state, decision(status="sent", revision=2))
    assert states(state) == ["pending", "pending"]
    write_down(state, outcome(push))
    assert states(state) == ["delivered", "pending"]


def test_held_change_does_not_supersede_pending_one(state: State) -> None:
    stage(state, decision(status="packed"))
    stage(state, decision(status="sent", revision=2, hold="guard"))
    assert states(state) == ["pending", "held"]
    assert deliver(state) == ["packed"]


def test_a_held_change_supersedes_a_held_one(state: State) -> None:
    stage(state, decision(status="packed", hold="status"))
    stage(state, decision(status="sent", revision=2, hold="guard"))
    assert states(state) == ["superseded", "held"]


def test_return_to_what_imshop_knows_supersedes_waiting_changes(state: State) -> None:
    stage(state, decision("7"), decision("8", hold="guard"), decision("9"))
    void = [decision(order_id)._replace(change=None, void=True) for order_id in ("7", "8")]
    stage(state, *void)
    assert (states(state, "7"), states(state, "8"), states(state, "9")) == (["superseded"], ["superseded"], ["pending"])


def test_superseded_doubt_leaves_imshops_knowledge_unknown(state: State) -> None:
    stage(state, decision(status="packed"))
    write_down(state, *(outcome(push, "retry", in_doubt=True) for push in take(state)))
    stage(state, decision(status="sent", revision=2))
    assert states(state) == ["superseded", "pending"]
    assert the(state).told is None


def test_superseded_unsent_change_leaves_what_imshop_knows(state: State) -> None:
    stage(state, decision(status="packed"))
    stage(state, decision(status="sent", revision=2))
    assert the(state).told == {"status": "new"}


def test_a_superseded_change_ends_when_it_is_superseded(state: State) -> None:
    stage(state, decision(status="packed"))
    stage(state, decision(status="sent", revision=2), now=NOON + MINUTE)
    assert state.reports.summary().oldest_pending_at == NOON + MINUTE


def test_more_changes_than_one_statement_are_superseded(state: State) -> None:
    ids = [str(number) for number in range(1100)]
    stage(state, *(decision(order_id) for order_id in ids))
    stage(state, *(decision(order_id, revision=2) for order_id in ids))
    assert state.reports.summary().changes["superseded"] == 1100
