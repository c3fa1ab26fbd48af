"""A stand-in for IMSHOP that answers with whatever bytes a test wants, or with none, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeAlias

from syncd.errors import PushError
from syncd.imshop.push import Auth, ImshopClient, SendIdAs
from syncd.model import Payment, Push

Act: TypeAlias = bytes | Callable[[socket.socket], None]
"""Bytes are sent and the connection is kept. A function does with the connection what it likes, then it is closed."""

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
BOUND = 20.0  # seconds within which whatever a test waits for has happened


@dataclass(frozen=True)
class Received:
    start: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> Any:
        return json.loads(self.body)


def reply(status: int = 200, body: bytes | Mapping[str, object] = b"", **headers: str) -> bytes:
    """A whole HTTP answer. `headers` are written with underscores for hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


TAKEN = reply(200, {"success": True})


@dataclass
class Stub:
    """Answers the first request with the first of `acts`, and so on; the last act serves all the rest."""

    acts: list[Act] = field(default_factory=lambda: [TAKEN])
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in (self._listener, *self.connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(BOUND)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.address}/v1/clients/shop/statuses/sync/T0KEN"

    def wait_for_hang_up(self) -> None:
        """Until the first connection is closed from this side."""
        self._threads[1].join(BOUND)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                sock, _ = self._listener.accept()
                self.connections.append(sock)
                thread = Thread(target=self._serve, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            talk = self.tls.wrap_socket(sock, server_side=True) if self.tls else sock
            with talk, talk.makefile("rb") as stream:
                while (received := receive(stream)) is not None:
                    self.received.append(received)
                    act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
                    if not isinstance(act, bytes):
                        return act(talk)
                    talk.sendall(act)
        return None


def receive(stream: Any) -> Received | None:
    """The next request, whole: closing a socket before all of it is read would reset the connection."""
    start = stream.readline().decode("latin-1").strip()
    if not start:
        return None
    lines = iter(lambda: stream.readline().decode("latin-1").strip(), "")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Received(start, headers, stream.read(int(headers.get("content-length", 0))))


def a_push(**other: Any) -> Push:
    """A push of order 1001, with nothing that is optional."""
    facts: dict[str, Any] = {
        "change_id": 1,
        "order_id": "1001",
        "revision": 1,
        "status": "packed",
        "code": "packed",
        "message": None,
        "tracking_url": None,
        "user_id": None,
        "imshop_uuid": None,
        "uuid_is_shared": False,
        "payment": None,
        "detected_at": NOON,
        "source_updated_at": None,
        "attempts": 0,
        "refusals": 0,
        "failing_since": None,
        "in_doubt": False,
    }
    return Push(**facts | other)


def cut(sock: socket.socket) -> None:
    """An act: answers nothing, and the connection is closed."""


def wait_for_the_end(sock: socket.socket) -> None:
    """An act: answers nothing until the other side has had enough."""
    sock.recv(1)


def drip(start: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """An act: sends `start`, then `drop` every twentieth of a second until the other side has had enough."""

    def act(sock: socket.socket) -> None:
        sock.sendall(start)
        sock.settimeout(0.05)
        while True:
            with contextlib.suppress(TimeoutError):
                if not sock.recv(1):
                    return
            sock.sendall(drop)

    return act


def paid(payment_id: str | None) -> Payment:
    return Payment(paid=payment_id is not None, payment_id=payment_id)


SENT_WITHOUT_ANSWER = (False, None, True, False)


def outcome(error: PushError) -> tuple[bool, str | None, bool, bool]:
    """Whether it is refused, why delivery pauses, whether it is in doubt, whether a server answered."""
    return error.refused, error.pauses_delivery, error.in_doubt, error.answered


def an_imshop(
    url: str,
    *,
    api_key: str | None = "K3Y",
    auth: Auth = "bearer",
    send_id_as: SendIdAs = "auto",
    timeout: float = BOUND,
) -> ImshopClient:
    def redact(text: str) -> str:
        return text.replace("K3Y", "***").replace("T0KEN", "***")

    return ImshopClient(url, api_key, auth, send_id_as, timeout, lambda: NOON, redact)


def failed(stub: Stub, act: Act, timeout: float = BOUND) -> PushError:
    """The error that a push ends in when it is answered so."""
    stub.acts = [act]
    return failure(stub.url, timeout=timeout)


def failure(url: str, **settings: Any) -> PushError:
    """The error that one push ends in."""
    with contextlib.closing(an_imshop(url, **settings)) as imshop:
        try:
            answer = imshop.push(a_push())
        except PushError as error:
            return error
    raise AssertionError(f"the push did not fail: {answer}")
