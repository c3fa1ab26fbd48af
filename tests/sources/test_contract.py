"""What a poll and a full compare may expect of every source: each way in which shops date their orders, in a database
or behind an API, and each style in which an API pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from syncd.model import Skipped
from tests.sources.api.server import STYLES, ApiShop, Style
from tests.sources.conftest import OpenShop
from tests.sources.shop import BERLIN, DATINGS, NOON, AnyShop, ids, polled, scanned, skipped, start

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=[*DATINGS, *STYLES], ids=str)
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Iterator[AnyShop]:
    """A shop of each kind, in a database or behind an API."""
    if isinstance(request.param, Style):
        with closing(ApiShop(request.param)) as api_shop:
            yield api_shop
    else:
        yield open_shop(request.param)


def test_order_time_is_read_in_utc(shop: AnyShop) -> None:
    shop.add(("007", "new", NOON))
    (order,) = shop.source().find(["007"]).orders
    assert (order.order_id, order.content, order.updated_at) == ("007", {"status": "new"}, NOON)
    assert order.updated_at is not None
    assert order.updated_at.tzinfo is UTC


def test_poll_reads_changes_since_cursor_oldest_first(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - 60 * MINUTE), ("B", "new", NOON - 50 * MINUTE), ("C", "new", NOON - 40 * MINUTE))
    source = shop.source()
    cursor = start(source)
    shop.change("B", "packed", NOON - 2 * MINUTE)
    shop.change("A", "paid", NOON - 3 * MINUTE)
    orders, _ = polled(source, cursor)
    assert [(order.order_id, order.status) for order in orders if order.beyond_cursor] == [
        ("A", "paid"),
        ("B", "packed"),
    ]


def test_poll_does_not_reread_beyond_the_lookback(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - 90 * MINUTE), ("B", "new", NOON - 10 * MINUTE), ("C", "new", NOON - 2 * MINUTE))
    source = shop.source()
    orders, _ = polled(source, start(source))
    assert "A" not in ids(orders)
    assert ids([order for order in orders if order.beyond_cursor]) == []


def test_page_of_equal_timestamps_loses_no_order(shop: AnyShop) -> None:
    shop.add(("0", "new", NOON - 60 * MINUTE))
    cursor = start(shop.source())
    shop.add(*((str(number), "new", NOON - MINUTE) for number in range(1, 15)))
    for batch in (1, 2, 7, 100):
        orders, _ = polled(shop.source(batch=batch), cursor)
        assert sorted(order.order_id for order in orders if order.beyond_cursor) == sorted(map(str, range(1, 15)))


def test_rows_without_id_are_skipped_alone(shop: AnyShop) -> None:
    shop.add(("0", "new", NOON - 60 * MINUTE))
    cursor = start(shop.source())
    shop.add((None, "new", NOON - MINUTE), ("A", "new", NOON - MINUTE), (None, "new", NOON - MINUTE))
    shop.add((" ", "new", NOON - MINUTE), ("B", "new", NOON), (None, "new", NOON))
    pages = list(shop.source(batch=2).changed(cursor))
    assert [order.order_id for page in pages for order in page.orders if order.beyond_cursor] == ["A", "B"]
    assert [row.reason for page in pages for row in page.skipped] == ["no_id"] * 4


def test_row_without_status_is_skipped_and_reported(shop: AnyShop) -> None:
    shop.add(("A", None, NOON), ("B", "new", NOON))
    source = shop.source()
    assert skipped(source.changed(start(source))) == [("no_status", "A")]


def test_cursor_resumes_behind_its_pages(shop: AnyShop) -> None:
    shop.add(("0", "new", NOON - timedelta(days=1)))
    cursor = start(shop.source())
    shop.add(*((str(number), "new", NOON - (20 - number) * 10 * MINUTE) for number in range(1, 15)))
    read: set[str] = set()
    last = False
    while not last:
        for page in shop.source(batch=8).changed(cursor):
            read, last = read | set(ids(page.orders)), page.last
            if page.cursor not in (None, cursor):
                cursor = page.cursor or ""
                break
    assert read >= {str(number) for number in range(1, 15)}


def test_future_row_does_not_advance_the_cursor(shop: AnyShop) -> None:
    """The row is read, but the cursor never passes the present."""
    shop.add(("A", "new", NOON - 60 * MINUTE), ("Z", "new", NOON + timedelta(days=400)))
    source = shop.source()
    orders, cursor = polled(source, start(source))
    assert "Z" in ids(orders)
    shop.change("A", "packed", NOON - 10 * MINUTE)
    orders, _ = polled(source, cursor)
    assert ("A", "packed") in [(order.order_id, order.status) for order in orders]


def test_later_write_with_equal_timestamp_is_found(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - MINUTE), ("B", "new", NOON - MINUTE))
    source = shop.source(lookback=timedelta())
    cursor = start(source)
    shop.change("A", "packed", NOON - MINUTE)
    orders, _ = polled(source, cursor)
    assert ("A", "packed", False) in [(order.order_id, order.status, order.beyond_cursor) for order in orders]


def test_late_commit_is_found_within_the_lookback(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - MINUTE))
    source = shop.source()
    cursor = start(source)
    shop.add(("late", "new", NOON - 5 * MINUTE))
    orders, after = polled(source, cursor)
    assert [(order.order_id, order.beyond_cursor) for order in orders if order.order_id == "late"] == [("late", False)]
    assert after == cursor


def test_a_poll_that_finds_nothing_leaves_the_cursor(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - 60 * MINUTE))
    source = shop.source()
    cursor = start(source)
    shop.clear()
    assert polled(source, cursor) == ([], cursor)


def test_change_within_the_same_second_is_found(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON.replace(microsecond=900_000) - MINUTE))
    source = shop.source(lookback=timedelta())
    cursor = start(source)
    shop.add(("B", "new", NOON.replace(microsecond=950_000) - MINUTE))
    assert ids(polled(source, cursor)[0])[-1] == "B"


def test_newest_row_of_an_order_comes_last(shop: AnyShop) -> None:
    shop.add(("A", "packed", NOON - MINUTE), ("A", "new", NOON - 2 * MINUTE), ("0", "new", NOON - 60 * MINUTE))
    source = shop.source()
    cursor = start(source)
    statuses = [order.status for order in polled(source, cursor)[0] if order.order_id == "A"]
    assert statuses[-1] == source.find(["A"]).orders[-1].status == "packed"


def test_row_without_timestamp_is_not_polled(shop: AnyShop) -> None:
    """It is left to the full compare, and a lookup finds it."""
    shop.add(("A", "new", None), ("B", "new", NOON))
    source = shop.source()
    assert ids(polled(source, start(source))[0]) == ["B"]
    assert ids(source.find(["A"]).orders) == ["A"]


def test_a_scan_shows_every_order(shop: AnyShop) -> None:
    shop.add(("B", "new", None), ("A", "packed", NOON), (None, "new", NOON), ("C", None, NOON))
    scan = shop.source().scan(whole=False)
    contents = [scan.content(row[: scan.width]) for block in scan.blocks() for row in block]
    read = sorted((found[0], found[2], found[1]["status"]) for found in contents if not isinstance(found, Skipped))
    assert read == [("A", None, "packed"), ("B", None, "new")]
    assert sorted(found.reason for found in contents if isinstance(found, Skipped)) == ["no_id", "no_status"]


def test_a_whole_scan_says_where_polling_starts(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON), ("B", "new", NOON - MINUTE), ("C", "new", None), ("D", "new", NOON + MINUTE))
    scan = shop.source().scan(whole=True)
    rows = [row for block in scan.blocks() for row in block]
    newest = scan.newest()
    assert sorted(ids(scan.read(rows).orders)) == ["A", "B", "C", "D"]
    assert newest is not None
    assert newest[1] == NOON


def test_an_empty_shop_says_nowhere_to_start(shop: AnyShop) -> None:
    scan = shop.source().scan(whole=True)
    assert list(scan.blocks()) == []
    assert scan.newest() is None


def test_scanned_ids_can_be_looked_up_however_many(shop: AnyShop) -> None:
    shop.add(*((str(number), "new", NOON) for number in range(1203)))
    source = shop.source()
    rows = scanned(source)
    assert len(ids(source.look_up([row[0] for row in rows]).orders)) == 1203


def test_local_time_running_back_hides_nothing(shop: AnyShop) -> None:
    shop.zone = BERLIN  # 2026-10-25 03:00 summer time is 02:00 again, at 01:00 UTC
    shop.present = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    shop.add(("A", "0", shop.present))
    source = shop.source(batch=2)
    cursor = start(source)
    for step in range(1, 20):
        shop.present += 10 * MINUTE
        shop.change("A", str(step), shop.present - MINUTE)
        shop.add((f"new {step}", "new", shop.present))
        orders, cursor = polled(source, cursor)
        assert ("A", str(step)) in [(order.order_id, order.status) for order in orders]
        assert f"new {step}" in ids(orders)


def test_sleeping_while_local_time_runs_back_misses_nothing(shop: AnyShop) -> None:
    shop.zone = BERLIN
    shop.present = datetime(2026, 10, 25, 0, 58, tzinfo=UTC)
    shop.add(("A", "new", shop.present))
    source = shop.source()
    cursor = start(source)
    shop.present += 10 * MINUTE
    _, cursor = polled(source, cursor)
    shop.add(("B", "new", shop.present + 15 * MINUTE))
    shop.present += timedelta(hours=4)
    shop.add(("C", "new", shop.present))
    assert {"B", "C"} <= set(ids(polled(source, cursor)[0]))


def test_polls_recover_after_clock_is_put_back(shop: AnyShop) -> None:
    shop.present = NOON + timedelta(days=30)
    shop.add(("A", "new", shop.present))
    source = shop.source()
    cursor = start(source)
    shop.present = NOON
    _, cursor = polled(source, cursor)
    shop.add(("B", "new", NOON + MINUTE))
    shop.present = NOON + 2 * MINUTE
    assert "B" in ids(polled(source, cursor)[0])


def test_cursor_of_another_source_starts_at_first_order(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - timedelta(days=2000)), ("B", "new", NOON))
    assert ids(polled(shop.source(), "page 17")[0]) == ["A", "B"]


def test_cursor_survives_another_type_of_timestamp_column(shop: AnyShop) -> None:
    shop.add(("A", "new", NOON - 60 * MINUTE), ("B", "new", NOON))
    was = ('["int", 1772449200]', '["str", "2026-03-02T11:00:00Z"]', '["datetime", "2026-03-02 11:00:00+00:00"]')
    for cursor in was:
        assert ids(polled(shop.source(lookback=timedelta()), cursor)[0])[-1] == "B"
