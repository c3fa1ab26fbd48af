"""Whether a poll goes by an index. The database's own planner is asked; the poll itself is not run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from syncd.sources.connection import Database
from syncd.sources.dialects import Dialect, MariaDB, PostgreSQL, SQLite
from syncd.sources.query import Statement


@dataclass(frozen=True, slots=True)
class Plan:
    """`reads_whole`: in the planner's own words, what is read from end to end."""

    by_index: bool
    reads_whole: Sequence[str]


def plan(database: Database, poll: Statement) -> Plan | None:
    """How the database would run an incremental poll that finds little. None: it is not known how to ask this database.

    SourceError.
    """
    planner = _PLANNERS.get(type(database.dialect))
    return planner(database, poll) if planner else None


def _sqlite(database: Database, poll: Statement) -> Plan:
    steps = [str(row["detail"]) for row in database.ask(poll, prefix="EXPLAIN QUERY PLAN ")]
    return Plan(
        by_index=any(re.match(r"SEARCH .*>\?", step) for step in steps),
        reads_whole=[step for step in steps if step.startswith("SCAN ")],
    )


def _mariadb(database: Database, poll: Statement) -> Plan:
    steps = [{name.lower(): value for name, value in row.items()} for row in database.ask(poll, prefix="EXPLAIN ")]
    return Plan(
        by_index=any(step["type"] == "range" for step in steps),
        reads_whole=[f"{step['type']} {step['table']}" for step in steps if step["type"] in ("ALL", "index")],
    )


def _postgresql(database: Database, poll: Statement) -> Plan:
    """Of a small table PostgreSQL reads the whole though there is an index, so that way is made the last resort."""
    asked = database.ask(poll, prefix="EXPLAIN (COSTS OFF) ", before="SET LOCAL enable_seqscan = off")
    steps = [str(row["QUERY PLAN"]).strip(" ->") for row in asked]
    scan = re.compile(r"(Parallel )?(Seq|Index|Index Only) Scan\b")
    return Plan(
        by_index=any(re.match(r"Index Cond: .*>=", step) for step in steps),
        reads_whole=[step for step in steps if scan.match(step)],
    )


_PLANNERS: Mapping[type[Dialect], Callable[[Database, Statement], Plan]] = {
    SQLite: _sqlite,
    MariaDB: _mariadb,
    PostgreSQL: _postgresql,
}
