"""The protocol in, PROTOCOL section 2: a buyer cancels in the app, and the shop's own means do it.

    IMSHOP ──► web ──► protocol ──► service ──► inbox (state) ──► present ──► by_http, by_command or by_sql ──► answer
                       what is      on disk first, then        may it be,    the shop decides
                       asked        applied once               and which

START with `service.py`. What a way of cancelling is, and what ends it when it hangs, is in `shop.py`.
"""

from syncd.cancel.by_command import CommandCanceller
from syncd.cancel.by_http import HttpCall, HttpCanceller
from syncd.cancel.by_sql import SqlCanceller
from syncd.cancel.canceller import Canceller
from syncd.cancel.protocol import MalformedError, answer, asked_in, key_in, parsed
from syncd.cancel.service import CancelService, OrderLookup

__all__ = [
    "CancelService",
    "Canceller",
    "CommandCanceller",
    "HttpCall",
    "HttpCanceller",
    "MalformedError",
    "OrderLookup",
    "SqlCanceller",
    "answer",
    "asked_in",
    "key_in",
    "parsed",
]
