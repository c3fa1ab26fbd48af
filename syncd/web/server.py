"""The WSGI server, in a thread of its own."""

from __future__ import annotations

import errno
import socket
from threading import Thread
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

from syncd.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 12
QUIET_SECONDS = 5
"""A connection that is silent for so long is closed. It held no thread: a request gets one when all of it is there."""
BODY_LIMIT = 64 * 1024
CONNECTIONS = 200


class HttpServer:
    """Listens from construction on, so that a port that is taken is known before any work begins.

    Raises SettingsError if it cannot listen there.
    """

    def __init__(self, app: WSGIApplication, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family)
        except OSError as error:
            raise SettingsError([f"SYNCD_HTTP__BIND: {_why(error, host, port)}"]) from error
        self._open: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._open,
            sockets=[listener],
            threads=THREADS,
            ident=None,
            max_request_body_size=BODY_LIMIT + 1,  # it refuses what reaches this
            channel_timeout=QUIET_SECONDS,
            cleanup_interval=1,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
        )
        self._thread = Thread(target=self._serve, name="http", daemon=True)
        self._closing = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Requests under way get two seconds to end: before the server closes, for each tells it that it is done."""
        self._closing = True
        self._server.task_dispatcher.shutdown(timeout=2)
        self._server.close()
        self._thread.join(1)
        wasyncore.close_all(self._open, ignore_all=True)

    def _serve(self) -> None:
        try:
            self._server.run()
        except OSError:  # waitress's loop finds its socket closed under it
            if not self._closing:
                raise


def _why(error: OSError, host: str, port: int) -> str:
    address = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is taken by another program (another syncd?); stop that, or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; use 127.0.0.1, or one that it has"
    if error.errno == errno.EACCES:
        return f"this user may not listen on {address}; ports below 1024 need rights, choose a higher one"
    return f"cannot listen on {address}: {error.strerror or error}"
