"""Two daemons on one PostgreSQL state, each with a way of its own to it that can be cut, and what IMSHOP heard."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from syncd.sandbox import Judgement, PushReceived
from tests.e2e.relay import Relay
from tests.e2e.world import Process, World
from tests.servers import free_port


@dataclass
class Side:
    """One of the two: its process, its port, its way to the state."""

    relay: Relay
    port: int = field(default_factory=free_port)
    process: Process | None = None

    def leads(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status", timeout=5) as answer:
                return bool(json.loads(answer.read())["leader"])
        except (OSError, ValueError):
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)


class Pair:
    """Statuses are s1, s2, …, all different, so that an old one told late stands out."""

    def __init__(self, world: World, state: str) -> None:
        self.world = world
        self.sides = [Side(Relay(state)), Side(Relay(state))]
        self.heard: list[PushReceived] = []
        self._last = 0
        self._shop = threading.Lock()
        world.sandbox.on_request = self._hear

    def start(self, side: Side, **env: str) -> None:
        bind = f"127.0.0.1:{side.port}"
        side.process = self.world.start(SYNCD_STATE__URL=side.relay.url, SYNCD_HTTP__BIND=bind, **env)

    def start_both(self) -> tuple[Side, Side]:
        """The one that leads, and the one that stands by."""
        leader, standby = self.sides
        for side in self.sides:
            self.start(side)
            self.world.port = side.port
            self.world.wait(lambda: self.world.get("/readyz")[0] == 200, "it is ready")
        assert leader.leads()
        return leader, standby

    def change(self, *numbers: str) -> str:
        """These orders change to a status that none had before, which is returned."""
        with self._shop:
            self._last += 1
            for number in numbers:
                self.world.shop.put(number, f"s{self._last}")
            return f"s{self._last}"

    @contextmanager
    def flow(self, orders: int, every: float) -> Iterator[None]:
        """One order after the other changes, for as long as the context lasts."""
        stop = threading.Event()

        def run() -> None:
            turn = 0
            while not stop.wait(every):
                turn += 1
                self.change(f"{turn % orders:03d}")

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def seconds_until_told_anew(self, since: datetime, at_most: float) -> float:
        """Until IMSHOP hears a status that the shop took on after `since`."""
        with self._shop:
            first = self._last + 1
        ends_at = time.monotonic() + at_most
        while time.monotonic() < ends_at:
            told = [one.at for one in self.heard if int(one.code[1:] or 0) >= first]
            if told:
                return (min(told) - since).total_seconds()
            time.sleep(0.05)
        return at_most

    def wait_for_rest(self, seconds: float) -> None:
        self.world.wait(lambda: self.world.sandbox.in_flight == 0 and not self.wrong(), "every order is right", seconds)

    def wrong(self) -> dict[str, str]:
        """Orders that IMSHOP knows otherwise than the shop; of those that it was ever told of."""
        known = self.world.sandbox.orders
        return {
            number: state for number, state in self.world.shop.states().items() if known.get(number, state) != state
        }

    def older_after_newer(self) -> list[str]:
        """Requests with a status that is older than one that was asked for before."""
        newest: dict[str, int] = {}
        found = []
        for one in self.heard:
            number = int(one.code[1:])
            if number < newest.get(one.order_id, 0):
                found.append(f"order {one.order_id}: {one.code} at {one.at} after s{newest[one.order_id]}")
            newest[one.order_id] = max(number, newest.get(one.order_id, 0))
        return found

    def repeated(self) -> int:
        """How many statuses were asked for more than once."""
        return len(self.heard) - len({(one.order_id, one.code) for one in self.heard})

    def close(self) -> None:
        for side in self.sides:
            if side.process is not None and side.process.poll() is None:
                side.signal(signal.SIGCONT)
            side.relay.cut()

    def _hear(self, received: PushReceived, _verdict: Judgement) -> None:
        self.heard.append(received)


def now() -> datetime:
    return datetime.now(UTC)
