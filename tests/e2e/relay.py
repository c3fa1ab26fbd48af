"""A way to a server that can be cut and mended, or frozen and thawed: a server that is restarted, a network that is
down for a while, a server or a proxy that hangs."""

from __future__ import annotations

import contextlib
import socket
from threading import Event, Thread

from sqlalchemy import make_url


class Relay:
    """Listens at `host` and passes everything on to where `url` leads; `url` then leads through it."""

    def __init__(self, url: str, host: str = "127.0.0.1") -> None:
        self._host = host
        target = make_url(url)
        self._target = (target.host or "127.0.0.1", target.port or 0)
        self._port = 0
        self._sockets: list[socket.socket] = []
        self._flows = Event()
        self.mend()
        self.url = target.set(host=host, port=self._port).render_as_string(hide_password=False)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):  # it has ended already
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._sockets.clear()

    def freeze(self) -> None:
        """Pass nothing on any more, and end nothing: both sides think that the other one is just slow."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def mend(self) -> None:
        """After a silence, what went through before is gone: who waits for an answer does not get one."""
        if not self._flows.is_set():
            self.cut()
            self._flows.set()
        if self._sockets:
            return
        listener = socket.create_server((self._host, self._port))
        self._port = listener.getsockname()[1]
        self._sockets.append(listener)
        Thread(target=self._accept, args=[listener], daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                Thread(target=self._pump, args=[near, far], daemon=True).start()
                Thread(target=self._pump, args=[far, near], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut, or one side has left
            while block := source.recv(65536):
                self._flows.wait()
                sink.sendall(block)
        for end in (source, sink):
            with contextlib.suppress(OSError):  # the other direction was first
                end.shutdown(socket.SHUT_RDWR)
