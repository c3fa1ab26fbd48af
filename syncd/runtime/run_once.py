"""One poll and its deliveries, without the daemon: what `syncd once` and `syncd reconcile` do.

If a daemon runs on the same state, this process only polls and the daemon delivers, so that no order is pushed by two
processes. A shop that cannot be read does not keep back what already waits to be delivered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from syncd.errors import InUseError, SourceError
from syncd.model import Outcome
from syncd.pipeline.staging import PollResult
from syncd.runtime import composition, pipeline_parts
from syncd.runtime.certificate import CertificateWatch
from syncd.runtime.leadership import LeasedOutbox, kept
from syncd.runtime.observer import Observer
from syncd.runtime.outlook import situation
from syncd.runtime.pipeline_parts import Parts
from syncd.settings import Settings
from syncd.state import Lease, State, Summary
from syncd.verdict import Situation, judge

CLOSING_SECONDS = 12.0
LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Ran:
    """What one run did. `beside`: a daemon delivers. `summary`: the state at the end. `unread`: why the shop could not
    be read to its end; `poll` says what was done until then."""

    poll: PollResult
    summary: Summary
    beside: bool
    unread: SourceError | None = None
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def undelivered(self) -> int:
        return self.summary.changes["pending"] + self.summary.changes["held"]

    @property
    def failed(self) -> int:
        """How many pushes failed for good, and one more if the poll failed or has a fault."""
        poll_failed = self.poll.fault is not None or self.unread is not None
        return self.outcomes.get("refused", 0) + self.outcomes.get("dead", 0) + poll_failed


def run_once(
    settings: Settings,
    kind: Literal["poll", "reconcile"],
    seconds: float,
    on_rows: Callable[[int], None],
    on_outcome: Callable[[Outcome, int], None],
    *,
    give_way: bool = False,
) -> Ran:
    """Poll, then deliver until nothing is due, delivery is paused, or `seconds` have passed. A full compare without a
    daemon beside it then deletes what is older than the retention, as the daemon does each day.

    `give_way`: InUseError at once if another process polls or delivers; otherwise that is waited for.
    `on_rows` is called with the rows read so far, `on_outcome` with each outcome and how many changes still wait.
    """
    ends_at = time.monotonic() + seconds
    waits_until = time.monotonic() if give_way else ends_at
    with ExitStack() as stack:
        parts = stack.enter_context(pipeline_parts.opened(settings))
        state = parts.state
        lease = state.lease()
        leads = lease.acquire()
        if give_way and not leads:
            raise InUseError(f"another process works on this state ({lease.last_holder() or 'ended just now'})")
        stack.enter_context(kept(lease))
        observer = Observer(None, lambda: parts.statuses.now)
        if leads:
            stack.callback(_look, settings, parts, lease)
        poll = PollResult("incremental" if kind == "poll" else "full")
        unread = None
        with polling_alone(state, waits_until) as alone:
            poller = pipeline_parts.poller(settings, parts.source, alone, parts.statuses, on_rows)
            started = time.monotonic()
            try:
                (poller.poll if kind == "poll" else poller.reconcile)(composition.now(), poll)
            except SourceError as error:
                unread = error
            else:
                observer.polled(poll, time.monotonic() - started)
        ran = Ran(poll, state.reports.summary(), beside=not leads, unread=unread)
        waiting = ran.summary.changes["pending"]

        def observe(outcome: Outcome) -> None:
            observer.pushed(outcome)
            ran.outcomes[outcome.result] = ran.outcomes.get(outcome.result, 0) + 1
            on_outcome(outcome, waiting)

        if leads or _take_over_from_daemon(state, lease, ends_at):
            ran.beside = False
            outbox = LeasedOutbox(state, lease, observer)
            deliverer = pipeline_parts.deliverer(
                settings, outbox, parts.endpoint, parts.statuses, observe, may_send=lease.held
            )
            try:
                deliverer.drain(lambda: time.monotonic() >= ends_at or not lease.held())
            finally:
                deliverer.close(CLOSING_SECONDS)
        if kind == "reconcile" and not ran.beside:
            state.under(lease).prune(composition.now(), settings.state.retention)
        ran.summary = state.reports.summary()
        return ran


def _look(settings: Settings, parts: Parts, lease: Lease) -> None:
    """Look at IMSHOP's certificate, and tell people. Also after a poll that failed: that is what is to be told."""
    CertificateWatch.of(parts.state, lease, parts.endpoint).look(composition.now())
    if not settings.notify.is_set:
        return
    from syncd.runtime.notifier import notifier, tell_once  # noqa: PLC0415 - most shops have none

    def known() -> Situation:
        return replace(situation(settings, parts.state, parts.statuses.now), is_run=False)  # this process is no daemon

    teller = notifier(settings, parts.state, lease, known)
    tell_once(settings, teller, lambda: not judge(known(), composition.now()).unready)


@contextmanager
def polling_alone(state: State, ends_at: float) -> Iterator[State]:
    """Wait until no other process polls, and let none begin; gives the state under the right to poll. InUseError: one
    still polls at `ends_at`, on the monotonic clock."""
    lease = state.poll_lease()
    while not lease.acquire():
        if time.monotonic() >= ends_at:
            raise InUseError(
                f"another poll of this shop is under way ({lease.last_holder() or 'ended just now'}); "
                "wait for its end, then try again"
            )
        time.sleep(LOOK_SECONDS)
    with kept(lease):
        yield state.under(lease)


def _take_over_from_daemon(state: State, lease: Lease, ends_at: float) -> bool:
    """Wait until the running daemon has delivered what is due; changes that wait for their next attempt do not count.
    True: the daemon is gone, and this process delivers."""
    while (
        time.monotonic() < ends_at
        and state.outbox.is_delivering(composition.now())
        and not state.reports.summary().pause
    ):
        if lease.acquire():
            return True
        time.sleep(LOOK_SECONDS)
    return False
