from __future__ import annotations

from tests.imshop.conftest import _no_proxy, certificate, tls_stub

__all__ = ["_no_proxy", "certificate", "tls_stub"]
