"""Polls of a real table: a payment that is taken back, and a column that comes from elsewhere than before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from syncd.errors import SourceError
from syncd.model import Page, Payment
from syncd.pipeline.poll import Poller
from syncd.pipeline.staging import PollResult
from syncd.sources.columns import NO_KEYS
from syncd.sources.database import DatabaseSource
from syncd.sql import grammar_of, select_items
from syncd.state import State
from tests.made import NOON
from tests.state.made import outcome, take, write_down

QUERY = "SELECT id AS order_id, st AS status, paid, pay AS payment_id, no AS tracking_number, upd AS updated_at FROM o"
SQLITE = grammar_of("sqlite://")
MINUTE = timedelta(minutes=1)


class Shop:
    """A table of orders in SQLite, and the polls of it, each a minute after the one before."""

    def __init__(self, folder: Path, state: State) -> None:
        self.url = f"sqlite:///{folder}/shop.db"
        self.state = state
        self.at = NOON
        self.lookback = 5 * MINUTE
        self.max_changes = 5000
        self.database = sqlite3.connect(folder / "shop.db", isolation_level=None)
        self.database.execute("CREATE TABLE o (id TEXT, st TEXT, paid INT, pay TEXT, no TEXT, no2 TEXT, upd TEXT)")

    def order(self, order_id: str, **columns: str | int | None) -> None:
        row = {"st": "new", "paid": 1, "pay": "p7", "no": None, "no2": None, **columns, "upd": self.at.isoformat()}
        self.database.execute("DELETE FROM o WHERE id = ?", [order_id])
        self.database.execute(
            f"INSERT INTO o (id, {', '.join(row)}) VALUES (?{', ?' * len(row)})", [order_id, *row.values()]
        )

    def poll(self, query: str = QUERY, *, full: bool = False) -> PollResult:
        self.at += MINUTE
        source = DatabaseSource(
            url=self.url,
            query=query,
            timezone=UTC,
            lookback=self.lookback,
            lookback_rows=1000,
            batch=1000,
            tracking_template="https://t.example/{tracking_number}",
            clock=lambda: self.at,
        )
        with closing(source):
            places = {
                "status": select_items(query, "status", SQLITE),
                "tracking": select_items(query, "tracking_number", SQLITE),
            }
            columns = {column: str(where) for column, where in places.items() if where}
            poller = Poller(
                source, self.state.polls, lambda _status: "push", self.max_changes, self.lookback, columns=columns
            )
            return (poller.reconcile if full else poller.poll)(self.at)

    def told(self) -> list[tuple[str, str, Payment | None]]:
        """What is sent now, and taken."""
        pushes = take(self.state, now=self.at)
        write_down(self.state, *(outcome(push, now=self.at) for push in pushes), now=self.at)
        return [(push.order_id, push.status, push.payment) for push in pushes]


@pytest.fixture
def shop(tmp_path: Path, memory: State) -> Iterator[Shop]:
    shop = Shop(tmp_path, memory)
    shop.order("A1")
    shop.order("A2")
    shop.poll()
    yield shop
    shop.database.close()


def test_payment_that_soon_returns_pushes_nothing(shop: Shop) -> None:
    shop.order("A1", paid=0)
    shop.poll()
    shop.order("A1", paid=1)
    shop.poll()
    shop.poll()
    assert shop.told() == []


def test_a_payment_that_stays_away_is_told_once(shop: Shop) -> None:
    shop.order("A1", paid=0)
    shop.poll()
    assert shop.told() == []
    shop.poll()
    assert shop.told() == [("A1", "new", Payment(paid=False, payment_id=None))]
    shop.poll()
    assert shop.told() == []


class Unfindable(DatabaseSource):
    """Shows an order among all, but not by its number, and all of each at once, as some APIs do."""

    scans_whole = True

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str] = NO_KEYS) -> Page:
        return Page([], [])


def test_full_compare_confirms_what_cannot_be_looked_up(shop: Shop) -> None:
    """A revoked payment is confirmed by a full compare if the source cannot find the order by its number."""
    shop.at += MINUTE
    shop.order("A2")
    shop.poll()
    shop.database.execute("UPDATE o SET paid = 0 WHERE id = 'A1'")  # the cursor does not bring it
    for _ in range(2):
        shop.at += MINUTE
        with closing(
            Unfindable(url=shop.url, query=QUERY, timezone=UTC, lookback=timedelta(), lookback_rows=1000, batch=1000)
        ) as source:
            Poller(source, shop.state.polls, lambda _status: "push", 5000, timedelta()).reconcile(shop.at)
            Poller(source, shop.state.polls, lambda _status: "push", 5000, timedelta()).poll(shop.at + MINUTE / 2)
    assert shop.told() == [("A1", "new", Payment(paid=False, payment_id=None))]


def test_status_beside_a_revoked_payment_is_pushed_immediately(shop: Shop) -> None:
    """The payment itself waits for a second poll."""
    shop.order("A1", paid=0, st="packed")
    shop.poll()
    assert shop.told() == [("A1", "packed", None)]


def test_it_is_looked_at_again_behind_the_lookback(shop: Shop) -> None:
    shop.lookback = timedelta()
    shop.order("A1", paid=0)
    shop.poll()
    shop.order("A2", st="packed")
    shop.poll()
    assert sorted(shop.told()) == [("A1", "new", Payment(paid=False, payment_id=None)), ("A2", "packed", None)]


def test_vanished_unpaid_order_is_looked_up_once(shop: Shop) -> None:
    shop.order("A1", paid=0)
    shop.poll()
    shop.database.execute("DELETE FROM o WHERE id = 'A1'")
    shop.poll()
    assert shop.state.polls.orders_to_compare(shop.at) == []
    shop.order("A1", paid=0)
    shop.poll()
    shop.poll()
    assert shop.told() == [("A1", "new", Payment(paid=False, payment_id=None))]


OTHER_TRACKING = QUERY.replace("no AS", "COALESCE(no2, no) AS")
OTHER_STATUSES = QUERY.replace("st AS", "'wc-' || st AS")


def test_a_column_from_elsewhere_tells_nobody(shop: Shop) -> None:
    shop.order("A1", no="T1", no2="T2")
    shop.poll()
    shop.told()
    shop.at += timedelta(hours=1)  # behind the lookback
    assert shop.poll(OTHER_TRACKING).redefined == ["tracking"]
    assert shop.told() == []
    shop.order("A1", no="T1", no2="T3")
    assert shop.poll(OTHER_TRACKING).redefined == ()
    assert shop.told() == [("A1", "new", None)]


def test_a_status_that_changed_meanwhile_is_told(shop: Shop) -> None:
    shop.order("A1", st="packed", no2="T2")
    shop.poll(OTHER_TRACKING)
    assert shop.told() == [("A1", "packed", None)]


def test_state_without_recorded_columns_pushes_what_changed(shop: Shop) -> None:
    """Earlier versions recorded no columns in the state."""
    shop.order("A3")
    shop.poll()
    shop.told()
    shop.database.execute("UPDATE o SET no = 'T1' WHERE id = 'A3'")
    with shop.state.store.write() as connection:
        connection.execute(text("DELETE FROM facts WHERE name = 'columns'"))
    shop.order("A1", no="T1", st="packed")
    shop.order("A2", no="T1")
    assert shop.poll().redefined == ()
    assert sorted(shop.told()) == [("A1", "packed", None), ("A2", "new", None)]
    assert shop.poll().redefined == ()
    assert shop.told() == []


def test_a_compare_that_failed_is_made_again(shop: Shop) -> None:
    shop.order("A1", no="T1", no2="T2")
    shop.poll()
    shop.told()
    shop.at += timedelta(hours=1)
    shop.database.execute("ALTER TABLE o RENAME TO away")
    with pytest.raises(SourceError):
        shop.poll(OTHER_TRACKING)
    shop.database.execute("ALTER TABLE away RENAME TO o")
    assert shop.poll(OTHER_TRACKING).redefined == ["tracking"]
    assert shop.told() == []


def test_statuses_in_other_words_are_held(shop: Shop) -> None:
    for number in range(20):
        shop.order(f"B{number}")
    shop.poll()
    shop.told()
    shop.at += timedelta(hours=1)
    result = shop.poll(OTHER_STATUSES)
    assert (result.redefined, result.held) == (["status"], 22)
    assert shop.told() == []
    shop.order("A1", st="packed")
    shop.poll(OTHER_STATUSES)
    assert shop.told() == [("A1", "wc-packed", None)]


def test_statuses_alone_in_other_words_are_held(shop: Shop) -> None:
    statuses_alone = "SELECT id AS order_id, st AS status, upd AS updated_at FROM o"
    for number in range(22):
        shop.order(f"B{number}")
    with shop.state.store.write() as connection:
        connection.execute(text("DELETE FROM facts WHERE name = 'columns'"))
    shop.poll(statuses_alone)
    shop.told()
    result = shop.poll(statuses_alone.replace("st AS", "'wc-' || st AS"))
    assert (result.redefined, result.held) == (["status"], 24)


def test_column_absent_for_a_while_is_followed_again(shop: Shop) -> None:
    shop.order("A1", no="T1")
    shop.poll()
    shop.told()
    shop.at += timedelta(hours=1)
    shop.order("A2")
    shop.poll()  # A1 is behind the lookback
    shop.poll(QUERY.replace("no AS tracking_number, ", ""))
    shop.order("A1", no="T2")
    assert shop.poll().redefined == ()
    assert shop.told() == [("A1", "new", None)]


def test_statuses_in_other_words_are_counted_together(shop: Shop) -> None:
    """Those that the lookback shows too: eight here, and eight behind it."""
    for number in range(6):
        shop.order(f"old{number}")
    shop.at += timedelta(hours=1)
    for number in range(8):
        shop.order(f"new{number}")
    shop.poll()
    shop.told()
    assert shop.poll(OTHER_STATUSES).held == 16
    assert shop.told() == []


def test_full_compare_after_an_upgrade_pushes_changes(shop: Shop) -> None:
    shop.order("A1", paid=0, pay=None)
    shop.poll()
    shop.poll()
    shop.told()
    with shop.state.store.write() as connection:
        connection.execute(text("DELETE FROM facts WHERE name = 'columns'"))
    shop.at += timedelta(hours=1)
    shop.order("A1", paid=1, pay="p8")
    shop.poll(full=True)
    assert shop.told() == [("A1", "new", Payment(paid=True, payment_id="p8"))]
