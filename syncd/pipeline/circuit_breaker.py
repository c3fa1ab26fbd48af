"""Whether delivery flows or is paused. No clock, no I/O: time comes in.

Delivery is paused by what stops every push: a key that is not accepted, a host that does not answer. A pause costs no
change an attempt. Single probes, at growing intervals, find out when it is over.
"""

from __future__ import annotations

from datetime import datetime
from random import Random

from syncd.errors import PushError
from syncd.model import Pause
from syncd.pipeline.backoff import LONGEST_PROBE, probe_after

PAUSE_REASONS = ("unauthorized", "unreachable", "tls", "redirect", "no_answer")
SUSPECT_AFTER = 5
"""If pushes of so many orders in a row got no answer, the endpoint counts as unreachable."""


class CircuitBreaker:
    """Pauses and resumes delivery by the results of pushes. Only the delivery loop calls it; workers read `pause`."""

    def __init__(self, rng: Random) -> None:
        self.pause: Pause | None = None
        self._rng = rng
        self._probe_at: datetime | None = None
        self._failed_probes = 0
        self._unanswered: set[str] = set()

    def may_probe(self, now: datetime) -> bool:
        """Whether a probe is due. One that lies further ahead than LONGEST_PROBE shows that the clock was set back."""
        return self._probe_at is None or not now < self._probe_at <= now + LONGEST_PROBE

    def answered(self) -> None:
        """IMSHOP answered, whatever it said: delivery flows."""
        self.pause = None
        self._probe_at = None
        self._failed_probes = 0
        self._unanswered.clear()

    def failed(self, order_id: str, error: PushError, now: datetime) -> None:
        """A push failed. Pauses delivery if no other push can succeed, or if too many got no answer."""
        if error.pauses_delivery:
            self._open(error.pauses_delivery, str(error), now)
        elif error.answered:
            self.answered()
        elif self.pause:
            self._open(self.pause.reason, str(error), now)
        else:
            self._unanswered.add(order_id)
            if len(self._unanswered) >= SUSPECT_AFTER:
                self._open("no_answer", str(error), now)

    def _open(self, reason: str, detail: str, now: datetime) -> None:
        since = self.pause.since if self.pause else now
        self.pause = Pause(reason, since, detail)
        if self.may_probe(now):  # else this was no probe, but was in flight already when delivery was paused
            self._probe_at = now + probe_after(self._failed_probes, self._rng)
            self._failed_probes += 1
