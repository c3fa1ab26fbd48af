"""Values of a database that are no text: what is clear is taken, and what is not costs its field alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from syncd.pipeline.poll import Poller
from syncd.sources.database import DatabaseSource
from syncd.state import State
from tests.servers import DROP_MARIADB, DROP_POSTGRESQL, execute, mariadb_url, postgresql_url, throw_away_database
from tests.sources.history import waiting
from tests.sources.shop import NOON


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with throw_away_database(postgresql_url(), DROP_POSTGRESQL) as url:
        yield url


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    with throw_away_database(mariadb_url(), DROP_MARIADB) as url:
        execute(url, "CREATE TABLE bits (a BIT(8), b BIT(1))", "INSERT INTO bits VALUES (b'01000001', b'0')")
        yield url


def read(url: str, status: str, message: str = "NULL", paid: str = "NULL") -> tuple[str, str | None, object, list[str]]:
    """Status, message and payment flag of an order whose columns are these expressions, and what was dropped."""
    query = f"SELECT 1 AS order_id, {status} AS status, {message} AS message, {paid} AS paid"
    with closing(
        DatabaseSource(url=url, query=query, timezone=UTC, lookback=timedelta(), lookback_rows=1000, batch=1000)
    ) as source:
        (order,) = source.sample(1).orders
    return order.status, order.message, order.content["paid"], [one.field for one in order.dropped]


@pytest.mark.parametrize(
    ("status", "message", "paid", "found"),
    [
        ("b'0'", "b'1'", "b'1'", ("0", "1", True, [])),
        ("(SELECT a FROM bits)", "NULL", "(SELECT b FROM bits)", ("65", None, False, [])),
        ("CAST('новый' AS BINARY)", "UNHEX('cdeee2fbe9')", "1.0", ("новый", None, True, ["message"])),
        ("CAST(5.00 AS DECIMAL(9, 2))", "CAST('9:05' AS TIME)", "'Y'", ("5", "09:05:00", True, [])),
        ("_cp1251 x'cdeee2fbe9'", "JSON_OBJECT('ru', 'Новый')", "true", ("Новый", None, True, ["message"])),
        ("'new'", "'a:1:{s:2:\"ru\";s:1:\"x\";}'", "2", ("new", None, None, ["paid", "message"])),
    ],
)  # fmt: skip
def test_mariadb(mariadb: str, status: str, message: str, paid: str, found: object) -> None:
    assert read(mariadb, status, message, paid) == found


@pytest.mark.parametrize(
    ("status", "message", "paid", "found"),
    [
        ("true", "5.00", "true", ("1", "5", True, [])),
        ("B'1'", "interval '9:05'", "B'0'", ("1", "09:05:00", False, [])),
        ("'cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195'::uuid", """'{"ru": "Новый"}'::jsonb""", "1",
         ("cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195", None, True, ["message"])),
        ("'\\x6e6577'::bytea", "'\\xff'::bytea", "'t'", ("new", None, True, ["message"])),
        ("to_jsonb('new'::text)", "ARRAY['T1']", "to_jsonb(true)", ("new", None, True, ["message"])),
        ("'new'::char(9)", "'NaN'::numeric", "ARRAY[1]", ("new", None, None, ["paid", "message"])),
        ("'new'", "'Infinity'::float8", "'maybe'", ("new", None, None, ["paid", "message"])),
        ("'24:00'::time", "'24:00+03'::timetz", "1", ("24:00:00", "24:00:00+03", True, [])),
        ("""'"new"'::json""", "repeat('9', 5000)::jsonb", "1", ("new", "9" * 5000, True, [])),
        ("'new'", f"'{'[' * 900}{']' * 900}'::jsonb", f"'{'[' * 3000}{']' * 3000}'::json",
         ("new", None, None, ["paid", "message"])),
        ("'new'", """' {"ru": 9}'::json""", f"'[{'9' * 5000}]'::json", ("new", None, None, ["paid", "message"])),
    ],
)  # fmt: skip
def test_postgresql(postgresql: str, status: str, message: str, paid: str, found: object) -> None:
    assert read(postgresql, status, message, paid) == found


@pytest.mark.parametrize(
    ("number", "order_id"),
    [
        ("CAST('A1' AS BINARY(8))", "A1"),
        ("CAST('A1' AS BINARY)", "A1"),
        ("UNHEX('cfe64e76dbc44f0fb9d17423aeb6f195')", "cfe64e76dbc44f0fb9d17423aeb6f195"),
    ],
)
def test_order_id_of_bytes_is_found(mariadb: str, number: str, order_id: str) -> None:
    query = f"SELECT {number} AS order_id, 'new' AS status"
    with closing(
        DatabaseSource(url=mariadb, query=query, timezone=UTC, lookback=timedelta(), lookback_rows=1000, batch=1000)
    ) as source:
        assert [order.order_id for order in source.find([order_id]).orders] == [order_id]


@pytest.mark.parametrize("tracking", ["'\"T1\"'::json", "'T1'::xml", "point(1, 2)"])
def test_what_postgresql_cannot_sort_is_followed(postgresql: str, tracking: str) -> None:
    query = f"SELECT 1 AS order_id, 'new' AS status, now() AS updated_at, {tracking} AS tracking_url"
    with closing(
        DatabaseSource(url=postgresql, query=query, timezone=UTC, lookback=timedelta(), lookback_rows=1000, batch=1000)
    ) as source:
        assert [order.status for page in source.changed("") for order in page.orders] == ["new"]


@pytest.mark.parametrize(
    ("status", "message", "paid", "found"),
    [
        ("x'6e6577'", "x'ff'", "1.0", ("new", None, True, ["message"])),
        ("5.0", "9e999", "0", ("5", None, False, ["message"])),
        ("'new'", "json_object('ru', 'x')", "'ja'", ("new", None, None, ["paid", "message"])),
    ],
)
def test_sqlite(tmp_path: Path, status: str, message: str, paid: str, found: object) -> None:
    sqlite3.connect(tmp_path / "shop.db").close()
    assert read(f"sqlite:///{tmp_path}/shop.db", status, message, paid) == found


QUERY = "SELECT id AS order_id, st AS status, tn AS tracking_url, paid, pay AS payment_id, u AS imshop_uuid FROM o"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE o (id PRIMARY KEY, st, tn, paid, pay, u)")
        yield connection


@pytest.fixture
def poller(shop: sqlite3.Connection, tmp_path: Path, memory: State) -> Iterator[Poller]:
    url = f"sqlite:///{tmp_path}/shop.db"
    with closing(
        DatabaseSource(url=url, query=QUERY, timezone=UTC, lookback=timedelta(), lookback_rows=1000, batch=1000)
    ) as source:
        yield Poller(source, memory.polls, lambda _status: "push", max_changes=5, lookback=timedelta())


def test_unreadable_fields_are_counted_but_no_change(shop: sqlite3.Connection, poller: Poller, memory: State) -> None:
    """They are counted in every compare."""
    shop.execute("INSERT INTO o VALUES ('1', 'new', 'T1', 1, 'p1', 'u1'), ('2', 'new', NULL, 0, NULL, NULL)")
    poller.poll(NOON)
    shop.execute("UPDATE o SET tn = '[1]', paid = 'maybe', u = x'ff' WHERE id = '1'")
    for _ in range(3):
        result = poller.poll(NOON)
        assert (result.dropped, result.dropped_from) == ({"tracking_url": 1, "paid": 1, "imshop_uuid": 1}, 1)
        assert (sum(result.found.values()), result.skipped) == (0, {})
    assert memory.polls.load(["1"])["1"].imshop_uuid == "u1"
    shop.execute("UPDATE o SET tn = 'T1', paid = 1, u = 'u1' WHERE id = '1'")
    assert (poller.poll(NOON).dropped_from, waiting(memory)) == (0, [])


def test_status_is_pushed_without_unreadable_fields(shop: sqlite3.Connection, poller: Poller, memory: State) -> None:
    shop.execute("INSERT INTO o VALUES ('1', 'new', NULL, 0, NULL, NULL)")
    poller.poll(NOON)
    shop.execute("UPDATE o SET st = 'paid', tn = '{}', paid = 2, pay = '{}'")
    assert poller.poll(NOON).dropped == {"tracking_url": 1, "paid": 1, "payment_id": 1}
    assert waiting(memory) == [("1", "paid")]


def test_field_readable_again_is_pushed_if_new(shop: sqlite3.Connection, poller: Poller, memory: State) -> None:
    shop.execute("INSERT INTO o VALUES ('1', 'new', '{}', 'maybe', NULL, NULL)")
    poller.poll(NOON)
    shop.execute("UPDATE o SET tn = 'T1'")
    poller.poll(NOON)
    assert waiting(memory) == [("1", "new")]
