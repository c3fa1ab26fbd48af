"""The HTTP side, CONTRACT section 6: metrics, health, readiness, status; and cancellations come in."""

from syncd.web.app import Views, create_app
from syncd.web.cancelling import Counter
from syncd.web.server import HttpServer

__all__ = ["Counter", "HttpServer", "Views", "create_app"]
