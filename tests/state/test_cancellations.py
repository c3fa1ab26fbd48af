"""The inbox of cancellations, and what an accepted one means for what was seen and what waits to be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from syncd.model import CancelDecision, Cancellation, CancelRequest, Decision, Order, Pause, Received
from syncd.pipeline.diff import Policy, diff
from syncd.state import State
from tests.made import NOON
from tests.state.made import (
    MINUTE,
    adopted,
    another,
    decision,
    deliver,
    end_claims,
    log,
    outcome,
    stage,
    states,
    take,
    the,
)
from tests.state.made import write_down as written_down

UNTIL = NOON + MINUTE
ACCEPTED = CancelDecision("accepted", "cancelled", "Отменён")
REFUSED = CancelDecision("refused", message="Уже в пути")
FAILED = CancelDecision("failed", error="the shop is away")


def asked(order_id: str | None = "7", uuid: str | None = None) -> CancelRequest:
    return CancelRequest("current", order_id, uuid, "Передумал")


def receive(state: State, what: CancelRequest | None = None, now: Any = NOON, token: str = "token") -> Received:
    return state.inbox.receive(what or asked(), token, now, now + MINUTE)


def shown(order_id: str, status: str = "new") -> Order:
    """The order as a look into the shop shows it."""
    return Order(order_id, {"status": status}, shop_id="k7")


def decide(state: State, ruling: CancelDecision, now: Any = NOON, *, what: CancelRequest | None = None) -> Cancellation:
    return state.inbox.decide(receive(state, what, now).cancellation, ruling, now, answered=True)


def test_a_cancellation_is_on_disk_before_it_is_applied(state: State, url: str) -> None:
    received = receive(state)
    assert received.mine
    with another(url) as after_a_crash:
        (found,) = after_a_crash.reports.cancellations()
    assert (found.state, found.order_id, found.reason, found.token) == ("received", "7", "Передумал", "token")


def test_the_same_again_while_it_is_applied_is_somebody_elses(state: State) -> None:
    first = receive(state)
    again = receive(state, token="other")
    assert not again.mine
    assert (again.cancellation.id, again.cancellation.token, again.cancellation.asked) == (
        first.cancellation.id,
        "token",
        2,
    )


def test_two_that_arrive_at_the_same_moment_are_applied_by_one(state: State, url: str) -> None:
    with another(url, wait_seconds=10) as other:
        start, mine = Barrier(8), []

        def ask(daemon: State) -> None:
            start.wait()
            mine.append(receive(daemon).mine)

        threads = [Thread(target=ask, args=[daemon]) for daemon in [state, other] * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(mine) == [False] * 7 + [True]


@pytest.mark.parametrize("ruling", [ACCEPTED, REFUSED])
def test_the_same_again_gets_the_first_decision(state: State, ruling: CancelDecision) -> None:
    stage(state, adopted("7"))
    decide(state, ruling)
    for later in (timedelta(0), timedelta(days=30)):
        again = receive(state, now=NOON + later)
        assert (again.mine, again.cancellation.state) == (False, ruling.state)


def test_one_that_failed_is_applied_again_by_who_asks_again_with_the_same_token(state: State) -> None:
    decide(state, FAILED)
    again = receive(state, token="other")
    assert (again.mine, again.cancellation.token, again.cancellation.attempts) == (True, "token", 2)


def test_one_that_was_left_unfinished_is_taken_over_when_its_time_is_up_and_is_in_doubt(state: State) -> None:
    receive(state)
    again = receive(state, now=UNTIL)
    assert (again.mine, again.cancellation.in_doubt) == (True, True)


def test_an_order_that_is_active_again_is_cancelled_anew_however_soon(state: State) -> None:
    stage(state, adopted("7"))
    first = decide(state, ACCEPTED)
    stage(state, decision("7", "packed", 5))
    again = receive(state, token="other")
    assert again.mine
    assert (again.cancellation.id, again.cancellation.token) != (first.id, "token")


def test_a_decision_that_was_overtaken_does_not_come_back_with_its_status(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, ACCEPTED)
    stage(state, decision("7", "packed", 5))
    stage(state, decision("7", "cancelled", 6))
    assert receive(state).mine


def test_an_order_that_changed_since_it_was_refused_is_asked_for_anew(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, REFUSED)
    stage(state, decision("7", "returned"))
    assert receive(state).mine


def test_a_payment_makes_no_decision_untrue(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, REFUSED)
    stage(state, decision("7", content={"status": "new", "paid": True, "payment_id": "p"}))
    assert not receive(state).mine


def test_a_refusal_of_an_order_that_is_seen_only_later_does_not_stand(state: State) -> None:
    decide(state, REFUSED)
    assert not receive(state).mine
    stage(state, adopted("7"))
    assert receive(state).mine


def test_a_refusal_that_does_not_last_is_asked_for_anew(state: State) -> None:
    decide(state, CancelDecision("refused", message="Заказ не найден", lasts=False))
    assert receive(state).mine


def test_an_answer_from_memory_has_the_order_looked_at(state: State) -> None:
    stage(state, adopted("7"), adopted("8"))
    decide(state, ACCEPTED)
    decide(state, FAILED, what=asked("8"))
    assert state.polls.orders_to_compare(NOON) == []
    receive(state)
    receive(state, asked("8"))
    assert state.polls.orders_to_compare(NOON) == ["7"]
    state.polls.orders_compared(["7"], NOON)
    assert state.polls.orders_to_compare(NOON) == []


@pytest.fixture
def renumbered(state: State) -> State:
    """Order 7, whose key is k7, has the number 1007 now."""
    stage(state, Decision(replace(adopted("7").seen, shop_id="k7")))
    with state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    return state


def test_both_numbers_are_one_cancellation(renumbered: State) -> None:
    first, second = receive(renumbered), receive(renumbered, asked("1007"))
    assert (first.mine, second.mine, second.cancellation.id) == (True, False, first.cancellation.id)
    assert (first.cancellation.order_id, first.cancellation.shop_id) == ("1007", "k7")


def test_an_order_that_is_numbered_while_it_is_cancelled_is_decided_under_its_new_number(state: State) -> None:
    stage(state, Decision(replace(adopted("7").seen, shop_id="k7")))
    mine = receive(state).cancellation
    with state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    assert state.inbox.decide(mine, ACCEPTED, NOON, answered=True).order_id == "1007"
    assert the(state, "1007").content == {"status": "cancelled"}


def test_a_number_that_nobody_knows_yet_is_found_to_be_that_of_an_order_being_cancelled(state: State) -> None:
    stage(state, Decision(replace(adopted("7").seen, shop_id="k7")))
    first = receive(state).cancellation
    unknown = receive(state, asked("1007"), token="other").cancellation
    found = state.inbox.identify(unknown, shown("1007"), NOON, NOON)
    assert (found.mine, found.cancellation.id, found.cancellation.asked) == (False, first.id, 2)
    assert [one.id for one in state.reports.cancellations()] == [first.id]


def test_a_key_that_was_looked_up_is_kept(state: State) -> None:
    mine = receive(state).cancellation
    found = state.inbox.identify(mine, shown("7"), NOON, NOON)
    assert (found.mine, found.cancellation.order_id, found.cancellation.shop_id) == (True, "7", "k7")
    state.inbox.decide(found.cancellation, ACCEPTED, NOON, answered=True)
    assert the(state).shop_id == "k7"


def test_a_look_into_the_shop_ends_a_decision_that_it_contradicts(state: State) -> None:
    stage(state, Decision(replace(adopted("7").seen, shop_id="k7")))
    first = decide(state, ACCEPTED)
    unknown = receive(state, asked("1007"), now=UNTIL, token="other").cancellation
    assert state.inbox.identify(unknown, shown("1007", "cancelled"), UNTIL, UNTIL).cancellation.id == first.id
    unknown = receive(state, asked("1007"), now=UNTIL, token="other").cancellation
    assert state.inbox.identify(unknown, shown("1007"), UNTIL, UNTIL).mine


def test_a_look_from_before_the_decision_contradicts_nothing(state: State) -> None:
    stage(state, Decision(replace(adopted("7").seen, shop_id="k7")))
    unknown = receive(state, asked("1007"), token="other").cancellation
    first = decide(state, ACCEPTED, UNTIL)
    assert state.inbox.identify(unknown, shown("1007"), NOON, UNTIL).cancellation.id == first.id


def test_two_orders_with_one_key_are_cancelled_each(state: State) -> None:
    stage(state, *(Decision(replace(adopted(number).seen, shop_id="k7")) for number in ("7", "8")))
    decide(state, ACCEPTED)
    other = receive(state, asked("8"), token="other")
    assert other.mine
    assert state.inbox.identify(other.cancellation, shown("8"), UNTIL, UNTIL).mine


def test_a_former_number_is_not_answered_from_memory(state: State) -> None:
    """It may be another order's by now."""
    stage(state, Decision(replace(adopted("7").seen, shop_id="k7")))
    with state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    decide(state, ACCEPTED, what=asked("1007"))
    assert (receive(state, asked("1007")).mine, receive(state, asked("7")).mine) == (False, True)


def test_without_a_cancelled_status_a_decision_holds_until_another_status_is_seen(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, replace(ACCEPTED, status=None))
    assert not receive(state).mine
    stage(state, decision("7", content={"status": "new", "paid": True, "payment_id": "p"}))
    assert not receive(state).mine
    stage(state, decision("7", "packed", 2))
    assert receive(state).mine


def test_a_refusal_of_an_order_that_was_last_seen_with_another_status_does_not_last(state: State) -> None:
    stage(state, adopted("7"))
    mine = receive(state).cancellation
    state.inbox.decide(mine, REFUSED, NOON, answered=True, shown="packed")
    assert receive(state).mine


def test_a_key_that_is_looked_up_too_late_changes_nothing(state: State) -> None:
    late = receive(state).cancellation
    now = receive(state, now=UNTIL).cancellation
    assert state.inbox.identify(late, shown("7"), UNTIL, UNTIL).cancellation == late
    assert state.inbox.cancellation(now.id) == now


def test_cancellations_that_nobody_decided_are_counted(state: State) -> None:
    decide(state, FAILED)
    decide(state, FAILED, what=asked("8"))
    assert state.reports.summary().cancellations_failed == 2
    decide(state, REFUSED)
    assert state.reports.summary().cancellations_failed == 1


@pytest.mark.parametrize("by_imshop", [False, True])
def test_a_uuid_alone_is_enough_where_the_order_is_known(state: State, *, by_imshop: bool) -> None:
    stage(state, decision("7", imshop_uuid=None if by_imshop else "u-7"))
    (push,) = take(state)
    done = outcome(push)
    if by_imshop:
        assert done.answer
        done = outcome(push, answer=type(done.answer)(200, "7", "u-7", None, None, None))
    written_down(state, done)
    received = receive(state, asked(None, "u-7"))
    assert (received.cancellation.order_id, received.cancellation.imshop_uuid) == ("7", "u-7")
    assert not receive(state, asked("7")).mine
    assert receive(state, asked("7")).cancellation.imshop_uuid == "u-7"


def test_a_number_that_is_no_order_but_a_uuid_is_the_uuid(state: State) -> None:
    stage(state, decision("7", imshop_uuid="u-7"))
    assert receive(state, asked("u-7")).cancellation.order_id == "7"


def test_an_earlier_cancellation_tells_which_order_a_uuid_is(state: State) -> None:
    receive(state, asked("7", "u-7"))
    assert not receive(state, asked(None, "u-7")).mine


def test_a_uuid_of_several_orders_names_none_of_them(state: State) -> None:
    stage(state, decision("7", imshop_uuid="u"), decision("8", imshop_uuid="u"))
    assert receive(state, asked(None, "u")).cancellation.order_id is None


def test_the_same_unknown_uuid_again_is_the_same_cancellation(state: State) -> None:
    assert receive(state, asked(None, "u")).mine
    assert not receive(state, asked(None, "u")).mine


def test_an_accepted_order_counts_as_seen_and_told_with_the_cancelled_status(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, ACCEPTED)
    assert the(state).content == the(state).told == {"status": "cancelled"}
    assert states(state) == []


def test_one_that_was_refused_or_failed_changes_nothing_that_was_seen(state: State) -> None:
    stage(state, adopted("7"))
    before = the(state)
    decide(state, FAILED)
    decide(state, REFUSED)
    assert the(state) == before


def test_an_order_that_was_never_seen_counts_as_seen_once_it_is_cancelled(state: State) -> None:
    decide(state, ACCEPTED, what=asked("7", "u-7"))
    assert the(state).told == the(state).content == {"status": "cancelled"}
    assert the(state).imshop_uuid == "u-7"


def test_what_waited_to_be_told_of_a_cancelled_order_is_void(state: State) -> None:
    stage(state, decision("7", "packed", 1))
    stage(state, decision("7", "shipped", 2, hold="guard"))
    stage(state, decision("8", "packed"))
    decide(state, ACCEPTED)
    assert states(state, "7") == ["superseded", "superseded"]
    assert states(state, "8") == ["pending"]


def test_a_dead_change_of_a_cancelled_order_cannot_be_told_after_it(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    written_down(state, outcome(push, "dead", in_doubt=True))
    decide(state, ACCEPTED)
    state.operator.retry([push.change_id], now=NOON)
    assert take(state) == []


def test_a_push_that_is_on_its_way_is_followed_by_the_cancelled_status(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    assert take(state) == []
    written_down(state, outcome(push))
    (after,) = take(state)
    assert (after.status, after.message) == ("cancelled", "Отменён")
    written_down(state, outcome(after))
    assert the(state).told == the(state).content


def test_a_push_that_is_known_to_have_failed_is_followed_by_nothing(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    written_down(state, outcome(push, "retry"))
    assert take(state) == []
    assert the(state).told == the(state).content


def test_a_push_that_may_have_reached_imshop_is_followed_by_the_cancelled_status(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    written_down(state, outcome(push, "retry", in_doubt=True))
    assert [after.status for after in take(state)] == ["cancelled"]


def test_an_order_that_is_active_again_is_told_so_after_a_push_that_the_answer_overtook(state: State) -> None:
    """IMSHOP may have heard the answer after the push."""
    stage(state, adopted("7"))
    stage(state, decision("7", "packed"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    with state.polls.staging() as staging:
        order = Order("7", {"status": "packed"})
        staging.store(diff([order], staging.load(["7"]), Policy(lambda _status: "push")), NOON, counting=False)
    written_down(state, outcome(push))
    assert [push.status for push in take(state)] == ["packed"]


def test_a_cancelled_status_that_is_on_its_way_is_not_told_twice(state: State) -> None:
    stage(state, decision("7", "cancelled"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    written_down(state, outcome(push))
    assert take(state) == []


def test_texts_that_are_compared_are_taken_as_answered(state: State) -> None:
    stage(state, decision(content={"status": "packed", "message": "Собран", "paid": True, "payment_id": "p"}))
    decide(state, ACCEPTED)
    assert the(state).content == {"status": "cancelled", "message": "Отменён", "paid": True, "payment_id": "p"}


def test_one_that_nobody_was_answered_changes_nothing_that_was_seen(state: State) -> None:
    stage(state, adopted("7"))
    mine = decide(state, FAILED)
    taken = state.inbox.claim_again(mine.id, NOON, UNTIL)
    assert taken
    assert taken.mine
    state.inbox.decide(taken.cancellation, ACCEPTED, NOON, answered=False)
    assert the(state).content == {"status": "new"}


def test_an_operator_does_not_apply_what_is_accepted_or_being_applied_or_followed(state: State) -> None:
    stage(state, adopted("7"))
    first = decide(state, REFUSED)
    stage(state, decision("7", "returned"))
    second = receive(state).cancellation
    for cancellation in (first, second):
        taken = state.inbox.claim_again(cancellation.id, NOON, UNTIL)
        assert taken
        assert not taken.mine
    state.inbox.decide(second, ACCEPTED, NOON, answered=True)
    taken = state.inbox.claim_again(second.id, NOON, UNTIL)
    assert taken
    assert not taken.mine
    assert state.inbox.claim_again(99, NOON, UNTIL) is None


def test_what_comes_late_of_an_attempt_that_was_replaced_counts_only_if_it_was_accepted(state: State) -> None:
    late = receive(state).cancellation
    now = receive(state, now=UNTIL).cancellation
    assert state.inbox.decide(late, REFUSED, UNTIL, answered=True).state == "received"
    state.inbox.decide(now, FAILED, UNTIL, answered=True)
    assert state.inbox.decide(late, ACCEPTED, UNTIL, answered=True).state == "accepted"
    assert state.inbox.decide(now, REFUSED, UNTIL, answered=True).state == "accepted"


def test_an_attempt_that_may_have_been_applied_leaves_a_doubt_until_the_shop_decides(state: State) -> None:
    decide(state, CancelDecision("failed", error="time-out", in_doubt=True))
    assert decide(state, FAILED).in_doubt
    assert not decide(state, REFUSED).in_doubt


def test_what_was_left_unfinished_has_failed_and_may_have_been_applied(state: State) -> None:
    receive(state, asked("7"))
    decide(state, ACCEPTED, what=asked("8"))
    assert state.inbox.fail_unfinished(NOON, NOON) == 0
    assert state.inbox.fail_unfinished(UNTIL, NOON) == 1
    (given_up,) = state.reports.cancellations("7")
    assert (given_up.state, given_up.in_doubt) == ("failed", True)
    assert "may have been applied" in str(given_up.error)


def test_cancellations_are_forgotten_after_the_retention_and_those_being_applied_are_not(state: State) -> None:
    decide(state, ACCEPTED, what=asked("7"))
    decide(state, REFUSED, now=NOON + 2 * MINUTE, what=asked("8"))
    receive(state, asked("9"))
    state.prune(NOON + 3 * MINUTE, 2 * MINUTE)
    assert [one.order_id for one in state.reports.cancellations()] == ["9", "8"]
    assert state.reports.cancellations("7") == []


def test_a_cancellation_that_was_forgotten_meanwhile_is_decided_all_the_same(state: State) -> None:
    mine = decide(state, REFUSED)
    state.prune(NOON + MINUTE, timedelta(0))
    assert state.inbox.decide(mine, ACCEPTED, NOON, answered=True) == mine
    assert state.inbox.cancellation(mine.id) is None


def test_an_order_is_unsettled_while_it_is_cancelled_and_for_polls_that_began_before_it_was(state: State) -> None:
    stage(state, adopted("7"), adopted("8"), adopted("9"))
    receive(state, asked("7"))
    decide(state, ACCEPTED, what=asked("8"), now=NOON + MINUTE)
    decide(state, REFUSED, what=asked("9"), now=NOON + MINUTE)
    with state.polls.staging() as staging:
        assert staging.being_cancelled(["7", "8", "9", "10"], NOON) == {"7", "8"}
        assert staging.being_cancelled(["7", "8", "9", "10"], NOON + 2 * MINUTE) == set()


def test_the_message_of_a_change_that_was_overtaken_is_kept(state: State) -> None:
    stage(state, decision("7", "shipped"))
    take(state)
    decide(state, ACCEPTED)
    assert [one.status for one in log(state)] == ["shipped", "cancelled"]
    assert log(state)[1].previous_status == "shipped"


def test_nul_and_half_a_surrogate_pair_are_stored_without_harm(state: State) -> None:
    received = receive(state, CancelRequest("first", "7", "u", "a\0b\ud800"))
    assert received.cancellation.reason == "ab?"


def knows_the_uuid_later(state: State) -> None:
    known = replace(adopted("7").seen, imshop_uuid="uuid-7")
    stage(state, Decision(known))


@pytest.mark.parametrize("ruling", [ACCEPTED, None])
@pytest.mark.parametrize("what", [asked(None, "uuid-7"), asked("uuid-7")], ids=["uuid", "uuid as id"])
def test_one_by_uuid_is_not_applied_again_once_its_order_is_known(
    state: State, what: CancelRequest, ruling: CancelDecision | None
) -> None:
    first = receive(state, what)
    if ruling:
        state.inbox.decide(first.cancellation, ruling, NOON, answered=True)
    knows_the_uuid_later(state)
    for again in (asked(None, "uuid-7"), asked("7"), asked("7", "uuid-7")):
        received = receive(state, again, token="other")
        assert (received.mine, received.cancellation.id) == (False, first.cancellation.id)


def test_one_by_uuid_is_no_echo_though_its_order_became_known_while_it_was_applied(state: State) -> None:
    mine = receive(state, asked(None, "uuid-7")).cancellation
    knows_the_uuid_later(state)
    assert state.inbox.decide(mine, ACCEPTED, NOON, answered=True).order_id == "7"
    assert state.polls.load(["7"])["7"].content["status"] == "cancelled"


def test_one_by_uuid_that_failed_is_applied_again_to_the_order_that_is_known_by_now(state: State) -> None:
    first = decide(state, FAILED, what=asked(None, "uuid-7"))
    knows_the_uuid_later(state)
    again = receive(state, asked(None, "uuid-7"), token="other")
    assert again.mine
    assert (again.cancellation.id, again.cancellation.token, again.cancellation.order_id) == (first.id, "token", "7")


def test_a_refusal_of_an_order_that_was_not_known_does_not_stand_once_it_is(state: State) -> None:
    decide(state, REFUSED, what=asked(None, "uuid-7"))
    knows_the_uuid_later(state)
    assert receive(state, asked(None, "uuid-7")).mine


def test_an_operator_can_retry_one_by_uuid_though_others_by_uuid_came_later(state: State) -> None:
    failed = decide(state, FAILED, what=asked(None, "uuid-7"))
    receive(state, asked(None, "uuid-8"))
    taken = state.inbox.claim_again(failed.id, NOON, UNTIL)
    assert taken is not None
    assert taken.mine


def test_an_operator_cannot_retry_one_by_uuid_that_was_asked_for_again(state: State) -> None:
    refused = decide(state, REFUSED, what=asked(None, "uuid-7"))
    knows_the_uuid_later(state)
    receive(state, asked(None, "uuid-7"))
    taken = state.inbox.claim_again(refused.id, NOON, UNTIL)
    assert taken is not None
    assert not taken.mine


def test_a_delivery_that_is_written_down_twice_does_not_overwrite_a_cancellation(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    written_down(state, outcome(push))
    decide(state, ACCEPTED)
    written_down(state, outcome(push))
    assert the(state).told == the(state).content == {"status": "cancelled"}


@pytest.mark.parametrize("newer", [False, True])
def test_a_late_delivery_has_the_cancellation_told_that_was_answered_since(
    state: State, url: str, *, newer: bool
) -> None:
    stage(state, decision("7", "packed"))
    (late,) = take(state)
    with another(url) as other:
        end_claims(other)
        if newer:
            stage(other, decision("7", "shipped", revision=2))
        assert other.outbox.record_and_claim([], 0, Pause("unauthorized", NOON, "no"), NOON) == []
        assert len(deliver(other)) == 1
        decide(other, ACCEPTED)
    state.outbox.record([outcome(late)])
    assert deliver(state) == ["cancelled"]
    assert the(state).told == the(state).content == {"status": "cancelled"}


def test_what_an_operator_had_cancelled_is_known_once_a_buyer_is_answered_with_it(state: State) -> None:
    stage(state, adopted("7"))
    failed = decide(state, FAILED)
    taken = state.inbox.claim_again(failed.id, NOON, UNTIL)
    assert taken
    state.inbox.decide(taken.cancellation, ACCEPTED, NOON, answered=False)
    assert the(state).content == {"status": "new"}
    assert not receive(state).mine
    assert the(state).told == the(state).content == {"status": "cancelled"}


def test_a_decision_does_not_stand_once_imshop_was_told_another_status(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    assert not receive(state).mine
    written_down(state, outcome(push))
    assert receive(state).mine
