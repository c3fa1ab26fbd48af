"""What the daemon does on a schedule, each job within a boundary: a fault is told, counted, and the next tick runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncd.errors import LeaseLostError, SettingsError, SourceError, StateError, SyncdError
from syncd.logs import fields
from syncd.pipeline.poll import Poller
from syncd.pipeline.staging import PollKind, PollResult
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime.health import Pulses
from syncd.runtime.metrics import Metrics
from syncd.runtime.observer import Observer
from syncd.state import Lease, State

log = logging.getLogger("syncd")

QUIET_SECONDS = 360.0
"""A poll from which nothing is heard for longer is stuck: no statement of a source may take more than 300 s."""

WAIT_SECONDS = 0.2


class StopError(SyncdError):
    """The daemon ends, or may not poll any more, so the poll under way is abandoned; what it has not staged is found
    again."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """`poller` polls for a state under the lease `polling`: the right to poll, which `syncd once` may have just now, or
    a daemon that is gone had; `patience`: for how many seconds it is waited for. `leading`: whether this daemon may
    work; `staged`: called when changes may wait to be pushed; `pause` waits so many seconds, True: the daemon ends."""

    poller: Poller
    state: State
    statuses: StatusesFile
    observer: Observer
    metrics: Metrics
    pulses: Pulses
    interval: timedelta
    retention: timedelta
    clock: Callable[[], datetime]
    leading: Callable[[], bool]
    polling: Lease
    patience: float
    staged: Callable[[], None]
    pause: Callable[[float], bool]

    def expect_poll(self) -> None:
        """A scheduler that does not even begin shows as a stuck thread too."""
        self.pulses.beat("poll", self.interval.total_seconds() + QUIET_SECONDS)

    def poll(self) -> None:
        """Ends with a promise of the next poll, so that a scheduler that runs no more shows as a stuck thread."""
        self._poll("poll", "incremental", self.poller.poll)
        self.expect_poll()

    def reconcile(self) -> None:
        self._poll("reconcile", "full", self.poller.reconcile)

    def housekeep(self) -> None:
        with self._boundary("housekeeping"):
            if self.leading():
                pruned = self.state.prune(self.clock(), self.retention)
                log.debug("pruned", extra=fields(changes=pruned.changes, orders=pruned.orders))
                self.observer.unfinished(self.state.inbox.fail_unfinished(self.clock(), self.clock()))

    def hasten(self) -> None:
        """What waits for its time is tried now: the clock that the time was set by is no more."""
        with self._boundary("hastening"):
            self.state.outbox.make_all_due(self.clock())
        self.staged()

    def take_over(self, until: datetime) -> None:
        """This daemon leads from now on: what an earlier one was to have applied by then is left unfinished."""
        with self._boundary("takeover"):
            self.observer.unfinished(self.state.inbox.fail_unfinished(until, self.clock()))

    def _poll(self, job: str, kind: PollKind, poll: Callable[[datetime], PollResult]) -> None:
        with self._boundary(job):
            if not self.leading():
                return
            if not self._may_poll():
                log.info("poll_left_out", extra=fields(job=job, polls=self.polling.last_holder()))
                return
            try:
                self._polled(kind, poll)
            finally:
                self.polling.release()
            self.staged()

    def _may_poll(self) -> bool:
        """A daemon that led until just now may have been polling: its right to do so ends soon after."""
        ends_at = time.monotonic() + self.patience
        while not self.polling.acquire():
            if time.monotonic() >= ends_at or not self.leading():
                return False
            if self.pause(WAIT_SECONDS):
                raise StopError
        return True

    def _polled(self, kind: PollKind, poll: Callable[[datetime], PollResult]) -> None:
        self._refresh_statuses()
        started = time.monotonic()
        try:
            with self.observer.writing():
                result = poll(self.clock())
        except LeaseLostError:
            raise StopError from None
        except (SourceError, StateError) as error:
            self.metrics.poll_failed(kind, time.monotonic() - started)
            self.observer.poll_failed(kind, str(error))
        except StopError:
            raise
        except Exception:
            self.metrics.poll_failed(kind, time.monotonic() - started)
            raise
        else:
            self.observer.polled(result, time.monotonic() - started)

    def _refresh_statuses(self) -> None:
        try:
            self.statuses.refresh()
        except SettingsError as error:
            log.error(
                "statuses_file_unusable", extra=fields(error=str(error), do="mend it; the last good one is in force")
            )

    @contextmanager
    def _boundary(self, job: str) -> Iterator[None]:
        self.pulses.beat(job, QUIET_SECONDS)
        try:
            yield
        except (StopError, LeaseLostError):
            log.info("job_abandoned", extra=fields(job=job))
        except StateError as error:
            log.error("state_failed", extra=fields(job=job, error=str(error)))
        except Exception:  # the boundary of the job: told once, counted, and the next tick runs
            log.exception("job_crashed", extra=fields(job=job))
            self.metrics.crashed(job)
        finally:
            self.pulses.end(job)
