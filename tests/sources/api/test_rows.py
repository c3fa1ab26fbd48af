"""What an order of an API may look like, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from syncd.errors import SourceError
from syncd.http.addresses import join_path
from syncd.model import Order, Skipped
from syncd.sources.api.incremental import ApiCursor
from syncd.sources.api.records import RecordExtractor
from syncd.sources.api.request import PLACEHOLDERS, RequestTemplate, since_text
from syncd.sources.columns import ColumnOptions
from syncd.sources.status_counts import StatusCount
from tests.sources.api.server import FIELDS, STYLES, ApiShop
from tests.sources.shop import MOSCOW, NOON, start

EVERY = {**FIELDS, "message": "text", "phone": "phone", "paid": "paid != `null`", "payment_id": "pay.id"}


def shape(**changes: Any) -> RecordExtractor:
    given: dict[str, Any] = {"items": "orders", "next_path": None, "fields": EVERY, **changes}
    return RecordExtractor(options=ColumnOptions(UTC), **given)


def read(item: Any, **fields: str) -> Order | Skipped:
    found = shape(fields={**EVERY, **fields})
    return found.layout.order(found.record(item))


def test_an_order_is_read_by_its_paths() -> None:
    item = {
        "id": 7,
        "status": 5.0,
        "changed": 1772452800,
        "text": "Ж",
        "phone": "+7 (916) 1",
        "paid": "x",
        "pay": {"id": 9},
    }
    order = read(item)
    assert isinstance(order, Order)
    assert (order.order_id, order.content) == ("7", {"status": "5", "paid": True, "payment_id": "9"})
    assert (order.updated_at, order.message, order.user_id) == (NOON, "Ж", "79161")


@pytest.mark.parametrize(
    ("item", "fields", "reason", "detail"),
    [
        (None, {}, "no_id", "a row has no order_id"),
        ("text", {}, "no_id", "a row has no order_id"),
        ({"id": "1"}, {}, "no_status", "order 1 has no status"),
        ({"id": "1", "status": ["a"]}, {}, "bad_value", "order 1: status is a list: let SYNCD_SOURCE__FIELDS__STATUS"),
        ({"id": {}, "status": "a"}, {}, "bad_value", "order without an id: order_id is an object"),
        ({"id": "1", "status": float("nan")}, {}, "bad_value", "order 1: status is nan, no number that can be read"),
        ({"id": float("inf"), "status": "a"}, {}, "bad_value", "order without an id: order_id is inf, no number"),
    ],
)  # fmt: skip
def test_unreadable_row_is_skipped_with_the_reason(item: Any, fields: dict[str, str], reason: str, detail: str) -> None:
    row = read(item, **fields)
    assert isinstance(row, Skipped)
    assert (row.reason, row.detail[: len(detail)]) == (reason, detail)


@pytest.mark.parametrize(
    ("fields", "field", "detail"),
    [
        ({"paid": "abs(id)"}, "paid", "order 1: SYNCD_SOURCE__FIELDS__PAID (abs(id))"),
        ({"paid": "id && 'perhaps'"}, "paid", "order 1: paid is 'perhaps'"),
        (
            {"payment_id": "sum"},
            "payment_id",
            "order 1: payment_id is nan, no number that can be read: see",
        ),
        ({"message": "@"}, "message", "order 1: message is an object: let SYNCD_SOURCE__FIELDS__MESSAGE (@) lead to"),
        ({"shop_id": "@"}, "shop_id", "order 1: shop_id is an object: let"),
    ],
)
def test_an_optional_field_costs_no_status(fields: dict[str, str], field: str, detail: str) -> None:
    order = read({"id": "1", "status": "a", "sum": float("nan")}, **fields)
    assert isinstance(order, Order)
    assert (order.status, order.message, [one.field for one in order.dropped]) == ("a", None, [field])
    assert order.dropped[0].detail[: len(detail)] == detail


def test_half_a_surrogate_pair_does_no_harm() -> None:
    order = read(json.loads('{"id": "\\ud83d1", "status": "new"}'))
    assert isinstance(order, Order)
    assert order.order_id == "?1"


@pytest.mark.parametrize("missing", ["order_id", "status"])
def test_a_field_that_is_required_must_be_set(missing: str) -> None:
    with pytest.raises(SourceError, match=f"SYNCD_SOURCE__FIELDS__{missing.upper()} is not set"):
        shape(fields={name: path for name, path in EVERY.items() if name != missing})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"items": "a["}, "SYNCD_SOURCE__ITEMS is no JMESPath"),
        ({"next_path": "a["}, "SYNCD_SOURCE__NEXT is no JMESPath"),
        ({"fields": {**EVERY, "paid": "a["}}, "SYNCD_SOURCE__FIELDS__PAID is no JMESPath"),
        ({"where": "a["}, "SYNCD_SOURCE__WHERE is no JMESPath"),
    ],
)
def test_what_does_not_compile_names_its_setting(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        shape(**changes)


def test_failing_items_path_names_its_setting() -> None:
    with pytest.raises(SourceError, match="SYNCD_SOURCE__ITEMS fails on the API's answer: "):
        shape(items="keys(@)").items([], first=True, settled=False)


def test_answer_may_be_the_list_itself() -> None:
    """Where no path of items is set. Behind the first page null is an empty list."""
    assert shape(items=None).items([1], first=True, settled=False) == [1]
    assert shape().items({"orders": None}, first=False, settled=False) == []


def test_many_keys_are_told_in_part() -> None:
    with pytest.raises(SourceError, match=r'"key 11", …'):
        shape().items({f"key {number}": 1 for number in range(20)}, first=True, settled=False)


MOMENT = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("iso", "2026-03-02T15:00:00.250000+03:00"),
        ("epoch", "1772452800"),
        ("epoch_ms", "1772452800250"),
        ("%d.%m.%Y %H:%M", "02.03.2026 15:00"),
    ],
)
def test_since_has_the_shops_format_and_zone(pattern: str, text: str) -> None:
    assert since_text(MOMENT, pattern, timezone(timedelta(hours=3))) == text


def test_template_quotes_values_and_drops_empty_parameters() -> None:
    params = {"filter[a]": "updated>={since};x", "after": "{cursor}", "q": "{other}", "json": '{"a": 1}'}
    template = RequestTemplate("https://h/{page}/orders?limit={limit}", params)
    asked = template.filled({"since": "a+b&c=d", "page": "1/2", "limit": "5", "cursor": None})
    assert asked == (
        "https://h/1%2F2/orders?limit=5&filter%5Ba%5D=updated%3E%3Da%2Bb%26c%3Dd%3Bx&json=%7B%22a%22%3A%201%7D"
    )
    assert [gap for gap in PLACEHOLDERS if template.has(gap)] == ["since", "page", "limit", "cursor"]
    assert RequestTemplate("https://h/x", {}).filled({}) == "https://h/x"


def test_span_cursor_survives_its_text_form() -> None:
    assert ApiCursor.of(str(ApiCursor("a", "b"))) == ApiCursor("a", "b")
    assert [ApiCursor.of(text) for text in ("x", "[1, 2, 3]", "7")] == [
        ApiCursor(text, text) for text in ("x", "[1, 2, 3]", "7")
    ]


@pytest.fixture
def shop() -> Iterator[ApiShop]:
    with closing(ApiShop(STYLES[0])) as api_shop:
        api_shop.add(("1", "new", NOON), ("2", "new", NOON))
        yield api_shop


def test_without_since_or_time_polls_are_full_compares(shop: ApiShop) -> None:
    assert shop.source().has_cursor()
    assert not shop.source(query_params={}).has_cursor()
    timeless = shop.source(fields={"order_id": "id", "status": "status"})
    assert not timeless.has_cursor()
    scan = timeless.scan(whole=False)
    assert [len(block) for block in scan.blocks() if block] == [2]
    assert scan.newest() is None


def test_first_page_without_ids_names_the_setting(shop: ApiShop) -> None:
    with pytest.raises(SourceError, match=r"SYNCD_SOURCE__FIELDS__ORDER_ID \(number\) finds nothing in any of the 2"):
        start(shop.source(fields={**FIELDS, "order_id": "number"}))


def test_since_is_one_second_earlier(shop: ApiShop) -> None:
    """It is written in the shop's time zone."""
    source = shop.source()
    cursor = start(source)
    shop.asked.clear()
    assert len([*source.changed(cursor)]) == 1
    assert shop.zone == MOSCOW
    assert shop.asked == ["/orders?since=2026-03-02T14%3A54%3A59%2B03%3A00"]


def test_each_status_is_counted_with_its_name(shop: ApiShop) -> None:
    shop.add(("3", "done", NOON), ("4", None, NOON))
    assert shop.source().statuses() == [StatusCount("done", None, 1), StatusCount("new", None, 2)]
    named = shop.source(fields={**FIELDS, "message": "join('-', ['is', status])"}).statuses()
    assert named == [StatusCount("done", "is-done", 1), StatusCount("new", "is-new", 2)]


def test_closed_source_can_be_used_again(shop: ApiShop) -> None:
    source = shop.source()
    source.close()
    assert len(source.find(["1", "2", "3"]).orders) == 2


@pytest.mark.parametrize(
    ("url", "path", "instead_of", "asked"),
    [
        ("https://h", "/api/orders", "", "https://h/api/orders"),
        ("https://h/", "/api/orders", "", "https://h/api/orders"),
        ("https://h/shop/?key=1", "/api/orders?type=O", "", "https://h/shop/api/orders?key=1&type=O"),
        ("https://h/api/orders", "/api/orders", "", "https://h/api/orders"),
        ("https://h/api/orders/", "/api/states", "/api/orders?type=O", "https://h/api/states"),
        ("https://h/b/%D0%97", "/З", "", "https://h/b/З"),
        ("https://h/orders", "", "", "https://h/orders"),
    ],
)
def test_path_extends_or_replaces_the_url(url: str, path: str, instead_of: str, asked: str) -> None:
    assert join_path(url, path, instead_of) == asked


@pytest.mark.parametrize("item", [None, 7, "order", []])
def test_item_that_is_no_object_is_skipped(item: object) -> None:
    found = shape(where="!contains(['draft'], status)")
    assert found.layout.is_order(found.record(item))
    assert isinstance(found.layout.order(found.record(item)), Skipped)


@pytest.mark.parametrize(
    ("where", "is_order"), [(None, True), ("status != 'draft'", False), ("id", True), ("other", False)]
)
def test_what_an_order_is_can_be_said(where: str | None, is_order: bool) -> None:
    found = shape(where=where)
    assert found.layout.is_order(found.record({"id": "1", "status": "draft"})) is is_order


def test_failing_where_condition_hides_the_order() -> None:
    """The error names the setting, and quotes nothing of the order."""
    why = r"SYNCD_SOURCE__WHERE fails on the API's answer: abs\(\) got object where it takes number$"
    with pytest.raises(SourceError, match=why):
        shape(where="abs(@)").record({"phone": "+79990000000"})


def test_own_message_precedes_the_status_name() -> None:
    found = shape(name_of={"new": "Новый"}.get)
    items = ({"id": "1", "status": "new"}, {"id": "1", "status": "new", "text": "Own"}, {"id": "1", "status": "odd"})
    orders = [found.layout.order(found.record(item)) for item in items]
    assert [isinstance(order, Order) and order.message for order in orders] == ["Новый", "Own", None]
