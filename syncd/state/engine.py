"""The way to the state's database: a file that only its owner reads, durable writes, and a limit on every wait."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from syncd.errors import StateError
from syncd.state.schema import SQLITE_TIME, microseconds

WAIT_SECONDS = 10.0
STATEMENT_SECONDS = 60
SILENT_SECONDS = 5
"""After so long without a sign of life a connection to PostgreSQL is given up, by us and by the server: a network that
swallows packets tells neither. The server would keep the session, and with it its locks, for two hours otherwise."""
PROBE_SECONDS = 1
HALF_DONE_SECONDS = 4
"""So long a session may leave a transaction open: its process was frozen, or its host is gone. It holds the writers'
lock no longer than that, so that another daemon can write as soon as it leads. The server sees to it, but not where it
has half of a batch of statements (psycopg sends one without waiting for answers); `end_silent_writers` does. No
transaction of ours waits for anything but the database."""
CONNECT_SECONDS = 5
LEASE_SECONDS = 2
"""For each wait of a statement about a lease: what is not known within that time is asked again."""


def this_process() -> str:
    """For people who look who works on a state."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def place(url: str) -> str:
    """The state's name in messages, without any secret."""
    parsed = make_url(url)
    return str(sqlite_file(parsed) or parsed.set(query={}).render_as_string(hide_password=True))


def sqlite_file(url: URL) -> Path | None:
    """The file that a SQLite URL names, also one of the form file:..., or None where it is PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    name = url.database or ""
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def wall_clock() -> datetime:
    return datetime.now(UTC)


def connect(
    url: str, *, create: bool, wait_seconds: float = WAIT_SECONDS, clock: Callable[[], datetime] = wall_clock
) -> Engine:
    """An engine for the state. `wait_seconds` bounds each wait: for a lock, a connection, a network that does not
    answer. `clock` is SQLite's; PostgreSQL has its own. StateError: there is no file and it may not, or cannot, be
    made."""
    parsed = make_url(url)
    file = sqlite_file(parsed)
    if file is None:
        return _postgresql(parsed, wait_seconds, STATEMENT_SECONDS, SILENT_SECONDS)
    if create:
        _make_file(file)
    elif not file.exists():
        raise no_state_yet(str(file))
    return _sqlite(parsed, wait_seconds, clock)


class Sockets:
    """Those of an engine's connections to PostgreSQL, so that one thread can cut what others wait for in vain: a
    network, or a proxy, may swallow what it is given and never say so."""

    def __init__(self, engine: Engine) -> None:
        self._open: WeakSet[Any] = WeakSet()
        event.listen(engine, "connect", lambda connection, _pool_entry: self._open.add(connection))

    def cut(self) -> None:
        from psycopg import Error as DriverError  # noqa: PLC0415 - who works on SQLite need not load it

        for connection in list(self._open):
            with suppress(OSError, DriverError), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)


def connect_for_lease(url: URL) -> Engine:
    """An engine for one short statement at a time, on a PostgreSQL server that may be out of reach."""
    return _postgresql(url, LEASE_SECONDS, LEASE_SECONDS, PROBE_SECONDS).execution_options(isolation_level="AUTOCOMMIT")


def no_state_yet(name: str) -> StateError:
    return StateError(f"there is no state yet at {name}; start the daemon or run syncd once first")


def _make_file(file: Path) -> None:
    """Before SQLite does: it would make a file that everybody reads, and gives its -wal and -shm the same mode."""
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

    # isolation_level None: the driver must not begin transactions by itself, since it begins them too late
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_timeout=wait_seconds,
        connect_args={"timeout": wait_seconds, "isolation_level": None},
    )
    event.listen(engine, "connect", _make_durable)
    event.listen(engine, "connect", tell_time)
    event.listen(engine, "begin", _begin)
    return engine


def _make_durable(connection: DBAPIConnection, _pool_entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, wait_seconds: float, statement_seconds: int, late_seconds: int) -> Engine:
    """`late_seconds`: so much later than the server ends a statement its answer is waited for."""
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
            "options": " ".join(options),
        },
    )
    event.listen(engine, "do_connect", partial(_connected, statement_seconds + late_seconds))
    return engine


def _connected(
    seconds: int, _dialect: Dialect, _entry: ConnectionPoolEntry, _args: object, params: dict[str, Any]
) -> DBAPIConnection:
    from syncd.state.postgresql import connected  # noqa: PLC0415 - the driver, which a state in SQLite need not load

    return connected(params, seconds, SILENT_SECONDS)
