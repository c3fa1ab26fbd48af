"""The programs in deploy/cancel, run by PHP on stand-ins of the platforms: whatever the shop's code does, what they end
with is the shop's decision, or a failure."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncd.cancel.protocol import NOT_KNOWN, REFUSED
from tests.deploy.tools import DEPLOY, program

STAND_INS = Path(__file__).parent / "standins"
ACCEPTED, DECLINED, FAILED = 0, 10, 2
LONGEST_WORDS = 200
NASTY = 'не "подошёл" <b onclick=alert(1)>&amp;</b> {script:} \\\'\n-- 😀\u202e'

LOOK_ALIKES = ["7-1", "7abc", "7e0", " 7", "7\n", "07", "7.0", "0x7", "-7", "0", "٧", "999", "9" * 40, "7' OR '1'='1"]

Order = dict[str, Any]


@dataclass(frozen=True)
class Platform:
    """`order`: number 7, which can be cancelled; `key` and `number`: its fields that name it; `unwanted`: a status from
    which it cannot be; `cancelled`: what is different once it is."""

    name: str
    order: Order
    key: str
    number: str
    status: str
    unwanted: str
    cancelled: Order

    def orders(self, **fields: Any) -> dict[str, Order]:
        """Order 7, and one that no test is about."""
        other = {**self.order, self.key: "3", **({} if self.key == self.number else {self.number: "ANOTHER"})}
        return {"7": {**self.order, **fields}, "3": other}


OPENCART = Platform(
    "opencart",
    {"order_id": "7", "order_status_id": "1", "store_id": "0"},
    key="order_id",
    number="order_id",
    status="order_status_id",
    unwanted="3",
    cancelled={"order_status_id": "7"},
)
PRESTASHOP = Platform(
    "prestashop",
    {"id": "7", "reference": "XKBKNABJK", "current_state": "1"},
    key="id",
    number="reference",
    status="current_state",
    unwanted="4",
    cancelled={"current_state": "6"},
)
BITRIX = Platform(
    "bitrix",
    {"ID": "7", "ACCOUNT_NUMBER": "А-2024/7", "STATUS_ID": "N", "CANCELED": "N"},
    key="ID",
    number="ACCOUNT_NUMBER",
    status="STATUS_ID",
    unwanted="F",
    cancelled={"CANCELED": "Y"},
)
PLATFORMS = pytest.mark.parametrize("platform", [OPENCART, PRESTASHOP, BITRIX], ids=lambda it: it.name)


@dataclass
class Shop:
    """A stand-in in a folder of its own. `set`: what is in its shop.json besides the orders."""

    platform: Platform
    folder: Path
    orders: dict[str, Order]
    set: dict[str, Any] = field(default_factory=dict)
    code: int = -1
    said: str = ""
    log: str = ""

    def __post_init__(self) -> None:
        shutil.copytree(STAND_INS / self.platform.name, self.folder)
        shutil.copy(STAND_INS / "shop.php", self.folder)

    def asked(self, *arguments: str, stdin: str | None = None, **given: Any) -> Shop:
        """Have order 7 cancelled, or whichever is `given`. Called again, the shop is as it was left."""
        file = self.folder / "shop.json"
        if self.folder.is_dir() and not file.exists():
            file.write_text(json.dumps({"orders": self.orders, **self.set}), encoding="utf-8")
        number = self.platform.order[self.platform.number]
        told = {"id": "token-1", "order_id": number, "shop_id": "7", "uuid": "", "reason": "Передумал", **given}
        ran = subprocess.run(
            [program("php", "php-cli"), "-n", DEPLOY / "cancel" / f"{self.platform.name}.php", self.folder, *arguments],
            input=(json.dumps(told) if stdin is None else stdin).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.code, self.said, self.log = ran.returncode, ran.stdout.decode(), ran.stderr.decode()
        return self

    @property
    def kept(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads((self.folder / "shop.json").read_text(encoding="utf-8"))
        return kept

    @property
    def order(self) -> Order:
        order: Order = self.kept["orders"]["7"]
        return order

    @property
    def happened(self) -> list[Any]:
        happened: list[Any] = self.kept.get("happened", [])
        return happened

    @property
    def untouched(self) -> bool:
        return bool(self.kept["orders"] == self.orders and self.happened == [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a shop"


def shop(platform: Platform, folder: Path, fields: Order | None = None, **given: Any) -> Shop:
    return Shop(platform, folder, platform.orders(**(fields or {})), given)


@PLATFORMS
def test_an_order_is_cancelled_and_no_other(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder).asked()

    assert (asked.code, asked.said, asked.log) == (ACCEPTED, "", "")
    assert asked.order == {**platform.order, **platform.cancelled}
    assert asked.kept["orders"]["3"] == asked.orders["3"]
    assert asked.happened


@PLATFORMS
def test_cancelled_order_is_accepted_without_a_repeat(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder).asked()
    happened = asked.happened

    assert asked.asked(reason="Ещё раз").code == ACCEPTED
    assert asked.happened == happened


@PLATFORMS
def test_from_another_status_it_is_refused(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder, {platform.status: platform.unwanted}).asked()

    assert (asked.code, asked.said) == (DECLINED, REFUSED + "\n")
    assert asked.untouched


@PLATFORMS
def test_the_statuses_can_be_given(platform: Platform, folder: Path) -> None:
    arguments = ["7", f"9,{platform.unwanted}"] if platform is OPENCART else [f"9,{platform.unwanted}"]

    assert shop(platform, folder, {platform.status: platform.unwanted}).asked(*arguments).code == ACCEPTED


@PLATFORMS
@pytest.mark.parametrize("which", ["order_id", "shop_id"])
def test_lookalike_id_matches_no_order(platform: Platform, folder: Path, which: str) -> None:
    asked = shop(platform, folder)
    for name in LOOK_ALIKES:
        asked.asked(**{"order_id": "", "shop_id": "", which: name})
        assert (name, asked.code, asked.said) == (name, DECLINED, NOT_KNOWN + "\n")
    assert asked.untouched


@PLATFORMS
def test_two_names_of_two_orders_are_a_fault(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder)
    asked.asked(order_id=asked.orders["3"][platform.number])

    assert (asked.code, asked.said) == (FAILED, "")
    assert "shop_id" in asked.log
    assert asked.untouched


@PLATFORMS
@pytest.mark.parametrize("moment", ["boot", "cancel"])
@pytest.mark.parametrize("trouble", ["exit 0", "exit 10", "die", "throw", "fatal", "memory"])
def test_a_shop_that_breaks_off_has_decided_nothing(
    platform: Platform, folder: Path, moment: str, trouble: str
) -> None:
    asked = shop(platform, folder, trouble={moment: trouble}).asked()

    assert asked.code not in {ACCEPTED, DECLINED, 1}
    assert asked.said == ""
    assert {
        "die": "Under maintenance",
        "throw": "RuntimeException: the model gave up",
        "fatal": "no_such_function()",
        "memory": "Allowed memory size",
    }.get(trouble, "ended by itself") in asked.log
    assert asked.order == platform.order


@PLATFORMS
def test_crash_is_failure_despite_shops_error_handlers(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder, trouble={"boot": "handlers", "cancel": "throw"}).asked()

    assert (asked.code, asked.said) == (FAILED, "")
    assert "the model gave up" in asked.log


@PLATFORMS
@pytest.mark.parametrize("moment", ["boot", "cancel"])
def test_shops_output_does_not_reach_the_buyer(platform: Platform, folder: Path, moment: str) -> None:
    asked = shop(platform, folder, trouble={moment: "noise"}).asked()
    assert (asked.code, asked.said) == (ACCEPTED, "")

    refused = shop(
        platform, folder.parent / "2", {platform.status: platform.unwanted}, trouble={moment: "noise"}
    ).asked()
    assert (refused.code, refused.said) == (DECLINED, REFUSED + "\n")


@PLATFORMS
def test_shutdown_handlers_do_not_change_a_refusal(platform: Platform, folder: Path) -> None:
    """Nor do they change a failure."""
    fields = {platform.status: platform.unwanted}
    refused = shop(platform, folder, fields, trouble={"end": "exit 0 at the end"}).asked()
    assert (refused.code, refused.said) == (DECLINED, REFUSED + "\n")

    failed = shop(platform, folder.parent / "2", trouble={"end": "exit 0 at the end", "cancel": "throw"}).asked()
    assert failed.code == FAILED


@PLATFORMS
def test_crash_after_cancelling_fails_then_accepts(platform: Platform, folder: Path) -> None:
    """The next call finds the order cancelled."""
    asked = shop(platform, folder, trouble={"end": "fatal at the end"}).asked()
    assert asked.code not in {ACCEPTED, DECLINED}

    file = folder / "shop.json"
    file.write_text(json.dumps({**asked.kept, "trouble": {}}), encoding="utf-8")
    assert asked.asked().code == ACCEPTED


@PLATFORMS
def test_other_status_after_cancelling_is_a_failure(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder, instead="N" if platform is BITRIX else "9").asked()

    assert (asked.code, asked.said) == (FAILED, "")
    assert "order 7" in asked.log


@PLATFORMS
@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        ("", "no JSON object"),
        ("[]", 'neither "order_id" nor "shop_id"'),
        ('"7"', "no JSON object"),
        ('{"order_id": "7"', "no JSON object"),
        ('{"order_id": 7}', '"order_id" on stdin is no text'),
        ('{"order_id": "7", "reason": null, "shop_id": ["7"]}', '"shop_id" on stdin is no text'),
        ('{"order_id": "", "reason": "x"}', 'neither "order_id" nor "shop_id"'),
        ('{"order_id": "' + "7" * 70000 + '"}', "no JSON object"),
    ],
)
def test_what_is_not_understood_is_a_failure(platform: Platform, folder: Path, stdin: str, told: str) -> None:
    asked = shop(platform, folder).asked(stdin=stdin)

    assert (asked.code, asked.said) == (FAILED, "")
    assert told in asked.log
    assert asked.untouched


@PLATFORMS
def test_wrong_command_line_is_a_failure(platform: Platform, folder: Path) -> None:
    asked = shop(platform, folder)
    assert asked.asked(*["7"] * (platform is OPENCART), "1;2").code == FAILED
    assert f"usage: php {platform.name}.php FOLDER" in asked.log

    (folder.parent / "empty").mkdir()
    asked.folder = folder.parent / "empty"
    assert asked.asked().code == FAILED
    assert "is not there" in asked.log

    asked.folder = folder.parent / "missing"
    assert asked.asked().code == FAILED
    assert "cannot be entered" in asked.log


@pytest.mark.parametrize("version", ["3", "4"])
def test_opencart_writes_history_and_mail_itself(folder: Path, version: str) -> None:
    """The program calls OpenCart's own model for both."""
    asked = shop(OPENCART, folder)
    if version == "4":
        (folder / "index4.php").replace(folder / "index.php")
    asked.asked(reason=NASTY)

    assert (asked.code, asked.log) == (ACCEPTED, "")
    assert asked.happened == [
        {
            "history": "Отменён покупателем в приложении: не &quot;подошёл&quot; "
            "&lt;b onclick=alert(1)&gt;&amp;amp;&lt;/b&gt; {script:} \\' --",
            "notify": True,
            "restocked": True,
        }
    ]


def test_opencart_uses_settings_of_the_orders_store(folder: Path) -> None:
    settings = {"2": [{"key": "config_processing_status", "value": '["9"]', "serialized": "1"}]}
    asked = shop(OPENCART, folder, {"store_id": "2"}, settings=settings).asked()

    assert asked.code == ACCEPTED
    assert [each["restocked"] for each in asked.happened] == [False]


def test_opencart_knows_no_cart_that_was_left(folder: Path) -> None:
    assert shop(OPENCART, folder, {"order_status_id": "0"}).asked().said == NOT_KNOWN + "\n"


def test_opencart_is_not_taken_for_something_else(folder: Path) -> None:
    asked = shop(OPENCART, folder)
    (folder / "index.php").write_text("<?php echo 'Hello';", encoding="utf-8")

    assert asked.asked().code == FAILED
    assert "is not OpenCart's" in asked.log


def test_prestashop_finds_an_order_by_its_reference(folder: Path) -> None:
    asked = shop(PRESTASHOP, folder)

    assert asked.asked(shop_id="", order_id="xkbknabjk").said == NOT_KNOWN + "\n"
    assert asked.asked(shop_id="", order_id="XKBKNABJK ").said == NOT_KNOWN + "\n"
    assert asked.asked(shop_id="", order_id="XKBKNABJK").code == ACCEPTED


def test_prestashop_fails_on_an_ambiguous_order(folder: Path) -> None:
    asked = shop(PRESTASHOP, folder)
    asked.orders["3"]["reference"] = "7"

    assert asked.asked(shop_id="", order_id="7").code == FAILED
    assert "names the orders 3, 7" in asked.log
    assert asked.asked(shop_id="7", order_id="7").code == FAILED
    assert asked.untouched
    assert asked.asked(shop_id="7", order_id="XKBKNABJK").code == ACCEPTED


def test_prestashop_tells_split_orders_apart_by_their_id(folder: Path) -> None:
    asked = shop(PRESTASHOP, folder)
    asked.orders["3"]["reference"] = "XKBKNABJK"

    assert asked.asked(shop_id="", order_id="XKBKNABJK").code == FAILED
    assert asked.asked(shop_id="7", order_id="XKBKNABJK").code == ACCEPTED
    assert asked.kept["orders"]["3"] == asked.orders["3"]


def test_prestashop_writes_history_and_message_itself(folder: Path) -> None:
    """PrestaShop's model writes the history, and a private message gives the staff the reason."""
    asked = shop(PRESTASHOP, folder).asked(order_id="7", reason=NASTY)

    assert (asked.code, asked.log) == (ACCEPTED, "")
    restocked, history, message = asked.happened
    assert (restocked, history) == ({"restocked": True}, {"history": 0})
    assert message == {
        "message": 'Отменён покупателем в приложении: не "подошёл" ‹b onclick alert(1)›&amp;‹/b› (script ) \\\' --',
        "private": 1,
    }


def test_prestashop_accepts_and_logs_a_failed_mail(folder: Path) -> None:
    asked = shop(PRESTASHOP, folder, no_mail=True, no_message=True).asked()

    assert (asked.code, asked.said) == (ACCEPTED, "")
    assert "could not mail the buyer" in asked.log
    assert "no message says why" in asked.log


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("SALE_ORDER_CANCEL_PAYMENT_EXIST_ACTIVE", "оплачен"),
        ("SALE_ORDER_CANCEL_SHIPMENT_EXIST_SHIPPED", "отгружен"),
    ],
)
def test_bitrix_refuses_what_is_paid_or_shipped(folder: Path, code: str, words: str) -> None:
    asked = shop(BITRIX, folder, errors={"CANCELED": ["ANOTHER", code]}).asked()

    assert asked.code == DECLINED
    assert words in asked.said
    assert asked.said.count("\n") == 1
    assert len(asked.said) <= LONGEST_WORDS
    assert asked.untouched


@pytest.mark.parametrize("where", ["CANCELED", "REASON_CANCELED", "save"])
def test_bitrix_that_reports_any_other_error_has_failed(folder: Path, where: str) -> None:
    asked = shop(BITRIX, folder, errors={where: ["SALE_EVENT_ERROR"]}).asked()

    assert (asked.code, asked.said) == (FAILED, "")
    assert "SALE_EVENT_ERROR what SALE_EVENT_ERROR means" in asked.log


def test_bitrix_finds_an_order_by_its_number(folder: Path) -> None:
    asked = shop(BITRIX, folder, {"ACCOUNT_NUMBER": "a-7"})

    assert asked.asked(shop_id="", order_id="A-7").said == NOT_KNOWN + "\n"
    assert asked.asked(shop_id="", order_id="a-7 ").said == NOT_KNOWN + "\n"
    assert asked.asked(shop_id="", order_id=" ").said == NOT_KNOWN + "\n"
    assert asked.asked(shop_id="", order_id="7").said == NOT_KNOWN + "\n"
    assert asked.asked(shop_id="", order_id="a-7").code == ACCEPTED


def test_bitrix_accepts_an_unambiguous_id(folder: Path) -> None:
    """The id is ambiguous where another order has it as its number."""
    asked = shop(BITRIX, folder)
    assert asked.asked(order_id="7").code == ACCEPTED

    asked = shop(BITRIX, folder.parent / "2")
    asked.orders["3"]["ACCOUNT_NUMBER"] = "7"
    assert asked.asked(order_id="7").code == FAILED
    assert asked.untouched


def test_bitrix_stores_reason_in_its_charset_and_length(folder: Path) -> None:
    asked = shop(BITRIX, folder, charset="windows-1251").asked(shop_id="", order_id="А-2024/7", reason="Ж" * 300)

    assert asked.code == ACCEPTED
    reason = base64.b64decode(asked.happened[0]["reason in base64"]).decode("cp1251")
    assert reason == ("Отменён покупателем в приложении: " + "Ж" * 300)[:255]


def test_bitrix_finishes_what_it_puts_off(folder: Path) -> None:
    asked = shop(BITRIX, folder).asked()
    assert asked.happened[1:] == [{"finished": True}]

    failed = shop(BITRIX, folder.parent / "2", trouble={"finish": "throw"}).asked()
    assert (failed.code, failed.said) == (FAILED, "")


def test_bitrix_without_its_shop_is_a_failure(folder: Path) -> None:
    asked = shop(BITRIX, folder, no_sale=True).asked()

    assert (asked.code, asked.said) == (FAILED, "")
    assert '"sale"' in asked.log
