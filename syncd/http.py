"""What every HTTP client here shares: connections within bounds, bodies decoded within bounds, credentials, proxies.

http.client and urllib3 count a time-out anew with each byte that drips in, in the status line and the headers too. Here
it counts once from the start, and what does not end is left.
"""

from __future__ import annotations

import http.client
import io
import socket
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import get_encoding_from_headers
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


_CHUNK = 64 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


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


class _Response(BoundedResponse):
    allowance = 64 * 1024 * 1024  # what its chunks and headers need too; `body_of` tells of a body over its limit


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """requests' adapter for one server, asked by one thread at a time, over connections that stop at the time-out. Only
    a SOCKS proxy's connections are its own."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class AsGiven(AuthBase):
    """Keeps requests from looking for a login in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class TooLongError(Exception):
    """A body is longer than it may be."""


def proxies_and_trust(session: requests.Session, url: str) -> tuple[Mapping[str, str], Literal[True] | str]:
    """The proxies and the CA bundle that the environment sets for this URL. A proxy leads away from this machine,
    whether the environment says so or not, so there is none on the way to it."""
    found = session.merge_environment_settings(url, {}, None, None, None)
    here = is_this_machine(urlsplit(url).hostname or "")
    return {} if here else found["proxies"], found["verify"] or True


def is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_compressed(headers: Mapping[str, str]) -> bool:
    """Whether `Content-Encoding` names a compression, if only one that nobody asked for and that cannot be undone: what
    names none, such as `UTF-8` or `none`, is passed over."""
    codings = {coding.strip() for coding in headers.get("Content-Encoding", "").lower().split(",")}
    return bool(codings & {"gzip", "x-gzip", "deflate", "br", "zstd", "compress"})


def decompressed(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """What gzip or zlib hold, no more than `limit` of a chunk at a time; gzip may come in several members, one behind
    the other, and padded. zlib.error: it is neither; ConnectionError: it is cut short."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    began = False
    for chunk in chunks:
        left = chunk
        while left:
            if decoder.eof:
                decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            began = True
            yield decoder.decompress(left, limit)
            left = decoder.unconsumed_tail or decoder.unused_data.lstrip(b"\0")
    if began and not decoder.eof:
        raise ConnectionError("the compressed answer is cut short")


def body_of(response: BaseHTTPResponse, limit: int) -> bytes:
    """The whole body, decoded. TooLongError: it is longer than `limit`, as it came or decoded. zlib.error,
    ConnectionError: see `decompressed`."""
    chunks: Iterator[bytes] = iter(partial(response.read1, _CHUNK, decode_content=False), b"")
    body = bytearray()
    for chunk in decompressed(chunks, limit + 1) if is_compressed(response.headers) else chunks:
        body += chunk
        if len(body) > limit:
            raise TooLongError
    return bytes(body)


def text_of(body: bytes, headers: Mapping[str, str]) -> str:
    """A body as text: in the charset that its Content-Type declares, else in UTF-8; without a byte order mark."""
    stated = "charset" in headers.get("Content-Type", "").lower()
    charset = get_encoding_from_headers(headers) if stated else None
    try:
        return body.decode(charset or "utf-8", "replace").removeprefix("\ufeff")
    except LookupError:
        return body.decode("utf-8", "replace").removeprefix("\ufeff")


def is_html(body: bytes, headers: Mapping[str, str]) -> bool:
    return "html" in headers.get("Content-Type", "").lower() or body.lstrip()[:1] == b"<"


def without_login(url: str) -> tuple[str, str | None]:
    """The URL, and the user and password that stand in it, as SYNCD_SOURCE__AUTH would have them."""
    parts = urlsplit(url)
    login, at, address = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=address, fragment=""))
    return bare, f"basic:{unquote(login)}" if at else None


def authorization(auth: str | None) -> Mapping[str, str]:
    """The header that carries a login: `bearer:TOKEN` or `basic:USER:PASSWORD`."""
    if auth is None:
        return {}
    scheme, _, credentials = auth.partition(":")
    if scheme == "bearer":
        return {"Authorization": f"Bearer {credentials}"}
    login = credentials if ":" in credentials else f"{credentials}:"
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def root_cause(error: BaseException) -> BaseException:
    """The error that lies under those of urllib3 and requests, whose texts quote the URL with its secrets."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
