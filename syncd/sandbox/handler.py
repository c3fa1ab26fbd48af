"""One client's connection: each request is read, judged, and answered as the protocol has it or in a way to fail.

The library's handler parses the request. Answers are written to the socket as bytes, so that they can be cut off, sent
byte by byte or left out.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from threading import Event
from typing import Any, Protocol

from syncd.sandbox.failures import KINDS, Failure, Kind
from syncd.sandbox.judgement import PATH, Body, Judgement, PushReceived, judge, refusal

ELSEWHERE = "/elsewhere"
"""Where redirects lead to. No client that holds a key should ever ask there."""

HEAD_LIMIT = 32 * 1024
BODY_LIMIT = 64 * 1024
IDLE_SECONDS = 600.0
"""How long a connection may wait for the client to send or to take something."""

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
WEB_PAGE = "<!DOCTYPE html><html><body><h1>Сервис временно недоступен</h1></body></html>".encode()
ENDLESS_PIECE = b"x" * 65536
ENDLESS_PAUSE_SECONDS = 0.01
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class MalformedRequestError(Exception):
    """What came is not a request that can be read to its end. The connection is closed after the answer."""

    def __init__(self, status: int, fault: str) -> None:
        super().__init__(fault)
        self.status = status


class Requests(Protocol):
    """Where requests are counted in and out."""

    def enter(self, request: SandboxHandler, /) -> None: ...

    def leave(self, request: SandboxHandler, /) -> None: ...


class Service(Protocol):
    """What the handlers require of the sandbox. They call it from threads of their own."""

    @property
    def key(self) -> str | None: ...

    @property
    def behave(self) -> Callable[[PushReceived], Failure | None] | None: ...

    @property
    def clock(self) -> Callable[[], datetime]: ...

    @property
    def stopping(self) -> Event: ...

    @property
    def ledger(self) -> Requests: ...

    def count_request(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> PushReceived: ...

    def tell(self, received: PushReceived, judgement: Judgement) -> None: ...

    def apply(self, received: PushReceived) -> None: ...


class SandboxHandler(BaseHTTPRequestHandler):
    """Serves one connection in a thread of its own, until the client or the sandbox ends it.

    `order_id`: of the request that is being answered; the ledger compares it with those of the other connections.
    """

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    received: PushReceived
    judgement: Judgement

    def __init__(self, sandbox: Service, *arguments: Any) -> None:
        self.sandbox = sandbox
        self.order_id = ""
        super().__init__(*arguments)

    def handle(self) -> None:
        with suppress(OSError):  # the client has gone: that is the normal end
            super().handle()

    def handle_one_request(self) -> None:
        self.close_connection = True
        try:
            body = self._read_request()
        except MalformedRequestError as error:
            self._reject(error)
            return
        if body is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.received = self.sandbox.count_request(self.command, self.path, headers, body)
        self.order_id = self.received.order_id
        self.judgement = judge(self.received, self.sandbox.key)
        self.sandbox.ledger.enter(self)
        try:
            if self.sandbox.behave is not None and self.path == PATH:
                self.judgement = replace(self.judgement, failure=self.sandbox.behave(self.received))
            self.sandbox.tell(self.received, self.judgement)
            self._respond()
        finally:
            self.sandbox.ledger.leave(self)
        self.close_connection |= self.sandbox.stopping.is_set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """The sandbox tells `on_request`, and prints nothing itself."""

    # --- Reading ---

    def _read_request(self) -> bytes | None:
        """The body, once the head is parsed into the handler's attributes; None: the client has gone before its end."""
        head = b""
        while not head.endswith((b"\n\r\n", b"\n\n")):
            line = self.rfile.readline(HEAD_LIMIT + 1 - len(head))
            head += line
            if len(head) > HEAD_LIMIT:
                raise MalformedRequestError(431, f"the headers are longer than {HEAD_LIMIT} bytes")
            if not line.endswith(b"\n"):
                return None
        self.raw_requestline, _, headers = head.partition(b"\n")
        stream, self.rfile = self.rfile, BytesIO(headers)  # the library would take what breaks off for a whole head
        try:
            if not self.parse_request():
                return None
        finally:
            self.rfile = stream
        length = self._content_length()
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library calls where it cannot parse a request."""
        if code == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            raise MalformedRequestError(code, f"the headers are too many: {explain}")
        raise MalformedRequestError(
            400, "this is not an HTTP/1.1 request; the sandbox speaks plain HTTP, without TLS"
        ) from None

    def _content_length(self) -> int:
        if "Transfer-Encoding" in self.headers:
            raise MalformedRequestError(411, "the body needs a Content-Length; chunks are not read")
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise MalformedRequestError(400, "Content-Length is not a number")
        if len(length) > 9 or int(length) > BODY_LIMIT:
            raise MalformedRequestError(413, f"the body is longer than {BODY_LIMIT} bytes")
        return int(length)

    def _reject(self, error: MalformedRequestError) -> None:
        """Answer, then read the rest and throw it away: left unread, it would make the kernel cut off the answer."""
        judgement = refusal(error.status, str(error))
        self.sandbox.tell(self.sandbox.count_request("", "", {}, b""), judgement)
        self.connection.sendall(json_answer(judgement.status, judgement.answer))
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1.0)
        for _ in range(64):
            if not self.connection.recv(65536):
                return

    # --- The connection, as ledger and failures use it ---

    def gone(self, within: float = 0.0) -> bool:
        """Whether the client has hung up; waits up to `within` seconds for that."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        if not poll.poll(within * 1000):
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _send(self, piece: bytes) -> bool:
        """Whether the client was there to take it."""
        try:
            self.connection.sendall(piece)
        except OSError:
            return False
        return True

    def _send_last(self, piece: bytes) -> None:
        """The last piece of an answer. The request leaves the ledger first: the client's next request may be faster
        than this thread."""
        self.sandbox.ledger.leave(self)
        if not self._send(piece):
            self.close_connection = True

    def _hang_up(self) -> None:
        self.sandbox.ledger.leave(self)
        self.close_connection = True
        with suppress(OSError):  # the client was first
            self.connection.shutdown(socket.SHUT_RDWR)

    # --- Answering ---

    def _respond(self) -> None:
        failure = self.judgement.failure
        if failure is None:
            self._apply()
            self._answer()
            return
        if failure.applied:
            self._apply()
        _FAILURES[failure.kind](self, failure)

    def _apply(self) -> None:
        """Let the status take effect, if the request is right."""
        if self.judgement.status == 200:
            self.sandbox.apply(self.received)

    def _answer(self, **changed: object) -> None:
        """Answer as the protocol has it, but for `changed` fields."""
        self._send_last(json_answer(self.judgement.status, {**self.judgement.answer, **changed}))

    def _http(self, failure: Failure) -> None:
        headers = {}
        if 300 <= failure.status < 400:
            headers["Location"] = f"http://{self.headers.get('Host', 'localhost')}{ELSEWHERE}"
        if failure.retry_after is not None:
            headers["Retry-After"] = str(failure.retry_after)
        if failure.retry_at is not None:
            at = self.sandbox.clock() + timedelta(seconds=failure.retry_at)
            headers["Retry-After"] = format_datetime(at, usegmt=True)
        if failure.status == 304:  # has no body by definition; one would be taken for the next answer
            self._send_last(http_answer(304, b"", JSON, headers))
        elif failure.body == "html":
            self._send_last(http_answer(failure.status, WEB_PAGE, HTML, headers))
        else:
            refused = {"success": False, "message": f"the sandbox was told to answer {failure.status}"}
            self._send_last(json_answer(failure.status, refused, headers))

    def _redirect(self, failure: Failure) -> None:
        self._http(replace(failure, status=302))

    def _refuse(self, _failure: Failure) -> None:
        self._send_last(json_answer(200, {"success": False, "message": "Заказ не найден"}))

    def _othercode(self, failure: Failure) -> None:
        self._apply()
        self._answer(newStatus=failure.code)

    def _nosuccess(self, _failure: Failure) -> None:
        answer = {name: value for name, value in self.judgement.answer.items() if name != "success"}
        self._send_last(json_answer(200, answer))

    def _html(self, _failure: Failure) -> None:
        self._send_last(http_answer(200, WEB_PAGE, HTML))

    def _badjson(self, _failure: Failure) -> None:
        self._apply()
        whole = json_body(self.judgement.answer)
        self._send_last(http_answer(200, whole[: len(whole) // 2], JSON))

    def _drop(self, _failure: Failure) -> None:
        self._hang_up()

    def _cut(self, failure: Failure) -> None:
        self._apply()
        if failure.at == "middle":
            body = json_body(self.judgement.answer)
            self._send_last(http_answer(self.judgement.status, body, JSON)[: -len(body) // 2])
        self._hang_up()

    def _timeout(self, failure: Failure) -> None:
        self.gone(failure.seconds)
        self._hang_up()

    def _slow(self, failure: Failure) -> None:
        ready = time.monotonic() + failure.seconds
        if self.gone(failure.seconds):
            self.sandbox.ledger.leave(self)
        if not self.sandbox.stopping.wait(max(0.0, ready - time.monotonic())):
            self._apply()
            self._answer()

    def _late(self, failure: Failure) -> None:
        self._apply()
        if not self.gone(failure.seconds):
            self._answer()

    def _drip(self, failure: Failure) -> None:
        self._apply()
        whole = json_answer(self.judgement.status, self.judgement.answer)
        for place in range(len(whole) - 1):
            if not self._send(whole[place : place + 1]) or self.gone(failure.seconds / len(whole)):
                return
        self._send_last(whole[-1:])

    def _endless(self, failure: Failure) -> None:
        ends_at = time.monotonic() + failure.seconds
        self.close_connection = True
        self._send(f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nConnection: close\r\n\r\n".encode())
        self._send(b'{"success": true, "message": "')
        while time.monotonic() < ends_at and self._send(ENDLESS_PIECE):
            if self.gone(ENDLESS_PAUSE_SECONDS):
                return


# Each kind of failure is the method that is named like it.
_FAILURES: Mapping[Kind, Callable[[SandboxHandler, Failure], None]] = {
    kind: getattr(SandboxHandler, f"_{kind}") for kind in KINDS
}


def json_answer(status: int, answer: Body, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP answer in the protocol's form."""
    return http_answer(status, json_body(answer), JSON, headers)


def json_body(answer: Body) -> bytes:
    # Half of a surrogate pair, quoted from the request, becomes the \u escape that JSON has for it.
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "backslashreplace")


def http_answer(status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP answer, to be sent in one piece."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
