"""A machine whose clock is set while the daemon runs: a board without a battery, once NTP has answered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.world import World, end

FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.fixture
def clock(world: World, tmp_path: Path) -> Path:
    """A file that says what time it is for the daemon."""
    if FAKETIME is None:
        missing = "there is no libfaketime; on Debian: apt install faketime"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    file = tmp_path / "clock"
    world.env |= {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return file


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [("@2000-01-01 00:00:00", "+0", "clock_set_forward"), ("+400d", "+0", "clock_set_back")],
)
def test_clock_set_by_years_stops_nothing(world: World, clock: Path, before: str, after: str, event: str) -> None:
    clock.write_text(before + "\n")
    world.shop.put("1", "new", changed="1999-12-31 00:00:00")
    daemon = world.started(
        SYNCD_POLL__INTERVAL="30s", SYNCD_SOURCE__QUERY="SELECT number AS order_id, state AS status FROM orders"
    )
    world.shop.put("1", "packed")
    clock.write_text(after + "\n")
    world.wait(lambda: world.sandbox.orders.get("1") == "packed", "the change is told", 25)
    world.wait(lambda: event in world.log(), "the clock is noticed", 25)
    assert end(daemon) == 0
