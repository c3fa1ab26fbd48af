"""Shops with many orders, in each kind of database, and how its bare driver reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymysql.cursors import SSCursor
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    Update,
    create_engine,
    insert,
    select,
    text,
    update,
)

from tests.servers import mariadb_url, postgresql_url, throw_away_database

QUERY = (
    "SELECT number AS order_id, state AS status, changed AS updated_at, said AS message, track AS tracking_url,"
    " app AS imshop_uuid FROM orders"
)
STATES = ("new", "paid", "packed", "shipped", "done")
BETWEEN_CHANGES = timedelta(minutes=1)  # so the lookback holds as many orders in a large shop as in a small one
ROWS_AT_ONCE = 2000
INSERTED_AT_ONCE = 10_000
ANALYZE = {"sqlite": "ANALYZE", "postgresql": "ANALYZE orders", "mysql": "ANALYZE TABLE orders"}

orders = Table(
    "orders",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(40), nullable=False),
    Column("changed", DateTime, nullable=False),
    Column("said", String(100)),
    Column("track", String(200)),
    Column("app", String(36)),
    Index("orders_changed", "changed"),
)
_COMPARED = select(orders.c.number, orders.c.state, orders.c.track, orders.c.app).order_by(orders.c.number)
_WHOLE = select(orders).order_by(orders.c.number)


@dataclass(frozen=True, slots=True)
class Shop:
    """`name` is the kind of database."""

    name: str
    url: str
    size: int

    def read_bare(self, *, whole: bool = False) -> None:
        """Read the columns that a full compare reads, or `whole` those of a baseline, by number, as the driver alone
        streams them."""
        with _engine(self.url) as engine:
            sql = str((_WHOLE if whole else _COMPARED).compile(engine))
            connection = engine.raw_connection()
            cursor = _STREAMS[self.name](connection.driver_connection)
            cursor.execute(sql)
            rows = 0
            while block := cursor.fetchmany(ROWS_AT_ONCE):
                rows += len(block)
            cursor.close()
            connection.close()
        assert rows == self.size

    def change_all(self, state: str) -> None:
        """Every order has another status, now."""
        self._change(update(orders).values(state=state, changed=_now()))

    def change_first(self, count: int, state: str, ago: timedelta = timedelta()) -> None:
        """The orders with the lowest numbers have another status, since so long ago."""
        self._change(update(orders).where(orders.c.number < count).values(state=state, changed=_now() - ago))

    def change_some(self, numbers: range, state: str) -> None:
        """These orders have another status, now."""
        these = orders.c.number.between(numbers.start, numbers.stop - 1)
        self._change(update(orders).where(these).values(state=state, changed=_now()))

    def change_unnoticed(self, count: int, state: str) -> None:
        """`count` orders, spread over all, have another status, and their `updated_at` did not move."""
        every = self.size // count
        self._change(update(orders).where(orders.c.number % every == 0).values(state=state))

    def _change(self, statement: Update) -> None:
        with _engine(self.url) as engine, engine.begin() as connection:
            connection.execute(statement)


@contextmanager
def open_shop(name: str, size: int, home: Path) -> Iterator[Shop]:
    """A shop of `size` orders for as long as the context lasts. Its file, if it is one, is in `home`."""
    with database(name, home) as url:
        shop = Shop(name, url, size)
        _fill(shop)
        yield shop


def database(name: str, home: Path) -> AbstractContextManager[str]:
    """The URL of an empty database for as long as the context lasts."""
    return _DATABASES[name](home / f"{uuid4().hex}.db")


def bytes_on_disk(url: str) -> int:
    """What a database takes, a SQLite file with its log."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    with _engine(url) as engine, engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _fill(shop: Shop) -> None:
    newest = _now() - timedelta(hours=1)
    with _engine(shop.url) as engine:
        with engine.begin() as connection:
            orders.metadata.create_all(connection)
            for start in range(0, shop.size, INSERTED_AT_ONCE):
                numbers = range(start, min(start + INSERTED_AT_ONCE, shop.size))
                rows = [_order(number, newest - BETWEEN_CHANGES * (shop.size - number)) for number in numbers]
                connection.execute(insert(orders), rows)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(ANALYZE[engine.dialect.name]))


def _order(number: int, changed: datetime) -> dict[str, object]:
    shipped = number % len(STATES) > 2
    return {
        "number": number,
        "state": STATES[number % len(STATES)],
        "changed": changed,
        "said": "Готов к выдаче",
        "track": f"https://www.cdek.ru/ru/tracking?order_id={1_000_000_000 + number}" if shipped else None,
        "app": f"{number:08x}-0000-4000-8000-000000000000" if number % 2 else None,
    }


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _file(path: Path) -> Iterator[str]:
    try:
        yield f"sqlite:///{path}"
    finally:
        path.unlink(missing_ok=True)


_DATABASES: Mapping[str, Callable[[Path], AbstractContextManager[str]]] = {
    "sqlite": _file,
    "postgresql": lambda _path: throw_away_database(postgresql_url(), drop="DROP DATABASE {} WITH (FORCE)"),
    "mariadb": lambda _path: throw_away_database(mariadb_url(), drop="DROP DATABASE {}"),
}
DATABASES = tuple(_DATABASES)


_STREAMS: Mapping[str, Callable[[Any], Any]] = {
    "sqlite": lambda connection: connection.cursor(),
    "postgresql": lambda connection: connection.cursor("bare"),
    "mariadb": lambda connection: connection.cursor(SSCursor),
}
