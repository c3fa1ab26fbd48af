"""The inbox of cancellations, and what an accepted one means for what was seen and what waits to be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from syncd.model import CancelDecision, Cancellation, CancelRequest, Decision, Identified, InboxEntry, Order, Pause
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


def receive(state: State, what: CancelRequest | None = None, now: Any = NOON, token: str = "token") -> InboxEntry:
    return state.inbox.receive(what or asked(), token, now, now + MINUTE)


def shown(order_id: str, status: str = "new") -> Order:
    """The order as a look into the shop shows it."""
    return Order(order_id, {"status": status}, shop_id="k7")


def decide(state: State, ruling: CancelDecision, now: Any = NOON, *, what: CancelRequest | None = None) -> Cancellation:
    return state.inbox.decide(receive(state, what, now).cancellation, ruling, now, answered=True)


def test_cancellation_is_stored_before_it_is_applied(state: State, url: str) -> None:
    received = receive(state)
    assert received.is_ours
    with another(url) as after_a_crash:
        (found,) = after_a_crash.reports.cancellations()
    assert (found.state, found.order_id, found.reason, found.token) == ("received", "7", "Передумал", "token")


def test_repeat_during_an_attempt_does_not_apply_again(state: State) -> None:
    first = receive(state)
    again = receive(state, token="other")
    assert not again.is_ours
    assert (again.cancellation.id, again.cancellation.token, again.cancellation.asked) == (
        first.cancellation.id,
        "token",
        2,
    )


def test_only_one_of_simultaneous_requests_applies(state: State, url: str) -> None:
    with another(url, wait_seconds=10) as other:
        start, mine = Barrier(8), []

        def ask(daemon: State) -> None:
            start.wait()
            mine.append(receive(daemon).is_ours)

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
        assert (again.is_ours, again.cancellation.state) == (False, ruling.state)


def test_repeat_after_a_failure_reuses_the_token(state: State) -> None:
    decide(state, FAILED)
    again = receive(state, token="other")
    assert (again.is_ours, again.cancellation.token, again.cancellation.attempts) == (True, "token", 2)


def test_unfinished_attempt_is_taken_over_in_doubt(state: State) -> None:
    """Once the claim has expired the next request applies the cancellation, which is then in doubt."""
    receive(state)
    again = receive(state, now=UNTIL)
    assert (again.is_ours, again.cancellation.in_doubt) == (True, True)


def test_reactivated_order_gets_a_new_cancellation(state: State) -> None:
    stage(state, adopted("7"))
    first = decide(state, ACCEPTED)
    stage(state, decision("7", "packed", 5))
    again = receive(state, token="other")
    assert again.is_ours
    assert (again.cancellation.id, again.cancellation.token) != (first.id, "token")


def test_overtaken_decision_does_not_return_with_its_status(state: State) -> None:
    """Another status ends a decision for good, also when the cancelled status is seen again."""
    stage(state, adopted("7"))
    decide(state, ACCEPTED)
    stage(state, decision("7", "packed", 5))
    stage(state, decision("7", "cancelled", 6))
    assert receive(state).is_ours


def test_order_changed_since_its_refusal_is_asked_again(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, REFUSED)
    stage(state, decision("7", "returned"))
    assert receive(state).is_ours


def test_a_payment_makes_no_decision_untrue(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, REFUSED)
    stage(state, decision("7", content={"status": "new", "paid": True, "payment_id": "p"}))
    assert not receive(state).is_ours


def test_refusal_ends_once_a_poll_sees_the_order(state: State) -> None:
    decide(state, REFUSED)
    assert not receive(state).is_ours
    stage(state, adopted("7"))
    assert receive(state).is_ours


def test_refusal_that_does_not_last_is_asked_again(state: State) -> None:
    decide(state, CancelDecision("refused", message="Заказ не найден", lasts=False))
    assert receive(state).is_ours


def test_answer_from_memory_queues_a_recheck(state: State) -> None:
    """An accepted decision that is repeated without a call has its order read in the shop again."""
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
    stage(state, Decision(adopted("7").seen._replace(shop_id="k7")))
    with state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    return state


def test_both_numbers_are_one_cancellation(renumbered: State) -> None:
    first, second = receive(renumbered), receive(renumbered, asked("1007"))
    assert (first.is_ours, second.is_ours, second.cancellation.id) == (True, False, first.cancellation.id)
    assert (first.cancellation.order_id, first.cancellation.shop_id) == ("1007", "k7")


def test_order_renumbered_meanwhile_is_decided_under_new_number(state: State) -> None:
    stage(state, Decision(adopted("7").seen._replace(shop_id="k7")))
    mine = receive(state).cancellation
    with state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    assert state.inbox.decide(mine, ACCEPTED, NOON, answered=True).order_id == "1007"
    assert the(state, "1007").content == {"status": "cancelled"}


def test_unknown_number_is_matched_to_the_running_cancellation(state: State) -> None:
    """A look into the shop shows that the number is that of an order which is just being cancelled."""
    stage(state, Decision(adopted("7").seen._replace(shop_id="k7")))
    first = receive(state).cancellation
    unknown = receive(state, asked("1007"), token="other").cancellation
    found = state.inbox.identify(unknown, shown("1007"), NOON, NOON)
    assert (found.is_ours, found.cancellation.id, found.cancellation.asked) == (False, first.id, 2)
    assert [one.id for one in state.reports.cancellations()] == [first.id]


def test_a_key_that_was_looked_up_is_kept(state: State) -> None:
    mine = receive(state).cancellation
    found = state.inbox.identify(mine, shown("7"), NOON, NOON)
    assert (found.is_ours, found.cancellation.order_id, found.cancellation.shop_id) == (True, "7", "k7")
    state.inbox.decide(found.cancellation, ACCEPTED, NOON, answered=True)
    assert the(state).shop_id == "k7"


def test_contradicting_shop_status_ends_a_decision(state: State) -> None:
    stage(state, Decision(adopted("7").seen._replace(shop_id="k7")))
    first = decide(state, ACCEPTED)
    unknown = receive(state, asked("1007"), now=UNTIL, token="other").cancellation
    assert state.inbox.identify(unknown, shown("1007", "cancelled"), UNTIL, UNTIL).cancellation.id == first.id
    unknown = receive(state, asked("1007"), now=UNTIL, token="other").cancellation
    assert state.inbox.identify(unknown, shown("1007"), UNTIL, UNTIL).is_ours


def test_a_look_from_before_the_decision_contradicts_nothing(state: State) -> None:
    stage(state, Decision(adopted("7").seen._replace(shop_id="k7")))
    unknown = receive(state, asked("1007"), token="other").cancellation
    first = decide(state, ACCEPTED, UNTIL)
    assert state.inbox.identify(unknown, shown("1007"), NOON, UNTIL).cancellation.id == first.id


def test_two_orders_with_one_key_are_cancelled_each(state: State) -> None:
    stage(state, *(Decision(adopted(number).seen._replace(shop_id="k7")) for number in ("7", "8")))
    decide(state, ACCEPTED)
    other = receive(state, asked("8"), token="other")
    assert other.is_ours
    assert state.inbox.identify(other.cancellation, shown("8"), UNTIL, UNTIL).is_ours


def test_a_former_number_is_not_answered_from_memory(state: State) -> None:
    """It may be another order's by now."""
    stage(state, Decision(adopted("7").seen._replace(shop_id="k7")))
    with state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    decide(state, ACCEPTED, what=asked("1007"))
    assert (receive(state, asked("1007")).is_ours, receive(state, asked("7")).is_ours) == (False, True)


def test_decision_without_status_holds_until_another_status(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, replace(ACCEPTED, status=None))
    assert not receive(state).is_ours
    stage(state, decision("7", content={"status": "new", "paid": True, "payment_id": "p"}))
    assert not receive(state).is_ours
    stage(state, decision("7", "packed", 2))
    assert receive(state).is_ours


def test_refusal_on_an_unseen_status_does_not_last(state: State) -> None:
    """The shop showed a status that no poll has seen yet."""
    stage(state, adopted("7"))
    mine = receive(state).cancellation
    state.inbox.decide(mine, REFUSED, NOON, answered=True, shown="packed")
    assert receive(state).is_ours


def test_late_key_lookup_changes_nothing(state: State) -> None:
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
def test_uuid_alone_identifies_a_known_order(state: State, *, by_imshop: bool) -> None:
    stage(state, decision("7", imshop_uuid=None if by_imshop else "u-7"))
    (push,) = take(state)
    done = outcome(push)
    if by_imshop:
        assert done.answer
        done = outcome(push, answer=type(done.answer)(200, "7", "u-7", None, None, None))
    written_down(state, done)
    received = receive(state, asked(None, "u-7"))
    assert (received.cancellation.order_id, received.cancellation.imshop_uuid) == ("7", "u-7")
    assert not receive(state, asked("7")).is_ours
    assert receive(state, asked("7")).cancellation.imshop_uuid == "u-7"


def test_order_number_may_be_a_known_uuid(state: State) -> None:
    stage(state, decision("7", imshop_uuid="u-7"))
    assert receive(state, asked("u-7")).cancellation.order_id == "7"


def test_earlier_cancellation_links_uuid_to_order(state: State) -> None:
    receive(state, asked("7", "u-7"))
    assert not receive(state, asked(None, "u-7")).is_ours


def test_uuid_of_several_orders_identifies_none(state: State) -> None:
    stage(state, decision("7", imshop_uuid="u"), decision("8", imshop_uuid="u"))
    assert receive(state, asked(None, "u")).cancellation.order_id is None


def test_repeated_unknown_uuid_is_the_same_cancellation(state: State) -> None:
    assert receive(state, asked(None, "u")).is_ours
    assert not receive(state, asked(None, "u")).is_ours


def test_accepted_order_is_seen_and_told_as_cancelled(state: State) -> None:
    stage(state, adopted("7"))
    decide(state, ACCEPTED)
    assert the(state).content == the(state).told == {"status": "cancelled"}
    assert states(state) == []


def test_refusal_or_failure_leaves_the_order_unchanged(state: State) -> None:
    stage(state, adopted("7"))
    before = the(state)
    decide(state, FAILED)
    decide(state, REFUSED)
    assert the(state) == before


def test_unseen_order_is_seen_once_it_is_cancelled(state: State) -> None:
    decide(state, ACCEPTED, what=asked("7", "u-7"))
    assert the(state).told == the(state).content == {"status": "cancelled"}
    assert the(state).imshop_uuid == "u-7"


def test_cancelling_supersedes_the_waiting_changes_of_its_order(state: State) -> None:
    stage(state, decision("7", "packed", 1))
    stage(state, decision("7", "shipped", 2, hold="guard"))
    stage(state, decision("8", "packed"))
    decide(state, ACCEPTED)
    assert states(state, "7") == ["superseded", "superseded"]
    assert states(state, "8") == ["pending"]


def test_dead_change_cannot_follow_a_cancellation(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    written_down(state, outcome(push, "dead", in_doubt=True))
    decide(state, ACCEPTED)
    state.operator.retry([push.change_id], now=NOON)
    assert take(state) == []


def test_cancelled_status_follows_a_push_under_way(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    assert take(state) == []
    written_down(state, outcome(push))
    (after,) = take(state)
    assert (after.status, after.message) == ("cancelled", "Отменён")
    written_down(state, outcome(after))
    assert the(state).told == the(state).content


def test_nothing_follows_a_push_that_surely_failed(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    written_down(state, outcome(push, "retry"))
    assert take(state) == []
    assert the(state).told == the(state).content


def test_cancelled_status_follows_a_push_in_doubt(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    written_down(state, outcome(push, "retry", in_doubt=True))
    assert [after.status for after in take(state)] == ["cancelled"]


def test_reactivated_order_is_pushed_after_an_overtaken_push(state: State) -> None:
    """IMSHOP may have heard the answer after the push, so the order's status goes out again."""
    stage(state, adopted("7"))
    stage(state, decision("7", "packed"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    with state.polls.staging() as staging:
        order = Order("7", {"status": "packed"})
        staging.store(diff([order], staging.load(["7"]), Policy(lambda _status: "push")), NOON, counting=False)
    written_down(state, outcome(push))
    assert [push.status for push in take(state)] == ["packed"]


def test_cancelled_status_under_way_is_not_pushed_twice(state: State) -> None:
    stage(state, decision("7", "cancelled"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    written_down(state, outcome(push))
    assert take(state) == []


def test_texts_that_are_compared_are_taken_as_answered(state: State) -> None:
    stage(state, decision(content={"status": "packed", "message": "Собран", "paid": True, "payment_id": "p"}))
    decide(state, ACCEPTED)
    assert the(state).content == {"status": "cancelled", "message": "Отменён", "paid": True, "payment_id": "p"}


def test_unanswered_acceptance_leaves_the_order_unchanged(state: State) -> None:
    """An operator's retry answers no request of IMSHOP, so the poll still reports the status."""
    stage(state, adopted("7"))
    mine = decide(state, FAILED)
    taken = state.inbox.claim_again(mine.id, NOON, UNTIL)
    assert taken
    assert taken.is_ours
    state.inbox.decide(taken.cancellation, ACCEPTED, NOON, answered=False)
    assert the(state).content == {"status": "new"}


def test_operator_retry_takes_only_open_cancellations(state: State) -> None:
    """One that was accepted, is being applied or has a later one is not applied again."""
    stage(state, adopted("7"))
    first = decide(state, REFUSED)
    stage(state, decision("7", "returned"))
    second = receive(state).cancellation
    for cancellation in (first, second):
        taken = state.inbox.claim_again(cancellation.id, NOON, UNTIL)
        assert taken
        assert not taken.is_ours
    state.inbox.decide(second, ACCEPTED, NOON, answered=True)
    taken = state.inbox.claim_again(second.id, NOON, UNTIL)
    assert taken
    assert not taken.is_ours
    assert state.inbox.claim_again(99, NOON, UNTIL) is None


def test_late_outcome_counts_only_if_accepted(state: State) -> None:
    """The outcome comes from an attempt that another one has taken over."""
    late = receive(state).cancellation
    now = receive(state, now=UNTIL).cancellation
    assert state.inbox.decide(late, REFUSED, UNTIL, answered=True).state == "received"
    state.inbox.decide(now, FAILED, UNTIL, answered=True)
    assert state.inbox.decide(late, ACCEPTED, UNTIL, answered=True).state == "accepted"
    assert state.inbox.decide(now, REFUSED, UNTIL, answered=True).state == "accepted"


def test_doubt_lasts_until_the_shop_decides(state: State) -> None:
    decide(state, CancelDecision("failed", error="time-out", in_doubt=True))
    assert decide(state, FAILED).in_doubt
    assert not decide(state, REFUSED).in_doubt


def test_given_up_attempt_has_failed_in_doubt(state: State) -> None:
    receive(state, asked("7"))
    decide(state, ACCEPTED, what=asked("8"))
    assert state.inbox.fail_unfinished(NOON, NOON) == 0
    assert state.inbox.fail_unfinished(UNTIL, NOON) == 1
    (given_up,) = state.reports.cancellations("7")
    assert (given_up.state, given_up.in_doubt) == ("failed", True)
    assert "may have been applied" in str(given_up.error)


def test_retention_spares_cancellations_being_applied(state: State) -> None:
    decide(state, ACCEPTED, what=asked("7"))
    decide(state, REFUSED, now=NOON + 2 * MINUTE, what=asked("8"))
    receive(state, asked("9"))
    state.prune(NOON + 3 * MINUTE, 2 * MINUTE)
    assert [one.order_id for one in state.reports.cancellations()] == ["9", "8"]
    assert state.reports.cancellations("7") == []


def test_decision_on_a_forgotten_cancellation_is_returned(state: State) -> None:
    mine = decide(state, REFUSED)
    state.prune(NOON + MINUTE, timedelta(0))
    assert state.inbox.decide(mine, ACCEPTED, NOON, answered=True) == mine
    assert state.inbox.cancellation(mine.id) is None


def test_order_is_unsettled_for_earlier_polls(state: State) -> None:
    """It is so while it is being cancelled, and then for polls that began before it was accepted."""
    stage(state, adopted("7"), adopted("8"), adopted("9"))
    receive(state, asked("7"))
    decide(state, ACCEPTED, what=asked("8"), now=NOON + MINUTE)
    decide(state, REFUSED, what=asked("9"), now=NOON + MINUTE)
    with state.polls.staging() as staging:
        assert staging.being_cancelled(["7", "8", "9", "10"], NOON) == {"7", "8"}
        assert staging.being_cancelled(["7", "8", "9", "10"], NOON + 2 * MINUTE) == set()


def test_overtaken_change_stays_in_the_log(state: State) -> None:
    stage(state, decision("7", "shipped"))
    take(state)
    decide(state, ACCEPTED)
    assert [one.status for one in log(state)] == ["shipped", "cancelled"]
    assert log(state)[1].previous_status == "shipped"


def test_nul_and_lone_surrogates_can_be_stored(state: State) -> None:
    received = receive(state, CancelRequest("first", "7", "u", "a\0b\ud800"))
    assert received.cancellation.reason == "ab?"


def knows_the_uuid_later(state: State) -> None:
    known = adopted("7").seen._replace(imshop_uuid="uuid-7")
    stage(state, Decision(known))


@pytest.mark.parametrize("ruling", [ACCEPTED, None])
@pytest.mark.parametrize("what", [asked(None, "uuid-7"), asked("uuid-7")], ids=["uuid", "uuid as id"])
def test_uuid_cancellation_is_not_repeated_for_the_order(
    state: State, what: CancelRequest, ruling: CancelDecision | None
) -> None:
    """Once the order of the uuid is known, its number and its uuid mean the same cancellation."""
    first = receive(state, what)
    if ruling:
        state.inbox.decide(first.cancellation, ruling, NOON, answered=True)
    knows_the_uuid_later(state)
    for again in (asked(None, "uuid-7"), asked("7"), asked("7", "uuid-7")):
        received = receive(state, again, token="other")
        assert (received.is_ours, received.cancellation.id) == (False, first.cancellation.id)


def test_order_identified_meanwhile_is_seen_as_cancelled(state: State) -> None:
    """The uuid's order became known during the call, and the poll must not report it back."""
    mine = receive(state, asked(None, "uuid-7")).cancellation
    knows_the_uuid_later(state)
    assert state.inbox.decide(mine, ACCEPTED, NOON, answered=True).order_id == "7"
    assert state.polls.load(["7"])["7"].content["status"] == "cancelled"


def test_order_cancelled_while_the_baseline_is_taken_stays_so(state: State) -> None:
    """The baseline looked for the order before the cancellation made it known."""
    decide(state, ACCEPTED, what=asked("7"))
    found = [Identified(order_id, {"status": "new"}, None, None) for order_id in ("7", "8")]
    with state.polls.staging() as staging:
        assert staging.adopt(found, NOON, {"7": 1, "8": 1}) == {"7"}
    assert [one.content["status"] for one in state.polls.load(["7", "8"]).values()] == ["cancelled", "new"]


def test_failed_uuid_cancellation_retries_the_identified_order(state: State) -> None:
    first = decide(state, FAILED, what=asked(None, "uuid-7"))
    knows_the_uuid_later(state)
    again = receive(state, asked(None, "uuid-7"), token="other")
    assert again.is_ours
    assert (again.cancellation.id, again.cancellation.token, again.cancellation.order_id) == (first.id, "token", "7")


def test_uuid_refusal_ends_once_the_order_is_known(state: State) -> None:
    decide(state, REFUSED, what=asked(None, "uuid-7"))
    knows_the_uuid_later(state)
    assert receive(state, asked(None, "uuid-7")).is_ours


def test_operator_retries_despite_later_cancellations_by_uuid(state: State) -> None:
    """Later cancellations of other uuids are no cancellations of the same order."""
    failed = decide(state, FAILED, what=asked(None, "uuid-7"))
    receive(state, asked(None, "uuid-8"))
    taken = state.inbox.claim_again(failed.id, NOON, UNTIL)
    assert taken is not None
    assert taken.is_ours


def test_operator_cannot_retry_a_repeated_uuid_cancellation(state: State) -> None:
    refused = decide(state, REFUSED, what=asked(None, "uuid-7"))
    knows_the_uuid_later(state)
    receive(state, asked(None, "uuid-7"))
    taken = state.inbox.claim_again(refused.id, NOON, UNTIL)
    assert taken is not None
    assert not taken.is_ours


def test_delivery_recorded_twice_does_not_overwrite_a_cancellation(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    written_down(state, outcome(push))
    decide(state, ACCEPTED)
    written_down(state, outcome(push))
    assert the(state).told == the(state).content == {"status": "cancelled"}


@pytest.mark.parametrize("newer", [False, True])
def test_late_delivery_repeats_the_answered_cancellation(state: State, url: str, *, newer: bool) -> None:
    """A delivery that is reported after the answer has the cancelled status pushed again."""
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


def test_operators_cancellation_is_told_with_the_next_answer(state: State) -> None:
    """A buyer's request that is answered with it makes the order seen and told as cancelled."""
    stage(state, adopted("7"))
    failed = decide(state, FAILED)
    taken = state.inbox.claim_again(failed.id, NOON, UNTIL)
    assert taken
    state.inbox.decide(taken.cancellation, ACCEPTED, NOON, answered=False)
    assert the(state).content == {"status": "new"}
    assert not receive(state).is_ours
    assert the(state).told == the(state).content == {"status": "cancelled"}


def test_decision_ends_once_another_status_is_delivered(state: State) -> None:
    stage(state, decision("7", "shipped"))
    (push,) = take(state)
    decide(state, ACCEPTED)
    assert not receive(state).is_ours
    written_down(state, outcome(push))
    assert receive(state).is_ours
