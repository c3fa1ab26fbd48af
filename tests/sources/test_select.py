"""A SELECT as people write it is read as the database reads it: what ends it, what stands in its texts, operators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.dialects import mysql

from syncd.doctor.database_inspection import DatabaseInspection
from syncd.model import Order
from syncd.sources.database import DatabaseSource
from syncd.sources.database.query import OrdersQuery
from syncd.sql import grammar_of
from tests.servers import DATABASES, execute, kind_of
from tests.sources.shop import MOSCOW, polled, start

ENDS = [";", " ;; ", "; -- the end: it's over;", "/* a; :since */ ; -- b\n/* 'c */\n", "\n-- last"]
ORDERS = "SELECT id AS order_id, state AS status, changed AS updated_at FROM o"
TEXTS: dict[str, list[tuple[str, str]]] = {
    "*": [
        ("'a; b: :since %s %(x)s ?'", "a; b: :since %s %(x)s ?"),
        ("CASE WHEN 'it''s 50%' LIKE '%50%' THEN 'yes' END", "yes"),
        ("CASE WHEN 17 % 5 = 2 THEN '12:30:since' END", "12:30:since"),
        ("'a' /* it's :since; \" */ -- and ? %s 'so' :on;\n", "a"),
    ],
    "sqlite": [
        ('json_extract(\'{"a:b": "c"}\', \'$."a:b"\')', "c"),
        ("'{\"a\": \"b\"}' ->> 'a'", "b"),
        ("(SELECT [x:since] FROM (SELECT 'n' AS [x:since]) AS t)", "n"),
        ("'back\\'", "back\\"),
        ("(SELECT `x;y` FROM (SELECT 'n' AS `x;y`) AS t)", "n"),
    ],
    "mariadb": [
        (r"'it\'s; :since %'", "it's; :since %"),
        (r'"say \"hi\"; :since"', 'say "hi"; :since'),
        ("(SELECT `x;:since` FROM (SELECT 'n' AS `x;:since`) AS t)", "n"),
        ("DATE_FORMAT('2026-01-02 03:04:05', '%Y:%m %H:%i')", "2026:01 03:04"),
        ("CASE WHEN 5--3 = 8 THEN 'eight' END", "eight"),
        ("'a' # it's a comment: :since;\n", "a"),
        ("/*!50101 'run' */", "run"),
        ("JSON_VALUE('{\"a\": \"b\"}', '$.a')", "b"),
    ],
    "postgresql": [
        (r"E'it\'s; :since'", "it's; :since"),
        (r"'a\:b'", r"a\:b"),
        ("$$it's; :since -- $$", "it's; :since --"),
        ("$x$a $$ b; $x$ || 'c'::text", "a $$ b; c"),
        ("array_to_string((ARRAY['a', 'b', 'c'])[2:3], ':')", "b:c"),
        ('\'{"a": {"b": "c"}}\'::jsonb #>> \'{a,b}\'', "c"),
        ("CASE WHEN '{\"a\": 1}'::jsonb ? 'a' AND '{\"a\": 1}'::jsonb ?| ARRAY['a'] THEN '?' END", "?"),
        ("CASE WHEN '{\"a\": 1}'::jsonb @> '{\"a\": 1}' AND 6 # 3 = 5 THEN 'xor' END", "xor"),
        ("'a' /* one /* two; ' */ :since */", "a"),
        ("'x' /* : */ || \"n:;\"", "xn"),
    ],
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, database_url: Callable[[str], str]) -> str:
    return database_url(request.param)


def shop(url: str, query: str, **more: str) -> DatabaseSource:
    """With one order."""
    execute(
        url,
        "DROP TABLE IF EXISTS o",
        "CREATE TABLE o (id INT PRIMARY KEY, state VARCHAR(20), changed VARCHAR(20))",
        "INSERT INTO o VALUES (1, 'new', '2026-03-01 10:00:00')",
        "CREATE INDEX o_changed ON o (changed)",
    )
    return DatabaseSource(
        url=url,
        query=query,
        timezone=MOSCOW,
        lookback=timedelta(minutes=5),
        lookback_rows=1000,
        batch=1000,
        **more,  # type: ignore[arg-type]
    )


def told(source: DatabaseSource) -> Order:
    """The order, as a full compare, a poll, a search and a plan read it."""
    (found,) = polled(source, start(source))[0]
    (same,) = source.find(["1"]).orders
    assert found.message == same.message
    DatabaseInspection.of(source).index_use()
    source.close()
    return found


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_it_is_left_out(url: str, end: str) -> None:
    assert told(shop(url, ORDERS + end)).status == "new"


@pytest.mark.parametrize("end", ["# the end", "; # it's over; :since", "-- a\n# b\n/* c */; #d", "#"])
def test_a_hash_ends_it_in_mariadb(database_url: Callable[[str], str], end: str) -> None:
    assert told(shop(database_url("mariadb"), f"{ORDERS} {end}")).status == "new"


@pytest.mark.parametrize(
    ("server", "written", "meant"),
    [(server, *text) for server in DATABASES for text in (*TEXTS["*"], *TEXTS[server])],
)
def test_texts_and_operators_are_read_as_written(
    database_url: Callable[[str], str], server: str, written: str, meant: str
) -> None:
    table = "(SELECT o.*, 'n' AS \"n:;\" FROM o) AS o" if '"n:;"' in written else "o"
    query = f"SELECT id AS order_id, state AS status, changed AS updated_at, {written} AS message FROM {table}; -- c"
    assert told(shop(database_url(server), query)).message == meant


def test_since_inside_text_is_not_replaced(url: str) -> None:
    query = f"{ORDERS} WHERE changed >= :since AND ':since' <> 'x:since' /* :since */ -- :since"
    assert told(shop(url, query)).status == "new"


def test_the_other_statements_end_in_the_same_ways(url: str) -> None:
    comment = "; # it's over" if kind_of(url) == "mariadb" else "; -- it's over"
    source = shop(
        url,
        "SELECT 'no' AS order_id, 'x' AS status" + comment,
        query_when=f"SELECT 17 % 5 = 3 AND ':since' = ''{comment}",
        query_else=ORDERS + comment,
        statuses_query=f"SELECT 'new' AS status, '50% :since' AS message{comment}",
        init_sql={"sqlite": "PRAGMA cache_size = 100", "mariadb": "SET @a := 1; SET @b = ';%'"}.get(
            kind_of(url), "SET application_name = 'a;b%'; SET datestyle = 'ISO'"
        )
        + comment,
    )
    assert [(one.code, one.name) for one in source.statuses()] == [("new", "50% :since")]
    assert told(source).status == "new"


def test_init_sql_of_only_comments_is_ignored(url: str) -> None:
    assert told(shop(url, ORDERS, init_sql="-- nothing yet;\n")).status == "new"


def test_mysql_is_asked_to_make_no_table_of_all_orders() -> None:
    """It does so for a SELECT list with a subquery, even to find one row."""
    query = OrdersQuery(ORDERS, grammar_of("mysql"), {"order_id": "order_id", "updated_at": "updated_at"})
    names = ("order_id", "updated_at")
    few = [
        query.changed(names, ("updated_at",), 0, bounded=True),
        query.with_values(names, names, "order_id", ["7"], 0),
        query.any_value("order_id", 0),
        query.newest(names, "updated_at", 1, 0),
    ]
    assert all("/*+ MERGE(orders_) */" in str(one.compile(dialect=mysql.dialect())) for one in few)
    assert all("/*+" not in str(one) for one in few)
