"""Tells the service manager that started the daemon that it is ready, that it works, and that it stops.

The protocol is sd_notify(3) of systemd: lines of NAME=value in a datagram to the socket that $NOTIFY_SOCKET names.
systemd keeps it stable, and it takes a dozen lines, so it needs no library. Without that variable nothing is sent.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Mapping

from syncd.logs import fields

log = logging.getLogger("syncd")

LONGEST_STATUS = 300


class Manager:
    """The service manager that `environ` describes, if there is one.

    A message that cannot be sent is logged once and is no error: the daemon works on, and a manager that hears nothing
    for long enough does what its unit says. Call it from one thread.
    """

    def __init__(self, environ: Mapping[str, str], pid: int, monotonic: Callable[[], float]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._monotonic = monotonic
        self._feed_every = _watchdog_seconds(environ, pid) / 4
        self._fed_at = float("-inf")
        self._status = ""
        self._heard = True

    def ready(self) -> None:
        """The daemon leads, or stands by."""
        self._tell("READY=1")

    def working(self, status: str, stuck: Collection[str]) -> None:
        """Call it often. Shows `status` and feeds the watchdog, unless threads are `stuck`."""
        self._show(status)
        if self._feed_every and not stuck and self._monotonic() >= self._fed_at + self._feed_every:
            self._fed_at = self._monotonic()
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")
        self._show("stopping: waits for the pushes in flight")

    def _show(self, status: str) -> None:
        """A line break would begin another assignment, so it is one line."""
        line = " ".join(status.split())[:LONGEST_STATUS]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def _tell(self, assignment: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(0)  # a manager that does not read must not block the daemon
                sender.sendto(assignment.encode(), self._address)
        except OSError as error:
            if self._heard:
                log.warning("manager_not_told", extra=fields(told=assignment, error=str(error)))
            self._heard = False
        else:
            self._heard = True


def _address(named: str) -> str:
    """A path, or with @ in front the name of a socket in Linux's abstract namespace; vsock is for whole machines."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else ""


def _watchdog_seconds(environ: Mapping[str, str], pid: int) -> float:
    """The seconds within which the watchdog must be fed by the program `pid`; 0: it has none."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return 0.0
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0
