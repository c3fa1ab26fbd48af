"""The daemon's HTTP side, put together from its parts: metrics, health, readiness, status, the page, cancellations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from syncd import __version__, compose
from syncd.health import Pulses
from syncd.logs import fields
from syncd.metrics import Metrics, StateCollector
from syncd.observe import Observer
from syncd.settings import Settings
from syncd.state import Lease, State
from syncd.status import as_json, not_ready
from syncd.story import BoundedLook, Explained
from syncd.web import Counter, HttpServer, Pages, Views, create_app, pages

LOOK_SECONDS = 5.0  # somebody waits for the page

log = logging.getLogger("syncd")


@contextmanager
def serving(
    settings: Settings,
    *,
    state: State,
    lease: Lease,
    pulses: Pulses,
    observer: Observer,
    metrics: Metrics,
    counter: Counter | None,
) -> Iterator[None]:
    """Serve at SYNCD_HTTP__BIND, if that is set. SettingsError: that address cannot be listened on."""
    bind = settings.http.bind
    if bind is None:
        yield
        return
    metrics.registry.register(StateCollector(state.summary, lease.held, __version__))
    kind = compose.source_kind(settings)
    look = BoundedLook(lambda: compose.source(settings), LOOK_SECONDS)
    views = Views(
        registry=metrics.registry,
        stuck=pulses.stuck,
        not_ready=lambda: [*_standing_by(lease), *observer.state_faults(), *not_ready(state.summary())],
        status=lambda: as_json(state.summary(), source_kind=kind, leader=lease.held(), now=compose.now()),
        counter=counter,
    )
    page = Pages(
        memory=state,
        source_kind=kind,
        leads=lease.held,
        faults=lambda: [*_stuck(pulses), *observer.state_faults()],
        explain=lambda order_id: _explained(state, look, order_id),
        now=compose.now,
    )
    server = HttpServer(create_app(views, pages(page)), bind.host, bind.port)
    server.start()
    log.info("listening", extra=fields(address=str(bind)))
    try:
        yield
    finally:
        server.close()


def _explained(state: State, look: BoundedLook, order_id: str) -> Explained:
    story = state.story(order_id)
    return Explained(story, look(story), state.cancellations(story.order_id))


def _stuck(pulses: Pulses) -> list[str]:
    return [f"stuck: {thread}, overdue by {late:.0f} s" for thread, late in pulses.stuck().items()]


def _standing_by(lease: Lease) -> list[str]:
    return [] if lease.held() else ["leader: another daemon polls and pushes; this one stands by"]
