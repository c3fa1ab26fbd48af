"""Polls of a real table: a payment that is taken back, and a column that comes from elsewhere than before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from syncd.model import Payment
from syncd.poll import Poller
from syncd.sources import DatabaseSource
from syncd.staging import PollResult
from syncd.state import State
from tests.made import NOON

QUERY = "SELECT id AS order_id, st AS status, paid, pay AS payment_id, no AS tracking_number, upd AS updated_at FROM o"
MINUTE = timedelta(minutes=1)


class Shop:
    """A table of orders in SQLite, and the polls of it, each a minute after the one before."""

    def __init__(self, folder: Path, state: State) -> None:
        self.url = f"sqlite:///{folder}/shop.db"
        self.state = state
        self.at = NOON
        self.lookback = 5 * MINUTE
        self.database = sqlite3.connect(folder / "shop.db", isolation_level=None)
        self.database.execute("CREATE TABLE o (id TEXT, st TEXT, paid INT, pay TEXT, no TEXT, no2 TEXT, upd TEXT)")

    def order(self, order_id: str, **columns: str | int | None) -> None:
        row = {"st": "new", "paid": 1, "pay": "p7", "no": None, "no2": None, **columns, "upd": self.at.isoformat()}
        self.database.execute("DELETE FROM o WHERE id = ?", [order_id])
        self.database.execute(
            f"INSERT INTO o (id, {', '.join(row)}) VALUES (?{', ?' * len(row)})", [order_id, *row.values()]
        )

    def poll(self, query: str = QUERY) -> PollResult:
        self.at += MINUTE
        source = DatabaseSource(
            url=self.url,
            query=query,
            timezone=UTC,
            lookback=self.lookback,
            tracking_template=None,
            clock=lambda: self.at,
        )
        with closing(source):
            return Poller(source, self.state, lambda _status: "push", 0, self.lookback).poll(self.at)

    def told(self) -> list[tuple[str, str, Payment | None]]:
        """What is sent now, and taken."""
        pushes = self.state.turn([], 100, None, self.at)
        return [(push.order_id, push.status, push.payment) for push in pushes]


@pytest.fixture
def shop(tmp_path: Path, memory: State) -> Iterator[Shop]:
    shop = Shop(tmp_path, memory)
    shop.order("A1")
    shop.order("A2")
    shop.poll()
    yield shop
    shop.database.close()


def test_a_payment_that_is_back_soon_is_told_to_nobody(shop: Shop) -> None:
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


def test_a_status_that_comes_with_it_goes_out_at_once(shop: Shop) -> None:
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


def test_an_order_that_vanished_unpaid_is_looked_for_once(shop: Shop) -> None:
    shop.order("A1", paid=0)
    shop.poll()
    shop.database.execute("DELETE FROM o WHERE id = 'A1'")
    shop.poll()
    assert shop.state.to_look_at(shop.at) == []
    shop.order("A1", paid=0)
    shop.poll()
    shop.poll()
    assert shop.told() == [("A1", "new", Payment(paid=False, payment_id=None))]
