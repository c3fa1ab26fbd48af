"""What comes over a connection, within bounds: a time-out counts once from the start, and what does not end is left.

http.client and urllib3 count a time-out anew with each byte that drips in, in the status line and the headers too.
"""

from __future__ import annotations

import http.client
import io
import socket
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class BoundedReader(io.RawIOBase):
    """Reads a socket until its time-out, counted once from here on, and no more than `allowance` bytes, whatever
    headers and chunk sizes promise. TimeoutError, OSError."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, allowance: int) -> None:
        self._sock = sock
        self._raw = raw
        self._ends_at = monotonic() + (sock.gettimeout() or 0)
        self._allowance = allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        left = self._ends_at - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self._allowance -= count or 0
        if self._allowance < 0:
            raise OSError("the answer does not end")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(http.client.HTTPResponse):
    """Status line, headers and body, or a proxy's answer to CONNECT, read so. `allowance`: bytes of all of it."""

    allowance: ClassVar[int]

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(BoundedReader(sock, self.fp.detach(), self.allowance))
