"""Puts the daemon's HTTP server together: metrics, health, readiness, status, the page, cancellations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from syncd import __version__
from syncd.deadline import BoundedCalls, DeadlineError, ThreadError
from syncd.errors import StateError
from syncd.explain import Explanation, ShopLookup
from syncd.logs import fields
from syncd.model import Cancellation
from syncd.runtime import composition
from syncd.runtime.health import Pulses, as_json, not_ready
from syncd.runtime.metrics import Metrics, StateCollector
from syncd.runtime.observer import Observer
from syncd.settings import Settings
from syncd.state import Lease, State, Story
from syncd.web import AppDependencies, CancelEndpoint, HttpServer, PageDependencies, create_app, create_page

LOOK_SECONDS = 5.0  # a person waits for the page
READS_AT_ONCE = 4
"""Of the server's threads. If the state does not answer, these wait, and the others go on answering."""
PATIENCE_SECONDS = 1.0
LEADS_SECONDS = 1.0  # so that a scrape, which asks for both, ends within Prometheus's 10 s

log = logging.getLogger("syncd")
T = TypeVar("T")


@contextmanager
def serving(
    settings: Settings,
    *,
    state: State,
    lease: Lease,
    pulses: Pulses,
    observer: Observer,
    metrics: Metrics,
    cancel_endpoint: CancelEndpoint | None,
) -> Iterator[None]:
    """Serve at SYNCD_HTTP__BIND, if that is set. SettingsError: that address cannot be listened on."""
    bind = settings.http.bind
    if bind is None:
        yield
        return
    read = StateReads(state.place, LOOK_SECONDS)
    leads = partial(StateReads(state.place, LEADS_SECONDS).or_no, lease.held)
    wants_shop_id = cancel_endpoint is not None and cancel_endpoint.service.canceller.wants_shop_id
    count = (lambda: read(state.reports.without_shop_id)) if wants_shop_id else None
    metrics.registry.register(StateCollector(lambda: read(state.reports.summary), leads, __version__, count))
    kind = composition.source_kind(settings)
    look = ShopLookup(lambda: composition.source(settings), LOOK_SECONDS)
    views = AppDependencies(
        registry=metrics.registry,
        stuck=pulses.stuck,
        not_ready=lambda: [*observer.state_faults(), *read(lambda: not_ready(state.reports.summary()))],
        ready=lambda: "ready" if lease.held() else f"ready; {standing_by(lease)}",
        status=lambda: read(
            lambda: as_json(state.reports.summary(), source_kind=kind, leader=lease.held(), now=composition.now())
        ),
        cancel_endpoint=cancel_endpoint,
    )
    page = PageDependencies(
        reports=state.reports,
        source_kind=kind,
        read=read,
        leads=lease.held,
        faults=lambda: [*_stuck(pulses), *observer.state_faults()],
        explain=lambda order_id: _explained(order_id, read, state, look),
        now=composition.now,
    )
    server = HttpServer(create_app(views, create_page(page)), bind.host, bind.port)
    server.start()
    log.info("listening", extra=fields(address=str(bind)))
    try:
        yield
    finally:
        server.close()


class StateReads:
    """Reads the state within a limit of time, whatever the state's server does."""

    def __init__(self, place: str, seconds: float) -> None:
        self._place = place
        self._calls = BoundedCalls(
            seconds, at_most=READS_AT_ONCE, patience=min(seconds, PATIENCE_SECONDS), name="state-read"
        )

    def __call__(self, read: Callable[[], T]) -> T:
        """The result of `read`. StateError: it failed, or took too long."""
        try:
            return self._calls(read)
        except DeadlineError:
            raise StateError(
                f"the state {self._place} cannot be reached: no answer within {self._calls.seconds:g} s; "
                "check that its server runs and that this machine can reach it"
            ) from None
        except ThreadError as error:
            raise StateError(str(error)) from None

    def or_no(self, read: Callable[[], bool]) -> bool:
        try:
            return self(read)
        except StateError:
            return False


def _explained(order_id: str, read: StateReads, state: State, look: ShopLookup) -> Explanation:
    def known() -> tuple[Story, Sequence[Cancellation]]:
        story = state.reports.story(order_id)
        return story, state.reports.cancellations(story.order_id)

    story, cancelled = read(known)
    return Explanation(story, look(story), cancelled)


def _stuck(pulses: Pulses) -> list[str]:
    return [f"stuck: {thread}, overdue by {late:.0f} s" for thread, late in pulses.stuck().items()]


def standing_by(lease: Lease) -> str:
    """What a daemon that does not lead says of itself."""
    return f"stands by: {lease.last_holder() or 'another daemon'} polls and pushes"
