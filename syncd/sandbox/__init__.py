"""A local stand-in for IMSHOP: it checks what it is sent against the protocol, and misbehaves on request.

    wire (bytes) ──► PushReceived ──► judge (the protocol) ──► Judgement ──► act (answer, or a Failure) ──► wire

It is what a new installation is pointed at before IMSHOP hands out the URL, what the demo talks to, and the real
server of the project's own tests.
"""

from syncd.sandbox.failures import FAIL_HELP, Failure, Kind, Rule, by_chance, parse_fail
from syncd.sandbox.ledger import Applied
from syncd.sandbox.rules import Judgement, PushReceived
from syncd.sandbox.server import Sandbox

__all__ = [
    "FAIL_HELP",
    "Applied",
    "Failure",
    "Judgement",
    "Kind",
    "PushReceived",
    "Rule",
    "Sandbox",
    "by_chance",
    "parse_fail",
]
