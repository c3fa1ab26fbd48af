"""What became of pushes is written down, and what IMSHOP knows from then on."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from syncd.model import Answer, Content, Decision, Hold, Pause, Push, Result
from syncd.state import State
from tests.made import NOON
from tests.state.made import (
    MINUTE,
    another,
    change,
    decision,
    deliver,
    end_claims,
    log,
    outcome,
    seen,
    stage,
    states,
    take,
    the,
    write_down,
)

LATER = NOON + MINUTE


def test_a_delivery_is_written_with_what_imshop_answered(state: State) -> None:
    stage(state, decision(imshop_uuid="u1"))
    answer = Answer(200, "7", "u2", "packed", "ready_for_pickup", "Готов")
    write_down(state, *(outcome(push, now=LATER, answer=answer) for push in take(state)))
    (change,) = log(state)
    assert (change.state, change.delivered_at, change.attempts) == ("delivered", LATER, 1)
    assert (change.imshop_uuid, change.imshop_status) == ("u2", "ready_for_pickup")
    assert change.next_attempt_at is None


def test_delivery_is_stored_as_acknowledged(state: State) -> None:
    stage(state, decision(imshop_uuid="u1"))
    answer = Answer(200, "7", "u2", "packed", None, None)
    write_down(state, *(outcome(push, now=LATER, answer=answer) for push in take(state)))
    order = state.reports.story("7").seen
    assert order is not None
    assert (order.acknowledged_status, order.acknowledged_at, order.acknowledged_uuid) == ("packed", LATER, "u2")
    assert order.imshop_uuid == "u1"


def test_after_a_delivery_imshop_knows_what_was_seen(state: State) -> None:
    stage(state, decision())
    deliver(state)
    assert the(state).told == {"status": "packed"}


def test_delivery_of_older_status_is_what_imshop_knows(state: State) -> None:
    stage(state, decision(status="packed"))
    pushes = take(state)
    stage(state, decision(status="sent", revision=2))
    write_down(state, *map(outcome, pushes))
    assert (the(state).content, the(state).told) == ({"status": "sent"}, {"status": "packed"})


def back_while_it_was_sent(state: State, hold: Hold | None = None) -> Push:
    """An order that IMSHOP knows as new was packed, and went back to new while that was being sent."""
    stage(state, decision(status="packed"))
    (push,) = take(state)
    assert the(state).told is None
    stage(state, Decision(seen(content={"status": "new"}, revision=2), change(status="new", revision=2, hold=hold)))
    return push


@pytest.mark.parametrize("hold", [None, "guard"])
def test_waiting_change_imshop_surely_knows_is_dropped(state: State, hold: Hold | None) -> None:
    """The order went back during the push, and the push was refused."""
    push = back_while_it_was_sent(state, hold)
    write_down(state, outcome(push, "refused"))
    assert states(state) == ["refused", "superseded"]
    assert the(state).told == {"status": "new"}


def test_waiting_change_reverts_a_delivery(state: State) -> None:
    write_down(state, outcome(back_while_it_was_sent(state)))
    assert states(state) == ["delivered", "pending"]
    assert deliver(state) == ["new"]


def test_waiting_change_reverts_a_push_in_doubt(state: State) -> None:
    write_down(state, outcome(back_while_it_was_sent(state), "retry", in_doubt=True))
    assert states(state) == ["superseded", "pending"]
    assert deliver(state) == ["new"]


def test_the_last_delivery_of_all_is_remembered(state: State) -> None:
    assert state.reports.summary().last_delivered_at is None
    stage(state, decision("1"), decision("2"))
    first, second = take(state)
    write_down(state, outcome(first, now=LATER), outcome(second, now=NOON))
    assert state.reports.summary().last_delivered_at == LATER


def test_a_retry_waits_for_its_time_and_counts(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    write_down(state, outcome(push, "retry", next_attempt_at=LATER, error="IMSHOP is busy", http_status=503))
    assert take(state) == []
    (again,) = take(state, now=LATER)
    assert (again.attempts, again.refusals, again.failing_since, again.in_doubt) == (1, 0, NOON, False)
    assert log(state)[0].last_error == "IMSHOP is busy"


def test_failing_counts_from_the_first_failure(state: State) -> None:
    stage(state, decision())
    for minute in range(3):
        now = NOON + minute * MINUTE
        write_down(state, *(outcome(push, "retry", now=now) for push in take(state, now=now)))
    assert take(state, now=LATER + MINUTE)[0].failing_since == NOON


def test_retried_refusal_is_counted(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", refused=True) for push in take(state)))
    assert [(push.attempts, push.refusals) for push in take(state)] == [(1, 1)]


def test_doubt_stays_with_a_change(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", in_doubt=True) for push in take(state)))
    assert take(state)[0].in_doubt


def test_a_pause_uses_up_no_attempt(state: State) -> None:
    stage(state, decision())
    paused = [outcome(push, "paused", error="no such host") for push in take(state)]
    write_down(state, *paused)
    assert log(state)[0].last_error == "no such host"
    assert [(push.attempts, push.refusals, push.failing_since) for push in take(state)] == [(0, 0, None)]


def test_unsent_push_leaves_no_trace(state: State) -> None:
    stage(state, decision())
    before = log(state)
    write_down(state, *(outcome(push, "unsent") for push in take(state)))
    assert (log(state), state.reports.story("7").attempts) == (before, [])
    assert the(state).told == {"status": "new"}


@pytest.mark.parametrize("result", ["retry", "paused", "unsent"])
def test_retry_gives_way_to_newer_change(state: State, result: Result) -> None:
    stage(state, decision(status="packed"))
    pushes = take(state)
    stage(state, decision(status="sent", revision=2))
    write_down(state, *(outcome(push, result) for push in pushes))
    assert states(state) == ["superseded", "pending"]
    assert the(state).told == {"status": "new"}
    assert deliver(state) == ["sent"]


def test_retry_does_not_give_way_to_held_change(state: State) -> None:
    stage(state, decision(status="packed"))
    pushes = take(state)
    stage(state, decision(status="sent", revision=2, hold="guard"))
    write_down(state, *(outcome(push, "retry") for push in pushes))
    assert states(state) == ["pending", "held"]


def test_giving_way_in_doubt_leaves_nobody_knowing(state: State) -> None:
    stage(state, decision(status="packed"))
    pushes = take(state)
    stage(state, decision(status="sent", revision=2))
    write_down(state, *(outcome(push, "retry", in_doubt=True) for push in pushes))
    assert the(state).told is None


def test_refusal_leaves_what_imshop_knows(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "refused", error="no such order", refused=True) for push in take(state)))
    assert states(state) == ["refused"]
    assert the(state).told == {"status": "new"}


def test_refusal_in_doubt_leaves_imshops_knowledge_unknown(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "refused", in_doubt=True) for push in take(state)))
    assert the(state).told is None


def test_dead_change_leaves_imshops_knowledge_unknown(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "dead") for push in take(state)))
    assert states(state) == ["dead"]
    assert the(state).told is None


def test_a_group_of_outcomes_is_written_at_once(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "1234"))
    first, second, third, fourth = take(state)
    pushes = state.outbox.record_and_claim(
        [outcome(first), outcome(second, "retry"), outcome(third, "dead"), outcome(fourth, "unsent")], 1, None, NOON
    )
    assert states(state) == ["delivered", "pending", "dead", "pending"]
    assert [push.order_id for push in pushes] == ["2"]


def taken_over(other: State) -> None:
    """Another process leads, and what may have been under way is over; it takes nothing yet."""
    end_claims(other)
    other.outbox.record_and_claim([], 0, Pause("unauthorized", NOON, "no"), NOON)
    other.outbox.record_and_claim([], 0, None, NOON)


def discarded_meanwhile(state: State, url: str) -> None:
    with another(url) as other:
        taken_over(other)
        other.operator.discard([1], now=NOON)


def test_a_change_that_was_discarded_meanwhile_stays_so(state: State, url: str) -> None:
    stage(state, decision())
    (push,) = take(state)
    discarded_meanwhile(state, url)
    write_down(state, outcome(push, "retry"))
    assert states(state) == ["discarded"]
    assert the(state).told is None


def test_change_discarded_meanwhile_but_delivered_is_delivered(state: State, url: str) -> None:
    stage(state, decision())
    (push,) = take(state)
    discarded_meanwhile(state, url)
    write_down(state, outcome(push))
    assert states(state) == ["delivered"]
    assert the(state).told == {"status": "packed"}


def test_outcome_of_a_forgotten_change_is_ignored(state: State, url: str) -> None:
    stage(state, decision())
    (push,) = take(state)
    discarded_meanwhile(state, url)
    state.prune(NOON + MINUTE, MINUTE / 2)
    write_down(state, outcome(push))
    assert log(state) == []


def told_something_newer(state: State, url: str, hold: Hold | None = None) -> Push:
    """A process was frozen with a push under way; another one took over, and told the order's next status."""
    stage(state, decision(status="packed"))
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        stage(other, decision(status="sent", revision=2, hold=hold))
        deliver(other)
    return late


def test_a_late_delivery_has_the_newest_told_again(state: State, url: str) -> None:
    late = told_something_newer(state, url)
    state.outbox.record([outcome(late)])
    assert states(state) == ["superseded", "delivered", "pending"]
    assert the(state).told is None
    assert deliver(state) == ["sent"]
    assert the(state).told == {"status": "sent"}


def test_late_push_in_doubt_repeats_newest_change(state: State, url: str) -> None:
    late = told_something_newer(state, url)
    state.outbox.record([outcome(late, "retry", in_doubt=True)])
    assert deliver(state) == ["sent"]


@pytest.mark.parametrize("result", ["unsent", "retry", "refused", "paused"])
def test_late_push_that_failed_changes_nothing(state: State, url: str, result: Result) -> None:
    late = told_something_newer(state, url)
    state.outbox.record([outcome(late, result)])
    assert states(state) == ["superseded", "delivered"]
    assert the(state).told == {"status": "sent"}


def test_late_delivery_of_payment_repeats_newest_payment(state: State, url: str) -> None:
    paid: Content = {"status": "packed", "paid": True, "payment_id": "p1"}
    stage(state, decision(content=paid, with_payment=True))
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        stage(other, decision(content={**paid, "status": "sent", "payment_id": "p2"}, revision=2))
        deliver(other)
    state.outbox.record([outcome(late)])
    (again,) = take(state)
    assert again.payment is not None
    assert again.payment.payment_id == "p2"


def test_late_delivery_repeats_the_push_under_way(state: State, url: str) -> None:
    """The newer push that is under way ends first, and then goes out again."""
    stage(state, decision(status="packed"))
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        stage(other, decision(status="sent", revision=2))
        (newer,) = take(other)
        state.outbox.record([outcome(late)])
        assert take(other) == []
        write_down(other, outcome(newer))
        assert deliver(other) == ["sent"]


def test_waiting_change_follows_late_delivery_anyway(state: State, url: str) -> None:
    stage(state, decision(status="packed"))
    (late,) = take(state)
    with another(url) as other:
        stage(other, decision(status="sent", revision=2))
        taken_over(other)
    state.outbox.record([outcome(late)])
    assert states(state) == ["delivered", "pending"]
    assert deliver(state) == ["sent"]


def test_retry_follows_late_delivery_anyway(state: State, url: str) -> None:
    stage(state, decision(status="packed"))
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        stage(other, decision(status="sent", revision=2))
        write_down(other, *(outcome(push, "retry", in_doubt=True) for push in take(other)))
    state.outbox.record([outcome(late)])
    assert states(state) == ["superseded", "pending"]
    assert deliver(state) == ["sent"]


def test_only_newest_change_is_repeated_after_late_delivery(state: State, url: str) -> None:
    late = told_something_newer(state, url)
    stage(state, decision(status="done", revision=3))
    deliver(state)
    state.outbox.record([outcome(late)])
    assert deliver(state) == ["done"]


def test_late_outcome_does_not_release_anothers_push(state: State, url: str) -> None:
    stage(state, decision())
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        (again,) = take(other)
        for result in ("delivered", "retry", "unsent"):
            state.outbox.record([outcome(late, result)])
        assert (states(other), take(other), again.claim) == (["pending"], [], 2)
        write_down(other, outcome(again))
    assert states(state) == ["delivered"]


def test_late_delivery_with_no_newer_change_counts(state: State, url: str) -> None:
    stage(state, decision())
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        state.outbox.record([outcome(late)])
        assert (states(other), take(other)) == (["delivered"], [])
    assert the(state).told == {"status": "packed"}


def test_change_delivered_twice_is_delivered_once(state: State, url: str) -> None:
    stage(state, decision())
    (late,) = take(state)
    with another(url) as other:
        taken_over(other)
        deliver(other)
    state.outbox.record([outcome(late)])
    assert states(state) == ["delivered"]
    assert the(state).told == {"status": "packed"}


def test_a_late_attempt_is_in_the_story(state: State, url: str) -> None:
    late = told_something_newer(state, url)
    state.outbox.record([outcome(late)])
    assert [attempt.change_id for attempt in state.reports.story("7").attempts] == [2, 1]


def test_story_has_each_attempt_with_its_answer(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", error="busy", http_status=503) for push in take(state)))
    answer = Answer(200, "7", "u2", "packed", "ready_for_pickup", "Готов")
    write_down(state, *(outcome(push, now=LATER, answer=answer) for push in take(state)))
    first, second = state.reports.story("7").attempts
    assert (first.result, first.http_status, first.detail, first.ended_at) == ("retry", 503, "busy", NOON)
    assert (second.result, second.http_status, second.ended_at) == ("delivered", 200, LATER)
    assert second.detail == "newStatus packed, imshopStatus ready_for_pickup, uuid u2, message Готов"


def test_only_newest_attempts_are_kept(state: State) -> None:
    stage(state, decision(), decision("8"))
    for number in range(21):
        tried = [outcome(push, "retry", error=str(number)) for push in take(state)]
        write_down(state, *tried)
    assert [attempt.detail for attempt in state.reports.story("7").attempts] == [str(number) for number in range(1, 21)]
    assert len(state.reports.story("8").attempts) == 20


def test_attempts_of_a_long_pause_are_bounded_too(state: State) -> None:
    stage(state, decision())
    for _ in range(25):
        write_down(state, *(outcome(push, "paused", error="no such host") for push in take(state)))
    assert len(state.reports.story("7").attempts) == 20


def test_a_long_error_is_cut(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", error="я" * 9000) for push in take(state)))
    assert (log(state)[0].last_error, state.reports.story("7").attempts[0].detail) == ("я" * 500, "я" * 500)


def test_delivery_of_a_forgotten_order_counts(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    with state.store.write() as connection:
        connection.execute(text("DELETE FROM seen"))
    write_down(state, outcome(push))
    assert states(state) == ["delivered"]
