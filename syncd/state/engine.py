"""Connections to the state's database: a file that only its owner can read, durable writes, a limit on every wait."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from weakref import WeakSet

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from syncd.errors import StateError
from syncd.state.schema import SQLITE_TIME, microseconds

WAIT_SECONDS = 10.0
STATEMENT_SECONDS = 60
SILENT_SECONDS = 5
"""After this time without any packet, this process and the PostgreSQL server give a connection up. A network that drops
packets tells neither of them, and by default the server would keep the session and its locks for two hours."""
PROBE_SECONDS = 1
HALF_DONE_SECONDS = 4
"""A session may leave a transaction open for this time without a statement; longer means that its process is frozen or
its host is gone. Then it loses the writers' lock, so that another daemon can write as soon as it leads. The server ends
the session itself, unless it has received half of a batch of statements (psycopg sends a batch without waiting for
answers); `end_silent_writers` covers that case. No transaction here waits for anything but the database."""
CONNECT_SECONDS = 5
FILE_IS_GONE = "the file is gone"
FILE_IS_ANOTHER = "the file is another one"
LEASE_SECONDS = 2
"""The limit on each wait of a statement about a lease. After it, the statement is tried again."""


def this_process() -> str:
    """The name of this process for people who look which process works on a state."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def place(url: str) -> str:
    """The state's name in messages, without secrets."""
    parsed = make_url(url)
    return str(sqlite_file(parsed) or parsed.set(query={}).render_as_string(hide_password=True))


def sqlite_file(url: URL) -> Path | None:
    """The file that a SQLite URL names, also in the form file:...; None for PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    name = url.database or ""
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def wall_clock() -> datetime:
    return datetime.now(UTC)


def connect(
    url: str, *, create: bool, wait_seconds: float = WAIT_SECONDS, clock: Callable[[], datetime] = wall_clock
) -> Engine:
    """An engine for the state. `wait_seconds` limits each wait: for a lock, a connection, a network that does not
    answer. `clock` is used with SQLite; PostgreSQL has its own. StateError: the file does not exist and `create` is not
    set, or it cannot be created."""
    parsed = make_url(url)
    file = sqlite_file(parsed)
    if file is None:
        return _postgresql(parsed, wait_seconds, STATEMENT_SECONDS, SILENT_SECONDS)
    if create:
        _make_file(file)
    elif not file.exists():
        raise no_state_yet(str(file))
    return _sqlite(parsed, wait_seconds, clock)


def connect_alone(url: str) -> Engine:
    """An engine that reads the file of a SQLite URL as it is, without the log beside it, which belongs to another file
    that was there before. In the usual way, the last connection that closes would write that log into this file."""
    file = sqlite_file(make_url(url))
    assert file

    def open_file() -> sqlite3.Connection:
        named = f"file:{quote(str(file.absolute()))}?immutable=1"
        return sqlite3.connect(named, uri=True, isolation_level=None, check_same_thread=False)

    return create_engine(url, hide_parameters=True, creator=open_file)


class Sockets:
    """The sockets of an engine's connections to PostgreSQL. One thread can close them all while others wait for answers
    that never come: a network or a proxy may drop what it is given and report nothing."""

    def __init__(self, engine: Engine) -> None:
        self._open: WeakSet[Any] = WeakSet()
        event.listen(engine, "connect", lambda connection, _pool_entry: self._open.add(connection))

    def cut(self) -> None:
        from psycopg import Error as DriverError  # noqa: PLC0415 - a state in SQLite does not need the driver

        for connection in list(self._open):
            with suppress(OSError, DriverError), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)


def connect_for_lease(url: URL) -> Engine:
    """An engine for leases: one short statement at a time, on a PostgreSQL server that may be out of reach."""
    return _postgresql(url, LEASE_SECONDS, LEASE_SECONDS, PROBE_SECONDS).execution_options(isolation_level="AUTOCOMMIT")


def no_state_yet(name: str) -> StateError:
    return StateError(f"there is no state yet at {name}; start the daemon or run syncd once first")


def _make_file(file: Path) -> None:
    """Create the file before SQLite does: SQLite would make it readable for everybody. The -wal and -shm files get the
    same mode."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except FileNotFoundError:
        raise StateError(f"the state {file} cannot be made: its directory does not exist; make it first") from None
    except OSError as error:
        raise StateError(
            f"the state {file} cannot be made: {error.strerror}; let syncd's user write its directory, "
            "or name another file in SYNCD_STATE__URL"
        ) from None


def _sqlite(url: URL, wait_seconds: float, clock: Callable[[], datetime]) -> Engine:
    def tell_time(connection: DBAPIConnection, _pool_entry: ConnectionPoolEntry) -> None:
        connection.create_function(SQLITE_TIME, 0, lambda: microseconds(clock()))

    # isolation_level None: the driver must not begin transactions by itself, because it begins them too late
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_timeout=wait_seconds,
        connect_args={"timeout": wait_seconds, "isolation_level": None},
    )
    event.listen(engine, "do_connect", partial(_refuse_to_make, sqlite_file(url)))
    event.listen(engine, "connect", _make_durable)
    event.listen(engine, "connect", tell_time)
    event.listen(engine, "begin", _begin)
    return engine


def _refuse_to_make(
    file: Path | None, _dialect: Dialect, _entry: ConnectionPoolEntry, _args: object, _params: object
) -> None:
    """SQLite would make an empty file where the state's was deleted."""
    if file and not file.exists():
        raise sqlite3.OperationalError(FILE_IS_GONE)


def _make_durable(connection: DBAPIConnection, _pool_entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, wait_seconds: float, statement_seconds: int, late_seconds: int) -> Engine:
    """`late_seconds`: how long an answer is waited for after the server must have ended the statement."""
    limits = {
        "lock_timeout": f"{int(wait_seconds * 1000)}ms",
        "statement_timeout": f"{statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{HALF_DONE_SECONDS}s",
        "tcp_keepalives_idle": SILENT_SECONDS - 2 * PROBE_SECONDS,
        "tcp_keepalives_interval": PROBE_SECONDS,
        "tcp_keepalives_count": 2,
    }
    given = url.query.get("options", ())
    options = [
        *([given] if isinstance(given, str) else given),
        *(f"-c {name}={limit}" for name, limit in limits.items()),
    ]
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=wait_seconds,
        connect_args={
            "connect_timeout": max(2, min(CONNECT_SECONDS, int(wait_seconds))),
            "keepalives_idle": SILENT_SECONDS - 2 * PROBE_SECONDS,
            "keepalives_interval": PROBE_SECONDS,
            "keepalives_count": 2,
            "tcp_user_timeout": SILENT_SECONDS * 1000,
            "application_name": f"syncd {this_process()}"[:63],
            "client_encoding": "utf8",  # else one without an encoding, SQL_ASCII, gives bytes for texts
            "options": " ".join(options),
        },
    )
    event.listen(engine, "do_connect", partial(_connected, statement_seconds + late_seconds))
    return engine


def _connected(
    seconds: int, _dialect: Dialect, _entry: ConnectionPoolEntry, _args: object, params: dict[str, Any]
) -> DBAPIConnection:
    from syncd.state.postgresql import connected  # noqa: PLC0415 - a state in SQLite does not need the driver

    return connected(params, seconds, SILENT_SECONDS)
