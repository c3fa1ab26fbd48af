"""Empty states, which tests use one after the other: emptying one takes a tenth of the time that making one takes.

The engine of such a state stays. It keeps the statements that it compiled, which is half of what a short test costs;
without connections it knows no more of the state than that of a new process does.
"""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import Connection, create_engine, text

from syncd.state import State, open_state
from syncd.state.schema import metadata
from syncd.state.store import Store

MEMORY = Path("/dev/shm")
"""Where there is one: processes die in the tests, the machine does not, so that nothing need reach a disk."""
WAIT_SECONDS = 5.0


class SqliteState:
    """The state of this process's tests, in one file."""

    def __init__(self) -> None:
        self._file = one_folder() / "emptied" / "syncd.db"
        self._file.parent.mkdir()
        put_empty_state(self._file)
        self.url = f"sqlite:///{self._file}"
        self._store = open_state(self.url, redact=str, wait_seconds=WAIT_SECONDS).store

    def emptied(self) -> State:
        self._store.engine.dispose()
        shutil.rmtree(self._file.parent)
        self._file.parent.mkdir()
        put_empty_state(self._file)
        self._store.note_file()
        return State(Store(self._store.engine.execution_options(), str(self._file), str, WAIT_SECONDS))


class PostgresqlState:
    """The state of this process's tests, in a schema of the database that the URL names."""

    def __init__(self, database: str) -> None:
        self.url = f"{database}?options=-c%20search_path%3Demptied"
        self._to_empty = create_engine(self.url, isolation_level="AUTOCOMMIT", pool_size=1)
        with self._to_empty.connect() as connection:
            connection.execute(text("CREATE SCHEMA emptied"))
            made = open_state(self.url, redact=str, wait_seconds=WAIT_SECONDS)
            self._engine, self._place = made.store.engine, made.place
            self._statements = "; ".join(_emptying(connection))
        made.close()

    def emptied(self) -> State:
        """Sessions that a test left behind, by killing a process, are ended."""
        self._engine.dispose()
        with self._to_empty.connect() as connection:
            connection.exec_driver_sql(self._statements)
        return State(Store(self._engine.execution_options(), self._place, str, WAIT_SECONDS))

    def close(self) -> None:
        self._to_empty.dispose()


_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def _emptying(connection: Connection) -> list[str]:
    """What makes every table as it is in the new state that the connection shows."""
    tables = ["alembic_version", *(table.name for table in reversed(metadata.sorted_tables))]
    statements = [_END_OTHERS, *(f"DELETE FROM {table}" for table in tables)]
    for table in tables:
        rows = connection.execute(text(f"SELECT quote_literal(json_agg(one)) FROM {table} one")).scalar()
        if rows is not None:
            statements.append(f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, {rows})")
    sequences = connection.execute(text("SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema()"))
    return [*statements, *(f"SELECT setval('{name}', 1, false)" for name in sequences.scalars())]


def begin_state(file: Path) -> None:
    """What the first start of a daemon makes, where it is not made yet."""
    if not file.exists():
        put_empty_state(file)


def put_empty_state(file: Path) -> None:
    """A new state in SQLite, as its first start leaves it."""
    shutil.copy(_empty_state(), file)


@cache
def one_folder() -> Path:
    """For what this process's tests use one after the other."""
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder)
    return folder


@cache
def _empty_state() -> Path:
    file = one_folder() / "empty.db"
    open_state(f"sqlite:///{file}", redact=str).close()
    return file
