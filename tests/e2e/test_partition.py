"""A daemon in a network of its own, and the cable is pulled: no packet arrives, and no error either."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from syncd.sandbox import Failure, Sandbox
from tests.e2e.network import HERE, Namespace, namespace
from tests.e2e.relay import Relay
from tests.e2e.world import World

AWAY_SECONDS = 12.0  # longer than a lease, a time-out and a claim


@pytest.fixture
def network() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, network: Namespace) -> Iterator[World]:
    with Sandbox(key="test-key", host=HERE) as sandbox:
        world = World(tmp_path, sandbox)
        world.env.update(SYNCD_IMSHOP__ALLOW_HTTP="true", SYNCD_IMSHOP__TIMEOUT="2s", SYNCD_HTTP__BIND="")
        world.shop.put("1", "new")
        world.shop.put("2", "new")
        try:
            yield world
        finally:
            world.close()


@pytest.fixture
def state(postgresql_database: str) -> Iterator[str]:
    """As it is reached over the cable."""
    relay = Relay(postgresql_database, HERE)
    yield relay.url
    relay.cut()


def lead(world: World, network: Namespace, state: str) -> None:
    world.start(*network.prefix, SYNCD_STATE__URL=state)
    world.wait(lambda: "baseline_taken" in world.log(), "it polls")
    world.shop.put("1", "packed")
    world.wait(lambda: world.sandbox.orders.get("1") == "packed", "it pushes")


def test_lone_daemon_resumes_when_its_network_is_back(world: World, network: Namespace, state: str) -> None:
    lead(world, network, state)
    network.pull()
    world.shop.put("1", "sent")
    world.wait(lambda: "lease_lost" in world.log(), "it notices")
    time.sleep(AWAY_SECONDS)
    network.plug_in()
    world.wait(lambda: world.sandbox.orders.get("1") == "sent", "it works again")
    assert "Traceback" not in world.log()


def test_isolated_leader_is_replaced_and_stands_by(
    world: World, network: Namespace, state: str, postgresql_database: str
) -> None:
    lead(world, network, state)
    world.sandbox.behave = lambda _: Failure("slow", seconds=1.5)
    world.shop.put("1", "older")
    world.wait(lambda: world.sandbox.in_flight, "it pushes")
    network.pull()
    world.shop.put("1", "newer")
    world.env["SYNCD_STATE__URL"] = postgresql_database
    world.start()
    world.wait(lambda: world.sandbox.orders.get("1") == "newer", "another one pushes")
    network.plug_in()
    world.wait(lambda: "standing_by" in world.log().rpartition("lease_lost")[2], "the first one is back")
    world.wait(lambda: world.json("status")["changes"]["pending"] == 0, "all is told")
    told = [code for code, _ in groupby(one.code for one in world.sandbox.applied if one.id == "1")]
    assert told == ["packed", "older", "newer"]
    assert (world.sandbox.orders["1"], world.sandbox.overlaps, "Traceback" in world.log()) == ("newer", 0, False)
