"""Whether the daemon can serve metrics and health where it is to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException

from syncd.doctor.finding import Finding, fault, ok, warning
from syncd.settings.values import Address

ANSWER_SECONDS = 3.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound to


def examine_address(bind: Address | None, daemon_runs: Callable[[], bool]) -> Iterator[Finding]:
    """Whether the address is free, or this installation's daemon answers there; `daemon_runs` says whether it runs."""
    if bind is None:
        yield ok("http", "off, as SYNCD_HTTP__BIND says")
        return
    try:
        _listen(bind)
    except OSError as error:
        yield _taken(bind, daemon_runs) if error.errno == errno.EADDRINUSE else _unusable(bind, error)
    else:
        yield ok("http", f"{bind} is free")


def _listen(bind: Address) -> None:
    """As the daemon would, for a moment: nobody is let in. OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)


def _taken(bind: Address, daemon_runs: Callable[[], bool]) -> Finding:
    try:
        status, said = _health(bind)
    except (OSError, HTTPException):
        status, said = 0, ""
    is_daemon = (status == 200 and said == "ok") or (status == 503 and said.startswith("stuck: "))
    if not is_daemon or not daemon_runs():
        whom = "a syncd that works with another state" if is_daemon else "another program"
        advice = "End that, or name another address in SYNCD_HTTP__BIND"
        return fault("http", f"{bind} is taken by {whom}", advice)
    if status == 503:
        return warning("http", f"a daemon answers at {bind}: {said}", "Look at its log, and restart it")
    return ok("http", f"a daemon answers at {bind}, and is well")


def _health(bind: Address) -> tuple[int, str]:
    """Status and first line of /healthz."""
    connection = HTTPConnection(_EVERYWHERE.get(bind.host, bind.host), bind.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        first_line = answer.read(1000).decode(errors="replace").partition("\n")[0]
        return answer.status, "".join(letter for letter in first_line if letter.isprintable())
    finally:
        connection.close()


def _unusable(bind: Address, error: OSError) -> Finding:
    """A port below 1024, an address that this machine does not have, a name that does not resolve."""
    why = error.strerror or str(error)
    return fault("http", f"cannot listen on {bind}: {why}", "Name another address in SYNCD_HTTP__BIND")
