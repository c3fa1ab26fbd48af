"""The connections that pushes go over: bounded in time and size, and their failures told apart.

They are those of all clients here, made to raise PushError for whatever fails before anything is sent.

A request that did not get through must not get through later, when the order's next status has been told. The kernel
would go on sending it for a quarter of an hour, even for a process that is dead. So what is not acknowledged within
the time-out is dropped, and so is all that is left when a connection is closed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import time
from datetime import UTC, datetime

from requests.exceptions import InvalidProxyURL
from urllib3 import ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, SSLError

from syncd.http import connections as http_connections
from syncd.http.connections import BoundedResponse, Connection, SocketOptions, TlsConnection, root_cause
from syncd.imshop.meanings import TLS, UNREACHABLE, printable


def certificate_ends(sock: object) -> datetime | None:
    """When the certificate at the other end of a socket ends; None: the socket has no TLS."""
    certificate: dict[str, str] = getattr(sock, "getpeercert", dict)()
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC) if certificate else None


def why(error: BaseException) -> str:
    """What lies under the errors of urllib3 and requests, whose own texts quote the URL."""
    return printable(root_cause(error)[1])


BOOTTIME = time.CLOCK_BOOTTIME  # runs on while this process is frozen


class _Response(BoundedResponse):
    allowance = 256 * 1024


class _Connection(Connection):
    """Tells what fails before anything is sent, and so cannot have been applied, from what fails later.

    PushError is neither an OSError nor urllib3's, so it comes through urllib3 and requests as it is.
    """

    response_class = _Response

    def connect(self) -> None:
        """Within the time-out of the whole push, of which `timeout` is half: a host may have many addresses, and this
        process may be frozen meanwhile. What would leave later than that does not leave at all."""
        began_at = time.clock_gettime(BOOTTIME)
        try:
            super().connect()
            if time.clock_gettime(BOOTTIME) - began_at > 2 * float(self.timeout or 0):
                self.close()
                raise TimeoutError("connecting took too long")
        except (ssl.SSLError, SSLError) as error:
            raise TLS.error(host=self._tunnel_host or self.host, why=why(error)) from None
        except (OSError, HTTPError, http.client.HTTPException) as error:
            raise UNREACHABLE.error(host=self.host, why=why(error)) from None


class _TlsConnection(_Connection, TlsConnection):
    pass


class Pool(http_connections.Pool):
    ConnectionCls = _Connection

    def opened(self, seconds: float) -> HTTPConnection:
        """A connection that is not the pool's, to the server or to the proxy before it. PushError."""
        connection = self._new_conn()
        assert isinstance(connection, _Connection)
        connection.timeout = seconds
        connection.connect()
        return connection


class TlsPool(http_connections.TlsPool):
    ConnectionCls = _TlsConnection

    def opened(self, seconds: float) -> HTTPSConnection:
        """A connection that is not the pool's, through the proxy's tunnel if there is one. PushError."""
        connection = self._new_conn()
        assert isinstance(connection, _TlsConnection)
        connection.timeout = seconds
        if self.proxy:
            self._prepare_proxy(connection)
        else:
            connection.connect()
        return connection


_POOLS = {"http": Pool, "https": TlsPool}


def _options(timeout_seconds: float) -> SocketOptions:
    """Of each connection's socket. See above."""
    dropped = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return [
        *HTTPConnection.default_socket_options,
        dropped,
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout_seconds * 1000)),
    ]


class Adapter(http_connections.Adapter):
    """requests' adapter for one endpoint, with the connections above. `timeout_seconds`: of one push."""

    def __init__(self, connections: int, timeout_seconds: float) -> None:
        super().__init__(_POOLS, connections, _options(timeout_seconds))

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> ProxyManager:
        if proxy.lower().startswith("socks"):  # its connections are of another kind, without the bounds above
            raise InvalidProxyURL
        return super().proxy_manager_for(proxy, **proxy_kwargs)
