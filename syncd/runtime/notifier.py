"""Tells people of troubles, and a heartbeat's receiver that there are none: in threads of their own, beside polling and
delivery, which wait for neither.

thread `notices`      each 15 seconds: state ──► judge ──► next_notice ──► NoticeSender
thread `heartbeat`    each minute, while the daemon is ready: GET
thread `certificate`  whether or not people are told: when IMSHOP's ends, into the state
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread

from syncd.errors import LeaseLostError, StateError
from syncd.logs import fields
from syncd.notify.notices import ORDERS_NAMED, NoticeRecord, after_sending, body, next_notice, title
from syncd.notify.sender import Heartbeat, NoticeSender
from syncd.reasons import ReasonKind
from syncd.runtime import composition
from syncd.runtime.certificate import CertificateWatch
from syncd.settings import Settings, masking
from syncd.state import Lease, State
from syncd.verdict import Patience, Situation, judge

LOOK_EVERY = timedelta(seconds=15)
"""What begins between two looks is told together."""
HEARTBEAT_EVERY = timedelta(minutes=1)
ENDING_SECONDS = 1.0
CANCELLATIONS_READ = 100

log = logging.getLogger("syncd")


class Notifier:
    """Looks at the state and tells what is new.

    state            under the right to deliver: who does not lead any more keeps nothing
    known            how polling and delivery go; StateError
    leads            whether this process leads: only the leader tells
    counted          called with the result of each notice: sent (to one URL at least) or failed
    """

    def __init__(
        self,
        *,
        state: State,
        known: Callable[[], Situation],
        leads: Callable[[], bool],
        sender: NoticeSender,
        about: str,
        counted: Callable[[str], None] = lambda _result: None,
        patience: Patience,
    ) -> None:
        self._patience = patience
        self._state = state
        self._known = known
        self._leads = leads
        self._sender = sender
        self._about = about
        self._counted = counted
        self._record: NoticeRecord | None = None
        self._kept: NoticeRecord | None = None

    def look(self, now: datetime) -> None:
        """Tell what is to be told now. Errors of the state are part of what is told, and raise nothing."""
        try:
            if not self._leads():
                if self._record:  # this process led: another one may now, unless the state is away
                    self._state.reports.summary()
                self._record = None
                return
            self._record = self._record or self._read()
            known = self._known()
        except StateError as error:  # whoever led until now tells it
            known = Situation(None, state_fault=str(error))
        if self._record is None:
            return
        record, notice = next_notice(self._record, judge(known, now, self._patience), now)
        if notice:
            text = body(notice, self._order_ids([one.kind for one in notice.begun]), self._about, now)
            results = self._sender.send(title(notice), text)
            failing = {one.label: one.error for one in results if one.error is not None}
            reached = len(failing) < len(results)
            self._log_failing(record.failing, failing)
            self._counted("sent" if reached else "failed")
            record = after_sending(record, notice, failing, reached_nobody=not reached, now=now)
        self._record = record
        self._keep()

    def _order_ids(self, kinds: Sequence[ReasonKind]) -> Mapping[ReasonKind, Sequence[str]]:
        """A few of the orders that troubles of these kinds are about."""
        reports, named = self._state.reports, ORDERS_NAMED + 1
        read: dict[ReasonKind, Callable[[], Sequence[str]]] = {
            "waiting": lambda: [change.order_id for change in reports.waiting(named)],
            "held": lambda: [change.order_id for change in reports.changes("held", limit=named)],
            "dead": lambda: [change.order_id for change in reports.changes("dead", limit=named)],
            "cancellations": lambda: [
                one.order_id
                for one in reports.cancellations(limit=CANCELLATIONS_READ)
                if one.state == "failed" and one.order_id
            ],
            "skipped": lambda: reports.summary().odd_rows.order_ids,
        }
        try:
            return {kind: read[kind]() for kind in kinds if kind in read}
        except StateError:
            return {}

    def _log_failing(self, before: Mapping[str, str], failing: Mapping[str, str]) -> None:
        """Once for each URL, and when it is over."""
        for label, error in failing.items():
            if label not in before:
                log.error("notice_failed", extra=fields(url=label, error=error, do="syncd notify --test"))
        for label in before.keys() - failing.keys():
            log.info("notices_recovered", extra=fields(url=label))

    def _read(self) -> NoticeRecord:
        self._kept = NoticeRecord.of(self._state.notices.read())
        return self._kept

    def _keep(self) -> None:
        """In the state if anything is new. If that fails, it is tried again at the next look."""
        assert self._record is not None
        if self._record == self._kept:
            return
        try:
            self._state.notices.keep(self._record.stored())
            self._kept = self._record
        except LeaseLostError:
            self._record = None
        except StateError:
            pass  # the next look tells it


def notifier(
    settings: Settings,
    state: State,
    lease: Lease,
    known: Callable[[], Situation],
    counted: Callable[[str], None] = lambda _result: None,
    patience: Patience | None = None,
) -> Notifier | None:
    """None: SYNCD_NOTIFY__URLS is not set. `lease`: the right to deliver from this state."""
    if not settings.notify.urls:
        return None
    return Notifier(
        state=state.under(lease),
        known=known,
        leads=lease.held,
        sender=sender(settings),
        about=about(settings),
        counted=counted,
        patience=patience or Patience(),
    )


def sender(settings: Settings) -> NoticeSender:
    return NoticeSender(settings.notify.url_list, composition.redactor(settings))


def about(settings: Settings) -> str:
    """Which shop it is, and which machine: one person may be told of several."""
    return f"Shop: {masking.mask_source_url(settings.source.url.get_secret_value())}, on {socket.gethostname()}"


def heartbeat_job(settings: Settings, is_well: Callable[[], bool]) -> HeartbeatJob | None:
    """None: SYNCD_NOTIFY__HEARTBEAT_URL is not set."""
    url = settings.notify.heartbeat_url
    return HeartbeatJob(Heartbeat(url.get_secret_value(), composition.redactor(settings)), is_well) if url else None


class HeartbeatJob:
    """Sends a heartbeat while all is well, and logs once that it fails, and when that is over."""

    def __init__(self, heart: Heartbeat, is_well: Callable[[], bool]) -> None:
        self._heart = heart
        self._is_well = is_well
        self._failing = False

    def beat(self, _now: datetime) -> None:
        try:
            if not self._is_well():
                return
        except StateError:
            return
        error = self._heart.beat()
        if error and not self._failing:
            log.error("heartbeat_failed", extra=fields(error=error, do="check SYNCD_NOTIFY__HEARTBEAT_URL"))
        elif self._failing and not error:
            log.info("heartbeat_recovered")
        self._failing = error is not None


@contextmanager
def beside_the_pipeline(
    settings: Settings,
    notifier: Notifier | None,
    certificate: CertificateWatch,
    is_well: Callable[[], bool],
    every: timedelta = LOOK_EVERY,
) -> Iterator[None]:
    """Watch the certificate within the context; tell people and send heartbeats, as far as that is configured. A thread
    that does not end in time is left behind. `every`: from one look to the next, of notices and certificate."""
    works: dict[str, tuple[Callable[[datetime], None], timedelta]] = {"certificate": (certificate.look, every)}
    if notifier:
        works["notices"] = notifier.look, every
    if heart := heartbeat_job(settings, is_well):
        works["heartbeat"] = heart.beat, HEARTBEAT_EVERY
    stop = Event()
    with ExitStack() as stack:
        for name, (work, interval) in works.items():
            thread = Thread(target=_repeat, args=[work, interval, stop], name=name, daemon=True)
            thread.start()
            stack.callback(thread.join, ENDING_SECONDS)
        stack.callback(stop.set)
        yield


def tell_once(settings: Settings, notifier: Notifier | None, is_well: Callable[[], bool]) -> None:
    """The same for a process that ends: look once, and send one heartbeat."""
    for work in (notifier and notifier.look, (heart := heartbeat_job(settings, is_well)) and heart.beat):
        if work:
            _within_boundary(work, lambda: False)


def _repeat(work: Callable[[datetime], None], every: timedelta, stop: Event) -> None:
    while not stop.is_set():
        _within_boundary(work, stop.is_set)
        stop.wait(every.total_seconds())


def _within_boundary(work: Callable[[datetime], None], is_ending: Callable[[], bool]) -> None:
    try:
        work(composition.now())
    except Exception:  # the boundary: polls and pushes go on whatever happens here
        if not is_ending():  # else the state was closed meanwhile
            log.exception("notifier_crashed")
