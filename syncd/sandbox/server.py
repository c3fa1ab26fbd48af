"""The sandbox itself: the protocol, the ledger and the failures on one port of loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from syncd.sandbox.behaviour import ELSEWHERE, Exchange, message, perform
from syncd.sandbox.failures import Failure
from syncd.sandbox.ledger import Applied, Ledger
from syncd.sandbox.listener import Listener
from syncd.sandbox.rules import PATH, Judgement, PushReceived, judge, read, refusal
from syncd.sandbox.wire import Malformed, Request, Wire


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class Sandbox:
    """A stand-in for IMSHOP, for as long as a `with` lasts, or from start() to stop() and again.

    port        0: any free one; start() sets which it is, and the next start() takes the same again
    key         the API key that requests must carry, in any of the four ways; None: none is asked for
    behave      says how to fail a request; None: as the protocol has it. May be set to another at any time
    on_request  is told of every request and what is wrong with it, before the answer goes out
    clock       gives aware UTC time
    keep        how many orders and applied statuses are kept, the latest ones; None: all

    `behave` and `on_request` are called from many threads at once, and what they raise ends the connection.
    """

    port: int = 0
    key: str | None = None
    behave: Callable[[PushReceived], Failure | None] | None = None
    on_request: Callable[[PushReceived, Judgement], object] | None = None
    clock: Callable[[], datetime] = utc_now
    host: str = "127.0.0.1"
    keep: int | None = None
    requests: int = field(default=0, init=False)
    connections: int = field(default=0, init=False)
    followed: int = field(default=0, init=False)
    """Requests that came to where a redirect points."""

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.keep)
        self._counting = threading.Lock()
        self._listener: Listener | None = None

    def start(self) -> Self:
        """SyncdError: the port cannot be had."""
        self._listener = Listener(self.host, self.port, self._converse)
        self.port = self._listener.port
        return self

    def stop(self) -> None:
        """Cut every connection and end every thread, within a second. What was kept stays readable."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The endpoint, once started."""
        return f"http://{self.host}:{self.port}{PATH}"

    @property
    def orders(self) -> dict[str, str]:
        """The code in force for each order."""
        return self._ledger.orders

    @property
    def applied(self) -> list[Applied]:
        """Every status that took effect, in that order."""
        return self._ledger.applied

    @property
    def overlaps(self) -> int:
        """How often a request came while another one for the same order was in flight."""
        return self._ledger.overlaps

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet and whose clients still wait."""
        return self._ledger.in_flight

    @property
    def max_in_flight(self) -> int:
        return self._ledger.max_in_flight

    def _converse(self, wire: Wire, stopping: threading.Event) -> None:
        with self._counting:
            self.connections += 1
        while (request := wire.receive()) is not None:
            if isinstance(request, Malformed):
                self._reject(wire, request)
                return
            if not self._answer(wire, request, stopping) or stopping.is_set():
                return

    def _reject(self, wire: Wire, malformed: Malformed) -> None:
        judgement = refusal(malformed.status, malformed.fault)
        received = self._received(Request("", "", {}, b"", keep_alive=False))
        self._tell(received, judgement)
        wire.send_last(message(judgement.status, judgement.answer))

    def _answer(self, wire: Wire, request: Request, stopping: threading.Event) -> bool:
        """Whether the connection is of use for another request."""
        received = self._received(request)
        exchange = Exchange(wire, received, judge(received, self.key), self._ledger, stopping, self.clock)
        self._ledger.enter(exchange)
        try:
            if self.behave is not None and received.path == PATH:
                exchange.judgement = replace(exchange.judgement, failure=self.behave(received))
            self._tell(received, exchange.judgement)
            perform(exchange)
        finally:
            self._ledger.leave(exchange)
        return exchange.keep_alive and request.keep_alive

    def _received(self, request: Request) -> PushReceived:
        with self._counting:
            self.requests += 1
            self.followed += request.path == ELSEWHERE
            number = self.requests
        return read(number, self.clock(), request)

    def _tell(self, received: PushReceived, judgement: Judgement) -> None:
        if self.on_request is not None:
            self.on_request(received, judgement)
