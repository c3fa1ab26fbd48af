"""An operator tries again, drops, and pushes once more; an older status never follows a newer one."""

from __future__ import annotations

from syncd.model import Content, Order, Payment, Result
from syncd.state import State
from tests.made import NOON
from tests.state.made import MINUTE, decision, deliver, log, outcome, stage, states, take, the, write_down

LATER = NOON + MINUTE
NEWER = "IMSHOP was told, or will be told, something newer about its order"


def ended(state: State, result: Result = "dead", status: str = "packed", revision: int = 1) -> None:
    stage(state, decision(status=status, revision=revision))
    write_down(state, *(outcome(push, result) for push in take(state)))


def test_retried_dead_change_starts_from_zero_attempts(state: State) -> None:
    ended(state)
    assert state.operator.retry([1], now=LATER).done == [1]
    (push,) = take(state, now=LATER)
    assert (push.attempts, push.refusals, push.failing_since) == (0, 0, None)
    assert states(state) == ["pending"]


def test_retry_all_dead_takes_only_dead_changes(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "123"))
    first, second, third = take(state)
    write_down(state, outcome(first, "dead"), outcome(second, "refused"), outcome(third, "dead"))
    assert sorted(state.operator.retry(all_dead=True, now=NOON).done) == [1, 3]
    assert states(state) == ["pending", "refused", "pending"]


def test_a_refused_change_is_tried_again(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "refused", refused=True) for push in take(state)))
    assert state.operator.retry([1], now=NOON).done == [1]
    assert [(push.attempts, push.refusals) for push in take(state)] == [(0, 0)]


def test_waiting_change_is_tried_now(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", next_attempt_at=NOON + 9 * MINUTE) for push in take(state)))
    state.operator.retry([1], now=LATER)
    assert [push.attempts for push in take(state, now=LATER)] == [0]


def test_any_number_of_changes_is_tried_again(state: State) -> None:
    stage(state, *(decision(str(number)) for number in range(600)))
    write_down(state, *(outcome(push, "dead") for push in take(state, 600)))
    assert len(state.operator.retry(all_dead=True, now=NOON).done) == 600


def test_retry_leaves_other_changes_with_the_reason(state: State) -> None:
    """What does not exist, has ended, is held or is being sent is not tried again."""
    stage(state, decision("1"), decision("2", hold="guard"))
    deliver(state)
    stage(state, decision("3"))
    take(state)
    result = state.operator.retry([1, 2, 3, 99], now=NOON)
    assert result.done == []
    assert result.left == {
        1: "it is delivered",
        2: "it is held",
        3: "it is being sent",
        99: "there is no such change",
    }


def test_retry_leaves_change_older_than_a_delivery(state: State) -> None:
    ended(state)
    stage(state, decision(status="sent", revision=2))
    deliver(state)
    assert state.operator.retry([1], now=NOON).left == {1: NEWER}


def test_newest_change_is_retried_despite_older_ones(state: State) -> None:
    stage(state, decision())
    deliver(state)
    ended(state, status="sent", revision=2)
    assert state.operator.retry([2], now=NOON).done == [2]


def test_retry_leaves_change_older_than_waiting_one(state: State) -> None:
    ended(state)
    stage(state, decision(status="sent", revision=2))
    assert state.operator.retry([1], now=NOON).left == {1: NEWER}


def test_retry_takes_change_older_than_held_one(state: State) -> None:
    ended(state)
    stage(state, decision(status="sent", revision=2, hold="guard"))
    assert state.operator.retry([1], now=NOON).done == [1]
    assert deliver(state) == ["packed"]


def test_retry_leaves_change_older_than_doubtful_one(state: State) -> None:
    ended(state)
    stage(state, decision(status="sent", revision=2))
    write_down(state, *(outcome(push, "dead", in_doubt=True) for push in take(state)))
    assert state.operator.retry([1], now=NOON).left == {1: NEWER}


def test_only_newest_dead_change_is_retried(state: State) -> None:
    ended(state)
    ended(state, status="sent", revision=2)
    result = state.operator.retry(all_dead=True, now=NOON)
    assert (result.done, result.left) == ([2], {1: NEWER})


def test_retry_takes_change_older_than_refused_one(state: State) -> None:
    ended(state)
    ended(state, "refused", "sent", 2)
    assert state.operator.retry([1], now=NOON).done == [1]


def test_retry_leaves_change_imshop_no_longer_needs(state: State) -> None:
    """Its order went back to what IMSHOP knows."""
    ended(state, "refused")
    back = decision(status="new", revision=2)
    stage(state, back._replace(change=None, void=True))
    assert state.operator.retry([1], now=NOON).left == {1: "IMSHOP knows already what its order is now"}


def test_discarded_changes_are_told_to_nobody(state: State) -> None:
    ended(state)
    stage(state, decision("8", hold="status"), decision("9"))
    assert state.operator.discard([1, 2, 3], now=LATER).done == [3, 2, 1]
    assert states(state) == ["discarded"] * 3
    assert take(state, now=LATER) == []


def test_all_that_is_held_is_discarded(state: State) -> None:
    stage(state, decision("1", hold="guard"), decision("2", hold="status"), decision("3"))
    assert sorted(state.operator.discard(held=True, now=NOON).done) == [1, 2]
    assert states(state) == ["discarded", "discarded", "pending"]


def test_all_that_is_dead_is_discarded(state: State) -> None:
    ended(state)
    stage(state, decision("8", hold="guard"))
    assert state.operator.discard(all_dead=True, now=NOON).done == [1]
    assert states(state) == ["discarded", "held"]


def test_discard_leaves_other_changes_with_the_reason(state: State) -> None:
    ended(state, "refused")
    stage(state, decision("8"))
    take(state)
    assert state.operator.discard([1, 2, 3], now=NOON).left == {
        1: "it is refused",
        2: "it is being sent",
        3: "there is no such change",
    }


def test_discarding_a_change_in_doubt_leaves_nobody_knowing(state: State) -> None:
    stage(state, decision("7"), decision("8"))
    first, second = take(state)
    write_down(state, outcome(first, "retry", in_doubt=True), outcome(second, "retry"))
    state.operator.discard([1, 2], now=NOON)
    assert (the(state, "7").told, the(state, "8").told) == (None, {"status": "new"})


def order(content: Content) -> Order:
    return Order("7", content, updated_at=NOON, message="Готов", imshop_uuid="u1", user_id="79990000000")


def test_resync_pushes_what_imshop_knows_already(state: State) -> None:
    stage(state, decision())
    deliver(state)
    assert state.operator.resync([order({"status": "packed"})], NOON) == 1
    (push,) = take(state)
    assert (push.status, push.message, push.imshop_uuid, push.user_id) == ("packed", "Готов", "u1", "79990000000")
    assert the(state).told is None
    assert log(state)[-1].previous_status == "packed"


def test_resync_pushes_a_payment_that_is_whole(state: State) -> None:
    state.operator.resync([order({"status": "packed", "paid": True, "payment_id": "p1"})], NOON)
    assert [push.payment for push in take(state)] == [Payment(paid=True, payment_id="p1")]


def test_resync_omits_unpaid_where_paid_was_never_told(state: State) -> None:
    state.operator.resync([order({"status": "packed", "paid": False, "payment_id": None})], NOON)
    assert [push.payment for push in take(state)] == [None]


def test_resync_tells_a_refund(state: State) -> None:
    state.operator.resync([order({"status": "packed", "paid": True, "payment_id": "p1"})], NOON)
    deliver(state)
    state.operator.resync([order({"status": "packed", "paid": False, "payment_id": "p1"})], NOON)
    assert [push.payment for push in take(state)] == [Payment(paid=False, payment_id=None)]


def test_resync_takes_the_place_of_what_waits(state: State) -> None:
    stage(state, decision(hold="guard"))
    state.operator.resync([order({"status": "sent"})], NOON)
    assert states(state) == ["superseded", "pending"]
    assert deliver(state) == ["sent"]
    assert the(state).told == {"status": "sent"}


def test_resync_during_a_push_goes_out_anyway(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    state.operator.resync([order({"status": "new"})], NOON)
    write_down(state, outcome(push, "refused"))
    assert deliver(state) == ["new"]


def test_resync_of_an_order_never_seen_tracks_it(state: State) -> None:
    state.operator.resync([order({"status": "sent"})], NOON)
    assert state.polls.tracked() == 1
    assert log(state)[0].previous_status is None


def test_resync_of_a_repeated_order_pushes_once(state: State) -> None:
    assert state.operator.resync([order({"status": "sent"})] * 2, NOON) == 1
    assert deliver(state) == ["sent"]
