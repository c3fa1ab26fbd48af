"""The connections that an API is asked over: urllib3's own, made to stop at the time-out and at an answer's limit, also
where status line and headers drip in or do not end."""

from __future__ import annotations

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from syncd.sources.api.answers import BODY_LIMIT
from syncd.wire import BoundedResponse


class _Response(BoundedResponse):
    allowance = BODY_LIMIT * 2  # what its chunks need too; a body over its limit is told of by body_of


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
    """requests' adapter for one API, asked by one thread at a time. Only a SOCKS proxy's connections are its own."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
