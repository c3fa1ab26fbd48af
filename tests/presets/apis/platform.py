"""A platform's API on this machine: it answers as the platform documents, and refuses what the platform refuses."""

from __future__ import annotations

import gzip
import json
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from syncd.sources.api.client import ClientClocks

MOSCOW = ZoneInfo("Europe/Moscow")
UUID = "0c7f9a52-6e1b-4d38-9a0f-5b7d1c2e3f40"
PHONE = "+7 900 000-00-00"
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Ticking:
    """A clock that moves only when somebody waits."""

    waited: list[float] = field(default_factory=list)

    def seconds(self) -> float:
        return sum(self.waited)

    def clocks(self) -> ClientClocks:
        return ClientClocks(
            lambda: datetime.now(UTC) + timedelta(seconds=self.seconds()), self.seconds, self.waited.append
        )


@dataclass
class Placed:
    """An order as every platform knows it. `id` is the platform's own."""

    id: int
    status: str
    changed: datetime
    paid: bool = False
    tracking: str | None = None
    draft: bool = False


@dataclass(frozen=True)
class Asked:
    """`headers` by their names in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content(self) -> Any:
        """The body: JSON, or a form, in which what looks like JSON is read too."""
        if self.headers.get("content-type", "").startswith("application/json"):
            return json.loads(self.body)
        form = parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: json.loads(text) if text.startswith("{") else text for name, text in form}


@dataclass(frozen=True)
class Reply:
    """`body`: bytes as they are, all else as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class JsonServer:
    """A server on this machine. `answer` is given each request."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def answer(self) -> None:
                _send(self, answer(_asked(self)))

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - their names in the library

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ApiPlatform(ABC):
    """`codes` are the statuses of an order that is placed, paid, shipped, done, and one that is cancelled; `names`
    are those that the platform's list gives them. `own`: what its merchant sets besides the login. `waits`: how it
    answers who asks too much, and for how long one then waits."""

    preset: ClassVar[str]
    login: ClassVar[Mapping[str, str]]
    own: ClassVar[Mapping[str, str]] = {}
    header: ClassVar[tuple[str, str]]
    unknown_login: ClassVar[int] = 401
    codes: ClassVar[Sequence[str]]
    names: ClassVar[Mapping[str, str]]
    orders_path: ClassVar[str]
    list_path: ClassVar[str | None]
    limit: ClassVar[tuple[int, float]] = (10**9, 1.0)
    waits: ClassVar[tuple[Reply, float]]
    user: ClassVar[str | None] = "77"
    paid_with: ClassVar[str | None] = None
    tracks: ClassVar[bool] = True
    uuid: ClassVar[bool] = True
    follows: ClassVar[bool] = True

    def __init__(self) -> None:
        self.orders: dict[int, Placed] = {}
        self.titles = dict(self.names)
        self.clock = Ticking()
        self.asked: list[Asked] = []
        self.asked_at: list[float] = []
        self.refusals: list[Reply] = []
        self.list_fault: Reply | None = None
        self.write_replies: list[Reply] = []
        self._steps = 0
        self._server = JsonServer(self._answer)
        self.server = self.url = self._server.url

    def __str__(self) -> str:
        return self.preset

    @abstractmethod
    def page(self, asked: Asked) -> Reply:
        """Orders."""

    @abstractmethod
    def write(self, asked: Asked) -> Reply:
        """What becomes of an order that is written to."""

    def admits(self, asked: Asked) -> Reply | None:
        """How it answers whose login it does not know; None: it knows it."""
        name, value = self.header
        if asked.headers.get(name.lower()) == value:
            return None
        return Reply({"error": "unknown login"}, self.unknown_login)

    def lists(self, asked: Asked) -> bool:
        """Whether that asks for the list of statuses."""
        return asked.path == self.list_path

    def one(self, _asked: Asked) -> Reply:
        """The order that stands at another path."""
        return Reply(b"<html>no such page</html>", 404, HTML)

    @abstractmethod
    def dictionary(self) -> Any:
        """The list of statuses."""

    def key(self, number: int) -> str:
        """The platform's own key of an order."""
        return str(number)

    def with_key(self, key: str) -> Placed | None:
        return next((order for order in self.orders.values() if self.key(order.id) == key), None)

    def place(self, *ids: int, draft: bool = False) -> None:
        for number in ids:
            self.orders[number] = Placed(number, self.codes[0], self.moment(), draft=draft)

    def change(self, number: int, status: str, **facts: Any) -> None:
        order = self.orders[number]
        order.status, order.changed = status, self.moment()
        for name, value in facts.items():
            setattr(order, name, value)

    def live(self, number: int) -> Iterator[str]:
        """Its life, a step at a time; each gives the status that it then has."""
        self.place(number)
        yield self.codes[0]
        self.change(number, self.codes[1], paid=True)
        yield self.codes[1]
        self.change(number, self.codes[2], tracking="TRACK1")
        yield self.codes[2]
        self.change(number, self.codes[3])
        yield self.codes[3]

    def moment(self) -> datetime:
        """Some time ago; each time it is asked, a second later."""
        self._steps += 1
        return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self._steps - 900)

    @property
    def written(self) -> list[Asked]:
        """What was asked to be changed."""
        return [asked for asked in self.asked if asked.method != "GET"]

    def close(self) -> None:
        self._server.close()

    def _answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        self.asked_at.append(self.clock.seconds())
        return self._reply(asked)

    def _reply(self, asked: Asked) -> Reply:
        most, seconds = self.limit
        if (stranger := self.admits(asked)) is not None:
            return stranger
        if len([at for at in self.asked_at if at > self.clock.seconds() - seconds]) > most:
            return self.waits[0]
        if self.refusals:
            return self.refusals.pop()
        if self.lists(asked):
            return self.list_fault or Reply(self.dictionary())
        if asked.method != "GET":
            return self.write_replies.pop() if self.write_replies else self.write(asked)
        return self.page(asked) if asked.path == self.orders_path else self.one(asked)


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _asked(handler: BaseHTTPRequestHandler) -> Asked:
    target = urlsplit(handler.path)
    return Asked(
        method=handler.command,
        path=unquote(target.path),
        params=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in handler.headers.items()},
        body=handler.rfile.read(int(handler.headers.get("Content-Length", 0))),
    )


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body, ensure_ascii=False).encode()
    if reply.headers.get("Content-Encoding") == "gzip":
        body = gzip.compress(body)
    handler.send_response(reply.status)
    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
