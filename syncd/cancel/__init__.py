"""The protocol in, PROTOCOL section 2: a buyer cancels in the app, and the shop's own means do it.

    IMSHOP ──► web ──► asking ──► desk ──► inbox (state) ──► by_http, by_command or by_sql ──► decision ──► answer
                       what it     on disk first, then applied once            the shop decides

START with `desk.py`. `filling` puts an order's values into templates, safely quoted; `bounded` ends what hangs.
"""

from syncd.cancel.asking import MalformedError, answer, asked_in, key_in, parsed
from syncd.cancel.by_command import CommandShop
from syncd.cancel.by_http import HttpShop
from syncd.cancel.by_sql import SqlShop
from syncd.cancel.desk import Desk, Shop

__all__ = [
    "CommandShop",
    "Desk",
    "HttpShop",
    "MalformedError",
    "Shop",
    "SqlShop",
    "answer",
    "asked_in",
    "key_in",
    "parsed",
]
