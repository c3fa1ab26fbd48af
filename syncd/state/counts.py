"""How many changes are in each state: counted by the database as changes are written, not when somebody asks.

To count 200,000 changes that wait takes longer than all else that the status page and a scrape read. So triggers keep
`change_counts`, in the transaction of whoever writes: also of an older daemon, which knows nothing of them. SQLite has
triggers for rows alone, which cost 1.5 µs a row; those of PostgreSQL cost some 50 µs a statement.
"""

from __future__ import annotations

from typing import get_args

from sqlalchemy import Connection, insert, select

from syncd.model import CHANGE_STATES, ChangeState, Hold
from syncd.state.schema import change_counts

_ALL = select(change_counts).where(change_counts.c.number != 0).order_by(change_counts.c.hold)
_KEYS = [(state, "") for state in CHANGE_STATES] + [("held", hold) for hold in get_args(Hold)]


def _hold(row: str) -> str:
    """`change_counts.hold` for a row of `changes`: one that ended keeps its column."""
    return f"CASE {row}state WHEN 'held' THEN coalesce({row}hold, '') ELSE '' END"


def _change_row(number: str, row: str) -> str:
    """For SQLite: add 1 to the count of one row, or take 1 away."""
    return f"""
        UPDATE change_counts SET number = number {number} WHERE state = {row}state AND hold = {_hold(row)};
    """  # noqa: S608 - of constants, as below


def _change_rows(*rows: str) -> str:
    """For PostgreSQL: add the sum of the signs of rows to each count."""
    return f"""
        UPDATE change_counts AS kept SET number = kept.number + found.number
        FROM (
            SELECT state, hold, sum(sign) AS number FROM ({" UNION ALL ".join(rows)}) AS moved
            GROUP BY state, hold HAVING sum(sign) <> 0
        ) AS found
        WHERE kept.state = found.state AND kept.hold = found.hold;
    """  # noqa: S608


_TRIGGERS_OF_SQLITE = (
    f"CREATE TRIGGER changes_inserted AFTER INSERT ON changes BEGIN {_change_row('+ 1', 'NEW.')} END",
    f"CREATE TRIGGER changes_deleted AFTER DELETE ON changes BEGIN {_change_row('- 1', 'OLD.')} END",
    f"""
    CREATE TRIGGER changes_updated AFTER UPDATE OF state, hold ON changes
    WHEN OLD.state IS NOT NEW.state OR OLD.hold IS NOT NEW.hold
    BEGIN {_change_row("- 1", "OLD.")} {_change_row("+ 1", "NEW.")} END
    """,
)
_INSERTED = f"SELECT state, {_hold('')} AS hold, 1 AS sign FROM new_rows"  # noqa: S608
_DELETED = f"SELECT state, {_hold('')} AS hold, -1 AS sign FROM old_rows"  # noqa: S608
_TRIGGERS_OF_POSTGRESQL = (
    f"""
    CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'INSERT' THEN {_change_rows(_INSERTED)}
        ELSIF TG_OP = 'DELETE' THEN {_change_rows(_DELETED)}
        ELSE {_change_rows(_INSERTED, _DELETED)}
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        f"CREATE TRIGGER changes_{name} AFTER {event} ON changes REFERENCING {rows}"
        " FOR EACH STATEMENT EXECUTE PROCEDURE count_changes()"  # as PostgreSQL 10 knows it, too
        for name, event, rows in (
            ("inserted", "INSERT", "NEW TABLE AS new_rows"),
            ("deleted", "DELETE", "OLD TABLE AS old_rows"),
            ("updated", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        )
    ),
)


def begin_counting(connection: Connection) -> None:
    """Count what is there, and make the triggers. In the transaction that makes the table, so nothing is missed."""
    keys = f"SELECT state, {_hold('')} AS hold FROM changes"  # noqa: S608
    counted = connection.exec_driver_sql(f"SELECT state, hold, count(*) FROM ({keys}) AS keys GROUP BY state, hold")  # noqa: S608
    numbers = {(state, hold): number for state, hold, number in counted}
    rows = [{"state": state, "hold": hold, "number": numbers.get((state, hold), 0)} for state, hold in _KEYS]
    connection.execute(insert(change_counts), rows)
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in _TRIGGERS_OF_SQLITE if is_sqlite else _TRIGGERS_OF_POSTGRESQL:
        connection.exec_driver_sql(statement)


def read_counts(connection: Connection) -> tuple[dict[ChangeState, int], dict[Hold, int]]:
    """How many changes are in each state that any is in, and how many of those that are held are held for what."""
    changes: dict[ChangeState, int] = {}
    held: dict[Hold, int] = {}
    for state, hold, number in connection.execute(_ALL):
        changes[state] = changes.get(state, 0) + number
        if state == "held":
            held[hold] = number
    return changes, held
