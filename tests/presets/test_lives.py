"""What becomes of an order on each platform that a preset knows, and what of it is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from syncd.model import Order
from syncd.settings.presets import written
from tests.presets.platforms import CS_CART, HPOS, LEGACY, OPENCART, PLATFORMS, PRESTASHOP, UUID, Platform
from tests.presets.shop import TRACK, PlatformShop
from tests.servers import DROP_MARIADB, execute, mariadb_url, throw_away_database


@pytest.fixture(scope="module")
def database() -> Iterator[Callable[[Platform], str]]:
    """The URL of a platform's database, made when it is first asked for."""
    urls: dict[str, str] = {}
    with ExitStack() as databases:

        def url(platform: Platform) -> str:
            if platform.preset not in urls:
                made = throw_away_database(mariadb_url(), drop=DROP_MARIADB)
                urls[platform.preset] = databases.enter_context(made)
            return urls[platform.preset]

        yield url


@pytest.fixture
def shop(request: pytest.FixtureRequest, database: Callable[[Platform], str], tmp_path: Path) -> Iterator[PlatformShop]:
    with closing(PlatformShop(request.param, database(request.param), tmp_path)) as shop:
        shop.open_anew()
        yield shop


def on(*platforms: Platform) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shop", platforms, ids=str, indirect=True)


def found(shop: PlatformShop, order: int = 2, **source: str) -> Order:
    page = shop.source(**source).find([str(order)])
    assert page.skipped == []
    (shown,) = page.orders
    return shown


@on(*PLATFORMS)
def test_an_order_is_told_from_its_placing_to_its_end(shop: PlatformShop) -> None:
    platform = shop.platform
    poller, state = shop.polled()
    for step in (platform.place, platform.pay, platform.ship, platform.finish):
        shop.do(step, 2)
        assert poller.poll(datetime.now(UTC)).kind == "incremental"
        assert poller.poll(datetime.now(UTC)).found == {}
    told = list(state.changes(state=None, order_id=None, limit=None))[::-1]
    assert [(change.order_id, change.status) for change in told] == [("2", code) for code in platform.codes]


@on(*PLATFORMS)
def test_an_order_is_shown_with_all_that_the_platform_knows_of_it(shop: PlatformShop) -> None:
    platform = shop.platform
    for step in (platform.place, platform.pay, platform.ship):
        shop.do(step, 2)
    shown = found(shop)
    assert shown.message == platform.names.get(platform.codes[2])
    assert shown.tracking_url == (f"{TRACK}TRACK1" if platform.tracking else None)
    assert shown.user_id == platform.user
    assert shown.imshop_uuid == (UUID if platform.uuid else None)
    assert shown.content.get("payment_id") == platform.paid_with
    assert shown.content.get("paid") == (True if platform.paid_with else None)
    assert shown.updated_at
    assert abs((datetime.now(UTC) - shown.updated_at).total_seconds()) < 300


@on(*PLATFORMS)
def test_a_cancelled_order_is_told(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    shop.do(shop.platform.cancel, 1)
    poller.poll(datetime.now(UTC))
    (change,) = state.changes(state=None, order_id=None, limit=None)
    assert (change.previous_status, change.status) == (shop.platform.codes[0], shop.platform.cancelled)
    assert found(shop, 1).message == shop.platform.names[shop.platform.cancelled]


@on(*(platform for platform in PLATFORMS if platform.rename))
def test_a_renamed_status_tells_nobody(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    assert shop.platform.rename
    shop.do(shop.platform.rename, 1)
    poller.poll(datetime.now(UTC))
    poller.reconcile(datetime.now(UTC))
    assert list(state.changes(state=None, order_id=None, limit=None)) == []
    assert found(shop, 1).message == "Ждёт"


@on(*(platform for platform in PLATFORMS if platform.drafts))
def test_what_is_no_order_never_shows(shop: PlatformShop) -> None:
    shop.do(shop.platform.drafts, 100)
    poller, state = shop.polled()
    shop.do(shop.platform.drafts, 200)
    poller.poll(datetime.now(UTC))
    result = poller.reconcile(datetime.now(UTC))
    assert (result.rows, result.skipped) == (1, {})
    assert list(state.changes(state=None, order_id=None, limit=None)) == []


@on(*PLATFORMS)
def test_the_login_that_the_preset_asks_for_is_enough_under_any_sql_mode(shop: PlatformShop) -> None:
    """In an account that may do nothing else."""
    name, database = f"syncd_{uuid4().hex[:8]}", make_url(shop.url).database
    grants = re.findall(r"^#   (GRANT .*);$", written(shop.platform.preset), re.MULTILINE)
    assert grants
    with ExitStack() as cleanup:
        execute(shop.url, f"CREATE USER '{name}'@'%' IDENTIFIED BY 'pw'")
        cleanup.callback(execute, shop.url, f"DROP USER '{name}'@'%'")
        for grant in grants:
            table = grant.split(" ON shop.")[1].split(" ")[0]
            if any(re.search(rf"\b{table} \(", created) for created in shop.platform.tables):
                execute(shop.url, f"GRANT SELECT ON {database}.{table} TO '{name}'@'%'")
        reader = PlatformShop(
            shop.platform,
            make_url(shop.url).set(username=name, password="pw").render_as_string(hide_password=False),
            shop.home,
        )
        cleanup.callback(reader.close)
        init = "SET sql_mode = 'ANSI_QUOTES,ONLY_FULL_GROUP_BY,STRICT_ALL_TABLES', time_zone = '+00:00'"
        poller, _ = reader.polled(INIT_SQL=init)
        shop.do(shop.platform.pay, 1)
        assert poller.poll(datetime.now(UTC)).found.total() == 1
        assert reader.source(INIT_SQL=init).statuses()


@on(*PLATFORMS)
def test_polls_go_by_an_index_where_the_platform_has_one(shop: PlatformShop) -> None:
    shop.do(shop.platform.place, *range(2, 60))
    shop.do(shop.platform.place, 60)
    plan = shop.source().inspection().plan()
    assert plan
    assert plan.by_index == shop.platform.by_index, plan


@on(*PLATFORMS)
def test_every_status_is_listed_with_its_name(shop: PlatformShop) -> None:
    shop.do(shop.platform.place, 2)
    shop.do(shop.platform.cancel, 2)
    listed = {status.code: status for status in shop.source().statuses()}
    for code in (shop.platform.codes[0], shop.platform.cancelled):
        assert (listed[code].name, listed[code].orders) == (shop.platform.names[code], 1)
    named = {code: status.name for code, status in listed.items() if status.in_dictionary}
    assert named == {**named, **shop.platform.names}


@on(PRESTASHOP)
def test_a_parcels_number_alone_is_found_by_the_full_compare(shop: PlatformShop) -> None:
    shop.do("UPDATE ps_orders SET date_upd = '2026-01-01' WHERE id_order = :id", 1)
    shop.do(shop.platform.place, 2)
    poller, _ = shop.polled()
    shop.do("UPDATE ps_order_carrier SET tracking_number = 'LATER' WHERE id_order = :id", 1)
    assert poller.poll(datetime.now(UTC)).found == {}
    assert poller.reconcile(datetime.now(UTC)).found == {"full": 1}


@on(HPOS)
def test_the_order_store_that_is_in_use_is_found_out_at_each_poll(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    shop.do("INSERT INTO wp_posts VALUES (5, :at, :at, 'wc-pending', :at, 'shop_order')", 5)
    assert poller.poll(datetime.now(UTC)).found == {}
    shop.do("UPDATE wp_options SET option_value = 'no'", 5)
    poller.poll(datetime.now(UTC))
    assert [change.order_id for change in state.changes(state=None, order_id=None, limit=None)] == ["5"]


@on(HPOS, LEGACY)
def test_without_the_option_the_store_that_holds_orders_counts(shop: PlatformShop) -> None:
    shop.do("DELETE FROM wp_options", 1)
    page = shop.source(PRESET="woocommerce").find(["1"])
    assert [order.status for order in page.orders] == ["pending"]


@on(CS_CART)
def test_a_version_without_a_time_of_change_is_compared_whole_at_each_poll(shop: PlatformShop) -> None:
    with ExitStack() as cleanup:
        execute(shop.url, "ALTER TABLE cscart_orders RENAME COLUMN updated_at TO other")
        cleanup.callback(execute, shop.url, "ALTER TABLE cscart_orders RENAME COLUMN other TO updated_at")
        poller, _ = shop.polled()
        execute(shop.url, "UPDATE cscart_orders SET status = 'P'")
        result = poller.poll(datetime.now(UTC))
        assert (result.kind, result.found) == ("full", {"full": 1})


@on(OPENCART)
def test_names_are_in_the_language_of_the_order_or_in_the_one_asked_for(shop: PlatformShop) -> None:
    assert found(shop, 1).message == "Ожидание"
    assert found(shop, 1, PARAMS__LANGUAGE="2").message == "Pending"


@on(OPENCART)
def test_an_order_without_history_is_tracked_all_the_same(shop: PlatformShop) -> None:
    execute(shop.url, "DELETE FROM oc_order_history")
    poller, _ = shop.polled()
    execute(shop.url, "UPDATE oc_order SET order_status_id = 2")
    assert poller.reconcile(datetime.now(UTC)).found == {"full": 1}
