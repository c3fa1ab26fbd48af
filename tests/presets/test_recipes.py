"""What each preset asks of its platform when a buyer cancels, and what of the answer counts as a yes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.cancel import CancelService
from syncd.cancel.protocol import NOT_KNOWN, REFUSED
from syncd.errors import SettingsError
from syncd.model import Cancellation, CancelRequest
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime import cancel_parts, composition, pipeline_parts
from syncd.settings import Settings, load
from syncd.settings.presets import FOLDER, load_preset, preset_text
from tests.presets.apis import (
    HTML,
    KEY,
    ApiPlatform,
    Asked,
    Bitrix24,
    BitrixShop,
    CsCart,
    InSales,
    JsonServer,
    Magento,
    MoySklad,
    OData,
    Reply,
    RetailCrm,
    WooCommerce,
)
from tests.presets.platforms import BITRIX, CS_CART, HPOS, LEGACY, MAGENTO, OPENCART, PRESTASHOP, SHOP_SCRIPT, Platform
from tests.presets.shop import PlatformShop
from tests.servers import DROP_MARIADB, mariadb_url, throw_away_database
from tests.states import begin_state

REASON = "Он сказал: \"нет\", 'да' & {order_id}=1 \\ 100%;\nпередумал+"
WORDS = "Уже собран"
ASKED = CancelRequest("current", "1001", None, REASON)


@dataclass(frozen=True)
class Recipe:
    """`settings`: what it needs beside the switch. `call`: the method, path and body that the platform must get for the
    order with the number 1001, whose key is another's number. `no`, `yes`: how the platform says it. `confirms`: its
    yes is looked into. `by_number`: an order whose key is not known is asked for by its number."""

    platform: type[ApiPlatform]
    call: tuple[str, str, Any]
    no: Reply
    settings: Mapping[str, str] = field(default_factory=dict)
    confirms: bool = False
    by_number: bool = True
    yes: Reply = field(default_factory=lambda: Reply({"order_id": "1001"}))

    def __str__(self) -> str:
        return self.platform.__name__


STATE = {
    "href": f"https://api.moysklad.ru/api/remap/1.2/entity/customerorder/metadata/states/{MoySklad.codes[4]}",
    "type": "state",
    "mediaType": "application/json",
}
RECIPES = (
    Recipe(
        WooCommerce,
        ("PUT", "/wp-json/wc/v3/orders/2001", {"status": "cancelled"}),
        Reply({"code": "not_now", "message": WORDS}, 409),
        by_number=False,
    ),
    Recipe(
        RetailCrm,
        (
            "POST",
            "/api/v5/orders/2001/edit",
            {"by": "id", "site": "app", "order": {"status": "cancel-other", "statusComment": REASON}},
        ),
        Reply({"success": False, "errorMsg": "Errors in the entity format", "errors": {"status": WORDS}}),
        {"SOURCE__PARAMS__SITE": "app"},
    ),
    Recipe(
        InSales,
        ("PUT", "/admin/orders/2001.json", {"order": {"custom_status_permalink": "otmenyon"}}),
        Reply({"errors": {"base": [WORDS]}}, 422),
        {"SOURCE__PARAMS__CANCELLED": "otmenyon", "SOURCE__PARAMS__CANCEL_FROM": "novyy,oplachen"},
        by_number=False,
    ),
    Recipe(
        MoySklad,
        ("PUT", "/api/remap/1.2/entity/customerorder/8d4f-1001", {"state": {"meta": STATE}}),
        Reply({"errors": [{"error": WORDS, "code": 3000}]}, 409),
        {
            "SOURCE__PARAMS__CANCELLED": MoySklad.codes[4],
            "SOURCE__PARAMS__CANCEL_FROM": ",".join(MoySklad.codes[:2]),
        },
    ),
    Recipe(
        CsCart,
        ("PUT", "/api/orders/1001", {"status": "I"}),
        Reply({"message": WORDS, "status": 409}, 409),
        confirms=True,
    ),
    Recipe(
        OData,
        ("PATCH", "/base/odata/standard.odata/Document_ЗаказКлиента(guid'11d7-1001')", {"Статус": "Отменен"}),
        Reply({"odata.error": {"code": "6", "message": {"lang": "ru", "value": WORDS}}}, 409),
        {"SOURCE__PARAMS__CANCELLED": "Отменен", "SOURCE__PARAMS__CANCEL_FROM": "НаСогласовании,КОбеспечению"},
        confirms=True,
    ),
    Recipe(
        Bitrix24,
        (
            "POST",
            f"/rest/1/{KEY}/crm.item.update",
            {"entityTypeId": 2, "id": "1001", "fields": {"stageId": "LOSE"}},
        ),
        Reply({"error": "NOT_NOW", "error_description": WORDS}, 409),
        {"SOURCE__PARAMS__CANCEL_FROM": "NEW,PREPARATION"},
    ),
    Recipe(
        BitrixShop,
        (
            "POST",
            f"/rest/1/{KEY}/sale.order.update",
            {"id": "2001", "fields": {"canceled": "Y", "reasonCanceled": REASON}},
        ),
        Reply({"error": "0", "error_description": WORDS}, 409),
    ),
    Recipe(
        Magento,
        ("POST", "/rest/V1/orders/2001/cancel", {}),
        Reply({"message": WORDS}, 409),
        confirms=True,
        yes=Reply(True),
    ),
)
FAULTS = {
    "no_login": Reply({"message": "Войдите"}, 401),
    "no_right": Reply({"message": "Нет прав"}, 403),
    "bad_request": Reply({"success": False, "errorMsg": "Неверный статус", "message": "Неверный статус"}, 400),
    "crash": Reply({"message": "Ошибка"}, 500),
    "page": Reply("<html><body>Сайт закрыт</body></html>".encode(), 200, HTML),
    "page_of_refusal": Reply("<html><body>Вход</body></html>".encode(), 403, HTML),
    "login_page": Reply(b"", 302, {"Location": "/login"}),
    "nothing": Reply(b""),
    "null": Reply(None),
    "list": Reply([]),
    "text": Reply("cancelled"),
    "cut": Reply(b'{"status": "cancell'),
}


@dataclass
class Office:
    """All that a merchant sets to have buyers' cancellations taken in, and a state whose baseline is taken."""

    home: Path
    variables: Mapping[str, str]
    open: ExitStack

    def __post_init__(self) -> None:
        self.settings = self.loaded()
        begin_state(self.home / "state.db")
        self.state = composition.state(self.settings, create=True)
        self.open.callback(self.state.close)
        source = composition.source(self.settings)
        self.open.callback(source.close)
        self.poller: Poller = pipeline_parts.poller(
            self.settings, source, self.state, StatusesFile(None), lambda _rows: None
        )
        assert self.poller.poll(datetime.now(UTC)).baseline

    def loaded(self, **more: str) -> Settings:
        variables = {
            "IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
            "STATE__URL": f"sqlite:///{self.home}/state.db",
            "CANCEL__API_KEY": "a-key-of-imshop",
            "CANCEL__PRESET": "true",
            "CANCEL__TIMEOUT": "60s",
            **self.variables,
            **more,
        }
        return load({f"SYNCD_{name}": text for name, text in variables.items()}, usual_env_files=()).settings

    def service(self, **more: str) -> CancelService:
        settings = self.loaded(**more)
        shop = cancel_parts.canceller(settings)
        assert shop is not None
        self.open.callback(shop.close)
        return cancel_parts.cancel_service(settings, self.state, shop, lambda _decided: None, lambda _decided: None)

    def cancel(self, order_id: str = "1001", **more: str) -> Cancellation:
        return self.service(**more).receive(replace(ASKED, order_id=order_id))


@dataclass
class ApiOffice(Office):
    """In the shop are an order with the number 1001, one whose key is 1001 where keys are other numbers, and more of
    them than two pages hold."""

    recipe: Recipe
    platform: ApiPlatform

    def calls(self) -> list[tuple[str, str, Any]]:
        return [(asked.method, asked.path, asked.content) for asked in self.platform.written]

    def looks(self) -> int:
        """How often orders were read."""
        read = [asked for asked in self.platform.asked if asked.method == "GET"]
        return len([asked for asked in read if not self.platform.lists(asked)])

    def status(self, number: int = 1001) -> str:
        return self.platform.orders[number].status


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApiOffice]:
    recipe: Recipe = request.param
    with ExitStack() as cleanup:
        platform = recipe.platform()
        cleanup.callback(platform.close)
        platform.place(1, 1001, *range(2, 45))
        variables = {
            **{f"SOURCE__{name}": text for name, text in platform.login.items()},
            "SOURCE__URL": platform.url,
            "SOURCE__PRESET": platform.preset,
            "SOURCE__RATE": "0",
            "SOURCE__BATCH": "20",
            **recipe.settings,
        }
        made = ApiOffice(tmp_path, variables, cleanup, recipe, platform)
        platform.asked.clear()
        platform.asked_at.clear()
        yield made


def on(*recipes: Recipe) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("office", recipes, ids=str, indirect=True)


CONFIRMED = tuple(recipe for recipe in RECIPES if recipe.confirms)


@on(*RECIPES)
def test_order_is_cancelled_by_its_key(office: ApiOffice) -> None:
    """No other order is read."""
    decided = office.cancel()
    cancelled = office.platform.codes[4]
    assert (decided.state, decided.status, decided.message) == ("accepted", cancelled, "Отменён"), decided.error
    assert office.calls() == [office.recipe.call]
    assert (office.status(), office.status(1)) == (cancelled, office.platform.codes[0])
    assert office.looks() == 1 + office.recipe.confirms
    assert office.poller.poll(datetime.now(UTC)).found == {}


@on(*RECIPES)
def test_unseen_order_is_found_by_its_number(office: ApiOffice) -> None:
    """One request is enough where the platform allows it. The number is another order's key."""
    office.platform.place(2001)
    decided = office.cancel("2001")
    assert (decided.state, decided.shop_id) == ("accepted", office.platform.key(2001)), decided.error
    assert not office.recipe.by_number or office.looks() == 1 + office.recipe.confirms
    assert office.status(2001) == office.platform.codes[4]


@on(next(recipe for recipe in RECIPES if recipe.platform is BitrixShop))
def test_a_reason_too_long_is_cut(office: ApiOffice) -> None:
    """Bitrix refuses an order with more than 255 characters of it."""
    decided = office.service().receive(replace(ASKED, reason="ё" * 900))
    ((_method, _path, content),) = office.calls()
    assert (decided.state, content["fields"]["reasonCanceled"]) == ("accepted", "ё" * 255)
    office.platform.place(5)
    office.service(CANCEL__REASON_LIMIT="0").receive(replace(ASKED, order_id="5", reason="ё"))
    assert office.calls()[-1][2]["fields"]["reasonCanceled"] == ""


@on(*RECIPES)
def test_from_another_status_the_platform_is_not_asked(office: ApiOffice) -> None:
    office.platform.change(1001, office.platform.codes[2])
    decided = office.cancel()
    assert (decided.state, decided.message, office.calls()) == ("refused", REFUSED, [])


@on(*RECIPES)
def test_an_order_that_is_not_there_is_refused(office: ApiOffice) -> None:
    decided = office.cancel("777777")
    assert (decided.state, decided.message, office.calls()) == ("refused", NOT_KNOWN, [])


@on(*RECIPES)
def test_the_platforms_words_reach_the_buyer(office: ApiOffice) -> None:
    office.platform.write_replies.append(office.recipe.no)
    decided = office.cancel()
    assert (decided.state, decided.message) == ("refused", WORDS), decided.error


@on(*(recipe for recipe in RECIPES if not recipe.confirms))
def test_order_deleted_before_the_call_is_refused(office: ApiOffice) -> None:
    office.platform.write_replies.append(Reply({}, 404))
    decided = office.cancel()
    assert (decided.state, decided.message) == ("refused", NOT_KNOWN)


@on(*RECIPES)
def test_fault_is_no_refusal_to_the_buyer(office: ApiOffice) -> None:
    service = office.service()
    for number, (name, fault) in enumerate(FAULTS.items(), 1):
        office.platform.clock.waited.append(10.0)
        office.platform.write_replies.append(fault)
        decided = service.receive(ASKED)
        assert (decided.state, decided.message, len(office.calls())) == ("failed", None, number), (name, decided)
        assert f"HTTP {fault.status}" in str(decided.error), (name, decided)


@on(*CONFIRMED)
def test_a_yes_that_did_nothing_is_none(office: ApiOffice) -> None:
    office.platform.write_replies.append(office.recipe.yes)
    decided = office.cancel()
    assert (decided.state, decided.message) == ("refused", REFUSED)
    assert decided.error == f"the shop said yes, but the order is {office.platform.codes[0]} afterwards"


@on(*RECIPES)
def test_own_login_is_used_for_call_alone(office: ApiOffice) -> None:
    name, login = office.platform.header
    if not name:
        decided = office.cancel(CANCEL__URL=office.platform.url.replace("/rest/1/", "/rest/7/"))
    elif name == "Authorization":
        decided = office.cancel(CANCEL__AUTH=f"{login.split()[0].lower()}:other:login")
    else:
        decided = office.cancel(CANCEL__HEADERS__X_API_KEY="other-login")
    assert decided.error
    assert f"HTTP {office.platform.unknown_login}" in decided.error
    assert (decided.state, office.looks(), len(office.calls())) == ("failed", 1, 1)


@on(*RECIPES)
def test_unreadable_shop_is_not_called(office: ApiOffice) -> None:
    office.platform.refusals.append(Reply({"message": "Войдите"}, 403))
    decided = office.cancel(SOURCE__STATUSES_PATH="")
    assert (decided.state, decided.in_doubt, office.calls()) == ("failed", False, [])


@on(next(recipe for recipe in RECIPES if recipe.platform is InSales))
def test_setting_may_replace_the_presets_parameter(office: ApiOffice) -> None:
    assert office.loaded(SOURCE__PARAMS__CANCEL_FROM="", CANCEL__FROM="novyy").cancel.from_ == ("novyy",)


@on(next(recipe for recipe in RECIPES if recipe.platform is InSales))
def test_find_number_path_with_key_is_refused(office: ApiOffice) -> None:
    with pytest.raises(SettingsError, match="is for orders whose key is not known"):
        office.loaded(SOURCE__FIND_NUMBER_PATH="/admin/orders/{shop_id}.json?number={order_id}")


@on(next(recipe for recipe in RECIPES if recipe.platform is WooCommerce))
def test_login_in_url_is_used_for_call(office: ApiOffice) -> None:
    decided = office.cancel(
        SOURCE__URL=office.platform.url.replace("//", "//ck_key:cs_secret@") + "?lang=ru", SOURCE__AUTH=""
    )
    (asked,) = office.platform.written
    assert (decided.state, asked.params) == ("accepted", {"lang": "ru"}), decided.error


# Platforms that are read from their databases, and cancel over their APIs.


NUMBER = "CASE :id WHEN 2001 THEN '1001' ELSE CONCAT('A', :id) END"


@dataclass(frozen=True)
class Beside:
    """`numbered`: how the orders 1001 and 2001 get the numbers A1001 and 1001. `yes`, `no`: how the API says it."""

    platform: Platform
    call: tuple[str, str, Any]
    yes: Reply
    no: Reply
    words: str = WORDS
    numbered: str | None = None
    number: str = "1001"
    auth: str = "basic:user:password"

    def __str__(self) -> str:
        return self.platform.preset


BESIDE = (
    Beside(
        HPOS,
        ("PUT", "/wp-json/wc/v3/orders/2001", {"status": "cancelled"}),
        Reply({"id": 2001, "status": "cancelled"}),
        Reply({"message": WORDS}, 409),
        numbered=f"UPDATE wp_wc_orders_meta SET meta_value = {NUMBER} WHERE order_id = :id AND meta_key LIKE '%number'",
    ),
    Beside(
        LEGACY,
        ("PUT", "/wp-json/wc/v3/orders/2001", {"status": "cancelled"}),
        Reply({"id": 2001, "status": "cancelled"}),
        Reply({"message": WORDS}, 409),
        numbered=f"INSERT INTO wp_postmeta VALUES (NULL, :id, '_order_number', {NUMBER})",
    ),
    Beside(
        MAGENTO,
        ("POST", "/rest/V1/orders/2001/cancel", {}),
        Reply(True),
        Reply(False),
        words=REFUSED,
        numbered=f"UPDATE sales_order SET increment_id = {NUMBER} WHERE entity_id = :id",
        auth="bearer:a-token",
    ),
    Beside(
        CS_CART,
        ("PUT", "/api/orders/2001", {"status": "I"}),
        Reply({"order_id": "2001"}),
        Reply({"message": WORDS}, 409),
        number="2001",
    ),
    Beside(
        SHOP_SCRIPT,
        ("POST", "/api.php/shop.order.action", {"id": "2001", "action": "delete", "text": REASON}),
        Reply({"order_id": 2001, "action_id": "delete", "before_state_id": "new", "after_state_id": "deleted"}),
        Reply({"error": "invalid_param", "error_description": "Available action not found"}, 404),
        words=NOT_KNOWN,
        number="#1002001",
        auth="bearer:a-token",
    ),
)


@pytest.fixture(scope="module")
def databases() -> Iterator[Callable[[Platform], str]]:
    """The URL of a platform's database, made when it is first asked for."""
    urls: dict[str, str] = {}
    with ExitStack() as made:

        def url(platform: Platform) -> str:
            if platform.preset not in urls:
                urls[platform.preset] = made.enter_context(throw_away_database(mariadb_url(), drop=DROP_MARIADB))
            return urls[platform.preset]

        yield url


def placed(shop: PlatformShop, numbered: str | None) -> None:
    shop.open_anew()
    shop.do(shop.platform.place, 1001, 2001)
    if numbered:
        shop.do(numbered, 1001, 2001)


@pytest.mark.parametrize("beside", BESIDE, ids=str)
def test_beside_a_database_the_platforms_api_is_called(
    beside: Beside, databases: Callable[[Platform], str], tmp_path: Path
) -> None:
    asked: list[Asked] = []
    replies: list[Reply] = []

    def answer(request: Asked) -> Reply:
        asked.append(request)
        if replies:
            return replies.pop()
        shop.do(beside.platform.cancel, 2001)
        return beside.yes

    with ExitStack() as cleanup:
        shop = cleanup.enter_context(closing(PlatformShop(beside.platform, databases(beside.platform), tmp_path)))
        placed(shop, beside.numbered)
        rest = cleanup.enter_context(closing(JsonServer(answer)))
        variables = {
            "SOURCE__URL": shop.url,
            "SOURCE__PRESET": beside.platform.preset,
            "CANCEL__URL": rest.url,
            "CANCEL__AUTH": beside.auth,
        }
        office = Office(tmp_path, variables, cleanup)

        replies.append(Reply({"message": "Нет прав"}, 401))
        assert office.cancel(beside.number).state == "failed"
        replies.append(Reply("<html>Вход</html>".encode(), 200, HTML))
        assert office.cancel(beside.number).state == "failed"
        replies.append(beside.no)
        refused = office.cancel("A1001" if beside.numbered else beside.number.replace("2001", "1001"))
        assert (refused.state, refused.message) == ("refused", beside.words)

        asked.clear()
        accepted = office.cancel(beside.number)
        wanted = ("accepted", beside.platform.cancelled, "Отменён")
        assert (accepted.state, accepted.status, accepted.message) == wanted, accepted.error
        assert [(one.method, one.path, one.content) for one in asked] == [beside.call]
        assert asked[0].headers["authorization"].startswith("Bearer a-token" if "bearer" in beside.auth else "Basic ")
        assert office.poller.poll(datetime.now(UTC)).found == {}

        shop.do(beside.platform.ship, 2001)
        office.poller.poll(datetime.now(UTC))
        assert (office.cancel(beside.number).state, len(asked)) == ("refused", 1)


# Platforms that only code of their own cancels right.


PROGRAMS = (
    (OPENCART, None, "2001"),
    (PRESTASHOP, None, "2001"),
    (BITRIX, f"UPDATE b_sale_order SET ACCOUNT_NUMBER = {NUMBER} WHERE ID = :id", "1001"),
)


@pytest.mark.parametrize(("platform", "numbered", "number"), PROGRAMS, ids=lambda one: getattr(one, "preset", ""))
def test_program_gets_the_key_and_the_reason(
    platform: Platform, numbered: str | None, number: str, databases: Callable[[Platform], str], tmp_path: Path
) -> None:
    program = tmp_path / "cancels.py"
    program.write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())\n")
    with ExitStack() as cleanup:
        shop = cleanup.enter_context(closing(PlatformShop(platform, databases(platform), tmp_path)))
        placed(shop, numbered)
        variables = {
            "SOURCE__URL": shop.url,
            "SOURCE__PRESET": platform.preset,
            "CANCEL__COMMAND": f"{sys.executable} {program} {tmp_path}/given.json",
        }
        office = Office(tmp_path, variables, cleanup)
        accepted = office.cancel(number)
        given = json.loads((tmp_path / "given.json").read_bytes())
        assert (accepted.state, accepted.status) == ("accepted", platform.cancelled), accepted.error
        assert (given["shop_id"], given["order_id"], given["reason"]) == ("2001", number, REASON)
        (tmp_path / "given.json").unlink()
        for step in (platform.pay, platform.ship):
            shop.do(step, 1001)
        other = "A1001" if numbered else "1001"
        assert (office.cancel(other).state, (tmp_path / "given.json").exists()) == ("refused", False)


# What is said of it.


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_each_preset_says_how_to_switch_it_on(name: str) -> None:
    preset, text = load_preset(FOLDER / f"{name}.toml"), preset_text(name)
    lines: Sequence[str] = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   SYNCD_")]
    assert "SYNCD_CANCEL__PRESET=true" in lines
    assert {"from", "status", "message"} <= preset.cancel.keys()
    command = f"SYNCD_CANCEL__COMMAND=php /usr/local/share/syncd/cancel/{preset.program} "
    assert any(line.startswith(command) for line in lines) == (preset.program is not None)
    assert ("SYNCD_CANCEL__URL=https://shop.example" in lines) == ("mysql" in preset.urls and preset.program is None)
