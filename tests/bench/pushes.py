"""What pushes cost: how many a second, and the CPU of each from poll to acknowledged."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from threading import Thread
from urllib.parse import urlsplit

import requests

from syncd import logs
from syncd.pipeline.deliver import Deliverer
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime import composition, pipeline_parts
from syncd.runtime.metrics import Metrics, standard_registry
from syncd.runtime.observer import Observer
from syncd.settings import load
from syncd.state import State
from tests.bench.endpoint import KEY, endpoint
from tests.bench.figures import Figure, compared, seconds, timed
from tests.bench.shops import QUERY, Shop, open_shop
from tests.made import push

IN_FLIGHT = 16
ANSWER_SECONDS = 0.05
PACED = 3000
COUNTED = 5000
PACED_ROUNDS = 3
COUNTED_ROUNDS = 5
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


def figures(home: Path) -> Iterator[Figure]:
    with open_shop("sqlite", PACED, home) as shop, endpoint(ANSWER_SECONDS) as url:
        yield _pace(shop, url, home)
    with open_shop("sqlite", COUNTED, home) as shop, endpoint(0) as url:
        yield _cpu(shop, url, home)


def environment(shop: Shop, url: str, home: Path, **settings: object) -> dict[str, str]:
    """syncd's settings for this shop and endpoint; all else is the default."""
    given = {"SYNCD_IMSHOP__URL": url, "SYNCD_IMSHOP__API_KEY": KEY, "SYNCD_SOURCE__URL": shop.url}
    given |= {"SYNCD_SOURCE__QUERY": QUERY, "SYNCD_STATE__URL": f"sqlite:///{home}/daemon-{shop.size}.db"}
    return given | {f"SYNCD_{name}": str(value) for name, value in settings.items()}


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


def _pace(shop: Shop, url: str, home: Path) -> Figure:
    took, bare = [], []
    with _pipeline(environment(shop, url, home, IMSHOP__CONCURRENCY=IN_FLIGHT)) as pipeline:
        for turn in range(PACED_ROUNDS):
            shop.change_all(f"stage {turn}")
            pipeline.poll(shop.size)
            took.append(timed(pipeline.deliver))
            bare.append(timed(lambda: _post_bare(url, shop.size)))
    ideal = IN_FLIGHT / ANSWER_SECONDS
    rate, reachable = shop.size / median(took), shop.size / median(bare)
    facts = f"{rate:.0f} of {ideal:.0f} a second, bare http.client {reachable:.0f}, {PACED_ROUNDS} rounds"
    return Figure(f"pushes, {IN_FLIGHT} in flight / ideal", rate / ideal, facts, at_least=0.92)


def _post_bare(url: str, posts: int) -> None:
    """As fast as the server and this machine allow with nothing but the standard library."""
    host, path = urlsplit(url).netloc, urlsplit(url).path
    numbers = SimpleQueue[int | None]()
    for number in [*range(posts), *[None] * IN_FLIGHT]:
        numbers.put(number)

    def post() -> None:
        connection = HTTPConnection(host)
        while (number := numbers.get()) is not None:
            connection.request("POST", path, f'{{"id": "{number}", "code": "packed"}}', HEADERS)
            connection.getresponse().read()
        connection.close()

    threads = [Thread(target=post) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _cpu(shop: Shop, url: str, home: Path) -> Figure:
    environ = environment(shop, url, home)
    session = requests.Session()
    body = pipeline_parts.imshop(load(environ, None, ()).settings).body(push())
    turns = count()

    def bare() -> None:
        for _ in range(shop.size):
            assert session.post(url, data=body, headers=HEADERS).ok

    with session, _pipeline(environ) as pipeline:

        def deliver() -> None:
            pipeline.poll(shop.size)
            pipeline.deliver()

        def change() -> None:
            shop.change_all(f"stage {next(turns)}")

        ratio = compared(deliver, bare, COUNTED_ROUNDS, time.process_time, change)
    each = f"{seconds(ratio.one / shop.size)} a change, {seconds(ratio.other / shop.size)} a bare post"
    return Figure("CPU of a change / of a bare post", ratio.ratio, f"{each}, {COUNTED_ROUNDS} rounds", at_most=1.5)
