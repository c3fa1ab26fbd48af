"""Pages that shift, repeat, stay empty or lead nowhere: no order is lost, and every reading ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest

from syncd.errors import SourceError
from syncd.settings import Settings
from syncd.sources.api.paginators import PAGINATORS, Paging
from tests.sources.api.server import PAGED, STYLE, ApiShop, Style, scanned, source_of, styled
from tests.sources.shop import NOON, ids, polled, start

MINUTE = timedelta(minutes=1)
BY_POSITION = [STYLE["page"], STYLE["link"], STYLE["cursor"]]


def after_page(number: int, act: Callable[[], None]) -> Callable[[int], None]:
    """Does it once, after that page."""

    def meanwhile(served: int) -> None:
        if served == number:
            act()

    return meanwhile


def orders(answer: dict[str, Any], change: Callable[[list[Any]], list[Any]]) -> dict[str, Any]:
    return {**answer, "body": {**answer["body"], "orders": change(answer["body"]["orders"])}}


@styled(*PAGED)
def test_every_order_is_read_once_where_nothing_moves(shop: ApiShop) -> None:
    assert scanned(source_of(shop)) == [str(number) for number in range(10)]


@styled(STYLE["offset"], STYLE["keyset"])
@pytest.mark.parametrize("gone", [["0"], ["0", "1", "2"], ["3"], ["1", "2", "3"]])
def test_order_vanishing_between_pages_hides_no_other(shop: ApiShop, gone: list[str]) -> None:
    shop.meanwhile = after_page(1, lambda: shop.remove(*gone))
    assert {*scanned(source_of(shop))} == {str(number) for number in range(10)}


@styled(STYLE["offset"], STYLE["keyset"])
def test_order_moving_between_pages_hides_no_other(shop: ApiShop) -> None:
    """The order changes between two pages, and so moves to the end of the list."""
    shop.meanwhile = after_page(1, lambda: shop.change("2", "packed", NOON - MINUTE))
    assert {*scanned(source_of(shop))} == {str(number) for number in range(10)}


@styled(STYLE["offset"])
def test_scan_restarts_when_a_page_moves_away(shop: ApiShop) -> None:
    shop.meanwhile = after_page(2, lambda: shop.remove(*(str(number) for number in range(7))))
    assert {*scanned(source_of(shop))} == {str(number) for number in range(10)}


@styled(STYLE["offset"])
def test_orders_that_never_stand_still_are_a_fault(shop: ApiShop) -> None:
    placed = iter(range(1000))

    def all_anew(_served: int) -> None:
        shop.clear()
        shop.add(*((f"other {next(placed)}", "new", NOON - MINUTE) for _ in range(10)))

    shop.meanwhile = all_anew
    with pytest.raises(SourceError, match="change places faster"):
        scanned(source_of(shop))


@styled(*BY_POSITION)
@pytest.mark.parametrize("moves", [True, False], ids=["moves", "vanishes"])
def test_next_poll_finds_order_missed_between_pages(shop: ApiShop, moves: bool) -> None:
    source = source_of(shop)
    cursor = start(source)
    shop.asked.clear()
    shop.add(*((f"later {number}", "new", NOON - (40 - number) * MINUTE) for number in range(8)))
    shop.meanwhile = after_page(
        1, lambda: shop.change("later 0", "packed", NOON - MINUTE) if moves else shop.remove("later 0")
    )
    found, cursor = polled(source, cursor)
    assert "later 3" not in ids(found), "the shop is to make it slip through"
    again, cursor = polled(source, cursor)
    assert "later 3" in ids(again)
    third, _ = polled(source, cursor)
    assert "later 3" not in ids(third)


@styled(*BY_POSITION)
@pytest.mark.parametrize("size", ["{limit}", "4"], ids=["asked for", "the API's own"])
def test_next_poll_finds_order_beyond_full_page(shop: ApiShop, size: str) -> None:
    """A full only page may have pushed an order out; the next poll reads it again."""
    shop.newest_first = True
    params = {name: text.replace("{limit}", size) for name, text in shop.api().query_params.items()}
    source = source_of(shop, query_params=params)
    cursor = start(source)
    shop.clear()
    shop.asked.clear()
    shop.add(*((f"later {number}", "new", NOON - (40 - number) * MINUTE) for number in range(5)))
    shop.meanwhile = after_page(1, lambda: shop.remove("later 4"))
    found, cursor = polled(source, cursor)
    assert "later 0" not in ids(found), "the shop is to make it slip through"
    again, _ = polled(source, cursor)
    assert "later 0" in ids(again)


@styled(*BY_POSITION, STYLE["offset"], STYLE["none"], STYLE["keyset"])
def test_recheck_finds_orders_lost_by_shifting_pages(shop: ApiShop) -> None:
    source = source_of(shop)
    found = sorted(id_ for page in source.still_shown(["4", "never there", "9"]) for id_ in ids(page.orders))
    may_shift = shop.dating.paging not in ("none", "keyset")
    assert found == (["4", "9"] if may_shift else [])
    assert bool(shop.asked) == may_shift


@styled(STYLE["page"], STYLE["offset"])
def test_an_empty_page_in_the_middle_ends_nothing(shop: ApiShop) -> None:
    served = iter(range(100))
    shop.bend = lambda answer: orders(answer, lambda _all: []) if next(served) == 1 else answer
    assert {*scanned(source_of(shop))} >= {"0", "3", "8", "9"}


@styled(STYLE["link"], STYLE["cursor"])
def test_empty_page_with_next_does_not_end(shop: ApiShop) -> None:
    served = iter(range(100))
    shop.bend = lambda answer: orders(answer, lambda _all: []) if next(served) < 2 else answer
    assert scanned(source_of(shop)) == ["8", "9"]


@styled(STYLE["page"])
def test_missing_page_ends_but_missing_first_fails(shop: ApiShop) -> None:
    shop.bend = lambda answer: answer if answer["body"]["orders"] else {**answer, "status": 404, "body": {}}
    assert len(scanned(source_of(shop))) == 10
    shop.clear()
    with pytest.raises(SourceError, match=r"no such page \(HTTP 404\).* Check SYNCD_SOURCE__URL"):
        scanned(source_of(shop))


@styled(STYLE["page"])
def test_endlessly_repeated_last_page_ends(shop: ApiShop) -> None:
    last: list[Any] = []

    def clamped(answer: dict[str, Any]) -> dict[str, Any]:
        last[:] = answer["body"]["orders"] or last
        return orders(answer, lambda _all: last)

    shop.bend = clamped
    assert len(scanned(source_of(shop))) == 10


@styled(STYLE["page"], STYLE["offset"])
def test_next_may_say_whether_there_is_another_page(shop: ApiShop) -> None:
    def told(answer: dict[str, Any]) -> dict[str, Any]:
        full = len(answer["body"]["orders"]) == 4
        return {**answer, "body": {**answer["body"], "more": full}}

    shop.bend = told
    assert len(scanned(source_of(shop, next="more"))) == 10
    assert len([target for target in shop.asked if "86400" in target or "1970" in target]) in (3, 4)


@styled(STYLE["page"])
def test_pages_may_be_counted_from_0(shop: ApiShop) -> None:
    source_of(shop, first_page=0).fetcher.first_page()
    assert "page=0" in shop.asked[0]


@styled(STYLE["offset"])
def test_shop_rounding_offsets_is_read_completely(shop: ApiShop) -> None:
    rounded = shop._page

    def page(target: str) -> dict[str, Any]:
        before, _, rest = target.partition("skip=")
        skip, _, after = rest.partition("&")
        return rounded(f"{before}skip={int(skip) // 4 * 4}&{after}")

    shop._page = page  # type: ignore[method-assign] # a shop with a bug
    assert {*scanned(source_of(shop))} == {str(number) for number in range(10)}


@styled(STYLE["offset"])
@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("count", [4, 8, 10])
def test_shop_requiring_whole_page_offsets_is_read_completely(shop: ApiShop, status: int, count: int) -> None:
    shop.remove(*(str(number) for number in range(count, 10)))

    def strict(answer: dict[str, Any]) -> dict[str, Any]:
        skip = int(dict(parse_qsl(urlsplit(shop.asked[-1]).query))["skip"])
        refused = skip % 4 or not answer["body"]["orders"]
        return {**answer, "status": status, "body": {"error": "offset must be a multiple"}} if refused else answer

    shop.bend = strict
    assert scanned(source_of(shop)) == [str(number) for number in range(count)]


@styled(STYLE["cursor"])
def test_short_page_naming_itself_next_is_last(shop: ApiShop) -> None:
    shop.bend = lambda answer: {**answer, "body": {**answer["body"], "next": answer["body"]["next"] or 8}}
    assert {*scanned(source_of(shop))} == {str(number) for number in range(10)}


@styled(STYLE["cursor"])
def test_full_page_naming_itself_next_is_warned_once(shop: ApiShop) -> None:
    """It is taken for the last page."""
    shop.bend = lambda answer: {**answer, "body": {**answer["body"], "next": 4}}
    told: list[str] = []
    source = source_of(shop, warn=lambda what, why: told.append(f"{what}: {why}"))
    for _ in range(2):
        assert scanned(source)[:8] == [str(number) for number in range(8)]
    (complaint,) = told
    assert (
        "page_names_itself: a full page of the API names itself as the next one. It is taken for the last" in complaint
    )


@styled(STYLE["link"])
def test_full_first_page_linking_itself_is_a_fault(shop: ApiShop) -> None:
    shop.headers = {"Link": '</orders?per_page=4>; rel="next"'}
    page = shop._page
    shop._page = lambda target: {"body": page(target)["body"]}  # type: ignore[method-assign] # a shop with a bug
    with pytest.raises(SourceError, match="a full page names itself"):
        scanned(source_of(shop))
    shop.remove(*(str(number) for number in range(7)))
    assert {*scanned(source_of(shop))} == {"7", "8", "9"}


@styled(STYLE["link"])
@pytest.mark.parametrize("size", [9, 8])
def test_full_last_page_may_link_itself(shop: ApiShop, size: int) -> None:
    shop.remove(*(str(number) for number in range(size, 10)))
    page = shop._page

    def itself(target: str) -> dict[str, Any]:
        return {"headers": {"Link": f'<{target}>; rel="next"'}, **page(target)}

    shop._page = itself  # type: ignore[method-assign] # a shop with a bug
    assert scanned(source_of(shop)) == [str(number) for number in range(size)]


@styled(STYLE["link"])
def test_full_page_of_one_time_linking_itself_fails(shop: ApiShop) -> None:
    """The shop continues from the last time, and never gets past it."""
    for number in range(4, 10):
        shop.change(str(number), "new", NOON)
    page = shop._page

    def stuck(target: str) -> dict[str, Any]:
        found = page(target)
        return {**found, "headers": {"Link": f'<{target}>; rel="next"'}} if "page=2" in target else found

    shop._page = stuck  # type: ignore[method-assign] # as above
    with pytest.raises(SourceError, match="a full page names itself"):
        scanned(source_of(shop))


@styled(STYLE["cursor"])
def test_pages_in_a_circle_are_a_fault(shop: ApiShop) -> None:
    shop.bend = lambda answer: {**answer, "body": {**answer["body"], "next": answer["body"]["next"] or 4}}
    with pytest.raises(SourceError, match="round in a circle"):
        scanned(source_of(shop))


@styled(STYLE["cursor"])
def test_next_may_be_the_whole_url(shop: ApiShop) -> None:
    def named(answer: dict[str, Any]) -> dict[str, Any]:
        following = answer["body"]["next"]
        return {**answer, "body": {**answer["body"], "next": following and f"/orders?top=4&after={following}"}}

    shop.bend = named
    source = source_of(shop, query_params={"top": "{limit}"})
    assert scanned(source) == [str(number) for number in range(10)]


@styled(STYLE["cursor"])
def test_next_that_is_no_text_names_the_setting(shop: ApiShop) -> None:
    with pytest.raises(SourceError, match="SYNCD_SOURCE__NEXT finds no text or number"):
        scanned(source_of(shop, next="orders"))


@styled(STYLE["keyset"])
def test_keyset_without_progress_is_a_fault(shop: ApiShop) -> None:
    params = {"since": "{since}", "top": "{limit}"}
    shop.clear()
    shop.add(*((f"{number}", "new", NOON - MINUTE) for number in range(9)))
    with pytest.raises(SourceError, match="SYNCD_SOURCE__PAGING=keyset: the page behind its last row is the same"):
        scanned(source_of(shop, query_params=params))


@styled(STYLE["keyset"])
def test_keyset_without_ids_rereads_last_rows_and_ends(shop: ApiShop) -> None:
    assert scanned(source_of(shop, query_params={"since": "{since}", "top": "{limit}"})) == [*map(str, range(10))]


@styled(STYLE["keyset"])
def test_keyset_continues_from_order_id_by_default(shop: ApiShop) -> None:
    shop.clear()
    shop.add(*((f"{number}", "new", NOON - MINUTE) for number in range(1, 11)))
    assert len(scanned(source_of(shop, next=None))) == 10


@styled(STYLE["keyset"])
def test_keyset_writes_since_as_the_shop_wants_it(shop: ApiShop) -> None:
    shop.dating = Style("keyset", "epoch", STYLE["offset"].write)
    assert len(scanned(source_of(shop, since_format="epoch"))) == 10
    assert "since=1772449380&" in shop.asked[1]


@styled(STYLE["keyset"])
@pytest.mark.parametrize("when", ["never", None])
def test_keyset_needs_times_to_go_on_from(shop: ApiShop, when: str | None) -> None:
    shop.bend = lambda answer: orders(answer, lambda all_: [{**order, "changed": when} for order in all_])
    with pytest.raises(SourceError, match="no updated_at in a full page can be read"):
        scanned(source_of(shop))


@styled(STYLE["keyset"])
def test_keyset_needs_sorted_orders(shop: ApiShop) -> None:
    shown = iter(["2026-03-02T12:00:00", "2026-03-02T10:59:59"])
    shop.bend = lambda answer: orders(answer, lambda _all: [{"id": 1, "status": "new", "changed": next(shown)}])
    with pytest.raises(SourceError, match="not sorted by updated_at"):
        scanned(source_of(shop))


@styled(STYLE["keyset"])
def test_keyset_requires_oldest_first_order(shop: ApiShop) -> None:
    shop.bend = lambda answer: orders(answer, lambda all_: [*all_[:1], {**all_[1], "changed": "2026-03-02T01:00:00"}])
    with pytest.raises(SourceError, match="not sorted by updated_at"):
        scanned(source_of(shop))


@styled(STYLE["keyset"])
def test_keyset_continues_when_local_time_runs_back(shop: ApiShop) -> None:
    times = ["02:30:00", "02:59:00", "02:01:00", "02:31:00"]
    rows = [{"pk": 1, "id": name, "status": "new", "changed": f"2026-10-25T{name}"} for name in times]
    pages = iter([*([row] for row in rows), []])
    shop.bend = lambda answer: orders(answer, lambda _all: next(pages))
    assert scanned(source_of(shop)) == times


@styled(STYLE["page"])
def test_endless_pages_end_at_a_limit(shop: ApiShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.sources.api.page_fetcher.PAGES_AT_MOST", 7)
    served = iter(range(100))
    shop.bend = lambda answer: orders(answer, lambda _all: [{"id": next(served), "status": "new"}])
    with pytest.raises(SourceError, match=r"has shown 7 pages and no end\. Check SYNCD_SOURCE__PAGING"):
        scanned(source_of(shop))


@styled(*PAGED)
def test_pages_before_a_failure_are_yielded(shop: ApiShop) -> None:
    source = source_of(shop)
    cursor = start(source)
    shop.add(*((f"later {number}", "new", NOON - (40 - number) * MINUTE) for number in range(8)))
    served = iter(range(100))
    shop.bend = lambda answer: {**answer, "status": 403} if next(served) >= 1 else answer
    pages = source.changed(cursor)
    page = next(pages)
    assert (page.cursor, page.last) == (None, False)
    assert "later 0" in ids(page.orders)
    with pytest.raises(SourceError, match="403"):
        next(pages)


@styled(STYLE["link"])
@pytest.mark.parametrize(
    "link",
    [
        '<{}>; rel="next"',
        "<{}>;rel=next;foo=1",
        "<{}>; crossorigin; rel=next",
        '</first>; rel="first", <{}>; REL="Next last"',
        '<{}>; title="x, <y>; rel=prev"; rel="next"',
        "</a,b>; rel=prev, <{}>; title*=UTF-8''x; rel = \"next\"",
    ],
)
def test_link_header_may_have_any_standard_form(shop: ApiShop, link: str) -> None:
    shop.bend = lambda answer: {
        **answer,
        "headers": {
            name: link.replace("{}", text.partition(">")[0].removeprefix("<"))
            for name, text in answer["headers"].items()
        },
    }
    assert scanned(source_of(shop)) == [str(number) for number in range(10)]


@styled(STYLE["offset"])
@pytest.mark.parametrize("shown", [[0, 1, 2, 3], [*range(10)], [0, 0], [0, 1, 0]])
def test_api_ignoring_offsets_ends(shop: ApiShop, shown: list[int]) -> None:
    shop.bend = lambda answer: {**answer, "body": {"orders": shop._shown([shop.rows[at] for at in shown])}}
    assert {*scanned(source_of(shop))} == {*map(str, shown)}
    assert len(shop.asked) < 15


@styled(STYLE["offset"])
def test_api_clamping_offsets_to_last_page_ends(shop: ApiShop) -> None:
    page = shop._page

    def clamped(target: str) -> dict[str, Any]:
        return page(re.sub(r"skip=(\d+)", lambda found: f"skip={min(int(found[1]), 6)}", target))

    shop._page = clamped  # type: ignore[method-assign] # a shop with a bug
    assert {*scanned(source_of(shop))} == {str(number) for number in range(10)}
    assert len(shop.asked) < 15


@styled(STYLE["keyset"])
@pytest.mark.parametrize("at", [0, 3, 7, 9])
@pytest.mark.parametrize("when", [None, "0000-00-00 00:00:00"])
def test_unreadable_time_does_not_stop_keyset(shop: ApiShop, at: int, when: str | None) -> None:
    def untimed(answer: dict[str, Any]) -> dict[str, Any]:
        return orders(answer, lambda all_: [{**one, "changed": when} if one["id"] == str(at) else one for one in all_])

    shop.bend = untimed
    source = source_of(shop)
    assert {*scanned(source)} == {str(number) for number in range(10)}
    pages = [*source.changed('["str", "2026-03-02T00:00:00"]')]
    assert {order.order_id for page in pages for order in page.orders} == {str(n) for n in range(10) if n != at}
    assert [row.order_id for page in pages for row in page.skipped] == [str(at)]


@styled(STYLE["keyset"])
@pytest.mark.parametrize("when", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_extreme_time_does_not_stop_keyset(shop: ApiShop, when: str) -> None:
    pages = iter([["0", "1"], ["2", "3"], []])
    times = {"0": when if when < "1" else "2026-03-02T10:00:00", "3": when if when > "1" else "2026-03-02T13:00:00"}

    def page(target: str) -> dict[str, Any]:
        assert target.startswith("/orders?since=")
        times_of = {one: times.get(one, "2026-03-02T12:00:00") for one in next(pages)}
        return {"body": {"orders": [{"id": one, "status": "new", "changed": at} for one, at in times_of.items()]}}

    shop._page = page  # type: ignore[method-assign] # as above
    assert scanned(source_of(shop, since_format="epoch")) == ["0", "1", "2", "3"]


def test_settings_name_every_paginator() -> None:
    """A new kind of paging is a class in PAGINATORS, its name in `Paging`, and the same name in the settings."""
    source = Settings.model_fields["source"].annotation
    assert source is not None
    assert {*get_args(source.model_fields["paging"].annotation)} == {*get_args(Paging)} == {*PAGINATORS}
