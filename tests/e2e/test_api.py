"""The real `syncd` on a shop that has nothing but a JSON API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.world import World, end
from tests.sources.api.server import STYLES, ApiShop

TOKEN = "sh0p-t0ken-sh0p"
(PAGE,) = [style for style in STYLES if style.paging == "page"]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def shop(world: World) -> Iterator[ApiShop]:
    """Seven orders, three a page."""
    with closing(ApiShop(PAGE)) as api_shop:
        api_shop.present = now() + timedelta(minutes=1)
        api_shop.add(*((f"00{number}", "new", now() - timedelta(hours=9 - number)) for number in range(7)))
        del world.env["SYNCD_SOURCE__QUERY"]
        world.env |= {
            "SYNCD_SOURCE__URL": api_shop.url,
            "SYNCD_SOURCE__AUTH": f"bearer:{TOKEN}",
            "SYNCD_SOURCE__ITEMS": "orders",
            "SYNCD_SOURCE__FIELDS": '{"order_id": "id", "status": "status", "updated_at": "changed"}',
            "SYNCD_SOURCE__QUERY_PARAMS": '{"since": "{since}", "page": "{page}"}',
            "SYNCD_SOURCE__QUERY_PARAMS__PER_PAGE": "{limit}",
            "SYNCD_SOURCE__PAGING": "page",
            "SYNCD_SOURCE__BATCH": "3",
            "SYNCD_SOURCE__SINCE_FORMAT": "%Y-%m-%d %H:%M:%S",
            "SYNCD_SOURCE__TIMEZONE": "Europe/Moscow",
        }
        yield api_shop


def told(world: World) -> list[tuple[str, str]]:
    return [(applied.id, applied.code) for applied in world.sandbox.applied]


def test_a_life_behind_an_api(world: World, shop: ApiShop) -> None:
    world.done("once")
    assert told(world) == []
    shop.change("003", "packed", now())
    shop.change("005", "sent", now())
    world.done("once")
    assert sorted(told(world)) == [("003", "packed"), ("005", "sent")]
    shop.rows[0][2] = "lost"  # without its timestamp
    world.done("once")
    assert len(told(world)) == 2
    world.done("reconcile")
    assert told(world)[2:] == [("000", "lost")]
    world.done("resync", "006")
    world.done("once")
    assert told(world)[3:] == [("006", "new")]
    assert world.json("explain", "003")["source"]["status"] == "packed"
    assert {one["authorization"] for one in shop.received} == {f"Bearer {TOKEN}"}


def test_daemon_follows_an_api_and_reports_its_faults(world: World, shop: ApiShop) -> None:
    daemon = world.started()
    shop.change("003", "packed", now())
    world.wait(lambda: ("003", "packed") in told(world), "the change is told")
    assert world.status()["source"]["kind"] == "api"
    shop.bend = lambda answer: {**answer, "status": 401}
    world.wait(lambda: "does not accept the login" in (world.status()["source"]["last_error"] or ""), "the fault shows")
    assert world.get("/readyz")[0] == 503
    shop.bend = lambda answer: answer
    shop.change("004", "packed", now())
    world.wait(lambda: ("004", "packed") in told(world), "the next change is told")
    assert end(daemon) == 0
    assert TOKEN not in world.log()
    assert "Traceback" not in world.log()


def test_config_and_check_show_no_api_secret(world: World, shop: ApiShop) -> None:
    shown = world.json("config")
    assert shown["SYNCD_SOURCE__AUTH"]["value"] == "***"
    assert shown["SYNCD_SOURCE__QUERY_PARAMS__per_page"] == {"value": "{limit}", "from": "environment"}
    checked = world.done("check")
    assert 'the first order as the API gave it: {"pk": 1, "id": "000"' in checked
    assert 'order 006 would be pushed as {"id": "006", "code": "new"}' in checked
    assert TOKEN not in checked + json.dumps(shown)


def test_daemon_ends_within_15_seconds_despite_retry_after(world: World, shop: ApiShop) -> None:
    """The API asks to wait 60 seconds, and the daemon is told to end meanwhile."""
    shop.bend = lambda answer: {**answer, "status": 503, "headers": {"Retry-After": "60"}}
    daemon = world.start()
    world.wait(lambda: shop.asked, "the API is asked")
    asked_at = time.monotonic()
    assert end(daemon) == 0
    assert time.monotonic() - asked_at < 15
