"""The lease of a SQLite state: a lock on a file beside it, and in that file what the holder says of itself.

What is in the file can be read although the state cannot be written, by processes that must not write. It has always
the same length: a disk that is full still takes the same bytes again. Where it does not (a file system that copies on
write), the file says what it said before, and the lock holds all the same.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Self

from sqlalchemy import Connection

from syncd.errors import LeaseLostError, StateError

TRIES = 5
TRY_SECONDS = 0.02
NOTE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Note:
    """A line each: the holder's process id, the mark of the state's file that it works with, and why it cannot write
    it now. Earlier versions wrote the first line alone."""

    process: str
    state_file: str = ""
    fault: str = ""

    def written(self) -> bytes:
        lines = (self.process, self.state_file, " ".join(self.fault.split()))
        return "\n".join(lines).encode()[:NOTE_BYTES].ljust(NOTE_BYTES)

    @classmethod
    def read(cls, written: bytes) -> Self:
        process, state_file, fault, *_ = [*written.decode(errors="ignore").rstrip().split("\n"), "", ""]
        return cls(process, state_file, fault)


class FileLease:
    """See Lease. The file is never deleted. `state_file`: the mark of the state's file that this process works with."""

    def __init__(self, path: Path, name: str, state_file: str = "") -> None:
        self.name = name
        self._path = path
        self._state_file = state_file
        self._fault = ""
        self._file: FileIO | None = None
        self._one_thread = Lock()
        self._acquired = 0

    def acquire(self) -> bool:
        """See Lease. It tries a few times, because a process that looks who holds the lock locks it for a moment."""
        if self.held():
            return True
        self.release()
        file = self._open()
        for _ in range(TRIES):
            if _locked(file, fcntl.LOCK_EX):
                self._file = file
                self._acquired += 1
                self._write()
                return True
            time.sleep(TRY_SECONDS)
        file.close()
        return False

    def renew(self) -> bool:
        return self.held()

    def held(self) -> bool:
        """See Lease. Also compares the file: if somebody removed it, the next process locks another one."""
        file = self._file
        if file is None:
            return False
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except (OSError, ValueError):  # the file is gone, or another thread has just released the lock and closed it
            return False

    @property
    def token(self) -> int | None:
        return self._acquired if self.held() else None

    def check(self, connection: Connection) -> None:
        if not self.held():
            holder = self.holder()
            raise LeaseLostError(f"the right to {self.name} is now held by {holder or 'nobody'}", holder)

    def release(self) -> None:
        with self._one_thread:  # a job ends, and the daemon stops: both release the right to poll
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def note_fault(self, fault: str | None) -> None:
        self._fault = fault or ""
        self._write()

    def holder(self) -> str | None:
        note = self._note()
        return f"process {note.process or 'unknown'}" if note else None

    def holders_fault(self) -> str | None:
        note = self._note()
        return (note.fault or None) if note else None

    def holders_file(self) -> str | None:
        """The mark of the state's file that the holder works with. None: nobody holds it, or that is not known."""
        note = self._note()
        return (note.state_file or None) if note else None

    def last_holder(self) -> str | None:
        return None if self.held() else self.holder()

    def _write(self) -> None:
        with self._one_thread, suppress(OSError):
            if self._file is not None:
                os.pwrite(self._file.fileno(), Note(str(os.getpid()), self._state_file, self._fault).written(), 0)

    def _note(self) -> Note | None:
        """None: nobody holds the lock."""
        try:
            with self._path.open("rb", buffering=0) as file:
                if not self.held() and _locked(file, fcntl.LOCK_SH):
                    return None
                return Note.read(file.read(NOTE_BYTES))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unopened(error) from None

    def _open(self) -> FileIO:
        try:
            return FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise self._unopened(error) from None

    def _unopened(self, error: OSError) -> StateError:
        return StateError(
            f"the lock {self._path} cannot be opened: {error.strerror}; let syncd's user write it and its directory"
        )


def _locked(file: FileIO, kind: int) -> bool:
    """Try to lock the file without waiting; False: another process has it locked."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
