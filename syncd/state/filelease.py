"""On SQLite one process at a time works on a state: a lock on a file beside it.

The system takes the lock back when the process ends, however it ends, and not before: a process that is frozen keeps
it. So it has no end, and the token only tells that it is held.
"""

from __future__ import annotations

import fcntl
import os
import time
from io import TextIOWrapper
from pathlib import Path

from sqlalchemy import Connection

from syncd.errors import LeaseLostError, StateError

TRIES = 5
TRY_SECONDS = 0.02


class FileLease:
    """See `syncd.state.lease.Lease`. The file holds its holder's process id, and stays."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._path = path
        self._file: TextIOWrapper | None = None
        self._acquired = 0

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
                self._acquired += 1
                return True
            time.sleep(TRY_SECONDS)
        file.close()
        return False

    def renew(self) -> bool:
        return self.held()

    def held(self) -> bool:
        """See Lease. Somebody may have removed the file: the next process would then lock another one."""
        file = self._file
        if file is None:
            return False
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except (OSError, ValueError):  # the file is gone, or was released just now, which closes it
            return False

    @property
    def token(self) -> int | None:
        return self._acquired if self.held() else None

    def check(self, connection: Connection) -> None:
        if not self.held():
            holder = self.holder()
            raise LeaseLostError(f"the right to {self.name} is now that of {holder or 'nobody'}", holder)

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> str | None:
        if not self._is_taken():
            return None
        return f"process {self._path.read_text().strip() or 'unknown'}"

    def leader(self) -> str | None:
        return None if self.held() else self.holder()

    def _is_taken(self) -> bool:
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


def _locked(file: TextIOWrapper, kind: int) -> bool:
    """Whether the lock was there to be had at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
