"""What an UPDATE compares an order with, and what a SELECT gives a name."""

from __future__ import annotations

import pytest

from syncd.sql import GRAMMARS, Comparison, comparisons, selected

MARIADB, POSTGRESQL, SQLITE = (GRAMMARS[name] for name in ("mysql", "postgresql", "sqlite"))
SET = "SET state = 'cancelled', changed = now()"


@pytest.mark.parametrize(
    ("statement", "expression", "tables"),
    [
        (f"UPDATE orders {SET} WHERE number = :order_id AND state IN ('a', 'b')", "number", "orders"),
        (f"update ignore orders {SET} where (number = :order_id)", "number", "orders"),
        (f"UPDATE shop.orders o {SET} WHERE o.`the number` = :order_id LIMIT 1", "o.`the number`", "shop.orders o"),
        (f"UPDATE orders {SET} WHERE :order_id = orders.number", "orders.number", "orders"),
        (f"UPDATE orders {SET} WHERE number IN (:order_id)", "number", "orders"),
        (f"UPDATE orders {SET} WHERE id::text = :order_id RETURNING 1", "id::text", "orders"),
        (f"UPDATE orders {SET} WHERE CONCAT('A', id) = :order_id", "CONCAT('A', id)", "orders"),
        (f"UPDATE o JOIN n ON n.o = o.id {SET} WHERE n.text = :order_id", "n.text", "o JOIN n ON n.o = o.id"),
        (f"UPDATE o {SET} FROM n WHERE n.o = o.id AND n.text = :order_id", "n.text", "o, n"),
        (f"UPDATE o {SET} FROM orders o WHERE o.number = :order_id", "o.number", "orders o"),
        (f"UPDATE s {SET} WHERE o = (SELECT id FROM orders WHERE number = :order_id)", "number", "orders"),
        (f"UPDATE s {SET} WHERE o IN (SELECT id FROM (a) JOIN b WHERE b.n = :order_id LIMIT 1)", "b.n", "(a) JOIN b"),
        (f"UPDATE orders {SET}, note = :order_id /* :uuid */ WHERE number = :order_id", "number", "orders"),
    ],
)
def test_the_comparison_and_its_tables_are_found(statement: str, expression: str, tables: str) -> None:
    assert comparisons(statement, POSTGRESQL if "::" in statement else MARIADB) == [
        Comparison("order_id", expression, tables)
    ]


def test_each_comparison_is_found() -> None:
    found = comparisons(
        f"UPDATE orders {SET} WHERE number = :order_id OR id = :shop_id OR u = :uuid OR x = :reason", SQLITE
    )
    assert [(one.name, one.expression) for one in found] == [("order_id", "number"), ("shop_id", "id"), ("uuid", "u")]


@pytest.mark.parametrize(
    "condition",
    [
        "id = :order_id + 0",
        "id = CAST(:order_id AS UNSIGNED)",
        "id = :order_id::int",
        "id LIKE :order_id",
        "id + 1 = :order_id",
        "id >= :order_id",
        "id <=> :order_id",
        "FIND_IN_SET(:order_id, ids)",
        "id IN (1, :order_id)",
        "(id) = :order_id",
    ],
)
def test_what_cannot_be_looked_up_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"compares :order_id with more than a column; write column = :order_id"):
        comparisons(f"UPDATE orders {SET} WHERE {condition}", POSTGRESQL)


@pytest.mark.parametrize(
    "condition",
    [
        "NOT id = :order_id",
        "NOT (id = :order_id)",
        "NOT (a = 1 AND (id = :order_id))",
        "NOT EXISTS (SELECT 1 FROM n WHERE n.id = :order_id)",
        "id NOT IN (SELECT o FROM n WHERE n.number = :order_id)",
        "id = ANY(ARRAY[:order_id])",
        "id = ANY(ARRAY[:order_id]) AND number = :order_id",
    ],
)
def test_update_of_other_or_listed_orders_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"write column = :order_id"):
        comparisons(f"UPDATE orders {SET} WHERE {condition}", POSTGRESQL)


def test_a_not_elsewhere_is_none_of_the_comparisons() -> None:
    found = comparisons(f"UPDATE orders {SET} WHERE NOT done AND state NOT IN ('a') AND number = :order_id", SQLITE)
    assert [one.expression for one in found] == ["number"]


@pytest.mark.parametrize(
    ("statement", "items"),
    [
        ("SELECT number AS order_id, o.id AS shop_id, st FROM o", ["o . id as shop_id"]),
        ("select COALESCE(a, (b)) \n Shop_ID, n FROM o", ["coalesce ( a , ( b ) ) shop_id"]),
        ('SELECT DISTINCT "shop_id" FROM (SELECT id AS [shop_id] FROM o) t', ['"shop_id"', "id as [shop_id]"]),
        ("SELECT n -- shop_id\n, 'shop_id' AS k FROM o /* x AS shop_id */", []),
        ("SELECT * FROM o", []),
        (
            "SELECT (SELECT v FROM m WHERE k = 'Key') AS shop_id FROM o",
            ["( select v from m where k = 'Key' ) as shop_id"],
        ),
        ("SELECT a IS DISTINCT FROM b AS shop_id FROM o", ["a is distinct from b as shop_id"]),
        ("SELECT DISTINCT ON (id) a AS shop_id FROM o", ["on ( id ) a as shop_id"]),
        ("SELECT n FROM o WHERE n > 1 AND shop_id IS NOT NULL GROUP BY shop_id ORDER BY shop_id", []),
    ],
)
def test_what_is_selected_under_a_name_is_found(statement: str, items: list[str]) -> None:
    assert selected(statement, "shop_id", SQLITE) == items
