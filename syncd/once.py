"""One poll and its deliveries, without the daemon: what `syncd once` and `syncd reconcile` do.

Beside a daemon that runs on the same state only the poll is done here: the daemon delivers, so that no order is ever
pushed by two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Literal

from syncd import compose
from syncd.errors import StateError
from syncd.model import Outcome
from syncd.observe import Observer
from syncd.settings import Settings
from syncd.staging import PollResult
from syncd.state import State, Summary
from syncd.statuses import StatusesFile

CLOSING_SECONDS = 12.0
LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Ran:
    """What one run did. `beside`: a daemon delivers. `summary` is the state at the end."""

    poll: PollResult
    summary: Summary
    beside: bool
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def undelivered(self) -> int:
        return self.summary.changes["pending"] + self.summary.changes["held"]

    @property
    def failed(self) -> int:
        """So many things did: pushes, and the compare that found orders gone and forgot none."""
        return self.outcomes.get("refused", 0) + self.outcomes.get("dead", 0) + (self.poll.fault is not None)


def run_once(
    settings: Settings,
    kind: Literal["poll", "reconcile"],
    seconds: float,
    on_rows: Callable[[int], None],
    on_outcome: Callable[[Outcome, int], None],
) -> Ran:
    """Poll, then deliver until nothing is due, delivery is paused, or `seconds` have passed.

    `on_rows` is called with the rows read so far, `on_outcome` with each outcome and how many changes still wait.
    """
    ends_at = time.monotonic() + seconds
    with ExitStack() as stack:
        statuses = StatusesFile(settings.statuses.file)
        endpoint = compose.imshop(settings)
        stack.callback(endpoint.close)
        shop = compose.source(settings)
        stack.callback(shop.close)
        state = compose.state(settings, create=True)
        stack.callback(state.close)
        lease = state.lease()
        leads = lease.acquire()
        if leads:
            stack.callback(lease.release)
            state.recover(compose.now())
        observer = Observer(None, lambda: statuses.now)
        poller = compose.poller(settings, shop, state, statuses, on_rows)
        with polling_alone(state, ends_at):
            started = time.monotonic()
            polled = (poller.poll if kind == "poll" else poller.reconcile)(compose.now())
            observer.polled(polled, time.monotonic() - started)
        ran = Ran(polled, state.summary(), beside=not leads)
        if leads:
            waiting = ran.summary.changes["pending"]

            def observe(outcome: Outcome) -> None:
                observer.pushed(outcome)
                ran.outcomes[outcome.result] = ran.outcomes.get(outcome.result, 0) + 1
                on_outcome(outcome, waiting)

            deliverer = compose.deliverer(settings, state, endpoint, statuses, observe)
            try:
                deliverer.drain(lambda: time.monotonic() >= ends_at)
            finally:
                deliverer.close(CLOSING_SECONDS)
        else:
            _wait_for_daemon(state, ends_at)
        ran.summary = state.summary()
        return ran


@contextmanager
def polling_alone(state: State, ends_at: float) -> Iterator[None]:
    """Wait until no other process polls, and keep it so. StateError: one still does at `ends_at`, on the monotonic
    clock."""
    lease = state.poll_lease()
    while not lease.acquire():
        if time.monotonic() >= ends_at:
            raise StateError(
                f"another poll of this shop is under way ({lease.holder() or 'ended just now'}); "
                "wait for its end, then try again"
            )
        time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        lease.release()


def _wait_for_daemon(state: State, ends_at: float) -> None:
    """Until nothing is due. What must wait for its next attempt is not waited for, here as there."""
    while time.monotonic() < ends_at and state.is_delivering(compose.now()) and not state.summary().pause:
        time.sleep(LOOK_SECONDS)
