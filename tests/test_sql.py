"""SQL read without a database: tokens of each kind of database, items of a SELECT, conditions of an UPDATE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from syncd.sql import GRAMMARS, Comparison, comparisons, grammar_of, select_items

KINDS = sorted(GRAMMARS)
MARIADB, POSTGRESQL, SQLITE, MSSQL, ORACLE = (
    GRAMMARS[name] for name in ("mariadb", "postgresql", "sqlite", "mssql", "oracle")
)
PIECES = [
    "'",
    '"',
    "`",
    "[",
    "]",
    "$$",
    "$a$",
    "/*",
    "*/",
    "--",
    "#",
    "\n",
    ";",
    ":",
    "::",
    ":since",
    "\\",
    "e'",
    "q'[",
    "x",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [";", " ; ;\n", "-- c", "; -- it's :since; \"", "/* a; */ ; -- b\n /* c */\n", ";\r\n"])
def test_the_end_is_taken_off(kind: str, end: str) -> None:
    assert GRAMMARS[kind].stripped(f"SELECT ';' FROM o {end}") == "SELECT ';' FROM o"


def test_a_hash_ends_only_mariadbs() -> None:
    assert MARIADB.stripped("SELECT 1; # it's :since;") == "SELECT 1"
    assert POSTGRESQL.stripped("SELECT a # b") == "SELECT a # b"
    assert POSTGRESQL.stripped("SELECT a #>> '{b}' -- c") == "SELECT a #>> '{b}'"
    assert MSSQL.stripped("SELECT a FROM #b") == "SELECT a FROM #b"


def test_two_dashes_need_a_blank_in_mariadb_alone() -> None:
    assert MARIADB.stripped("SELECT 5--3") == "SELECT 5--3"
    assert MARIADB.stripped("SELECT 5 --") == MARIADB.stripped("SELECT 5 --\tx") == "SELECT 5"
    assert SQLITE.stripped("SELECT 5--3") == "SELECT 5"


def test_comments_nest_where_the_database_lets_them() -> None:
    nested = "SELECT 1 /* a /* b */ c */"
    assert POSTGRESQL.stripped(nested) == MSSQL.stripped(nested) == "SELECT 1"
    assert MARIADB.stripped(nested) == "SELECT 1 /* a /* b */ c */"


def test_what_mariadb_runs_is_no_comment() -> None:
    for code in ("SELECT 1 /*!50708 + 1 */", "SELECT 1 /*M! + 1 */"):
        assert MARIADB.stripped(code) == code
    assert MARIADB.parameters("SELECT 1 /*! + :since */ /* :order_id */") == {"since"}


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        *((kind, "':since; -- '' /*'") for kind in KINDS),
        *((kind, '":since; -- /*"') for kind in KINDS),
        ("mysql", r"'it\'s :since; '"),
        ("mysql", r'"say \":since\""'),
        ("mysql", "`:since; ``'`"),
        ("postgresql", r"E'it\'s :since;'"),
        ("postgresql", r"'a\'"),
        ("postgresql", "$$it's :since; -- $$"),
        ("postgresql", "$a$ $$ :since $b$ ' $a$"),
        ("postgresql", "x::text"),
        ("postgresql", "a[1:2]"),
        ("postgresql", "a[lo:hi]"),
        ("postgresql", "a$$b"),
        ("sqlite", "[:since; ']"),
        ("sqlite", r"'a\'"),
        ("mssql", "[a]]:since;]"),
        ("oracle", "q'[it's :since; ]'"),
        ("oracle", "nq'{:since}'"),
        ("oracle", "Q'!it's :since!'"),
        ("mysql", "@a:=1"),
        ("mysql", "'12:30'"),
    ],
)
def test_colon_or_semicolon_in_a_literal_is_text(kind: str, written: str) -> None:
    grammar = GRAMMARS[kind]
    statement = f"SELECT {written}, :since"
    assert grammar.parameters(statement) == {"since"}
    assert grammar.is_single(statement)
    assert str(text(grammar.for_sqlalchemy(statement, {"since"}))) == statement
    assert [*text(grammar.for_sqlalchemy(statement, {"since"})).compile().params] == ["since"]


def test_a_parameter_is_found_before_a_cast() -> None:
    assert [*text(POSTGRESQL.for_sqlalchemy("SELECT :since::date", {"since"})).compile().params] == ["since"]


def test_several_statements_are_told_from_one() -> None:
    assert not SQLITE.is_single("SELECT 1; DELETE FROM o")
    assert SQLITE.is_single("SELECT 1; -- DELETE; FROM o")


@given(pieces=st.lists(st.sampled_from(PIECES)), kind=st.sampled_from(KINDS))
def test_prepared_statement_reads_the_same_and_loses_nothing(pieces: list[str], kind: str) -> None:
    sql, grammar = "SELECT " + "".join(pieces), GRAMMARS[kind]
    assert "".join(token.text for token in grammar.tokens(sql)) == sql
    bare = grammar.stripped(sql)
    prepared = text(grammar.for_sqlalchemy(sql, {"since"}))
    assert str(prepared) == bare
    assert {*prepared.compile().params} == grammar.parameters(bare) & {"since"}


@pytest.mark.parametrize("url", ["mysql://u@h/d", "mysql+pymysql://u@h/d", "mariadb://h", "MySQL"])
def test_a_url_names_its_grammar(url: str) -> None:
    assert grammar_of(url) is MARIADB


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
    assert [(one.parameter, one.expression) for one in found] == [
        ("order_id", "number"),
        ("shop_id", "id"),
        ("uuid", "u"),
    ]


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
    assert select_items(statement, "shop_id", SQLITE) == items
