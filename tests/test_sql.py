"""What each kind of database takes for a literal, a name, a comment and a parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from syncd.sql import GRAMMARS, grammar_of

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
    assert GRAMMARS[kind].without_end(f"SELECT ';' FROM o {end}") == "SELECT ';' FROM o"


def test_a_hash_ends_only_mariadbs() -> None:
    assert MARIADB.without_end("SELECT 1; # it's :since;") == "SELECT 1"
    assert POSTGRESQL.without_end("SELECT a # b") == "SELECT a # b"
    assert POSTGRESQL.without_end("SELECT a #>> '{b}' -- c") == "SELECT a #>> '{b}'"
    assert MSSQL.without_end("SELECT a FROM #b") == "SELECT a FROM #b"


def test_two_dashes_need_a_blank_in_mariadb_alone() -> None:
    assert MARIADB.without_end("SELECT 5--3") == "SELECT 5--3"
    assert MARIADB.without_end("SELECT 5 --") == MARIADB.without_end("SELECT 5 --\tx") == "SELECT 5"
    assert SQLITE.without_end("SELECT 5--3") == "SELECT 5"


def test_comments_nest_where_the_database_lets_them() -> None:
    nested = "SELECT 1 /* a /* b */ c */"
    assert POSTGRESQL.without_end(nested) == MSSQL.without_end(nested) == "SELECT 1"
    assert MARIADB.without_end(nested) == "SELECT 1 /* a /* b */ c */"


def test_what_mariadb_runs_is_no_comment() -> None:
    for code in ("SELECT 1 /*!50708 + 1 */", "SELECT 1 /*M! + 1 */"):
        assert MARIADB.without_end(code) == code
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
    assert grammar.is_one(statement)
    assert str(text(grammar.prepared(statement, {"since"}))) == statement
    assert [*text(grammar.prepared(statement, {"since"})).compile().params] == ["since"]


def test_a_parameter_is_found_before_a_cast() -> None:
    assert [*text(POSTGRESQL.prepared("SELECT :since::date", {"since"})).compile().params] == ["since"]


def test_several_statements_are_told_from_one() -> None:
    assert not SQLITE.is_one("SELECT 1; DELETE FROM o")
    assert SQLITE.is_one("SELECT 1; -- DELETE; FROM o")


@given(pieces=st.lists(st.sampled_from(PIECES)), kind=st.sampled_from(KINDS))
def test_prepared_statement_reads_the_same_and_loses_nothing(pieces: list[str], kind: str) -> None:
    sql, grammar = "SELECT " + "".join(pieces), GRAMMARS[kind]
    assert "".join(token.text for token in grammar.tokens(sql)) == sql
    bare = grammar.without_end(sql)
    prepared = text(grammar.prepared(sql, {"since"}))
    assert str(prepared) == bare
    assert {*prepared.compile().params} == grammar.parameters(bare) & {"since"}


@pytest.mark.parametrize("url", ["mysql://u@h/d", "mysql+pymysql://u@h/d", "mariadb://h", "MySQL"])
def test_a_url_names_its_grammar(url: str) -> None:
    assert grammar_of(url) is MARIADB
