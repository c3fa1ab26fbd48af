"""The WSGI application: /metrics, /healthz, /readyz, /api/status, the cancel endpoint, and the page if it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from syncd.errors import StateError
from syncd.reasons import Verdict
from syncd.text import json_text, printable
from syncd.web.cancel_endpoint import CancelEndpoint, add_cancel_route


@dataclass(frozen=True, slots=True)
class AppDependencies:
    """What the application shows. `stuck`: overdue threads and for how many seconds; `status` may raise StateError.
    `cancel_endpoint`: where cancellations are handed in; None: the route answers 404."""

    registry: CollectorRegistry
    stuck: Callable[[], Mapping[str, float]]
    verdict: Callable[[], Verdict]
    status: Callable[[], Mapping[str, Any]]
    cancel_endpoint: CancelEndpoint | None = None


def create_app(views: AppDependencies, *more: Blueprint) -> Flask:
    """`more`: further routes, such as the status page's."""
    app = Flask("syncd.web", static_folder=None)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # the default provider has it; its base does not

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(views.registry), content_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    def healthz() -> tuple[str, int]:
        stuck = views.stuck()
        if not stuck:
            return "ok\n", 200
        return "".join(f"stuck: {thread}, overdue by {late:.0f} s\n" for thread, late in stuck.items()), 503

    @app.get("/readyz")
    def readyz() -> tuple[str, int]:
        verdict = views.verdict()
        said = [f"{reason.kind}: {reason.line}" for reason in verdict.reasons]
        return _lines(said if verdict.unready else ["ready", *said]), 503 if verdict.unready else 200

    @app.get("/api/status")
    def status() -> Response:
        return Response(json_text(views.status()) + "\n", content_type="application/json")

    add_cancel_route(app, views.cancel_endpoint)

    @app.errorhandler(StateError)
    def state_unavailable(error: StateError) -> tuple[str, int]:
        return f"state: {printable(error)}\n", 503

    @app.after_request
    def add_security_headers(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.mimetype == "text/html" and "Content-Security-Policy" not in response.headers:
            # Flask takes the plain texts above for HTML
            response.content_type = "text/plain; charset=utf-8"
        return response

    for blueprint in more:
        app.register_blueprint(blueprint)
    return app


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{printable(line)}\n" for line in lines)
