"""The protocol in, PROTOCOL section 2: a buyer cancels in the app, and the shop's own means do it.

    IMSHOP ──► web ──► protocol ──► desk ──► inbox (state) ──► present ──► by_http, by_command or by_sql ──► answer
                       what is      on disk first, then        may it be,    the shop decides
                       asked        applied once               and which

START with `desk.py`. What a way of cancelling is, and what ends it when it hangs, is in `shop.py`.
"""

from syncd.cancel.by_command import CommandShop
from syncd.cancel.by_http import HttpCall, HttpShop
from syncd.cancel.by_sql import SqlShop
from syncd.cancel.protocol import MalformedError, answer, asked_in, key_in, parsed
from syncd.cancel.service import Desk, Present
from syncd.cancel.shop import Shop

__all__ = [
    "CommandShop",
    "Desk",
    "HttpCall",
    "HttpShop",
    "MalformedError",
    "Present",
    "Shop",
    "SqlShop",
    "answer",
    "asked_in",
    "key_in",
    "parsed",
]
