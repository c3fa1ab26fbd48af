"""A server that notices and heartbeats are sent to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from tests.imshop.conftest import _no_proxy

__all__ = ["_no_proxy", "receiver"]


@dataclass
class Receiver:
    """`notices`: title and text of each; `asked`: the paths of all requests. It answers with `status`, once `goes_on`
    is set."""

    port: int = 0
    status: int = 200
    notices: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    goes_on: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        """As Apprise writes it, with a token."""
        return f"json://127.0.0.1:{self.port}/T0KEN-T0KEN-T0KEN"

    @property
    def heartbeat_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/9a1b2c3d-4e5f"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received = Receiver()
    received.goes_on.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.asked.append(self.path)
            received.goes_on.wait(20)
            if received.status == 200:
                received.notices.append((sent["title"], sent["message"]))
            self._answer()

        def do_GET(self) -> None:
            received.asked.append(self.path)
            received.goes_on.wait(20)
            self._answer()

        def _answer(self) -> None:
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.port = server.server_port
        Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield received
        finally:
            received.goes_on.set()
            server.shutdown()
