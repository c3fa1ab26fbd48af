"""Shops on SQLite, MariaDB and PostgreSQL. A server's database is made once; each test has the shop's table anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from syncd.state import State
from tests.servers import DATABASES, DROP_MARIADB, DROP_POSTGRESQL, mariadb_url, postgresql_url, throw_away_database
from tests.sources.shop import DATINGS, Dating, Shop

OpenShop = Callable[[Dating], Shop]
_SERVERS = {"mariadb": (mariadb_url, DROP_MARIADB), "postgresql": (postgresql_url, DROP_POSTGRESQL)}


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The URL of a database on a server, made when it is first asked for."""
    urls: dict[str, str] = {}
    with ExitStack() as databases:

        def url(server: str) -> str:
            if server == "sqlite" and server not in urls:
                urls[server] = f"sqlite:///{new_file(tmp_path_factory.mktemp('shop'))}"
            elif server not in urls:
                address, drop = _SERVERS[server]
                urls[server] = databases.enter_context(throw_away_database(address(), drop))
            return urls[server]

        yield url


@pytest.fixture
def open_shop(database_url: Callable[[str], str]) -> Iterator[OpenShop]:
    """Opens a shop that dates its orders so."""
    with ExitStack() as shops:

        def opened(dating: Dating) -> Shop:
            shop = Shop(database_url(dating.server), dating)
            shops.callback(shop.close)
            return shop

        yield opened


@pytest.fixture(params=DATINGS, ids=str)
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop of each kind."""
    return open_shop(request.param)


@pytest.fixture(params=DATABASES)
def any_shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop on each server, where it does not matter how orders are dated."""
    return open_shop(next(dating for dating in DATINGS if dating.server == request.param))


@pytest.fixture
def state(memory: State) -> State:
    return memory


def new_file(folder: Path) -> Path:
    """An empty SQLite database."""
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return folder / "shop.db"
