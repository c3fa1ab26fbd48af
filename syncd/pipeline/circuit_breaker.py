"""Whether delivery flows or is paused, and how fast pushes may leave.

Pure but for the numbers it keeps; time comes in.

A pause is for what no push can get past: a key that is not accepted, a host that is not there. It uses up no change's
attempts. One probe at a time, at growing intervals, finds out when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random

from syncd.errors import PushError
from syncd.model import Pause
from syncd.pipeline.backoff import LONGEST_PROBE, probe_after

PAUSE_REASONS = ("unauthorized", "unreachable", "tls", "redirect", "no_answer")
SUSPECT_AFTER = 5
"""So many pushes in a row without any answer, of as many orders, and the endpoint counts as dead, not the orders as
unlucky."""


class Gate:
    """Opens and closes on what pushes report. Not thread-safe: only the delivery loop touches it."""

    def __init__(self, rng: Random) -> None:
        self.pause: Pause | None = None
        self._rng = rng
        self._probe_at: datetime | None = None
        self._failed_probes = 0
        self._unanswered: set[str] = set()

    def may_probe(self, now: datetime) -> bool:
        """Whether it is time for a probe. One that is further away than any ever is shows a clock that was set back."""
        return self._probe_at is None or not now < self._probe_at <= now + LONGEST_PROBE

    def answered(self) -> None:
        """IMSHOP spoke, whatever it said: delivery flows."""
        self.pause = None
        self._probe_at = None
        self._failed_probes = 0
        self._unanswered.clear()

    def failed(self, order_id: str, error: PushError, now: datetime) -> None:
        """A push failed. Pauses delivery if it says that no other can succeed, or if too many had no answer at all."""
        if error.pauses_delivery:
            self._close(error.pauses_delivery, str(error), now)
        elif error.answered:
            self.answered()
        elif self.pause:
            self._close(self.pause.reason, str(error), now)
        else:
            self._unanswered.add(order_id)
            if len(self._unanswered) >= SUSPECT_AFTER:
                self._close("no_answer", str(error), now)

    def _close(self, reason: str, detail: str, now: datetime) -> None:
        since = self.pause.since if self.pause else now
        self.pause = Pause(reason, since, detail)
        if self.may_probe(now):  # else it is no probe: it was in flight already when delivery was paused
            self._probe_at = now + probe_after(self._failed_probes, self._rng)
            self._failed_probes += 1


class Pace:
    """Spaces pushes evenly, `rate` a second; 0: no limit. Times are in seconds of a monotonic clock."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0

    def room(self, want: int, now: float, horizon: float) -> int:
        """How many of `want` pushes may leave before `now + horizon`."""
        if not self._gap:
            return want
        first = max(self._next, now)
        return max(0, min(want, int((now + horizon - first) / self._gap) + 1)) if first <= now + horizon else 0

    def take(self, count: int, now: float) -> Sequence[float]:
        """The times at which the next `count` pushes are to leave."""
        if not self._gap:
            return [now] * count
        first = max(self._next, now)
        self._next = first + count * self._gap
        return [first + place * self._gap for place in range(count)]
