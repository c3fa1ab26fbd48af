"""The WSGI server, in a thread of its own: waitress, with an end to whatever a client makes it wait for.

waitress closes a connection that is silent for a while; but one that sends a byte now and then never is, and 200 of
them shut everybody else out. So a request has a time within which all of it must be there, an answer one within which
all of it must be fetched, and where all places are taken the connection that has kept one longest makes room.
"""

from __future__ import annotations

import errno
import socket
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from syncd.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 12
QUIET_SECONDS = 5.0
"""A connection that is silent for so long is closed. It held no thread: a request gets one when all of it is there."""
REQUEST_SECONDS = 10.0
"""From a request's first byte to its last."""
ANSWER_SECONDS = 30.0
"""From an answer's last byte until the client has fetched it."""
BODY_LIMIT = 64 * 1024
CONNECTIONS = 200


class _Channel(HTTPChannel):
    """A connection, and since when its client has kept it waiting. Times are of the monotonic clock."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.waits_since = monotonic()  # for a request, or for its answer to be fetched
        self.begun_at: float | None = None  # a request of which not all is there
        self.heard_at = self.waits_since
        super().__init__(*args, **options)

    def received(self, data: bytes) -> bool:
        self.heard_at = monotonic()
        if self.begun_at is None:
            self.begun_at = self.heard_at
        return bool(super().received(data))

    def write_soon(self, data: bytes) -> int:
        self.waits_since = monotonic()
        return int(super().write_soon(data))

    def service(self) -> None:
        super().service()
        self.waits_since = monotonic()
        self.begun_at = None if self.request is None else self.waits_since

    def is_served(self) -> bool:
        """A thread of ours works for it, or is to."""
        return bool(self.requests)

    def is_overdue(self, now: float) -> bool:
        """Whether the client has had its time."""
        if self.is_served():
            return False
        if self.total_outbufs_len:
            return now - self.waits_since > ANSWER_SECONDS
        if self.begun_at is not None:
            return now - self.begun_at > REQUEST_SECONDS or now - self.heard_at > QUIET_SECONDS
        return now - self.waits_since > QUIET_SECONDS


class _Server(TcpWSGIServer):
    """waitress's own housekeeping goes by the wall clock, which may be set, and accepts nobody while all is taken."""

    channel_class = _Channel
    _looked_at = 0.0

    def readable(self) -> bool:
        now = monotonic()
        if now - self._looked_at >= 1:
            self._looked_at = now
            self.maintenance(now)
        return bool(self.accepting)

    def maintenance(self, now: float) -> None:
        for channel in self._channels():
            if channel.is_overdue(now):
                channel.handle_close()  # waitress's own way waits until the client is ready to read

    def handle_accept(self) -> None:
        super().handle_accept()
        channels = self._channels()
        if len(channels) > CONNECTIONS:  # the newest at least is not served yet
            waiting = (channel for channel in channels if not channel.is_served())
            min(waiting, key=lambda channel: channel.waits_since).handle_close()

    def _channels(self) -> list[_Channel]:
        channels: Any = self.active_channels
        return [*channels.values()]


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
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(THREADS)
        self._server = _Server(
            app,
            self._open,
            _sock=listener,
            dispatcher=threads,
            adj=Adjustments(
                ident=None,
                max_request_body_size=BODY_LIMIT + 1,  # it refuses what reaches this
                asyncore_use_poll=True,
            ),
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
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
