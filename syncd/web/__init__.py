"""The HTTP side (docs/interface.md, section 6): metrics, health, status, the page for people; and cancellations."""

from syncd.web.app import AppDependencies, create_app
from syncd.web.cancel_endpoint import CancelEndpoint
from syncd.web.page import PageDependencies, create_page
from syncd.web.wsgi_server import HttpServer

__all__ = ["AppDependencies", "CancelEndpoint", "HttpServer", "PageDependencies", "create_app", "create_page"]
