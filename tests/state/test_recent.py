"""What the state shows of the last pushes, changes and polls."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.model import Answer, Decision, FoundBy, OddRows
from syncd.refusal_score import RefusalScore
from syncd.state import State
from syncd.state.outcomes import answered_status
from syncd.state.reports import COUNTED
from syncd.verdict import codes_in_words
from tests.made import NOON
from tests.state.made import MINUTE, decision, deliver, outcome, stage, states, take, write_down


def found(order_id: str, lag: timedelta, found_by: FoundBy = "cursor") -> Decision:
    one = decision(order_id)
    assert one.change
    return one._replace(change=one.change._replace(source_updated_at=NOON - lag, found_by=found_by))


def test_each_change_shows_its_last_push(state: State) -> None:
    stage(state, *(decision(order_id) for order_id in "123"))
    first, second, third = take(state)
    write_down(
        state,
        outcome(first, answer=Answer(200, "1", "u", "packed, or so", "processing", "thanks, uuid x")),
        outcome(second, "retry", refused=True, http_status=200, error="no such order"),
        outcome(third, "retry", http_status=503, error="HTTP 503"),
    )
    pushes = {push.order_id: push for push in state.reports.recent().pushes}
    assert [(pushes[one].delivered, pushes[one].refused) for one in "123"] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert (pushes["1"].new_status, pushes["1"].imshop_status, pushes["1"].error) == (
        "packed, or so",
        "processing",
        None,
    )
    assert (pushes["2"].new_status, pushes["2"].error) == (None, "no such order")
    again = take(state, now=NOON + MINUTE)
    write_down(state, *(outcome(push, "refused", now=NOON + MINUTE) for push in again if push.order_id == "2"))
    assert [push.order_id for push in state.reports.recent().pushes].count("2") == 1
    assert state.reports.recent().pushes[0].result == "refused"


@pytest.mark.parametrize(
    ("detail", "status"),
    [
        (None, None),
        ("HTTP 503", None),
        ("newStatus packed", "packed"),
        ("newStatus packed, message imshopStatus, uuid", "packed"),
        ("imshopStatus processing", None),
    ],
)
def test_answered_status_is_read_from_the_detail(detail: str | None, status: str | None) -> None:
    assert answered_status(detail) == status


def test_longest_quiet_of_the_shop_is_known(state: State) -> None:
    """Not of the deliveries: what waited to be delivered had changed before."""
    delivered = [(0, 0), (2, 2), (3, 9), (10, 10)]
    for changed, told in delivered:
        stage(state, found(str(told), -changed * MINUTE), now=NOON + told * MINUTE)
        deliver(state, now=NOON + told * MINUTE)
    known = state.reports.summary()
    assert (known.delivers_since, known.longest_quiet) == (NOON, 2 * MINUTE)


def test_order_dated_in_the_future_is_no_quiet(state: State) -> None:
    for minute, dated in ((0, timedelta()), (1, timedelta(days=-20_000))):
        stage(state, found(str(minute), dated), now=NOON + minute * MINUTE)
        deliver(state, now=NOON + minute * MINUTE)
    assert state.reports.summary().longest_quiet == MINUTE


def test_lag_of_each_poll_is_that_of_its_newest_change(state: State) -> None:
    stage(state, found("1", 3 * MINUTE), found("2", MINUTE), found("3", timedelta(), "lookback"))
    stage(state, found("4", timedelta()), now=NOON + MINUTE)
    assert state.reports.recent().lags == [MINUTE, MINUTE]


def test_change_that_was_refused_does_not_wait(state: State) -> None:
    assert state.reports.recent().waiting_since is None
    stage(state, decision("1"))
    write_down(state, *(outcome(push, "retry", refused=True, http_status=200) for push in take(state)))
    stage(state, decision("2"), now=NOON + MINUTE)
    assert state.reports.recent().waiting_since == NOON + MINUTE


def test_unlisted_codes_are_counted(state: State) -> None:
    stage(state, decision("1", "courier", hold="status"), decision("2", "courier", hold="status"))
    assert state.reports.recent().unlisted == {"courier": 2}


def test_count_of_many_unlisted_changes_is_broken_off(state: State) -> None:
    held = [decision(str(number), "courier", hold="status") for number in range(COUNTED + 1)]
    stage(state, *held, decision("odd", "odd", hold="status"))
    assert codes_in_words(state.reports.recent().unlisted) == f"courier ({COUNTED}+), odd (1)"


def test_odd_rows_last_until_a_full_compare(state: State) -> None:
    """Polls read the same row again, so their numbers are not added up."""
    skipped = OddRows(2, ("1", "2"), "no status")
    state.polls.record_poll(NOON, None, odd_rows=skipped)
    state.polls.record_poll(NOON, None, odd_rows=OddRows(1, ("3",), ahead=1, ahead_by=3 * MINUTE))
    assert state.reports.summary().odd_rows == OddRows(2, ("1", "2", "3"), "no status", 1, 3 * MINUTE)
    state.polls.record_poll(NOON, "the shop is gone")
    state.polls.record_poll(NOON, None, kind="full")
    assert state.reports.summary().odd_rows == OddRows(0, (), None, 1, 3 * MINUTE)
    state.polls.record_poll(NOON, None)
    assert state.reports.summary().odd_rows == OddRows()


def test_polls_say_how_long_they_took(state: State) -> None:
    state.polls.record_poll(NOON, None, seconds=1.23456)
    state.polls.record_poll(NOON + MINUTE, None)
    assert [poll.seconds for poll in state.reports.summary().polls] == [None, 1.235]


def test_refused_changes_are_retried_since_a_time(state: State) -> None:
    """Also those that would be tried again by themselves; not those of which IMSHOP was told something newer."""
    stage(state, *(decision(order_id) for order_id in "1234"))
    first, second, third, fourth = take(state)
    write_down(
        state,
        outcome(first, "refused", http_status=200),
        outcome(second, "refused", http_status=200, now=NOON - 2 * MINUTE),
        outcome(third, "retry", refused=True, http_status=200, next_attempt_at=NOON + 9 * MINUTE),
        outcome(fourth, "refused", http_status=200),
    )
    stage(state, decision("4", "sent", revision=2))
    deliver(state)
    done = state.operator.retry(refused_since=NOON - MINUTE, now=NOON).done
    assert (sorted(done), states(state)[:4]) == ([1, 3], ["pending", "refused", "pending", "refused"])


def test_each_refused_change_counts_once(state: State) -> None:
    """However often it is pushed; and a delivery of another change counts against it."""
    stage(state, decision("1"), decision("2"))
    for minute in (0, 1):
        now = NOON + minute * MINUTE
        write_down(state, *(outcome(push, "retry", now=now, refused=True) for push in take(state, now=now)), now=now)
    assert state.reports.summary().refusals == RefusalScore(2, 2, since=NOON)
    deliver(state, now=NOON + 2 * MINUTE)
    assert state.reports.summary().refusals == RefusalScore(usual=2)


def test_lag_of_a_change_begins_in_the_shop(state: State) -> None:
    stage(state, found("1", MINUTE), decision("2"))
    assert [one.lag for one in state.reports.changes()] == [None, None]
    deliver(state, now=NOON + MINUTE)
    assert {one.order_id: one.lag for one in state.reports.changes()} == {"1": 2 * MINUTE, "2": 2 * MINUTE}
