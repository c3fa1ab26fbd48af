"""Shops that decide about cancellations: one in memory, and one that is a real HTTP server."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from syncd.errors import CancelError, SourceError
from syncd.model import CancelDecision, Cancellation, Order, Page, Skipped
from tests.made import NOON


def cancellation(
    order_id: str | None = "7",
    uuid: str | None = "u-7",
    reason: str | None = "Передумал",
    shop_id: str | None = None,
) -> Cancellation:
    return Cancellation(
        id=1,
        token="token-1",
        generation="current",
        order_id=order_id,
        imshop_uuid=uuid,
        reason=reason,
        state="received",
        received_at=NOON,
        asked=1,
        attempts=1,
        claimed_until=NOON,
        decided_at=None,
        status=None,
        message=None,
        error=None,
        in_doubt=False,
        shop_id=shop_id,
    )


@dataclass
class FakeShop:
    """Satisfies `syncd.cancel.Canceller`. `decide` says what it does; what it was asked it remembers."""

    decide: Callable[[Cancellation], CancelDecision] = lambda _: CancelDecision("accepted")
    asked: list[Cancellation] = field(default_factory=list)
    seconds: float = 0.0
    wants_shop_id: bool = False

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        self.asked.append(cancellation)
        time.sleep(self.seconds)
        return self.decide(cancellation)

    def close(self) -> None: ...


def away(_cancellation: Cancellation) -> CancelDecision:
    raise CancelError("the shop is away")


@dataclass
class FakeOrders:
    """Satisfies `syncd.cancel.service.OrderFinder`: `orders` by number, or the `fault` that keeps them from being
    read. `before` is called before it answers. What it was asked it remembers."""

    orders: dict[str, Order] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    closed: bool = False
    fault: str | None = None
    skipped: list[Skipped] = field(default_factory=list)
    asked: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    def put(self, order_id: str, status: str, shop_id: str | None = None) -> None:
        self.orders[order_id] = Order(order_id, {"status": status}, shop_id=shop_id)

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        self.asked.append(([*order_ids], {**shop_ids}))
        self.before()
        if self.fault:
            raise SourceError(self.fault)
        keys = {*shop_ids.values()}
        found = [
            order
            for order in self.orders.values()
            if order.shop_id in keys or (order.order_id in order_ids and order.order_id not in shop_ids)
        ]
        return Page(found, self.skipped)

    def close(self) -> None:
        self.closed = True


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpServer:
    """`status`, `answer` and `more` headers: what every call gets, after `seconds` and what is done `first`. `applied`:
    how often each token was."""

    status: int = 200
    answer: bytes = b"{}"
    content_type: str = "application/json"
    more: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    first: Callable[[], None] = lambda: None
    calls: list[Call] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    url: str = ""
    lock: Lock = field(default_factory=Lock)


@contextmanager
def served(server: HttpServer) -> Iterator[HttpServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with server.lock:
                server.calls.append(Call(self.command, self.path, dict(self.headers), body))
                server.applied[self.headers["Idempotency-Key"]] += 1
            time.sleep(server.seconds)
            server.first()
            self.send_response(server.status)
            self.send_header("Content-Type", server.content_type)
            self.send_header("Content-Length", str(len(server.answer)))
            for name, value in server.more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(server.answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - their names in the library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the caller was killed
                self.close_connection = True

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
