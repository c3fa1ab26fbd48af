"""A local stand-in for IMSHOP: it checks what it is sent against the protocol, and misbehaves on request.

    wire (bytes) ──► Received ──► judge (the protocol) ──► Verdict ──► act (answer, or a Failure) ──► wire

It is what a new installation is pointed at before IMSHOP hands out the URL, what the demo talks to, and the real
server of the project's own tests.
"""

from syncd.sandbox.failures import FAIL_HELP, Failure, Kind, Rule, by_chance, parse_fail
from syncd.sandbox.ledger import Applied
from syncd.sandbox.rules import Received, Verdict
from syncd.sandbox.server import Sandbox

__all__ = [
    "FAIL_HELP",
    "Applied",
    "Failure",
    "Kind",
    "Received",
    "Rule",
    "Sandbox",
    "Verdict",
    "by_chance",
    "parse_fail",
]
