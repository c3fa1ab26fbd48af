"""What becomes of an order on each platform whose API a preset knows, and what of it is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from syncd.cli.commands import syncd
from syncd.doctor.api_checks import ApiChecks
from syncd.errors import SourceError
from syncd.model import Order
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.runtime import composition, pipeline_parts
from syncd.settings import Settings, load
from syncd.sources.api import ApiSource
from syncd.state import State
from tests.presets.apis import (
    APIS,
    KEY,
    PHONE,
    UUID,
    ApiPlatform,
    Bitrix24,
    BitrixShop,
    CsCart,
    InSales,
    Magento,
    MoySklad,
    OData,
    Reply,
    RetailCrm,
    WooCommerce,
)
from tests.presets.shop import TRACK
from tests.states import begin_state

A_DAY = 24 * 3600.0


@dataclass
class Shop:
    """A platform, and all that a merchant sets to have it followed: what is unset comes from the preset."""

    platform: ApiPlatform
    home: Path
    open: ExitStack

    def settings(self, **source: str) -> Settings:
        variables = {
            "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
            "SYNCD_STATE__URL": f"sqlite:///{self.home}/state.db",
            "SYNCD_SOURCE__TRACKING_TEMPLATE": f"{TRACK}{{tracking_number}}",
            **{
                f"SYNCD_SOURCE__{name}": text
                for name, text in {
                    "URL": self.platform.url,
                    "PRESET": self.platform.preset,
                    **self.platform.login,
                    **self.platform.own,
                    **source,
                }.items()
            },
        }
        return load(variables, usual_env_files=()).settings

    def source(self, **source: str) -> ApiSource:
        shop = composition.source(self.settings(**source))
        assert isinstance(shop, ApiSource)
        shop.client.clocks = self.platform.clock.clocks()
        self.open.callback(shop.close)
        return shop

    def polled(self, **source: str) -> tuple[Poller, State]:
        """A poller whose baseline is taken, and its state."""
        settings = self.settings(**source)
        begin_state(self.home / "state.db")
        state = composition.state(settings, create=True)
        self.open.callback(state.close)
        poller = pipeline_parts.poller(settings, self.source(**source), state, StatusesFile(None), lambda _rows: None)
        assert poller.poll(datetime.now(UTC)).baseline
        return poller, state

    def found(self, order: int = 1, **source: str) -> Order:
        page = self.source(**source).find([str(order)])
        assert page.skipped == []
        (shown,) = page.orders
        return shown


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """In it an order that was there before."""
    with ExitStack() as cleanup:
        platform: ApiPlatform = request.param()
        cleanup.callback(platform.close)
        platform.place(1)
        yield Shop(platform, tmp_path, cleanup)


def on(*platforms: type[ApiPlatform]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shop", platforms, ids=lambda platform: platform.__name__, indirect=True)


LISTING = tuple(platform for platform in APIS if platform.list_path)
NAMED_BY_THE_LIST = tuple(platform for platform in LISTING if platform not in (InSales, MoySklad))


def told(state: State) -> list[tuple[str, str]]:
    changes = list(state.reports.changes(state=None, order_id=None, limit=None))[::-1]
    return [(change.order_id, change.status) for change in changes]


@on(*APIS)
def test_every_status_of_an_order_is_found(shop: Shop) -> None:
    poller, state = shop.polled()
    for _ in shop.platform.live(2):
        assert poller.poll(datetime.now(UTC)).kind == ("incremental" if shop.platform.follows else "full")
        assert poller.poll(datetime.now(UTC)).found == {}
    assert told(state) == [("2", code) for code in shop.platform.codes[:4]]


@on(*APIS)
def test_all_fields_of_an_order_are_read(shop: Shop) -> None:
    platform = shop.platform
    platform.change(1, platform.codes[2], paid=True, tracking="TRACK1")
    shown = shop.found()
    assert shown.message == platform.names.get(platform.codes[2])
    assert shown.tracking_url == (f"{TRACK}TRACK1" if platform.tracks else None)
    assert shown.user_id == platform.user
    assert shown.imshop_uuid == (UUID if platform.uuid else None)
    assert shown.shop_id == platform.key(1)
    assert shown.content.get("payment_id") == platform.paid_with
    assert shown.content.get("paid") == (True if platform.paid_with else None)
    assert shown.updated_at == (platform.orders[1].changed if platform.follows else None)


@on(*APIS)
def test_a_cancelled_order_is_told(shop: Shop) -> None:
    poller, state = shop.polled()
    shop.platform.change(1, shop.platform.codes[4])
    poller.poll(datetime.now(UTC))
    assert told(state) == [("1", shop.platform.codes[4])]


@on(*LISTING)
def test_renamed_status_is_no_change(shop: Shop) -> None:
    """Its new name is known within a day."""
    poller, state = shop.polled()
    source = poller.source
    assert isinstance(source, ApiSource)
    shop.platform.titles[shop.platform.codes[0]] = "Ждёт"
    shop.platform.clock.waited.append(A_DAY)
    poller.poll(datetime.now(UTC))
    poller.reconcile(datetime.now(UTC))
    assert told(state) == []
    assert [order.message for order in source.find(["1"]).orders] == ["Ждёт"]


@on(*APIS)
def test_what_is_no_order_never_shows(shop: Shop) -> None:
    """However many pages of it there are in between."""
    shop.platform.place(*range(100, 170), draft=True)
    shop.platform.place(300)
    poller, state = shop.polled(BATCH="20")
    shop.platform.place(*range(200, 270), draft=True)
    shop.platform.place(301)
    poller.poll(datetime.now(UTC))
    result = poller.reconcile(datetime.now(UTC))
    assert (result.rows, result.skipped) == (3, {})
    assert told(state) == [("301", shop.platform.codes[0])]


@on(*APIS)
def test_all_pages_are_read_within_the_platforms_limit(shop: Shop) -> None:
    shop.platform.place(*range(2, 262))
    poller, _ = shop.polled(BATCH="20")
    assert poller.reconcile(datetime.now(UTC)).rows == 261
    most, seconds = shop.platform.limit
    starts = shop.platform.asked_at
    assert all(len([at for at in starts if start <= at < start + seconds]) <= most for start in starts)
    assert shop.platform.waits[1] not in shop.platform.clock.waited


@on(*APIS)
def test_orders_changed_simultaneously_are_all_read(shop: Shop) -> None:
    shop.platform.place(*range(2, 62))
    poller, state = shop.polled(BATCH="20")
    at_once = shop.platform.moment()
    for order in shop.platform.orders.values():
        order.status, order.changed = shop.platform.codes[1], at_once
    poller.poll(datetime.now(UTC))
    assert len(told(state)) == 61


@on(*APIS)
def test_rate_limit_is_waited_out(shop: Shop) -> None:
    reply, seconds = shop.platform.waits
    poller, state = shop.polled()
    shop.platform.change(1, shop.platform.codes[1])
    shop.platform.refusals.append(reply)
    poller.poll(datetime.now(UTC))
    assert len(told(state)) == 1
    assert seconds <= max(shop.platform.clock.waited) < seconds + 1


@on(*APIS)
def test_unknown_login_is_a_clear_error(shop: Shop) -> None:
    login = {name: text[:-1] for name, text in (shop.platform.login or {"URL": shop.platform.url}).items()}
    with pytest.raises(SourceError, match=r"does not accept the login .*, or the key in SYNCD_SOURCE__URL"):
        shop.source(**login).find(["1"])


@on(*APIS)
def test_url_may_be_shops_or_orders_address(shop: Shop) -> None:
    address = shop.platform.url
    whole = shop.platform.server + shop.platform.orders_path
    for url in (f"{address}/", whole):
        assert shop.found(URL=url).message == shop.platform.names.get(shop.platform.codes[0])


@on(*APIS)
def test_every_status_is_listed_with_its_name(shop: Shop) -> None:
    listed = shop.source().statuses()
    names: list[tuple[str, str | None]] = [*shop.platform.names.items()] or [(shop.platform.codes[0], None)]
    assert [(one.code, one.name) for one in listed] == names
    assert [one.orders for one in listed] == [1, *[0] * (len(names) - 1)]
    assert all(one.in_dictionary == bool(shop.platform.names) for one in listed)


@on(RetailCrm)
def test_the_command_lists_them_too(shop: Shop) -> None:
    env = {
        "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
        "SYNCD_SOURCE__URL": shop.platform.url,
        "SYNCD_SOURCE__PRESET": shop.platform.preset,
        "SYNCD_SOURCE__RATE": "0",
        "SYNCD_SOURCE__HEADERS__X_API_KEY": shop.platform.header[1],
    }
    listed = json.loads(CliRunner(env=env).invoke(syncd, ["statuses", "--json", "--suggest"]).stdout)
    assert [(row["code"], row["text"], row["orders"]) for row in listed][:2] == [
        ("new", "Новый", 1),
        ("prepayed", "Предоплата поступила", 0),
    ]


@on(*NAMED_BY_THE_LIST)
def test_status_list_is_read_once_a_day(shop: Shop) -> None:
    poller, _ = shop.polled()
    for _ in shop.platform.live(2):
        poller.poll(datetime.now(UTC))
    assert [asked.path for asked in shop.platform.asked].count(str(shop.platform.list_path)) == 1


@on(*NAMED_BY_THE_LIST)
def test_failing_status_list_is_warned_once(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """It stops no poll, and the names that are known are kept."""
    poller, state = shop.polled()
    source = poller.source
    assert isinstance(source, ApiSource)
    shop.platform.list_fault = Reply({"error": "not allowed"}, 403)
    with caplog.at_level(logging.WARNING, "syncd"):
        for _ in shop.platform.live(2):
            shop.platform.clock.waited.append(A_DAY)
            poller.poll(datetime.now(UTC))
    assert len(told(state)) == 4
    assert [order.message for order in source.find(["2"]).orders] == [shop.platform.names[shop.platform.codes[3]]]
    (said,) = [line for line in caplog.records if line.getMessage() == "status_names_unusable"]
    assert "the list of statuses (SYNCD_SOURCE__STATUSES_PATH): " in str(vars(said)["fields"])
    with pytest.raises(SourceError, match="SYNCD_SOURCE__STATUSES_PATH"):
        source.statuses()


@on(*NAMED_BY_THE_LIST)
def test_listed_name_never_counts_as_a_change(shop: Shop) -> None:
    """It does not even where messages count as changes."""
    poller, state = shop.polled(MESSAGE_IS_CHANGE="true")
    shop.platform.titles[shop.platform.codes[0]] = "Ждёт"
    shop.platform.clock.waited.append(A_DAY)
    poller.reconcile(datetime.now(UTC))
    assert told(state) == []


@on(RetailCrm)
def test_missing_status_list_is_tried_again_later(shop: Shop) -> None:
    shop.platform.list_fault = Reply({}, 404)
    source = shop.source()
    assert [order.message for order in source.find(["1"]).orders] == [None]
    shop.platform.list_fault = None
    assert [order.message for order in source.find(["1"]).orders] == [None]
    shop.platform.clock.waited.append(600.0)
    assert [order.message for order in source.find(["1"]).orders] == ["Новый"]


@on(RetailCrm)
def test_returning_fault_of_status_list_is_warned(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    source = shop.source()
    for fault in (Reply({}, 403), None, Reply({}, 403)):
        shop.platform.list_fault = fault
        shop.platform.clock.waited.append(A_DAY)
        source.find(["1"])
    assert [line.getMessage() for line in caplog.records].count("status_names_unusable") == 2


@on(RetailCrm)
def test_unexpected_status_list_names_the_setting(shop: Shop) -> None:
    with pytest.raises(SourceError, match=r"SYNCD_SOURCE__STATUSES_ITEMS \(rows\) finds nothing"):
        shop.source(STATUSES_ITEMS="rows").statuses()


@pytest.mark.parametrize(("status", "code"), [("fulfillment", "new"), ("financial", "paid")])
@on(InSales)
def test_any_of_three_statuses_may_be_used(shop: Shop, status: str, code: str) -> None:
    shop.platform.change(1, shop.platform.codes[1], paid=True)
    shown = shop.found(PARAMS__STATUS=status)
    assert (shown.status, shown.message) == (code, None)


@on(MoySklad)
def test_status_name_may_be_its_code(shop: Shop) -> None:
    assert shop.found(PARAMS__STATUS="name").status == "Новый"
    assert [one.code for one in shop.source(PARAMS__STATUS="name").statuses()] == [*shop.platform.names.values()]


@on(MoySklad)
def test_extra_field_may_be_a_dictionary_entry(shop: Shop) -> None:
    assert isinstance(shop.platform, MoySklad)
    entry = {"meta": {"type": "customentity"}, "name": "СДЭК-77"}
    shop.platform.attributes = {"Трек-номер": entry, "IMSHOP UUID": entry | {"name": UUID}}
    shown = shop.found()
    assert (shown.content["tracking"], shown.imshop_uuid) == ("СДЭК-77", UUID)


@on(MoySklad)
def test_order_appears_once_it_has_a_status(shop: Shop) -> None:
    poller, state = shop.polled()
    shop.platform.change(1, "")
    shop.platform.place(2)
    shop.platform.change(2, "")
    for result in (poller.poll(datetime.now(UTC)), poller.reconcile(datetime.now(UTC))):
        assert result.skipped == {}
    shop.platform.change(2, shop.platform.codes[0])
    poller.poll(datetime.now(UTC))
    assert told(state) == [("2", shop.platform.codes[0])]


@on(RetailCrm)
def test_without_a_buyers_id_the_phone_is_shown(shop: Shop) -> None:
    digits = "".join(char for char in PHONE if char.isdigit())
    assert shop.found(FIELDS__USER_ID="nothing").user_id == digits


@on(RetailCrm)
def test_the_number_may_be_the_platforms_own_id(shop: Shop) -> None:
    assert shop.found(1001, PARAMS__NUMBER="id").order_id == "1001"


@pytest.mark.parametrize(
    ("kept", "number"),
    [
        ([{"tracking_number": "1"}, {"tracking_number": "AB2"}], "AB2"),
        ({"1": {"tracking_number": "AB3"}}, "AB3"),
        ([], None),
        ("AB4", "AB4"),
    ],
)
@on(WooCommerce)
def test_shipment_plugins_last_parcel_is_used(shop: Shop, kept: object, number: str | None) -> None:
    assert isinstance(shop.platform, WooCommerce)
    shop.platform.metas["_wc_shipment_tracking_items"] = kept
    assert shop.found().tracking_url == (f"{TRACK}{number}" if number else None)
    shop.platform.metas["_own"] = "OWN"
    assert shop.found(PARAMS__TRACKING="_own").tracking_url == f"{TRACK}OWN"


@on(WooCommerce)
def test_names_and_addresses_are_not_asked_for(shop: Shop) -> None:
    shop.source().sample(1)
    assert "billing.phone" in shop.platform.asked[-1].params["_fields"]
    shop.source(QUERY_PARAMS___FIELDS="id,number,status,date_modified_gmt,meta_data").sample(1)
    assert "billing" not in shop.platform.asked[-1].params["_fields"]


@on(OData)
def test_documents_of_ones_own_kind_are_asked_for(shop: Shop) -> None:
    with pytest.raises(SourceError, match="404"):
        shop.source(PARAMS__DOCUMENT="Document_Заказ").sample(1)


@on(CsCart)
def test_paid_follows_from_certain_statuses(shop: Shop) -> None:
    """The platform does not show that an order is unpaid."""
    shop.platform.change(1, "P", paid=True)
    poller, state = shop.polled()
    shop.platform.change(1, "I")
    poller.poll(datetime.now(UTC))
    assert (told(state), shop.found().content["paid"]) == ([("1", "I")], None)
    shop.platform.change(1, "P")
    assert shop.found(PARAMS__PAID="O,P").content["paid"] is True


@on(CsCart)
def test_names_are_asked_for_in_a_language(shop: Shop) -> None:
    shop.found(PARAMS__LANGUAGE="en")
    assert shop.platform.asked[0].params["lang_code"] == "en"


@on(Bitrix24, BitrixShop)
def test_a_webhooks_key_is_shown_nowhere(shop: Shop) -> None:
    """Also where the platform repeats the path that it was asked."""
    key = KEY[::-1]
    for url in (shop.platform.url, f"{shop.platform.url}/", f"{shop.platform.server}/rest/1/{key}"):
        env = {
            "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
            "SYNCD_STATE__URL": f"sqlite:///{shop.home}/{len(url)}.db",
            "SYNCD_SOURCE__URL": url,
            "SYNCD_SOURCE__PRESET": shop.platform.preset,
            "SYNCD_SOURCE__RATE": "0",
            "SYNCD_CANCEL__API_KEY": "a-key-of-imshop",
            "SYNCD_CANCEL__PRESET": "true",
            "SYNCD_CANCEL__URL": url,
            "SYNCD_LOG__FORMAT": "json",
            "SYNCD_LOG__LEVEL": "debug",
        }
        for command in ("config", "check", "statuses", "once --timeout 1s", "explain 1", "status", "status --json"):
            result = CliRunner(env=env).invoke(syncd, command.split())
            said = f"{result.output}{result.exception}"
            assert result.output or result.exception, command
            assert KEY not in said, (command, said)
            assert key not in said, (command, said)


@on(Bitrix24, BitrixShop)
def test_a_blocked_method_is_told_in_its_words(shop: Shop) -> None:
    poller, _ = shop.polled()
    blocked = {"error": "OPERATION_TIME_LIMIT", "error_description": "Method is blocked due to operation time limit"}
    shop.platform.refusals += [Reply(blocked, 429)] * 60
    with pytest.raises(SourceError, match=r"HTTP 429.*OPERATION_TIME_LIMIT.*left alone"):
        poller.poll(datetime.now(UTC))


@on(Bitrix24)
def test_a_pipeline_brings_its_own_stages(shop: Shop) -> None:
    assert isinstance(shop.platform, Bitrix24)
    assert shop.found().message == "Новая"
    shop.platform.place(5, draft=True)
    shop.platform.change(5, "C9:EXECUTING")
    source = shop.source(PARAMS__CATEGORY="9")
    assert [(order.order_id, order.message) for order in source.find(["1", "5"]).orders] == [("5", "В работе")]
    assert [one.code for one in source.statuses()][:2] == ["C9:NEW", "C9:PREPARATION"]
    cancel = {"CANCEL__API_KEY": "a-key-of-imshop", "CANCEL__PRESET": "true", "IMSHOP__URL": "http://127.0.0.1:9/a"}
    own = {"SOURCE__URL": shop.platform.url, "SOURCE__PRESET": "bitrix24", "SOURCE__PARAMS__CATEGORY": "9"}
    settings = load({f"SYNCD_{name}": text for name, text in (cancel | own).items()}, usual_env_files=()).settings
    assert (settings.cancel.from_, settings.cancel.status) == (("C9:NEW",), "C9:LOSE")
    assert '"stageId": "C9:LOSE"' in str(settings.cancel.body)


@on(Bitrix24)
def test_deals_fields_give_number_and_buyer(shop: Shop) -> None:
    (found,) = shop.source(PARAMS__NUMBER="UF_CRM_NUMBER").find(["N1"]).orders
    assert (found.order_id, found.shop_id) == ("N1", "1")
    (found,) = shop.source(PARAMS__NUMBER="originId", PARAMS__USER="companyId").find(["app-1"]).orders
    assert found.user_id == "".join(char for char in PHONE if char.isdigit())
    assert shop.found(PARAMS__USER="UF_CRM_NONE").user_id == found.user_id


@on(Bitrix24)
def test_a_deal_is_paid_or_nothing_is_known(shop: Shop) -> None:
    assert shop.found().content["paid"] is None
    shop.platform.change(1, "WON", paid=True)
    assert shop.found().content["paid"] is True


@on(BitrixShop)
def test_cancellation_and_status_make_one_code(shop: Shop) -> None:
    for status in ("P", "CANCELED", "N"):
        shop.platform.change(1, status)
        assert shop.found().status == status


@on(BitrixShop)
def test_the_common_buyer_is_not_told(shop: Shop) -> None:
    assert shop.found(PARAMS__ANONYMOUS="7,777").user_id == "77"
    assert shop.found(PARAMS__ANONYMOUS="5,77").user_id is None


@on(BitrixShop)
def test_only_the_named_sites_are_shown(shop: Shop) -> None:
    sites = ("", "s1", "s2,s1", "s2")
    assert [len(shop.source(PARAMS__SITE=site).find(["1"]).orders) for site in sites] == [1, 1, 1, 0]


@on(BitrixShop)
def test_another_external_id_is_no_uuid(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for written, uuid in (("bx_63498bf7c8d31", None), (None, None), (UUID, UUID)):
        monkeypatch.setattr("tests.presets.apis.bitrix24.UUID", written)
        assert shop.found().imshop_uuid == uuid


@on(Magento)
def test_the_last_page_shown_again_ends_the_reading(shop: Shop) -> None:
    shop.platform.place(*range(2, 41))
    poller, _ = shop.polled(BATCH="20")
    shop.platform.asked.clear()
    assert poller.reconcile(datetime.now(UTC)).rows == 40
    pages = [asked.params["searchCriteria[currentPage]"] for asked in shop.platform.asked]
    assert pages == ["1", "2", "3", "4", "1"], "the last one looks for what changed meanwhile"


@on(Magento)
def test_a_poll_that_fits_a_page_asks_once(shop: Shop) -> None:
    poller, _ = shop.polled()
    shop.platform.asked.clear()
    shop.platform.change(1, "processing")
    assert poller.poll(datetime.now(UTC)).found.total() == 1
    assert len(shop.platform.asked) == 1


@on(Magento)
def test_only_what_is_used_is_asked_for(shop: Shop) -> None:
    assert [order.user_id for order in shop.source().sample(1).orders] == ["77"]
    asked = shop.platform.asked[-1].params["fields"]
    assert ("billing_address[telephone]" in asked, "firstname" in asked) == (True, False)


@on(Magento)
def test_standard_statuses_have_names_in_two_languages(shop: Shop) -> None:
    assert shop.found(PARAMS__LANGUAGE="en").message == "Pending"
    shop.platform.change(1, "own_status")
    assert shop.found().message is None


@on(WooCommerce)
def test_the_doctor_sees_a_status_left_out(shop: Shop) -> None:
    assert isinstance(shop.platform, WooCommerce)
    shop.platform.place(2, 3)
    shop.platform.place(4, draft=True)
    shop.platform.change(3, "shipped")

    def found() -> list[tuple[str, str]]:
        examined = ApiChecks(shop.source(), Statuses(), lambda _push: b"", lambda: datetime.now(UTC))
        return [(finding.level, finding.text) for finding in examined.statuses()]

    assert ("ok", "the list of orders has as many as the list of statuses counts: 3") in found()
    shop.platform.orders.pop(4)
    shop.platform.hidden = "shipped"
    text = "the list of statuses counts 3 orders, but the list of orders has 2: it leaves a status out"
    assert ("warning", text) in found()
