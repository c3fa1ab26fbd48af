"""A local stand-in for IMSHOP: it checks what it is sent against the protocol, and misbehaves on request.

    server ──► handler: bytes ──► PushReceived ──► judge (the protocol) ──► Judgement ──► an answer, or a Failure

It is what a new installation is pointed at before IMSHOP hands out the URL, what the demo talks to, and the real
server of the project's own tests.
"""

from syncd.sandbox.failures import FAIL_HELP, Failure, Kind, Rule, by_chance, parse_fail
from syncd.sandbox.judgement import Judgement, PushReceived
from syncd.sandbox.server import Applied, Sandbox

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
