"""What a shop's database can have in store for whoever reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.dialects import registry

from syncd.errors import SourceError
from syncd.sources.database.database_source import DatabaseSource
from syncd.sources.database.dialects import Dialect
from syncd.sources.database.query import OrdersQuery
from syncd.sql import grammar_of
from tests.servers import mysql_without_tls, postgresql_without_encoding
from tests.sources.conftest import OpenShop
from tests.sources.shop import (
    DATINGS,
    MOSCOW,
    NOON,
    Dating,
    Shop,
    ids,
    iso,
    polled,
    rows_read,
    scanned,
    skipped,
    start,
    wall,
)

LOCAL = wall("%Y-%m-%d %H:%M:%S")
MINUTE = timedelta(minutes=1)


class SourceOf(Protocol):
    """Opens a database by its URL."""

    def __call__(self, url: str, query: str = ..., *, init_sql: str | None = None) -> DatabaseSource: ...


@pytest.fixture
def source_of() -> Iterator[SourceOf]:
    with ExitStack() as opened:

        def source(
            url: str, query: str = "SELECT 1 AS order_id, 2 AS status", *, init_sql: str | None = None
        ) -> DatabaseSource:
            made = DatabaseSource(
                url=url,
                query=query,
                timezone=MOSCOW,
                lookback=5 * MINUTE,
                lookback_rows=1000,
                batch=1000,
                init_sql=init_sql,
            )
            opened.callback(made.close)
            return made

        yield source


# --- the query


@pytest.mark.parametrize(
    "end",
    [";", " ; ;\n", " -- all of them", "; -- all; of them\n/* really */ ;", " -- '", "\n/* a; b */"],
)
def test_query_may_end_in_semicolons_and_comments(any_shop: Shop, end: str) -> None:
    any_shop.add(("A;--", "new", NOON))
    source = any_shop.source("SELECT order_id, status, updated_at FROM orders WHERE order_id <> ';--'" + end)
    assert ids(polled(source, start(source))[0]) == ["A;--"]


def test_query_may_contain_percent_signs_and_colons(any_shop: Shop) -> None:
    any_shop.add(("A", "new", NOON), ("B", "old", NOON))
    source = any_shop.source(
        "SELECT order_id, status, updated_at, '%s :x 12:30' AS message FROM orders WHERE status LIKE 'n%'"
    )
    assert [order.message for order in source.find(["A", "B"]).orders] == ["%s :x 12:30"]
    assert ids(polled(source, start(source))[0]) == ["A"]


def test_a_query_may_use_since_itself(shop: Shop) -> None:
    shop.add(("A", "new", NOON - 90 * MINUTE), ("B", "new", NOON), ("C", "new", NOON + 30 * MINUTE))
    source = shop.source("SELECT order_id, status, updated_at FROM orders WHERE updated_at >= :since")
    cursor = start(source)
    assert ids(source.find(["A", "B"]).orders) == ["A", "B"]
    assert ids(polled(source, cursor)[0]) == ["B", "C"]


def test_column_names_are_case_insensitive(any_shop: Shop) -> None:
    any_shop.add(("A", "new", NOON))
    columns = any_shop.source("SELECT order_id AS Order_ID, status AS STATUS, 1 AS colour FROM orders").columns()
    assert (columns.used, columns.compared, columns.ignored) == (("order_id", "status"),) * 2 + (["colour"],)


def test_without_updated_at_there_is_no_cursor(any_shop: Shop) -> None:
    source = any_shop.source("SELECT order_id, status FROM orders")
    any_shop.add(("A", "new", NOON))
    scan = source.scan(whole=True)
    assert not source.has_cursor()
    assert ids(scan.read([row for block in scan.blocks() for row in block]).orders) == ["A"]
    assert scan.newest() is None


def test_an_index_on_the_cursor_column_is_used(shop: Shop) -> None:
    shop.add(*((str(number), "new", NOON - number * MINUTE) for number in range(3000)))
    shop.execute("ANALYZE TABLE orders" if shop.dating.server == "mariadb" else "ANALYZE")
    statement = shop.source().query_schema().changed(shop.raw(NOON))
    explain = "EXPLAIN QUERY PLAN " if shop.dating.server == "sqlite" else "EXPLAIN "
    with shop.engine.connect() as connection:
        compiled = statement.compile(shop.engine)
        values = compiled.params
        bound = tuple(values[name] for name in compiled.positiontup or ()) if compiled.positional else values
        plan = str(connection.exec_driver_sql(explain + str(compiled), bound).all())
    assert "orders_updated_at" in plan


@pytest.mark.parametrize("backend", ["mssql+pymssql", "oracle+oracledb"])
def test_statements_suit_oracle_and_sql_server(backend: str) -> None:
    """Neither database runs in the tests, so the statements are only compiled."""
    dialect = registry.load(backend.replace("+", "."))()
    names = {name: name for name in ("order_id", "status", "updated_at")}
    query = OrdersQuery("SELECT * FROM o", grammar_of(backend), names)
    changed = str(query.changed(["order_id"], ["updated_at", "order_id"], NOON, bounded=True).compile(dialect=dialect))
    newest = str(query.newest(["order_id"], "updated_at", 5, None).compile(dialect=dialect))
    assert "CAST" not in changed
    assert "WHERE orders_.updated_at >= " in changed
    assert "ORDER BY orders_.updated_at, orders_.order_id" in changed
    assert "TOP" in newest if "mssql" in backend else "FETCH FIRST" in newest or "ROWNUM" in newest


def test_learning_reads_no_rows_of_dates(open_shop: OpenShop) -> None:
    """A poll reads them, where no index leads to the newest; learning need not, at each start of each command."""
    shop = open_shop(Dating("mariadb", "DATETIME", LOCAL))
    shop.add(*((str(number), "new", NOON - number * MINUTE) for number in range(3000)))
    shop.execute("DROP INDEX orders_updated_at ON orders")
    cursor = start(shop.source())
    source = shop.source()
    assert source.has_cursor()
    assert rows_read(source) < 10
    assert len(polled(source, cursor)[0]) == 6
    assert rows_read(source) < 3050


def test_learning_reads_no_rows_of_numbers(open_shop: OpenShop) -> None:
    shop = open_shop(Dating("mariadb", "DATETIME", LOCAL))
    shop.add(*((str(number), "new", NOON) for number in range(3000)))
    for number in ("CAST(order_id AS SIGNED)", "order_id * 1.5", "LENGTH(order_id)"):
        source = shop.source(f"SELECT order_id, status, {number} AS sequence FROM orders")
        assert source.has_cursor()
        assert rows_read(source) < 10


# --- rows


def test_text_outside_utf_8_spoils_no_other_row(open_shop: OpenShop) -> None:
    shop = open_shop(Dating("sqlite", "TEXT", LOCAL))
    shop.add(*((f"{number:04}", "new", NOON) for number in range(3000)))
    shop.execute("UPDATE orders SET status = CAST(x'ff41' AS TEXT) WHERE order_id = '2500'")
    source = shop.source()
    rows = scanned(source)
    assert [row[0] for row in rows] == [f"{number:04}" for number in range(3000)]
    assert rows[2500][1] == "\ufffdA"
    assert len(polled(source, start(source))[0]) == 3000


def test_timestamps_beyond_python_skip_their_row_alone(open_shop: OpenShop) -> None:
    for column in ("timestamp", "timestamptz", "date"):
        shop = open_shop(Dating("postgresql", column, iso))
        shop.add(("A", "new", NOON), ("B", "new", NOON), ("C", "new", NOON), ("D", "new", NOON))
        shop.execute("UPDATE orders SET updated_at = 'infinity' WHERE order_id = 'B'")
        shop.execute("UPDATE orders SET updated_at = '12345-01-01' WHERE order_id = 'C'")
        shop.execute("UPDATE orders SET updated_at = '0044-03-15 BC' WHERE order_id = 'D'")
        source = shop.source()
        cursor = start(source)
        assert ids(polled(source, cursor)[0]) == ["A"]
        assert skipped(source.changed(cursor)) == [("bad_timestamp", "C"), ("bad_timestamp", "B")]
        assert [order.updated_at for order in source.find(["B", "C", "D"]).orders] == [None] * 3


def test_a_zero_date_is_no_timestamp(open_shop: OpenShop) -> None:
    shop = open_shop(Dating("mariadb", "DATETIME", LOCAL))
    shop.add(("A", "new", NOON), ("B", "new", NOON))
    shop.execute("UPDATE IGNORE orders SET updated_at = 0 WHERE order_id = 'B'")
    source = shop.source()
    assert ids(polled(source, start(source))[0]) == ["A"]
    assert [order.updated_at for order in source.find(["B"]).orders] == [None]


def test_unreadable_timestamp_is_skipped_and_quoted(open_shop: OpenShop) -> None:
    shop = open_shop(Dating("sqlite", "TEXT", LOCAL))
    shop.add(("A", "new", NOON), ("B", "new", NOON))
    shop.execute("UPDATE orders SET updated_at = 'yesterday' WHERE order_id = 'B'")
    source = shop.source()
    (page,) = source.changed(start(source))
    assert ids(page.orders) == ["A"]
    assert "order B: updated_at 'yesterday' cannot be read as a time" in page.skipped[0].detail


def test_find_matches_ids_exactly(any_shop: Shop) -> None:
    any_shop.add(("007", "new", NOON), ("7", "new", NOON))
    assert ids(any_shop.source().find(["007", "x' OR '1'='1"]).orders) == ["007"]
    whole = "INTEGER" if any_shop.dating.server != "mariadb" else "SIGNED"
    numbers = any_shop.source(f"SELECT CAST(order_id AS {whole}) AS order_id, status FROM orders WHERE order_id = '7'")
    assert ids(numbers.find(["7"]).orders) == ["7"]
    assert ids(numbers.find(["007", "seven"]).orders) == []


@pytest.mark.parametrize(
    ("column", "there", "not_there"),
    [
        ("bigint", "7", "99999999999999999999"),
        ("numeric(10, 2)", "7", "seven"),
        ("uuid", "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195", "7"),
        ("bytea", "7", "8"),
        ("double precision", "7", "x"),
    ],
)
def test_ids_of_any_type_are_found(open_shop: OpenShop, column: str, there: str, not_there: str) -> None:
    shop = open_shop(Dating("postgresql", "timestamp", LOCAL))
    shop.add((there, "new", NOON))
    shop.execute(f"ALTER TABLE orders ALTER COLUMN order_id TYPE {column} USING order_id::{column}")
    assert ids(shop.source().find([there, not_there]).orders) == [there]


def test_ids_of_several_types_in_one_column_are_found(open_shop: OpenShop) -> None:
    """SQLite has no type for a column: a number that only some orders have gives text and integers."""
    shop = open_shop(Dating("sqlite", "TEXT", LOCAL))
    values = "(1), ('W-2'), (3.5), (X'4135'), ('007'), (CAST('9' AS TEXT))"
    source = shop.source(f"SELECT column1 AS order_id, 'new' AS status FROM (VALUES {values})")
    asked = ["1", "W-2", "3.5", "A5", "007", "9"]
    assert sorted(ids(source.find(asked).orders)) == sorted(asked)
    assert ids(source.find(["7", "0", "-1", "9" * 400]).orders) == []


def test_leading_zeros_of_zerofill_survive(open_shop: OpenShop) -> None:
    shop = open_shop(Dating("mariadb", "DATETIME", LOCAL))
    shop.add(("7", "new", NOON), ("123456789", "new", NOON))
    shop.execute("ALTER TABLE orders MODIFY order_id INT(8) ZEROFILL")
    source = shop.source()
    (page,) = source.changed(start(source))
    assert sorted(ids(page.orders)) == ["00000007", "123456789"]
    (row, _) = [row for block in source.scan(whole=False).blocks() for row in block]
    assert ids(source.look_up([row[0]]).orders) == ids(source.find(["00000007", "7"]).orders) == ["00000007"]


def test_an_empty_shop_is_searched_in_vain(any_shop: Shop) -> None:
    assert any_shop.source().find(["7"]).orders == []
    assert any_shop.source().sample(5).orders == []


def test_a_sample_shows_what_changed_last(shop: Shop) -> None:
    shop.add(("A", "new", NOON - MINUTE), ("B", "new", NOON), ("C", "new", None))
    assert ids(shop.source().sample(1).orders) == ["B"]


# --- the connection


def test_the_session_cannot_write(any_shop: Shop, source_of: SourceOf) -> None:
    any_shop.add(("A", "new", NOON))
    source = source_of(any_shop.url, "SELECT order_id, status FROM orders", init_sql="DELETE FROM orders")
    with pytest.raises(SourceError, match="refused SYNCD_SOURCE__INIT_SQL"):
        source.columns()
    assert ids(any_shop.source().find(["A"]).orders) == ["A"]


@pytest.mark.parametrize(
    ("server", "init_sql", "asked"),
    [
        ("sqlite", "PRAGMA cache_size = 500; PRAGMA busy_timeout = 77", "(SELECT timeout FROM pragma_busy_timeout)"),
        ("mariadb", "SET @a = 70; SET @b = 7", "@a + @b"),
        ("postgresql", "SET work_mem = '70kB'; SET application_name = '77'", "current_setting('application_name')"),
    ],
)
def test_several_statements_may_prepare_a_connection(
    open_shop: OpenShop, source_of: SourceOf, server: str, init_sql: str, asked: str
) -> None:
    shop = open_shop(next(dating for dating in DATINGS if dating.server == server))
    shop.add(("A", "new", NOON))
    source = source_of(shop.url, f"SELECT order_id, {asked} AS status FROM orders", init_sql=init_sql)
    assert [order.status for order in source.find(["A"]).orders] == ["77"]


def test_the_present_is_the_databases_own_in_utc(any_shop: Shop, source_of: SourceOf) -> None:
    now = source_of(any_shop.url).now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=5)


def test_an_abandoned_scan_leaves_the_database_in_peace(any_shop: Shop) -> None:
    any_shop.add(*((str(number), "new", NOON) for number in range(9000)))
    source = any_shop.source()
    for _ in range(5):
        blocks = source.scan(whole=False).blocks()
        next(blocks)
        blocks.close()  # type: ignore[attr-defined]  # it is a generator
    any_shop.execute("ALTER TABLE orders ADD COLUMN colour INTEGER")
    assert ids(source.find(["8999"]).orders) == ["8999"]


def test_a_poll_that_is_over_holds_no_lock(any_shop: Shop) -> None:
    any_shop.add(("A", "new", NOON))
    source = any_shop.source()
    pages = source.changed(start(source))
    assert next(pages).last
    any_shop.execute("ALTER TABLE orders ADD COLUMN colour INTEGER")
    assert list(pages) == []


def test_driver_without_streaming_cursor_works(any_shop: Shop) -> None:
    any_shop.add(*((f"{number:04}", "new", NOON) for number in range(3000)))
    source = any_shop.source()
    source.database.dialect = Dialect(source.database.dialect.driver)
    rows = scanned(source)
    assert rows == [(f"{number:04}", "new") for number in range(3000)]


def test_a_connection_that_was_cut_is_made_anew(open_shop: OpenShop) -> None:
    shop = open_shop(Dating("postgresql", "timestamp", LOCAL))
    shop.add(*((str(number), "new", NOON) for number in range(9000)))
    source = shop.source()
    blocks = source.scan(whole=False).blocks()
    next(blocks)
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    shop.execute(cut)
    with pytest.raises(SourceError, match=r"broke the connection: .* The next poll tries again\."):
        list(blocks)
    assert len(list(source.changed(start(source)))) > 1
    shop.execute(cut)
    assert ids(source.find(["17"]).orders) == ["17"]


@pytest.mark.parametrize(
    ("server", "own_id", "end"),
    [
        ("mariadb", "SELECT connection_id()", "KILL {}"),
        ("postgresql", "SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    ],
)
def test_connection_cut_after_reading_does_no_harm(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture, server: str, own_id: str, end: str
) -> None:
    shop = open_shop(next(dating for dating in DATINGS if dating.server == server))
    database = shop.source().database
    cut = []

    def cut_it(connection: Connection) -> None:
        cut.append(connection.exec_driver_sql(own_id).scalar_one())
        shop.execute(end.format(cut[-1]))

    event.listen(database._engine, "rollback", cut_it)  # what ends a read, after its last row
    assert database.now().tzinfo is UTC
    assert database.rows(text("SELECT 1")) == [(1,)]
    assert len(database.named_rows(text("SELECT 1"))) == 1
    assert len(set(cut)) == 3
    assert not caplog.records


@pytest.mark.parametrize(
    ("server", "own_id", "end"),
    [
        ("mariadb", "SELECT connection_id()", "KILL {}"),
        ("postgresql", "SELECT pg_backend_pid()", "SELECT pg_terminate_backend({}, 10000)"),
    ],
)
def test_connection_cut_before_reading_is_reported(open_shop: OpenShop, server: str, own_id: str, end: str) -> None:
    """SQLAlchemy finds that out itself, and has no driver's connection any more."""
    shop = open_shop(next(dating for dating in DATINGS if dating.server == server))
    database = shop.source().database

    def cut_it(connection: Connection) -> None:
        shop.execute(end.format(connection.exec_driver_sql(own_id).scalar_one()))

    event.listen(database._engine, "begin", cut_it)
    with pytest.raises(SourceError, match=r"broke the connection: .* The next poll tries again"):
        database.named_rows(text("SELECT 1"))


# --- faults


def test_missing_table_error_names_the_setting(any_shop: Shop, source_of: SourceOf) -> None:
    with pytest.raises(SourceError, match=r"nowhere.*Check SYNCD_SOURCE__QUERY, or a preset.s SYNCD_SOURCE__PARAMS__"):
        source_of(any_shop.url, "SELECT order_id, status FROM nowhere").columns()


def test_missing_columns_error_lists_existing_ones(any_shop: Shop, source_of: SourceOf) -> None:
    with pytest.raises(SourceError, match=r"no column named order_id and none named status, only id, state\."):
        source_of(any_shop.url, "SELECT order_id AS id, status AS state FROM orders").columns()


def test_a_table_that_comes_back_is_learnt_anew(any_shop: Shop) -> None:
    source = any_shop.source()
    any_shop.add(("A", "new", NOON))
    cursor = start(source)
    any_shop.execute("ALTER TABLE orders RENAME TO gone")
    with pytest.raises(SourceError):
        list(source.changed(cursor))
    any_shop.execute("ALTER TABLE gone RENAME TO orders")
    assert ids(polled(source, cursor)[0]) == ["A"]


def test_missing_file_is_reported_and_not_created(tmp_path: Path, source_of: SourceOf) -> None:
    file = tmp_path / "shop no 1.db"
    with pytest.raises(SourceError, match=r"cannot be reached.*Check SYNCD_SOURCE__URL"):
        source_of(f"sqlite:///{file}").columns()
    assert not file.exists()


def test_replaced_file_is_read(tmp_path: Path, source_of: SourceOf) -> None:
    """After a backup is restored, say, a kept connection would read the old file for ever."""
    source = source_of(f"sqlite:///{tmp_path}/shop.db", "SELECT id AS order_id, status FROM orders")
    for status in ("new", "packed"):
        with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
            copy.execute("CREATE TABLE orders (id, status)")
            copy.execute("INSERT INTO orders VALUES ('1', ?)", [status])
            copy.commit()
        (tmp_path / "copy.db").rename(tmp_path / "shop.db")
        assert [order.status for order in source.find(["1"]).orders] == [status]
    (tmp_path / "shop.db").unlink()
    with pytest.raises(SourceError, match="cannot be reached"):
        source.find(["1"])


@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
def test_a_wrong_password_is_told_but_not_shown(open_shop: OpenShop, source_of: SourceOf, server: str) -> None:
    url = make_url(open_shop(next(dating for dating in DATINGS if dating.server == server)).url)
    wrong = url.set(username="nobody_here", password="s3cret-word").render_as_string(hide_password=False)
    with pytest.raises(SourceError, match=r"refuses the login.*nobody_here.*Correct user and password") as caught:
        source_of(wrong).columns()
    assert "s3cret-word" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", ["mysql+pymysql", "postgresql+psycopg"])
def test_a_host_that_nobody_answers_on_is_told(backend: str, source_of: SourceOf) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1, shop\) cannot be reached"):
        source_of(f"{backend}://shop:s3cret-word@127.0.0.1:1/shop").columns()


def test_database_without_encoding_is_read(source_of: SourceOf) -> None:
    with postgresql_without_encoding() as url:
        source = source_of(url, "SELECT 1 AS order_id, 'собран' AS status")
        assert [order.status for order in source.find(["1"]).orders] == ["собран"]


def test_package_that_the_driver_lacks_is_told(source_of: SourceOf) -> None:
    """With the package the driver refuses what is no key."""
    with mysql_without_tls() as url, pytest.raises(SourceError, match="cannot be reached"):
        source_of(url).columns()


def test_what_a_driver_says_is_masked() -> None:
    source = DatabaseSource(
        url="sqlite:////nowhere/shop.db",
        query="",
        timezone=UTC,
        lookback=MINUTE,
        lookback_rows=1000,
        batch=1000,
        redact=lambda said: said.replace("unable", "***"),
    )
    with pytest.raises(SourceError, match=r"\*\*\* to open"):
        source.columns()


@pytest.mark.parametrize("url", ["access://shop", "no url", "postgresql+psycopg://h:port/x"])
def test_invalid_database_url_is_not_quoted(url: str, source_of: SourceOf) -> None:
    with pytest.raises(SourceError, match="SYNCD_SOURCE__URL is not the URL of a database") as caught:
        source_of(url)
    assert url not in str(caught.value)


def test_missing_driver_error_gives_the_install_command(source_of: SourceOf) -> None:
    with pytest.raises(SourceError, match=r"pip install 'syncd\[oracle\]'"):
        source_of("oracle+oracledb://shop@127.0.0.1/shop")


def test_a_scan_gives_compared_columns_alone_by_id(any_shop: Shop) -> None:
    any_shop.add(("B", "new", None), ("A", "packed", NOON), ("C", None, NOON))
    scan = any_shop.source().scan(whole=False)
    assert [row for block in scan.blocks() for row in block] == [("A", "packed"), ("B", "new"), ("C", None)]
    assert scan.width == 2


# --- blanks


@pytest.mark.parametrize("padded", ["A1   ", " A1", "A1\u00a0", "\tA1\r\n"])
def test_padded_order_number_is_found_without_blanks(any_shop: Shop, padded: str) -> None:
    any_shop.add(("B2", "new", NOON), (padded, "paid ", NOON), ("A1x", "new", NOON))
    source = any_shop.source()
    assert [(order.order_id, order.status) for order in source.find(["A1"]).orders] == [("A1", "paid")]
    orders = {order.order_id: order.status for order in polled(source, start(source))[0]}
    assert orders == {"A1": "paid", "A1x": "new", "B2": "new"}


def test_fixed_width_columns_are_stripped(open_shop: OpenShop) -> None:
    shop = open_shop(next(dating for dating in DATINGS if dating.server == "postgresql"))
    shop.add(("A1", "new", NOON))
    query = "SELECT order_id::char(10) AS order_id, status::char(12) AS status, updated_at FROM orders"
    source = shop.source(query)
    assert [(order.order_id, order.status) for order in source.find(["A1"]).orders] == [("A1", "new")]
