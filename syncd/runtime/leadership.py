"""Which daemon leads: a thread renews its leases, and delivery depends on them.

    lease thread ──► renew well before the end, or take a lease that is free ──► gained: poll and deliver at once
                                                                            └──► lost: take and send nothing

A database that does not answer delays only this thread: whether a lease is held is decided by the clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread

from syncd.errors import LeaseLostError, StateError
from syncd.logs import fields
from syncd.model import Outcome, Pause, Push
from syncd.runtime.observer import Observer
from syncd.state import Lease, State

RENEW_SECONDS = 1.5  # a quarter of a lease's duration: three renewals may fail
TRY_SECONDS = 0.5  # between attempts to take a free lease, or to renew one after a failure
RELEASE_SECONDS = 3.0

log = logging.getLogger("syncd")


class Keeper:
    """Renews those of the leases that are held, as long as it runs.

    lead_with      this lease is taken, too, when it is free
    beat           called in each round
    on_reconnect   called when the database can be reached again
    while_leading  called in each round while this process leads; returns how many sessions of others it had to end
    """

    def __init__(
        self,
        leases: Sequence[Lease],
        *,
        lead_with: Lease | None = None,
        beat: Callable[[], None] = lambda: None,
        on_reconnect: Callable[[], None] = lambda: None,
        while_leading: Callable[[], int] = lambda: 0,
    ) -> None:
        self._leases = leases
        self._lead_with = lead_with
        self._beat = beat
        self._on_reconnect = on_reconnect
        self._while_leading = while_leading
        self._gained: Callable[[], None] = lambda: None
        self._lost: Callable[[], None] = lambda: None
        self._stop = Event()
        self._thread = Thread(target=self._run, name="lease", daemon=True)
        self._leads = False
        self._has_led = False
        self._unknown = False
        self._leader: str | None = None

    def start(self, gained: Callable[[], None] = lambda: None, lost: Callable[[], None] = lambda: None) -> None:
        """From now on the keeper's thread calls `gained` whenever this process begins to lead, and `lost` whenever it
        stops leading."""
        self._gained, self._lost = gained, lost
        self._leads = self._has_led = self._lead_with is not None and self._lead_with.held()
        self._thread.start()

    def close(self) -> None:
        """Release all leases, so that others can take them at once. It returns within RELEASE_SECONDS even if the
        database does not answer: then the leases end by themselves."""
        self._stop.set()
        if self._thread.ident is None:
            self._release()
        else:
            self._thread.join(RELEASE_SECONDS)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                pause = self._round()
            except Exception:  # the boundary of the thread, which must not end before the daemon does
                log.exception("lease_crashed")
                pause = TRY_SECONDS
        self._release()

    def _release(self) -> None:
        for lease in self._leases:
            try:
                lease.release()
            except StateError as error:
                log.warning("lease_not_released", extra=fields(lease=lease.name, error=str(error)))

    def _round(self) -> float:
        """Returns the seconds until the next round."""
        self._beat()
        fault: str | None = None
        for lease in self._leases:
            try:
                if lease is self._lead_with:
                    lease.acquire()
                elif lease.token is not None:
                    lease.renew()
            except StateError as error:
                fault = str(error)
        if fault and not self._unknown:
            log.warning("lease_unknown", extra=fields(error=fault))
        if self._unknown and not fault:
            self._on_reconnect()
        self._unknown = fault is not None
        if self._lead_with is not None:
            self._tell(self._lead_with)
        if self._leads and not fault:
            self._end_silent_writers()
        return TRY_SECONDS if fault or (self._lead_with is not None and not self._leads) else RENEW_SECONDS

    def _end_silent_writers(self) -> None:
        try:
            if ended := self._while_leading():
                log.warning("silent_writers_ended", extra=fields(count=ended))
        except StateError as error:
            log.warning("silent_writers_unknown", extra=fields(error=str(error)))

    def _tell(self, lease: Lease) -> None:
        """Log each change of the leader once."""
        led, self._leads = self._leads, lease.held()
        leader = None if self._leads else lease.last_holder()
        if led and not self._leads:
            log.warning("lease_lost", extra=fields(holder=leader))
            self._lost()
        elif self._leads and not led:
            log.info("lease_regained" if self._has_led else "leading")
            self._has_led = True
            self._gained()
        elif leader is not None and leader != self._leader:
            log.info("standing_by", extra=fields(holder=leader))
        self._leader = leader


@contextmanager
def kept(*leases: Lease) -> Iterator[None]:
    """These leases are renewed within the context, and released at its end."""
    keeper = Keeper(leases)
    keeper.start()
    try:
        yield
    finally:
        keeper.close()


class LeasedOutbox:
    """Satisfies `pipeline.deliver.Outbox`. While `lease` is not held, outcomes are written and nothing is taken."""

    def __init__(self, state: State, lease: Lease, observer: Observer) -> None:
        self._state = state.under(lease)
        self._lease = lease
        self._observer = observer
        self._token: int | None = None

    def record_and_claim(
        self, outcomes: Sequence[Outcome], limit: int, pause: Pause | None, now: datetime, claim: timedelta
    ) -> list[Push]:
        self._observer.paused(pause)
        token = self._lease.token if self._lease.held() else None
        # Where nothing is to be taken, nothing may be written. A daemon that does not lead has nothing else to write.
        with self._observer.writing("delivery", proves=bool(outcomes) or limit > 0 or token is None):
            if token is not None and token != self._token:
                self._state.outbox.leadership_gained(now)
                self._token = token
            if token is not None:
                try:
                    return self._state.outbox.record_and_claim(outcomes, limit, pause, now, claim)
                except LeaseLostError:
                    pass  # the keeper notices it too, and logs it
            self._state.outbox.record(outcomes)
            return []

    def claims_of_others(self) -> int | None:
        return self._state.outbox.claims_of_others()
