"""Whether the doctor is right about polls and indexes, on tables with and without them in each database."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import make_url

from syncd.doctor.planner import _parse_plan, _tables
from tests.doctor.installation import Installation
from tests.servers import execute, kind_of, new_login

ORDERS = "SELECT o.id AS order_id, o.state AS status, o.changed AS updated_at, o.kind AS message FROM orders o"
CHANGED, CREATED = "CREATE INDEX orders_changed ON orders (changed)", "CREATE INDEX orders_created ON orders (created)"
MARKS_AT = "CREATE INDEX marks_at ON marks (at)"
WELL, CREATE = "ok: polls find what changed by an index", r"warning: .*Create one: CREATE INDEX (?:CONCURRENTLY )?"
UNUSED = "warning: every poll reads all of .*, though orders_changed is an index .* it is not used"
COMPUTED = "warning: every poll reads all orders: updated_at is not a column of one table, so no index is used"
UNKNOWN, FEW = "ok: cannot tell from the database's plan", "ok: too few rows to tell"
LAST_MARK = "(SELECT MAX(at) FROM marks l WHERE l.at >= :since AND l.at <> '2020-01-01 00:00:00')"


PLAIN = "SELECT id AS order_id, state AS status, changed AS updated_at"
JOINED = "SELECT o.id AS order_id, state AS status, changed AS updated_at, at AS message FROM orders o"
DERIVED = (
    "SELECT number AS order_id, state AS status, changed AS updated_at FROM (SELECT id AS number, x.* FROM orders x) t"
)
NAMED = (
    "WITH o AS (SELECT id, state, changed AS at FROM orders) SELECT id AS order_id, state AS status, at AS updated_at"
)
LAST = "SELECT o.id AS order_id, o.state AS status, m.last AS sequence FROM orders o"
LAST_OF = "(SELECT order_id, MAX(id) AS last FROM marks WHERE {} GROUP BY order_id) m ON m.order_id = o.id"
SHOWN = "SELECT order_id, status, updated_at FROM shown"
ON_CHANGED, MADE = (
    r" on orders \(changed\)",
    r"syncd_changed ON (?:\S*orders\W|orders) \(changed\);",
)
CASES: dict[str, tuple[str, list[str], str]] = {
    "indexed": (ORDERS, [CHANGED], WELL + ON_CHANGED),
    "not indexed": (ORDERS, [], CREATE + MADE),
    "in brackets": (f"(({ORDERS}))", [CHANGED], WELL + ON_CHANGED),
    "in brackets, not indexed": (f"({ORDERS})", [], CREATE + MADE),
    "another column indexed": (ORDERS, [CREATED], CREATE + MADE),
    "a range over another column": (f"{ORDERS} WHERE o.created >= '2025-01-01 00:00:00'", [CREATED], CREATE + MADE),
    "a since of its own": (f"{ORDERS} WHERE o.changed >= :since AND o.kind LIKE '%'", [CHANGED], WELL + ON_CHANGED),
    "a subquery's range": (ORDERS.replace("o.kind", LAST_MARK), [MARKS_AT], CREATE + MADE),
    "beside a subquery's range": (ORDERS.replace("o.kind", LAST_MARK), [MARKS_AT, CHANGED], WELL + ON_CHANGED),
    "quotes in a text": (ORDERS.replace("o.kind", '\'"a": "b", c: :since\''), [CHANGED], WELL + ON_CHANGED),
    "no alias": (f"{PLAIN} FROM orders", [CHANGED], WELL + ON_CHANGED),
    "joined": (f"{JOINED} JOIN marks m ON m.id = o.id", [CHANGED], WELL + ON_CHANGED),
    "joined, not indexed": (f"{JOINED} LEFT JOIN marks m ON m.id = o.id", [], CREATE + MADE),
    "derived": (DERIVED, [CHANGED], WELL + ON_CHANGED),
    "derived, not indexed": (DERIVED, [], CREATE + MADE),
    "in a WITH": (f"{NAMED} FROM o", [CHANGED], WELL + ON_CHANGED),
    "in a WITH, not indexed": (f"{NAMED} FROM o", [], CREATE + MADE),
    "a view": (SHOWN, [CHANGED], WELL),
    "a view, not indexed": (f"{SHOWN} AS s", [], CREATE + MADE),
    "the key": (ORDERS.replace("o.changed", "o.id").replace("updated_at", "sequence"), [], WELL + r" on orders \(id\)"),
    "computed": (ORDERS.replace("o.changed", "COALESCE(o.changed, o.created)"), [CHANGED, CREATED], COMPUTED),
    "computed by cases": (ORDERS.replace("o.changed", "CASE WHEN o.id > 0 THEN o.changed END"), [CHANGED], COMPUTED),
    "behind what is equal": (
        f"{ORDERS} WHERE o.kind = 'a'",
        ["CREATE INDEX kind_changed ON orders (kind, changed)"],
        WELL + ON_CHANGED,
    ),
    "behind what is not": (ORDERS, ["CREATE INDEX orders_changed ON orders (kind, changed)"], UNUSED),
    "the last of many": (f"{LAST} JOIN {LAST_OF.format('id >= :since')}", [], WELL + r" on marks \(id\)"),
    "the last of all": (f"{LAST} JOIN {LAST_OF.format('id > 0')}", [], "warning: every poll reads all of marks"),
}


def column(kind: str) -> str:
    return {"mariadb": "DATETIME", "sqlite": "TEXT", "postgresql": "TIMESTAMP"}[kind]


def shop(installation: Installation, *more: str, rows: int = 400) -> Installation:
    """Orders that changed a minute apart, and a mark for each; `more` is run last."""
    kind = kind_of(installation.shop)
    if kind == "sqlite":
        (installation.home / "shop.db").touch()
    minute = {
        "mariadb": "TIMESTAMP('2026-01-01') + INTERVAL n MINUTE",
        "sqlite": "datetime('2026-01-01', n || ' minutes')",
        "postgresql": "timestamp '2026-01-01' + n * interval '1 minute'",
    }[kind]
    numbers = f"WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
    orders = f"SELECT n, 'new', {minute}, {minute}, 'a' FROM numbers"
    marks = f"SELECT n, n, {minute} FROM numbers"
    insert = "INSERT INTO {0} {1} {2}" if kind == "mariadb" else "{1} INSERT INTO {0} {2}"
    key, time = "INTEGER PRIMARY KEY", column(kind)
    execute(
        installation.shop,
        f"CREATE TABLE orders (id {key}, state VARCHAR(9), changed {time}, created {time}, kind CHAR(1))",
        f"CREATE TABLE marks (id {key}, order_id INT, at {time})",
        *([insert.format("orders", numbers, orders), insert.format("marks", numbers, marks)] if rows else ()),
        *more,
        *(("ANALYZE TABLE orders, marks",) if kind == "mariadb" else ("ANALYZE",) if kind == "postgresql" else ()),
    )
    return installation


def said(installation: Installation, query: str = ORDERS) -> str:
    """What is said about the index."""
    found = installation.found("source", SYNCD_SOURCE__QUERY=query).splitlines()
    (line,) = [one for one in found if re.search(r"by an index|every poll reads", one)]
    return line


@pytest.mark.parametrize(("query", "indexes", "verdict"), CASES.values(), ids=[*CASES])
def test_verdict_is_about_the_cursors_table(
    each_database: Installation, query: str, indexes: Sequence[str], verdict: str
) -> None:
    view = "CREATE VIEW shown AS SELECT id AS order_id, state AS status, changed AS updated_at FROM orders AS x"
    assert re.match(verdict, said(shop(each_database, *indexes, view), query))


@pytest.mark.parametrize(
    "query", [ORDERS, f"{ORDERS} UNION ALL SELECT id, 'old', changed, kind FROM orders WHERE id < 9"]
)
def test_advised_index_makes_polls_use_it(each_database: Installation, query: str) -> None:
    told = said(shop(each_database), ORDERS)
    execute(each_database.shop, told.rpartition("Create one: ")[2].rstrip(";"))
    found = said(each_database, query)
    assert re.match(WELL, found)


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_table_of_few_rows_needs_no_index(each_database: Installation, rows: int) -> None:
    assert re.match(f"{WELL}|{FEW}", said(shop(each_database, CHANGED, rows=rows)))


def test_orders_changed_at_once_do_not_discredit_index(each_database: Installation) -> None:
    made = shop(each_database, CHANGED, "UPDATE orders SET changed = '2026-01-01 00:00:00'")
    assert re.match(WELL, said(made))


def test_a_name_that_needs_quotes_has_them(each_database: Installation) -> None:
    quote = "`" if kind_of(each_database.shop) == "mariadb" else '"'
    table, name = (f"{quote}{text}{quote}" for text in ("The Orders", "Changed at"))
    made = shop(each_database, f"CREATE TABLE {table} AS SELECT id, state, changed AS {name} FROM orders")
    query = f"SELECT id AS order_id, state AS status, {name} AS updated_at FROM {table}"
    told = said(made, query)
    execute(each_database.shop, told.rpartition("Create one: ")[2].rstrip(";"))
    assert re.match(WELL, said(each_database, query))


@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
def test_partitions_are_one_table(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    installation = shop(
        Installation(tmp_path, {"SYNCD_SOURCE__URL": str(request.getfixturevalue(f"{server}_database"))})
    )
    columns = f"(id INT, state VARCHAR(9), changed {column(kind_of(installation.shop))} NOT NULL)"
    if server == "mariadb":
        parts = ["CREATE TABLE parts " + columns + " PARTITION BY HASH (id) PARTITIONS 3"]
    else:
        parts = ["CREATE TABLE parts " + columns + " PARTITION BY RANGE (id)"]
        parts += [
            f"CREATE TABLE part{n} PARTITION OF parts FOR VALUES FROM ({n * 150}) TO ({n * 150 + 150})"
            for n in range(3)
        ]
    execute(installation.shop, *parts, "INSERT INTO parts SELECT id, state, changed FROM orders")
    query = "SELECT id AS order_id, state AS status, changed AS updated_at FROM parts"
    told = said(installation, query)
    assert re.match(CREATE, told)
    execute(installation.shop, told.rpartition("Create one: ")[2].rstrip(";"))
    assert re.match(WELL, said(installation, query))


def test_read_only_view_is_no_fault(mariadb_database: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": mariadb_database})
    shop(installation, "CREATE VIEW shown AS SELECT id AS order_id, state AS status, changed AS updated_at FROM orders")
    view = f"{make_url(mariadb_database).database}.shown"
    with new_login(mariadb_database, f"SELECT ON {view}") as (_, mine):
        installation.env["SYNCD_SOURCE__URL"] = mine
        assert re.match(UNKNOWN, said(installation, SHOWN))


def test_an_index_on_what_is_computed_is_found(postgresql_database: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": postgresql_database})
    shop(installation, "CREATE INDEX computed ON orders (GREATEST(changed, created))")
    assert re.match(WELL, said(installation, ORDERS.replace("o.changed", "GREATEST(o.changed, o.created)")))


def test_index_of_another_schema_does_not_count(postgresql_database: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": postgresql_database})
    shop(
        installation,
        "CREATE INDEX same ON orders (changed, id)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.orders AS SELECT * FROM orders",
        "CREATE INDEX same ON other.orders (id, changed)",
    )
    assert re.match(WELL, said(installation))
    assert re.match("warning", said(installation, ORDERS.replace("FROM orders", "FROM other.orders")))


def test_result_that_mysql_keeps_is_no_table_that_is_read_whole() -> None:
    """Its plan of a UNION, in the one form that all versions give if they are asked for it."""
    part = {
        "table_name": "o",
        "access_type": "range",
        "used_key_parts": ["changed"],
        "index_condition": "(`o`.`changed` >= 1)",
    }
    parts = {"union_result": {"query_specifications": [{"query_block": {"table": part}}]}}
    kept = {"table_name": "orders_", "access_type": "ALL", "materialized_from_subquery": {"query_block": parts}}
    plan = json.dumps({"query_block": {"ordering_operation": {"table": kept}}})
    assert [table["table_name"] for table in _tables(_parse_plan(plan))] == ["o"]
