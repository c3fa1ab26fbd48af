"""The sandbox as a server on one port, and what it keeps: which statuses were applied, and how requests met."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from socketserver import ThreadingTCPServer
from threading import Event, Lock, Thread, current_thread
from types import TracebackType
from typing import Any, Protocol, Self

from syncd.errors import SyncdError
from syncd.sandbox.failures import Failure
from syncd.sandbox.handler import ELSEWHERE, SandboxHandler
from syncd.sandbox.judgement import PATH, Judgement, PushReceived, read

STOP_SECONDS = 1.0
ACCEPT_SECONDS = 0.05


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Applied:
    """A status that took effect: `code` is the order's status from `at` on."""

    at: datetime
    id: str
    code: str
    body: Mapping[str, object]


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
        self.ledger = Ledger(self.keep)
        self.stopping = Event()
        self._counting = Lock()
        self._server: _SandboxServer | None = None

    def start(self) -> Self:
        """SyncdError: the port cannot be had."""
        self.stopping.clear()
        try:
            self._server = _SandboxServer(self)
        except (OSError, OverflowError) as error:
            message = f"The sandbox cannot listen on {self.host}:{self.port}: {error}. Choose another port."
            raise SyncdError(message) from error
        self.port = int(self._server.server_address[1])
        self._server.start()
        return self

    def stop(self) -> None:
        """Cut every connection and end every thread, within a second. What was kept stays readable."""
        if self._server is not None:
            self.stopping.set()
            self._server.stop()
            self._server = None

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
        return self.ledger.orders

    @property
    def applied(self) -> list[Applied]:
        """Every status that took effect, in that order."""
        return self.ledger.applied

    @property
    def overlaps(self) -> int:
        """How often a request came while another one for the same order was in flight."""
        return self.ledger.overlaps

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet and whose clients still wait."""
        return self.ledger.in_flight

    @property
    def max_in_flight(self) -> int:
        return self.ledger.max_in_flight

    # What the handlers of the connections call, from threads of their own:

    def count_request(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> PushReceived:
        with self._counting:
            self.requests += 1
            self.followed += path == ELSEWHERE
            number = self.requests
        return read(number, self.clock(), method, path, headers, raw)

    def tell(self, received: PushReceived, judgement: Judgement) -> None:
        if self.on_request is not None:
            self.on_request(received, judgement)

    def apply(self, received: PushReceived) -> None:
        assert received.body is not None
        self.ledger.apply(Applied(self.clock(), received.order_id, received.code, received.body))


class _SandboxServer(ThreadingTCPServer):
    """The library's server, with a thread for each connection, that can be ended within a second. (HTTPServer is this
    one and a DNS look-up of its own name, which can take long.)"""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._lock = Lock()
        self._open: dict[Thread, socket.socket] = {}
        super().__init__((sandbox.host, sandbox.port), partial(SandboxHandler, sandbox))
        self._acceptor = Thread(target=self.serve_forever, args=(ACCEPT_SECONDS,), name="sandbox", daemon=True)

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        ends_at = time.monotonic() + STOP_SECONDS
        self.shutdown()
        self.server_close()
        with self._lock:
            left = dict(self._open)
        for connection in left.values():
            with suppress(OSError):  # the client was first
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join(max(0.0, ends_at - time.monotonic()))

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:  # out of file descriptors, say: wait until a client leaves
            time.sleep(ACCEPT_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sandbox.connections += 1
        thread = Thread(target=self._serve, args=(request, client_address), name="sandbox connection", daemon=True)
        with self._lock:
            self._open[thread] = request
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[current_thread()]


class Visit(Protocol):
    """A request that is being answered, as far as the ledger needs to know."""

    order_id: str

    def gone(self) -> bool:
        """Whether the client has hung up."""


class Ledger:
    """Which statuses were applied, and which requests are in flight. Thread-safe. With `keep`, only so many orders and
    so many applied statuses are kept, the latest."""

    def __init__(self, keep: int | None = None) -> None:
        self._lock = Lock()
        self._keep = keep
        self._orders: dict[str, str] = {}
        self._applied: deque[Applied] = deque(maxlen=keep)
        self._visits: list[Visit] = []
        self.max_in_flight = 0
        self.overlaps = 0

    @property
    def orders(self) -> dict[str, str]:
        with self._lock:
            return dict(self._orders)

    @property
    def applied(self) -> list[Applied]:
        with self._lock:
            return list(self._applied)

    @property
    def in_flight(self) -> int:
        with self._lock:
            return len(self._visits)

    def enter(self, visit: Visit) -> None:
        """Count a request in. It overlaps each other one for its order whose client still waits."""
        with self._lock:
            self._visits.append(visit)
            if len(self._visits) > self.max_in_flight or self._others_of_its_order(visit):
                # A client that gave up may be back before the thread that served it has noticed.
                self._visits = [other for other in self._visits if other is visit or not other.gone()]
            self.max_in_flight = max(self.max_in_flight, len(self._visits))
            self.overlaps += self._others_of_its_order(visit)

    def leave(self, visit: Visit) -> None:
        """Count a request out, before its client can know that it is over; a second time does nothing."""
        with self._lock:
            self._visits = [other for other in self._visits if other is not visit]

    def apply(self, applied: Applied) -> None:
        with self._lock:
            self._applied.append(applied)
            self._orders.pop(applied.id, None)
            self._orders[applied.id] = applied.code
            if self._keep is not None and len(self._orders) > self._keep:
                del self._orders[next(iter(self._orders))]

    def _others_of_its_order(self, visit: Visit) -> int:
        if not visit.order_id:
            return 0
        return sum(other.order_id == visit.order_id for other in self._visits) - 1
