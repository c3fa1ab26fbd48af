"""A listening socket, and a thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from syncd.errors import SyncdError
from syncd.sandbox.wire import Wire

STOP_SECONDS = 1.0
ACCEPT_SECONDS = 0.1

Converse: TypeAlias = Callable[[Wire, threading.Event], None]


class Listener:
    """Accepts connections until stop(). Each runs `converse(wire, stopping)` in a thread of its own.

    SyncdError: the port cannot be had.
    """

    def __init__(self, host: str, port: int, converse: Converse) -> None:
        try:
            self._socket = socket.create_server((host, port), backlog=1024)
        except (OSError, OverflowError) as error:
            message = f"The sandbox cannot listen on {host}:{port}: {error}. Choose another port."
            raise SyncdError(message) from error
        self._socket.settimeout(ACCEPT_SECONDS)
        self.port = int(self._socket.getsockname()[1])
        self._converse = converse
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._wires: dict[threading.Thread, Wire] = {}
        self._acceptor = threading.Thread(target=self._accept, name="sandbox", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close everything; the threads are given a second to end."""
        deadline = time.monotonic() + STOP_SECONDS
        self._stopping.set()
        with contextlib.suppress(OSError):  # wakes accept() at once on Linux; elsewhere it notices by itself
            self._socket.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        with self._lock:
            wires = dict(self._wires)
        for wire in wires.values():
            wire.hang_up()
        for thread in wires:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        with self._socket:
            while not self._stopping.is_set():
                try:
                    connection, _address = self._socket.accept()
                except TimeoutError:
                    continue
                except OSError:  # out of file descriptors, say: wait until a client leaves
                    self._stopping.wait(ACCEPT_SECONDS)
                    continue
                self._admit(Wire(connection))

    def _admit(self, wire: Wire) -> None:
        thread = threading.Thread(target=self._serve, args=(wire,), name="sandbox connection", daemon=True)
        with self._lock:
            self._wires[thread] = wire
        thread.start()

    def _serve(self, wire: Wire) -> None:
        try:
            self._converse(wire, self._stopping)
        finally:
            wire.close()
            with self._lock:
                del self._wires[threading.current_thread()]
