"""What each column of a row means."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from syncd.model import Identified, Order, Skipped
from syncd.sources.columns import ColumnOptions, Layout, flag_of, text_of
from tests.sources.shop import MOSCOW

TEMPLATE = "https://cdek.example/?order_id={tracking_number}"
UUID_TEXT = "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195"


def read(options: ColumnOptions | None = None, **columns: object) -> Order | Skipped:
    """A row with these columns, and an id and a status unless they are among them."""
    row: dict[str, Any] = {"order_id": "1", "status": "new", **columns}
    layout = Layout(list(row), options or ColumnOptions(MOSCOW))
    return layout.order([row[name] for name in layout.names])


def order(options: ColumnOptions | None = None, **columns: object) -> Order:
    found = read(options, **columns)
    assert isinstance(found, Order)
    return found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("007", "007"),
        (" 7 ", "7"),
        ("\xa07\u200b\ufeff", "7"),
        ("\u2007T1\u3000\r\n", "T1"),
        ("1 2", "1 2"),
        (7, "7"),
        (Decimal("7.00"), "7"),
        (Decimal("1E+3"), "1000"),
        (7.0, "7"),
        (Decimal("7.5"), "7.5"),
        (UUID(UUID_TEXT), UUID_TEXT),
        ("Готов".encode(), "Готов"),
        (b"\xff" * 16, "ff" * 16),
        (b"ab\0\0", "ab"),
        (memoryview(b"ab"), "ab"),
        (b"\0", "0"),
        (timedelta(hours=9, minutes=5), "09:05:00"),
        (timedelta(days=1, microseconds=1), "24:00:00.000001"),
        (timedelta(seconds=-1), "-00:00:01"),
        ("{new", "{new"),
        ("[Новый]", "[Новый]"),
        ("a: 1", "a: 1"),
        (True, "1"),
        ("a\x00b", "ab"),
        (None, None),
        ("", None),
        (" \t", None),
        ("\xa0\u200b", None),
    ],
)
def test_values_become_plain_text(value: object, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("value", [True, 1, Decimal(1), "1", "Y", "y", "yes", "true", " TRUE ", "t", b"\x01", b"1"])
def test_a_yes_is_a_yes(value: object) -> None:
    assert flag_of(value) is True


@pytest.mark.parametrize("value", [False, 0, Decimal("0.00"), "0", "N", "no", "false", "f", b"\x00", b"0"])
def test_a_no_is_a_no(value: object) -> None:
    assert flag_of(value) is False


@pytest.mark.parametrize("value", [None, "", " "])
def test_nothing_is_neither_yes_nor_no(value: object) -> None:
    assert flag_of(value) is None


NO_TEXT = [
    {"ru": "Новый"},
    ["T1"],
    ("a", "b"),
    {"a"},
    b"\xcd\xee",
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("1E+400"),
    10**400,
    'a:1:{s:2:"ru";s:1:"x";}',
    'O:8:"stdClass":0:{}',
    "b:0;",
    '{"ru": "Новый"}',
    '["T1"]',
]


@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
def test_what_has_no_text_is_dropped_and_named(value: object) -> None:
    for name in ("message", "tracking_url", "payment_id", "paid", "user_id", "phone", "imshop_uuid", "shop_id"):
        columns: dict[str, Any] = {name: value}
        found = order(**columns)
        assert [(one.field, one.order_id) for one in found.dropped] == [(name, "1")]
        assert found.dropped[0].detail.startswith(f"order 1: {name} is ")
        told = (found.message, found.tracking_url, found.user_id, found.imshop_uuid, found.shop_id)
        assert (found.status, *told) == ("new", None, None, None, None, None)
        assert set(found.content.values()) == {"new", None} or found.content == {"status": "new"}


@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
@pytest.mark.parametrize("name", ["order_id", "status"])
def test_row_with_bad_id_or_status_is_skipped(name: str, value: object) -> None:
    columns: dict[str, Any] = {name: value}
    found = read(**columns)
    assert isinstance(found, Skipped)
    assert (found.reason, f": {name} is " in found.detail) == ("bad_value", True)


@pytest.mark.parametrize("value", [2, "maybe", b"\x02", Decimal("0.5")])
def test_unreadable_paid_flag_keeps_the_status(value: object) -> None:
    found = order(paid=value, payment_id="p7")
    assert found.content == {"status": "new", "paid": None, "payment_id": "p7"}
    assert found.dropped[0].detail.endswith("which is neither yes nor no")


@pytest.mark.parametrize("name", ["order_id", "status"])
def test_too_long_id_or_status_skips_the_row(name: str) -> None:
    found = read(None, **{name: "9" * 256})
    assert isinstance(found, Skipped)
    assert (found.reason, f"{name} is longer than 255" in found.detail) == ("bad_value", True)
    assert isinstance(read(None, **{name: "9" * 255}), Order)


def test_a_bad_tracking_url_leaves_its_number() -> None:
    found = order(ColumnOptions(MOSCOW, TEMPLATE), tracking_number="1048", tracking_url=["T1"])
    assert (found.content["tracking"], found.tracking_url) == ("1048", "https://cdek.example/?order_id=1048")
    assert [one.field for one in found.dropped] == ["tracking_url"]


def test_only_columns_of_the_query_are_compared() -> None:
    assert order().content == {"status": "new"}
    assert order(tracking_url="", paid=None, payment_id=None).content == {
        "status": "new",
        "tracking": None,
        "paid": None,
        "payment_id": None,
    }


def test_message_is_compared_only_if_it_counts() -> None:
    assert order(message="Готов").content == {"status": "new"}
    assert order(message="Готов").message == "Готов"
    assert order(ColumnOptions(MOSCOW, message_is_change=True), message="Готов").content["message"] == "Готов"


def test_html_message_is_unescaped() -> None:
    escaped = "«R&amp;D» &quot;Ждёт&quot; &lt;3 &#039;"
    assert order(message=escaped).message == escaped
    html = order(ColumnOptions(MOSCOW, message_is_html=True, message_is_change=True), message=escaped)
    assert (html.message, html.content["message"]) == ('«R&D» "Ждёт" <3 \'', html.message)


def test_tracking_number_is_compared_and_its_url_sent() -> None:
    found = order(ColumnOptions(MOSCOW, TEMPLATE), tracking_number="10 48/7")
    assert found.content["tracking"] == "10 48/7"
    assert found.tracking_url == "https://cdek.example/?order_id=10%2048%2F7"


def test_a_tracking_url_goes_before_a_number() -> None:
    found = order(ColumnOptions(MOSCOW, TEMPLATE), tracking_number="1048", tracking_url="https://t.example/")
    assert (found.content["tracking"], found.tracking_url) == ("https://t.example/", "https://t.example/")


def test_a_tracking_number_without_a_template_is_ignored() -> None:
    found = order(tracking_number="1048")
    assert (found.content, found.tracking_url) == ({"status": "new"}, None)


def test_user_id_falls_back_to_phone_digits() -> None:
    assert order(user_id=17, phone="+7 (900) 123-45-67").user_id == "17"
    assert order(user_id="", phone="+7 (900) 123-45-67").user_id == "79001234567"
    assert order(phone="none").user_id is None


def test_an_empty_imshop_uuid_is_none() -> None:
    assert order(imshop_uuid="").imshop_uuid is None
    assert order(imshop_uuid=UUID_TEXT).imshop_uuid == UUID_TEXT


@pytest.mark.parametrize("kept", [UUID(UUID_TEXT).hex, UUID(UUID_TEXT).bytes, f" {UUID(UUID_TEXT).hex} "])
def test_a_uuid_gets_its_dashes_back(kept: object) -> None:
    assert order(imshop_uuid=kept).imshop_uuid == UUID_TEXT


@pytest.mark.parametrize("other", ["ERP-order-number-with-32-letters", "0" * 31, "0" * 33])
def test_what_is_no_uuid_stays_as_it_is(other: str) -> None:
    assert order(imshop_uuid=other, shop_id=other).imshop_uuid == other
    assert order(shop_id="0" * 32).shop_id == "0" * 32


def test_the_compared_columns_come_first_and_suffice() -> None:
    names = ["message", "updated_at", "shop_id", "imshop_uuid", "status", "paid", "order_id", "colour"]
    layout = Layout(names, ColumnOptions(MOSCOW))
    assert layout.names[: layout.width] == ("order_id", "status", "paid", "imshop_uuid", "shop_id")
    compared = layout.content(["1", "new", 1, UUID_TEXT, 348])
    assert compared == Identified("1", {"status": "new", "paid": True}, UUID_TEXT, "348")


def test_unusable_shop_id_keeps_the_status() -> None:
    found = order(shop_id="x" * 256)
    assert (found.status, found.shop_id) == ("new", None)
