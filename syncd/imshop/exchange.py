"""One POST over a kept-alive connection, bounded in time and in size.

requests prepares the request and finds the connection pool, once; each push goes straight to the pool. A Session would
read a redirect's whole body, keep cookies and look up the environment for every request, and take twice the CPU.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import requests
from requests.utils import select_proxy
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError

from syncd.errors import SettingsError
from syncd.http.addresses import origin, shown
from syncd.http.bodies import BodyTooLongError, decode_text, has_other_compression, iter_body
from syncd.http.connections import Route
from syncd.imshop.connections import Adapter, Pool, TlsPool, certificate_ends, why
from syncd.imshop.meanings import SILENT, TEXT_LIMIT, fields_of

BODY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. `flaw` says why `text` is not the whole of it, or None."""

    status: int
    headers: Mapping[str, str]
    text: str
    flaw: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """What a connection that could be made shows. `certificate_ends`: aware, in UTC; None: it has no TLS."""

    certificate_ends: datetime | None


class Exchange:
    """POSTs bodies to one URL, from many threads at once.

    Proxy and CA bundle come from the environment, read once. Raises SettingsError where these or the URL are unusable.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        connections: int,
        redact: Callable[[str], str],
    ) -> None:
        self._request = _prepared(url, headers)
        self._redact = redact
        self._adapter = Adapter(connections, timeout_seconds)
        # A connection gets half of the time, so that what remains is enough for a TLS handshake or an answer.
        self._timeout = Timeout(connect=timeout_seconds / 2, total=timeout_seconds)
        way = Route.to(url)
        self._proxies = way.proxies
        self._pool = self._pool_with(way.trust)
        # The path, or the whole URL where a proxy is to read it.
        self._target = self._adapter.request_url(self._request, self._proxies)
        self._headers = {name: value for name, value in self._request.headers.items() if name != "Content-Length"}
        self._host = shown(url)

    def post(self, body: bytes) -> Reply:
        """Send `body` once and return the reply, whatever it says. No redirect is followed, nothing is sent again.

        Raises PushError where there is no reply: UNREACHABLE, TLS or SILENT. Ends after about the time-out, even if
        the server sends a byte now and then. Beyond that: the resolver's own time-out, half a time-out for each
        further address of the host that does not answer, and one and a half for a proxy's tunnel.
        """
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=body,
                headers=self._headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=self._timeout,
                preload_content=False,
                decode_content=False,
            )
        except HTTPError as error:
            reason = self._redact(why(error))[:TEXT_LIMIT]
        else:
            try:
                return Reply(response.status, response.headers, *_read(response))
            finally:
                response.close()  # closes the connection too, unless the answer was read to its end
                response.release_conn()
        # Raised out here, it drags along neither their text, which quotes the URL with its token, nor their sockets.
        raise SILENT.error(host=self._host, why=reason)

    def connect(self, seconds: float) -> Connected:
        """Open a connection as `post` would, and close it: nothing is sent. PushError: UNREACHABLE or TLS."""
        connection = self._pool.opened(seconds)
        try:
            return Connected(certificate_ends(connection.sock))
        finally:
            connection.close()

    @property
    def proxy(self) -> str | None:
        """Host and port of the proxy in force, or None."""
        proxy = select_proxy(str(self._request.url), self._proxies)
        return proxy.rpartition("://")[2].rpartition("@")[2].rstrip("/") if proxy else None

    def close(self) -> None:
        """Close the idle connections. Nothing may be posted afterwards."""
        self._adapter.close()

    def _pool_with(self, verify: Literal[True] | str) -> Pool | TlsPool:
        """The pool of connections. A proxy or CA bundle that is unusable is found out now, not at the first push."""
        try:
            pool = self._adapter.get_connection_with_tls_context(self._request, verify, self._proxies)
        except (requests.RequestException, HTTPError, ValueError, TypeError):  # their text may quote a password
            fault = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: must be the URL of an http or https proxy"
            raise SettingsError([fault]) from None
        try:
            self._adapter.cert_verify(pool, self._request.url, verify, None)  # type: ignore[no-untyped-call] # so in the stubs
        except OSError as error:
            raise SettingsError([f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: {error}"]) from None
        assert isinstance(pool, Pool | TlsPool)
        return pool


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


def _read(response: BaseHTTPResponse) -> tuple[str, str | None]:
    """The body as text, and what is wrong with it. A JSON object that is closed is whole, whatever should have come
    behind it; else there is none of a text that may not be whole."""
    parts: list[bytes] = []
    flaw = None
    try:
        parts.extend(iter_body(response, BODY_LIMIT))
    except BodyTooLongError:
        flaw = "is longer than 64 KiB"
    except (HTTPError, ValueError, ConnectionError):  # ValueError: http.client, of a negative chunk size
        flaw = "broke off"
    except zlib.error:
        flaw = "is compressed in a way that cannot be undone"
    text = decode_text(b"".join(parts), response.headers)
    if flaw and fields_of(text) is None:
        return "", flaw
    has_flaw = has_other_compression(response.headers) and not text.startswith(
        "{"
    )  # it may have been unpacked on its way
    return text, "is compressed in a way that was not asked for" if has_flaw else None
