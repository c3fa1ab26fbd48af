"""The real `syncd` on real database servers, which are restarted under it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest
from sqlalchemy import make_url

from syncd.sandbox import Failure
from tests.e2e.relay import Relay
from tests.e2e.world import World, end
from tests.servers import execute, free_port, postgresql_url

QUERY = "SELECT number AS order_id, state AS status, changed AS updated_at FROM orders"
NOW = {"mysql": "utc_timestamp(6)", "postgresql": "now() AT TIME ZONE 'utc'"}
COLUMN = {"mysql": "datetime(6)", "postgresql": "timestamp(6)"}


@dataclass(frozen=True)
class ServerShop:
    """A shop in MariaDB or PostgreSQL."""

    url: str

    def __post_init__(self) -> None:
        columns = f"number varchar(20) PRIMARY KEY, state varchar(40), changed {COLUMN[self._server]}"
        execute(self.url, f"CREATE TABLE orders ({columns})", "CREATE INDEX orders_changed ON orders (changed)")

    def place(self, *numbers: str) -> None:
        execute(self.url, *(f"INSERT INTO orders VALUES ('{one}', 'new', {NOW[self._server]})" for one in numbers))

    def change(self, number: str, status: str) -> None:
        execute(
            self.url, f"UPDATE orders SET state = '{status}', changed = {NOW[self._server]} WHERE number = '{number}'"
        )

    def change_silently(self, number: str, status: str) -> None:
        """Without its timestamp."""
        execute(self.url, f"UPDATE orders SET state = '{status}' WHERE number = '{number}'")

    @property
    def _server(self) -> str:
        return make_url(self.url).get_backend_name()


def shop_of(world: World, url: str, state: str) -> ServerShop:
    """A shop with three orders, and the state in a database of its own."""
    world.env.update(
        SYNCD_SOURCE__URL=url, SYNCD_SOURCE__QUERY=QUERY, SYNCD_STATE__URL=state, SYNCD_IMSHOP__TIMEOUT="1s"
    )
    shop = ServerShop(url)
    shop.place("001", "002", "003")
    return shop


@pytest.fixture
def postgresql(postgresql_database: str) -> Iterator[Relay]:
    """The way to the state."""
    relay = Relay(postgresql_database)
    yield relay
    relay.cut()


@pytest.fixture
def mariadb(mariadb_database: str) -> Iterator[Relay]:
    """The way to the shop."""
    relay = Relay(mariadb_database)
    yield relay
    relay.cut()


def told(world: World) -> list[tuple[str, str]]:
    return [(applied.id, applied.code) for applied in world.sandbox.applied]


def is_told(world: World, status: str) -> bool:
    return status in world.sandbox.orders.values()


def end_connections(database: str) -> None:
    """Everybody's to this PostgreSQL database, as its administrator may."""
    pids = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{make_url(database).database}'"
    execute(postgresql_url(), pids)


@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
def test_baseline_change_and_reconcile(
    world: World, server: str, postgresql_database: str, request: pytest.FixtureRequest
) -> None:
    shop = shop_of(world, str(request.getfixturevalue(f"{server}_database")), state=postgresql_database)
    world.done("once")
    assert told(world) == []
    shop.change("002", "packed")
    world.done("once")
    shop.change_silently("003", "sent")
    world.done("reconcile")
    assert told(world) == [("002", "packed"), ("003", "sent")]


def test_a_second_daemon_stands_by_and_takes_over(
    world: World, postgresql_database: str, mariadb_database: str
) -> None:
    shop = shop_of(world, mariadb_database, state=postgresql_database)
    first = world.started()
    world.port = free_port()
    second = world.start(SYNCD_HTTP__BIND=f"127.0.0.1:{world.port}")
    world.wait(lambda: world.metric("syncd_leader") == 0, "the second does not lead")
    world.wait(lambda: world.get("/readyz")[0] == 200, "it is ready all the same")
    assert f"stands by: process {first.pid} on " in world.get("/readyz")[1]
    world.sandbox.behave = lambda _: Failure("slow", seconds=0.5)
    shop.change("001", "packed")
    world.wait(lambda: world.sandbox.in_flight, "the first pushes")
    first.kill()
    first.wait()
    world.sandbox.behave = None
    world.wait(lambda: world.metric("syncd_leader") == 1, "the second leads")
    shop.change("002", "packed")
    world.wait(lambda: ("002", "packed") in told(world), "the second polls and pushes")
    world.wait(lambda: world.status()["changes"]["delivered"] == 2, "what the first had in flight is told again")
    assert second.poll() is None


def test_connections_that_the_servers_end_are_made_anew(
    world: World, postgresql_database: str, mariadb: Relay, mariadb_database: str
) -> None:
    shop = shop_of(world, mariadb_database, state=postgresql_database)
    daemon = world.started(SYNCD_SOURCE__URL=mariadb.url)
    statuses = ["packed", "sent", "done"]
    for status in statuses:
        end_connections(postgresql_database)
        mariadb.cut()
        mariadb.mend()
        shop.change("001", status)
        world.wait(partial(is_told, world, status), f"{status} is told")
    world.wait(lambda: world.status()["changes"]["delivered"] == len(statuses), "all is written down")
    world.wait(lambda: world.get("/readyz")[0] == 200, "it is ready again")
    assert daemon.poll() is None
    assert "Traceback" not in world.log()


def test_daemon_waits_for_servers_that_are_away(
    world: World, postgresql: Relay, mariadb: Relay, mariadb_database: str
) -> None:
    shop = shop_of(world, mariadb_database, state=postgresql.url)
    daemon = world.started(SYNCD_SOURCE__URL=mariadb.url)
    world.sandbox.behave = lambda _: Failure("slow", seconds=0.3)
    shop.change("001", "packed")
    world.wait(lambda: world.sandbox.in_flight, "a push is in flight")
    postgresql.cut()
    world.wait(lambda: "lease_lost" in world.log(), "the state is away")
    assert (world.get("/healthz")[0], world.get("/readyz")[0]) == (200, 503)
    shop.change("002", "packed")
    postgresql.mend()
    world.wait(lambda: ("002", "packed") in told(world), "the state is back")
    mariadb.cut()
    world.wait(lambda: "source:" in world.get("/readyz")[1], "the shop is away")
    shop.change("003", "packed")
    mariadb.mend()
    world.wait(lambda: ("003", "packed") in told(world), "the shop is back")
    world.wait(lambda: world.status()["changes"]["delivered"] == 3, "all is written down")
    assert (daemon.poll(), world.sandbox.overlaps, world.log().count("lease_lost")) == (None, 0, 1)
    assert "Traceback" not in world.log()


def test_hanging_state_delays_neither_answers_nor_shutdown(
    world: World, postgresql: Relay, mariadb_database: str
) -> None:
    shop_of(world, mariadb_database, state=postgresql.url)
    daemon = world.started()
    postgresql.freeze()
    asked = ("/metrics", "/readyz", "/", "/api/status", "/order?id=001")
    with ThreadPoolExecutor(5) as threads:
        answers = dict(zip(asked, threads.map(partial(world.get, seconds=10), asked), strict=True))
    assert {path: code for path, (code, _) in answers.items()} == {**dict.fromkeys(asked, 503), "/metrics": 200}
    assert "syncd_state_up 0.0" in answers["/metrics"][1]
    assert "cannot be reached" in answers["/readyz"][1]
    assert "The state cannot be read" in answers["/"][1]
    assert world.get("/healthz") == (200, "ok\n")
    told_at = time.monotonic()
    assert end(daemon) == 0
    assert time.monotonic() - told_at < 15


def test_returning_leader_delivers_what_the_next_left(
    world: World, postgresql: Relay, postgresql_database: str, mariadb_database: str
) -> None:
    shop = shop_of(world, mariadb_database, state=postgresql.url)
    world.started()
    postgresql.cut()
    first_port, world.port = world.port, free_port()
    second = world.started(SYNCD_STATE__URL=postgresql_database, SYNCD_HTTP__BIND=f"127.0.0.1:{world.port}")
    world.sandbox.behave = lambda _: Failure("slow", seconds=0.5)
    shop.change("001", "packed")
    world.wait(lambda: world.sandbox.in_flight, "the second pushes")
    second.kill()
    second.wait()
    world.sandbox.behave = None
    postgresql.mend()
    world.port = first_port
    world.wait(lambda: world.metric("syncd_leader") == 1, "the first leads again")
    world.wait(lambda: world.status()["changes"]["delivered"] == 1, "what the second had in flight is told again")
