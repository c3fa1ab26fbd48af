from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import postgresql_database, receiver, world
from tests.e2e.incidents.night import Night, night
from tests.e2e.world import World
from tests.notify.conftest import Receiver

__all__ = ["postgresql_database", "receiver", "world"]


@pytest.fixture
def duty(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """A shop with ten orders, of which nobody was told yet."""
    for number in range(10):
        world.shop.put(f"{number:02}", "new")
    with night(world, receiver, monkeypatch) as on_duty:
        yield on_duty
