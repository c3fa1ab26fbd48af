"""`syncd run`: polls on a schedule, delivers all the time, answers over HTTP, and stops in order.

scheduler (APScheduler) ──► jobs: poll, reconcile, housekeeping ──► wakes ──► delivery thread ──► its workers
main thread: signals, service manager     lease thread: who leads     HTTP: metrics, health, readiness, status
certificate, notices and heartbeat: a thread each, these two where they are configured

Every daemon that shares a state runs all of this. Those that do not lead stand by: their jobs and delivery do nothing.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Thread
from types import FrameType

from syncd import __version__
from syncd.cancel.service import MARGIN
from syncd.errors import StateError
from syncd.logs import fields
from syncd.pipeline.deliver import Deliverer
from syncd.runtime import composition, pipeline_parts
from syncd.runtime import notifier as notifying
from syncd.runtime.certificate import CertificateWatch
from syncd.runtime.health import Pulses
from syncd.runtime.jobs import QUIET_SECONDS, Jobs, StopError
from syncd.runtime.leadership import Keeper, LeasedOutbox
from syncd.runtime.metrics import Metrics, standard_registry
from syncd.runtime.observer import Observer
from syncd.runtime.outlook import Outlook
from syncd.runtime.schedule import Schedule
from syncd.runtime.service_manager import Manager
from syncd.runtime.serving import serving
from syncd.runtime.settings_mark import note_settings
from syncd.settings import Settings
from syncd.state import Lease, State
from syncd.state.lease import DURATION
from syncd.verdict import Patience
from syncd.web import CancelEndpoint

log = logging.getLogger("syncd")

CLOSING_SECONDS = 12.0  # for pushes in flight; SIGTERM promises an end within 15 s
QUIET_SECONDS_OF_A_THREAD = 60.0
POLLING_ENDS_WITHIN = DURATION.total_seconds() + 1
WATCH_SECONDS = 1.0
STATUS_SECONDS = 3.0  # from one look at the state for the service manager's line to the next


class Daemon:
    """One shop's daemon. `run` returns after SIGTERM or SIGINT, or `stop`; SyncdError if it cannot start."""

    def __init__(
        self,
        settings: Settings,
        manager: Manager | None = None,
        patience: Patience | None = None,
        look_every: timedelta = notifying.LOOK_EVERY,
    ) -> None:
        """`patience`, `look_every`: of notices to people."""
        self._settings = settings
        self._patience, self._look_every = patience, look_every
        self._manager = manager or Manager({}, 0, time.monotonic)
        self._stop = Event()
        self._pulses = Pulses(time.monotonic)
        self._status, self._status_due = "", 0.0

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        settings = self._settings
        with ExitStack() as stack:
            parts = stack.enter_context(pipeline_parts.opened(settings))
            state = parts.state
            delivering, polling = state.lease(), state.poll_lease()
            metrics = Metrics(standard_registry())
            observer = Observer(metrics, lambda: parts.statuses.now, delivering.note_fault)
            outlook = Outlook(
                settings,
                state,
                delivering,
                lambda: parts.statuses.now,
                self._pulses,
                unwritable=lambda: observer.state_fault,
            )
            notifier = notifying.notifier(settings, state, delivering, outlook.known, metrics.noticed, self._patience)
            began_at = composition.now()
            cancel_endpoint = self._cancel_endpoint(observer, state, stack)
            keeper = Keeper(
                [delivering, polling],
                lead_with=delivering,
                beat=self._lease_beats,
                on_reconnect=state.cut_connections,
                while_leading=state.end_silent_writers,
            )
            stack.callback(keeper.close)
            self._lead(delivering)
            if delivering.held():
                self._note_settings(state.under(delivering))
            stack.enter_context(
                serving(
                    settings,
                    state=state,
                    statuses=lambda: parts.statuses.now,
                    lease=delivering,
                    pulses=self._pulses,
                    outlook=outlook,
                    metrics=metrics,
                    cancel_endpoint=cancel_endpoint,
                )
            )
            log.info("started", extra=fields(version=__version__, leads=delivering.held()))
            deliverer = pipeline_parts.deliverer(
                settings,
                LeasedOutbox(state, delivering, observer),
                parts.endpoint,
                parts.statuses,
                observer.pushed,
                self._delivery_beats,
                may_send=delivering.held,
            )
            progress = partial(self._progress, polling)
            jobs = Jobs(
                poller=pipeline_parts.poller(settings, parts.source, state.under(polling), parts.statuses, progress),
                state=state.under(delivering),
                statuses=parts.statuses,
                observer=observer,
                metrics=metrics,
                pulses=self._pulses,
                interval=settings.poll.interval,
                retention=settings.state.retention,
                clock=composition.now,
                leading=delivering.held,
                polling=polling,
                patience=POLLING_ENDS_WITHIN,
                staged=deliverer.wake,
                pause=self._stop.wait,
            )
            schedule = Schedule(jobs, settings.poll, composition.now, time.monotonic)
            certificate = CertificateWatch.of(state, delivering, parts.endpoint)
            beside = notifying.beside_the_pipeline(
                settings, notifier, certificate, lambda: not outlook.verdict().unready, self._look_every
            )
            with self._delivering(deliverer), schedule.running(), beside:
                unfinished_until = self._unfinished_until(began_at)
                if delivering.held():
                    schedule.take_over(unfinished_until)

                def gained() -> None:
                    self._note_settings(state.under(delivering))
                    schedule.take_over(unfinished_until)
                    schedule.poll_now()
                    deliverer.wake()

                keeper.start(gained, lost=deliverer.wake)
                self._manager.ready()
                while self._goes_on(outlook):
                    schedule.follow_clock()
                deliverer.stop_sending()
                keeper.close()
        log.info("stopped")

    def _note_settings(self, state: State) -> None:
        """A state that cannot be written shows elsewhere, and keeps no daemon from starting."""
        with suppress(StateError):
            note_settings(self._settings, state)

    def _cancel_endpoint(self, observer: Observer, state: State, stack: ExitStack) -> CancelEndpoint | None:
        """The endpoint for cancellations, if it is configured."""
        key = self._settings.cancel.api_key
        if key is None:
            return None
        from syncd.runtime import cancel_parts  # noqa: PLC0415 - 1 MB that a daemon without cancellations does not keep

        canceller = cancel_parts.canceller(self._settings)
        if canceller is None:
            return None
        service = cancel_parts.cancel_service(
            self._settings, state, canceller, observer.cancelled, observer.cancellation_repeated
        )
        stack.callback(service.close)
        return CancelEndpoint(service, key.get_secret_value(), time.monotonic)

    def _unfinished_until(self, began_at: datetime) -> datetime:
        """Cancellations that an earlier process should have applied by this time are unfinished. Where other daemons
        may share the state, one of them may still be applying them."""
        longest = self._settings.cancel.timeout + MARGIN
        return began_at if composition.state_is_shared(self._settings) else began_at + longest

    def _lead(self, lease: Lease) -> None:
        """Take the lease if it is free. StateError: another daemon runs, and the state is none that can be shared."""
        if not lease.acquire() and not composition.state_is_shared(self._settings):
            raise StateError(
                f"another syncd ({lease.last_holder() or 'unknown'}) runs on this state. Two would push everything "
                "twice; stop that one, or give this one a state of its own with SYNCD_STATE__URL"
            )

    def _goes_on(self, outlook: Outlook) -> bool:
        """Wait a second and tell the service manager the status; False: the daemon must stop."""
        if time.monotonic() >= self._status_due:
            self._status, self._status_due = outlook.verdict(patient=False).in_a_line, time.monotonic() + STATUS_SECONDS
        self._manager.working(self._status, self._pulses.stuck())
        if self._stop.wait(WATCH_SECONDS):
            self._manager.stopping()
            return False
        return True

    def _progress(self, polling: Lease, _rows: int) -> None:
        if self._stop.is_set() or not polling.held():
            raise StopError
        self._pulses.beat("poll", QUIET_SECONDS)

    def _delivery_beats(self) -> None:
        self._pulses.beat("delivery", QUIET_SECONDS_OF_A_THREAD)

    def _lease_beats(self) -> None:
        self._pulses.beat("lease", QUIET_SECONDS_OF_A_THREAD)

    @contextmanager
    def _delivering(self, deliverer: Deliverer) -> Iterator[None]:
        thread = Thread(target=self._deliver, args=[deliverer], name="delivery", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            deliverer.stop_sending()
            thread.join(CLOSING_SECONDS + 1)

    def _deliver(self, deliverer: Deliverer) -> None:
        """The delivery thread. It ends with the daemon only: an unexpected error is logged, and it goes on."""
        while not self._stop.is_set():
            try:
                deliverer.run(self._stop.is_set)
            except Exception:  # the boundary of the thread
                log.exception("delivery_crashed")
                self._stop.wait(WATCH_SECONDS)
        try:
            deliverer.close(CLOSING_SECONDS)
        except StateError as error:
            log.error("outcomes_not_written", extra=fields(error=str(error), do="nothing: they are pushed again"))


@contextmanager
def signals_stop(daemon: Daemon) -> Iterator[None]:
    """SIGTERM and SIGINT stop the daemon in order."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        daemon.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
