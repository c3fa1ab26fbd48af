"""The HTTP side, CONTRACT section 6: metrics, health, readiness, status, the page for people. Read-only."""

from syncd.web.app import Views, create_app
from syncd.web.page import Pages, pages
from syncd.web.server import HttpServer

__all__ = ["HttpServer", "Pages", "Views", "create_app", "pages"]
