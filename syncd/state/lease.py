"""One daemon a state: two would push everything twice. And one poll at a time, whoever polls."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from threading import RLock
from typing import Literal, Protocol

from sqlalchemy import Connection, text

from syncd.errors import StateError
from syncd.state.engine import sqlite_file
from syncd.state.faults import EXPECTED, state_error
from syncd.state.store import LOCK_CLASS, Store

Purpose = Literal["deliver", "poll"]
LEASE_CLASSES: Mapping[Purpose, int] = {"deliver": LOCK_CLASS + 1, "poll": LOCK_CLASS + 2}
LEASE_FILES: Mapping[Purpose, str] = {"deliver": ".lock", "poll": ".poll.lock"}
_TRY = text("SELECT pg_try_advisory_lock(:lease, hashtext(current_schema()))")
_ALIVE = text("SELECT 1")
_HOLDER = text(
    "SELECT coalesce(application_name, '') FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND classid = cast(:lease AS oid) AND objid = hashtext(current_schema())::oid"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
TRIES = 5
TRY_SECONDS = 0.02


class Lease(Protocol):
    """The right to deliver from a state, or to poll for it. The system takes it back when the process ends, however it
    ends."""

    def acquire(self) -> bool:
        """Take it if nobody has it. StateError: it cannot be told who has it."""

    def held(self) -> bool:
        """Whether it is still this one's: a server that was restarted has forgotten it."""

    def release(self) -> None: ...

    def holder(self) -> str | None:
        """Who has it, for a message: "process 1234". None: nobody."""

    def is_taken(self) -> bool:
        """Whether anybody has it, this one included."""


class FileLease:
    """A lock on a file beside a SQLite state. The file holds its holder's process id, and stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIOWrapper | None = None

    def acquire(self) -> bool:
        """See Lease. Tried a few times, because whoever looks who has it locks it for an instant."""
        if self.held():
            return True
        self.release()
        file = self._open()
        for _ in range(TRIES):
            if _locked(file, fcntl.LOCK_EX):
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                self._file = file
                return True
            time.sleep(TRY_SECONDS)
        file.close()
        return False

    def held(self) -> bool:
        """See Lease. Somebody may have removed the file: the next daemon would then lock another one."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> str | None:
        if not self.is_taken():
            return None
        return f"process {self._path.read_text().strip() or 'unknown'}"

    def is_taken(self) -> bool:
        if self.held():
            return True
        try:
            with self._path.open() as file:
                return not _locked(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False

    def _open(self) -> TextIOWrapper:
        try:
            return os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise StateError(
                f"the lock {self._path} cannot be opened: {error.strerror}; let syncd's user write it and its directory"
            ) from None


class SessionLease:
    """An advisory lock in PostgreSQL, kept by a connection of its own. Thread-safe: each scrape asks who leads."""

    def __init__(self, store: Store, lease_class: int) -> None:
        self._store = store
        self._class = {"lease": lease_class}
        self._connection: Connection | None = None
        self._one_thread = RLock()

    def acquire(self) -> bool:
        with self._one_thread:
            if self.held():
                return True
            connection = self._connect()
            try:
                taken = connection.execute(_TRY, self._class).scalar()
            except EXPECTED as error:
                connection.close()
                raise state_error(error, self._store.place, self._store.redact) from None
            self._connection = connection
            if not taken:
                self.release()
            return bool(taken)

    def held(self) -> bool:
        """See Lease. The lock lives as long as its connection does."""
        with self._one_thread:
            if self._connection is None:
                return False
            try:
                self._connection.execute(_ALIVE)
            except EXPECTED:
                self.release()
                return False
            return True

    def release(self) -> None:
        """Closes the connection for good: one that went back to the pool would keep the lock."""
        with self._one_thread:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None

    def holder(self) -> str | None:
        with self._store.read() as connection:
            name: str | None = connection.execute(_HOLDER, self._class).scalar()
        return name and name.removeprefix("syncd ")

    def is_taken(self) -> bool:
        return self.holder() is not None

    def _connect(self) -> Connection:
        try:
            return self._store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        except EXPECTED as error:
            raise state_error(error, self._store.place, self._store.redact) from None


def lease_on(store: Store, purpose: Purpose) -> Lease:
    file = sqlite_file(store.engine.url)
    if file is None:
        return SessionLease(store, LEASE_CLASSES[purpose])
    return FileLease(file.with_name(file.name + LEASE_FILES[purpose]))


def _locked(file: TextIOWrapper, kind: int) -> bool:
    """Whether the lock was there to be had at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
