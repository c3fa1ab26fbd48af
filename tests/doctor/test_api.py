"""What the doctor says of a shop's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from syncd.doctor.api_checks import _masked
from syncd.sources.columns import KNOWN
from syncd.state import State
from tests.doctor.installation import Installation
from tests.sources.api.server import STYLES, ApiShop
from tests.sources.history import FIELDS as EVENT_FIELDS
from tests.sources.history import Feed, FeedStyle

NOW = datetime.now(UTC)
FIELDS = {"order_id": "id", "status": "status", "updated_at": "changed"}
(LINK,) = [style for style in STYLES if style.paging == "link"]


@pytest.fixture
def shop() -> Iterator[ApiShop]:
    with closing(ApiShop(LINK)) as api_shop:
        api_shop.clock = lambda: datetime.now(UTC)
        yield api_shop


@pytest.fixture
def installation(tmp_path: Path, shop: ApiShop) -> Installation:
    installation = Installation(tmp_path)
    del installation.env["SYNCD_SOURCE__QUERY"]
    installation.env |= {
        "SYNCD_SOURCE__URL": shop.url,
        "SYNCD_SOURCE__ITEMS": "orders",
        "SYNCD_SOURCE__FIELDS": json.dumps(FIELDS),
        "SYNCD_SOURCE__QUERY_PARAMS__SINCE": "{since}",
        "SYNCD_SOURCE__PAGING": "link",
    }
    return installation


def test_a_well_api_has_no_warning(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW - timedelta(days=60)), ("2", "new", NOW - timedelta(days=1)))
    found = installation.found("source")
    assert "warning" not in found
    assert "fault" not in found
    assert "gives order_id, status, updated_at" in found
    assert "may also lead to message, tracking_url" in found
    assert "all of the 2 orders read can be used" in found
    assert 'order 2 would be pushed as {"id": "2", "code": "new"}' in found
    assert "order 1 would be pushed" not in found
    assert "the source's clock is" in found


def test_complete_api_gets_no_suggestions(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW))
    fields = {name: "id" for name in KNOWN if name not in ("sequence", "updated_at", "paid")}
    all_fields = {**fields, "updated_at": "changed", "paid": "`true`"}
    found = installation.found(
        "source",
        SYNCD_SOURCE__FIELDS=json.dumps(all_fields),
        SYNCD_SOURCE__TRACKING_TEMPLATE="https://post.example/{tracking_number}",
    )
    assert "may also lead to" not in found


def test_an_api_that_shows_nothing_is_told(installation: Installation) -> None:
    assert "the API shows no orders Check that SYNCD_SOURCE__QUERY_PARAMS" in installation.found("source", "warning")


def test_fields_that_do_not_go_together_are_told(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW))
    fields = {"order_id": "id", "status": "status", "tracking_number": "track", "paid": "paid"}
    found = installation.found("source", "warning", SYNCD_SOURCE__FIELDS=json.dumps(fields))
    assert "tracking_number is not used: no setting says how to make a URL of it Set SYNCD_SOURCE__TRACKING" in found
    assert "there is paid, but no payment_id Set SYNCD_SOURCE__FIELDS__PAYMENT_ID" in found
    assert "every poll reads and compares all orders If the API can be asked for what changed, set {since}" in found


@pytest.mark.parametrize(
    ("name", "path", "says"),
    [
        (
            "order_id",
            "nr",
            "SYNCD_SOURCE__FIELDS__ORDER_ID (nr) finds nothing in any of the 2 orders of the first page",
        ),
        ("status", "nested", "status is an object: let SYNCD_SOURCE__FIELDS__STATUS (nested) lead to one value"),
        ("status", "abs(id)", "SYNCD_SOURCE__FIELDS__STATUS (abs(id)) fails: "),
    ],
)
def test_field_path_without_value_is_a_fault(
    installation: Installation, shop: ApiShop, name: str, path: str, says: str
) -> None:
    """The first order is shown before it, as it came."""
    shop.add(("1", "new", NOW), ("2", "new", NOW))

    def nested(answer: dict[str, Any]) -> dict[str, Any]:
        orders = [{**order, "nested": {"code": 1}} for order in answer["body"]["orders"]]
        return {**answer, "body": {"orders": orders}}

    shop.bend = nested
    found = installation.found("source", SYNCD_SOURCE__FIELDS=json.dumps({**FIELDS, name: path}))
    assert 'the first order as the API gave it: {"pk": 1, "id": "1", "status": "new"' in found
    assert says in found.splitlines()[-1]
    assert found.splitlines()[-1].startswith("fault: ")


def test_missing_items_fault_describes_the_answer(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW))
    found = installation.found("source", SYNCD_SOURCE__ITEMS="result.orders")
    assert found.startswith("fault: SYNCD_SOURCE__ITEMS (result.orders) finds nothing in the API's answer")
    assert 'which is an object with "orders", "next"' in found


def test_orders_that_cannot_be_read_are_told(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", None, NOW), ("2", "new", NOW), ("3", "new", None))
    found = installation.found("source", "warning")
    assert "of 3 rows read, 1 cannot be used: order 1 has no status" in found
    assert "of 3 rows read, 1 have NULL as updated_at" in found


def test_a_clock_that_is_off_is_told(installation: Installation, shop: ApiShop) -> None:
    shop.clock = lambda: datetime.now(UTC) - timedelta(minutes=10)
    assert "behind this machine's Synchronise both by NTP" in installation.found("source", "warning")


def test_what_is_unencrypted_is_told(
    installation: Installation, shop: ApiShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", shop.url.removesuffix("/orders"))
    found = installation.found("source", "warning", SYNCD_SOURCE__URL="http://shop.example/orders")
    assert "orders and credentials travel unencrypted" in found


def test_first_order_masks_buyers_and_secrets() -> None:
    came = {
        "id": 5,
        "phone": "+7 916 123-45-67",
        "client": {"phones": [{"number": "x"}], "email": "a@b.example", "mobile": 79161234567},
        "accessToken": "abc",
        "paid": True,
        "note": "call +7 (916) 123-45-67 on 2026-03-02 12:00:00 about 1772449200123",
        "sum": 12.5,
        "none": None,
    }
    assert _masked(came) == {
        "id": 5,
        "phone": "**************67",
        "client": {"phones": [{"number": "x"}], "email": "*********le", "mobile": "*********67"},
        "accessToken": "***",
        "paid": True,
        "note": "call ****************67 on 2026-03-02 12:00:00 about ***********23",
        "sum": 12.5,
        "none": None,
    }


def test_a_long_first_order_is_cut(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "x" * 3000, NOW))
    assert "xxx…" in installation.found("source")


def test_too_deeply_nested_order_is_not_shown(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW))
    deep: Any = "end"
    for _ in range(900):
        deep = [deep]
    shop.bend = lambda answer: {**answer, "body": {"orders": [{**answer["body"]["orders"][0], "deep": deep}]}}
    assert "the first order as the API gave it: too deeply nested to be shown" in installation.found("source")


def test_the_list_of_statuses_is_tried(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW))
    installation.env |= {
        "SYNCD_SOURCE__STATUSES_PATH": "/states",
        "SYNCD_SOURCE__STATUSES_CODE": "id",
        "SYNCD_SOURCE__STATUSES_NAME": "status",
    }
    odd = installation.found("source", "warning", SYNCD_SOURCE__STATUSES_ITEMS="none")
    assert "(SYNCD_SOURCE__STATUSES_PATH): SYNCD_SOURCE__STATUSES_ITEMS (none) finds nothing" in odd
    listed = installation.found("source", SYNCD_SOURCE__STATUSES_ITEMS="orders")
    assert "the API lists 1 statuses, such as 1: new" in listed
    assert "may also lead to tracking_url" in listed
    assert "the API lists" not in installation.found("source", SYNCD_SOURCE__STATUSES_ITEMS="orders[?none]")


@pytest.mark.parametrize("paging", ["none", "cursor"])
def test_single_full_page_is_a_warning(installation: Installation, shop: ApiShop, paging: str) -> None:
    shop.add(*((str(number), "new", NOW) for number in range(3)))
    installation.env |= {
        "SYNCD_SOURCE__PAGING": paging,
        "SYNCD_SOURCE__NEXT": "meta.nxt",
        "SYNCD_SOURCE__QUERY_PARAMS__PER_PAGE": "{limit}",
        "SYNCD_SOURCE__BATCH": "3",
    }
    full = "the API shows one page of 3 orders, but it is as long as a page may be If the shop has more, they are never"
    assert full in installation.found("source", "warning")
    assert "as a page may be" not in installation.found("source", SYNCD_SOURCE__BATCH="4")


def test_a_field_that_finds_nothing_is_named(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW), ("2", "new", NOW))
    fields = {**FIELDS, "updated_at": "altered", "phone": "client.phone"}
    untimed = installation.found("source", "warning", SYNCD_SOURCE__FIELDS=json.dumps(fields))
    assert (
        "SYNCD_SOURCE__FIELDS__UPDATED_AT (altered) finds nothing in any of the 2 orders of the first page" in untimed
    )
    fields["updated_at"] = "changed"
    found = installation.found("source", SYNCD_SOURCE__FIELDS=json.dumps(fields))
    assert "these find nothing in the 2 orders of the first page: SYNCD_SOURCE__FIELDS__PHONE (client.phone)" in found


@pytest.fixture
def feed(installation: Installation) -> Iterator[Feed]:
    with closing(Feed(FeedStyle("page"), cast("State", None))) as opened:
        opened.clock = lambda: datetime.now(UTC)
        del installation.env["SYNCD_SOURCE__QUERY_PARAMS__SINCE"]
        installation.env |= {
            "SYNCD_SOURCE__URL": opened.url,
            "SYNCD_SOURCE__FIELDS": json.dumps({**EVENT_FIELDS, "updated_at": "at"}),
            "SYNCD_SOURCE__QUERY_PARAMS": '{"since": "{since}", "page": "{page}", "per_page": "{limit}"}',
            "SYNCD_SOURCE__PAGING": "page",
        }
        yield opened


def test_feed_shows_each_orders_last_event(installation: Installation, feed: Feed) -> None:
    feed.add((1, "A", "new"), (11, "A", "paid"), (2, "B", "new"), (3, "C", "new"), (4, "D", "new"))
    found = installation.found("source")
    assert [f'order {order} would be pushed as {{"id": "{order}"' in found for order in "ABCD"] == [
        True,
        False,
        True,
        True,
    ]
    assert '"code": "paid"' in found
    assert "updated_at has " not in found
    assert "warning" not in found


def test_events_without_a_number_are_told(installation: Installation, feed: Feed) -> None:
    feed.add((None, "A", "new"), (1, "B", "new"))
    assert "of 2 rows read, 1 have NULL as sequence" in installation.found("source", "warning")
    params = '{"page": "{page}", "per_page": "{limit}"}'
    assert "set {since} in a parameter, and SYNCD_SOURCE__FIELDS__SEQUENCE" in installation.found(
        "source", "warning", SYNCD_SOURCE__QUERY_PARAMS=params
    )


def test_a_sequence_that_is_no_number_is_told(installation: Installation, feed: Feed) -> None:
    feed.add((1, "A", "new"))
    fields = json.dumps({**EVENT_FIELDS, "sequence": EVENT_FIELDS["status"]})
    found = installation.found("source", "warning", SYNCD_SOURCE__FIELDS=fields)
    assert "of 1 rows read, 1 have a sequence that is not a number: 'new' is not a whole number" in found


def test_keyset_by_time_alone_is_told(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW))
    installation.env["SYNCD_SOURCE__PAGING"] = "keyset"
    assert "pages continue by {since} alone" in installation.found("source", "warning")
    params = '{"since": "{since}", "from_id": "{last_id}"}'
    assert "{since} alone" not in installation.found("source", SYNCD_SOURCE__QUERY_PARAMS=params)


def test_trial_poll_finds_the_newest_order(installation: Installation, shop: ApiShop) -> None:
    shop.add(*((str(number), "new", NOW - timedelta(minutes=10 - number)) for number in range(9)))
    assert "a poll from just before order 8 (updated_at " in installation.found("source", "ok")
    earlier = NOW.replace(microsecond=0) - timedelta(minutes=7, seconds=1)
    assert f"its {{since}} is {earlier.isoformat()}" in installation.found("source", "ok")


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (
            timedelta(hours=6),
            "It is found with a {since} 14 h earlier: the API reads it in another time zone Set SYNCD_SOURCE__",
        ),
        (timedelta(days=400), "Set SYNCD_SOURCE__SINCE_FORMAT as the API reads {since}"),
    ],
)
def test_misread_since_is_a_warning(installation: Installation, shop: ApiShop, ahead: timedelta, says: str) -> None:
    shop.add(("1", "new", NOW - timedelta(days=3)), ("2", "new", NOW))
    read = shop._read
    shop._read = lambda since: read(since) + (ahead if "1970" not in since else timedelta())  # type: ignore[method-assign]
    found = installation.found("source", "warning")
    assert "a poll does not find order 2 (updated_at " in found
    assert "though its {since} is " in found
    assert says in found
    assert "Until then every change waits for the full compare (SYNCD_POLL__RECONCILE)" in found


def test_a_since_that_is_not_heeded_is_told(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW - timedelta(days=3)), ("2", "new", NOW))
    heeding = shop._since
    shop._since = lambda *_: heeding(None, None)  # type: ignore[method-assign] # a shop with a bug
    found = installation.found("source", "warning")
    assert "the API ignores {since}: polls get orders that changed long before it" in found


def test_trial_poll_skips_orders_of_the_future(installation: Installation, shop: ApiShop) -> None:
    shop.add(("1", "new", NOW + timedelta(days=3)), ("2", "new", None))
    assert "a poll" not in installation.found("source", SYNCD_SOURCE__FIELDS=json.dumps(FIELDS))


def test_trial_poll_finds_the_newest_event(installation: Installation, feed: Feed) -> None:
    feed.add((1, "A", "new"), (2000, "B", "new"))
    assert "a poll from just before order B (sequence 2000) finds it: its {since} is 999" in installation.found(
        "source"
    )


def test_few_orders_are_asked_for(installation: Installation, shop: ApiShop) -> None:
    shop.add(*((str(number), "new", NOW - timedelta(minutes=number)) for number in range(50)))
    installation.env |= {"SYNCD_SOURCE__QUERY_PARAMS__PER_PAGE": "{limit}", "SYNCD_SOURCE__BATCH": "10"}
    assert "a poll from just before order " in installation.found("source", "ok")
    assert not any("&page=2" in target for target in shop.asked)
    assert len(shop.asked) <= 4


@pytest.mark.parametrize("more", [{"total": 7}, {"next": "/orders?page=2"}, {"has_more": True}])
def test_answer_announcing_more_is_a_warning(installation: Installation, shop: ApiShop, more: dict[str, Any]) -> None:
    shop.add(("1", "new", NOW))
    shop.bend = lambda answer: {**answer, "body": {**answer["body"], **more}}
    found = installation.found("source", "warning", SYNCD_SOURCE__PAGING="none")
    assert "the API shows one page of 1 orders, but its " in found
    assert "they are never seen: check SYNCD_SOURCE__PAGING" in found


@pytest.mark.parametrize("answers", [True, False])
def test_each_request_has_its_own_time(installation: Installation, shop: ApiShop, answers: bool) -> None:
    """Together they take longer than one may."""
    shop.add(("1", "new", NOW))
    installation.seconds = 0.1
    waiting = Event()

    def slowly(answer: dict[str, Any]) -> dict[str, Any]:
        waiting.wait(0.6 if answers else 3)
        return answer

    shop.bend = slowly
    found = installation.found("source", SYNCD_SOURCE__TIMEOUT="1s")
    assert ("a poll from just before order 1 " in found) is answers
    assert ("did not answer within SYNCD_SOURCE__TIMEOUT" in found) is not answers
    waiting.set()
