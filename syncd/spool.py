"""Rows of the shop, stored as fast as its driver gives them, so that its statement ends before they are compared.

While a statement is open, SQLite and MyISAM block writers, and PostgreSQL blocks ALTER TABLE. Comparing rows and
writing what differs takes many times as long as reading them.
"""

from __future__ import annotations

import marshal
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copyreg import dispatch_table
from io import BytesIO
from struct import Struct
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

from syncd.errors import SourceError

Rows = Sequence[tuple[Any, ...]]

IN_MEMORY = 1 << 20
"""Bytes; above it the rows go to a file. About 10,000 orders in their compared columns."""
_HEAD = Struct("=?Q")  # whether marshal wrote the block, and its length
_CANNOT_PICKLE = (TypeError, AttributeError, pickle.PicklingError)


class Spool:
    """A store of blocks of rows, which are read back as they were put in. Above `IN_MEMORY` bytes it is a file without
    a name: nobody else can open it, and it ends with the process, however that ends. Methods may raise SourceError."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._folder = "TMPDIR, /var/tmp or /tmp"
        self._uses_marshal = True

    def put(self, rows: Rows) -> None:
        """Store a block. A value that ends with its statement, such as a LOB, is read to its end."""
        encoded = self._encoded(rows)
        with self._file_errors():
            self._file.write(_HEAD.pack(self._uses_marshal, len(encoded)))
            self._file.write(encoded)
            if isinstance(self._file, BytesIO) and self._file.tell() > IN_MEMORY:
                self._folder = _temporary_folder()
                file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - `close` closes it
                file.write(self._file.getbuffer())
                self._file = file

    def blocks(self) -> Iterator[Rows]:
        """All blocks, from the first one; nothing may be put in after that."""
        with self._file_errors():
            self._file.seek(0)
        while head := self._read(_HEAD.size):
            is_marshal, size = _HEAD.unpack(head)
            encoded = self._read(size)
            yield marshal.loads(encoded) if is_marshal else pickle.loads(encoded)  # noqa: S301, S302 - written above

    def close(self) -> None:
        with suppress(OSError):  # no room for what is not written yet: `put` reported that
            self._file.close()

    def _read(self, size: int) -> bytes:
        with self._file_errors():
            return self._file.read(size)

    def _encoded(self, rows: Any) -> bytes:
        """marshal takes a quarter of pickle's time, and can write numbers, texts and bytes, which is all that
        most rows have. After a block that it cannot write, pickle writes the others too."""
        if self._uses_marshal:
            with suppress(ValueError):
                return marshal.dumps(rows)
            self._uses_marshal = False
        try:
            return _pickled(rows)
        except _CANNOT_PICKLE:
            return _pickled([tuple(map(_picklable, row)) for row in rows])

    @contextmanager
    def _file_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceError(
                f"the rows of the shop's database cannot be written to a temporary file: {error.strerror or error}. "
                f"Check that there is room for such files in {self._folder}, some hundred bytes an order, or name "
                "another folder in TMPDIR."
            ) from error


def _pickled(rows: Rows) -> bytes:
    written = BytesIO()
    pickler = pickle.Pickler(written, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {**dispatch_table, memoryview: lambda view: (bytes, (bytes(view),))}
    pickler.dump(rows)
    return written.getvalue()


def _picklable(value: Any) -> object:
    """The value, or its contents if it cannot be pickled."""
    try:
        _pickled([(value,)])
    except _CANNOT_PICKLE:
        return value.read() if hasattr(value, "read") else str(value)
    return value


def _temporary_folder() -> str:
    """TMPDIR, if it is set; else /var/tmp, which is on a disk while /tmp is often in memory; else any writable one.
    FileNotFoundError: there is none."""
    for folder in (os.environ.get("TMPDIR"), "/var/tmp"):  # noqa: S108 - no name is made there
        if folder and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return gettempdir()
