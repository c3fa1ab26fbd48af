"""One connection: HTTP/1.1 read by hand, so that it can be cut, dripped or left hanging at any byte."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

HEAD_LIMIT = 32 * 1024
BODY_LIMIT = 64 * 1024
IDLE_SECONDS = 600.0
"""How long a connection may wait for the client to send or to take something."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as HTTP has it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class Malformed:
    """What came is not a request that can be read to its end. The connection is of no use afterwards."""

    status: int
    fault: str


class Wire:
    """A client's connection. No method raises when the client has gone: that is the normal end."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(IDLE_SECONDS)
        self._connection = connection
        self._buffer = b""

    def receive(self) -> Request | Malformed | None:
        """The next request; None: there is none, the client has gone."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                return Malformed(431, f"the headers are longer than {HEAD_LIMIT} bytes")
            if not self._more():
                return None
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return self._after(head.decode("latin-1").split("\r\n"))

    def _after(self, head: list[str]) -> Request | Malformed | None:
        words = head[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return Malformed(400, "this is not an HTTP/1.1 request; the sandbox speaks plain HTTP, without TLS")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = _length(headers)
        if isinstance(length, Malformed):
            return length
        while len(self._buffer) < length:
            if not self._more():
                return None
        raw, self._buffer = self._buffer[:length], self._buffer[length:]
        keep_alive = words[2] != "HTTP/1.0" and headers.get("connection", "").lower() != "close"
        return Request(words[0], words[1], headers, raw, keep_alive)

    def _more(self) -> bool:
        try:
            chunk = self._connection.recv(65536)
        except OSError:
            return False
        self._buffer += chunk
        return bool(chunk)

    def send(self, message: bytes) -> bool:
        """Whether the client was there to take it."""
        try:
            self._connection.sendall(message)
        except OSError:
            return False
        return True

    def gone(self, within: float = 0.0) -> bool:
        """Whether the client has hung up; waits up to `within` seconds for that."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        if not poll.poll(within * 1000):
            return False
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def hang_up(self) -> None:
        """End the connection from any thread: whoever waits for the client is told that it has gone."""
        with contextlib.suppress(OSError):  # the client was first
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def send_last(self, message: bytes) -> None:
        """Send an answer to a request that is not read to its end.

        The rest is read and thrown away: left unread, it would make the kernel cut off the answer too.
        """
        with contextlib.suppress(OSError):
            self._connection.sendall(message)
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(1.0)
            for _ in range(64):
                if not self._connection.recv(65536):
                    return


def _length(headers: Mapping[str, str]) -> int | Malformed:
    if "transfer-encoding" in headers:
        return Malformed(411, "the body needs a Content-Length; chunks are not read")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        return Malformed(400, "Content-Length is not a number")
    if len(length) > 9 or int(length) > BODY_LIMIT:
        return Malformed(413, f"the body is longer than {BODY_LIMIT} bytes")
    return int(length)


def http_answer(status: int, body: bytes, content_type: str, headers: Mapping[str, str]) -> bytes:
    """A whole HTTP answer, to be sent in one piece."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


_REASONS = {status.value: status.phrase for status in HTTPStatus}
