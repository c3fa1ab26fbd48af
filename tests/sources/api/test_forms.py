"""The forms in which APIs say that there is nothing, one order or an error; and what says that there is more."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from itertools import chain
from typing import Any

import pytest

from syncd.errors import SourceError
from syncd.sources.api import ApiSource, StatusList
from syncd.sources.api.records import RecordExtractor
from syncd.sources.api.responses import ApiResponse
from syncd.sources.api.signs import is_beyond, none_found, signs_of
from syncd.sources.columns import ColumnOptions
from tests.sources.api.server import FIELDS, STYLE, STYLES, ApiShop, scanned, source_of, styled
from tests.sources.shop import ids, start

ORDER = {"id": "7", "status": "failed", "changed": "2026-03-02T12:00:00Z"}
OTHER = {"id": "8", "status": "new", "changed": "2026-03-02T12:00:01Z"}
TWO = {"7": ORDER, "8": OTHER}
NOTHINGS: list[Any] = [[], None, {}]
Bend = Callable[[dict[str, Any]], dict[str, Any]]


def shape(items: str | None) -> RecordExtractor:
    return RecordExtractor(items, None, FIELDS, ColumnOptions(UTC))


def read(body: Any, items: str | None = "orders", *, settled: bool = False) -> list[Any]:
    return shape(items).items(body, first=True, settled=settled)


@pytest.mark.parametrize(
    ("body", "items"),
    [
        *(({"orders": nothing}, "orders") for nothing in [*NOTHINGS, ""]),
        *(({"data": nothing}, "data.orders") for nothing in NOTHINGS),
        *((nothing, None) for nothing in NOTHINGS),
        ({"orders": None}, "[orders][]"),
        ({"orders": {}}, "[orders][]"),
        ({}, "[orders][]"),
        ({"total": 0}, "data.orders"),
        ({"data": {"meta": {"totalCount": "0"}}}, "data.orders[?id]"),
        ({"success": True, "errors": [], "orders": []}, "orders"),
    ],
)
def test_empty_value_in_place_of_list_is_empty(body: Any, items: str | None) -> None:
    assert read(body, items) == []


@pytest.mark.parametrize("body", [{}, None, [], ""])
def test_empty_answer_is_accepted_once_orders_were_read(body: Any) -> None:
    assert read(body, settled=True) == []
    with pytest.raises(SourceError, match=r"write \[orders\]\[\], which reads all of these"):
        read(body)


@pytest.mark.parametrize(
    "body", [{"status": "ok"}, {"orders": "x"}, {"orders": False}, {"orders": 0}, {"total": 5}, [1]]
)
def test_unclear_answer_is_always_a_fault(body: Any) -> None:
    """It is one also after orders have been read."""
    with pytest.raises(SourceError, match="SYNCD_SOURCE__ITEMS"):
        read(body, settled=True)


@pytest.mark.parametrize("items", ["orders", "[orders][]"])
def test_single_order_and_keyed_orders_are_read(items: str) -> None:
    assert read({"orders": ORDER}, items) == [ORDER]
    assert read({"orders": TWO}, items) == [ORDER, OTHER]
    assert read({"orders": [ORDER]}, items) == [ORDER]


def test_whole_answer_may_be_an_order_later() -> None:
    """An answer without a list is taken for one order only after orders have been read."""
    assert read(ORDER, None, settled=True) == [ORDER]
    assert read(TWO, None, settled=True) == [ORDER, OTHER]
    with pytest.raises(SourceError):
        read(ORDER, None)
    with pytest.raises(SourceError, match="went wrong: no such token"):
        read({"id": "req-1", "status": "error", "message": "no such token"}, None, settled=True)


@pytest.mark.parametrize(
    ("orders", "advice"),
    [
        ({"number": 7, "state": "new"}, "write [orders][], which reads all of these"),
        ({"id": "7", "status": "new"}, "write [orders][], which reads all of these"),
        ({"7": {"status": "new"}, "8": {"status": "new"}}, "write orders.*, and an id must stand in each"),
    ],
)
def test_unclear_object_error_advises_a_setting(orders: Any, advice: str) -> None:
    with pytest.raises(SourceError) as caught:
        read({"orders": orders}, settled=True)
    assert "(orders) finds an object, not a list," in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize("items", ["orders", "[orders][]", "data.orders"])
@pytest.mark.parametrize("more", [{}, {"orders": []}, {"orders": None}])
def test_error_under_http_200_is_quoted(items: str, more: dict[str, Any]) -> None:
    body = json.loads(r'{"success": false, "errorMsg": "\u0417\u0430\u043a\u0440\u044b\u0442\u043e"}') | more
    for settled in (True, False):
        with pytest.raises(SourceError, match="under HTTP 200 that something went wrong: Закрыто"):
            read(body, items, settled=settled)


def test_an_error_beside_orders_costs_none_of_them() -> None:
    assert read({"orders": [ORDER], "errors": ["one of them is odd"]}) == [ORDER]


@pytest.mark.parametrize(
    "words",
    ["no orders found", "ORDERS_NOT_FOUND", "orderNotFound", "Заказы не найдены", "Нет новых заказов", "nothing found",
     "There are no matching records.", "Data does not exist", "Ничего не найдено"],
)  # fmt: skip
def test_words_that_say_that_there_are_no_orders(words: str) -> None:
    assert none_found(words)


@pytest.mark.parametrize(
    "words",
    ["Not Found", "No route was found matching the URL and request method", "Request does not match any route.",
     "Cannot GET /api/orders", "The requested URL /orders was not found on this server.", "The resource does not exist",
     "No entity Document_Order", "Сущность Document_Заказ не найдена", "Страница не найдена", "", "<html>404</html>",
     '{"orders": null}', "orders: access denied", "No permission to view orders", "No access to orders",
     "Нет доступа к заказам", "Нет прав на просмотр заказов", "No API key given for orders", "Orders are not available",
     "No connection to the database of orders", "Нет соединения с базой данных", "Ничего не работает",
     "Your plan has no orders API", "orders table doesn't exist", "No more requests: orders limit"],
)  # fmt: skip
def test_words_that_may_tell_of_a_wrong_address(words: str) -> None:
    assert not none_found(words)


def test_error_text_may_mean_past_last_page() -> None:
    assert is_beyond("The page number requested is larger than the number of pages available.")
    assert is_beyond("Страница не существует")
    assert is_beyond("no orders found")
    for words in (
        "QUERY_LIMIT_EXCEEDED; Too many requests",
        "Could not load page 3: timeout",
        "Internal error on page load",
        "per_page must be 100 at most",
        "Unknown parameter: page",
        "page expired",
    ):
        assert not is_beyond(words)


@pytest.mark.parametrize("items", ["orders", "[orders][]"])
def test_an_answer_that_is_no_list_tells_why(items: str) -> None:
    for body in (
        {"code": 401, "message": "Invalid token"},
        {"detail": "Authentication credentials were not provided."},
        {"message": "Нет доступа к заказам"},
    ):
        with pytest.raises(SourceError, match="went wrong: "):
            read(body, items, settled=True)


@pytest.mark.parametrize("items", ["orders[]", "orders[*]", "orders[?state]", "orders.*", "orders[].order"])
def test_null_and_empty_are_an_empty_list(items: str) -> None:
    assert read({"orders": None}, items) == read({"orders": {}}, items) == read({"orders": []}, items) == []


def poll(source: ApiSource, cursor: str) -> list[str]:
    return [order_id for page in source.changed(cursor) for order_id in ids(page.orders)]


def answering(status: int, body: Any, **headers: str) -> Bend:
    return lambda answer: {**answer, "status": status, "body": body, "headers": headers}


QUIET = [
    (200, {"orders": None}),
    (200, {"orders": {}}),
    (200, {}),
    (200, None),
    (200, {"success": False, "message": "No orders found"}),
    (204, b""),
    (404, {"error": "no orders found"}),
]


@styled(*STYLES)
@pytest.mark.parametrize(("status", "body"), QUIET)
def test_empty_answer_to_poll_is_no_fault(shop: ApiShop, status: int, body: Any) -> None:
    source = source_of(shop)
    cursor = start(source)
    shop.bend = answering(status, body)
    for polling in (source, source_of(shop)):
        assert poll(polling, cursor) == []


@styled(STYLE["none"], STYLE["page"])
@pytest.mark.parametrize(("status", "body"), QUIET)
def test_full_compare_does_not_take_404_as_empty(shop: ApiShop, status: int, body: Any) -> None:
    source = source_of(shop)
    start(source)
    shop.bend = answering(status, body)
    if status == 404:
        with pytest.raises(SourceError, match="404"):
            scanned(source)
    else:
        assert scanned(source) == []


@styled(STYLE["none"], STYLE["page"])
@pytest.mark.parametrize("body", [b"<html>Not Found</html>", {"detail": "Not Found"}, b"", {"code": "rest_no_route"}])
def test_poll_404_is_checked_against_all_orders(shop: ApiShop, body: Any) -> None:
    """A 404 may mean a wrong address, so the list of all orders is asked for once."""
    source = source_of(shop)
    cursor = start(source)
    everything = shop.asked[0]
    shop.asked.clear()
    shop.bend = lambda answer: answer if shop.asked[-1] == everything else {**answer, "status": 404, "body": body}
    assert poll(source, cursor) == []
    assert poll(source, cursor) == []
    assert shop.asked.count(everything) == 1, "it is asked again at each poll"
    shop.bend = answering(404, body)
    with pytest.raises(SourceError, match="knows no such page"):
        poll(source_of(shop), cursor)


def test_body_of_204_does_not_disturb_next_answer(shop: ApiShop) -> None:
    source = source_of(shop)
    cursor = start(source)
    shop.bend = answering(204, {"orders": []})
    assert poll(source, cursor) == []
    shop.bend = lambda answer: answer
    assert poll(source, cursor) == ["9"]


@styled(*STYLES)
def test_last_page_may_be_a_bare_order(shop: ApiShop) -> None:
    def alone(answer: dict[str, Any]) -> dict[str, Any]:
        orders = answer["body"]["orders"]
        return {**answer, "body": {**answer["body"], "orders": orders[0] if len(orders) == 1 else orders}}

    shop.remove("9")
    shop.bend = alone
    assert {*scanned(source_of(shop))} == {str(number) for number in range(9)}


@styled(STYLE["page"], STYLE["offset"])
@pytest.mark.parametrize("count", [3, 4, 8, 10])
@pytest.mark.parametrize("status", [400, 404, 416, 422, 200])
def test_refusal_behind_the_last_page_ends_it(shop: ApiShop, status: int, count: int) -> None:
    shop.remove(*(str(number) for number in range(count, 10)))
    refusal = {"status": status, "body": {"error": "page number is larger than the number of pages"}}
    shop.bend = lambda answer: answer if answer["body"]["orders"] else {**answer, **refusal}
    source = source_of(shop)
    assert scanned(source) == [str(number) for number in range(count)]


@styled(STYLE["page"], STYLE["offset"])
@pytest.mark.parametrize("status", [400, 416, 422])
def test_refused_first_page_is_a_fault(shop: ApiShop, status: int) -> None:
    source = source_of(shop)
    cursor = start(source)
    shop.bend = answering(status, {"message": "bad since"})
    with pytest.raises(SourceError, match=rf"refuses the request \(HTTP {status}\): bad since"):
        poll(source, cursor)


@styled(STYLE["page"], STYLE["offset"])
@pytest.mark.parametrize(
    ("status", "body"), [(403, {}), (200, {"error": "QUERY_LIMIT_EXCEEDED"}), (200, {"success": False, "orders": []})]
)
def test_error_behind_the_first_page_is_a_fault(shop: ApiShop, status: int, body: Any) -> None:
    shop.bend = lambda answer: answer if len(shop.asked) < 2 else {**answer, "status": status, "body": body}
    with pytest.raises(SourceError):
        scanned(source_of(shop))


@styled(STYLE["page"])
def test_early_refusal_against_total_is_warned_once(shop: ApiShop) -> None:
    """The API refuses a page before as many orders have come as its own total says."""
    told: list[tuple[str, str]] = []

    def early(answer: dict[str, Any]) -> dict[str, Any]:
        body = {**answer["body"], "total": 10}
        return {**answer, "body": body} if len(shop.asked) % 4 == 1 else {**answer, "status": 400, "body": b""}

    shop.bend = early
    source = source_of(shop, warn=lambda what, why: told.append((what, why)))
    scanned(source)
    ((what, why),) = told
    assert what == "more_pages"
    assert "refuses a page (HTTP 400). That is taken for the end, after 4 orders, but its total says 10" in why


@styled(STYLE["page"])
@pytest.mark.parametrize(
    ("body", "whole", "told"),
    [
        ({"message": "Bad Request"}, 8, ["That is taken for the end, after 8 orders, but the page before it was full"]),
        ({"message": "Bad Request"}, 7, []),
        ({"message": "page is out of range"}, 8, []),
    ],
)
def test_a_refusal_behind_a_full_page_is_told(shop: ApiShop, body: Any, whole: int, told: list[str]) -> None:
    shop.remove(*(str(number) for number in range(whole, 10)))
    shop.bend = lambda answer: answer if answer["body"]["orders"] else {**answer, "status": 400, "body": body}
    said: list[str] = []
    source = source_of(shop, warn=lambda _what, why: said.append(why))
    assert scanned(source) == [str(number) for number in range(whole)]
    assert [one in why for one, why in zip(told, said, strict=True)] == [True] * len(told)


@styled(STYLE["page"])
def test_doubtful_end_marks_no_order_as_gone(shop: ApiShop) -> None:
    source = source_of(shop)
    assert [*source.still_shown(["9"])]
    shop.bend = lambda answer: answer if "page=1&" in shop.asked[-1] else {**answer, "status": 400, "body": b""}
    scanned(source)
    with pytest.raises(SourceError, match="taken for the end, after 4 orders"):
        [*source.still_shown(["9"])]


@styled(STYLE["page"], STYLE["offset"])
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("words", ["Too many requests", "Token expired", "Нет прав"])
def test_a_refusal_for_another_reason_is_no_end(shop: ApiShop, status: int, words: str) -> None:
    refusal = {"status": status, "body": {"message": words}}
    shop.bend = lambda answer: answer if len(shop.asked) < 2 else {**answer, **refusal}
    with pytest.raises(SourceError, match=words):
        scanned(source_of(shop))


@styled(STYLE["page"], STYLE["cursor"])
def test_early_end_against_total_is_warned_once(shop: ApiShop) -> None:
    first: list[Any] = []

    def again_and_again(answer: dict[str, Any]) -> dict[str, Any]:
        first.append(answer)
        return {**first[0], "body": {**first[0]["body"], "total": 10, "next": None}}

    shop.bend = again_and_again
    said: list[str] = []
    source = source_of(shop, warn=lambda _what, why: said.append(why))
    for _ in range(2):
        assert [*chain.from_iterable(source.fetcher.all_orders())][4:] == []
    assert [why.partition(":")[0] for why in said] == ["the API's pages end after 4 orders, but its total says 10"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Link": '</orders?page=2>; rel="next"'}, {}),
        ({"X-WP-TotalPages": "2"}, {}),
        ({"X-Total-Count": "11"}, {}),
        ({}, {"total": 11}),
        ({}, {"count": 11, "next": None}),
        ({}, {"totalCount": "11"}),
        ({}, {"meta": {"pagination": {"totalPageCount": 2}}}),
        ({}, {"has_more": True}),
        ({}, {"next": "https://shop.example/2"}),
        ({}, {"next": 50}),
        ({}, {"_links": {"next": {"href": "/2"}}}),
        ({}, {"@odata.nextLink": "/2"}),
    ],
)
def test_answer_announcing_more_is_warned_once(shop: ApiShop, headers: dict[str, str], body: dict[str, Any]) -> None:
    shop.remove("9")
    told: list[str] = []
    source = source_of(shop, warn=lambda what, _why: told.append(what))
    shop.bend = lambda answer: {**answer, "headers": headers, "body": {**answer["body"], **body}}
    scanned(source)
    scanned(source)
    assert told == ["more_pages"]


@pytest.mark.parametrize(
    "body",
    [
        {"total": 9, "count": 9, "pages": 1, "page": 1, "per_page": 50},
        {"next": None, "has_more": False, "links": {"next": ""}, "next_page": 0},
        {"total": 15300.5, "total_pages": "1"},
        {"totals": {"sum": 999}},
    ],
)
def test_complete_answer_gives_no_sign_of_more(body: dict[str, Any]) -> None:
    assert signs_of(ApiResponse("u", 200, {}, body), None).more_than(9) is None


def test_what_stands_in_an_order_counts_no_orders() -> None:
    order = {**ORDER, "total": 990}
    body = {"orders": {"7": order, "8": {**OTHER, "total": 5}}}
    assert signs_of(ApiResponse("u", 200, {}, body), body["orders"]).more_than(2) is None


def test_full_page_without_paging_is_warned(shop: ApiShop) -> None:
    """Where all orders are asked for, a round number of them may be just one page."""
    told: list[str] = []
    source = source_of(shop, warn=lambda _what, why: told.append(why))
    cursor = start(source)
    (why,) = told
    assert "it shows just 10 orders, as if that were a page of them" in why
    told.clear()
    poll(source_of(shop, warn=lambda _what, why: told.append(why)), cursor)
    assert told == []


@pytest.mark.parametrize("status", [200, 404])
def test_lookup_accepts_a_not_found_answer(shop: ApiShop, status: int) -> None:
    source = source_of(shop, find_path="/orders/{order_id}")
    shop.bend = answering(status, {"success": False, "errorMsg": "Not found"})
    assert source.find(["7"]).orders == []
    shop.bend = answering(200, {"success": False, "errorMsg": "Access denied"})
    with pytest.raises(SourceError, match="went wrong: Access denied"):
        source.find(["7"])
    shop.bend = answering(200, ORDER)
    assert [order.status for order in source.find(["7"]).orders] == ["failed"]


def test_error_in_status_list_is_quoted(shop: ApiShop) -> None:
    source = source_of(shop, statuses=StatusList("code", "name", path="/states"))
    shop.bend = answering(200, {"error": {"message": "Нет прав"}})
    with pytest.raises(SourceError, match=r"SYNCD_SOURCE__STATUSES_PATH.*went wrong: Нет прав"):
        source.status_names.read()
