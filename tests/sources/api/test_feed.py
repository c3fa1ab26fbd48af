"""A feed of events: what an API that numbers its changes may do besides what tests/sources/test_sequence.py asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import SourceError
from syncd.sources.api.deduplicate import newest_of_each
from syncd.sources.api.records import RecordExtractor
from syncd.sources.columns import ColumnOptions
from syncd.sources.status_counts import StatusCount
from syncd.state import open_state
from tests.sources.history import FIELDS, Feed, FeedStyle, waiting

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NONE, PAGE, KEYSET = (FeedStyle(paging) for paging in ("none", "page", "keyset"))


@pytest.fixture
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Feed]:
    """Of the style that a test names, else one without pages."""
    with (
        closing(open_state(f"sqlite:///{tmp_path}/state.db", redact=str, create=True)) as state,
        closing(Feed(getattr(request, "param", NONE), state)) as opened,
    ):
        yield opened


def styled(*styles: FeedStyle) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("feed", styles, indirect=True, ids=str)


def test_poll_asks_from_cursor_less_lookback_less_one(feed: Feed) -> None:
    feed.add((1, "A", "new"), (500, "A", "paid"))
    poller = feed.poller(lookback=100)
    poller.poll(NOW)
    feed.add((501, "A", "sent"))
    poller.poll(NOW)
    assert feed.asked == ["/orders?since=0", "/orders?since=399"]


def test_unrelated_events_only_move_the_cursor(feed: Feed) -> None:
    feed.show({"number": 1, "order": "A", "status": "new", "field": "status"})
    poller = feed.poller(where="field == 'status'", lookback=0)
    poller.poll(NOW)
    feed.show({"number": 5000, "order": "A", "field": "comment"}, {"number": None, "field": "comment"})
    assert poller.poll(NOW).skipped == {}
    feed.show({"number": 5001, "order": "A", "status": "paid", "field": "status"})
    assert poller.poll(NOW).found == {"cursor": 1}
    assert feed.asked[1:] == ["/orders?since=0", "/orders?since=4999"]


@styled(KEYSET)
def test_keyset_continues_from_the_last_events_number(feed: Feed) -> None:
    feed.add(*((number, f"{number % 3}", f"status {number}") for number in range(1, 8)))
    feed.poller(batch=3).poll(NOW)
    assert [target.partition("since=")[2].partition("&")[0] for target in feed.asked] == ["0", "3", "6", "7"]


@styled(FeedStyle("keyset", newest_first=True))
def test_keyset_needs_the_lowest_number_first(feed: Feed) -> None:
    feed.add(*((number, "A", "new") for number in range(1, 8)))
    with pytest.raises(SourceError, match="the orders are not sorted by sequence, oldest first"):
        feed.poller(batch=3).poll(NOW)


@styled(KEYSET)
def test_keyset_needs_numbers_to_go_on_from(feed: Feed) -> None:
    feed.show(*({"number": number, "order": "A", "status": "new", "at": "noon"} for number in (1, 2)))
    with pytest.raises(SourceError, match="no sequence in a full page can be read"):
        feed.poller(fields={**FIELDS, "sequence": "at"}, batch=2).poll(NOW)


@styled(PAGE)
def test_fault_between_pages_pushes_nothing_until_next_poll(feed: Feed) -> None:
    """The first page alone would have pushed an outdated status of order A."""
    feed.add((1, "A", "new"))
    poller = feed.poller(batch=2)
    poller.poll(NOW)
    feed.add((2, "A", "paid"), (3, "B", "new"), (4, "A", "sent"))
    feed.asked.clear()
    feed.bend = lambda answer: answer if len(feed.asked) == 1 else {**answer, "status": 401}
    with pytest.raises(SourceError):
        poller.poll(NOW)
    assert waiting(feed.state) == []
    feed.bend = lambda answer: answer
    poller.poll(NOW)
    assert sorted(waiting(feed.state)) == [("A", "sent"), ("B", "new")]


def test_without_since_every_poll_reads_all_events(feed: Feed) -> None:
    """It compares the last event of each order."""
    feed.add((1, "A", "new"), (2, "B", "new"))
    poller = feed.poller(query_params={})
    poller.poll(NOW)
    feed.add((3, "A", "paid"), (4, "A", "sent"))
    result = poller.poll(NOW)
    assert (result.kind, result.rows, result.found) == ("full", 2, {"full": 1})
    assert waiting(feed.state) == [("A", "sent")]


def test_updated_at_beside_the_number_says_when(feed: Feed) -> None:
    feed.show({"number": 1, "order": "A", "status": "new", "at": "2026-03-02T11:00:00Z"})
    poller = feed.poller(fields={**FIELDS, "updated_at": "at"})
    poller.poll(NOW)
    baseline = feed.state.polls.baseline()
    assert baseline
    assert baseline.newest == NOW - timedelta(hours=1)


def test_unreadable_events_are_skipped_and_counted(feed: Feed) -> None:
    feed.add((1, "A", "new"))
    poller = feed.poller()
    poller.poll(NOW)
    feed.show({"number": 2, "order": None, "status": "new"}, {"number": 3, "order": ["B"], "status": "new"})
    feed.show({"number": "4a", "order": "C", "status": "new"}, {"number": 10**30, "order": ["D"], "status": "new"})
    feed.show({"number": 5, "order": "E", "status": {}}, {"number": "6", "order": "F", "status": "new"})
    result = poller.poll(NOW)
    assert result.skipped == {"no_id": 1, "bad_value": 2, "bad_sequence": 2}
    assert [row.order_id for row in result.skipped_rows if row.reason == "bad_sequence"] == ["C", None]
    assert waiting(feed.state) == [("F", "new")]


def test_find_returns_an_orders_last_event(feed: Feed) -> None:
    feed.add((2, "A", "paid"), (1, "A", "new"), (3, "B", "new"))
    assert [order.status for order in feed.feed().find(["A"]).orders] == ["paid"]


def test_statuses_count_each_orders_last_event(feed: Feed) -> None:
    feed.add((1, "A", "new"), (2, "B", "new"), (3, "A", "paid"))
    assert feed.feed().statuses() == [StatusCount("new", None, 1), StatusCount("paid", None, 1)]


def test_last_events_are_sorted_by_id() -> None:
    """They come behind one block for each part that was read."""
    layout = RecordExtractor(None, None, FIELDS, ColumnOptions(UTC)).layout

    def row(number: Any, order_id: Any, status: Any) -> tuple[Any, ...]:
        by_name = {"order_id": order_id, "status": status, "sequence": number}
        return *(by_name[name] for name in layout.names), True, False

    parts = [[row(5, "B", "x"), row(None, "B", "y"), row(1, "A", 7)], [row(2, None, "z"), row(1, "A", 8.5)]]
    blocks = [[*block] for block in newest_of_each(iter(parts), layout)]
    assert blocks == [[], [row(2, None, "z")], [row(1, "A", 8.5), row(5, "B", "x")]]
