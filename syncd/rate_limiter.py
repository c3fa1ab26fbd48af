"""The token bucket behind every rate limit here: pushes, requests to an API, cancellations taken in, log lines."""

from __future__ import annotations

from threading import Lock

_ROUNDING = 1e-9


class RateLimiter:
    """Lets `per_second` calls a second through on average; 0: no limit. At first, and after a pause, up to `capacity`
    calls go through at once; with a capacity of 1 they are spaced evenly.

    Every `now` is in seconds of a monotonic clock; time that seems to go back counts as standing still. Thread-safe.
    """

    def __init__(self, per_second: float, capacity: float = 1.0) -> None:
        self._per_second = per_second
        self._capacity = capacity
        self._tokens = capacity
        self._at: float | None = None
        self._lock = Lock()

    def take(self, now: float) -> bool:
        """Whether a call may go through now; if so, it is counted."""
        with self._lock:
            if self._per_second and self._refilled(now) < 1 - _ROUNDING:
                return False
            self._tokens -= 1
            return True

    def reserve(self, now: float) -> float:
        """Count one call, and return the time at which it may go through: `now`, or later."""
        with self._lock:
            if not self._per_second:
                return now
            self._tokens = self._refilled(now) - 1
            return now + max(0.0, -self._tokens / self._per_second)

    def seconds_until(self, now: float) -> float:
        """In how many seconds the next call may go through; 0: now."""
        with self._lock:
            if not self._per_second:
                return 0.0
            return max(0.0, (1 - self._refilled(now)) / self._per_second)

    def room(self, want: int, now: float, horizon: float) -> int:
        """How many of `want` calls may be reserved so that each goes through within `horizon` seconds."""
        with self._lock:
            if not self._per_second:
                return want
            return max(0, min(want, int(self._refilled(now) + horizon * self._per_second + _ROUNDING)))

    def _refilled(self, now: float) -> float:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now if self._at is None else max(self._at, now)
        self._tokens = min(self._capacity, self._tokens + passed * self._per_second)
        return self._tokens
