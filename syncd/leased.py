"""The outbox of a daemon that may lose its lease, and with it the right to deliver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from syncd.model import Outcome, Pause, Push
from syncd.observe import Observer
from syncd.state import State


class LeasedOutbox:
    """Satisfies `syncd.deliver.Outbox`. While not `leading`, outcomes are written down, but nothing is taken.

    A lease that was lost may have been another daemon's in between. So nothing is taken until all that is in flight
    here has come back, and `patience` has passed, in which all that is in flight there ends. What is then still marked
    as being sent was left behind, and is due again.
    """

    def __init__(
        self,
        state: State,
        leading: Callable[[], bool],
        observer: Observer,
        patience: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self._state = state
        self._leading = leading
        self._observer = observer
        self._patience = patience.total_seconds()
        self._monotonic = monotonic
        self._in_flight = 0
        self._losses = 0  # written by `lost` alone, and the next by the delivery loop alone: no lock is needed
        self._recovered_losses = 0
        self._patient_until = 0.0

    def lost(self) -> None:
        """The lease was lost. To be called before it is taken again; any thread may do so."""
        self._patient_until = self._monotonic() + self._patience
        self._losses += 1

    def recover(self, now: datetime) -> int:
        return self._state.recover(now)

    def turn(self, outcomes: Sequence[Outcome], limit: int, pause: Pause | None, now: datetime) -> list[Push]:
        self._observer.paused(pause)
        with self._observer.writing(proves=bool(outcomes)):
            pushes = self._state.turn(outcomes, limit if limit and self._may_take(now) else 0, pause, now)
        self._in_flight += len(pushes) - len(outcomes)
        return pushes

    def _may_take(self, now: datetime) -> bool:
        if not self._leading():
            return False
        losses = self._losses
        if losses != self._recovered_losses:
            if self._in_flight or self._monotonic() < self._patient_until:
                return False
            self.recover(now)
            self._recovered_losses = losses
        return True
