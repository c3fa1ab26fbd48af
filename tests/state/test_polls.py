"""Where polling stands survives, and says how the source does."""

from __future__ import annotations

from syncd.model import Baseline
from syncd.state import State
from tests.made import NOON
from tests.state.made import MINUTE, another


def test_a_new_state_has_neither_cursor_nor_baseline(state: State) -> None:
    assert state.polls.cursor() is None
    assert state.polls.baseline() is None


def test_the_cursor_is_what_was_set_last(state: State) -> None:
    state.polls.set_cursor("one")
    state.polls.set_cursor('{"type":"text","value":"2026-11-23 12:00:00"}')
    assert state.polls.cursor() == '{"type":"text","value":"2026-11-23 12:00:00"}'


def test_staging_moves_the_cursor(state: State) -> None:
    with state.polls.staging() as staging:
        staging.set_cursor("two")
    assert state.polls.cursor() == "two"


def test_the_baseline_is_kept_to_the_microsecond(state: State) -> None:
    baseline = Baseline(NOON, NOON.replace(microsecond=123456))
    state.polls.set_baseline(baseline)
    assert state.polls.baseline() == baseline


def test_baseline_of_empty_shop_has_no_newest_order(state: State) -> None:
    state.polls.set_baseline(Baseline(NOON, None))
    assert state.polls.baseline() == Baseline(NOON, None)


def test_failed_poll_is_recorded_with_its_error(state: State) -> None:
    state.polls.record_poll(NOON, None)
    state.polls.record_poll(NOON + MINUTE, "the shop is closed")
    state.polls.record_poll(NOON + 2 * MINUTE, "the shop is still closed")
    source = state.reports.summary().source
    assert (source.last_poll_at, source.last_success_at) == (NOON + 2 * MINUTE, NOON)
    assert (source.last_error, source.consecutive_failures) == ("the shop is still closed", 2)


def test_a_poll_that_went_well_ends_the_failures(state: State) -> None:
    state.polls.record_poll(NOON, "the shop is closed")
    state.polls.record_poll(NOON + MINUTE, None)
    source = state.reports.summary().source
    assert (source.last_success_at, source.last_error, source.consecutive_failures) == (NOON + MINUTE, None, 0)


def test_another_process_sees_the_same_cursor(state: State, url: str) -> None:
    state.polls.set_cursor("one")
    with another(url) as other:
        assert other.polls.cursor() == "one"
