"""How a request is answered: as the protocol has it, or in one of the ways to fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TypeAlias

from syncd.sandbox.failures import Failure, Kind
from syncd.sandbox.ledger import Applied, Ledger
from syncd.sandbox.rules import Body, Judgement, PushReceived
from syncd.sandbox.wire import Wire, http_answer

ELSEWHERE = "/elsewhere"
"""Where redirects lead to. Nobody who holds a key should ever ask there."""

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
WEB_PAGE = "<!DOCTYPE html><html><body><h1>Сервис временно недоступен</h1></body></html>".encode()
_ENCODER = json.JSONEncoder(ensure_ascii=False)
ENDLESS_PIECE = b"x" * 65536
ENDLESS_PAUSE_SECONDS = 0.01


@dataclass(eq=False, slots=True)
class Exchange:
    """One request on its way to an answer; `keep_alive` says whether the connection is of use afterwards."""

    wire: Wire
    received: PushReceived
    judgement: Judgement
    ledger: Ledger
    stopping: threading.Event
    clock: Callable[[], datetime]
    keep_alive: bool = True
    order_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.order_id = self.received.order_id

    def gone(self, within: float = 0.0) -> bool:
        return self.wire.gone(within)

    def apply(self) -> None:
        """Let the status take effect, if the request is right."""
        received = self.received
        if self.judgement.status == 200 and received.body is not None:
            self.ledger.apply(Applied(self.clock(), received.order_id, received.code, received.body))

    def leave(self) -> None:
        self.ledger.leave(self)

    def send(self, message: bytes) -> None:
        """The last of the answer. The ledger hears first: the client's next request may be faster than this thread."""
        self.leave()
        self.keep_alive = self.wire.send(message) and self.keep_alive

    def answer(self) -> None:
        """Answer as the protocol has it."""
        self.send(message(self.judgement.status, self.judgement.answer))

    def hang_up(self) -> None:
        self.leave()
        self.keep_alive = False
        self.wire.hang_up()


def perform(exchange: Exchange) -> None:
    """Answer the request, or fail it as its judgement says. Returns early when the client or the sandbox leaves."""
    failure = exchange.judgement.failure
    if failure is None:
        exchange.apply()
        exchange.answer()
        return
    if failure.applied:
        exchange.apply()
    ACTS[failure.kind](exchange, failure)


def message(status: int, answer: Body, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP answer in the protocol's form."""
    return http_answer(status, _json(answer), JSON, headers or {})


def _json(answer: Body) -> bytes:
    # Half of a surrogate pair, quoted from the request, becomes the \u escape that JSON has for it.
    return _ENCODER.encode(answer).encode("utf-8", "backslashreplace")


def _http(exchange: Exchange, failure: Failure) -> None:
    elsewhere = f"http://{exchange.received.headers.get('host', 'localhost')}{ELSEWHERE}"
    headers = {"Location": elsewhere} if 300 <= failure.status < 400 else {}
    if failure.retry_after is not None:
        headers["Retry-After"] = str(failure.retry_after)
    if failure.retry_at is not None:
        at = exchange.clock() + timedelta(seconds=failure.retry_at)
        headers["Retry-After"] = format_datetime(at, usegmt=True)
    if failure.status == 304:  # has no body by definition; one would be taken for the next answer
        exchange.send(http_answer(304, b"", JSON, headers))
    elif failure.body == "html":
        exchange.send(http_answer(failure.status, WEB_PAGE, HTML, headers))
    else:
        refusal = {"success": False, "message": f"the sandbox was told to answer {failure.status}"}
        exchange.send(message(failure.status, refusal, headers))


def _redirect(exchange: Exchange, failure: Failure) -> None:
    _http(exchange, replace(failure, status=302))


def _refuse(exchange: Exchange, _failure: Failure) -> None:
    exchange.send(message(200, {"success": False, "message": "Заказ не найден"}))


def _othercode(exchange: Exchange, failure: Failure) -> None:
    exchange.apply()
    answer = exchange.judgement.answer
    exchange.send(message(exchange.judgement.status, {**answer, "newStatus": failure.code}))


def _nosuccess(exchange: Exchange, _failure: Failure) -> None:
    answer = {name: value for name, value in exchange.judgement.answer.items() if name != "success"}
    exchange.send(message(200, answer))


def _html(exchange: Exchange, _failure: Failure) -> None:
    exchange.send(http_answer(200, WEB_PAGE, HTML, {}))


def _badjson(exchange: Exchange, _failure: Failure) -> None:
    exchange.apply()
    whole = _json(exchange.judgement.answer)
    exchange.send(http_answer(200, whole[: len(whole) // 2], JSON, {}))


def _drop(exchange: Exchange, _failure: Failure) -> None:
    exchange.hang_up()


def _cut(exchange: Exchange, failure: Failure) -> None:
    exchange.apply()
    if failure.at == "middle":
        body = _json(exchange.judgement.answer)
        whole = http_answer(exchange.judgement.status, body, JSON, {})
        exchange.send(whole[: -len(body) // 2])
    exchange.hang_up()


def _timeout(exchange: Exchange, failure: Failure) -> None:
    exchange.gone(failure.seconds)
    exchange.hang_up()


def _slow(exchange: Exchange, failure: Failure) -> None:
    ready = time.monotonic() + failure.seconds
    if exchange.gone(failure.seconds):
        exchange.leave()
    if not exchange.stopping.wait(max(0.0, ready - time.monotonic())):
        exchange.apply()
        exchange.answer()


def _late(exchange: Exchange, failure: Failure) -> None:
    exchange.apply()
    if not exchange.gone(failure.seconds):
        exchange.answer()


def _drip(exchange: Exchange, failure: Failure) -> None:
    exchange.apply()
    whole = message(exchange.judgement.status, exchange.judgement.answer)
    for place in range(len(whole) - 1):
        if not exchange.wire.send(whole[place : place + 1]) or exchange.gone(failure.seconds / len(whole)):
            return
    exchange.send(whole[-1:])


def _endless(exchange: Exchange, failure: Failure) -> None:
    end = time.monotonic() + failure.seconds
    exchange.keep_alive = False
    exchange.wire.send(f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nConnection: close\r\n\r\n".encode())
    exchange.wire.send(b'{"success": true, "message": "')
    while time.monotonic() < end and exchange.wire.send(ENDLESS_PIECE):
        if exchange.gone(ENDLESS_PAUSE_SECONDS):
            return


Act: TypeAlias = Callable[[Exchange, Failure], None]

ACTS: Mapping[Kind, Act] = {
    "http": _http,
    "redirect": _redirect,
    "refuse": _refuse,
    "othercode": _othercode,
    "nosuccess": _nosuccess,
    "html": _html,
    "badjson": _badjson,
    "drop": _drop,
    "cut": _cut,
    "timeout": _timeout,
    "slow": _slow,
    "late": _late,
    "drip": _drip,
    "endless": _endless,
}
