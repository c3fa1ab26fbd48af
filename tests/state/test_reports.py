"""What people and scripts are told: figures, the delivery log, one order's story."""

from __future__ import annotations

import pytest

import syncd.state.reports
from syncd.model import CHANGE_STATES
from syncd.state import State, Summary
from syncd.state.read_models import SourceStatus
from tests.made import NOON
from tests.state.made import MINUTE, adopted, another, decision, deliver, outcome, seen, stage, take, write_down


def test_a_new_state_has_figures_too(state: State) -> None:
    assert state.reports.summary() == Summary(
        tracked=0,
        changes=dict.fromkeys(CHANGE_STATES, 0),
        held={},
        oldest_pending_at=None,
        next_due_at=None,
        source=SourceStatus(None, None, None, 0),
        pause=None,
        last_delivered_at=None,
        missing_refused=0,
    )


def test_changes_are_counted_by_their_state(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "1234"))
    delivered, refused, dead, retried = take(state)
    write_down(state, outcome(delivered), outcome(refused, "refused"), outcome(dead, "dead"), outcome(retried, "retry"))
    stage(state, decision("5"), decision("6", hold="guard"), decision("7", hold="guard"), decision("8", hold="status"))
    stage(state, decision("5", revision=2))
    state.operator.discard([8], now=NOON)
    summary = state.reports.summary()
    assert summary.changes == {
        "pending": 2,
        "held": 2,
        "delivered": 1,
        "superseded": 1,
        "refused": 1,
        "dead": 1,
        "discarded": 1,
    }
    assert (summary.held, summary.tracked) == ({"guard": 2}, 8)


def test_oldest_pending_change_is_first_detected_one(state: State) -> None:
    stage(state, decision("1"))
    stage(state, decision("2"), now=NOON + MINUTE)
    stage(state, decision("3", hold="guard"), now=NOON - MINUTE)
    write_down(state, *(outcome(push, "retry", next_attempt_at=NOON + 9 * MINUTE) for push in take(state)))
    assert (state.reports.summary().oldest_pending_at, state.reports.summary().next_due_at) == (NOON, NOON + MINUTE)


def test_the_log_is_newest_first(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "123"))
    assert [change.id for change in state.reports.changes()] == [3, 2, 1]


def test_log_filters_by_state_order_and_count(state: State) -> None:
    stage(state, decision("1"), decision("2"))
    deliver(state)
    stage(state, decision("1", revision=2), decision("3"))
    assert [change.id for change in state.reports.changes(state="pending")] == [4, 3]
    assert [change.id for change in state.reports.changes(order_id="1")] == [3, 1]
    assert [change.id for change in state.reports.changes(state="delivered", order_id="1")] == [1]
    assert [change.id for change in state.reports.changes(limit=2)] == [4, 3]
    assert list(state.reports.changes(limit=0)) == []


@pytest.mark.parametrize(("limit", "expected"), [(None, 7), (6, 6), (5, 5), (3, 3), (9, 7)])
def test_a_long_log_is_read_page_by_page(
    state: State, monkeypatch: pytest.MonkeyPatch, limit: int | None, expected: int
) -> None:
    monkeypatch.setattr(syncd.state.reports, "PAGE", 3)
    stage(state, *(decision(order_id) for order_id in "1234567"))
    assert [change.id for change in state.reports.changes(limit=limit)] == list(range(7, 7 - expected, -1))


def test_while_somebody_reads_the_log_others_write(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "123"))
    changes = state.reports.changes()
    assert next(changes).id == 3
    stage(state, decision("4"))
    assert [change.id for change in changes] == [2, 1]


def test_story_of_untracked_order_is_empty(state: State) -> None:
    story = state.reports.story("7")
    assert (story.order_id, story.seen, story.changes, story.attempts) == ("7", None, [], [])


def test_story_has_seen_and_told_content(state: State) -> None:
    stage(state, decision())
    order = state.reports.story("7").seen
    assert order is not None
    assert (order.content, order.told) == ({"status": "packed"}, {"status": "new"})
    deliver(state)
    order = state.reports.story("7").seen
    assert order is not None
    assert order.told == {"status": "packed"}


def test_story_has_only_its_orders_changes(state: State) -> None:
    stage(state, decision("7"), decision("8"))
    deliver(state)
    stage(state, decision("7", "sent", 2))
    story = state.reports.story("7")
    assert [change.status for change in story.changes] == ["sent", "packed"]
    assert [attempt.change_id for attempt in story.attempts] == [1]


def test_story_lists_attempts_in_their_order(state: State) -> None:
    stage(state, decision("7"))
    for minute in range(3):
        now = NOON + minute * MINUTE
        write_down(state, *(outcome(push, "retry", now=now) for push in take(state, now=now)))
    assert [attempt.started_at for attempt in state.reports.story("7").attempts] == [
        NOON,
        NOON + MINUTE,
        NOON + 2 * MINUTE,
    ]


def test_held_change_is_logged_with_its_hold(state: State) -> None:
    stage(state, decision(hold="status", message="Готов"))
    (change,) = state.reports.changes()
    assert (change.hold, change.found_by, change.message, change.tracking_url) == ("status", "cursor", "Готов", None)


def test_only_orders_that_are_tracked_are_counted(state: State) -> None:
    stage(state, adopted("1"), adopted("2"))
    stage(state, decision("2"))
    assert (state.polls.tracked(), state.reports.summary().tracked) == (2, 2)
    assert seen("3").order_id not in state.polls.load(["3"])


def test_told_troubles_are_kept_until_replaced(state: State, url: str) -> None:
    assert state.told_troubles() == {}
    state.set_told_troubles({"held": ("2 changes are held", "warning"), "paused": ("no answer", "bad")})
    state.set_told_troubles({"paused": ("no answer", "bad")})
    with another(url) as again:
        assert again.told_troubles() == {"paused": ("no answer", "bad")}
