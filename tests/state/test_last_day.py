"""What happened lately, for the status page."""

from __future__ import annotations

import re
from contextlib import closing

from sqlalchemy import event

from syncd.state import State, open_state
from syncd.state.polls import POLLS_KEPT
from syncd.state.reports import HALF_HOUR, HALF_HOURS, LAGS_KEPT
from tests.made import NOON
from tests.state.made import DAY, MINUTE, decision, outcome, stage, take, write_down


def test_day_is_cut_into_slots_ending_now(state: State) -> None:
    day = state.reports.last_day(NOON)
    assert (len(day), day[0].since, day[-1].since) == (HALF_HOURS, NOON - DAY, NOON - HALF_HOUR)
    assert {(slot.pushed, tuple(slot.lags)) for slot in day} == {(0, ())}


def test_push_counts_in_the_slot_of_delivery(state: State) -> None:
    """Its lag is the time from the shop's change to the delivery."""
    stage(state, decision("1"), decision("2"))
    first, second = take(state)
    took = NOON + MINUTE
    write_down(state, outcome(first, now=took), outcome(second, now=took + 2 * MINUTE))
    slots = [slot for slot in state.reports.last_day(NOON + HALF_HOUR) if slot.pushed]
    assert [(slot.since, slot.pushed, slot.lags) for slot in slots] == [(NOON, 2, [120.0, 240.0])]


def test_lag_falls_back_to_detection_time(state: State) -> None:
    """Without the shop's time the lag counts from the detection, and it is never negative."""
    untimed, ahead = decision("1"), decision("2")
    assert untimed.change
    assert ahead.change
    stage(
        state,
        untimed._replace(change=untimed.change._replace(source_updated_at=None)),
        ahead._replace(change=ahead.change._replace(source_updated_at=NOON + DAY)),
    )
    write_down(state, *(outcome(push, now=NOON + MINUTE) for push in take(state)))
    assert state.reports.last_day(NOON + HALF_HOUR)[-1].lags == [0.0, 60.0]


def test_pushes_are_counted_and_lags_are_sampled(state: State) -> None:
    stage(state, *(decision(str(number)) for number in range(LAGS_KEPT + 5)))
    write_down(state, *(outcome(push, now=NOON) for push in take(state, 1000)))
    slot = state.reports.last_day(NOON + MINUTE)[-1]
    assert (slot.pushed, len(slot.lags)) == (LAGS_KEPT + 5, LAGS_KEPT)


def test_refused_and_older_pushes_are_not_counted(state: State) -> None:
    stage(state, decision("1"), decision("2"))
    first, second = take(state)
    write_down(state, outcome(first, "refused"), outcome(second, now=NOON - DAY))
    assert sum(slot.pushed for slot in state.reports.last_day(NOON + MINUTE)) == 0


def test_oldest_change_of_each_state_is_reported(state: State) -> None:
    assert state.reports.oldest_by_state() == {}
    stage(state, *(decision(str(number)) for number in range(4)), now=NOON)
    one, two, three, four = take(state)
    later = NOON + MINUTE
    write_down(state, outcome(one, "dead", now=later), outcome(two, "refused", now=NOON + 2 * MINUTE))
    write_down(state, outcome(three, "dead", now=NOON + 3 * MINUTE), outcome(four))
    stage(state, decision("5", hold="guard"), now=later)
    stage(state, decision("6", "sent", hold="guard"), decision("7", "odd", hold="status"), now=NOON + DAY)
    assert state.reports.oldest_by_state() == {"held": later, "dead": later, "refused": NOON + 2 * MINUTE}


def test_newest_changes_come_with_their_last_attempt(state: State) -> None:
    stage(state, decision("1"), decision("2"), decision("3"))
    pushes = take(state)
    write_down(state, *(outcome(push, "retry", error="busy") for push in pushes[1:]))
    write_down(state, *(outcome(push) for push in take(state)[:1]))
    told = state.reports.newest_changes(2)
    assert [(one.change.order_id, one.last and one.last.result) for one in told] == [("3", "retry"), ("2", "delivered")]
    assert [one.last for one in state.reports.newest_changes(3)][-1] is None


def test_only_the_last_few_polls_are_kept(state: State) -> None:
    assert state.reports.summary().polls == ()
    state.polls.record_poll(NOON, "the shop is gone", kind="full")
    for number in range(POLLS_KEPT - 1):
        state.polls.record_poll(NOON + number * MINUTE, None, rows=number, changes=1)
    polls = state.reports.summary().polls
    assert (len(polls), polls[-1].error, polls[-1].kind) == (POLLS_KEPT, "the shop is gone", "full")
    assert (polls[0].at, polls[0].rows, polls[0].changes, polls[0].error) == (NOON + 8 * MINUTE, 8, 1, None)
    state.polls.record_poll(NOON, None)
    assert "the shop is gone" not in [poll.error for poll in state.reports.summary().polls]


def test_status_page_reads_changes_by_index(sqlite_state: str) -> None:
    with closing(open_state(sqlite_state, redact=str)) as state:
        asked: list[str] = []
        event.listen(state.store.engine, "before_cursor_execute", lambda *called: asked.append(called[2]))
        state.reports.last_day(NOON)
        state.reports.oldest_by_state()
        state.reports.newest_changes(3)
        with state.store.read() as connection:
            plans = {
                sql: str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?")).all())
                for sql in set(asked)
                if sql.startswith("SELECT")
            }
    whole = re.compile(r"SCAN \w+'")
    assert [sql for sql, plan in plans.items() if whole.search(plan) and "LIMIT" not in sql] == []
    assert "SEARCH changes USING COVERING INDEX changes_ended" in str(plans)
