"""What a poll of an API costs beside the API itself, in time and in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from syncd.pipeline.poll import Poller
from syncd.sources.api import ApiConfig, ApiSource
from syncd.sources.api.status_names import StatusList
from syncd.state import open_state
from tests.bench.figures import Figure, timed
from tests.bench.shops import STATES

ORDERS = 10_000
PAGE = 100
LATENCY = 0.1
ROUNDS = 3
MANY, FEW = 200_000, 10_000
LOOKBACK = timedelta(minutes=5)
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def figures(home: Path) -> Iterator[Figure]:
    yield _poll(home)
    yield _memory(home)


class Serving(ThreadingHTTPServer):
    """Orders of the shape that shops give, `size` of them; `state` is one step on at each new `round`."""

    daemon_threads = True

    def __init__(self, size: int, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.size, self.latency, self.round, self.pages = size, latency, 0, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/orders"

    def body(self, page: int) -> bytes:
        numbers = range((page - 1) * PAGE, min(page * PAGE, self.size))
        return json.dumps({"orders": [self._order(number) for number in numbers]}).encode()

    def _order(self, number: int) -> dict[str, object]:
        return {
            "number": f"{number:08}",
            "status": {"code": STATES[(number + self.round) % len(STATES)], "name": "Готов к выдаче"},
            "changed": (STARTED + timedelta(days=self.round, seconds=number)).isoformat(),
            "items": [{"sku": f"{number}-{line}", "price": 100, "title": "Товар"} for line in range(5)],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Serving

    def do_GET(self) -> None:
        started = time.perf_counter()
        self.server.pages += 1
        body = self.server.body(int(parse_qs(urlsplit(self.path).query)["page"][0]))
        time.sleep(max(0.0, self.server.latency - (time.perf_counter() - started)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(size: int, latency: float) -> Iterator[Serving]:
    with Serving(size, latency) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def poller(url: str, state_file: Path) -> Iterator[Poller]:
    """What polls this API in the daemon."""
    api = ApiConfig(
        url=url,
        first_page=1,
        since_format="iso",
        rate=0.0,
        timeout_seconds=30.0,
        statuses=StatusList("code", "name"),
        query_params={"since": "{since}", "page": "{page}"},
        paging="page",
        items="orders",
        fields={"order_id": "number", "status": "status.code", "message": "status.name", "updated_at": "changed"},
    )
    source = ApiSource(api=api, timezone=UTC, lookback=LOOKBACK, lookback_rows=1000, batch=PAGE)
    state = open_state(f"sqlite:///{state_file}", redact=str)
    try:
        yield Poller(source=source, state=state.polls, action=lambda _code: "push", max_changes=0, lookback=LOOKBACK)
    finally:
        state.close()
        source.close()


def _poll(home: Path) -> Figure:
    """Each order changed, each change is put on disk."""
    ideal = ORDERS / PAGE * LATENCY
    with serving(ORDERS, LATENCY) as shop, poller(shop.url, home / "api.db") as of:
        first = timed(lambda: of.poll(datetime.now(UTC)))

        def changed() -> None:
            found = of.poll(datetime.now(UTC))
            assert (found.kind, found.found.total()) == ("incremental", ORDERS)

        times = []
        for _ in range(ROUNDS):
            shop.round += 1
            times.append(timed(changed))
    facts = f"{ORDERS:,} changes {median(times):.2f} s, {ORDERS // PAGE} pages at 100 ms; baseline {first:.2f} s"
    return Figure("poll of an API / its pages' latency", median(times) / ideal, facts, at_most=1.15)


def _memory(home: Path) -> Figure:
    (many, took), (few, _) = (_alone(size, home) for size in (MANY, FEW))
    facts = f"{MANY:,} orders {many:.1f} MB in {took:.1f} s, {FEW:,} {few:.1f} MB"
    return Figure("peak memory of a baseline, api", many / few, facts, at_most=1.2)


def _alone(size: int, home: Path) -> tuple[float, float]:
    """The peak memory in MB of a process that compares all orders of an API, and the seconds it took."""
    with serving(size, 0) as shop:
        command = [sys.executable, "-m", "tests.bench.alone", "api", shop.url, str(size), str(home)]
        peak, took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return peak, took
