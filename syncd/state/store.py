"""Transactions on the state: any number that read, one at a time that writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from threading import Lock
from typing import Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine, text

from syncd.errors import StateError
from syncd.state.engine import HALF_DONE_SECONDS, Sockets
from syncd.state.faults import EXPECTED, state_error

IDS_AT_ONCE = 500
LOCK_CLASS = 0x53594E43
"""Marks syncd's advisory locks in PostgreSQL. The schema is their second half, so that two schemas do not block each
other."""
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


class Right(Protocol):
    """What a writing transaction may need: a lease."""

    def check(self, connection: Connection) -> None:
        """LeaseLostError: it is another's."""


class Store:
    """One state's database. Thread-safe. Whatever SQLAlchemy raises leaves as a StateError that people can read."""

    def __init__(self, engine: Engine, place: str, redact: Callable[[str], str], wait_seconds: float) -> None:
        self.engine = engine
        self.place = place
        self.redact = redact
        self._wait_seconds = wait_seconds
        self._writes = engine.execution_options(writes=True)
        self._one_writer = Lock()
        self._right: Right | None = None
        self._for_leases: Engine | None = None
        self._sockets = Sockets(engine) if engine.dialect.name == "postgresql" else None

    def under(self, right: Right) -> Self:
        """The same state for whoever acts by this right: each transaction that writes fails with LeaseLostError once it
        is another's."""
        mine = copy(self)
        mine._right = right  # noqa: SLF001 - a copy of this one
        return mine

    def close(self) -> None:
        self.engine.dispose()
        if self._for_leases is not None:
            self._for_leases.dispose()

    def cut_connections(self) -> None:
        """Whoever waits for an answer gets an error, and the next statement a new connection. For a network that was
        away: what was asked before is never answered."""
        if self._sockets is not None:
            self._sockets.cut()

    def end_silent_writers(self) -> int:
        """End the sessions of processes that are frozen or gone while they hold the writers' lock. Returns how many;
        on SQLite there are none, for one process at a time works on it."""
        if self._for_leases is None:
            return 0
        with self._explained(), self._for_leases.connect() as connection:
            return len(connection.execute(_SILENT_WRITERS).all())

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads. It waits for no writer."""
        with self._explained(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, by_right: bool = True) -> Iterator[Connection]:
        """A transaction that writes: it is the only one, in this process and in others, and it is whole or nothing.

        `by_right` False: what it writes is so whoever leads, such as what became of a push. The right is looked at
        within the transaction: whoever takes it over cannot write before this one is done, and sees what it wrote.

        The threads of one process queue for a lock of their own: SQLite's makes them sleep and try again.
        """
        if not self._one_writer.acquire(timeout=self._wait_seconds):
            raise StateError(f"the state {self.place} is locked by another task of this process; it is tried again")
        try:
            with self._explained(), self._writes.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(WRITER_LOCK)
                if by_right and self._right is not None:
                    self._right.check(connection)
                yield connection
        finally:
            self._one_writer.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except EXPECTED as error:
            raise state_error(error, self.place, self.redact) from None


def in_chunks(values: Iterable[T], size: int = IDS_AT_ONCE) -> Iterator[Sequence[T]]:
    """Distinct values, few enough for one statement."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]
