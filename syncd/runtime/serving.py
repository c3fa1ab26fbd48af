"""Puts the daemon's HTTP server together: metrics, health, readiness, status, the page, cancellations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from syncd import __version__
from syncd.explain import Explanation, from_state
from syncd.logs import fields
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime import composition
from syncd.runtime.health import Pulses, as_json
from syncd.runtime.metrics import Metrics, StateCollector
from syncd.runtime.outlook import LOOK_SECONDS, Outlook, StateReads
from syncd.settings import Settings
from syncd.shop_lookup import ShopLookup
from syncd.state import Lease, State
from syncd.web import AppDependencies, CancelEndpoint, HttpServer, PageDependencies, create_app, create_page

log = logging.getLogger("syncd")


@contextmanager
def serving(
    settings: Settings,
    *,
    state: State,
    statuses: Callable[[], Statuses],
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
    lookback = settings.source.lookback

    def explained(order_id: str) -> Explanation:
        known = read(lambda: from_state(state.reports, order_id, statuses(), lookback))
        return replace(known, in_shop=look(known.story))

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
        explain=explained,
        now=composition.now,
    )
    server = HttpServer(create_app(views, create_page(page)), bind.host, bind.port)
    server.start()
    log.info("listening", extra=fields(address=str(bind)))
    try:
        yield
    finally:
        server.close()
