"""Numbered events, many an order: polled through the real Poller into a real state, from a table of each database and
from an API's feed of each style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.errors import SourceError
from syncd.pipeline.poll import Poller
from syncd.pipeline.staging import PollResult
from syncd.sources.database.database_source import DatabaseSource
from syncd.state import State
from tests.servers import DATABASES
from tests.sources.history import FEEDS, QUERY, Feed, FeedStyle, History, HistoryTable, changes_found, waiting

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(params=[*DATABASES, *FEEDS], ids=str)
def history(
    request: pytest.FixtureRequest, database_url: Callable[[str], str], state: State
) -> Iterator[HistoryTable | Feed]:
    kind = request.param
    opened = Feed(kind, state) if isinstance(kind, FeedStyle) else HistoryTable(database_url(kind), state)
    with closing(opened):
        yield opened


@pytest.fixture(params=DATABASES)
def table(request: pytest.FixtureRequest, database_url: Callable[[str], str], state: State) -> Iterator[HistoryTable]:
    with closing(HistoryTable(database_url(request.param), state)) as opened:
        yield opened


def begun(history: History, **options: Any) -> tuple[Poller, PollResult]:
    """A poller whose baseline is taken."""
    poller = history.poller(**options)
    return poller, poller.poll(NOW)


def test_last_row_is_the_orders_status(history: History) -> None:
    """The baseline is not pushed."""
    history.add((1, "A", "new"), (2, "B", "new"), (3, "A", "paid"))
    poller, result = begun(history)
    assert (result.baseline, result.rows) == (True, 2)
    history.add((4, "A", "sent"))
    assert poller.poll(NOW).kind == "incremental"
    assert [
        (change.order_id, change.previous_status)
        for change in history.state.reports.changes(state="pending", order_id=None, limit=None)
    ] == [("A", "paid")]


def test_only_last_status_between_polls_is_pushed(history: History) -> None:
    history.add((1, "A", "new"))
    poller, _ = begun(history)
    history.add((2, "A", "paid"), (3, "B", "new"), (4, "A", "sent"))
    assert poller.poll(NOW).found == {"cursor": 2}
    assert sorted(waiting(history.state)) == [("A", "sent"), ("B", "new")]


def test_rereading_the_lookback_never_restores_old_statuses(history: History) -> None:
    """This holds however the rows are cut into pages."""
    history.add(*((row, "A", f"status {row}") for row in range(1, 20)))
    poller, _ = begun(history, batch=3)
    for row in range(20, 24):
        history.add((row, "A", f"status {row}"))
        poller.poll(NOW)
        poller.poll(NOW)
    assert changes_found(history.state) == 4
    assert waiting(history.state) == [("A", "status 23")]


def test_late_number_is_found_within_the_lookback(history: History) -> None:
    history.add((1, "A", "new"), (2, "B", "new"))
    poller, _ = begun(history, lookback=10)
    history.add((20, "A", "paid"))
    poller.poll(NOW)
    history.add((11, "B", "paid"), (8, "C", "too late"))
    assert poller.poll(NOW).found == {"lookback": 1}
    assert sorted(waiting(history.state)) == [("A", "paid"), ("B", "paid")]


def test_an_older_row_that_commits_late_changes_nothing(history: History) -> None:
    history.add((1, "A", "new"), (5, "A", "sent"))
    poller, _ = begun(history)
    history.add((3, "A", "paid"))
    assert poller.poll(NOW).found == {}
    assert poller.reconcile(NOW).found == {}


def test_full_compare_takes_each_orders_last_row(history: History) -> None:
    history.add(*((row, f"order {row % 7}", f"status {row}") for row in range(70)))
    poller, _ = begun(history)
    history.mend([3, 65], "mended")
    result = poller.reconcile(NOW)
    assert (result.rows, result.found) == (7, {"full": 1})
    assert waiting(history.state) == [("order 2", "mended")]


def test_unnumbered_row_counts_where_it_is_alone(history: History) -> None:
    history.add((None, "A", "old"), (1, "A", "new"), (None, "B", "old"))
    poller, result = begun(history)
    assert result.rows == 2
    history.mend([None], "moved")
    assert poller.poll(NOW).found == {}
    assert poller.reconcile(NOW).found == {"full": 1}
    assert waiting(history.state) == [("B", "moved")]


def test_polls_recover_after_numbering_restarts(history: History) -> None:
    history.add((900_000, "A", "new"))
    poller, _ = begun(history)
    history.clear()
    poller.poll(NOW)
    history.add((1, "A", "new"))
    poller.poll(NOW)
    history.add((2, "A", "paid"))
    poller.poll(NOW)
    assert waiting(history.state) == [("A", "paid")]


def test_the_query_may_ask_for_the_number_itself(table: HistoryTable) -> None:
    table.add((1, "A", "new"), (2, "B", "new"))
    query = (
        "SELECT order_id, MAX(status) AS status, MAX(id) AS sequence FROM history WHERE id > :since GROUP BY order_id"
    )
    poller, result = begun(table, query=query, lookback=0)
    assert result.rows == 2
    table.add((3, "B", "paid"))
    assert poller.poll(NOW).rows == 1
    assert waiting(table.state) == [("B", "paid")]


def test_switch_from_time_to_number_repeats_nothing(table: HistoryTable) -> None:
    table.add((1, "A", "new"), (2, "B", "new"))
    timed = "SELECT order_id, status, '2026-03-02 11:00:00' AS updated_at FROM history"
    begun(table, query=timed)
    numbered = table.poller()
    numbered.poll(NOW)
    table.add((3, "A", "paid"))
    numbered.poll(NOW)
    assert waiting(table.state) == [("A", "paid")]


def test_updated_at_beside_the_number_says_when(table: HistoryTable) -> None:
    table.add((1, "A", "new"))
    poller, _ = begun(table, query=QUERY.replace(" FROM", ", '2026-03-02 11:00:00' AS updated_at FROM"))
    baseline = table.state.polls.baseline()
    assert baseline
    assert baseline.newest == NOW - timedelta(hours=1)
    table.add((2, "A", "paid"))
    poller.poll(NOW)
    (change,) = table.state.reports.changes(state="pending", order_id=None, limit=None)
    assert change.source_updated_at == NOW - timedelta(hours=1)


def test_unreadable_number_is_skipped_and_counted(table: HistoryTable) -> None:
    table.add((2, "A", "new"))
    poller, _ = begun(table, query="SELECT order_id, status, id / 2.0 AS sequence FROM history")
    table.add((4, "B", "new"), (5, "C", "new"))
    result = poller.poll(NOW)
    assert result.skipped["bad_sequence"] >= 1
    assert [row.order_id for row in result.skipped_rows if row.order_id == "C"] == ["C"]
    assert waiting(table.state) == [("B", "new")]


def test_numbers_as_text_are_refused(table: HistoryTable) -> None:
    """Text sorts in another order than numbers."""
    table.add((9, "A", "new"), (10, "A", "paid"))
    with pytest.raises(SourceError, match="the query gives sequence as text"):
        begun(table, query="SELECT order_id, status, CAST(id AS CHAR(5)) AS sequence FROM history")


def test_query_when_chooses_between_two_queries(table: HistoryTable) -> None:
    table.add((1, "A", "new"))
    table.execute("DROP TABLE IF EXISTS switches")
    table.execute("CREATE TABLE switches (name VARCHAR(20), is_on VARCHAR(5))")
    source = DatabaseSource(
        url=table.url,
        query="SELECT order_id, 'here:there' AS status FROM history",
        query_when="SELECT is_on FROM switches WHERE name = ':one'",
        query_else="SELECT order_id, 'else' AS status FROM history",
        timezone=UTC,
        lookback=timedelta(),
        lookback_rows=1000,
        batch=1000,
    )
    table.sources.append(source)

    def status() -> str:
        return source.sample(1).orders[0].status

    assert status() == "else"
    table.execute("INSERT INTO switches VALUES (:name, 'no')", {"name": ":one"})
    assert status() == "else"
    table.execute("UPDATE switches SET is_on = 'yes'")
    assert status() == "here:there"
    table.execute("UPDATE switches SET is_on = 'maybe'")
    with pytest.raises(SourceError, match="SYNCD_SOURCE__QUERY_WHEN gives neither yes nor no"):
        status()
