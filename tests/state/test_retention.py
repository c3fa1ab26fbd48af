"""The state forgets what ended long ago, and nothing that is still needed."""

from __future__ import annotations

import pytest
from sqlalchemy import select

import syncd.state.retention
from syncd.state import Pruned, State
from syncd.state.schema import attempts
from tests.made import NOON
from tests.state.made import (
    DAY,
    MINUTE,
    adopted,
    decision,
    deliver,
    log,
    outcome,
    replace_segment,
    stage,
    states,
    take,
    write_down,
)

KEPT = 90 * DAY


def test_old_ended_changes_are_pruned_with_attempts(state: State) -> None:
    stage(state, decision("1"))
    deliver(state)
    stage(state, decision("1", revision=2), now=NOON + MINUTE)
    deliver(state, NOON + MINUTE)
    assert state.prune(NOON + KEPT + MINUTE, KEPT) == Pruned(changes=1, orders=0)
    assert [change.id for change in log(state)] == [2]
    with state.store.read() as connection:
        assert connection.execute(select(attempts.c.change_id)).scalars().all() == [2]


def test_what_imshop_acknowledged_outlives_the_change(state: State) -> None:
    stage(state, decision("1"))
    deliver(state)
    state.prune(NOON + KEPT + MINUTE, KEPT)
    story = state.reports.story("1")
    assert story.seen is not None
    assert (story.seen.acknowledged_status, story.changes) == ("packed", [])


def test_prune_takes_all_final_states_only(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "1234"))
    first, second, third, _sent = take(state)
    write_down(state, outcome(first), outcome(second, "refused"), outcome(third, "dead"))
    stage(state, decision("5"), decision("6", hold="guard"), decision("7", hold="guard"))
    stage(state, decision("5", revision=2))
    state.operator.discard([7], now=NOON)
    assert state.prune(NOON + KEPT + MINUTE, KEPT).changes == 5
    assert states(state) == ["pending", "held", "pending"]


def gone(state: State, *order_ids: str) -> None:
    """These orders, of many more, are not in the shop any more."""
    others = [f"other {number}" for number in range(10 * len(order_ids))]
    stage(state, *(adopted(order_id) for order_id in [*order_ids, *others]))
    compare = state.polls.start_compare()
    replace_segment(state, 1, others, b"digest", compare)
    assert state.polls.mark_missing(compare, NOON) == len(order_ids)


def test_orders_that_went_missing_long_ago_are_forgotten(state: State) -> None:
    gone(state, "1", "2")
    assert state.prune(NOON + KEPT, KEPT).orders == 0
    assert state.prune(NOON + KEPT + MINUTE, KEPT) == Pruned(changes=0, orders=2)
    assert (state.polls.load(["1", "2"]), state.polls.tracked()) == ({}, 20)
    assert state.polls.digests([1]) == {1: (b"digest", 20)}


def test_missing_order_is_kept_while_changes_wait(state: State) -> None:
    stage(state, decision("1", hold="guard"))
    state.polls.start_compare()
    gone(state, "1")
    assert state.prune(NOON + KEPT + MINUTE, KEPT).orders == 0
    state.operator.discard(held=True, now=NOON)
    assert state.prune(NOON + KEPT + MINUTE, KEPT).orders == 1


def test_order_in_the_shop_is_never_pruned(state: State) -> None:
    stage(state, adopted("1"))
    assert state.prune(NOON + 1000 * DAY, KEPT).orders == 0


@pytest.mark.parametrize(("old", "lost"), [(5, 3), (1, 5)])
def test_prune_works_in_small_steps(state: State, monkeypatch: pytest.MonkeyPatch, old: int, lost: int) -> None:
    monkeypatch.setattr(syncd.state.retention, "DELETED_AT_ONCE", 2)
    gone(state, *(f"lost {number}" for number in range(lost)))
    stage(state, *(decision(str(number)) for number in range(old)))
    deliver(state)
    assert state.prune(NOON + KEPT + MINUTE, KEPT) == Pruned(changes=old, orders=lost)


def test_numbers_of_forgotten_changes_are_not_used_again(state: State) -> None:
    stage(state, decision("1"))
    deliver(state)
    state.prune(NOON + KEPT + MINUTE, KEPT)
    stage(state, decision("2"))
    assert [change.id for change in log(state)] == [2]
