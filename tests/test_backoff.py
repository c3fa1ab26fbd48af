"""When a failed push is tried again, and when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import PushError
from syncd.pipeline.backoff import LONGEST_DELAY, LONGEST_PROBE, REFUSAL_DELAYS, Next, after_failure, probe_after
from tests.made import NOON, push

DAY = timedelta(hours=24)
BUSY = PushError("503", answered=True, in_doubt=True)
REFUSED = PushError("unknown order", answered=True, refused=True)
CUT = PushError("cut", in_doubt=True)


def after(error: PushError, attempts: int = 0, refusals: int = 0, failing_since: datetime | None = None) -> Next:
    tried = replace(push(), attempts=attempts, refusals=refusals, failing_since=failing_since)
    return after_failure(tried, error, NOON, DAY, Random(1))


def delay(then: Next) -> timedelta:
    assert then.at is not None
    return then.at - NOON


@given(st.integers(0, 10_000), st.integers())
def test_delay_is_random_below_a_doubling_bound(attempts: int, seed: int) -> None:
    """The bound doubles with each attempt, up to the longest delay."""
    then = after_failure(replace(push(), attempts=attempts), BUSY, NOON, DAY, Random(seed))
    assert timedelta(0) <= delay(then) <= min(LONGEST_DELAY, timedelta(seconds=2) * 2 ** min(attempts, 20))


def test_what_failed_together_does_not_come_back_together() -> None:
    rng = Random(1)
    delays = [delay(after_failure(push(), BUSY, NOON, DAY, rng)) for _ in range(200)]
    assert min(delays) < timedelta(seconds=0.2)
    assert max(delays) > timedelta(seconds=1.8)


def test_a_server_that_says_when_is_obeyed() -> None:
    then = after(PushError("429", answered=True, retry_after=120.0))
    assert timedelta(seconds=120) <= delay(then) <= timedelta(seconds=132)


def test_first_failure_kills_no_change_however_old() -> None:
    assert after(BUSY, failing_since=None).result == "retry"


def test_change_that_fails_too_long_is_dead() -> None:
    assert after(BUSY, attempts=300, failing_since=NOON - DAY + timedelta(seconds=1)).result == "retry"
    assert after(BUSY, attempts=300, failing_since=NOON - DAY) == Next("dead", "dead")


def test_clock_set_ahead_kills_no_change() -> None:
    year_ago = NOON - timedelta(days=400)
    lived = [attempts for attempts in range(300) if after(BUSY, attempts, failing_since=year_ago).state == "pending"]
    assert lived == [*range(9 + (DAY - timedelta(seconds=1022)) // LONGEST_DELAY + 1)]
    assert after(BUSY, failing_since=NOON + timedelta(days=400)).result == "retry"


def test_long_retry_after_does_not_keep_changes_forever() -> None:
    """A change is given up in time even if the server asks for long waits."""
    hourly = PushError("429", answered=True, retry_after=3600)
    assert after(hourly, attempts=23, failing_since=NOON - DAY).result == "retry"
    assert after(hourly, attempts=24, failing_since=NOON - DAY).result == "dead"


def test_a_short_limit_is_kept() -> None:
    tried = replace(push(), attempts=1, failing_since=NOON - timedelta(seconds=2))
    assert after_failure(tried, BUSY, NOON, timedelta(seconds=2), Random(1)).result == "dead"


def test_refusal_is_final_after_three_retries() -> None:
    """The three retries come within an hour."""
    delays = [delay(after(REFUSED, refusals=refusals)) for refusals in range(3)]
    assert delays == list(REFUSAL_DELAYS)
    assert sum(delays, timedelta(0)) == timedelta(hours=1)
    assert after(REFUSED, refusals=3) == Next("refused", "refused")


def test_what_pauses_delivery_uses_up_nothing() -> None:
    then = after(PushError("401", answered=True, pauses_delivery="unauthorized"), failing_since=NOON - 2 * DAY)
    assert then == Next("paused", "pending", NOON)


def test_a_probe_without_an_answer_uses_up_nothing() -> None:
    assert after_failure(push(), CUT, NOON, DAY, Random(1), probe=True).result == "paused"


def test_answered_probe_counts_like_any_other_push() -> None:
    assert after_failure(push(), BUSY, NOON, DAY, Random(1), probe=True).result == "retry"


@given(st.integers(0, 10_000), st.integers())
def test_probe_intervals_grow_to_at_most_30_seconds(failed: int, seed: int) -> None:
    waited = probe_after(failed, Random(seed))
    longest = min(LONGEST_PROBE, timedelta(seconds=1) * 2 ** min(failed, 20))
    assert longest / 2 <= waited <= longest
    assert timedelta(seconds=30) == LONGEST_PROBE


def test_times_are_utc() -> None:
    then = after(BUSY)
    assert then.at is not None
    assert then.at.tzinfo is UTC
