"""Rows of the shop, put aside as fast as its driver gives them, so that its statement is over before they are compared.

While a statement is open, SQLite and MyISAM let nobody write, and PostgreSQL lets nobody alter a table. To compare rows
and to put what differs on disk takes many times as long as to read them.
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
"""Bytes; what is more is kept in a file. About 10,000 orders, as far as they are compared."""
_HEAD = Struct("=?Q")  # whether marshal wrote it, and how long it is
_CANNOT_PICKLE = (TypeError, AttributeError, pickle.PicklingError)


class Spool:
    """Blocks of rows, which come back as they were put in. Above `IN_MEMORY` bytes they are in a file that has no name:
    nobody else can open it, and it is gone with the process, however that ends. Methods may raise SourceError."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._place = "TMPDIR, /var/tmp or /tmp"
        self._is_plain = True

    def put(self, rows: Rows) -> None:
        """A value that lives no longer than its statement, such as a LOB, is read to its end."""
        encoded = self._encoded(rows)
        with self._kept():
            self._file.write(_HEAD.pack(self._is_plain, len(encoded)))
            self._file.write(encoded)
            if isinstance(self._file, BytesIO) and self._file.tell() > IN_MEMORY:
                self._move_to_disk(self._file)

    def blocks(self) -> Iterator[Rows]:
        """All that was put in, from the first; nothing may be put in any more."""
        with self._kept():
            self._file.seek(0)
        while head := self._read(_HEAD.size):
            is_plain, size = _HEAD.unpack(head)
            encoded = self._read(size)
            yield marshal.loads(encoded) if is_plain else pickle.loads(encoded)  # noqa: S301, S302 - written above

    def close(self) -> None:
        with suppress(OSError):  # what is still to be written finds no room: that was told
            self._file.close()

    def _move_to_disk(self, in_memory: BytesIO) -> None:
        self._place = _folder()
        file = TemporaryFile(dir=self._place)  # noqa: SIM115 - `close` closes it
        file.write(in_memory.getbuffer())
        self._file = file

    def _read(self, size: int) -> bytes:
        with self._kept():
            return self._file.read(size)

    def _encoded(self, rows: Any) -> bytes:
        """marshal takes a quarter of pickle's time, and knows numbers, texts and bytes: most rows hold nothing else."""
        if self._is_plain:
            with suppress(ValueError):
                return marshal.dumps(rows)
            self._is_plain = False
        try:
            return _pickled(rows)
        except _CANNOT_PICKLE:
            return _pickled([tuple(map(_held, row)) for row in rows])

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceError(
                f"what the shop's database shows cannot be kept in a temporary file: {error.strerror or error}. See "
                f"that there is room for such files in {self._place}, some hundred bytes an order, or name another "
                "folder in TMPDIR."
            ) from error


def _pickled(rows: Rows) -> bytes:
    written = BytesIO()
    pickler = pickle.Pickler(written, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {**dispatch_table, memoryview: lambda view: (bytes, (bytes(view),))}
    pickler.dump(rows)
    return written.getvalue()


def _held(value: Any) -> object:
    """The value, or if that cannot be kept, what it holds."""
    try:
        _pickled([(value,)])
    except _CANNOT_PICKLE:
        return value.read() if hasattr(value, "read") else str(value)
    return value


def _folder() -> str:
    """TMPDIR, if it is set; else /var/tmp, which is on a disk where /tmp often is in memory; else any that may be
    written to. FileNotFoundError: none may."""
    for folder in (os.environ.get("TMPDIR"), "/var/tmp"):  # noqa: S108 - no name is made there
        if folder and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return gettempdir()
