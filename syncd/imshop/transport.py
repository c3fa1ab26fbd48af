"""One POST to IMSHOP over a kept-alive connection, bounded in time and size.

A request that did not get through must not get through later, when the order's next status has been pushed. The kernel
would go on sending it for a quarter of an hour, even for a process that is dead. So what is not acknowledged within
the time-out is dropped, and so is all that is left when a connection is closed.

requests and urllib3 prepare the request and open connections, through a proxy and with certificates. A push is written
to the socket directly: it makes five system calls. urllib3's pool makes eight, and at each of them a thread may have to
wait for the others.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import requests
from requests.utils import select_proxy
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, SSLError

from syncd.errors import SettingsError
from syncd.http.addresses import host_header, origin, shown
from syncd.http.bodies import BodyTooLongError, decode_text, iter_body
from syncd.http.connections import (
    BoundedAdapter,
    BoundedConnection,
    BoundedResponse,
    BoundedTlsConnection,
    Route,
    root_cause,
    set_timeout,
)
from syncd.http.headers import has_other_compression
from syncd.imshop.replies import SILENT, TEXT_LIMIT, TLS, UNREACHABLE, json_object
from syncd.text import one_line

BODY_LIMIT = 64 * 1024
BOOTTIME = time.CLOCK_BOOTTIME  # runs on while this process is frozen


@dataclass(frozen=True, slots=True)
class RawReply:
    """What a server answered. `flaw`: why `text` is not the whole of it, or None."""

    status: int
    headers: Mapping[str, str]
    text: str
    flaw: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """What is known of a connection that could be opened. `certificate_ends`: aware, in UTC; None: it has no TLS."""

    certificate_ends: datetime | None


class _Response(BoundedResponse):
    allowance = 256 * 1024


class _Connection(BoundedConnection):
    """Raises PushError for what fails before anything is sent: IMSHOP cannot have applied that. PushError is neither an
    OSError nor urllib3's, so urllib3 lets it through as it is."""

    response_class = _Response

    def connect(self) -> None:
        """Within the time-out of the whole push, of which `timeout` is half: a host may have many addresses, and this
        process may be frozen meanwhile. A request that would leave later than that does not leave at all."""
        began_at = time.clock_gettime(BOOTTIME)
        try:
            super().connect()
            if time.clock_gettime(BOOTTIME) - began_at > 2 * float(self.timeout or 0):
                self.close()
                raise TimeoutError("connecting took too long")
        except (ssl.SSLError, SSLError) as error:
            raise TLS.error(host=self._tunnel_host or self.host, why=_why(error)) from None
        except (OSError, HTTPError, http.client.HTTPException) as error:
            raise UNREACHABLE.error(host=self.host, why=_why(error)) from None


class _TlsConnection(_Connection, BoundedTlsConnection):
    pass


class Transport:
    """POSTs bodies to one URL, from many threads at once.

    Proxy and CA bundle come from the environment, read once. Raises SettingsError where these or the URL are unusable.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        redact: Callable[[str], str],
    ) -> None:
        self._request = _prepared(url, headers)
        self._redact = redact
        route = Route.to(url)
        self._proxies = route.proxies
        self._adapter = BoundedAdapter(_Connection, _TlsConnection, socket_options=_socket_options(timeout_seconds))
        self._pool = _usable_pool(self._adapter, self._request, route)
        self._timeout = timeout_seconds
        self._head = self._written_head()
        self._host = shown(url)
        self._is_tls = origin(url)[0] == "https"
        self._idle: list[HTTPConnection] = []
        self._is_closed = False

    def post(self, body: bytes) -> RawReply:
        """Send `body` once and return the reply, whatever it says. No redirect is followed, nothing is sent again.

        Raises PushError where there is no reply: UNREACHABLE, TLS or SILENT. Ends after about the time-out, even if
        the server sends a byte now and then. Beyond that: the resolver's own time-out, half a time-out for each
        further address of the host that does not answer, and one and a half for a proxy's tunnel.
        """
        ends_at = time.monotonic() + self._timeout
        # A connection gets half of the time, so that what remains is enough for a TLS handshake or an answer.
        connection = self._take_idle() or self.open_connection(self._timeout / 2)
        stays_open = False
        try:
            reply, stays_open = self._exchange(connection.sock, body, ends_at)
        except (HTTPError, http.client.HTTPException, OSError) as error:
            reason = self._redact(_why(error))[:TEXT_LIMIT]
        else:
            return reply
        finally:
            if stays_open:
                self._idle.append(connection)
            else:
                connection.close()
            if self._is_closed:
                self._close_idle()
        # Raised out here, it drags along neither their text, which quotes the URL with its token, nor their sockets.
        raise SILENT.error(host=self._host, why=reason)

    def _take_idle(self) -> HTTPConnection | None:
        """The connection that was used last and on which nothing came since; others are closed. None: there is none."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            unread = getattr(connection.sock, "pending", int)()  # what TLS has decrypted already
            if connection.is_connected and not unread:
                return connection
            connection.close()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _exchange(self, sock: socket.socket, body: bytes, ends_at: float) -> tuple[RawReply, bool]:
        """The reply to `body`, and whether the connection can be used again. HTTPError, HTTPException, OSError."""
        set_timeout(sock, ends_at - time.monotonic())
        with suppress(BrokenPipeError, ConnectionResetError):  # the server may have answered before it closed
            sock.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        set_timeout(sock, ends_at - time.monotonic())
        with closing(_Response(sock, method="POST")) as answer:
            answer.begin()
            headers = HTTPHeaderDict(answer.msg.items())
            response = HTTPResponse(
                answer,
                headers,
                answer.status,
                preload_content=False,
                decode_content=False,
                original_response=answer,
                request_method="POST",
            )
            content, flaw = _content(response)
            # The answer is closed if it was read to its end; or when `response` is collected, which must not be before.
            is_whole = flaw is None and answer.isclosed() and answer.status >= HTTPStatus.OK
            reply = RawReply(answer.status, response.headers, *_text(content, flaw, headers))
            return reply, is_whole and not answer.will_close

    def _written_head(self) -> bytes:
        """What each push begins with, but for its length."""
        # The path, or the whole URL where a proxy is to read it.
        target = self._adapter.request_url(self._request, self._proxies)
        login = {} if target.startswith("/") else self._pool.proxy_headers
        headers = {"Host": host_header(str(self._request.url)), **self._request.headers, **login}
        del headers["Content-Length"]
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), ""]
        return "\r\n".join(lines).encode("latin-1")

    def connect(self, seconds: float) -> Connected:
        """Open a connection as `post` would, and close it: nothing is sent. PushError: UNREACHABLE or TLS."""
        connection = self.open_connection(seconds)
        try:
            certificate: dict[str, str] = getattr(connection.sock, "getpeercert", dict)()
            ends = certificate and ssl.cert_time_to_seconds(certificate["notAfter"])
            return Connected(datetime.fromtimestamp(ends, UTC) if ends else None)
        finally:
            connection.close()

    def open_connection(self, seconds: float) -> HTTPConnection:
        """A new connection, through the proxy's tunnel if there is one. PushError."""
        connection = self._pool._new_conn()  # noqa: SLF001 - urllib3 offers no other way without sending a request
        assert isinstance(connection, _Connection)
        connection.timeout = seconds
        try:
            if isinstance(self._pool, HTTPSConnectionPool) and self._pool.proxy and self._is_tls:
                self._pool._prepare_proxy(connection)  # type: ignore[arg-type]  # noqa: SLF001 - as above
            else:
                connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy in force, or None."""
        proxy = select_proxy(str(self._request.url), self._proxies)
        return proxy.rpartition("://")[2].rpartition("@")[2].rstrip("/") if proxy else None

    def close(self) -> None:
        """Close the idle connections. Nothing may be posted afterwards."""
        self._is_closed = True
        self._close_idle()
        self._adapter.close()


def _prepared(url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
    """The request that every push copies: preparing one costs more than sending it."""
    try:
        request = requests.Request("POST", url).prepare()
        if origin(url)[0] not in ("http", "https"):
            raise requests.exceptions.InvalidSchema
    except (requests.RequestException, ValueError):  # their text quotes the URL
        fault = "SYNCD_IMSHOP__URL: must be an http or https URL, whole as IMSHOP's manager issued it"
        raise SettingsError([fault]) from None
    request.headers.update(headers)  # after preparing: a user and password in the URL must not displace the key
    return request


def _socket_options(timeout_seconds: float) -> list[tuple[int, int, int | bytes]]:
    """Those that drop what did not get through. See above."""
    return [
        *HTTPConnection.default_socket_options,
        (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout_seconds * 1000)),
    ]


def _usable_pool(adapter: BoundedAdapter, request: requests.PreparedRequest, route: Route) -> HTTPConnectionPool:
    """The pool of connections. A proxy or CA bundle that is unusable is found out now, not at the first push."""
    try:
        if (select_proxy(str(request.url), route.proxies) or "").lower().startswith("socks"):
            raise requests.exceptions.InvalidProxyURL  # its connections would not be bounded
        pool = adapter.get_connection_with_tls_context(request, route.trust, route.proxies)
    except (requests.RequestException, HTTPError, ValueError, TypeError):  # their text may quote a password
        fault = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: must be the URL of an http or https proxy"
        raise SettingsError([fault]) from None
    try:
        adapter.cert_verify(pool, request.url, route.trust, None)  # type: ignore[no-untyped-call] # so in the stubs
    except OSError as error:
        raise SettingsError([f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: {error}"]) from None
    assert isinstance(pool, HTTPConnectionPool)
    return pool


def _content(response: BaseHTTPResponse) -> tuple[bytes, str | None]:
    """The body as far as it was read, and why that is not the whole of it, or None."""
    parts: list[bytes] = []
    try:
        parts.extend(iter_body(response, BODY_LIMIT))
    except BodyTooLongError:
        return b"".join(parts), "is longer than 64 KiB"
    except (HTTPError, ValueError, ConnectionError):  # ValueError: http.client, of a negative chunk size
        return b"".join(parts), "broke off"
    except zlib.error:
        return b"".join(parts), "is compressed in a way that cannot be undone"
    return b"".join(parts), None


def _text(content: bytes, flaw: str | None, headers: HTTPHeaderDict) -> tuple[str, str | None]:
    """The text of the body, and its flaw. A JSON object that is closed is whole, whatever should have come after it;
    any other text that may not be whole counts as none."""
    text = decode_text(content, headers)
    if flaw and json_object(text) is None:
        return "", flaw
    # A proxy may have unpacked it and left the header.
    is_packed = has_other_compression(headers) and not text.startswith("{")
    return text, "is compressed in a way that was not asked for" if is_packed else None


def _why(error: BaseException) -> str:
    return one_line(root_cause(error)[1])
