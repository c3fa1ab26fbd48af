"""Whether the daemon's threads do their work, and whether the machine's clock is one to schedule by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

CLOCK_STEP = timedelta(seconds=2)


class ClockWatch:
    """Notices that the wall clock was set. A machine that was suspended looks the same: its clock went ahead."""

    def __init__(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._last = clock(), monotonic()

    def step(self) -> timedelta:
        """By how much the clock was set ahead, or back if negative, since this was asked last; 0: not to speak of."""
        (wall, ticks), self._last = self._last, (self._clock(), self._monotonic())
        step = self._last[0] - wall - timedelta(seconds=self._last[1] - ticks)
        return step if abs(step) > CLOCK_STEP else timedelta()


class Pulses:
    """Each thread promises when it will be heard of next; one that is silent for longer is stuck. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._lock = Lock()

    def beat(self, thread: str, seconds: float) -> None:
        """`thread` is at work, and will be heard of again within `seconds`."""
        with self._lock:
            self._due[thread] = self._monotonic() + seconds

    def end(self, thread: str) -> None:
        """`thread` has nothing to do for now."""
        with self._lock:
            self._due.pop(thread, None)

    def stuck(self) -> dict[str, float]:
        """The stuck threads, and for how many seconds they have been overdue."""
        now = self._monotonic()
        with self._lock:
            return {thread: now - due for thread, due in self._due.items() if now > due}
