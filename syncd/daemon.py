"""`syncd run`: polls on a schedule, delivers all the time, answers over HTTP, and ends in order.

scheduler (APScheduler) ──► jobs: poll, reconcile, housekeeping ──► wakes ──► delivery thread ──► its workers
main thread: signals, lease, service manager                    HTTP: metrics, health, readiness, status
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from threading import Event, Thread
from types import FrameType

from syncd import __version__, compose
from syncd.cancel import Shop
from syncd.cancel.desk import MARGIN
from syncd.deliver import Deliverer
from syncd.errors import StateError
from syncd.health import Pulses
from syncd.jobs import QUIET_SECONDS, Jobs, StopError
from syncd.leased import LeasedOutbox
from syncd.logs import fields
from syncd.metrics import Metrics, standard_registry
from syncd.observe import Observer
from syncd.schedule import Schedule
from syncd.serving import serving
from syncd.settings import Settings
from syncd.state import Lease, State
from syncd.statuses import StatusesFile
from syncd.systemd import Manager
from syncd.web import Counter

log = logging.getLogger("syncd")

CLOSING_SECONDS = 12.0  # for pushes in flight; SIGTERM promises an end within 15 s
QUIET_DELIVERY_SECONDS = 60.0
WATCH_SECONDS = 1.0


class Daemon:
    """One shop's daemon. `run` returns after SIGTERM or SIGINT, or `stop`; SyncdError if it cannot start."""

    def __init__(self, settings: Settings, manager: Manager | None = None) -> None:
        self._settings = settings
        self._manager = manager or Manager({}, 0, time.monotonic)
        self._stop = Event()
        self._pulses = Pulses(time.monotonic)

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        settings = self._settings
        with ExitStack() as stack:
            statuses = StatusesFile(settings.statuses.file)
            endpoint = compose.imshop(settings)
            stack.callback(endpoint.close)
            shop = compose.source(settings)
            stack.callback(shop.close)
            state = compose.state(settings, create=True)
            stack.callback(state.close)
            lease = state.lease()
            stack.callback(lease.release)
            metrics = Metrics(standard_registry())
            observer = Observer(metrics, lambda: statuses.now)
            shop_that_cancels = compose.cancelling_shop(settings)
            if shop_that_cancels:
                stack.callback(shop_that_cancels.close)
            began_at = compose.now()
            counter = self._counter(observer, state, shop_that_cancels)
            stack.enter_context(
                serving(
                    settings,
                    state=state,
                    lease=lease,
                    pulses=self._pulses,
                    observer=observer,
                    metrics=metrics,
                    counter=counter,
                )
            )
            in_doubt = self._lead(lease, state)
            if in_doubt is None:
                return
            self._give_up_unfinished(state, observer, began_at)
            polling = state.poll_lease()
            log.info("started", extra=fields(version=__version__, in_doubt=in_doubt or None))
            outbox = LeasedOutbox(state, lease.held, observer, settings.imshop.timeout, time.monotonic)
            deliverer = compose.deliverer(
                settings,
                outbox,
                endpoint,
                statuses,
                observer.pushed,
                self._delivery_beats,
            )
            jobs = Jobs(
                poller=compose.poller(settings, shop, state, statuses, partial(self._progress, polling)),
                state=state,
                statuses=statuses,
                observer=observer,
                metrics=metrics,
                pulses=self._pulses,
                interval=settings.poll.interval,
                retention=settings.state.retention,
                clock=compose.now,
                leading=lease.held,
                polling=polling,
                staged=deliverer.wake,
            )
            schedule = Schedule(jobs, settings.poll, compose.now, time.monotonic)
            with self._delivering(deliverer), schedule.running():
                self._manager.ready()
                while self._goes_on(observer.in_words()):
                    self._keep(lease, outbox)
                    schedule.follow_clock()
        log.info("stopped")

    def _counter(self, observer: Observer, state: State, shop: Shop | None) -> Counter | None:
        """Where cancellations are handed in, if that is on."""
        key = self._settings.cancel.api_key
        if key is None or shop is None:
            return None
        desk = compose.desk(self._settings, state, shop, observer.cancelled, observer.cancellation_repeated)
        return Counter(desk, key.get_secret_value(), time.monotonic)

    def _give_up_unfinished(self, state: State, observer: Observer, began_at: datetime) -> None:
        """Cancellations that an earlier process left unfinished. On a state that other daemons may share, whoever
        applies one has its time first."""
        longest = self._settings.cancel.timeout + MARGIN
        until = began_at if compose.state_is_shared(self._settings) else began_at + longest
        observer.unfinished(state.give_up_unfinished(until, compose.now()))

    def _lead(self, lease: Lease, state: State) -> int | None:
        """Take the lease, and see to what the last process left. On a state that several hosts can share, stand by
        until it is free. Returns how many changes are in doubt; None: stopped before."""
        if lease.acquire():
            return state.recover(compose.now())
        if not compose.state_is_shared(self._settings):
            raise StateError(
                f"another syncd ({lease.holder() or 'unknown'}) runs on this state. Two would push everything twice; "
                "stop that one, or give this one a state of its own with SYNCD_STATE__URL"
            )
        log.info("standing_by", extra=fields(holder=lease.holder()))
        self._manager.ready()
        while self._goes_on("stands by: another daemon polls and pushes"):
            if _take(lease) and self._outwait():
                try:
                    return state.recover(compose.now())
                except StateError as error:
                    log.warning("state_failed", extra=fields(job="takeover", error=str(error)))
        return None

    def _outwait(self) -> bool:
        """Wait for the pushes that the daemon which led may still have in flight; False: stopped before."""
        ends_at = time.monotonic() + self._settings.imshop.timeout.total_seconds()
        while time.monotonic() < ends_at:
            if not self._goes_on("takes over: waits for what the other daemon may still push"):
                return False
        return True

    def _goes_on(self, status: str) -> bool:
        """Let a while pass, and tell the service manager how it is; False: the daemon is to end."""
        self._manager.working(status, self._pulses.stuck())
        if self._stop.wait(WATCH_SECONDS):
            self._manager.stopping()
            return False
        return True

    def _keep(self, lease: Lease, outbox: LeasedOutbox) -> None:
        """A lease that was lost, since the state's server was away, is taken again before any work goes on."""
        if lease.held():
            return
        log.warning("lease_lost")
        outbox.lost()
        if _take(lease):
            log.info("lease_regained")

    def _progress(self, polling: Lease, _rows: int) -> None:
        if self._stop.is_set() or not polling.held():
            raise StopError
        self._pulses.beat("poll", QUIET_SECONDS)

    def _delivery_beats(self) -> None:
        self._pulses.beat("delivery", QUIET_DELIVERY_SECONDS)

    @contextmanager
    def _delivering(self, deliverer: Deliverer) -> Iterator[None]:
        thread = Thread(target=self._deliver, args=[deliverer], name="delivery", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            deliverer.wake()
            thread.join(CLOSING_SECONDS + 1)

    def _deliver(self, deliverer: Deliverer) -> None:
        """The delivery thread. It must not end before the daemon does: an unforeseen error is told, and it goes on."""
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


def _take(lease: Lease) -> bool:
    """Take the lease if it is to be had. A state's server that is away now does not end a daemon that waits for it."""
    try:
        return lease.acquire()
    except StateError as error:
        log.warning("lease_unknown", extra=fields(error=str(error)))
        return False


@contextmanager
def signals_stop(daemon: Daemon) -> Iterator[None]:
    """SIGTERM and SIGINT end the daemon in order."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        daemon.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
