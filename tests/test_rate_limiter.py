"""The token bucket: how much goes through, when, and that idle time saves up no more than the capacity."""

from __future__ import annotations

from itertools import pairwise
from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from syncd.rate_limiter import RateLimiter

RATES = st.floats(0.5, 1000)


@given(RATES, st.integers(1, 30), st.lists(st.floats(0, 0.3), min_size=1, max_size=60))
def test_any_second_holds_at_most_rate_plus_capacity(rate: float, capacity: int, pauses: list[float]) -> None:
    limiter, now, went = RateLimiter(rate, capacity), 0.0, list[float]()
    for pause in pauses:
        went += [now] if limiter.take(now) else []
        now += pause
    for start in went:
        assert sum(start <= at < start + 1 for at in went) <= rate + capacity


@given(RATES, st.lists(st.floats(0, 0.3), min_size=1, max_size=60))
def test_reserved_calls_are_spaced_evenly(rate: float, pauses: list[float]) -> None:
    limiter, now, times = RateLimiter(rate), 0.0, list[float]()
    for pause in pauses:
        times.append(limiter.reserve(now))
        assert times[-1] >= now
        now += pause
    assert all(after - before >= 1 / rate - 1e-6 for before, after in pairwise(times))


def test_a_full_bucket_goes_at_once() -> None:
    limiter = RateLimiter(2, capacity=3)
    assert [limiter.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert limiter.seconds_until(5.0) == 0.5
    assert limiter.take(5.5)


def test_idle_time_saves_up_no_more_than_capacity() -> None:
    limiter = RateLimiter(2)
    limiter.reserve(0.0)
    assert [limiter.reserve(100.0) for _ in range(2)] == [100.0, 100.5]


def test_room_counts_what_goes_within_the_horizon() -> None:
    limiter = RateLimiter(10)
    assert limiter.room(8, 0.0, 0.2) == 3
    for _ in range(3):
        limiter.reserve(0.0)
    assert (limiter.room(8, 0.0, 0.2), limiter.room(8, 0.1, 0.2), limiter.room(8, 9.0, 1.0)) == (0, 1, 8)


def test_without_a_rate_everything_goes_at_once() -> None:
    limiter = RateLimiter(0)
    assert all(limiter.take(5.0) for _ in range(100))
    assert (limiter.reserve(5.0), limiter.seconds_until(5.0), limiter.room(8, 5.0, 0.2)) == (5.0, 0.0, 8)


def test_a_time_that_runs_back_adds_nothing() -> None:
    limiter = RateLimiter(1)
    assert limiter.take(10.0)
    assert [limiter.take(at) for at in (3.0, 9.0, 10.5, 11.0)] == [False, False, False, True]


def test_threads_share_the_tokens() -> None:
    limiter, taken = RateLimiter(1, capacity=50), list[bool]()
    threads = [Thread(target=lambda: taken.extend(limiter.take(0.0) for _ in range(20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 50
