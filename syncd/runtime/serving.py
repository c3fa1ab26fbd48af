"""Puts the daemon's HTTP server together: metrics, health, readiness, status, the page, cancellations."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from syncd import __version__
from syncd.explain import Explanation, ShopLookup
from syncd.logs import fields
from syncd.model import Cancellation
from syncd.runtime import composition
from syncd.runtime.health import Pulses, as_json
from syncd.runtime.metrics import Metrics, StateCollector
from syncd.runtime.outlook import LOOK_SECONDS, Outlook, StateReads
from syncd.settings import Settings
from syncd.state import Lease, State, Story
from syncd.web import AppDependencies, CancelEndpoint, HttpServer, PageDependencies, create_app, create_page

log = logging.getLogger("syncd")


@contextmanager
def serving(
    settings: Settings,
    *,
    state: State,
    lease: Lease,
    pulses: Pulses,
    outlook: Outlook,
    metrics: Metrics,
    cancel_endpoint: CancelEndpoint | None,
) -> Iterator[None]:
    """Serve at SYNCD_HTTP__BIND, if that is set. SettingsError: that address cannot be listened on."""
    bind = settings.http.bind
    if bind is None:
        yield
        return
    read = StateReads(state.place, LOOK_SECONDS)
    wants_shop_id = cancel_endpoint is not None and cancel_endpoint.service.canceller.wants_shop_id
    count = (lambda: read(state.reports.without_shop_id)) if wants_shop_id else None
    metrics.registry.register(StateCollector(outlook.situation, outlook.leads, __version__, composition.now, count))
    kind = composition.source_kind(settings)
    look = ShopLookup(lambda: composition.source(settings), LOOK_SECONDS)

    def status() -> dict[str, Any]:
        return as_json(outlook.known(), source_kind=kind, leader=lease.held(), now=composition.now())

    views = AppDependencies(
        registry=metrics.registry,
        stuck=pulses.stuck,
        verdict=outlook.verdict,
        status=lambda: read(status),
        cancel_endpoint=cancel_endpoint,
    )
    page = PageDependencies(
        reports=state.reports,
        source_kind=kind,
        read=read,
        known=outlook.known,
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


def _explained(order_id: str, read: StateReads, state: State, look: ShopLookup) -> Explanation:
    def known() -> tuple[Story, Sequence[Cancellation]]:
        story = state.reports.story(order_id)
        return story, state.reports.cancellations(story.order_id)

    story, cancelled = read(known)
    return Explanation(story, look(story), cancelled)
