"""The HTTP side, CONTRACT section 6: metrics, health, readiness, status. Read-only."""

from syncd.web.app import Views, create_app
from syncd.web.server import HttpServer

__all__ = ["HttpServer", "Views", "create_app"]
