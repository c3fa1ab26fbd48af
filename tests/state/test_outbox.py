"""What is taken to be sent, and in which order."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from syncd.model import Content, Pause, Payment
from syncd.state import State
from tests.made import NOON
from tests.state.made import (
    DAY,
    MINUTE,
    another,
    decision,
    deliver,
    end_claims,
    outcome,
    stage,
    states,
    take,
    the,
    write_down,
)


def test_nothing_is_due_in_a_new_state(state: State) -> None:
    assert take(state) == []


def test_push_carries_all_of_the_change(state: State) -> None:
    stage(state, decision("№7", "packed", 3, message="Готов", imshop_uuid="u1"))
    (push,) = take(state)
    assert (push.order_id, push.revision, push.status, push.code) == ("№7", 3, "packed", "packed")
    assert (push.message, push.imshop_uuid, push.payment) == ("Готов", "u1", None)
    assert (push.detected_at, push.source_updated_at) == (NOON, NOON - MINUTE)
    assert (push.attempts, push.refusals, push.failing_since, push.in_doubt) == (0, 0, None, False)


def test_what_is_due_longest_goes_first(state: State) -> None:
    stage(state, decision("1"), now=NOON + 2 * MINUTE)
    stage(state, decision("2"), now=NOON)
    stage(state, decision("3"), now=NOON + MINUTE)
    assert [push.order_id for push in take(state, 2, NOON + 2 * MINUTE)] == ["2", "3"]


def test_oldest_of_simultaneously_due_changes_goes_first(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "312"))
    assert [push.order_id for push in take(state)] == ["3", "1", "2"]


def test_what_is_not_due_yet_is_not_taken(state: State) -> None:
    stage(state, decision(), now=NOON + MINUTE)
    assert take(state, now=NOON) == []


def test_no_more_is_taken_than_asked_for(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "123"))
    assert (len(take(state, 2)), len(take(state, 0)), len(take(state, 2))) == (2, 0, 1)


def test_what_is_being_sent_is_not_taken_again(state: State) -> None:
    stage(state, decision())
    assert (len(take(state)), len(take(state))) == (1, 0)


def test_order_being_sent_gives_no_further_push(state: State) -> None:
    stage(state, decision(status="packed"), decision("8"))
    assert [push.status for push in take(state, 1)] == ["packed"]
    stage(state, decision(status="sent", revision=2))
    assert [push.order_id for push in take(state)] == ["8"]


def test_only_the_newest_waiting_change_is_taken(state: State) -> None:
    """Two changes of one order should never wait, but the database could hold them."""
    stage(state, decision(status="packed"))
    stage(state, decision(status="sent", revision=2))
    with state.store.write() as connection:
        connection.execute(text("UPDATE changes SET state = 'pending', ended_at = NULL"))
    assert [push.status for push in take(state)] == ["sent"]


def test_blocked_order_leaves_its_place_to_others(state: State) -> None:
    stage(state, decision("7"))
    take(state)
    stage(state, decision("7", revision=2))
    stage(state, decision("8"), now=NOON + MINUTE)
    assert [push.order_id for push in take(state, 1, NOON + MINUTE)] == ["8"]


def test_delivering_while_changes_are_due_or_under_way(state: State) -> None:
    assert not state.outbox.is_delivering(NOON)
    stage(state, decision("7"))
    assert (state.outbox.is_delivering(NOON - MINUTE), state.outbox.is_delivering(NOON)) == (False, True)
    (push,) = take(state)
    assert state.outbox.is_delivering(NOON - MINUTE)
    write_down(state, outcome(push, "retry", next_attempt_at=NOON + MINUTE))
    assert (state.outbox.is_delivering(NOON), state.outbox.is_delivering(NOON + MINUTE)) == (False, True)


def test_a_uuid_that_several_orders_carry_is_shared(state: State) -> None:
    stage(state, *(decision(order_id, imshop_uuid=uuid) for order_id, uuid in (("1", "u1"), ("2", "u1"), ("3", "u3"))))
    stage(state, decision("4"))
    shared = {push.order_id: push.uuid_is_shared for push in take(state)}
    assert shared == {"1": True, "2": True, "3": False, "4": False}


def test_uuid_is_shared_also_with_idle_orders(state: State) -> None:
    """An order that has no change waiting counts too."""
    stage(state, decision("1", imshop_uuid="u1"))
    deliver(state)
    stage(state, decision("2", imshop_uuid="u1"))
    assert [push.uuid_is_shared for push in take(state)] == [True]


@pytest.mark.parametrize(
    ("content", "payment"),
    [
        ({"paid": True, "payment_id": "p1"}, Payment(paid=True, payment_id="p1")),
        ({"paid": False, "payment_id": "p1"}, Payment(paid=False, payment_id=None)),
        ({"paid": False}, Payment(paid=False, payment_id=None)),
        ({"paid": True, "payment_id": None}, None),
        ({"paid": True, "payment_id": ""}, None),
        ({"paid": True}, None),
        ({"paid": None, "payment_id": "p1"}, None),
        ({}, None),
    ],
)
def test_payment_goes_out_whole_or_not(state: State, content: Content, payment: Payment | None) -> None:
    stage(state, decision(content={"status": "packed", **content}, with_payment=True))
    assert [push.payment for push in take(state)] == [payment]


def test_a_payment_that_did_not_change_stays_out(state: State) -> None:
    stage(state, decision(content={"status": "packed", "paid": True, "payment_id": "p1"}))
    assert [push.payment for push in take(state)] == [None]


@pytest.fixture
def writes(state: State) -> list[str]:
    """The writing transactions that the state began since."""
    began: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "IMMEDIATE" in statement or "advisory" in statement:
            began.append(statement)

    event.listen(state.store.engine, "before_cursor_execute", note)
    return began


def test_a_turn_that_finds_nothing_locks_out_nobody(state: State, writes: list[str]) -> None:
    stage(state, decision(hold="guard"))
    writes.clear()
    take(state)
    state.outbox.record_and_claim([], 0, None, NOON)
    assert writes == []


def test_empty_turn_works_while_another_process_writes(state: State, url: str) -> None:
    with another(url) as other, other.polls.staging():
        assert take(state) == []


def test_a_pause_is_written_once(state: State, writes: list[str]) -> None:
    pause = Pause("unauthorized", NOON, "IMSHOP does not accept the key")
    for _ in range(3):
        state.outbox.record_and_claim([], 0, pause, NOON)
    assert (state.reports.summary().pause, len(writes)) == (pause, 1)


def test_the_end_of_a_pause_is_written(state: State) -> None:
    state.outbox.record_and_claim([], 0, Pause("unauthorized", NOON, "IMSHOP does not accept the key"), NOON)
    state.outbox.record_and_claim([], 0, None, NOON)
    assert state.reports.summary().pause is None


def crashed(url: str) -> closing[State]:
    """The process that took changes is gone, and the next one has begun."""
    return another(url)


def test_crash_delays_only_what_may_be_sending(state: State, url: str) -> None:
    """What the crashed process may still be sending waits; other orders go out."""
    stage(state, decision("1"), decision("2"))
    take(state, 1)
    with crashed(url) as after:
        assert after.outbox.claims_of_others() is None
        assert [push.order_id for push in take(after)] == ["2"]
        assert after.outbox.claims_of_others() == 1
        assert take(after) == []


def test_expired_claim_is_due_in_doubt(state: State, url: str) -> None:
    stage(state, decision("1"), decision("2"))
    take(state, 1)
    with crashed(url) as after:
        take(after)
        end_claims(after)
        again = take(after, now=NOON + MINUTE)
        assert [(push.order_id, push.in_doubt, push.claim) for push in again] == [("1", True, 2)]
        assert after.outbox.claims_of_others() == 0


def test_a_claim_lasts_as_long_as_it_says(state: State, url: str) -> None:
    stage(state, decision())
    state.outbox.record_and_claim([], 1, None, NOON, timedelta(0))
    with crashed(url) as after:
        assert [push.order_id for push in take(after)] == ["7"]


def test_claim_ends_when_clock_is_set_back(state: State, url: str) -> None:
    stage(state, decision())
    state.outbox.record_and_claim([], 1, None, NOON, DAY)
    with crashed(url) as after:
        assert [push.order_id for push in take(after)] == ["7"]


def test_what_a_clock_ahead_left_behind_is_due(state: State) -> None:
    """It was set back while no daemon ran. An order that waits as IMSHOP asked for still does."""
    stage(state, decision("1"), now=NOON - MINUTE)
    stage(state, decision("2"), now=NOON)
    stage(state, decision("3"), now=NOON + DAY)
    (one, another) = take(state)
    write_down(state, outcome(one, "retry", next_attempt_at=NOON + MINUTE))
    write_down(state, outcome(another, "retry", now=NOON + DAY, next_attempt_at=NOON + DAY))
    state.outbox.leadership_gained(NOON + MINUTE / 2)
    assert sorted(push.order_id for push in take(state, now=NOON + MINUTE / 2)) == ["2", "3"]


def test_own_push_under_way_is_not_left_behind(state: State) -> None:
    stage(state, decision())
    (push,) = take(state)
    end_claims(state)
    state.outbox.leadership_gained(NOON)
    assert (take(state), state.outbox.claims_of_others()) == ([], 0)
    write_down(state, outcome(push))
    assert states(state) == ["delivered"]


def test_newer_change_replaces_a_crashed_push(state: State, url: str) -> None:
    stage(state, decision(status="packed"))
    take(state)
    with crashed(url) as after:
        stage(after, decision(status="sent", revision=2))
        assert take(after) == []
        end_claims(after)
        assert deliver(after) == ["sent"]
    assert states(state) == ["superseded", "delivered"]


def test_after_a_crash_nobody_knows_what_imshop_knows(state: State, url: str) -> None:
    stage(state, decision(status="packed"))
    take(state)
    stage(state, decision(status="sent", revision=2))
    end_claims(state)
    with crashed(url) as after:
        after.outbox.record_and_claim([], 0, Pause("unauthorized", NOON, "no"), NOON)
        assert (states(after), the(after).told) == (["superseded", "pending"], None)


def test_held_change_does_not_replace_crashed_push(state: State, url: str) -> None:
    """The held change may yet be discarded."""
    stage(state, decision(status="packed"))
    take(state)
    stage(state, decision(status="sent", revision=2, hold="guard"))
    end_claims(state)
    with crashed(url) as after:
        assert [push.status for push in take(after)] == ["packed"]
        assert states(after) == ["pending", "held"]


def test_nothing_is_left_behind_without_pushes(state: State) -> None:
    stage(state, decision())
    assert take(state)[0].in_doubt is False
    assert state.outbox.claims_of_others() == 0


def test_late_report_ends_the_wait_after_crash(state: State, url: str) -> None:
    stage(state, decision())
    (push,) = take(state)
    with crashed(url) as after:
        assert (take(after), after.outbox.claims_of_others()) == ([], 1)
        state.outbox.record([outcome(push, "unsent")])
        assert [(push.order_id, push.in_doubt) for push in take(after)] == [("7", False)]


def lose_the_end_of_a_turn(state: State) -> None:
    """A connection that is cut right at the commit: it is done, but nobody was told."""

    def cut(connection: Connection) -> None:
        if connection.get_execution_options().get("writes"):
            event.remove(state.store.engine, "commit", cut)
            connection.connection.commit()
            raise ConnectionResetError

    event.listen(state.store.engine, "commit", cut)
    with pytest.raises(ConnectionResetError):
        state.outbox.record_and_claim([], 5, None, NOON)


def test_next_turn_takes_what_lost_turn_took(state: State) -> None:
    """The turn was committed, but its end was lost, so nobody sends what it took."""
    stage(state, decision("1"), decision("2"), decision("3"))
    sent = take(state, 1) + take(state, 1)
    lose_the_end_of_a_turn(state)
    assert [(push.order_id, push.in_doubt) for push in take(state)] == [("3", False)]
    write_down(state, *map(outcome, sent))
    assert states(state) == ["delivered", "delivered", "pending"]


def test_next_turn_takes_lost_retries_too(state: State) -> None:
    """Also a change that had been sent once before is taken again."""
    stage(state, decision())
    (push,) = take(state)
    write_down(state, outcome(push, "retry", in_doubt=True))
    lose_the_end_of_a_turn(state)
    assert [push.order_id for push in take(state)] == ["7"]


def test_lost_turn_does_not_reclaim_anothers_push(state: State, url: str) -> None:
    stage(state, decision())
    lose_the_end_of_a_turn(state)
    with another(url) as leader:
        end_claims(leader)
        assert [push.order_id for push in take(leader, now=NOON + MINUTE)] == ["7"]
        stage(leader, decision("8"), now=NOON + MINUTE)
        assert [push.order_id for push in take(state, now=NOON + MINUTE)] == ["8"]


def test_what_waits_for_its_time_can_be_hastened(state: State) -> None:
    stage(state, decision(), now=NOON + MINUTE)
    assert (take(state, now=NOON), state.outbox.make_all_due(NOON)) == ([], 1)
    assert [push.order_id for push in take(state, now=NOON)] == ["7"]
