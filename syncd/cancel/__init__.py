"""The protocol in (docs/protocol.md, section 2): a buyer cancels in the app, and the shop's own means do it.

    IMSHOP ──► web/cancel_endpoint ──► protocol ──► service ──► by_sql, by_http or by_command ──► answer
               key, rate               what is      state and    the shop decides
                                       asked        look-up

START with `service.py`. `interface.py` is the interface of the three ways to cancel. Each of these is imported by those
that make it: a shop has one of the three, or none.
"""

from syncd.cancel.interface import Canceller
from syncd.cancel.protocol import MalformedError, answer_to, key_in, parse_body, request_in
from syncd.cancel.service import CancelService, OrderLookup

__all__ = [
    "CancelService",
    "Canceller",
    "MalformedError",
    "OrderLookup",
    "answer_to",
    "key_in",
    "parse_body",
    "request_in",
]
