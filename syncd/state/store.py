"""The state's database: transactions that read, one at a time that writes, and single values by name (facts).

Every error of the database leaves as a StateError that says what happened, to which state, and what to do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from datetime import datetime
from threading import Lock
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine, bindparam, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from syncd.errors import StateError
from syncd.model import Pause
from syncd.refusal_score import RefusalScore
from syncd.state.engine import FILE_IS_ANOTHER, FILE_IS_GONE, HALF_DONE_SECONDS, Sockets, connect_for_lease, sqlite_file
from syncd.state.schema import facts

EXPECTED = (DBAPIError, PoolTimeoutError)
"""Errors of a database. SQLAlchemy's other errors are mistakes in this program, and crash."""

_ADVICE = (
    ("database is locked", "is locked by another process; end that process, or wait until it is done"),
    ("database table is locked", "is locked by another process; end that process, or wait until it is done"),
    ("disk is full", "cannot be written, because the disk is full; free some space"),
    ("attempt to write a readonly", "cannot be written; make the file, its directory and the disk writable"),
    (FILE_IS_GONE, "was deleted while syncd works with it; put it back, from a backup if need be, then restart syncd"),
    (FILE_IS_ANOTHER, "was replaced while syncd works with it; restart syncd, and it works with the new file"),
    ("unable to open database file", "cannot be opened; let syncd's user read and write the file and its directory"),
    ("file is not a database", "is not a SQLite database; name another file in SYNCD_STATE__URL, or restore a backup"),
    ("is malformed", "is damaged; restore a backup, or move the file away to start over with a new baseline"),
    ("authentication failed", "refuses the login; correct user and password in SYNCD_STATE__URL"),
    ("no pg_hba.conf entry", "refuses the login; allow it in the server's pg_hba.conf"),
    (" does not exist", "is not there; create the database and its user, or correct SYNCD_STATE__URL"),
    ("disk I/O error", "cannot be read or written, because the disk fails or is full; look at the disk"),
)
"""By the error's text: SQLite has one code for several of these, and PostgreSQL gives no code while connecting."""

_SQLSTATES = {
    "55P03": "is locked by another process; end that process, or wait until it is done",
    "57014": "took too long to answer; look at the load of the PostgreSQL server",
    "53100": "cannot be written, because the disk of the PostgreSQL server is full; free some space there",
    "25006": "cannot be written, because that PostgreSQL server only reads; name the primary in SYNCD_STATE__URL",
    "42501": "may not be used by this login; grant it all rights on the schema",
    "42P07": "shares its schema with tables of the same names; give syncd a database or a schema of its own",
}


def state_error(error: Exception, place: str, redact: Callable[[str], str]) -> StateError:
    """The StateError to raise instead. `place` names the state and contains no secret."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return StateError(redact(f"the state {place} {_advice(error, cause, text)} ({text})"))


def _advice(error: Exception, cause: BaseException, text: str) -> str:
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate in _SQLSTATES:
        return _SQLSTATES[sqlstate]
    for sign, advice in _ADVICE:
        if sign in text:
            return advice
    if isinstance(error, PoolTimeoutError):
        return "is too busy; look at what keeps its connections"
    if isinstance(error, DBAPIError) and (error.connection_invalidated or "connection" in text):
        return "cannot be reached; see that the PostgreSQL server runs and that SYNCD_STATE__URL names it"
    return "could not be read or written"


IDS_AT_ONCE = 500
LOCK_CLASS = 0x53594E43
"""The first half of the key of syncd's advisory locks in PostgreSQL. The schema is the second half, so that two
schemas do not block each other."""
WRITER_LOCK = text(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, hashtext(current_schema()))")
_SILENT_WRITERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND classid = cast(:lock AS oid) AND objid = hashtext(current_schema())::oid"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND usename = current_user AND wait_event = 'ClientRead'"
    " AND state_change < clock_timestamp() - make_interval(secs => :seconds)"
).bindparams(lock=LOCK_CLASS, seconds=HALF_DONE_SECONDS)

T = TypeVar("T")


class Fence(Protocol):
    """A lease, as a writing transaction checks it."""

    def check(self, connection: Connection) -> None:
        """LeaseLostError: another process holds it."""


class Store:
    """One state's database. Thread-safe. Errors of the database leave as StateError."""

    def __init__(self, engine: Engine, place: str, redact: Callable[[str], str], wait_seconds: float) -> None:
        self.engine = engine
        self.place = place
        self.redact = redact
        self._wait_seconds = wait_seconds
        self._writes = engine.execution_options(writes=True)
        self._one_writer = Lock()
        self._fence: Fence | None = None
        self._for_leases: Engine | None = None
        self._file: os.stat_result | None = None
        self._refusal: str | None = None
        assert engine.dialect.dbapi is not None
        self._driver_error = engine.dialect.dbapi.Error  # of what goes past SQLAlchemy: `bulk.insert_rows`
        self._sockets = Sockets(engine) if engine.dialect.name == "postgresql" else None

    def under(self, fence: Fence) -> Self:
        """The same store for the holder of a lease: each transaction that writes fails with LeaseLostError once another
        process holds it."""
        mine = copy(self)
        mine._fence = fence  # noqa: SLF001 - a copy of this one
        return mine

    def lease_engine(self) -> Engine:
        """The engine for leases in PostgreSQL, made when the first of them is asked for."""
        self._for_leases = self._for_leases or connect_for_lease(self.engine.url)
        return self._for_leases

    def close(self) -> None:
        self.engine.dispose()
        if self._for_leases is not None:
            self._for_leases.dispose()

    def note_file(self) -> None:
        """The file that is at its place now is the state's."""
        if file := sqlite_file(self.engine.url):
            self._file = file.stat()

    def open_no_other_file(self) -> None:
        """From now on only the file that was noted is opened: SQLite would take its log for that of another file at its
        place, and spoil both."""
        event.listen(self.engine, "do_connect", self._refuse_another_file)

    def _refuse_another_file(self, *_connecting: object) -> None:
        if not self._is_at_its_place():
            raise self._driver_error(FILE_IS_ANOTHER)

    def _is_at_its_place(self) -> bool:
        """Whether the file at the state's place is the one that this process works with."""
        file = sqlite_file(self.engine.url)
        if file is None or self._file is None:
            return True
        with suppress(OSError):
            return os.path.samestat(self._file, file.stat())
        return False

    @property
    def file_mark(self) -> str:
        """By which another process knows whether it works with the same file of a SQLite state."""
        return file_mark(self._file) if self._file else ""

    def refuse_writing(self, why: str) -> None:
        """From now on nothing is written: `why` is the `file_fault`, and the StateError of each attempt."""
        self._refusal = why

    def file_fault(self) -> str | None:
        """Whether somebody deleted or replaced the file of a SQLite state while this process works with it, or another
        one that holds the lease."""
        if self._refusal:
            return self._refusal
        if self._is_at_its_place():
            return None
        return f"the file {self.place} was deleted or replaced by another one while syncd works with it"

    def cut_connections(self) -> None:
        """Close all connections to PostgreSQL: a thread that waits for an answer gets an error, and the next statement
        a new connection. After a network was down, earlier statements are never answered."""
        if self._sockets is not None:
            self._sockets.cut()

    def end_silent_writers(self) -> int:
        """End PostgreSQL sessions of processes that are frozen or gone while they hold the writers' lock. Returns how
        many. On SQLite there are none, because one process at a time works on the state."""
        if self._for_leases is None:
            return 0
        with self._explained(), self._for_leases.connect() as connection:
            return len(connection.execute(_SILENT_WRITERS).all())

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads. It does not wait for writers."""
        with self._explained(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[Connection]:
        """A transaction that writes: the only one at a time, in all processes, and whole or nothing.

        The lease is checked within the transaction: a process that acquires it cannot write before this transaction
        ends, and then sees what it wrote. `fenced` False: no check, for facts that hold whoever leads, such as the
        outcome of a push.

        The threads of one process queue for a lock of this process: SQLite's lock would make them sleep and try again.
        """
        if self._refusal:
            raise StateError(self._refusal)
        if not self._one_writer.acquire(timeout=self._wait_seconds):
            raise StateError(f"the state {self.place} is locked by another task of this process; it is tried again")
        try:
            with self._explained(), self._writes.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(WRITER_LOCK)
                if fenced and self._fence is not None:
                    self._fence.check(connection)
                yield connection
        finally:
            self._one_writer.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (*EXPECTED, self._driver_error) as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> StateError:
        """SQLite takes the log of the file that was there before for that of a replaced one: whatever fails then, the
        cause is known."""
        return StateError(self._refusal) if self._refusal else state_error(error, self.place, self.redact)


def file_mark(file: os.stat_result) -> str:
    return f"{file.st_dev}:{file.st_ino}"


def in_chunks(values: Iterable[T], size: int = IDS_AT_ONCE) -> Iterator[Sequence[T]]:
    """The distinct values in groups that are small enough for one statement."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]


_GET = select(facts.c.value).where(facts.c.name == bindparam("fact"))
_CHANGE = update(facts).where(facts.c.name == bindparam("fact"))
_ALL = select(facts.c.name, facts.c.value)


def get_fact(connection: Connection, name: str) -> Any:
    """The value; None if it was never put."""
    value = connection.execute(_GET, {"fact": name}).scalar()
    return None if value is None else json.loads(value)


def put_fact(connection: Connection, name: str, value: object) -> None:
    """Set the value. Only in a transaction that writes."""
    text = json.dumps(value)
    if not connection.execute(_CHANGE, {"fact": name, "value": text}).rowcount:
        connection.execute(insert(facts), {"name": name, "value": text})


def all_facts(connection: Connection) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in connection.execute(_ALL)}


def add_to_fact(connection: Connection, name: str, amount: int) -> int:
    """Add to a number, which is 0 if it was never put. Returns the new value."""
    value = int(get_fact(connection, name) or 0) + amount
    if amount:
        put_fact(connection, name, value)
    return value


def instant(text: str | None) -> datetime | None:
    """The datetime in a fact, where it is an ISO text."""
    return None if text is None else datetime.fromisoformat(text)


def refusals_of(fact: dict[str, Any] | None) -> RefusalScore:
    return RefusalScore() if fact is None else RefusalScore(**{**fact, "since": instant(fact["since"])})


def pause_fact(pause: Pause | None) -> dict[str, str] | None:
    if pause is None:
        return None
    return {"reason": pause.reason, "since": pause.since.isoformat(), "detail": pause.detail}


def pause_of(fact: dict[str, str] | None) -> Pause | None:
    if fact is None:
        return None
    return Pause(fact["reason"], datetime.fromisoformat(fact["since"]), fact["detail"])
