"""A small shop in a real database, whose orders are dated in one of the ways in which shops do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import text

from syncd.model import Order, Page
from syncd.sources import Source
from syncd.sources.database import DatabaseSource
from tests.servers import engine_of

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUERY = "SELECT order_id, status, updated_at FROM orders"


def wall(pattern: str) -> Callable[[datetime, tzinfo], str]:
    return lambda when, zone: when.astimezone(zone).strftime(pattern)


def iso(when: datetime, zone: tzinfo) -> str:
    return when.astimezone(zone).isoformat(" ", "microseconds")


@dataclass(frozen=True)
class Dating:
    """How a shop dates its orders: on which server, in a column of which type, and what is written there."""

    server: str
    column: str
    write: Callable[[datetime, tzinfo], Any]

    def __str__(self) -> str:
        return f"{self.server}-{self.column}-{self.write(NOON, MOSCOW)}".replace(" ", "_")


DATINGS = [
    Dating("sqlite", "TEXT", wall("%Y-%m-%d %H:%M:%S")),
    Dating("sqlite", "DATETIME", wall("%Y-%m-%dT%H:%M:%S.%f")),
    Dating("sqlite", "TEXT", lambda when, _zone: when.strftime("%Y-%m-%dT%H:%M:%SZ")),
    Dating("sqlite", "TEXT", iso),
    Dating("sqlite", "INTEGER", lambda when, _zone: int(when.timestamp())),
    Dating("sqlite", "BIGINT", lambda when, _zone: int(when.timestamp()) * 1000),
    Dating("mariadb", "DATETIME", wall("%Y-%m-%d %H:%M:%S")),
    Dating("mariadb", "DATETIME(6)", wall("%Y-%m-%d %H:%M:%S.%f")),
    Dating("mariadb", "TIMESTAMP NULL", wall("%Y-%m-%d %H:%M:%S")),
    Dating("mariadb", "INT UNSIGNED", lambda when, _zone: int(when.timestamp())),
    Dating("postgresql", "timestamp", wall("%Y-%m-%d %H:%M:%S.%f")),
    Dating("postgresql", "timestamptz", iso),
    Dating("postgresql", "bigint", lambda when, _zone: int(when.timestamp())),
    Dating("postgresql", "numeric(20, 6)", lambda when, _zone: Decimal(f"{when.timestamp():.6f}")),
    Dating("postgresql", "varchar(40)", wall("%Y-%m-%d %H:%M:%S")),
]

_PATIENCE = {
    "mariadb": {"init_command": "SET lock_wait_timeout = 10"},
    "postgresql": {"options": "-c lock_timeout=10s"},
}
"""Of whoever changes the shop. SQLite's is five seconds."""


@dataclass
class Shop:
    """`present` is what the source's clock says."""

    url: str
    dating: Dating
    zone: tzinfo = MOSCOW
    present: datetime = NOON
    sources: list[DatabaseSource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = engine_of(self.url, **_PATIENCE.get(self.dating.server, {}))
        self.execute("DROP TABLE IF EXISTS orders")
        columns = f"order_id VARCHAR(40), status VARCHAR(40), updated_at {self.dating.column}"
        self.execute(f"CREATE TABLE orders ({columns})")
        self.execute("CREATE INDEX orders_updated_at ON orders (updated_at)")

    def execute(self, statement: str, *values: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), list(values) or None)

    def add(self, *rows: tuple[str | None, str | None, datetime | None]) -> None:
        """Rows of order id, status and time."""
        self.execute(
            "INSERT INTO orders VALUES (:order_id, :status, :updated_at)",
            *({"order_id": name, "status": status, "updated_at": self.raw(when)} for name, status, when in rows),
        )

    def change(self, order_id: str, status: str, when: datetime) -> None:
        self.execute(
            "UPDATE orders SET status = :status, updated_at = :updated_at WHERE order_id = :order_id",
            {"order_id": order_id, "status": status, "updated_at": self.raw(when)},
        )

    def clear(self) -> None:
        self.execute("DELETE FROM orders")

    def raw(self, when: datetime | None) -> object:
        return None if when is None else self.dating.write(when, self.zone)

    def source(self, query: str = QUERY, *, batch: int = 1000, lookback: timedelta | None = None) -> DatabaseSource:
        source = DatabaseSource(
            url=self.url,
            query=query,
            timezone=self.zone,
            lookback=timedelta(minutes=5) if lookback is None else lookback,
            lookback_rows=1000,
            batch=batch,
            clock=lambda: self.present,
        )
        self.sources.append(source)
        return source

    def close(self) -> None:
        for source in self.sources:
            source.close()


class AnyShop(Protocol):
    """A shop of any kind, in a database or behind an API."""

    zone: tzinfo
    present: datetime

    def add(self, *rows: tuple[str | None, str | None, datetime | None]) -> None: ...

    def change(self, order_id: str, status: str, when: datetime) -> None: ...

    def clear(self) -> None: ...

    def source(self, *, batch: int = 1000, lookback: timedelta | None = None) -> Source: ...


def start(source: Source) -> str:
    """The cursor after a baseline."""
    scan = source.scan(whole=True)
    for _ in scan.blocks():
        pass
    newest = scan.newest()
    assert newest is not None
    return newest[0]


def scanned(source: Source, *, whole: bool = False) -> list[Sequence[Any]]:
    """All rows of a scan."""
    return [row for block in source.scan(whole=whole).blocks() for row in block]


def polled(source: Source, cursor: str) -> tuple[list[Order], str]:
    """What a whole poll shows, and the cursor after it."""
    pages = list(source.changed(cursor))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    cursors = [page.cursor for page in pages if page.cursor is not None]
    return [order for page in pages for order in page.orders], cursors[-1] if cursors else cursor


def rows_read(source: DatabaseSource) -> int:
    """How many rows its session with MariaDB read, as the server counts."""
    counted = source.database.named_rows(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
    return sum(int(row["Value"]) for row in counted)


def ids(orders: Sequence[Order]) -> list[str]:
    return [order.order_id for order in orders]


def skipped(pages: Iterator[Page]) -> list[tuple[str, str | None]]:
    return [(row.reason, row.order_id) for page in pages for row in page.skipped]
