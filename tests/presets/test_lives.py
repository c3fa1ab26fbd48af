"""What becomes of an order on each platform that a preset knows, and what of it is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

from syncd.doctor.database_checks import DatabaseChecks, index_finding
from syncd.doctor.database_inspection import DatabaseInspection
from syncd.errors import SourceError
from syncd.model import Order
from syncd.pipeline.statuses_file import Statuses
from syncd.settings.presets import preset_text
from syncd.state import State
from tests.presets.platforms import (
    BITRIX,
    CS_CART,
    HPOS,
    LEGACY,
    MAGENTO,
    OPENCART,
    OPENCART_41,
    PLATFORMS,
    PRESTASHOP,
    SHOP_SCRIPT,
    UUID,
    Platform,
)
from tests.presets.shop import TRACK, PlatformShop
from tests.servers import DROP_MARIADB, execute, mariadb_url, new_login, throw_away_database
from tests.sources.shop import rows_read

COLON = "\\:"
_PARCELS = "a:{count}:{{{parcels}}}"
_PARCEL = 'i:{};a:3:{{s:8:"provider";s:4:"post";s:15:"tracking_number";s:{}:"{}";s:11:"tracking_id";s:2:"ab";}}'
INDEX = re.compile(r"CREATE INDEX (?P<name>\w+) ON (?P<table>\w+) \([\w, ]+\)")


@pytest.fixture(scope="module")
def database() -> Iterator[Callable[[Platform], str]]:
    """The URL of a platform's database, made when it is first asked for."""
    urls: dict[str, str] = {}
    with ExitStack() as databases:

        def url(platform: Platform) -> str:
            if str(platform) not in urls:
                made = throw_away_database(mariadb_url(), drop=DROP_MARIADB)
                urls[str(platform)] = databases.enter_context(made)
            return urls[str(platform)]

        yield url


@pytest.fixture
def shop(request: pytest.FixtureRequest, database: Callable[[Platform], str], tmp_path: Path) -> Iterator[PlatformShop]:
    with closing(PlatformShop(request.param, database(request.param), tmp_path)) as shop:
        shop.open_anew()
        yield shop


def on(*platforms: Platform) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shop", platforms, ids=str, indirect=True)


def told(state: State) -> list[tuple[str, str]]:
    return [
        (change.order_id, change.status) for change in state.reports.changes(state=None, order_id=None, limit=None)
    ][::-1]


def found(shop: PlatformShop, order: int = 2, **source: str) -> Order:
    page = shop.source(**source).find([str(order)])
    assert page.skipped == []
    (shown,) = page.orders
    return shown


@on(*PLATFORMS)
def test_every_status_of_an_order_is_found(shop: PlatformShop) -> None:
    platform = shop.platform
    poller, state = shop.polled()
    for step in (platform.place, platform.pay, platform.ship, platform.finish):
        shop.do(step, 2)
        assert poller.poll(datetime.now(UTC)).kind == "incremental"
        assert poller.poll(datetime.now(UTC)).found == {}
    assert told(state) == [("2", code) for code in platform.codes]


@on(*PLATFORMS)
def test_all_fields_of_an_order_are_read(shop: PlatformShop) -> None:
    platform = shop.platform
    for step in (platform.place, platform.pay, platform.ship):
        shop.do(step, 2)
    shown = found(shop)
    assert shown.message == platform.names.get(platform.codes[2])
    assert shown.tracking_url == (f"{TRACK}TRACK1" if platform.tracking else None)
    assert shown.user_id == platform.user
    assert shown.imshop_uuid == (UUID if platform.uuid else None)
    assert shown.shop_id == "2"
    assert shown.content.get("payment_id") == platform.paid_with
    assert shown.content.get("paid") == (True if platform.paid_with else None)
    assert shown.updated_at
    assert abs((datetime.now(UTC) - shown.updated_at).total_seconds()) < 300


@on(*PLATFORMS)
def test_a_cancelled_order_is_told(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    shop.do(shop.platform.cancel, 1)
    poller.poll(datetime.now(UTC))
    (change,) = state.reports.changes(state=None, order_id=None, limit=None)
    assert (change.previous_status, change.status) == (shop.platform.codes[0], shop.platform.cancelled)
    assert found(shop, 1).message == shop.platform.names[shop.platform.cancelled]


@on(*(platform for platform in PLATFORMS if platform.rename))
def test_a_renamed_status_tells_nobody(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    assert shop.platform.rename
    shop.do(shop.platform.rename, 1)
    poller.poll(datetime.now(UTC))
    poller.reconcile(datetime.now(UTC))
    assert list(state.reports.changes(state=None, order_id=None, limit=None)) == []
    assert found(shop, 1).message == "Ждёт"


@on(*(platform for platform in PLATFORMS if platform.drafts))
def test_what_is_no_order_never_shows(shop: PlatformShop) -> None:
    shop.do(shop.platform.drafts, 100)
    poller, state = shop.polled()
    shop.do(shop.platform.drafts, 200)
    poller.poll(datetime.now(UTC))
    result = poller.reconcile(datetime.now(UTC))
    assert (result.rows, result.skipped) == (1, {})
    assert list(state.reports.changes(state=None, order_id=None, limit=None)) == []


@on(*PLATFORMS)
def test_documented_grants_suffice_under_any_sql_mode(shop: PlatformShop) -> None:
    """The login has no other rights."""
    database = make_url(shop.url).database
    grants = re.findall(r"^#   (GRANT .*);$", preset_text(shop.platform.preset), re.MULTILINE)
    assert grants
    with ExitStack() as cleanup:
        name, login = cleanup.enter_context(new_login(shop.url))
        for grant in grants:
            table = grant.split(" ON shop.")[1].split(" ")[0]
            if any(re.search(rf"\b{table} \(", created) for created in shop.platform.tables):
                execute(shop.url, f"GRANT SELECT ON {database}.{table} TO {name}")
        reader = PlatformShop(shop.platform, login, shop.home)
        cleanup.callback(reader.close)
        init = "SET sql_mode = 'ANSI_QUOTES,ONLY_FULL_GROUP_BY,STRICT_ALL_TABLES', time_zone = '+00:00'"
        poller, _ = reader.polled(INIT_SQL=init)
        shop.do(shop.platform.pay, 1)
        assert poller.poll(datetime.now(UTC)).found.total() == 1
        assert reader.source(INIT_SQL=init).statuses()


@on(OPENCART, HPOS, PRESTASHOP, BITRIX, MAGENTO, CS_CART)
def test_wrong_prefix_error_lists_existing_tables(shop: PlatformShop) -> None:
    database = make_url(shop.url).database
    table = str(re.search(r"CREATE TABLE (\w+)", shop.platform.tables[0])[1])  # type: ignore[index]
    with ExitStack() as cleanup:
        name, login = cleanup.enter_context(new_login(shop.url))
        execute(shop.url, f"GRANT SELECT ON {database}.{table} TO {name}")
        for url, shown in ((shop.url, rf".*\b{table}\b.*|.* and \d+ more"), (login, table)):
            reader = PlatformShop(shop.platform, url, shop.home)
            cleanup.callback(reader.close)
            with pytest.raises(SourceError, match=rf"reads the table xx_\w+; this user can see ({shown})\. Check"):
                reader.source(PARAMS__PREFIX="xx_").columns()


@on(*PLATFORMS)
def test_polls_use_the_platforms_index(shop: PlatformShop) -> None:
    shop.do(shop.platform.place, *range(2, 60))
    shop.do(shop.platform.place, 60)
    plan = DatabaseInspection.of(shop.source()).index_use()
    assert plan
    assert plan.by_index == shop.platform.by_index, plan


@on(*(platform for platform in PLATFORMS if not platform.by_index))
def test_polls_use_the_presets_advised_index(shop: PlatformShop) -> None:
    """Where the platform has no index of its own."""
    shop.do(shop.platform.place, *range(2, 60))
    shop.do(shop.platform.place, 60)
    named = INDEX.fullmatch(shop.index or "")
    assert named
    plan = DatabaseInspection.of(shop.source()).index_use()
    assert plan
    assert f"Create one: {named[0]};" in str(index_finding(plan, "updated_at", shop.index, lambda: True))
    with ExitStack() as cleanup:
        execute(shop.url, named[0])
        cleanup.callback(execute, shop.url, f"DROP INDEX {named['name']} ON {named['table']}")
        plan = DatabaseInspection.of(shop.source()).index_use()
    assert plan
    assert plan.by_index, plan


@on(*PLATFORMS)
def test_every_status_is_listed_with_its_name(shop: PlatformShop) -> None:
    shop.do(shop.platform.place, 2)
    shop.do(shop.platform.cancel, 2)
    listed = {status.code: status for status in shop.source().statuses()}
    for code in (shop.platform.codes[0], shop.platform.cancelled):
        assert (listed[code].name, listed[code].orders) == (shop.platform.names[code], 1)
    named = {code: status.name for code, status in listed.items() if status.in_dictionary}
    assert named == {**named, **shop.platform.names}


@on(BITRIX)
def test_unnumbered_order_waits_for_its_number(shop: PlatformShop) -> None:
    """This holds where the shop's orders have numbers."""
    poller, state = shop.polled()
    shop.do(shop.platform.place, 2)
    shop.do("UPDATE b_sale_order SET ACCOUNT_NUMBER = NULL WHERE ID = :id", 2)
    assert poller.poll(datetime.now(UTC)).found == {}
    shop.do("UPDATE b_sale_order SET ACCOUNT_NUMBER = '2026-77' WHERE ID = :id", 2)
    poller.poll(datetime.now(UTC))
    assert told(state) == [("2026-77", "N")]


@on(BITRIX)
def test_shop_without_numbers_is_read_by_ids(shop: PlatformShop) -> None:
    shop.do("UPDATE b_sale_order SET ACCOUNT_NUMBER = NULL WHERE ID = :id", 1)
    assert found(shop, 1).status == "N"


@on(BITRIX)
def test_only_gateways_payment_number_is_used(shop: PlatformShop) -> None:
    """1C's number of a payment changes each time that 1C posts it."""
    shop.do(shop.platform.pay, 1)
    shop.do("INSERT INTO b_sale_order_payment VALUES (NULL, :id, '1/2', 'Y', NULL, '1C-1')", 1)
    shop.do(shop.platform.place, 2)
    shop.do(shop.platform.pay, 2)
    shop.do("UPDATE b_sale_order_payment SET PS_INVOICE_ID = '', PAY_VOUCHER_NUM = '1C-2' WHERE ORDER_ID = :id", 2)
    assert [found(shop, order).content["payment_id"] for order in (1, 2)] == ["pay-1", None]


@pytest.mark.parametrize(("zone", "warnings"), [("Europe/Moscow", 0), ("UTC", 1), ("+06:00", 1)])
@on(BITRIX)
def test_the_doctor_sees_a_wrong_zone(shop: PlatformShop, zone: str, warnings: int) -> None:
    """That of its PHP, which no table holds: it is held against what changed just now."""
    shop.steps = 100
    shop.do(shop.platform.pay, 1)
    examined = DatabaseChecks(
        shop.source(PARAMS__ZONE=zone), Statuses(), lambda _push: b"{}", lambda: datetime.now(UTC)
    )
    assert sum("may be wrong" in finding.text for finding in examined.samples()) == warnings


@on(BITRIX)
def test_shared_anonymous_buyer_is_replaced_by_phone(shop: PlatformShop) -> None:
    shop.do("UPDATE b_sale_order SET USER_ID = 78", 1)
    assert found(shop, 1).user_id == "79000000000"
    shop.do("UPDATE b_user SET EXTERNAL_AUTH_ID = NULL", 1)
    assert found(shop, 1).user_id == "78"
    assert found(shop, 1, PARAMS__ANONYMOUS="5,78").user_id == "79000000000"


@on(BITRIX)
def test_only_orders_of_chosen_sites_are_read(shop: PlatformShop) -> None:
    shop.do(shop.platform.place, 2)
    shop.do("UPDATE b_sale_order SET LID = 's2' WHERE ID = :id", 2)
    shown = {site: len(shop.source(PARAMS__SITE=site).find(["1", "2"]).orders) for site in ("", "s1", "s1,s2", "s3")}
    assert shown == {"": 2, "s1": 1, "s1,s2": 2, "s3": 0}


@on(BITRIX)
def test_tables_may_have_different_collations(shop: PlatformShop) -> None:
    tables = ("b_sale_status_lang", "b_sale_order_props")
    change = "ALTER TABLE {} CONVERT TO CHARACTER SET utf8mb4 COLLATE {}"
    with ExitStack() as cleanup:
        for table in tables:
            cleanup.callback(execute, shop.url, change.format(table, "utf8mb4_general_ci"))
            execute(shop.url, change.format(table, "utf8mb4_unicode_ci"))
        assert found(shop, 1).message == "Принят"
        assert {status.name for status in shop.source().statuses()} >= {"Принят", "Отменён"}


@on(BITRIX)
def test_only_order_statuses_are_listed(shop: PlatformShop) -> None:
    """One without a name is listed too."""
    listed = {status.code: status.name for status in shop.source().statuses()}
    assert (listed["X"], "DN" in listed) == (None, False)


@on(BITRIX)
def test_parcel_with_latest_set_number_counts(shop: PlatformShop) -> None:
    shop.do(shop.platform.ship, 1)
    shop.do("INSERT INTO b_sale_order_delivery VALUES (900, :id, :at, 'NEWER', 'N'), (899, :id, :at, 'OTHER', 'N')", 1)
    assert found(shop, 1).tracking_url == f"{TRACK}NEWER"
    shop.do(
        "INSERT INTO b_sale_order_change SELECT NULL, ORDER_ID, 'ORDER_TRACKING_NUMBER_CHANGED', :at, 'SHIPMENT', ID"
        " FROM b_sale_order_delivery WHERE TRACKING_NUMBER = 'TRACK1' AND ORDER_ID = :id",
        1,
    )
    assert found(shop, 1).tracking_url == f"{TRACK}TRACK1"


@on(BITRIX)
def test_login_with_older_grants_still_works(shop: PlatformShop) -> None:
    """Later versions use more tables; without rights to them the rest is read."""
    shop.do(shop.platform.ship, 1)
    database = make_url(shop.url).database
    with ExitStack() as cleanup:
        name, login = cleanup.enter_context(new_login(shop.url))
        for table in ("", "_payment", "_delivery", "_props", "_props_value"):
            execute(shop.url, f"GRANT SELECT ON {database}.b_sale_order{table} TO {name}")
        execute(shop.url, f"GRANT SELECT ON {database}.b_sale_status_lang TO {name}")
        reader = PlatformShop(shop.platform, login, shop.home)
        cleanup.callback(reader.close)
        assert found(reader, 1).tracking_url == f"{TRACK}TRACK1"
        execute(shop.url, f"GRANT SELECT ON {database}.b_sale_order_change TO {name}")
        assert found(reader, 1).user_id == "77"
        execute(shop.url, f"GRANT SELECT (ID, EXTERNAL_AUTH_ID) ON {database}.b_user TO {name}")
        shop.do("UPDATE b_sale_order SET USER_ID = 78", 1)
        assert found(reader, 1).user_id == "79000000000"


@on(BITRIX)
def test_guest_is_known_by_first_filled_phone(shop: PlatformShop) -> None:
    shop.do("UPDATE b_sale_order SET USER_ID = 0", 1)
    assert found(shop, 1).user_id == "79000000000"
    shop.do("INSERT INTO b_sale_order_props VALUES (3, 'PHONE2', 'Y')", 1)
    shop.do("UPDATE b_sale_order_props_value SET VALUE = '' WHERE ORDER_PROPS_ID = 2", 1)
    shop.do("INSERT INTO b_sale_order_props_value VALUES (NULL, :id, 3, '+7 911')", 1)
    assert found(shop, 1).user_id == "7911"


@on(MAGENTO)
def test_a_refund_is_not_told_as_a_payment(shop: PlatformShop) -> None:
    shop.do(shop.platform.pay, 1)
    poller, state = shop.polled()
    shop.do("UPDATE sales_order_payment SET last_trans_id = 'refund-1' WHERE parent_id = :id", 1)
    shop.do("UPDATE sales_order SET total_refunded = 30, updated_at = :at WHERE entity_id = :id", 1)
    poller.poll(datetime.now(UTC))
    assert told(state) == []


@on(MAGENTO)
def test_another_systems_number_is_no_uuid(shop: PlatformShop) -> None:
    shop.do("UPDATE sales_order SET ext_order_id = 'ERP-order-number-with-32-letters'", 1)
    assert found(shop, 1).imshop_uuid is None


@on(PRESTASHOP)
def test_unnumbered_payment_or_parcel_hides_no_other(shop: PlatformShop) -> None:
    shop.do(shop.platform.pay, 1)
    shop.do(shop.platform.ship, 1)
    shop.do("INSERT INTO ps_order_payment VALUES (NULL, CONCAT('REF', :id), NULL)", 1)
    shop.do("INSERT INTO ps_order_carrier VALUES (NULL, :id, 1, '', :at)", 1)
    shown = found(shop, 1)
    assert (shown.content["payment_id"], shown.tracking_url) == ("pay-1", f"{TRACK}TRACK1")


@on(PRESTASHOP)
def test_cancelling_does_not_make_an_order_unpaid(shop: PlatformShop) -> None:
    shop.do(shop.platform.pay, 1)
    shop.do(shop.platform.cancel, 1)
    shop.do(shop.platform.place, 2)
    shop.do(shop.platform.cancel, 2)
    assert [found(shop, order).content["paid"] for order in (1, 2)] == [True, False]


@on(PRESTASHOP)
def test_status_names_have_buyers_or_configured_language(shop: PlatformShop) -> None:
    """If neither language has a name, that of any other is taken."""
    assert found(shop, 1, PARAMS__LANGUAGE="1").message == "Awaiting"
    assert found(shop, 1, PARAMS__LANGUAGE="7").message == "Ожидается оплата"
    names = {status.code: status.name for status in shop.source(PARAMS__LANGUAGE="7").statuses()}
    assert names["4"] == "Отправлен"
    shop.do("UPDATE ps_orders SET id_lang = 9 WHERE id_order = :id", 1)
    assert found(shop, 1).message == "Awaiting"


@on(HPOS, LEGACY)
def test_of_several_metas_the_first_counts(shop: PlatformShop) -> None:
    meta = "wp_wc_orders_meta" if shop.platform is HPOS else "wp_postmeta"
    for step in (shop.platform.pay, shop.platform.ship):
        shop.do(step, 1)
    owner = "order_id" if shop.platform is HPOS else "post_id"
    shop.do(f"INSERT INTO {meta} SELECT NULL, {owner}, meta_key, CONCAT(meta_value, '0') FROM {meta}", 1)
    poller, _ = shop.polled()
    result = poller.reconcile(datetime.now(UTC))
    assert (result.rows, found(shop, 1).tracking_url) == (1, f"{TRACK}TRACK1")


@pytest.mark.parametrize(
    ("kept", "number"),
    [
        (_PARCELS.format(count=1, parcels=_PARCEL.format(0, 8, "RA123-45")), "RA123-45"),
        (_PARCELS.format(count=2, parcels=_PARCEL.format(0, 1, "1") + _PARCEL.format(1, 4, "ЯД")), "ЯД"),
        (_PARCELS.format(count=1, parcels='i:0;a:2:{s:15:"tracking_number";i:17;s:2:"id";s:1:"x";}'), None),
        (_PARCELS.format(count=1, parcels=_PARCEL.format(0, 0, "")), None),
        ("a:0:{}", None),
        ("a:1:{i:0;s:1:", None),
        ("AB1", "AB1"),
    ],
)
@on(HPOS, LEGACY)
def test_shipment_plugins_last_parcel_is_used(shop: PlatformShop, kept: str, number: str | None) -> None:
    meta = "wp_wc_orders_meta" if shop.platform is HPOS else "wp_postmeta"
    for key, value in (("_wc_shipment_tracking_items", kept), ("_tracking_number", "")):
        shop.do(f"INSERT INTO {meta} VALUES (NULL, :id, '{key}', '{value.replace(':', COLON)}')", 1)
    told_as = f"{TRACK}{quote(number)}" if number else None
    assert found(shop, 1).tracking_url == told_as
    shop.do(f"INSERT INTO {meta} VALUES (NULL, :id, '_own', 'OWN')", 1)
    assert found(shop, 1, PARAMS__TRACKING="_own").tracking_url == f"{TRACK}OWN"
    assert found(shop, 1, PARAMS__TRACKING="_wc_shipment_tracking_items").tracking_url == told_as


@on(HPOS, LEGACY)
def test_the_number_that_buyers_see_comes_first(shop: PlatformShop) -> None:
    meta = "wp_wc_orders_meta" if shop.platform is HPOS else "wp_postmeta"
    shop.do(f"DELETE FROM {meta} WHERE meta_key = '_order_number'", 1)
    for key, number in (("_order_number", "-1"), ("_order_number_formatted", "RU-0007")):
        shop.do(f"INSERT INTO {meta} VALUES (NULL, :id, '{key}', '{number}')", 1)
    (order,) = shop.source().find(["RU-0007"]).orders
    assert order.status == "pending"


@on(HPOS, LEGACY)
def test_plugins_late_number_renumbers_the_order(shop: PlatformShop) -> None:
    """The new number may be another order's id."""
    meta = "wp_wc_orders_meta" if shop.platform is HPOS else "wp_postmeta"
    shop.do(f"DELETE FROM {meta} WHERE meta_key = '_order_number'", 1)
    shop.do(f"INSERT INTO {meta} VALUES (NULL, :id, '_order_number', '1000')", 1)
    poller, state = shop.polled()
    shop.do(shop.platform.place, 2)
    shop.do(f"DELETE FROM {meta} WHERE meta_key = '_order_number' AND meta_value = '2'", 2)
    poller.poll(datetime.now(UTC))
    assert told(state) == [("2", "pending")]
    shop.do(f"INSERT INTO {meta} VALUES (NULL, :id, '_order_number', '1')", 2)
    assert poller.poll(datetime.now(UTC)).found == {}
    assert told(state) == [("1", "pending")]
    shop.do(shop.platform.pay, 2)
    poller.poll(datetime.now(UTC))
    poller.reconcile(datetime.now(UTC))
    assert told(state) == [("1", "pending"), ("1", "processing")]
    assert (state.polls.tracked(), state.reports.current_number("2")) == (2, "1")


@on(CS_CART)
def test_guest_is_known_by_any_phone(shop: PlatformShop) -> None:
    shop.do("UPDATE cscart_orders SET user_id = 0, phone = '', s_phone = '+7 911'", 1)
    assert found(shop, 1).user_id == "7911"


@on(PRESTASHOP)
def test_full_compare_finds_a_new_tracking_number(shop: PlatformShop) -> None:
    """It does not change the order's time, so no poll finds it."""
    shop.do("UPDATE ps_orders SET date_upd = '2026-01-01' WHERE id_order = :id", 1)
    shop.do(shop.platform.place, 2)
    poller, _ = shop.polled()
    shop.do("UPDATE ps_order_carrier SET tracking_number = 'LATER' WHERE id_order = :id", 1)
    assert poller.poll(datetime.now(UTC)).found == {}
    assert poller.reconcile(datetime.now(UTC)).found == {"full": 1}


@on(HPOS)
def test_each_poll_detects_the_order_store(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    shop.do("INSERT INTO wp_posts VALUES (5, :at, :at, 'wc-pending', :at, 'shop_order')", 5)
    assert poller.poll(datetime.now(UTC)).found == {}
    shop.do("UPDATE wp_options SET option_value = 'no'", 5)
    poller.poll(datetime.now(UTC))
    assert [change.order_id for change in state.reports.changes(state=None, order_id=None, limit=None)] == ["5"]


@on(HPOS, LEGACY)
def test_without_option_the_store_holding_orders_counts(shop: PlatformShop) -> None:
    shop.do("DELETE FROM wp_options", 1)
    page = shop.source(PRESET="woocommerce").find(["1"])
    assert [order.status for order in page.orders] == ["pending"]


@on(CS_CART)
def test_version_without_updated_at_polls_are_full(shop: PlatformShop) -> None:
    with ExitStack() as cleanup:
        execute(shop.url, "ALTER TABLE cscart_orders RENAME COLUMN updated_at TO other")
        cleanup.callback(execute, shop.url, "ALTER TABLE cscart_orders RENAME COLUMN other TO updated_at")
        poller, _ = shop.polled()
        execute(shop.url, "UPDATE cscart_orders SET status = 'P'")
        result = poller.poll(datetime.now(UTC))
        assert (result.kind, result.found) == ("full", {"full": 1})


@on(OPENCART)
def test_status_names_have_orders_or_configured_language(shop: PlatformShop) -> None:
    assert found(shop, 1).message == "Ожидание"
    assert found(shop, 1, PARAMS__LANGUAGE="2").message == "Pending"


@pytest.mark.parametrize("language", [0, 9])
@on(OPENCART)
def test_status_name_falls_back_to_any_language(shop: PlatformShop, language: int) -> None:
    """The order's own language is gone."""
    shop.do(f"UPDATE oc_order SET language_id = {language}", 1)
    assert found(shop, 1).message == "Ожидание"
    names = {status.code: status.name for status in shop.source(PARAMS__LANGUAGE="2").statuses()}
    assert (names["1"], names["2"]) == ("Pending", "В обработке")


@on(OPENCART)
def test_names_are_told_as_they_were_typed(shop: PlatformShop) -> None:
    shop.do("UPDATE oc_order_status SET name = 'В &quot;Галерее&quot; &amp; ПВЗ' WHERE order_status_id IN (1, 2)", 1)
    assert found(shop, 1).message == 'В "Галерее" & ПВЗ'
    assert {status.name for status in shop.source().statuses()} >= {'В "Галерее" & ПВЗ'}
    assert found(shop, 1, MESSAGE_IS_HTML="false").message == "В &quot;Галерее&quot; &amp; ПВЗ"


@on(OPENCART_41)
def test_momentary_void_during_editing_is_not_pushed(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    for status in (16, 1):
        shop.do(f"UPDATE oc_order SET order_status_id = {status} WHERE order_id = :id", 1)
        shop.do(f"INSERT INTO oc_order_history VALUES (NULL, :id, {status}, 0, '', :at)", 1)
        poller.poll(datetime.now(UTC))
        poller.reconcile(datetime.now(UTC))
    assert told(state) == []


@on(OPENCART)
def test_hidden_status_16_can_be_shown(shop: PlatformShop) -> None:
    shop.do("UPDATE oc_order SET order_status_id = 16 WHERE order_id = :id", 1)
    assert shop.source().find(["1"]).orders == []
    assert found(shop, 1, PARAMS__HIDDEN="0").status == "16"


@on(OPENCART, OPENCART_41, SHOP_SCRIPT)
def test_queries_do_not_read_the_whole_history(shop: PlatformShop) -> None:
    """The server's own count of rows read shows it."""
    again = {
        "opencart": (
            "INSERT INTO oc_order_history SELECT NULL, order_id, order_status_id, 0, '', date_added"
            " FROM oc_order_history"
        ),
        "shop-script": (
            "INSERT INTO shop_order_log SELECT NULL, order_id, NULL, action_id, datetime, before_state_id,"
            " after_state_id, NULL FROM shop_order_log"
        ),
    }
    shop.do([again[shop.platform.preset]] * 15, 1)
    shop.do(shop.platform.place, 2)
    source = shop.source()
    placed = shop.platform.codes[0]
    assert [order.status for order in source.find(["1"]).orders] == [placed]
    assert [order.order_id for order in source.sample(1).orders] == ["2"]
    assert {status.code: status.orders for status in source.statuses()}[placed] == 2
    assert rows_read(source) < 2**15 / 5


@on(BITRIX, HPOS, LEGACY, PRESTASHOP, MAGENTO, CS_CART)
def test_an_order_is_found_without_reading_others(shop: PlatformShop) -> None:
    """Though the one that changed last may stand in no index."""
    shop.do(shop.platform.place, *range(2, 200))
    source = shop.source()
    assert len(source.find(["7"], {"7": "7"}).orders) == 1
    assert rows_read(source) < 150


@on(OPENCART)
def test_order_without_history_is_tracked(shop: PlatformShop) -> None:
    execute(shop.url, "DELETE FROM oc_order_history")
    poller, _ = shop.polled()
    execute(shop.url, "UPDATE oc_order SET order_status_id = 2")
    assert poller.reconcile(datetime.now(UTC)).found == {"full": 1}


@pytest.mark.parametrize(
    ("own", "number"),
    [
        ({}, "#1002"),
        ({"NUMBER": "bare"}, "1002"),
        ({"NUMBER": "bare", "PREFIX": "", "SUFFIX": "/26"}, "2/26"),
        ({"PREFIX": "A-", "SUFFIX": ""}, "#A-2"),
        ({"NUMBER": "id"}, "2"),
    ],
)
@on(SHOP_SCRIPT)
def test_the_number_is_that_of_the_shops_format(shop: PlatformShop, own: dict[str, str], number: str) -> None:
    shop.do(shop.platform.place, 2)
    source = shop.source(**{"PARAMS__NUMBER": "public"} | {f"PARAMS__{name}": value for name, value in own.items()})
    (found,) = source.find([number]).orders
    assert (found.order_id, found.shop_id) == (number, "2")


@on(SHOP_SCRIPT)
def test_a_line_before_its_order_loses_nothing(shop: PlatformShop) -> None:
    poller, state = shop.polled()
    line, order, *_ = shop.platform.ship
    shop.do(line, 1)
    assert poller.poll(datetime.now(UTC)).found == {}
    shop.do(order, 1)
    poller.poll(datetime.now(UTC))
    assert told(state) == [("1", "shipped")]


@on(SHOP_SCRIPT)
def test_refunds_and_cancellations_are_not_told_as_unpaid(shop: PlatformShop) -> None:
    assert found(shop, 1).content["paid"] is False
    shop.do(shop.platform.pay, 1)
    assert found(shop, 1).content["paid"] is True
    shop.do(shop.platform.cancel, 1)
    assert (found(shop, 1).content["paid"], found(shop, 1).content["payment_id"]) == (None, None)


@on(SHOP_SCRIPT)
def test_buyers_may_be_known_by_phone(shop: PlatformShop) -> None:
    assert found(shop, 1, PARAMS__USER="phone").user_id == "79000000000"
    shop.do("UPDATE shop_order SET contact_id = NULL", 1)
    assert found(shop, 1).user_id is None


@on(SHOP_SCRIPT)
def test_a_login_without_contacts_reads_on(shop: PlatformShop) -> None:
    shop.do(shop.platform.ship, 1)
    database = make_url(shop.url).database
    with ExitStack() as cleanup:
        name, login = cleanup.enter_context(new_login(shop.url))
        for table in ("", "_log", "_params"):
            execute(shop.url, f"GRANT SELECT ON {database}.shop_order{table} TO {name}")
        reader = PlatformShop(shop.platform, login, shop.home)
        cleanup.callback(reader.close)
        assert (found(reader, 1).user_id, found(reader, 1, PARAMS__USER="phone").user_id) == ("77", None)


@on(SHOP_SCRIPT)
def test_an_order_never_updated_has_a_time(shop: PlatformShop) -> None:
    shop.do("DELETE FROM shop_order_log", 1)
    shop.do("UPDATE shop_order SET update_datetime = NULL", 1)
    assert found(shop, 1).updated_at
    assert found(shop, 1, PARAMS__LANGUAGE="en").message == "New"
