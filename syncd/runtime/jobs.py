"""The scheduled jobs of the daemon. Each runs within a boundary: an error is logged and counted, and the next run
comes."""

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
from syncd.pipeline.staging import PollResult
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime.health import Pulses
from syncd.runtime.metrics import Metrics
from syncd.runtime.observer import Observer
from syncd.state import Lease, State

log = logging.getLogger("syncd")

QUIET_SECONDS = 360.0
"""A poll that reports no progress for longer is stuck: no statement of a source may take more than 300 s."""

WAIT_SECONDS = 0.2


class StopError(SyncdError):
    """The daemon stops or lost the right to poll, so the running poll is abandoned. The next one finds again what it
    did not stage."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one daemon.

    poller    polls under the lease `polling`, the right to poll
    polling   `syncd once` may hold it just now, or a daemon that is gone; `patience`: seconds to wait for it
    leading   whether this daemon leads
    staged    called when changes may wait to be pushed
    pause     waits so many seconds; True: the daemon stops
    """

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
        """Report a stuck thread unless a poll begins within its interval: a scheduler that never runs shows too."""
        self.pulses.beat("poll", self.interval.total_seconds() + QUIET_SECONDS)

    def poll(self) -> None:
        """Poll, then expect the next poll, so that a scheduler that stops running shows as a stuck thread."""
        self._poll("poll", PollResult("incremental"), self.poller.poll)
        self.expect_poll()

    def reconcile(self) -> None:
        self._poll("reconcile", PollResult("full"), self.poller.reconcile)

    def housekeep(self) -> None:
        with self._boundary("housekeeping"):
            if self.leading():
                pruned = self.state.prune(self.clock(), self.retention)
                log.debug("pruned", extra=fields(changes=pruned.changes, orders=pruned.orders))
                self.observer.unfinished(self.state.inbox.fail_unfinished(self.clock(), self.clock()))

    def make_all_due(self) -> None:
        """The clock was set back: changes that wait for their next attempt are due now."""
        with self._boundary("hastening"):
            self.state.outbox.make_all_due(self.clock())
        self.staged()

    def take_over(self, until: datetime) -> None:
        """This daemon leads from now on: cancellations that an earlier one should have applied by `until` failed."""
        with self._boundary("takeover"):
            self.observer.unfinished(self.state.inbox.fail_unfinished(until, self.clock()))

    def _poll(self, job: str, result: PollResult, poll: Callable[[datetime, PollResult], PollResult]) -> None:
        with self._boundary(job):
            if not self.leading():
                self.observer.writes_nothing("poll")
                return
            if not self._may_poll():
                log.info("poll_left_out", extra=fields(job=job, polls=self.polling.last_holder()))
                return
            try:
                self._polled(result, poll)
            finally:
                self.polling.release()
            self.staged()

    def _may_poll(self) -> bool:
        """Wait for the right to poll: the former leader may have been polling, and its right ends soon."""
        ends_at = time.monotonic() + self.patience
        while not self.polling.acquire():
            if time.monotonic() >= ends_at or not self.leading():
                return False
            if self.pause(WAIT_SECONDS):
                raise StopError
        return True

    def _polled(self, result: PollResult, poll: Callable[[datetime, PollResult], PollResult]) -> None:
        self._refresh_statuses()
        self.observer.state_kept(self.state.file_fault())
        started = time.monotonic()
        try:
            with self.observer.writing("poll"):
                poll(self.clock(), result)
        except LeaseLostError:
            raise StopError from None
        except SourceError as error:
            self.metrics.poll_failed(result.kind, time.monotonic() - started)
            self.observer.poll_failed(result.kind, str(error))
        except StateError:  # the observer has logged it
            self.metrics.poll_failed(result.kind, time.monotonic() - started)
        except StopError:
            raise
        except Exception:
            self.metrics.poll_failed(result.kind, time.monotonic() - started)
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
            log.error("job_failed", extra=fields(job=job, error=str(error)))
        except Exception:  # the boundary of the job
            log.exception("job_crashed", extra=fields(job=job))
            self.metrics.crashed(job)
        finally:
            self.pulses.end(job)
