"""An UPDATE that cancels, in real databases: it never finds another order than the one that is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from syncd.cancel.by_sql import SqlCanceller
from syncd.cancel.interface import NO_SUCH_ORDER
from syncd.errors import CancelError
from syncd.model import CancelDecision
from tests.cancel.shops import cancellation
from tests.servers import (
    DROP_MARIADB,
    DROP_POSTGRESQL,
    engine_of,
    execute,
    mariadb_database,
    mariadb_url,
    mysql_without_tls,
    postgresql_database,
    postgresql_url,
    postgresql_without_encoding,
    throw_away_database,
)

__all__ = ["mariadb_database", "postgresql_database"]

UPDATE = "UPDATE orders SET state = 'cancelled', why = :reason WHERE number = :order_id AND state = 'new'"
BY_KEY = "UPDATE orders SET state = 'cancelled' WHERE id = :shop_id"
ACCEPTED, REFUSED = CancelDecision("accepted"), CancelDecision("refused")
SHOPS = {
    "sqlite": ("sqlite", "", ""),
    "postgresql": ("postgresql", "", ""),
    "mariadb strict": ("mariadb", "STRICT_ALL_TABLES", "ENGINE=InnoDB"),
    "mariadb lax": ("mariadb", "", "ENGINE=InnoDB"),
    "mariadb lax MyISAM": ("mariadb", "", "ENGINE=MyISAM"),
    "mariadb strict MyISAM": ("mariadb", "STRICT_ALL_TABLES", "ENGINE=MyISAM"),
}


@pytest.fixture(scope="module")
def shared_mariadb() -> Iterator[str]:
    with throw_away_database(mariadb_url(), drop=DROP_MARIADB) as url:
        yield url


@pytest.fixture(scope="module")
def shared_postgresql() -> Iterator[str]:
    with throw_away_database(postgresql_url(), drop=DROP_POSTGRESQL) as url:
        yield url


@pytest.fixture(params=SHOPS)
def shop_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Orders with a number as text and a key that is a number: 2, 7 and 1000, and one each that are like them."""
    kind, mode, engine = SHOPS[request.param]
    url = f"sqlite:///{tmp_path}/shop.db" if kind == "sqlite" else str(request.getfixturevalue(f"shared_{kind}"))
    if kind == "mariadb":
        url += f"?sql_mode={mode}" if mode else "?sql_mode="
    execute(
        url,
        "DROP TABLE IF EXISTS orders",
        f"CREATE TABLE orders (id INT PRIMARY KEY, number VARCHAR(20), state VARCHAR(20), why VARCHAR(200)) {engine}",
        "INSERT INTO orders VALUES (2, '7', 'new', NULL), (7, '8', 'new', NULL), (1000, 'a1', 'new', NULL)",
    )
    return url


def states(url: str) -> dict[int, str]:
    with engine_of(url).connect() as connection:
        return {row.id: row.state for row in connection.execute(text("SELECT id, state FROM orders"))}


@contextmanager
def shop(url: str, statement: str = UPDATE, seconds: float = 5) -> Iterator[SqlCanceller]:
    made = SqlCanceller(url, statement, seconds, str)
    try:
        yield made
    finally:
        made.close()


def failure(shop: SqlCanceller, seconds: float = 5.0, **given: Any) -> CancelError:
    with pytest.raises(CancelError) as caught:
        shop.cancel(cancellation(**given), seconds)
    return caught.value


@pytest.mark.parametrize("end", [";", "; -- it's :uuid;", " /* a; */ ; -- b"])
def test_statement_may_have_any_ending_and_texts(shop_url: str, end: str) -> None:
    """Semicolons, comments, percent signs and placeholders in its texts do no harm."""
    hash_sign = " # c'" if "mysql" in shop_url else ""
    update = f"UPDATE orders SET state = 'at 50% %(x)s :uuid' WHERE id % 10 = 2 AND number = :order_id{end}{hash_sign}"
    with shop(shop_url, update) as by_number:
        by_number.log_in()
        assert by_number.cancel(cancellation("7"), 5) == ACCEPTED
    assert states(shop_url)[2] == "at 50% %(x)s :uuid"


def test_changed_rows_accept_and_none_refuse(shop_url: str) -> None:
    with shop(shop_url) as by_number:
        assert by_number.cancel(cancellation(reason="x'; DROP TABLE orders; --"), 5) == ACCEPTED
        assert by_number.cancel(cancellation(), 5) == REFUSED
    assert states(shop_url) == {2: "cancelled", 7: "new", 1000: "new"}


@pytest.mark.parametrize(
    "named",
    ["2-1", "2abc", " 2", "2 ", "2.0", "2e0", "1e3", "0x2", "+2", "02", "２", "99999999999999999999", "-", "7' OR 1=1"],
)
def test_key_must_match_as_a_whole(shop_url: str, named: str) -> None:
    with shop(shop_url, BY_KEY) as by_key:
        assert by_key.cancel(cancellation(shop_id=named), 5) == NO_SUCH_ORDER
    assert set(states(shop_url).values()) == {"new"}


def test_a_key_that_is_a_number_finds_it(shop_url: str) -> None:
    with shop(shop_url, BY_KEY) as by_key:
        assert by_key.cancel(cancellation(shop_id="1000"), 5) == ACCEPTED
    assert states(shop_url) == {2: "new", 7: "new", 1000: "cancelled"}


@pytest.mark.parametrize("named", ["A1", "7 ", "07", "7.0", "Ж", "a1\U0001f600", "x" * 500])
def test_a_number_is_found_letter_for_letter(shop_url: str, named: str) -> None:
    with shop(shop_url) as by_number:
        assert by_number.cancel(cancellation(named), 5) == NO_SUCH_ORDER
    assert set(states(shop_url).values()) == {"new"}


def test_a_number_of_any_type_is_found_in_sqlite(tmp_path: Path) -> None:
    """COALESCE(number, id) is text in one row and an integer in the next, and SQLite takes 3 and '3' for two values."""
    url = f"sqlite:///{tmp_path}/shop.db"
    rows = "INSERT INTO orders VALUES (1, 'W-1', 'new', NULL), (3, NULL, 'new', NULL)"
    execute(url, "CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT, state TEXT, why TEXT)", rows)
    update = "UPDATE orders SET state = 'cancelled' WHERE COALESCE(number, id) = :order_id"
    canceller = SqlCanceller(url, update, 5, str)
    assert [canceller.cancel(cancellation(number), 5) for number in ("W-1", "3")] == [ACCEPTED, ACCEPTED]
    assert canceller.cancel(cancellation("1"), 5) == NO_SUCH_ORDER


@pytest.mark.parametrize(("named", "decided"), [("0000007", ACCEPTED), ("7", ACCEPTED), ("007", NO_SUCH_ORDER)])
def test_zeros_of_zerofill_are_part_of_a_number(shared_mariadb: str, named: str, decided: CancelDecision) -> None:
    """The order is known with them, unless the query takes them off."""
    execute(
        shared_mariadb,
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (id INT, number INT(7) ZEROFILL, state VARCHAR(20), why VARCHAR(20))",
        "INSERT INTO orders VALUES (1, 7, 'new', NULL), (2, 70, 'new', NULL)",
    )
    with shop(shared_mariadb) as by_number:
        by_number.log_in()
        assert by_number.cancel(cancellation(named), 5) == decided
    assert states(shared_mariadb) == {1: "cancelled" if decided == ACCEPTED else "new", 2: "new"}


def test_serialized_value_as_number_is_refused(shop_url: str) -> None:
    execute(shop_url, "UPDATE orders SET number = 'b:0;'")
    with shop(shop_url) as by_number:
        assert by_number.cancel(cancellation("b:0;"), 5) == NO_SUCH_ORDER


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET state = 'cancelled' WHERE :shop_id = orders.id",
        "UPDATE orders SET state = 'cancelled' WHERE id IN (:shop_id)",
        "UPDATE orders SET state = 'cancelled' WHERE number IN (SELECT '7' FROM orders o WHERE o.id = :shop_id)",
        "UPDATE orders SET state = ':shop_id' WHERE id = :shop_id -- :uuid",
    ],
)
def test_a_comparison_may_be_written_in_other_ways(shop_url: str, statement: str) -> None:
    if "SELECT" in statement and "mysql" in shop_url:
        pytest.skip("MariaDB does not update what it selects from")
    with shop(shop_url, statement) as by_key:
        assert by_key.cancel(cancellation(shop_id="2-1"), 5) == NO_SUCH_ORDER
        assert by_key.cancel(cancellation(shop_id="2"), 5) == ACCEPTED
    assert states(shop_url)[2] != "new"


def test_orders_equal_by_collation_are_not_changed(mariadb_database: str) -> None:
    execute(
        mariadb_database,
        "CREATE TABLE orders (number VARCHAR(20), state VARCHAR(20), why TEXT) COLLATE utf8mb4_general_ci",
        "INSERT INTO orders VALUES ('a1', 'new', NULL), ('A1', 'new', NULL)",
    )
    with shop(mariadb_database) as by_number:
        assert "other orders have the order_id 'a1' too" in str(failure(by_number, order_id="a1"))


def test_padded_column_matches_the_number(postgresql_database: str) -> None:
    execute(
        postgresql_database,
        "CREATE TABLE orders (number CHAR(9), state TEXT, why TEXT)",
        "INSERT INTO orders VALUES ('7', 'new', NULL)",
    )
    with shop(postgresql_database) as by_number:
        assert by_number.cancel(cancellation("7"), 5) == ACCEPTED


def test_order_lacking_a_compared_value_fails(shop_url: str) -> None:
    with shop(shop_url, "UPDATE orders SET state = 'cancelled' WHERE number = :uuid") as by_uuid:
        error = failure(by_uuid, uuid=None)
    assert "order 7 has no uuid, and SYNCD_CANCEL__SQL asks for it" in str(error)


def test_a_uuid_is_the_same_in_capitals(postgresql_database: str) -> None:
    uuid = "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195"
    execute(
        postgresql_database, "CREATE TABLE orders (u UUID, state TEXT)", f"INSERT INTO orders VALUES ('{uuid}', 'new')"
    )
    with shop(postgresql_database, "UPDATE orders SET state = 'cancelled' WHERE u = :uuid") as by_uuid:
        assert by_uuid.cancel(cancellation(uuid="no uuid"), 5) == NO_SUCH_ORDER
        assert by_uuid.cancel(cancellation(uuid=uuid.upper()), 5) == ACCEPTED


def test_statement_does_not_run_without_its_number(tmp_path: Path) -> None:
    with shop(f"sqlite:///{tmp_path}/no/such/shop.db") as by_number:
        assert by_number.cancel(cancellation(None), 5) == NO_SUCH_ORDER


def test_a_database_that_is_not_there_decides_nothing(tmp_path: Path) -> None:
    with shop(f"sqlite:///{tmp_path}/no/such/shop.db") as by_number:
        error = failure(by_number)
    assert "unable to open database file" in str(error)
    assert not error.in_doubt


def test_database_without_encoding_takes_the_update() -> None:
    with postgresql_without_encoding() as url:
        orders = "CREATE TABLE orders AS SELECT text 'Ж7' AS number, text 'new' AS state, text '' AS why"
        execute(f"{url}?client_encoding=utf8", orders)
        with shop(url) as by_number:
            assert by_number.cancel(cancellation("Ж7"), 5) == ACCEPTED


def test_package_that_the_driver_lacks_is_a_failure() -> None:
    with mysql_without_tls() as url, shop(url) as unreachable:
        assert "did not take the UPDATE" in str(failure(unreachable))


def test_an_update_that_is_wrong_decides_nothing(shop_url: str) -> None:
    with shop(shop_url, "UPDATE orders SET nowhere = 1 WHERE number = :order_id") as wrong:
        assert "nowhere" in str(failure(wrong))


def test_locked_row_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path, isolation_level=None) as other, shop(f"sqlite:///{path}", seconds=1) as by_number:
        other.execute("CREATE TABLE orders (number, state, why)")
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in str(failure(by_number))
        other.execute("ROLLBACK")


def test_late_update_is_rolled_back(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path, isolation_level=None) as other, shop(f"sqlite:///{path}", seconds=1) as by_number:
        other.execute("CREATE TABLE orders (number, state, why)")
        other.execute("INSERT INTO orders VALUES ('7', 'new', NULL)")
        assert "was undone" in str(failure(by_number, seconds=-1))
        assert other.execute("SELECT state FROM orders").fetchall() == [("new",)]


def test_the_look_ups_are_tried_beforehand(shop_url: str) -> None:
    with shop(shop_url) as well, shop(shop_url, "UPDATE orders SET state = 'x' WHERE nummer = :order_id") as wrong:
        well.log_in()
        with pytest.raises(CancelError, match="nummer"):
            wrong.log_in()
