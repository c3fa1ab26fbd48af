"""Connections with a deadline and a size limit, the route to a server, and the cause of a failure.

http.client and urllib3 count a time-out anew with each byte, in the status line and the headers too, so a server that
sends a byte now and then holds them for ever. Here the time-out counts once, from the start of the answer to its end.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import io
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from syncd.http.addresses import is_loopback, origin, spellings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SocketOptions: TypeAlias = Sequence[tuple[int, int, int | bytes]]

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it logs whole URLs, with their secrets


_TOLERANCE_SECONDS = 0.05


def set_timeout(sock: socket.socket, seconds: float) -> None:
    """Let each call of the socket end after so many seconds. TimeoutError: none are left.

    To set a time-out is a system call, during which another thread may run. So one that is close to it stays."""
    if seconds <= 0:
        raise TimeoutError("timed out")
    now = sock.gettimeout()
    if now is None or abs(now - seconds) > min(_TOLERANCE_SECONDS, seconds / 10):
        sock.settimeout(seconds)


class BoundedReader(io.RawIOBase):
    """Reads a socket until its time-out, which counts once from here on, with the tolerance above, and at most
    `allowance` bytes, whatever headers and chunk sizes promise. TimeoutError, OSError."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, allowance: int) -> None:
        self._sock = sock
        self._raw = raw
        self._ends_at = monotonic() + (sock.gettimeout() or 0)
        self._allowance = allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        set_timeout(self._sock, self._ends_at - monotonic())
        count = self._raw.readinto(buffer)
        self._allowance -= count or 0
        if self._allowance < 0:
            raise OSError("the answer does not end")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(http.client.HTTPResponse):
    """Reads status line, headers and body, or a proxy's answer to CONNECT, in this way."""

    allowance: ClassVar[int] = 64 * 1024 * 1024
    """Bytes of all of it. The body alone has a lower limit: see `bodies.read_body`."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(BoundedReader(sock, self.fp.detach(), self.allowance))

    def begin(self) -> None:
        """Chunks are also read where `Transfer-Encoding` names a compression before them, or has blanks behind."""
        super().begin()
        codings = self.headers.get_all("Transfer-Encoding", []) if not self.chunked else []
        if ",".join(codings).rpartition(",")[2].strip().lower() == "chunked":
            self.chunked, self.chunk_left, self.length = True, None, None

    def _read_status(self) -> tuple[str, int, str]:
        """Skips interim answers such as 103. http.client skips 100 alone: it would take any other for the answer, and
        the real answer for that to the connection's next request."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc] # not in the stubs
            if not 101 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class BoundedConnection(HTTPConnection):
    response_class: type[BoundedResponse] = BoundedResponse


class BoundedTlsConnection(BoundedConnection, HTTPSConnection):
    pass


class BoundedAdapter(HTTPAdapter):
    """requests' adapter for one server, over bounded connections, those of an HTTP proxy included. (A SOCKS proxy's
    connections are of another class, which is not bounded.)

    plain, tls       the classes of the connections
    socket_options   of each connection; None: urllib3's
    """

    def __init__(
        self,
        plain: type[BoundedConnection] = BoundedConnection,
        tls: type[BoundedTlsConnection] = BoundedTlsConnection,
        socket_options: SocketOptions | None = None,
    ) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)
        self._pools = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        self._pool_options = {"socket_options": socket_options} if socket_options else {}
        self.poolmanager.connection_pool_kw.update(self._pool_options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **self._pool_options, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager


class _NoNetrc(AuthBase):
    """Adds no login: without one, requests would look into ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def new_session() -> requests.Session:
    """A session over bounded connections that adds no login and keeps no cookie. Use it with `send`."""
    session = requests.Session()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.auth = _NoNetrc()
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter())
    return session


def send(
    session: requests.Session, request: requests.Request, timeout: float | tuple[float, float], route: Route
) -> requests.Response:
    """Send the request once and return the answer, its body not read yet. `session.send` would read the body of a
    redirect, whatever its size. requests.RequestException, HTTPError, OSError, ValueError."""
    prepared = session.prepare_request(request)
    adapter = session.get_adapter(str(prepared.url))
    return adapter.send(prepared, stream=True, timeout=timeout, proxies=route.proxies, verify=route.trust)


@dataclass(frozen=True, slots=True)
class Route:
    """How a server is reached: through which proxies, and with which CA bundle (True: the usual one)."""

    proxies: Mapping[str, str]
    trust: Literal[True] | str

    @classmethod
    def to(cls, url: str) -> Route:
        """As the environment says for this URL. No proxy is used for this machine, even if the environment names one,
        nor where NO_PROXY names the host in any of its spellings."""
        with requests.Session() as session:
            found = [session.merge_environment_settings(one, {}, None, None, None) for one in spellings(url)]
        direct = is_loopback(origin(url)[1]) or not all(one["proxies"] for one in found)
        return cls({} if direct else found[0]["proxies"], found[0]["verify"] or True)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, and so on. urllib3 and requests wrap errors in their own, whose texts
    quote the URL with its secrets."""
    yield error
    while inner := error.__cause__ or error.__context__:
        yield (error := inner)


def root_cause(error: BaseException) -> tuple[BaseException, str]:
    """The last of `causes`, and what it says."""
    *_, cause = causes(error)
    return cause, str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
