"""Whether polls use an index. The database's own planner is asked; the poll itself is not run.

What counts is the step of the plan that reads the table of the cursor's column: whether its index is searched from the
value from which a poll reads. A range scan in a subquery, over another column, or from a constant says nothing.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping, text

from syncd.doctor.column_origin import ColumnOrigin, TableName, column_origin
from syncd.errors import SourceError
from syncd.sources.database.connection import Database
from syncd.sources.database.dialects import Dialect, MariaDB, PostgreSQL, SQLite
from syncd.sources.database.query import Statement

_SQLITE_STEP = re.compile(
    r"(SCAN|SEARCH) (?:TABLE )?(.+?)(?: AS (.+?))?(?: USING (?:.*?\((.*)\))?.*)?(?: LEFT-JOIN| VIRTUAL TABLE .*)?$"
)
_QUOTED = re.compile(r'("[\w-]+": ")(.*?)(?="(?:,|\s)*\n\s*["}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class IndexUse:
    """How the database would run a poll.

    by_index          whether polls find what changed by an index; None: the plan does not show it
    origin            the column that the cursor comes from; None: it is computed, or uncertain
    index             the name of an index with that column
    rows              about how many rows the table has; None: not known
    depends_on_size   whether this kind of database reads a small table without its index
    create            the statement that creates an index
    """

    by_index: bool | None
    origin: ColumnOrigin | None = None
    index: str | None = None
    rows: int | None = None
    depends_on_size: bool = False
    create: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the plan: a table that the poll itself reads, not a subquery in it.

    table          its alias, in lower case
    range_column   the column by which its index is searched from some value on; None: there is none
    condition      what is compared, with the values where the plan shows them
    reads_all      whether the whole table is read
    """

    table: str
    range_column: str | None
    condition: str
    reads_all: bool


@dataclass(frozen=True, slots=True)
class PollStatements:
    """Two incremental polls that read from different values, and the statement for all orders. `uses_since`: the query
    has `:since` in it, so that the value stands in all of them."""

    one: Statement
    another: Statement
    all_orders: Statement
    uses_since: bool


def index_use(database: Database, polls: PollStatements, sql: str, cursor: str) -> IndexUse | None:
    """How the database would run a poll. `cursor`: the column of the query `sql` that polls go by. None: it is not
    known how to ask this kind of database. SourceError."""
    planner = _PLANNERS.get(type(database.dialect))
    return planner(database).index_use(polls, sql, cursor) if planner else None


class _Planner(ABC):
    """What one kind of database says of its tables (a `Catalog`), and of how it runs a statement."""

    depends_on_size = False
    create = "CREATE INDEX {name} ON {table} ({column})"

    def __init__(self, database: Database) -> None:
        self._database = database

    @abstractmethod
    def columns(self, table: TableName) -> Sequence[str]: ...

    @abstractmethod
    def view(self, table: TableName) -> str | None: ...

    @abstractmethod
    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        """Index -> its columns, in lower case and in its order."""

    def rows(self, _table: TableName) -> int | None:
        """About how many the table has. None: not known."""
        return None

    @abstractmethod
    def steps(self, poll: Statement, origin: ColumnOrigin | None) -> list[_Step]: ...

    def constant_steps(self, polls: PollStatements, origin: ColumnOrigin | None) -> list[_Step]:
        """Steps that do not depend on the value from which a poll reads: those that a poll from another value has too,
        since the plan shows the values."""
        return self.steps(polls.another, origin)

    def create_index(self, origin: ColumnOrigin) -> str:
        name = re.sub(r"\W", "", f"syncd_{origin.column}")[:60]
        column = (
            origin.column if re.fullmatch(r"[a-z_]\w*", origin.column, re.IGNORECASE) else self.quoted(origin.column)
        )
        return self.create.format(name=name, table=origin.table.written, column=column)

    def quoted(self, name: str) -> str:
        return f'"{name}"'

    def index_use(self, polls: PollStatements, sql: str, cursor: str) -> IndexUse:
        origin = column_origin(sql, cursor, self._database.grammar, self)
        steps, constant = self.steps(polls.one, origin), self.constant_steps(polls, origin)
        ranges = [step for step in steps if step.range_column and step not in constant]
        by_index = _is_by_index(steps, ranges, origin)
        if origin is None:
            return IndexUse(by_index, depends_on_size=self.depends_on_size)
        index = next(
            (name for name, columns in self.indexes(origin.table).items() if origin.column.lower() in columns), None
        )
        rows = self.rows(origin.table)
        return IndexUse(by_index, origin, index, rows, self.depends_on_size, self.create_index(origin))

    def catalog_rows(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """What the database says of its tables; nothing if it does not show that to this login."""
        with suppress(SourceError):
            return self._database.rows(text(sql).bindparams(**values))
        return []

    def explain(self, poll: Statement, prefix: str, before: str = "") -> list[RowMapping]:
        """Nothing if the login may read a view but not EXPLAIN it, or the server is too old for this EXPLAIN."""
        with suppress(SourceError):
            return self._database.named_rows(poll, prefix=prefix, before=before)
        return []


def _is_by_index(steps: Sequence[_Step], ranges: Sequence[_Step], origin: ColumnOrigin | None) -> bool | None:
    """`ranges`: the steps that search an index from the value from which the poll reads. None: the plan does not show
    it."""
    if origin is not None:
        steps = [step for step in steps if step.table == origin.alias.lower()]
        ranges = [step for step in ranges if step in steps and step.range_column == origin.column.lower()]
        return bool(ranges) and not any(step.reads_all for step in steps) if steps else None
    reads_all = any(step.reads_all for step in steps)
    return None if not steps or (ranges and reads_all) else bool(ranges)


class _SQLite(_Planner):
    def columns(self, table: TableName) -> Sequence[str]:
        return [
            str(row[0]).lower()
            for row in self.catalog_rows("SELECT name FROM pragma_table_info(:name)", name=table.name)
        ]

    def view(self, table: TableName) -> str | None:
        sql = "SELECT sql FROM sqlite_master WHERE type = 'view' AND lower(name) = lower(:name)"
        return next((_select_of_view(str(row[0])) for row in self.catalog_rows(sql, name=table.name)), None)

    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        sql = (
            "SELECT l.name, i.name FROM pragma_index_list(:name) l, pragma_index_info(l.name) i ORDER BY l.seq, i.seqno"
        )
        found = _grouped(self.catalog_rows(sql, name=table.name))
        return {**found, **({"PRIMARY KEY": [key]} if (key := self._rowid(table)) else {})}

    def constant_steps(self, polls: PollStatements, origin: ColumnOrigin | None) -> list[_Step]:
        """SQLite's plan shows no values, but the plan of all orders has no step that depends on one."""
        return [] if polls.uses_since else self.steps(polls.all_orders, origin)

    def _rowid(self, table: TableName) -> str | None:
        """The column that is SQLite's own key of a row."""
        sql = "SELECT name FROM pragma_table_info(:name) WHERE pk = 1 AND upper(type) = 'INTEGER'"
        return next((str(row[0]).lower() for row in self.catalog_rows(sql, name=table.name)), None)

    def steps(self, poll: Statement, origin: ColumnOrigin | None) -> list[_Step]:
        rows = self.explain(poll, "EXPLAIN QUERY PLAN ")
        details = {row["id"]: (row["parent"], str(row["detail"])) for row in rows}
        temporary = {
            name[2] for _, detail in details.values() if (name := re.match(r"(MATERIALIZE|CO-ROUTINE) (\S+)", detail))
        }
        rowid = origin and self._rowid(origin.table)
        steps = []
        for node, (_, detail) in details.items():
            parents, parent = [], node
            while (parent := details[parent][0]) in details:
                parents.append(details[parent][1])
            read = _SQLITE_STEP.match(detail)
            is_temporary = read and read[2] in temporary and not any(one.endswith(f" {read[2]}") for one in parents)
            if not read or is_temporary or any(re.search(r"(SCALAR|LIST) SUBQUERY", one) for one in parents):
                continue
            key = (read[4] or "").split(" AND ")
            column = next((part[:-2].lower() for part in key if part.endswith(">?")), None)
            column = rowid if column == "rowid" and rowid else column
            steps.append(_Step((read[3] or read[2]).lower(), column, "", reads_all=read[1] == "SCAN"))
        return steps


class _MariaDB(_Planner):
    """MariaDB and MySQL."""

    depends_on_size = True
    _OF_TABLE = "table_schema = COALESCE(:schema, DATABASE()) AND table_name = :name"
    # MySQL 9 would give a plan of another form. What older ones and MariaDB read of this statement changes nothing.
    _FORM_OF_PLAN = "SET @syncd = NULL /*!80300 , explain_json_format_version = 1 */"

    def quoted(self, name: str) -> str:
        return f"`{name}`"

    def columns(self, table: TableName) -> Sequence[str]:
        return [str(row[0]).lower() for row in self._of(table, "SELECT column_name FROM information_schema.columns")]

    def view(self, table: TableName) -> str | None:
        found = self._of(table, "SELECT view_definition FROM information_schema.views")
        return next((str(row[0]) for row in found), None)

    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        sql = "SELECT index_name, column_name FROM information_schema.statistics"
        return _grouped(self._of(table, sql, " ORDER BY index_name, seq_in_index"))

    def rows(self, table: TableName) -> int | None:
        found = self._of(table, "SELECT table_rows FROM information_schema.tables")
        return int(found[0][0]) if found and found[0][0] else None

    def _of(self, table: TableName, sql: str, order: str = "") -> list[tuple[Any, ...]]:
        return self.catalog_rows(f"{sql} WHERE {self._OF_TABLE}{order}", schema=table.schema, name=table.name)

    def steps(self, poll: Statement, origin: ColumnOrigin | None) -> list[_Step]:
        rows = self.explain(poll, "EXPLAIN FORMAT=JSON ", self._FORM_OF_PLAN)
        return [self._step(table) for row in rows for table in _tables(_parse_plan(str(next(iter(row.values())))))]

    def _step(self, table: Mapping[str, Any]) -> _Step:
        conditions = (str(table.get(f"{name}_condition", "")) for name in ("index", "attached"))
        condition = " and ".join(conditions).replace("`", "").lower()
        access = table.get("access_type")
        column = _range_column(table.get("used_key_parts", ()), condition) if access == "range" else None
        return _Step(
            table=str(table["table_name"]).lower(),
            range_column=column,
            condition=condition,
            reads_all=access in ("ALL", "index"),
        )


class _PostgreSQL(_Planner):
    depends_on_size = True
    create = "CREATE INDEX CONCURRENTLY {name} ON {table} ({column})"
    _ATTRIBUTES = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0"

    _INDEXES = (
        "SELECT c.relname, pg_get_indexdef(c.oid, n, true) "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid, generate_series(1, i.indnkeyatts) n "
        "WHERE i.indrelid = to_regclass({}) ORDER BY c.relname, n"
    )
    _QUOTED = "quote_ident(:schema) || '.' || quote_ident(:name)"

    def columns(self, table: TableName) -> Sequence[str]:
        return [str(row[0]).lower() for row in self.catalog_rows(self._ATTRIBUTES, name=table.written)]

    def view(self, table: TableName) -> str | None:
        sql = "SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'v'"
        return next((str(row[0]) for row in self.catalog_rows(sql, name=table.written)), None)

    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        return self._indexes(":name", name=table.written)

    def rows(self, table: TableName) -> int | None:
        sql = "SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name) AND reltuples > 0"
        return next((int(row[0]) for row in self.catalog_rows(sql, name=table.written)), None)

    def create_index(self, origin: ColumnOrigin) -> str:
        """An index on a partitioned table cannot be created CONCURRENTLY."""
        sql = "SELECT 1 FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'p'"
        statement = super().create_index(origin)
        is_partitioned = self.catalog_rows(sql, name=origin.table.written)
        return statement.replace(" CONCURRENTLY", "") if is_partitioned else statement

    def steps(self, poll: Statement, origin: ColumnOrigin | None) -> list[_Step]:
        """PostgreSQL reads a small table without its index, so reading all of it is made the last resort. Partitions go
        by the alias of their table, with a number."""
        rows = self.explain(poll, "EXPLAIN (COSTS OFF, VERBOSE, FORMAT JSON) ", "SET LOCAL enable_seqscan = off")
        nodes = [node for row in rows for node in _nodes(json.loads(row["QUERY PLAN"])[0]["Plan"])]
        steps = [step for node in nodes for step in self._step(node)]
        if origin is None:
            return steps
        alias = origin.alias.lower()
        partitions = {f"{alias}_{number}" for number in range(1, 1000)}
        return [replace(step, table=alias) if step.table in partitions else step for step in steps]

    def _step(self, node: Mapping[str, Any]) -> Iterator[_Step]:
        if "Relation Name" not in node:
            return
        scans = [node, *_bitmaps(node)]
        conditions = [(scan["Index Name"], _plain(scan["Index Cond"])) for scan in scans if "Index Cond" in scan]
        indexes = self._indexes(self._QUOTED, name=node["Relation Name"], schema=node["Schema"])
        columns = (_range_column(indexes.get(name, ()), condition) for name, condition in conditions)
        yield _Step(
            table=str(node["Alias"]).lower(),
            range_column=next(filter(None, columns), None),
            condition=" ".join(condition for _, condition in conditions),
            reads_all=not conditions,
        )

    def _indexes(self, table: str, **values: str) -> Mapping[str, Sequence[str]]:
        found = _grouped(self.catalog_rows(self._INDEXES.format(table), **values))
        return {index: [_plain(one) for one in columns] for index, columns in found.items()}


_PLANNERS: Mapping[type[Dialect], Callable[[Database], _Planner]] = {
    SQLite: _SQLite,
    MariaDB: _MariaDB,
    PostgreSQL: _PostgreSQL,
}


def _range_column(key: Sequence[str], condition: str) -> str | None:
    """The column of an index's `key` that the condition compares from some value on, if it compares each column before
    it with one value: an index is not searched by the columns after the first range. None: there is none."""
    if not condition:
        return key[0].lower() if key else None
    for column in key:
        name = re.escape(column.lower())
        if re.search(rf"(?<!\w){name} (?:[<>]=?|between) |[<>]=? (?:\w+\.)*{name}(?!\w)", condition):
            return column.lower()
        if not re.search(rf"(?<!\w){name} (?:=|in|<=>) ?", condition):
            return None
    return None


def _parse_plan(plan_as_json: str) -> list[Any]:
    """MariaDB's or MySQL's plan, its objects as lists of pairs, since old versions of MariaDB give several parts of an
    object the same name; and MariaDB does not escape quotes in texts. Empty: it cannot be read."""
    escaped = _QUOTED.sub(lambda found: found[1] + json.dumps(found[2])[1:-1], plan_as_json)
    for text_ in (plan_as_json, escaped):
        with suppress(ValueError):
            found: list[Any] = json.loads(text_, object_pairs_hook=list, strict=False)
            return found
    return []


def _tables(found: object) -> Iterator[Mapping[str, Any]]:
    """The tables in MariaDB's or MySQL's plan, without those of subqueries and temporary ones."""
    for part in found if isinstance(found, list) else ():
        name, value = part if isinstance(part, tuple) else ("", part)
        if name == "table" and not _is_temporary(dict(value)):
            yield dict(value)
        if "subqueries" not in name and name != "expression_cache":
            yield from _tables(value)


def _is_temporary(table: Mapping[str, Any]) -> bool:
    """Whether it is a result that the plan keeps, as MariaDB and as MySQL say it."""
    return str(table.get("table_name", "<")).startswith("<") or "materialized_from_subquery" in table


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes of PostgreSQL's plan, without those of subqueries."""
    yield node
    for part in node.get("Plans", ()):
        is_named = str(part.get("Subplan Name", "CTE ")).startswith("CTE ")
        if is_named:
            yield from _nodes(part)


def _bitmaps(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for part in node.get("Plans", ()):
        if str(part["Node Type"]).startswith("Bitmap"):
            yield part
            yield from _bitmaps(part)


def _plain(condition: str) -> str:
    """PostgreSQL's condition without brackets, quotes, casts and the names of tables, in lower case."""
    alone = re.sub(r"""(?<![\w'.])(?:[a-z_]\w*|"[^"]+")\.(?=["a-z_])""", "", condition.lower())
    return re.sub(r'::[a-z ]+(?:\(\d+\))?(?:\[\])?|[()"]', "", alone)


def _grouped(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, column in rows:
        found.setdefault(str(name), []).append(str(column).lower())
    return found


def _select_of_view(sql: str) -> str:
    """The SELECT in a CREATE VIEW."""
    found = re.search(r"\bAS\b\s*(?=\(?\s*(?:SELECT|WITH)\b)", sql, re.IGNORECASE)
    return sql[found.end() :] if found else ""
