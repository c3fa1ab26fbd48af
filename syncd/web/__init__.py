"""The HTTP side (docs/interface.md, section 6): metrics, health, status, the page for people; and cancellations."""

from syncd.web.app import Views, create_app
from syncd.web.cancel_endpoint import CancelEndpoint
from syncd.web.page import Pages, pages
from syncd.web.wsgi_server import HttpServer

__all__ = ["CancelEndpoint", "HttpServer", "Pages", "Views", "create_app", "pages"]
