"""What pushes cost: how many a second, and the CPU of each.

Each figure compares with something that runs in turns with it: the latency's own limit, a bare post of requests, a
merchant's script, or the same order's first changes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from threading import Thread
from urllib.parse import urlsplit

import requests

from syncd import logs
from syncd.imshop.push import ImshopClient
from syncd.pipeline.deliver import Deliverer
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime import composition, pipeline_parts
from syncd.runtime.metrics import Metrics, standard_registry
from syncd.runtime.observer import Observer
from syncd.settings import load
from syncd.state import State
from tests.bench import script
from tests.bench.endpoint import KEY, endpoint
from tests.bench.figures import Figure, Ratio, compared, seconds, timed
from tests.bench.shops import QUERY, Shop, database, open_shop
from tests.made import push

IN_FLIGHT = 8
"""The default of SYNCD_IMSHOP__CONCURRENCY."""
ANSWER_SECONDS = 0.05
PACED = ((16, 3000, 0.95), (64, 9600, 0.92))
"""How many are in flight, how many changes, and how much of the ideal is wanted."""
PACED_ROUNDS = 3
COUNTED = 5000
COUNTED_ROUNDS = 5
SCRIPTED = 10_000
SCRIPTED_ROUNDS = 3
AGED = 500
AGED_ROUNDS = 7
CHANGES_OF_AN_ORDER = 50
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the daemon puts to work, without its schedule."""

    poller: Poller
    deliverer: Deliverer
    state: State

    def poll(self, changes: int) -> None:
        found = self.poller.poll(composition.now())
        assert sum(found.found.values()) == changes

    def deliver(self) -> None:
        self.deliverer.drain(lambda: False)
        waiting = self.state.reports.summary().changes
        assert not waiting["pending"]
        assert not waiting["held"]


@dataclass(frozen=True, slots=True)
class Bench:
    """A shop in SQLite, an endpoint, and a pipeline between them that knows the shop. `state`: the kind of the state's
    database."""

    state: str
    shop: Shop
    url: str
    client: ImshopClient
    pipeline: Pipeline

    def change(self, status: str, orders: range | None = None) -> None:
        """These orders, or all, have another status, and a poll has found it."""
        changed = range(self.shop.size) if orders is None else orders
        self.shop.change_some(changed, status)
        self.pipeline.poll(len(changed))


def figures(home: Path) -> Iterator[Figure]:
    for state in ("sqlite", "postgresql"):
        for in_flight, changes, at_least in PACED:
            with _opened(state, changes, home, ANSWER_SECONDS, in_flight) as bench:
                yield _pace(bench, in_flight, at_least)
        with _opened(state, COUNTED, home) as bench:
            yield _cpu(bench)
        with _opened(state, AGED * (1 + AGED_ROUNDS), home) as bench:
            yield _age(bench)
        with _opened(state, SCRIPTED, home, in_flight=script.IN_FLIGHT) as bench:
            yield _script(bench)


def environment(shop: Shop, url: str, home: Path, **settings: object) -> dict[str, str]:
    """syncd's settings for this shop and endpoint; all else is the default."""
    given = {"SYNCD_IMSHOP__URL": url, "SYNCD_IMSHOP__API_KEY": KEY, "SYNCD_SOURCE__URL": shop.url}
    given |= {"SYNCD_SOURCE__QUERY": QUERY, "SYNCD_STATE__URL": f"sqlite:///{home}/daemon-{shop.size}.db"}
    return given | {f"SYNCD_{name}": str(value) for name, value in settings.items()}


@contextmanager
def _opened(
    state: str, size: int, home: Path, answer_seconds: float = 0, in_flight: int = IN_FLIGHT
) -> Iterator[Bench]:
    with (
        open_shop("sqlite", size, home) as shop,
        endpoint(answer_seconds) as url,
        database(state, home) as state_url,
    ):
        own = {"STATE__URL": state_url, "IMSHOP__CONCURRENCY": in_flight, "GUARD__MAX_CHANGES": size}
        environ = environment(shop, url, home, **own)
        with _pipeline(environ) as pipeline:
            client = pipeline_parts.imshop(load(environ, None, ()).settings)
            yield Bench(state, shop, url, client, pipeline)
            client.close()


@contextmanager
def _pipeline(environ: dict[str, str]) -> Iterator[Pipeline]:
    """A pipeline whose shop is known to it, so that only changes are told."""
    settings = load(environ, None, ()).settings
    statuses = StatusesFile(None)
    with ExitStack() as stack:
        sink = stack.enter_context(Path(os.devnull).open("w"))
        logs.configure("json", "info", composition.redactor(settings), time.monotonic, stream=sink)
        stack.callback(logging.disable)
        endpoint = pipeline_parts.imshop(settings)
        stack.callback(endpoint.close)
        source = composition.source(settings)
        stack.callback(source.close)
        state = composition.state(settings, create=True)
        stack.callback(state.close)
        observer = Observer(Metrics(standard_registry()), lambda: statuses.now)
        deliverer = pipeline_parts.deliverer(settings, state.outbox, endpoint, statuses, observer.pushed)
        stack.callback(deliverer.close, 10)
        pipeline = Pipeline(
            pipeline_parts.poller(settings, source, state, statuses, lambda _rows: None), deliverer, state
        )
        pipeline.poll(0)
        yield pipeline


def _pace(bench: Bench, in_flight: int, at_least: float) -> Figure:
    changes = bench.shop.size
    took, bare = [], []
    for turn in range(PACED_ROUNDS):
        bench.change(f"stage {turn}")
        took.append(timed(bench.pipeline.deliver))
        bare.append(timed(lambda: _post_bare(bench.url, changes, in_flight)))
    ideal = in_flight / ANSWER_SECONDS
    rate, reachable = changes / median(took), changes / median(bare)
    facts = f"{rate:.0f} of {ideal:.0f} a second, bare http.client {reachable:.0f}, {PACED_ROUNDS} rounds"
    return Figure(f"pushes, {in_flight} in flight / ideal, {bench.state}", rate / ideal, facts, at_least=at_least)


def _post_bare(url: str, posts: int, in_flight: int) -> None:
    """As fast as the server and this machine allow with nothing but the standard library."""
    host, path = urlsplit(url).netloc, urlsplit(url).path
    numbers = SimpleQueue[int | None]()
    for number in [*range(posts), *[None] * in_flight]:
        numbers.put(number)

    def post() -> None:
        connection = HTTPConnection(host)
        while (number := numbers.get()) is not None:
            connection.request("POST", path, f'{{"id": "{number}", "code": "packed"}}', HEADERS)
            connection.getresponse().read()
        connection.close()

    threads = [Thread(target=post) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _cpu(bench: Bench) -> Figure:
    body, changes, turns = bench.client.body(push()), bench.shop.size, count()

    def bare() -> None:
        for _ in range(changes):
            assert session.post(bench.url, data=body, headers=HEADERS).ok

    with requests.Session() as session:
        ratio = compared(
            bench.pipeline.deliver,
            bare,
            COUNTED_ROUNDS,
            time.process_time,
            before=lambda: bench.change(f"stage {next(turns)}"),
        )
    each = f"{seconds(ratio.one / changes)} a change, {seconds(ratio.other / changes)} a bare post"
    facts = f"{each}, {COUNTED_ROUNDS} rounds"
    return Figure(f"CPU of a delivery / a bare post, {bench.state}", ratio.ratio, facts, at_most=0.75)


def _age(bench: Bench) -> Figure:
    """Some orders change many times; then they and others, whose first change it is, take turns."""
    old, turns = range(AGED), count()

    def delivered(orders: range) -> float:
        bench.change(f"stage {next(turns)}", orders)
        return timed(bench.pipeline.deliver, time.process_time) / AGED

    for _ in range(CHANGES_OF_AN_ORDER - 1):
        delivered(old)
    starts = range(AGED, bench.shop.size, AGED)
    ratio = Ratio.of([(delivered(old), delivered(range(start, start + AGED))) for start in starts])
    facts = ratio.facts("many changes", "first change", len(starts))
    name = f"CPU of an order's change {CHANGES_OF_AN_ORDER} / 1, {bench.state}"
    return Figure(name, ratio.ratio, facts, at_most=1.1)


def _script(bench: Bench) -> Figure:
    """From the shop to IMSHOP: the poll counts."""
    turns, since = count(), ""

    def change() -> None:
        nonlocal since
        since = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        bench.shop.change_all(f"stage {next(turns)}")

    def sync() -> None:
        bench.pipeline.poll(bench.shop.size)
        bench.pipeline.deliver()

    def run_script() -> None:
        for rows in script.changed(bench.shop.url.removeprefix("sqlite:///"), since):
            for row in rows:
                script.push(session.post, bench.url, row)

    with requests.Session() as session:
        ratio = compared(sync, run_script, SCRIPTED_ROUNDS, before=change)
    facts = ratio.facts("poll and delivery", "the script", SCRIPTED_ROUNDS)
    return Figure(f"{SCRIPTED:,} changes / a script, {bench.state}", ratio.ratio, facts, at_most=0.55)
