"""The demo put together, and taken down with all its files."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event

import requests

from syncd import logs
from syncd.demo.imshop_side import PushRecorder, RandomFailures, RecordedPush
from syncd.demo.simulation import QUERY, DemoShop
from syncd.errors import SyncdError
from syncd.runtime import composition
from syncd.runtime.daemon import Daemon
from syncd.sandbox import Sandbox
from syncd.settings import Settings, load

USUAL_PORT = 9469
START_SECONDS = 30.0
SHORTEST_GAP, LONGEST_GAP = 0.3, 1.3  # seconds between two things that happen in the shop
KEPT = 10_000  # requests that the sandbox remembers
COMPLAINTS = 5


@dataclass(frozen=True, slots=True)
class DemoFigures:
    """The demo so far: `changes` in the shop, of which `reached` IMSHOP; lags in seconds."""

    orders: int
    changes: int
    waiting: int
    reached: int
    failed: int
    median_lag: float
    longest_lag: float

    @property
    def has_failed(self) -> bool:
        """There were changes, and none reached IMSHOP."""
        return self.changes > 0 and not self.reached


class Demo:
    """The running demo. `url`: the daemon's HTTP."""

    def __init__(
        self, shop: DemoShop, recorder: PushRecorder, failures: RandomFailures, log: StringIO, url: str
    ) -> None:
        self.url = url
        self._log = log
        self._shop = shop
        self._recorder = recorder
        self._failures = failures
        self._at_rest = Event()
        self._begun = Event()
        self._working: list[Future[None]] = []

    def pushes(self, within: float) -> Iterator[RecordedPush]:
        """What reached the sandbox since the last call; waits up to `within` seconds for the first push.

        Raises what the daemon or the shop raised, if one of them has failed.
        """
        for work in self._working:
            if work.done():
                work.result()
        return self._recorder.pushes(within)

    def figures(self) -> DemoFigures:
        lags = self._recorder.lags.copy()
        return DemoFigures(
            orders=len(self._shop.orders()),
            changes=self._shop.changes,
            waiting=self._recorder.waiting(),
            reached=len(lags),
            failed=self._recorder.failed,
            median_lag=median(lags) if lags else 0.0,
            longest_lag=max(lags, default=0.0),
        )

    def complaints(self) -> list[str]:
        """The daemon's warnings and errors, the latest ones."""
        return self._log.getvalue().splitlines()[-COMPLAINTS:]

    @property
    def has_begun(self) -> bool:
        """The daemon has polled once, and the shop's orders move."""
        return self._begun.is_set()

    def rest(self) -> None:
        """From now on nothing happens in the shop, and no request fails."""
        self._failures.over = True
        self._at_rest.set()

    def work(self, threads: ThreadPoolExecutor, daemon: Daemon, random: Random) -> None:
        """Start the daemon and the shop; `rest` ends the shop."""
        self._working = [threads.submit(daemon.run), threads.submit(self._move, random)]

    def _move(self, random: Random) -> None:
        self._await_baseline()
        self._begun.set()
        while not self._at_rest.is_set():
            self._shop.step()
            self._at_rest.wait(random.uniform(SHORTEST_GAP, LONGEST_GAP))

    def _await_baseline(self) -> None:
        """Nothing may move before the first poll: what that finds is recorded, not pushed."""
        deadline = time.monotonic() + START_SECONDS
        with requests.Session() as session:
            session.trust_env = False  # a proxy does not lead to this machine
            while not _has_polled(session, self.url) and not self._at_rest.wait(0.05):
                if time.monotonic() > deadline:
                    raise SyncdError(f"The demo's daemon did not poll its shop within {START_SECONDS:.0f} s. Try again")


@contextmanager
def running_demo(random: Random, port: int | None) -> Iterator[Demo]:
    """The demo, for as long as the context lasts. `port`: of the daemon's HTTP; None: the usual or a free one.

    No variable and no env file of the user is read. All files are in a temporary directory.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="syncd-demo-")))
        shop = DemoShop(folder / "shop.db", random, composition.now)
        shop.open()
        recorder, failures = PushRecorder(shop), RandomFailures(random)
        sandbox = stack.enter_context(Sandbox(behave=failures, on_request=recorder.record, keep=KEPT))
        settings = _settings(folder, sandbox.url, port or _free_port())
        log = stack.enter_context(_collected_logs(settings))
        demo, daemon = Demo(shop, recorder, failures, log, url=f"http://{settings.http.bind}"), Daemon(settings)
        threads = stack.enter_context(ThreadPoolExecutor(2, thread_name_prefix="demo"))
        stack.callback(daemon.stop)
        stack.callback(demo.rest)
        demo.work(threads, daemon, random)
        yield demo


def _settings(folder: Path, imshop_url: str, port: int) -> Settings:
    """What a merchant would write into the env file, with shorter intervals."""
    written = {
        "SYNCD_IMSHOP__URL": imshop_url,
        "SYNCD_IMSHOP__TIMEOUT": "1s",
        "SYNCD_SOURCE__URL": f"sqlite:///{folder / 'shop.db'}",
        "SYNCD_SOURCE__QUERY": QUERY,
        "SYNCD_SOURCE__TRACKING_TEMPLATE": "https://www.cdek.ru/ru/tracking?order_id={tracking_number}",
        "SYNCD_POLL__INTERVAL": "1s",
        "SYNCD_POLL__RECONCILE": "",
        "SYNCD_STATE__URL": f"sqlite:///{folder / 'syncd.db'}",
        "SYNCD_HTTP__BIND": f"127.0.0.1:{port}",
    }
    return load(written, usual_env_files=()).settings


@contextmanager
def _collected_logs(settings: Settings) -> Iterator[StringIO]:
    """The daemon's warnings and errors, kept off the screen."""
    log = StringIO()
    logs.configure("console", "warning", composition.redactor(settings), time.monotonic, stream=log)
    try:
        yield log
    finally:
        logging.getLogger().handlers.clear()


def _has_polled(session: requests.Session, url: str) -> bool:
    try:
        status = session.get(f"{url}/api/status", timeout=5)
    except requests.ConnectionError:  # it does not listen yet
        return False
    return status.status_code == 200 and status.json()["source"]["last_success_at"] is not None


def _free_port() -> int:
    for port in (USUAL_PORT, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    raise SyncdError("No port of 127.0.0.1 is free for the demo's HTTP. Stop another program that listens there")
