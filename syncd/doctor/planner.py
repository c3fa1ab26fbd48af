"""Whether a poll goes by an index. The database's own planner is asked; the poll itself is not run.

What counts is the step that reads the table of the cursor's column: whether its key is compared from the value on from
which a poll asks. A `range` of a subquery, over another column, or from a fixed value on says nothing of it.
"""

from __future__ import annotations

import json
import re
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
    """`by_index`: whether polls find what changed by an index; None: the plan does not let one know. `origin`: the
    column that the cursor is; None: it is computed, or nobody can tell. `index`: the name of an index that holds that
    column. `rows`: about how many the table has, where that is known. `depends_on_size`: of a small table the database
    reads all though there is an index. `create`: what makes an index."""

    by_index: bool | None
    origin: ColumnOrigin | None = None
    index: str | None = None
    rows: int | None = None
    depends_on_size: bool = False
    create: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """A table that the poll itself reads, not a subquery in it. `table`: by the name that it goes by there. `since`:
    the column of its key that is compared from some value on. `condition`: what is compared, with the values where
    they are shown. `whole`: all of it is read."""

    table: str
    since: str | None
    condition: str
    whole: bool


@dataclass(frozen=True, slots=True)
class PollStatements:
    """Two incremental polls that ask from different values on, and what asks for all orders. `uses_since`: the query
    itself names that value, so that it stands in all of them."""

    one: Statement
    another: Statement
    everything: Statement
    uses_since: bool


def index_use(database: Database, polls: PollStatements, sql: str, cursor: str) -> IndexUse | None:
    """How the database would run a poll; `cursor` names the column of the query `sql` that it goes by. None: it is not
    known how to ask this database. SourceError."""
    planner = _PLANNERS.get(type(database.dialect))
    return planner(database).index_use(polls, sql, cursor) if planner else None


class _Planner:
    """What one kind of database says of its tables, and of how it runs a statement."""

    depends_on_size = False
    create = "CREATE INDEX {name} ON {table} ({column})"

    def __init__(self, database: Database) -> None:
        self._database = database

    def columns(self, table: TableName) -> Sequence[str]:
        raise NotImplementedError

    def view(self, table: TableName) -> str | None:
        raise NotImplementedError

    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        """Index -> its columns, in small letters."""
        raise NotImplementedError

    def rows(self, _table: TableName) -> int | None:
        """About how many the table has."""
        return None

    def steps(self, poll: Statement, found: ColumnOrigin | None) -> list[_Step]:
        raise NotImplementedError

    def create_index(self, found: ColumnOrigin) -> str:
        name = re.sub(r"\W", "", f"syncd_{found.column}")[:60]
        column = found.column if re.fullmatch(r"[a-z_]\w*", found.column, re.IGNORECASE) else self.quoted(found.column)
        return self.create.format(name=name, table=found.table.written, column=column)

    def quoted(self, name: str) -> str:
        return f'"{name}"'

    def fixed(self, polls: PollStatements, found: ColumnOrigin | None) -> list[_Step]:
        """Steps that are the same from whichever value on a poll asks: those of a poll that asks from another, since
        the plan shows the values."""
        return self.steps(polls.another, found)

    def index_use(self, polls: PollStatements, sql: str, cursor: str) -> IndexUse:
        found = column_origin(sql, cursor, self._database.grammar, self)
        steps, fixed = self.steps(polls.one, found), self.fixed(polls, found)
        by_value = [step for step in steps if step.since and step not in fixed]
        by_index = self._verdict(steps, by_value, found)
        if found is None:
            return IndexUse(by_index, depends_on_size=self.depends_on_size)
        index = next(
            (name for name, columns in self.indexes(found.table).items() if found.column.lower() in columns), None
        )
        rows = self.rows(found.table)
        return IndexUse(by_index, found, index, rows, self.depends_on_size, self.create_index(found))

    def asked(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """What the database tells of its tables; nothing where it does not tell this login."""
        with suppress(SourceError):
            return self._database.rows(text(sql).bindparams(**values))
        return []

    def explained(self, poll: Statement, prefix: str, before: str = "") -> list[RowMapping]:
        """Nothing where the login may read a view, but not have it explained, or the server is too old to be asked."""
        with suppress(SourceError):
            return self._database.named_rows(poll, prefix=prefix, before=before)
        return []

    def _verdict(self, steps: Sequence[_Step], by_value: Sequence[_Step], found: ColumnOrigin | None) -> bool | None:
        """`by_value`: the steps that begin where the poll asks from."""
        if found is not None:
            steps = [step for step in steps if step.table == found.alias.lower()]
            by_value = [step for step in by_value if step in steps and step.since == found.column.lower()]
            return bool(by_value) and not any(step.whole for step in steps) if steps else None
        whole = any(step.whole for step in steps)
        return None if not steps or (by_value and whole) else bool(by_value)


class _SQLite(_Planner):
    def columns(self, table: TableName) -> Sequence[str]:
        return [str(row[0]).lower() for row in self.asked("SELECT name FROM pragma_table_info(:name)", name=table.name)]

    def view(self, table: TableName) -> str | None:
        sql = "SELECT sql FROM sqlite_master WHERE type = 'view' AND lower(name) = lower(:name)"
        return next((_behind_as(str(row[0])) for row in self.asked(sql, name=table.name)), None)

    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        sql = (
            "SELECT l.name, i.name FROM pragma_index_list(:name) l, pragma_index_info(l.name) i ORDER BY l.seq, i.seqno"
        )
        found = _grouped(self.asked(sql, name=table.name))
        return {**found, **({"PRIMARY KEY": [key]} if (key := self._rowid(table)) else {})}

    def fixed(self, polls: PollStatements, found: ColumnOrigin | None) -> list[_Step]:
        """SQLite's plan shows no values, but without a value it has no such step."""
        return [] if polls.uses_since else self.steps(polls.everything, found)

    def _rowid(self, table: TableName) -> str | None:
        """The column that is the key by which SQLite keeps the rows."""
        sql = "SELECT name FROM pragma_table_info(:name) WHERE pk = 1 AND upper(type) = 'INTEGER'"
        return next((str(row[0]).lower() for row in self.asked(sql, name=table.name)), None)

    def steps(self, poll: Statement, found: ColumnOrigin | None) -> list[_Step]:
        rows = self.explained(poll, "EXPLAIN QUERY PLAN ")
        details = {row["id"]: (row["parent"], str(row["detail"])) for row in rows}
        made = {
            name[2] for _, detail in details.values() if (name := re.match(r"(MATERIALIZE|CO-ROUTINE) (\S+)", detail))
        }
        rowid = found and self._rowid(found.table)
        steps = []
        for node, (_, detail) in details.items():
            above = [*_above(node, details)]
            read = _SQLITE_STEP.match(detail)
            is_made = read and read[2] in made and not any(up.endswith(f" {read[2]}") for up in above)
            if not read or is_made or any(re.search(r"(SCALAR|LIST) SUBQUERY", up) for up in above):
                continue
            key = (read[4] or "").split(" AND ")
            since = next((part[:-2].lower() for part in key if part.endswith(">?")), None)
            column = rowid if since == "rowid" and rowid else since
            steps.append(_Step((read[3] or read[2]).lower(), column, "", whole=read[1] == "SCAN"))
        return steps


class _MariaDB(_Planner):
    """MariaDB and MySQL."""

    depends_on_size = True
    _OF_TABLE = "table_schema = COALESCE(:schema, DATABASE()) AND table_name = :name"

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
        return self.asked(f"{sql} WHERE {self._OF_TABLE}{order}", schema=table.schema, name=table.name)

    def steps(self, poll: Statement, found: ColumnOrigin | None) -> list[_Step]:
        rows = self.explained(poll, "EXPLAIN FORMAT=JSON ")
        return [self._step(table) for row in rows for table in _tables(_read(str(next(iter(row.values())))))]

    def _step(self, table: Mapping[str, Any]) -> _Step:
        conditions = (str(table.get(f"{name}_condition", "")) for name in ("index", "attached"))
        condition = " and ".join(conditions).replace("`", "").lower()
        access = table.get("access_type")
        since = _since(table.get("used_key_parts", ()), condition) if access == "range" else None
        return _Step(
            table=str(table["table_name"]).lower(),
            since=since,
            condition=condition,
            whole=access in ("ALL", "index"),
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
        return [str(row[0]).lower() for row in self.asked(self._ATTRIBUTES, name=table.written)]

    def view(self, table: TableName) -> str | None:
        sql = "SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'v'"
        return next((str(row[0]) for row in self.asked(sql, name=table.written)), None)

    def indexes(self, table: TableName) -> Mapping[str, Sequence[str]]:
        return self._indexes(":name", name=table.written)

    def rows(self, table: TableName) -> int | None:
        sql = "SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name) AND reltuples > 0"
        return next((int(row[0]) for row in self.asked(sql, name=table.written)), None)

    def create_index(self, found: ColumnOrigin) -> str:
        """One of a partitioned table cannot be made beside the work of the shop."""
        sql = "SELECT 1 FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'p'"
        made = super().create_index(found)
        return made.replace(" CONCURRENTLY", "") if self.asked(sql, name=found.table.written) else made

    def steps(self, poll: Statement, found: ColumnOrigin | None) -> list[_Step]:
        """Of a small table PostgreSQL reads the whole though there is an index, so that way is made the last resort."""
        rows = self.explained(poll, "EXPLAIN (COSTS OFF, VERBOSE, FORMAT JSON) ", "SET LOCAL enable_seqscan = off")
        nodes = [node for row in rows for node in _nodes(json.loads(row["QUERY PLAN"])[0]["Plan"])]
        steps = [step for node in nodes for step in self._step(node)]
        parts = {f"{found.alias.lower()}_{number}" for number in range(1, 1000)} if found else set()
        alias = found.alias.lower() if found else ""
        return [replace(step, table=alias) if step.table in parts else step for step in steps]

    def _step(self, node: Mapping[str, Any]) -> Iterator[_Step]:
        if "Relation Name" not in node:
            return
        scans = [node, *_bitmaps(node)]
        conditions = [(scan["Index Name"], _plain(scan["Index Cond"])) for scan in scans if "Index Cond" in scan]
        indexes = self._indexes(self._QUOTED, name=node["Relation Name"], schema=node["Schema"])
        since = next((one for name, cond in conditions if (one := _since(indexes.get(name, ()), cond))), None)
        yield _Step(
            table=str(node["Alias"]).lower(),
            since=since,
            condition=" ".join(condition for _, condition in conditions),
            whole=not conditions,
        )

    def _indexes(self, table: str, **values: str) -> Mapping[str, Sequence[str]]:
        found = _grouped(self.asked(self._INDEXES.format(table), **values))
        return {index: [_plain(one) for one in columns] for index, columns in found.items()}


_PLANNERS: Mapping[type[Dialect], Callable[[Database], _Planner]] = {
    SQLite: _SQLite,
    MariaDB: _MariaDB,
    PostgreSQL: _PostgreSQL,
}


def _since(key: Sequence[str], condition: str) -> str | None:
    """The column of a key that the condition compares from some value on, all before it being compared with one value:
    what stands behind it in the key narrows nothing. None: there is none."""
    if not condition:
        return key[0].lower() if key else None
    for column in key:
        name = re.escape(column.lower())
        if re.search(rf"(?<!\w){name} (?:[<>]=?|between) |[<>]=? (?:\w+\.)*{name}(?!\w)", condition):
            return column.lower()
        if not re.search(rf"(?<!\w){name} (?:=|in|<=>) ?", condition):
            return None
    return None


def _read(plan_as_json: str) -> list[Any]:
    """MariaDB's or MySQL's plan, its objects as lists of pairs, for old versions of MariaDB name several parts of one
    alike; and MariaDB does not escape what it quotes. Empty: it cannot be read."""
    mended = _QUOTED.sub(lambda found: found[1] + json.dumps(found[2])[1:-1], plan_as_json)
    for text_ in (plan_as_json, mended):
        with suppress(ValueError):
            found: list[Any] = json.loads(text_, object_pairs_hook=list, strict=False)
            return found
    return []


def _tables(found: object) -> Iterator[Mapping[str, Any]]:
    """The tables in MariaDB's or MySQL's plan, without those of subqueries and what was made of others."""
    for part in found if isinstance(found, list) else ():
        name, value = part if isinstance(part, tuple) else ("", part)
        if name == "table" and not dict(value).get("table_name", "<").startswith("<"):
            yield dict(value)
        if "subqueries" not in name and name != "expression_cache":
            yield from _tables(value)


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
    """PostgreSQL's condition without brackets, quotes, casts and the names of tables, in small letters."""
    alone = re.sub(r"""(?<![\w'.])(?:[a-z_]\w*|"[^"]+")\.(?=["a-z_])""", "", condition.lower())
    return re.sub(r'::[a-z ]+(?:\(\d+\))?(?:\[\])?|[()"]', "", alone)


def _above(node: int, details: Mapping[int, tuple[int, str]]) -> Iterator[str]:
    while (node := details[node][0]) in details:
        yield details[node][1]


def _grouped(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, column in rows:
        found.setdefault(str(name), []).append(str(column).lower())
    return found


def _behind_as(sql: str) -> str:
    """The SELECT of a CREATE VIEW."""
    found = re.search(r"\bAS\b\s*(?=\(?\s*(?:SELECT|WITH)\b)", sql, re.IGNORECASE)
    return sql[found.end() :] if found else ""
