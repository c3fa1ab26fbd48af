"""A shop's API on this machine: each style of paging, and the bugs that shops' APIs have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from syncd.sources.api import ApiConfig, ApiSource
from syncd.sources.api.client import ClientClocks
from syncd.sources.api.paginators import Paging
from syncd.sources.api.status_names import StatusList
from tests.sources.shop import MOSCOW, NOON, wall

FIELDS = {"order_id": "id", "status": "status", "updated_at": "changed"}
PLACE: Mapping[Paging, Mapping[str, str]] = {
    "none": {},
    "page": {"page": "{page}", "per_page": "{limit}"},
    "offset": {"skip": "{offset}", "top": "{limit}"},
    "cursor": {"after": "{cursor}", "top": "{limit}"},
    "link": {"per_page": "{limit}"},
    "keyset": {"from_id": "{last_id}", "top": "{limit}"},
}
REQUIRED: Mapping[str, Any] = {
    "paging": "none",
    "first_page": 1,
    "since_format": "iso",
    "rate": 0.0,
    "timeout_seconds": 30.0,
    "statuses": StatusList("code", "name"),
}
"""What an ApiConfig needs beside its URL."""
NEXT: Mapping[Paging, str] = {"cursor": "next", "keyset": "pk"}
Row = list[Any]


@dataclass(frozen=True)
class Style:
    """How an API pages and dates its orders. `since`: as SYNCD_SOURCE__SINCE_FORMAT."""

    paging: Paging
    since: str
    write: Callable[[datetime, tzinfo], Any]
    is_wall: bool = False

    def __str__(self) -> str:
        return f"api-{self.paging}-{self.write(NOON, MOSCOW)}".replace(" ", "_")


STYLES = [
    Style("none", "iso", lambda when, zone: when.astimezone(zone).isoformat()),
    Style("page", "%Y-%m-%d %H:%M:%S", wall("%Y-%m-%d %H:%M:%S"), is_wall=True),
    Style("offset", "epoch", lambda when, _zone: int(when.timestamp())),
    Style("cursor", "epoch_ms", lambda when, _zone: int(when.timestamp() * 1000)),
    Style("link", "iso", lambda when, _zone: when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
    Style("keyset", "iso", wall("%Y-%m-%dT%H:%M:%S"), is_wall=True),
]
STYLE = {style.paging: style for style in STYLES}
PAGED = [style for style in STYLES if style.paging != "none"]


def styled(*styles: Style) -> pytest.MarkDecorator:
    """The styles of the fixture `shop`."""
    return pytest.mark.parametrize("shop", styles, indirect=True, ids=str)


@dataclass
class ApiShop:
    """`present` is what `Date` says. `served` so many pages, `meanwhile` is called behind each with their number;
    `bend` may change an answer, its headers or its status. `asked`: the targets of all requests."""

    dating: Style
    zone: tzinfo = MOSCOW
    present: datetime = NOON
    rows: list[Row] = field(default_factory=list)
    meanwhile: Callable[[int], None] = lambda _served: None
    bend: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda answer: answer
    headers: dict[str, str] = field(default_factory=dict)
    newest_first: bool = False
    sources: list[ApiSource] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    received: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        shop = self
        self.clock: Callable[[], datetime] = lambda: self.present

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                shop.answer(self)

            def log_message(self, *_: object) -> None:
                pass

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(shop.clock(), usegmt=True)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that went away is none of ours."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/orders"

    def add(self, *rows: tuple[str | None, str | None, datetime | None]) -> None:
        self.rows += [[len(self.rows) + number, *row] for number, row in enumerate(rows, 1)]

    def change(self, order_id: str, status: str, when: datetime) -> None:
        for row in self.rows:
            if row[1] == order_id:
                row[2:] = [status, when]

    def remove(self, *order_ids: str) -> None:
        self.rows = [row for row in self.rows if row[1] not in order_ids]

    def clear(self) -> None:
        self.rows = []

    def api(self, **changes: Any) -> ApiConfig:
        settings: dict[str, Any] = {
            **REQUIRED,
            "url": self.url,
            "query_params": {"since": "{since}", **PLACE[self.dating.paging]},
            "paging": self.dating.paging,
            "next": NEXT.get(self.dating.paging),
            "items": "orders",
            "fields": FIELDS,
            "since_format": self.dating.since,
        }
        return ApiConfig(**{**settings, **changes})

    def source(
        self,
        *,
        batch: int = 1000,
        lookback: timedelta | None = None,
        clocks: ClientClocks | None = None,
        **changes: Any,
    ) -> ApiSource:
        source = ApiSource(
            api=self.api(**changes),
            timezone=self.zone,
            lookback=timedelta(minutes=5) if lookback is None else lookback,
            lookback_rows=1000,
            batch=batch,
            clocks=clocks,
        )
        self.sources.append(source)
        return source

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        self.received.append({name.lower(): value for name, value in handler.headers.items()})
        page = {"status": 200, "headers": dict(self.headers), **self._page(handler.path)}
        bent = self.bend(page)
        if bent is None:
            handler.close_connection = True
            return
        body = bent["body"] if isinstance(bent["body"], bytes) else json.dumps(bent["body"]).encode()
        handler.send_response(bent["status"])
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **bent["headers"],
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.wfile.flush()
        self.meanwhile(len(self.asked))

    def close(self) -> None:
        for source in self.sources:
            source.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _page(self, target: str) -> dict[str, Any]:
        asked = dict(parse_qsl(urlsplit(target).query))
        rows = self._since(asked.get("since"), asked.get("from_id"))[:: -1 if self.newest_first else 1]
        limit = int(asked.get("per_page") or asked.get("top") or len(rows) or 1)
        match self.dating.paging:
            case "none":
                return {"body": {"orders": self._shown(rows)}}
            case "keyset":
                return {"body": {"orders": self._shown(rows[:limit])}}
            case "page" | "link":
                start = (int(asked.get("page", 1)) - 1) * limit
            case "offset" | "cursor":
                start = int(asked.get("skip") or asked.get("after") or 0)
        body: dict[str, Any] = {"orders": self._shown(rows[start : start + limit]), "next": None}
        more = start + limit < len(rows)
        if more and self.dating.paging == "cursor":
            body["next"] = start + limit
        if more and self.dating.paging == "link":
            following = urlencode({**asked, "page": start // limit + 2})
            return {"body": body, "headers": {"Link": f'</orders?{following}>; rel="next", </orders>; rel="first"'}}
        return {"body": body}

    def _since(self, since: str | None, from_id: str | None) -> list[Row]:
        """In the order of their times; a row without one is shown whatever is asked."""
        rows = sorted(self.rows, key=lambda row: (row[3] is not None, row[3] and self._key(row[3]), row[0]))
        if since is None:
            return rows
        start = self._read(since)
        if from_id is None:
            return [row for row in rows if row[3] is None or self._key(row[3]) >= start]
        return [row for row in rows if row[3] is not None and (self._key(row[3]), row[0]) > (start, int(from_id))]

    def _key(self, when: datetime) -> datetime:
        return when.astimezone(self.zone).replace(tzinfo=None) if self.dating.is_wall else when

    def _read(self, since: str) -> datetime:
        if re.fullmatch(r"\d+", since):
            return datetime.fromtimestamp(int(since) / (1000 if self.dating.since == "epoch_ms" else 1), UTC)
        read = datetime.fromisoformat(since)
        return read.replace(tzinfo=None) if self.dating.is_wall else read

    def _shown(self, rows: list[Row]) -> list[dict[str, Any]]:
        return [
            {"pk": pk, "id": order_id, "status": status, "changed": when and self.dating.write(when, self.zone)}
            for pk, order_id, status, when in rows
        ]


def source_of(shop: ApiShop, **changes: Any) -> ApiSource:
    """With pages of four orders."""
    return shop.source(batch=4, lookback=timedelta(), **changes)


def scanned(source: ApiSource) -> list[str]:
    return [str(row[0]) for block in source.scan(whole=True).blocks() for row in block]
