from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import certificate, postgresql_database, receiver, tls_stub, world
from tests.e2e.incidents.night import BusyShop, Night, night
from tests.e2e.world import World
from tests.notify.conftest import Receiver
from tests.servers import execute

__all__ = ["certificate", "postgresql_database", "receiver", "tls_stub", "world"]


@pytest.fixture
def duty(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """A shop with ten orders, of which nobody was told yet."""
    for number in range(10):
        world.shop.put(f"{number:02}", "new")
    with night(world, receiver, monkeypatch) as on_duty:
        yield on_duty


@pytest.fixture
def busy_shop(postgresql_database: str) -> BusyShop:
    execute(
        postgresql_database,
        "CREATE TABLE orders (order_id text PRIMARY KEY, status text)",
        "INSERT INTO orders VALUES ('01', 'new')",
    )
    return BusyShop(postgresql_database)
