from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from tests.imshop.conftest import _no_proxy, certificate, tls_stub
from tests.sources.api.server import STYLE, ApiShop
from tests.sources.shop import NOON

__all__ = ["_no_proxy", "certificate", "tls_stub"]


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Iterator[ApiShop]:
    """An API of the style that a test names, else without pages. It has ten orders, and a page is four."""
    with closing(ApiShop(getattr(request, "param", STYLE["none"]))) as api_shop:
        api_shop.add(*((f"{number}", "new", NOON - timedelta(minutes=60 - number)) for number in range(10)))
        yield api_shop
