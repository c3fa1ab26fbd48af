"""A look at the state that makes, mends and upgrades nothing, for the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from sqlalchemy import Connection, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from syncd.errors import StateError
from syncd.state.engine import WAIT_SECONDS, connect, place, sqlite_file
from syncd.state.faults import state_error
from syncd.state.migrate import REVISIONS

_MAY_CREATE = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")


@dataclass(frozen=True, slots=True)
class Look:
    """What is there at `place`: nothing yet, tables of somebody else, a state that the next start upgrades, or one of
    this version. `may_create`: whether this login may make tables in PostgreSQL."""

    place: str
    standing: Literal["absent", "foreign", "older", "current"]
    may_create: bool = True


def look(url: str, redact: Callable[[str], str]) -> Look:
    """StateError: it cannot be read, or a newer syncd wrote it."""
    file = sqlite_file(make_url(url))
    if file and not file.exists():
        return Look(place(url), "absent")
    with _opened(url, redact) as connection:
        tables = inspect(connection).get_table_names()
        if "alembic_version" in tables:
            return Look(place(url), _age(connection, place(url)))
        may_create = file is not None or bool(connection.execute(_MAY_CREATE).scalar())
        return Look(place(url), "foreign" if tables else "absent", may_create)


def damage(url: str, redact: Callable[[str], str], seconds: float, wait_seconds: float = WAIT_SECONDS) -> str | None:
    """What SQLite finds wrong with the file that is there; None: nothing.

    StateError: it cannot be read, or is locked for `wait_seconds`. TimeoutError: not done within `seconds`.
    """
    ends_at = monotonic() + seconds
    with _opened(url, redact, wait_seconds) as connection:
        driver_connection = connection.connection.driver_connection
        assert driver_connection is not None
        driver_connection.set_progress_handler(lambda: monotonic() > ends_at, 10_000)
        try:
            found = str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
        except OperationalError as error:
            if "interrupted" in str(error.orig):
                raise TimeoutError from None
            raise
    return None if found == "ok" else found


def state_file(url: str) -> Path | None:
    """The file that a SQLite state is kept in; None: it is kept in PostgreSQL."""
    return sqlite_file(make_url(url))


def _age(connection: Connection, name: str) -> Literal["older", "current"]:
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision not in REVISIONS:
        raise StateError(f"the state {name} was written by a newer syncd; install that version or restore a backup")
    return "current" if revision == REVISIONS[-1] else "older"


@contextmanager
def _opened(url: str, redact: Callable[[str], str], wait_seconds: float = WAIT_SECONDS) -> Iterator[Connection]:
    """Without the switch to WAL that opening a state begins with: the file may be somebody else's."""
    is_file = state_file(url) is not None
    arguments = {"timeout": wait_seconds}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments) if is_file else connect(url, create=False)
    try:
        with engine.connect() as connection:
            if is_file:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection
    except SQLAlchemyError as error:
        raise state_error(error, place(url), redact) from None
    finally:
        engine.dispose()
