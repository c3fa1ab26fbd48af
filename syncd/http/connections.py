"""Connections within bounds of time and size, the way to them, and why one failed.

http.client and urllib3 count a time-out anew with each byte that drips in, in the status line and the headers too. Here
it counts once from the start, and what does not end is left.
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

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it writes whole URLs, with their secrets


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

    def begin(self) -> None:
        """Chunks are also read where `Transfer-Encoding` names a compression before them, or has blanks behind."""
        super().begin()
        content_encodings = self.headers.get_all("Transfer-Encoding", []) if not self.chunked else []
        if ",".join(content_encodings).rpartition(",")[2].strip().lower() == "chunked":
            self.chunked, self.chunk_left, self.length = True, None, None

    def _read_status(self) -> tuple[str, int, str]:
        """Passes over answers that come before the one, such as 103. http.client does so with 100 alone: any other
        would count, and the one behind it for the answer to the connection's next request."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc] # not in the stubs
            if not 101 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Response(BoundedResponse):
    allowance = 64 * 1024 * 1024  # what its chunks and headers need too; `read_body` tells of a body over its limit


class Connection(HTTPConnection):
    response_class: type[BoundedResponse] = _Response


class TlsConnection(Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection


Pools: TypeAlias = dict[str, type]
SocketOptions: TypeAlias = Sequence[tuple[int, int, int | bytes]]
_POOLS: Pools = {"http": Pool, "https": TlsPool}


class Adapter(HTTPAdapter):
    """requests' adapter for one server, over connections that stop at the time-out. Only a SOCKS proxy's connections
    are its own. As many threads may ask at once as there are `connections`; one more waits."""

    def __init__(self, pools: Pools = _POOLS, connections: int = 1, options: SocketOptions | None = None) -> None:
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0, pool_block=True)
        self._pools = pools
        self._pool_options = {"socket_options": options} if options else {}
        self.poolmanager.connection_pool_kw.update(self._pool_options)
        self.poolmanager.pool_classes_by_scheme = pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **self._pool_options, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager


class _AsGiven(AuthBase):
    """Keeps requests from looking for a login in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def new_session() -> requests.Session:
    """One that adds no login and keeps no cookie. See `send`."""
    session = requests.Session()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.auth = _AsGiven()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return session


def send(
    session: requests.Session, request: requests.Request, timeout: float | tuple[float, float], way: Route
) -> requests.Response:
    """Send it, once; the answer's body is not read yet. Not by the session: that reads the body of a redirect, whatever
    its size, and decodes it. requests.RequestException, HTTPError, OSError, ValueError."""
    prepared = session.prepare_request(request)
    adapter = session.get_adapter(str(prepared.url))
    return adapter.send(prepared, stream=True, timeout=timeout, proxies=way.proxies, verify=way.trust)


@dataclass(frozen=True, slots=True)
class Route:
    """How a server is reached: by which proxies, and trusting whom (True: those whom everybody trusts)."""

    proxies: Mapping[str, str]
    trust: Literal[True] | str

    @classmethod
    def to(cls, url: str) -> Route:
        """As the environment says for this URL. A proxy leads away from this machine, whether the environment says so
        or not, so there is none on the way to it; nor where NO_PROXY names the host in any of its spellings."""
        with requests.Session() as session:
            found = [session.merge_environment_settings(one, {}, None, None, None) for one in spellings(url)]
        direct = is_loopback(origin(url)[1]) or not all(one["proxies"] for one in found)
        return cls({} if direct else found[0]["proxies"], found[0]["verify"] or True)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, the one that lies under it, and so on. urllib3 and requests wrap them, and quote in their own texts
    the URL with its secrets."""
    yield error
    while inner := error.__cause__ or error.__context__:
        yield (error := inner)


def root_cause(error: BaseException) -> tuple[BaseException, str]:
    """The last of `causes`, and what it says."""
    *_, cause = causes(error)
    return cause, str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
